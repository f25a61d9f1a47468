//! The walk.
//!
//! Owns the way down and back up, the member made of each name, and what is told of a name that
//! cannot be taken.

use std::collections::HashMap;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    Advice, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, major, minor, openat,
    openat2, readlinkat, statat,
};
use rustix::io::Errno;

use super::content::{self, Read};
use super::flow::Flow;
use super::levels::{Inode, LISTING_BYTES, Level, Names, OPEN_MAX, directory_above, inode, open};
use super::metadata::{self, Holder, Owners, add_attributes, describe};
use super::{Plan, paths::Stored};
use crate::list::{self, Line};
use crate::pax::{self, Kind, Member};
use crate::stream::{Fault, Outlet};

/// A directory that was just announced.
struct Entered {
    fd: OwnedFd,
    stat: Stat,
}

pub(super) struct Walk<'a> {
    plan: &'a Plan,
    flow: Flow<'a>,
    /// The member being made; its path is where we are.
    member: Member,
    headers: Vec<u8>,
    owners: Owners,
    /// First path of each inode with several names.
    links: HashMap<Inode, Box<[u8]>>,
    levels: Vec<Level>,
    spare_names: Vec<Names>,
    listing: Vec<MaybeUninit<u8>>,
    root_device: Option<u64>,
    left_out: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(plan: &'a Plan, out: &'a mut dyn Outlet) -> Walk<'a> {
        Walk {
            plan,
            flow: Flow::new(out),
            member: metadata::blank(),
            headers: Vec::new(),
            owners: Owners::default(),
            links: HashMap::new(),
            levels: Vec::new(),
            spare_names: Vec::new(),
            listing: vec![MaybeUninit::uninit(); LISTING_BYTES],
            root_device: None,
            left_out: 0,
        }
    }

    /// Takes a path with all that is below it.
    pub(super) fn tree(&mut self, base: &OwnedFd, path: &Stored) -> Result<(), Fault> {
        self.member.path.clone_from(&path.stored);
        self.root_device = None;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = match openat(base, &*path.parent, flags, Mode::empty()) {
            Ok(parent) => parent,
            Err(error) => return self.unreadable("open", error),
        };
        if self.plan.exclude.matches(&self.member.path) {
            return Ok(());
        }
        if let Some(root) = self.entry(parent.as_fd(), &path.name, FileType::Unknown)? {
            // What is below the start itself has no directory in front of it.
            if self.member.path == b"." {
                self.member.path.clear();
            }
            self.root_device = Some(root.stat.st_dev);
            self.enter(root)?;
            self.below()?;
        }
        Ok(())
    }

    /// Takes one name of a list. Links on the way to it are not followed.
    pub(super) fn listed(&mut self, base: &OwnedFd, name: &Path) -> Result<(), Fault> {
        let path = match Stored::of(name) {
            Ok(path) => path,
            Err(fault) => {
                self.member.path = name.as_os_str().as_bytes().to_vec();
                return self.leave_out("unreadable", &fault.to_string());
            }
        };
        self.member.path.clone_from(&path.stored);
        self.root_device = None;
        if self.plan.exclude.matches(&self.member.path) {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat2(base, &*path.parent, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(parent) => self.entry(parent.as_fd(), &path.name, FileType::Unknown).map(|_| ()),
            Err(error) => self.unreadable("open", error),
        }
    }

    /// Ends the archive and the stream; returns how many things were left out.
    pub(super) fn finish(mut self) -> Result<u64, Fault> {
        self.flow.put(&pax::END_OF_ARCHIVE)?;
        self.flow.end(self.left_out)?;
        Ok(self.left_out)
    }

    /// Takes everything below the outermost level.
    fn below(&mut self) -> Result<(), Fault> {
        let mut name = Vec::new();
        while let Some(level) = self.levels.last_mut() {
            self.member.path.truncate(level.path_bytes);
            if level.fd.is_none() && level.names.left() > 0 {
                self.lost()?;
            }
            let Some(level) = self.levels.last_mut() else { break };
            let Some(kind) = level.names.take(&mut name) else {
                self.leave();
                continue;
            };
            let name = CStr::from_bytes_until_nul(&name).unwrap_or(c"");
            if level.path_bytes > 0 {
                self.member.path.push(b'/');
            }
            self.member.path.extend_from_slice(name.to_bytes());
            if self.plan.exclude.matches(&self.member.path) {
                continue;
            }
            // Out of its level for a moment, so that the rest of us can be changed.
            let Some(fd) = level.fd.take() else { continue };
            let depth = self.levels.len();
            let entered = self.entry(fd.as_fd(), name, kind);
            self.levels[depth - 1].fd = Some(fd);
            if let Some(directory) = entered? {
                self.enter(directory)?;
            }
        }
        Ok(())
    }

    /// Goes down into a directory that was announced, unless it is on another file system.
    fn enter(&mut self, directory: Entered) -> Result<(), Fault> {
        let Entered { fd, stat } = directory;
        if self.is_elsewhere(&stat) {
            return self.not_crossed();
        }
        let mut names = self.spare_names.pop().unwrap_or_default();
        if let Err(error) = names.read(fd.as_fd(), &mut self.listing) {
            // What was listed before the error is still taken.
            self.unreadable("list", error)?;
        }
        if let Some(depth) = self.levels.len().checked_sub(OPEN_MAX) {
            self.levels[depth].fd = None;
        }
        let path_bytes = self.member.path.len();
        self.levels.push(Level { fd: Some(fd), inode: inode(&stat), path_bytes, names });
        Ok(())
    }

    fn is_elsewhere(&self, stat: &Stat) -> bool {
        !self.plan.cross_mounts && self.root_device.is_some_and(|root| root != stat.st_dev)
    }

    fn not_crossed(&mut self) -> Result<(), Fault> {
        let shown = self.shown();
        eprintln!("src_filesys: {shown} is on another file system, not taken (--cross-mounts)");
        self.record("excluded")
    }

    /// Goes back up; opens the directory above again if it was closed.
    fn leave(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        if let Some(above) = self.levels.last_mut()
            && above.fd.is_none()
            && let Some(fd) = &level.fd
        {
            above.fd = directory_above(fd, above.inode);
        }
        if self.spare_names.len() < OPEN_MAX {
            self.spare_names.extend(level.names.cleared());
        }
    }

    /// The way back to the innermost level is gone.
    fn lost(&mut self) -> Result<(), Fault> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let count = level.names.give_up();
        self.leave_out(
            "vanished",
            &format!("it was moved while it was read, {count} names in it lost"),
        )
    }

    /// Takes one name; returns it opened if it is a directory to enter.
    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
    ) -> Result<Option<Entered>, Fault> {
        if self.member.path.len() > pax::PATH_BYTES_MAX {
            self.leave_out("unreadable", "its path is longer than 1 MiB")?;
            return Ok(None);
        }
        let kind = match kind {
            FileType::Unknown => match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(error) => return self.unreadable("read", error).map(|()| None),
            },
            kind => kind,
        };
        match kind {
            FileType::RegularFile => self.file(parent, name).map(|()| None),
            FileType::Directory => self.directory(parent, name),
            _ => self.special(parent, name).map(|()| None),
        }
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<Option<Entered>, Fault> {
        let opened = open(parent, name, OFlags::DIRECTORY).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(Errno::LOOP | Errno::NOTDIR) => return self.replaced().map(|()| None),
            Err(error) => return self.unreadable("open", error).map(|()| None),
        };
        describe(&mut self.member, &stat, &mut self.owners, self.plan.atime);
        self.member.kind = Kind::Directory;
        self.attributes(&Holder::Open(fd.as_fd()))?;
        self.announce()?;
        Ok(Some(Entered { fd, stat }))
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Fault> {
        let opened = open(parent, name, OFlags::NONBLOCK).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(Errno::LOOP | Errno::NXIO) => return self.replaced(),
            Err(error) => return self.unreadable("open", error),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.replaced();
        }
        if self.is_elsewhere(&stat) {
            return self.not_crossed();
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
            (Read::Failed(error), _) | (Read::Whole, Err(error)) => self.unreadable("read", error),
            (Read::Whole, Ok(now)) if !has_changed(stat, &now) => Ok(()),
            (Read::Short, _) => self.leave_out("changed", "it became shorter while it was read"),
            (Read::Whole, Ok(_)) => self.leave_out("changed", "it changed while it was read"),
        }
    }

    /// Links, pipes and devices, which are described without being opened.
    fn special(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Fault> {
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return self.unreadable("read", error),
        };
        if self.is_elsewhere(&stat) {
            return self.not_crossed();
        }
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => match readlinkat(parent, name, Vec::new()) {
                Ok(target) => Kind::Symlink { target: target.into_bytes() },
                Err(Errno::INVAL) => return self.replaced(),
                Err(error) => return self.unreadable("read", error),
            },
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Socket => return self.socket(),
            _ => return self.replaced(),
        };
        describe(&mut self.member, &stat, &mut self.owners, self.plan.atime);
        if self.is_link(&stat)? {
            return Ok(());
        }
        self.member.kind = kind;
        self.attributes(&Holder::Name(parent, name))?;
        self.announce().map(|_| ())
    }

    /// A socket means nothing without the process behind it: told and recorded, no failure.
    fn socket(&mut self) -> Result<(), Fault> {
        eprintln!("src_filesys: {} is a socket, not taken", self.shown());
        self.record("socket")
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
            Err(error) => self.unreadable("read attributes of", error),
        }
    }

    /// Sends the member's headers; its content must follow.
    fn announce(&mut self) -> Result<pax::Content, Fault> {
        self.headers.clear();
        let content = pax::encode(&self.member, &mut self.headers);
        self.flow.put(&self.headers)?;
        // The map of one odd file must not stay with us.
        self.headers.shrink_to(LISTING_BYTES);
        Ok(content)
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&list::escape(&self.member.path)).into_owned()
    }

    fn replaced(&mut self) -> Result<(), Fault> {
        self.leave_out("changed", "it was replaced by something else while it was read")
    }

    /// Leaves the current path out because of an error of the host, unless it hits every path.
    fn unreadable(&mut self, verb: &str, error: Errno) -> Result<(), Fault> {
        let reason = std::io::Error::from(error);
        match error {
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
                Err(Fault::host(format_args!("cannot {verb} {}", self.shown()), &reason))
            }
            Errno::NOENT | Errno::STALE => self.leave_out("vanished", "it is gone"),
            _ => {
                let reason = reason.to_string();
                let reason = reason.split(" (os error").next().unwrap_or(&reason);
                eprintln!("src_filesys: cannot {verb} {}: {reason}", self.shown());
                self.left_out += 1;
                self.record("unreadable")
            }
        }
    }

    fn leave_out(&mut self, why: &str, told: &str) -> Result<(), Fault> {
        eprintln!("src_filesys: cannot take {} as it is: {told}", self.shown());
        self.left_out += 1;
        self.record(why)
    }

    /// Records the current path as missing. A path too long for a line was told, that must do.
    fn record(&mut self, why: &str) -> Result<(), Fault> {
        let mut line = Vec::new();
        Line::Missing { why: why.into(), path: self.member.path.clone() }.write(&mut line);
        if line.len() > list::LINE_BYTES_MAX {
            return Ok(());
        }
        self.flow.mark(line)
    }
}

fn has_changed(before: &Stat, after: &Stat) -> bool {
    let state = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec);
    state(before) != state(after)
}
