//! The payload of a file-tree stream: a POSIX pax archive.
//!
//! Owns [`Member`], one entry of a tree with all its metadata, and its encoding (POSIX.1-2017, pax
//! utility, "pax Interchange Format", with the keywords GNU tar and libarchive use for sparse
//! files, extended attributes and ACLs). Pure bytes: opens nothing.

pub mod acl;
mod assemble;
mod block;
mod number;
mod read;
mod records;
mod sparse;
mod write;

pub use block::BLOCK;
pub use read::{Event, HEADERS_BYTES_MAX, Reader, Visit};
pub use sparse::RUNS_MAX;
pub use write::{Content, END_OF_ARCHIVE, GONE_BYTES_MAX, encode, encode_gone};

use std::collections::BTreeMap;

/// Longest path or link text, bytes.
pub const PATH_BYTES_MAX: usize = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; `map` lists the data runs (offset, length) when it has holes.
    File {
        /// Data runs in order, `None` for a file without holes.
        map: Option<Vec<(u64, u64)>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Its text.
        target: Vec<u8>,
    },
    /// Another name of an earlier member (of a symbolic link or device too).
    HardLink {
        /// The earlier member's path.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// Seconds since the epoch (floor, may be negative) and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Seconds, rounded down.
    pub s: i64,
    /// 0 ..= 999,999,999.
    pub ns: u32,
}

/// One entry of a file tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path as stored, any bytes but NUL; no trailing slash.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, 0 ..= 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Owner's name, empty if unknown.
    pub uname: Vec<u8>,
    /// Group's name, empty if unknown.
    pub gname: Vec<u8>,
    /// Logical size of a regular file, holes included.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Access time, when recorded.
    pub atime: Option<Time>,
    /// Extended attributes by full name (`user.x`, `security.capability`), ACLs not among them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// POSIX access ACL as text (`user::rw-,user:1000:r--,…`).
    pub acl_access: Option<Vec<u8>>,
    /// POSIX default ACL of a directory as text.
    pub acl_default: Option<Vec<u8>>,
}
