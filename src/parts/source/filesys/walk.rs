//! The walk.
//!
//! Owns the way down and back up, and which names are met in which order. What becomes of each is
//! its visitor's: [`Take`](super::take::Take) makes members of them, [`Listing`](super::listing::Listing)
//! a line each.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::levels::{LISTING_BYTES, Level, Names, OPEN_MAX, directory_above, inode, open};
use super::parents::Parents;
use super::visit::{Spot, Visit};
use super::{Plan, paths::Stored};
use crate::pax;
use crate::stream::Fault;

/// A directory that was just announced.
struct Entered {
    fd: OwnedFd,
    stat: Stat,
}

pub(super) struct Walk<'a, V> {
    plan: &'a Plan,
    pub(super) visit: V,
    /// Where we are.
    path: Vec<u8>,
    levels: Vec<Level>,
    spare_names: Vec<Names>,
    listing: Vec<MaybeUninit<u8>>,
    parents: Parents,
    root_device: Option<u64>,
}

impl<'a, V: Visit> Walk<'a, V> {
    pub(super) fn new(plan: &'a Plan, visit: V) -> Walk<'a, V> {
        Walk {
            plan,
            visit,
            path: Vec::new(),
            levels: Vec::new(),
            spare_names: Vec::new(),
            listing: vec![MaybeUninit::uninit(); LISTING_BYTES],
            parents: Parents::default(),
            root_device: None,
        }
    }

    /// Takes a path with all that is below it.
    pub(super) fn tree(&mut self, base: &OwnedFd, path: &Stored) -> Result<(), Fault> {
        self.path.clone_from(&path.stored);
        self.root_device = None;
        if self.plan.exclude.matches(&self.path) {
            return Ok(());
        }
        self.visit.root(&self.path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = match openat(base, &*path.parent, flags, Mode::empty()) {
            Ok(parent) => parent,
            Err(error) => return self.visit.unreadable(&self.path, "open", error),
        };
        if let Some(root) = self.entry(parent.as_fd(), &path.name, FileType::Unknown)? {
            // What is below the start itself has no directory in front of it.
            if self.path == b"." {
                self.path.clear();
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
                let path = name.as_os_str().as_bytes();
                return self.visit.leave_out(path, "unreadable", &fault.to_string());
            }
        };
        self.path.clone_from(&path.stored);
        self.root_device = None;
        if self.plan.exclude.matches(&self.path) {
            return Ok(());
        }
        let mut parents = std::mem::take(&mut self.parents);
        let taken = match parents.open(base, &path.parent) {
            Ok(parent) => self.entry(parent.as_fd(), &path.name, FileType::Unknown).map(|_| ()),
            Err(error) => self.visit.unreadable(&self.path, "open", error),
        };
        self.parents = parents;
        taken
    }

    /// Takes everything below the outermost level.
    fn below(&mut self) -> Result<(), Fault> {
        let mut name = Vec::new();
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path_bytes);
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
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            if self.plan.exclude.matches(&self.path) {
                self.visit.excluded(&self.path)?;
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
            return self.visit.not_crossed(&self.path);
        }
        let mut names = self.spare_names.pop().unwrap_or_default();
        if let Err(error) = names.read(fd.as_fd(), &mut self.listing) {
            // What was listed before the error is still taken.
            self.visit.unreadable(&self.path, "list", error)?;
        }
        if let Some(depth) = self.levels.len().checked_sub(OPEN_MAX) {
            self.levels[depth].fd = None;
        }
        let path_bytes = self.path.len();
        self.levels.push(Level { fd: Some(fd), inode: inode(&stat), path_bytes, names });
        Ok(())
    }

    fn is_elsewhere(&self, stat: &Stat) -> bool {
        !self.plan.cross_mounts && self.root_device.is_some_and(|root| root != stat.st_dev)
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
        let told = format!("it was moved while it was read, {count} names in it lost");
        self.visit.leave_out(&self.path, "vanished", &told)
    }

    /// Takes one name; returns it opened if it is a directory to enter.
    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
    ) -> Result<Option<Entered>, Fault> {
        if self.path.len() > pax::PATH_BYTES_MAX {
            self.visit.leave_out(&self.path, "unreadable", "its path is longer than 1 MiB")?;
            return Ok(None);
        }
        let kind = match kind {
            FileType::Unknown => match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(error) => {
                    return self.visit.unreadable(&self.path, "read", error).map(|()| None);
                }
            },
            kind => kind,
        };
        match kind {
            FileType::Directory => self.directory(parent, name),
            kind => {
                let device = self.root_device.filter(|_| !self.plan.cross_mounts);
                let spot = Spot { parent, name, device };
                self.visit.other(&self.path, &spot, kind).map(|()| None)
            }
        }
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<Option<Entered>, Fault> {
        let opened = open(parent, name, OFlags::DIRECTORY).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return self.visit.replaced(&self.path).map(|()| None);
            }
            Err(error) => return self.visit.unreadable(&self.path, "open", error).map(|()| None),
        };
        self.visit.directory(&self.path, fd.as_fd(), &stat)?;
        Ok(Some(Entered { fd, stat }))
    }
}
