//! `proc_list`: the walk of `src_filesys`, told as names.
//!
//! Owns the way from what a walk meets to the records of a name stream ([`crate::parts::names`]).
//! Opens directories and nothing else: a file that cannot be read is found by whoever takes it.

use std::io::Write;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use rustix::io::Errno;

use super::visit::{Spot, Visit};
use super::walk::Walk;
use super::{Plan, levels::inode, open_base, stored_paths};
use crate::parts::names::since::unwritten;
use crate::parts::names::{BY_PATTERN, Entry, NameWriter, Time};
use crate::stream::Fault;

/// Walks the trees of `plan` and writes what is met to `out`; `now` is when the walk begins. Returns
/// how many things were left out.
pub fn list_names(plan: &Plan, now: Time, out: impl Write) -> Result<u64, Fault> {
    let paths = stored_paths(plan)?;
    let base = open_base(plan)?;
    let names = NameWriter::begin(out, now).map_err(|e| unwritten(&e))?;
    let visit = Listing { names, entry: Entry::default(), left_out: 0 };
    let mut walk = Walk::new(plan, visit);
    paths.iter().try_for_each(|path| walk.tree(&base, path))?;
    let Listing { names, left_out, .. } = walk.visit;
    names.finish(left_out).map_err(|e| unwritten(&e))?;
    Ok(left_out)
}

/// Lists what a walk meets.
pub(super) struct Listing<W> {
    names: NameWriter<W>,
    /// Used again and again.
    entry: Entry,
    left_out: u64,
}

impl<W: Write> Listing<W> {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "the fields' types differ between architectures"
    )]
    fn tell(&mut self, path: &[u8], kind: u8, stat: &Stat) -> Result<(), Fault> {
        let Listing { names, entry, .. } = self;
        entry.kind = kind;
        entry.size = if kind == b'f' { super::content::size_of(stat) } else { 0 };
        entry.mtime = (stat.st_mtime as i64, stat.st_mtime_nsec as u32);
        entry.ctime = (stat.st_ctime as i64, stat.st_ctime_nsec as u32);
        entry.inode = inode(stat);
        entry.links = stat.st_nlink as u64;
        entry.path.clear();
        entry.path.extend_from_slice(path);
        names.entry(entry).map_err(|e| unwritten(&e))
    }
}

impl<W: Write> Visit for Listing<W> {
    const WHO: &'static str = "proc_list";

    fn directory(&mut self, path: &[u8], _fd: BorrowedFd<'_>, stat: &Stat) -> Result<(), Fault> {
        self.tell(path, b'd', stat)
    }

    fn other(&mut self, path: &[u8], spot: &Spot<'_>, _kind: FileType) -> Result<(), Fault> {
        let stat = match statat(spot.parent, spot.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return self.unreadable(path, "read", error),
        };
        if spot.is_elsewhere(&stat) {
            return self.not_crossed(path);
        }
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => b'f',
            FileType::Symlink => match readlinkat(spot.parent, spot.name, Vec::new()) {
                Ok(target) => {
                    self.entry.target = target.into_bytes();
                    b'l'
                }
                Err(Errno::INVAL) => return self.replaced(path),
                Err(error) => return self.unreadable(path, "read", error),
            },
            FileType::Fifo => b'p',
            FileType::CharacterDevice => b'c',
            FileType::BlockDevice => b'b',
            FileType::Socket => return self.socket(path),
            _ => return self.replaced(path),
        };
        self.tell(path, kind, &stat)
    }

    fn missing(&mut self, path: &[u8], why: &str) -> Result<(), Fault> {
        self.names.missing(why, path).map_err(|e| unwritten(&e))
    }

    fn count(&mut self) {
        self.left_out += 1;
    }

    fn root(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.names.root(path).map_err(|e| unwritten(&e))
    }

    fn excluded(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.missing(path, BY_PATTERN)
    }
}
