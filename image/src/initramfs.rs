//! The first and only root file system: a compressed archive that the kernel unpacks into memory.
//!
//! Owns which files are in it and with which permissions. Everything is root's, of one time, sorted
//! by name, and compressed by one thread, so that the bytes are the same for the same files.

use std::collections::BTreeMap;

use crate::Error;
use crate::cpio::{Header, Writer};

/// Seconds since the epoch that every entry bears: 2026-01-01T00:00:00Z.
pub const MTIME_S: u32 = 1_767_225_600;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Empty directories that things are mounted on.
pub const MOUNT_POINTS: &[&str] = &["data", "dev", "esp", "proc", "run", "sys", "tmp"];

/// Files and links by their paths without the leading slash, each with its mode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Initramfs {
    files: BTreeMap<String, (u32, Vec<u8>)>,
}

impl Initramfs {
    /// Puts a file in, with permissions such as `0o644`.
    pub fn file(&mut self, path: &str, permissions: u32, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), (FILE | permissions, bytes.into()));
    }

    /// Puts a symbolic link in.
    pub fn link(&mut self, path: &str, to: &str) {
        self.files.insert(path.to_owned(), (LINK | 0o777, to.into()));
    }

    /// The archive, uncompressed.
    ///
    /// # Errors
    ///
    /// A file is larger than the format holds.
    pub fn archive(&self) -> Result<Vec<u8>, Error> {
        let mut entries: BTreeMap<&str, (u32, &[u8])> = BTreeMap::new();
        for point in MOUNT_POINTS {
            entries.insert(point, (DIRECTORY | 0o755, &[]));
        }
        for (path, (mode, bytes)) in &self.files {
            for (at, _) in path.match_indices('/') {
                entries.insert(&path[..at], (DIRECTORY | 0o755, &[]));
            }
            entries.insert(path, (*mode, bytes));
        }
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        for (inode, (path, (mode, bytes))) in (1..).zip(&entries) {
            let too_large = |_| Error::Unfit { path: path.into(), why: "it is larger than 4 GiB" };
            let size = u32::try_from(bytes.len()).map_err(too_large)?;
            let header =
                Header { inode, mode: *mode, links: 1, mtime_s: MTIME_S, size, device: (0, 0) };
            let content = |w: &mut Writer<_>| {
                w.entry(path.as_bytes(), &header)?;
                w.content(bytes)?;
                w.pad()
            };
            content(&mut writer).map_err(Error::Output)?;
        }
        writer.finish().map_err(Error::Output)?;
        Ok(out)
    }
}

/// Compresses as the kernel can undo it.
///
/// # Errors
///
/// The compressor fails.
pub fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>, Error> {
    zstd::bulk::compress(bytes, level).map_err(Error::Output)
}

/// Undoes [`compress`].
///
/// # Errors
///
/// It is something else, or larger than a GiB.
pub fn decompress(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    zstd::bulk::decompress(bytes, 1 << 30).map_err(|e| Error::broken("archive", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_stand_in_front_of_what_they_hold_and_order_of_putting_does_not_matter() {
        let mut one = Initramfs::default();
        one.file("etc/os-release", 0o644, "a");
        one.file("init", 0o755, "b");
        let mut other = Initramfs::default();
        other.file("init", 0o755, "b");
        other.file("etc/os-release", 0o644, "a");
        let archive = one.archive().unwrap();
        assert_eq!(archive, other.archive().unwrap());
        let at = |name: &[u8]| archive.windows(name.len()).position(|w| w == name).unwrap();
        assert!(at(b"etc\0") < at(b"etc/os-release\0"));
        assert_eq!(decompress(&compress(&archive, 3).unwrap()).unwrap(), archive);
    }

    #[test]
    fn a_link_is_an_entry_of_its_own_kind_that_says_where_it_leads() {
        let mut tree = Initramfs::default();
        tree.link("etc/resolv.conf", "/run/tapioca/net/resolv.conf");
        let archive = tree.archive().unwrap();
        let name = b"etc/resolv.conf\0";
        let at = archive.windows(name.len()).position(|w| w == name).unwrap();
        // Six of the mark, eight of the inode, then the mode; 110 in front of the name.
        assert_eq!(&archive[at - 110 + 14..][..8], b"0000a1ff");
        assert!(archive[at + name.len()..].starts_with(b"\0\0/run/tapioca/net/resolv.conf"));
    }
}
