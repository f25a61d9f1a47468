//! The target directory and the handles below it.
//!
//! Owns the only way a path becomes a place: `openat2` relative to the target directory's handle,
//! told to stay beneath it and to follow no symbolic link, ordinary or magic (openat2(2),
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`; Linux 5.6). Everything else is
//! done with one plain component relative to a handle from here. Nothing in a directory tree that
//! changes under us, and nothing an archive says, makes the kernel resolve to a place outside.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{acl, path};

/// Directory handles kept open.
const HANDLES: usize = 64;

/// Bytes of path handed to the kernel in one call; its limit is 4096.
const PIECE_BYTES: usize = 3840;

/// Calls repeated when the kernel could not rule out a race with a rename (openat2(2), `EAGAIN`).
const RACES_MAX: usize = 32;

/// A directory below the target (or the target), open for use as a starting point.
pub(super) struct Dir {
    fd: OwnedFd,
    /// The file system it is on, unknown only if the kernel will not say.
    device: Option<u64>,
    /// What is made in it starts with an ACL of its own (it has a default ACL).
    pub inherits_acl: bool,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The target directory.
pub(super) struct Tree {
    target: Arc<Dir>,
    /// Most recently used first.
    handles: VecDeque<(Vec<u8>, Arc<Dir>)>,
    /// A directory on each other file system that was met (mounts below the target).
    elsewhere: BTreeMap<Option<u64>, Arc<Dir>>,
}

impl Tree {
    /// Takes the target directory; `fd` must be open for reading.
    pub fn new(fd: OwnedFd) -> Tree {
        let target = Arc::new(adopt(fd));
        Tree { target, handles: VecDeque::new(), elsewhere: BTreeMap::new() }
    }

    /// The directory at a clean path, if there is one.
    pub fn dir(&mut self, path: &[u8]) -> Result<Arc<Dir>, Errno> {
        if let Some(dir) = self.remembered(path) {
            return Ok(dir);
        }
        let dir = Arc::new(adopt(self.open(path, OFlags::PATH)?));
        if dir.device != self.target.device {
            self.elsewhere.entry(dir.device).or_insert_with(|| dir.clone());
        }
        self.remember(path, &dir);
        Ok(dir)
    }

    /// The directory at a clean path, made with its parents where missing. `mode` is asked for the
    /// permission bits of each one that is made.
    pub fn dir_made(
        &mut self,
        path: &[u8],
        mode: &mut dyn FnMut(&[u8]) -> Mode,
    ) -> Result<Arc<Dir>, Errno> {
        match self.dir(path) {
            Err(Errno::NOENT) if !path.is_empty() => {}
            found => return found,
        }
        let (above, name) = path::split(path);
        let above = self.dir_made(above, mode)?;
        match make_dir(&above, name, mode(path)) {
            // Somebody else was faster.
            Ok(()) | Err(Errno::EXIST) => self.dir(path),
            Err(error) => Err(error),
        }
    }

    /// A handle on the directory at a clean path that is good for reading its attributes and
    /// setting them.
    pub fn open_to_set(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// Returns when all that was written below the target is on disk: one syncfs(2) for each file
    /// system that was met.
    pub fn sync(&self) -> Result<(), Errno> {
        rustix::fs::syncfs(&*self.target)?;
        for dir in self.elsewhere.values() {
            rustix::fs::syncfs(open_beneath(dir.as_fd(), b".", OFlags::RDONLY)?)?;
        }
        Ok(())
    }

    /// Forgets a directory that was removed, and those that were in it.
    pub fn forget(&mut self, path: &[u8]) {
        let is_in = |known: &[u8]| {
            known.strip_prefix(path).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        };
        self.handles.retain(|(known, _)| !is_in(known));
    }

    fn open(&self, path: &[u8], how: OFlags) -> Result<OwnedFd, Errno> {
        let mut rest = path;
        let mut at: Option<OwnedFd> = None;
        loop {
            let (piece, after) = piece_of(rest);
            let from = at.as_ref().map_or(self.target.as_fd(), AsFd::as_fd);
            if after.is_empty() {
                return open_beneath(from, piece, how);
            }
            at = Some(open_beneath(from, piece, OFlags::PATH)?);
            rest = after;
        }
    }

    fn remembered(&mut self, path: &[u8]) -> Option<Arc<Dir>> {
        if path.is_empty() {
            return Some(self.target.clone());
        }
        let at = self.handles.iter().position(|(known, _)| known == path)?;
        if at > 0 {
            let entry = self.handles.remove(at)?;
            self.handles.push_front(entry);
        }
        self.handles.front().map(|(_, dir)| dir.clone())
    }

    fn remember(&mut self, path: &[u8], dir: &Arc<Dir>) {
        self.handles.truncate(HANDLES - 1);
        self.handles.push_front((path.to_vec(), dir.clone()));
    }
}

/// Makes a directory that inherits no ACL, whatever the one above says.
pub(super) fn make_dir(above: &Dir, name: &[u8], mode: Mode) -> Result<(), Errno> {
    rustix::fs::mkdirat(above, name, mode)?;
    if above.inherits_acl {
        let made = open_beneath(above.as_fd(), name, OFlags::PATH)?;
        forget_acls(&made)?;
    }
    Ok(())
}

fn forget_acls(dir: &OwnedFd) -> Result<(), Errno> {
    for name in [acl::ACCESS, acl::DEFAULT] {
        match rustix::fs::removexattr(proc_path(dir.as_fd()), name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The name under which the kernel lets us reach exactly the object a handle is open on.
pub(super) fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn adopt(fd: OwnedFd) -> Dir {
    // Any refusal means that there are no ACLs to inherit.
    let inherited = rustix::fs::getxattr_query(proc_path(fd.as_fd()), acl::DEFAULT);
    let device = rustix::fs::fstat(&fd).ok().map(|stat| stat.st_dev);
    Dir { inherits_acl: inherited.is_ok_and(|bytes| bytes > 0), device, fd }
}

fn open_beneath(from: BorrowedFd<'_>, path: &[u8], how: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let how = how | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(from, path, how, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if tries < RACES_MAX => tries += 1,
            opened => return opened,
        }
    }
}

/// A part of a path short enough for one call, cut between components, and what is left.
fn piece_of(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= PIECE_BYTES {
        return (path, &[]);
    }
    match path[..PIECE_BYTES].iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &std::path::Path) -> Tree {
        Tree::new(std::fs::File::open(dir).unwrap().into())
    }

    fn plain(_: &[u8]) -> Mode {
        Mode::RWXU
    }

    #[test]
    fn parents_are_made_and_links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("target");
        std::fs::create_dir_all(target.join("real")).unwrap();
        std::os::unix::fs::symlink("real", target.join("in")).unwrap();
        std::os::unix::fs::symlink("..", target.join("out")).unwrap();
        std::fs::write(target.join("file"), b"").unwrap();
        let mut tree = tree(&target);
        assert!(tree.dir_made(b"a/b/c", &mut plain).is_ok());
        assert!(target.join("a/b/c").is_dir());
        assert_eq!(tree.dir(b"in").err(), Some(Errno::LOOP));
        assert_eq!(tree.dir_made(b"out/x", &mut plain).err(), Some(Errno::LOOP));
        assert_eq!(tree.dir_made(b"file/x", &mut plain).err(), Some(Errno::NOTDIR));
        assert_eq!(tree.dir(b"..").err(), Some(Errno::XDEV));
        assert!(!temp.path().join("x").exists());
    }

    #[test]
    fn paths_longer_than_the_kernel_takes_are_walked() {
        let temp = tempfile::tempdir().unwrap();
        let mut tree = tree(temp.path());
        let long = vec!["d".repeat(200); 100].join("/").into_bytes();
        assert!(long.len() > 4 * 4096);
        assert!(tree.dir_made(&long, &mut plain).is_ok());
        tree.handles.clear();
        assert!(tree.dir(&long).is_ok());
        assert!(tree.open_to_set(&long).is_ok());
    }

    #[test]
    fn handles_are_bounded() {
        let temp = tempfile::tempdir().unwrap();
        let mut tree = tree(temp.path());
        for n in 0..3 * HANDLES {
            tree.dir_made(format!("d{n}").as_bytes(), &mut plain).unwrap();
        }
        assert_eq!(tree.handles.len(), HANDLES);
    }
}
