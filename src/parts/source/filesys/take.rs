//! Members of what a walk meets.
//!
//! Owns the member made of each name, its content, and the index lines about what is no member: the
//! inodes of directories, and what was left out.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    Advice, AtFlags, FileType, OFlags, Stat, fstat, major, minor, readlinkat, statat,
};
use rustix::io::Errno;

use super::Plan;
use super::content::{self, Read};
use super::flow::Flow;
use super::levels::{Inode, LISTING_BYTES, inode, open};
use super::metadata::{self, Holder, Owners, add_attributes, describe};
use super::visit::{Spot, Visit};
use crate::list::{self, Line};
use crate::pax::{self, GONE_BYTES_MAX, Kind, Member};
use crate::stream::{Fault, Outlet};

/// Bytes of lines about directories after which a mark is put.
const MARK_BYTES: usize = 32 * 1024;

/// Makes an archive of what a walk meets.
pub(super) struct Take<'a> {
    plan: &'a Plan,
    flow: Flow<'a>,
    /// The member being made.
    member: Member,
    headers: Vec<u8>,
    owners: Owners,
    /// First path of each inode with several names.
    links: HashMap<Inode, Box<[u8]>>,
    /// Lines about directories that were not told yet.
    inodes: Vec<u8>,
    /// Paths that are gone and were not told yet, separated by NUL; `None` when all was told.
    gone: Option<Vec<u8>>,
    left_out: u64,
}

