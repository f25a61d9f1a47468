//! What can go wrong with the library as files on a disk.
//!
//! Owns [`Error`], for the calls that make, open and disturb a library. What a *command* meets is
//! never an error here: that is sense data, as on any device.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a virtual library could not be made, opened or changed.
#[derive(Debug)]
pub enum Error {
    /// The directory already holds a library; it was left alone.
    Exists(PathBuf),
    /// The directory holds no library.
    Missing(PathBuf),
    /// Another opener holds the unit.
    InUse {
        /// Device name, `virtual:DIR#drive0`.
        name: String,
        /// Process that holds it, when it left its number.
        pid: Option<u32>,
    },
    /// Not of the form `virtual:DIR#driveN` or `virtual:DIR#changer`, or no such unit.
    BadName(String),
    /// The shape asks for something no library can be.
    BadShape(String),
    /// No such mail slot, drive or volume tag, or the place is full or empty.
    BadPlace(String),
    /// A file of the library does not hold what it should.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The host refused a file operation.
    Io {
        /// The file.
        path: PathBuf,
        /// The host's reason.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |source| Error::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, why: impl fmt::Display) -> Error {
        Error::Damaged { path: path.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Exists(dir) => write!(f, "{}: already holds a virtual library", dir.display()),
            Error::Missing(dir) => write!(f, "{}: holds no virtual library", dir.display()),
            Error::InUse { name, pid: Some(pid) } => write!(f, "{name}: in use by pid {pid}"),
            Error::InUse { name, pid: None } => write!(f, "{name}: in use by another process"),
            Error::BadName(name) => {
                write!(f, "{name}: not a device: want virtual:DIR#driveN or virtual:DIR#changer")
            }
            Error::BadShape(why) | Error::BadPlace(why) => f.write_str(why),
            Error::Damaged { path, why } => write!(f, "{}: damaged: {why}", path.display()),
            Error::Io { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error::Io { ref source, .. } => io::Error::new(source.kind(), error.to_string()),
            Error::InUse { .. } => io::Error::new(io::ErrorKind::ResourceBusy, error.to_string()),
            Error::Missing(_) => io::Error::new(io::ErrorKind::NotFound, error.to_string()),
            _ => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        }
    }
}
