//! What an update is: a signed bundle, the bootable file in it, and the archive in that.
//!
//! Owns three formats, each written and read in one place: the bundle ([`format`]), the sections of a bootable file
//! ([`pe`]) and the archive that becomes the root file system ([`cpio`]). What is read may come from anywhere: every
//! length has a limit, and nothing of a bundle counts before its signature was right. Knows neither keys nor disks.

pub mod cpio;
pub mod format;
pub mod pe;

use std::{fmt, io};

pub use format::{Body, Manifest, Package, Release, Uki, Version};

/// Why something cannot be read or written.
#[derive(Debug)]
pub enum Error {
    /// It is not of its format, or not signed. Trying again does not help.
    Broken {
        /// What was read.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Where it comes from or goes to failed.
    Io(io::Error),
}

impl Error {
    pub(crate) fn broken(what: impl fmt::Display, why: impl fmt::Display) -> Error {
        Error::Broken { what: what.to_string(), why: why.to_string() }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::broken("update", "is cut off"),
            _ => Error::Io(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Broken { what, why } => write!(f, "{what}: {why}"),
            Error::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// The content of a file of the root file system in a bootable file, at most `bytes_max` long.
///
/// # Errors
///
/// There is no such file, or it is longer, or what is around it is not of its format.
pub fn root_file(uki: &[u8], path: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let sections = pe::sections(uki)?;
    let none = || Error::broken("bootable file", "has no root file system");
    let archive = sections.iter().find(|(name, _)| name == INITRD).ok_or_else(none)?.1;
    let unpacked = zstd::stream::read::Decoder::with_buffer(archive)?;
    cpio::find(unpacked, path, bytes_max)
}

/// The section of the root file system.
pub const INITRD: &str = ".initrd";
/// In the root file system: what runs, as [`Release`], JSON.
pub const RELEASE_FILE: &str = "release.json";
/// In the root file system: the key of updates, 32 bytes; without it none is taken.
pub const KEY_FILE: &str = "update.pub";
