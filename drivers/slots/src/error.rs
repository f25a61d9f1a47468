//! What can go wrong with records: the caller's fault, or the medium's.

use std::{fmt, io};

use crate::{Kind, PARTITION_BYTES};

/// Why something could not be done.
#[derive(Debug)]
pub enum Error {
    /// The partition is smaller than [`PARTITION_BYTES`].
    TooSmall {
        /// What it has.
        bytes: u64,
    },
    /// A payload that does not fit into a cell. Nothing was written.
    TooLong {
        /// What kind of record.
        kind: Kind,
        /// Bytes of the payload.
        bytes: usize,
    },
    /// There were records of this kind, and none can be read any more.
    Damaged {
        /// What kind of record.
        kind: Kind,
    },
    /// No generation comes after the newest.
    Exhausted {
        /// What kind of record.
        kind: Kind,
    },
    /// The medium refused.
    Io {
        /// What was tried.
        what: String,
        /// The system's word.
        error: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, error: io::Error) -> Error {
        Error::Io { what: what.into(), error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooSmall { bytes } => {
                write!(f, "the partition has {bytes} bytes, and must have {PARTITION_BYTES}")
            }
            Error::TooLong { kind, bytes } => {
                let most = kind.payload_bytes_max();
                write!(f, "{bytes} bytes are too long for a record {kind}: at most {most}")
            }
            Error::Damaged { kind } => write!(f, "no record {kind} can be read any more"),
            Error::Exhausted { kind } => write!(f, "no further record {kind} can be counted"),
            Error::Io { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Error {}
