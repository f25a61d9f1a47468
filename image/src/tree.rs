//! A directory as a cpio archive.
//!
//! Owns what makes the archive the same for the same tree wherever and whenever it is made: names
//! sorted by their bytes, inodes numbered as they come, everything owned by root, one time for all.
//! Permissions are the tree's. Sockets, which no archive holds, are refused and not left out.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::cpio::{Header, NAME_BYTES_MAX, Writer};

/// An inode of the host, and what became of it here.
#[derive(Default)]
struct Inode {
    number: u32,
    names: u32,
    written: u32,
}

/// Writes everything below `dir`, each entry with the time `mtime_s`.
///
/// # Errors
///
/// [`Error`]; what was written before is no archive.
pub fn write(dir: &Path, mtime_s: u32, out: impl Write) -> Result<(), Error> {
    let paths = below(dir)?;
    let mut inodes = numbered(dir, &paths)?;
    let mut writer = Writer::new(out);
    for path in &paths {
        let full = dir.join(path);
        let meta = metadata(&full)?;
        let inode = inodes
            .get_mut(&(meta.dev(), meta.ino()))
            .ok_or_else(|| Error::Changed { path: full.clone() })?;
        inode.written += 1;
        let entry = Entry { path, full: &full, meta: &meta, mtime_s };
        entry.write(inode, &mut writer)?;
    }
    writer.finish().map_err(Error::Output)
}

/// Every path below `dir`, relative to it, a directory in front of what it holds.
fn below(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = dir.join(&path);
        let failed = |error| Error::Input { path: full.clone(), error };
        for entry in fs::read_dir(&full).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = path.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                waiting.push(name.clone());
            }
            paths.push(name);
        }
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(paths)
}

fn metadata(full: &Path) -> Result<Metadata, Error> {
    fs::symlink_metadata(full).map_err(|error| Error::Input { path: full.to_owned(), error })
}

fn numbered(dir: &Path, paths: &[PathBuf]) -> Result<BTreeMap<(u64, u64), Inode>, Error> {
    let mut inodes: BTreeMap<(u64, u64), Inode> = BTreeMap::new();
    let mut next = 1;
    for path in paths {
        let meta = metadata(&dir.join(path))?;
        let inode = inodes.entry((meta.dev(), meta.ino())).or_default();
        if inode.names == 0 {
            inode.number = next;
            next += 1;
        }
        inode.names += 1;
    }
    Ok(inodes)
}

struct Entry<'a> {
    path: &'a Path,
    full: &'a Path,
    meta: &'a Metadata,
    mtime_s: u32,
}

impl Entry<'_> {
    fn write(&self, inode: &Inode, writer: &mut Writer<impl Write>) -> Result<(), Error> {
        let kind = self.meta.file_type();
        let name = self.path.as_os_str().as_bytes();
        // Of a file with several names the last carries the content.
        let is_last_name = inode.written == inode.names;
        if kind.is_socket() {
            return Err(self.unfit("it is a socket"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(self.unfit("its name is longer than 4095 bytes"));
        }
        let target = match kind.is_symlink() {
            true => fs::read_link(self.full).map_err(|e| self.unreadable(e))?,
            false => PathBuf::new(),
        };
        let size = if kind.is_symlink() {
            target.as_os_str().len() as u64
        } else if kind.is_file() && is_last_name {
            self.meta.len()
        } else {
            0
        };
        let header = Header {
            inode: inode.number,
            mode: self.meta.mode(),
            links: inode.names,
            mtime_s: self.mtime_s,
            size: u32::try_from(size).map_err(|_| self.unfit("it is larger than 4 GiB"))?,
            device: device_number(self.meta),
        };
        writer.entry(name, &header).map_err(Error::Output)?;
        if kind.is_symlink() {
            writer.content(target.as_os_str().as_bytes()).map_err(Error::Output)?;
        } else if size > 0 {
            self.copy(size, writer)?;
        }
        writer.pad().map_err(Error::Output)
    }

    fn copy(&self, size: u64, writer: &mut Writer<impl Write>) -> Result<(), Error> {
        let mut file = File::open(self.full).map_err(|e| self.unreadable(e))?;
        let mut left = size;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.unreadable(e)),
            };
            let changed = || Error::Changed { path: self.full.to_owned() };
            left = left.checked_sub(count as u64).ok_or_else(changed)?;
            writer.content(&buffer[..count]).map_err(Error::Output)?;
        }
        match left {
            0 => Ok(()),
            _ => Err(Error::Changed { path: self.full.to_owned() }),
        }
    }

    fn unfit(&self, why: &'static str) -> Error {
        Error::Unfit { path: self.full.to_owned(), why }
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::Input { path: self.full.to_owned(), error }
    }
}

/// Linux packs twelve bits of major and twenty of minor number, low halves first.
fn device_number(meta: &Metadata) -> (u32, u32) {
    let kind = meta.file_type();
    if !kind.is_char_device() && !kind.is_block_device() {
        return (0, 0);
    }
    let number = meta.rdev();
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xf_ff00);
    (u32::try_from(major).unwrap_or(u32::MAX), u32::try_from(minor).unwrap_or(u32::MAX))
}
