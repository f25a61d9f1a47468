//! The FAT32 partition that the firmware boots from, changed so that a power cut leaves it bootable.
//!
//! Owns the format as far as files are added, removed and read, and the order of every write: a file's content is
//! durable before its clusters are, and those before its name is; a name goes before what it named. Whatever is cut
//! off is old or new, and at most clusters are lost, which the next change takes back. Nothing is renamed or
//! overwritten. What the firmware wrote is believed as little as what a failing disk returns. Source: Microsoft's "FAT:
//! General Overview of On-Disk Format", 1.03; UEFI 2.10, 13.3.
//!
//! ```text
//! sector 0     1       6      7        32           32+n         32+2n
//!        +-----+-------+------+--------+------------+------------+----------------…
//!        |boot |FS info| copies of both| FAT        | its copy   | clusters, from 2
//!        +-----+-------+------+--------+------------+------------+----------------…
//! ```

mod change;
mod geometry;
mod medium;
mod name;
mod read;
#[cfg(test)]
mod tests;

use std::{fmt, io};

pub use medium::Medium;

use geometry::Geometry;

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Bytes of an entry of a directory.
const ENTRY: usize = 32;
/// Entries of all directories that are looked at.
const ENTRIES_MAX: usize = 4096;
/// Directories inside each other.
const DEPTH_MAX: usize = 8;

/// Why something could not be done.
#[derive(Debug)]
pub enum Error {
    /// This is no such file system, or its directories cannot be read. It has to be made anew.
    Damaged(String),
    /// What is wanted cannot be: there is no such file, or one already, or no room.
    Refused(String),
    /// The medium refused.
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Damaged(what) => write!(f, "the boot partition is damaged: {what}"),
            Error::Refused(what) => f.write_str(what),
            Error::Io(error) => write!(f, "the boot partition: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, words separated by `/`: `EFI/Linux/tapioca_0.1.0.efi`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Whether its clusters are as many as its length says and nobody else's. If not, it cannot be read.
    pub whole: bool,
    clusters: Vec<u32>,
    /// Where the entries of its name are, bytes.
    entries: Vec<u64>,
}

/// A directory.
#[derive(Debug, Clone)]
struct Directory {
    path: String,
    clusters: Vec<u32>,
}

/// The file system. What it knows is read once; who else writes meanwhile is not noticed.
#[derive(Debug)]
pub struct Esp<M> {
    medium: M,
    geometry: Geometry,
    /// Where each cluster leads, as it should be: what nothing leads to is free.
    fat: Vec<u32>,
    directories: Vec<Directory>,
    files: Vec<File>,
}