impl<'a> Take<'a> {
    pub(super) fn new(plan: &'a Plan, out: &'a mut dyn Outlet) -> Take<'a> {
        Take {
            plan,
            flow: Flow::new(out),
            member: metadata::blank(),
            headers: Vec::new(),
            owners: Owners::default(),
            links: HashMap::new(),
            inodes: Vec::new(),
            gone: None,
            left_out: 0,
        }
    }

    /// Ends the archive and the stream; returns how many things were left out.
    pub(super) fn finish(mut self) -> Result<u64, Fault> {
        self.tell_gone()?;
        self.tell_inodes()?;
        self.flow.put(&pax::END_OF_ARCHIVE)?;
        self.flow.end(self.left_out)?;
        Ok(self.left_out)
    }

    /// Says that this archive goes on from earlier ones. To be called before any member is made.
    pub(super) fn goes_on(&mut self) {
        self.gone.get_or_insert_default();
    }

    /// Takes down that a path is there no more. Likewise.
    pub(super) fn gone(&mut self, path: &[u8]) -> Result<(), Fault> {
        let held = self.gone.as_ref().map_or(0, Vec::len);
        if held > 0 && held + path.len() >= GONE_BYTES_MAX {
            self.tell_gone()?;
        }
        let gone = self.gone.get_or_insert_default();
        if !gone.is_empty() {
            gone.push(0);
        }
        gone.extend_from_slice(path);
        Ok(())
    }

    fn tell_gone(&mut self) -> Result<(), Fault> {
        let Some(gone) = self.gone.take() else { return Ok(()) };
        self.headers.clear();
        pax::encode_gone(&gone, &mut self.headers);
        self.flow.put(&self.headers)
    }

    /// Counts what somebody else left out and told.
    pub(super) fn left_out_before(&mut self, count: u64) {
        self.left_out = self.left_out.saturating_add(count);
    }

    /// Announces another name of an inode that was taken, or remembers this one as its first.
    fn is_link(&mut self, stat: &Stat) -> Result<bool, Fault> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        match self.links.entry(inode(stat)) {
            std::collections::hash_map::Entry::Vacant(first) => {
                first.insert(self.member.path.as_slice().into());
                Ok(false)
            }
            std::collections::hash_map::Entry::Occupied(first) => {
                self.member.kind = Kind::HardLink { target: first.get().to_vec() };
                self.announce().map(|_| true)
            }
        }
    }

    fn attributes(&mut self, holder: &Holder<'_>) -> Result<(), Fault> {
        match add_attributes(&mut self.member, holder) {
            Ok(()) => Ok(()),
            Err(error) => self.trouble("read attributes of", error),
        }
    }

    /// Sends the member's headers; its content must follow.
    fn announce(&mut self) -> Result<pax::Content, Fault> {
        self.tell_gone()?;
        self.headers.clear();
        let content = pax::encode(&self.member, &mut self.headers);
        self.flow.put(&self.headers)?;
        // The map of one odd file must not stay with us.
        self.headers.shrink_to(LISTING_BYTES);
        Ok(content)
    }

    fn file(&mut self, spot: &Spot<'_>) -> Result<(), Fault> {
        let opened =
            open(spot.parent, spot.name, OFlags::NONBLOCK).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(Errno::LOOP | Errno::NXIO) => return self.here(Self::replaced),
            Err(error) => return self.trouble("open", error),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.here(Self::replaced);
        }
        if spot.is_elsewhere(&stat) {
            return self.here(Self::not_crossed);
        }
        describe(&mut self.member, &stat, &mut self.owners, self.plan.atime);
        if self.is_link(&stat)? {
            return Ok(());
        }
        let map = content::map_of(fd.as_fd(), &stat);
        self.member.size = content::size_of(&stat);
        self.member.kind = Kind::File { map };
        self.attributes(&Holder::Open(fd.as_fd()))?;
        self.send_file(fd.as_fd(), &stat)?;
        if self.plan.drop_cache {
            content::advise(fd.as_fd(), Advice::DontNeed);
        }
        Ok(())
    }

    fn send_file(&mut self, fd: BorrowedFd<'_>, stat: &Stat) -> Result<(), Fault> {
        let content = self.announce()?;
        let ended = match &self.member.kind {
            Kind::File { map: Some(runs) } => content::send_runs(fd, runs, &mut self.flow)?,
            _ => content::send_whole(fd, content.bytes, &mut self.flow)?,
        };
        self.flow.zeros(content.padding)?;
        match (ended, fstat(fd)) {
            (Read::Failed(error), _) | (Read::Whole, Err(error)) => self.trouble("read", error),
            (Read::Whole, Ok(now)) if !has_changed(stat, &now) => Ok(()),
            (Read::Short, _) => self.changed("it became shorter while it was read"),
            (Read::Whole, Ok(_)) => self.changed("it changed while it was read"),
        }
    }

    /// Links, pipes and devices, which are described without being opened.
    fn special(&mut self, spot: &Spot<'_>) -> Result<(), Fault> {
        let stat = match statat(spot.parent, spot.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return self.trouble("read", error),
        };
        if spot.is_elsewhere(&stat) {
            return self.here(Self::not_crossed);
        }
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => match readlinkat(spot.parent, spot.name, Vec::new()) {
                Ok(target) => Kind::Symlink { target: target.into_bytes() },
                Err(Errno::INVAL) => return self.here(Self::replaced),
                Err(error) => return self.trouble("read", error),
            },
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Socket => return self.here(Self::socket),
            _ => return self.here(Self::replaced),
        };
        describe(&mut self.member, &stat, &mut self.owners, self.plan.atime);
        if self.is_link(&stat)? {
            return Ok(());
        }
        self.member.kind = kind;
        self.attributes(&Holder::Name(spot.parent, spot.name))?;
        self.announce().map(|_| ())
    }

    /// Says something about the current path.
    fn here(&mut self, say: fn(&mut Self, &[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        let path = std::mem::take(&mut self.member.path);
        let said = say(self, &path);
        self.member.path = path;
        said
    }

    fn trouble(&mut self, verb: &str, error: Errno) -> Result<(), Fault> {
        let path = self.member.path.clone();
        self.unreadable(&path, verb, error)
    }

    fn changed(&mut self, told: &str) -> Result<(), Fault> {
        let path = self.member.path.clone();
        self.leave_out(&path, "changed", told)
    }

    /// Sends a line of the index, unless its path is too long for one.
    fn mark(&mut self, line: &Line) -> Result<(), Fault> {
        let mut text = Vec::new();
        line.write(&mut text);
        match text.len() > list::LINE_BYTES_MAX {
            true => Ok(()),
            false => self.flow.mark(text),
        }
    }

    /// A directory is known again by its inode.
    fn note_inode(&mut self, stat: &Stat) -> Result<(), Fault> {
        let before = self.inodes.len();
        let line = Line::Inode { number: stat.st_ino, path: self.member.path.clone() };
        line.write(&mut self.inodes);
        if self.inodes.len() - before > list::LINE_BYTES_MAX {
            self.inodes.truncate(before);
        }
        if self.inodes.len() >= MARK_BYTES { self.tell_inodes() } else { Ok(()) }
    }

    fn tell_inodes(&mut self) -> Result<(), Fault> {
        match self.inodes.is_empty() {
            true => Ok(()),
            false => self.flow.mark(std::mem::take(&mut self.inodes)),
        }
    }
}

impl Visit for Take<'_> {
    const WHO: &'static str = "src_filesys";

    fn directory(&mut self, path: &[u8], fd: BorrowedFd<'_>, stat: &Stat) -> Result<(), Fault> {
        self.member.path.clear();
        self.member.path.extend_from_slice(path);
        describe(&mut self.member, stat, &mut self.owners, self.plan.atime);
        self.member.kind = Kind::Directory;
        self.attributes(&Holder::Open(fd))?;
        self.note_inode(stat)?;
        self.announce().map(|_| ())
    }

    fn other(&mut self, path: &[u8], spot: &Spot<'_>, kind: FileType) -> Result<(), Fault> {
        self.member.path.clear();
        self.member.path.extend_from_slice(path);
        match kind {
            FileType::RegularFile => self.file(spot),
            _ => self.special(spot),
        }
    }

    fn missing(&mut self, path: &[u8], why: &str) -> Result<(), Fault> {
        self.mark(&Line::Missing { why: why.into(), path: path.to_vec() })
    }

    fn count(&mut self) {
        self.left_out += 1;
    }
}

fn has_changed(before: &Stat, after: &Stat) -> bool {
    let state = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec);
    state(before) != state(after)
}
