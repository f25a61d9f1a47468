//! What can go wrong, by whose fault.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why an image was not made, or is not what it should be.
#[derive(Debug)]
pub enum Error {
    /// The host cannot read something.
    Input {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The archive cannot be written where it goes.
    Output(io::Error),
    /// The host cannot write a file.
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The format has no place for this.
    Unfit {
        /// What.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// A file grew or shrank while it was read.
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The board says what cannot be built.
    Board(board::Error),
    /// The board names what its kernel package has not, or has no image at all.
    Asked(String),
    /// A program of the host failed or is not there.
    Program {
        /// Its name.
        program: String,
        /// What it said.
        why: String,
    },
    /// Bytes that are not of their format.
    Broken {
        /// What was read.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than the board allows.
    Limit {
        /// Key of the limit.
        key: &'static str,
        /// What there is, bytes.
        bytes: u64,
        /// What may be, bytes.
        max: u64,
    },
    /// A key could not be made or used.
    Key(String),
}

impl Error {
    /// 100 when trying again cannot help, 111 when it may.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Unfit { .. }
            | Error::Board(_)
            | Error::Asked(_)
            | Error::Broken { .. }
            | Error::Limit { .. } => 100,
            Error::Input { .. }
            | Error::Output(_)
            | Error::Write { .. }
            | Error::Changed { .. }
            | Error::Program { .. }
            | Error::Key(_) => 111,
        }
    }

    pub(crate) fn input(path: &Path) -> impl FnOnce(io::Error) -> Error + use<'_> {
        move |error| Error::Input { path: path.to_owned(), error }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Error + use<'_> {
        move |error| Error::Write { path: path.to_owned(), error }
    }

    pub(crate) fn broken(what: impl fmt::Display, why: impl fmt::Display) -> Error {
        Error::Broken { what: what.to_string(), why: why.to_string() }
    }
}

impl From<board::Error> for Error {
    fn from(error: board::Error) -> Error {
        Error::Board(error)
    }
}

impl From<bundle::Error> for Error {
    fn from(error: bundle::Error) -> Error {
        match error {
            bundle::Error::Broken { what, why } => Error::Broken { what, why },
            bundle::Error::Io(error) => Error::broken("update", error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Input { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Error::Output(error) => write!(f, "cannot write the archive: {error}"),
            Error::Write { path, error } => write!(f, "cannot write {}: {error}", path.display()),
            Error::Unfit { path, why } => write!(f, "cannot archive {}: {why}", path.display()),
            Error::Changed { path } => {
                write!(f, "cannot archive {}: it changed while it was read", path.display())
            }
            Error::Board(error) => error.fmt(f),
            Error::Asked(why) => f.write_str(why),
            Error::Program { program, why } => write!(f, "{program}: {why}"),
            Error::Broken { what, why } => write!(f, "{what}: {why}"),
            Error::Limit { key, bytes, max } => {
                let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
                write!(f, "{:.1} MiB, and {key} allows {:.0} MiB", mib(*bytes), mib(*max))
            }
            Error::Key(why) => write!(f, "keys: {why}"),
        }
    }
}

impl std::error::Error for Error {}
