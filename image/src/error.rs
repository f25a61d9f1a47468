//! What can go wrong, by whose fault.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an archive was not written.
#[derive(Debug)]
pub enum Error {
    /// The host cannot read something of the tree.
    Input {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The archive cannot be written where it goes.
    Output(io::Error),
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
}

impl Error {
    /// 100 when trying again cannot help, 111 when it may.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Unfit { .. } => 100,
            Error::Input { .. } | Error::Output(_) | Error::Changed { .. } => 111,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Input { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Error::Output(error) => write!(f, "cannot write the archive: {error}"),
            Error::Unfit { path, why } => write!(f, "cannot archive {}: {why}", path.display()),
            Error::Changed { path } => {
                write!(f, "cannot archive {}: it changed while it was read", path.display())
            }
        }
    }
}

impl std::error::Error for Error {}
