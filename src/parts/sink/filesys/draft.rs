//! Drafts: members being made, not yet under their names.
//!
//! Owns the promise that a name in the target always means a whole member: a regular file has no
//! name at all while it is written (`O_TMPFILE`, open(2)) and gets one with `linkat`; what has to
//! replace something, or lies on a file system without nameless files, waits under a name of ours
//! (`.tapioca-` and 16 digits) and is renamed. A draft that is dropped leaves nothing; one without
//! a name leaves nothing even when the process is killed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::tree::{Dir, proc_path};

/// Names tried before giving up; each is one in 2^64.
const NAMES_TRIED: usize = 8;

/// What to do with something that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Replace it, at once and whole.
    Replace,
    /// Leave it.
    Keep,
}

/// How an installation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Installed {
    /// The member has its name.
    Done,
    /// Something had it and was kept.
    Kept,
}

/// Makes drafts: knows what the file systems can do, and names nobody else uses.
pub(super) struct Drafts {
    next: u64,
    nameless: bool,
}

impl Drafts {
    /// Nameless files need `/proc` to get their name.
    pub fn new() -> Drafts {
        let nameless = rustix::fs::stat("/proc/self/fd").is_ok();
        Drafts { next: uuid::Uuid::new_v4().as_u64_pair().0, nameless }
    }

    fn name(&mut self) -> Vec<u8> {
        self.next = self.next.wrapping_add(1);
        format!(".tapioca-{:016x}", self.next).into_bytes()
    }

    /// A regular file to write to.
    pub fn file(&mut self, dir: &Arc<Dir>, mode: Mode) -> Result<Draft, Errno> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        if self.nameless {
            match rustix::fs::openat(dir, ".", flags | OFlags::TMPFILE, mode) {
                Ok(fd) => return Ok(Draft { dir: dir.clone(), state: State::Nameless(fd) }),
                // What file systems without nameless files say.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => self.nameless = false,
                Err(error) => return Err(error),
            }
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (name, fd) = self.under_a_name(|name| rustix::fs::openat(dir, name, flags, mode))?;
        Ok(Draft { dir: dir.clone(), state: State::Named { name, fd: Some(fd), twin: false } })
    }

    /// Anything without content, made by `make` under the name it is given.
    pub fn node(
        &mut self,
        dir: &Arc<Dir>,
        make: impl Fn(&Dir, &[u8]) -> Result<(), Errno>,
    ) -> Result<Draft, Errno> {
        let (name, ()) = self.under_a_name(|name| make(dir, name))?;
        Ok(Draft { dir: dir.clone(), state: State::Named { name, fd: None, twin: false } })
    }

    /// Another name of the object called `name` in `from`; a symbolic link is not followed.
    pub fn hard_link(&mut self, dir: &Arc<Dir>, from: &Dir, name: &[u8]) -> Result<Draft, Errno> {
        let no_follow = AtFlags::empty();
        let (ours, ()) =
            self.under_a_name(|ours| rustix::fs::linkat(from, name, dir, ours, no_follow))?;
        Ok(Draft { dir: dir.clone(), state: State::Named { name: ours, fd: None, twin: true } })
    }

    /// Puts a new directory of mode 0700 in the place of something that is none.
    pub fn directory_instead(&mut self, dir: &Arc<Dir>, name: &[u8]) -> Result<(), Errno> {
        let (ours, ()) = self.under_a_name(|n| super::tree::make_dir(dir, n, Mode::RWXU))?;
        let swap = || rustix::fs::renameat_with(dir, &*ours, dir, name, RenameFlags::EXCHANGE);
        if let Err(error) = swap() {
            rustix::fs::unlinkat(dir, &*ours, AtFlags::REMOVEDIR)?;
            return Err(error);
        }
        // Our name now means what was in the way.
        match rustix::fs::unlinkat(dir, &*ours, AtFlags::empty()) {
            // Somebody put a directory there meanwhile: it goes back to its name and serves.
            Err(Errno::ISDIR) => {
                swap()?;
                rustix::fs::unlinkat(dir, &*ours, AtFlags::REMOVEDIR)
            }
            done => done,
        }
    }

    fn under_a_name<T>(
        &mut self,
        make: impl Fn(&[u8]) -> Result<T, Errno>,
    ) -> Result<(Vec<u8>, T), Errno> {
        let mut tries = 0;
        loop {
            let name = self.name();
            match make(&name) {
                Ok(made) => return Ok((name, made)),
                Err(Errno::EXIST) if tries < NAMES_TRIED => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the draft its name.
    pub fn install(
        &mut self,
        mut draft: Draft,
        name: &[u8],
        existing: Existing,
    ) -> Result<Installed, Errno> {
        if let State::Nameless(fd) = &draft.state {
            match link(fd, &draft.dir, name) {
                Ok(()) => return Ok(Installed::Done),
                Err(Errno::EXIST) if existing == Existing::Keep => return Ok(Installed::Kept),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            let (ours, ()) = self.under_a_name(|ours| link(fd, &draft.dir, ours))?;
            draft.state = State::Named { name: ours, fd: None, twin: false };
        }
        draft.rename(name, existing)
    }
}

fn link(fd: &OwnedFd, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::linkat(CWD, proc_path(fd.as_fd()), dir, name, AtFlags::SYMLINK_FOLLOW)
}

enum State {
    Nameless(OwnedFd),
    /// `twin`: the object has another name, maybe the very one it shall get.
    Named {
        name: Vec<u8>,
        fd: Option<OwnedFd>,
        twin: bool,
    },
    Over,
}

/// A member being made.
pub(super) struct Draft {
    dir: Arc<Dir>,
    state: State,
}

impl Draft {
    /// The open file, when the draft is a regular file.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Nameless(fd) | State::Named { fd: Some(fd), .. } => Some(fd.as_fd()),
            State::Named { fd: None, .. } | State::Over => None,
        }
    }

    /// The directory and the name the draft has in it, when it has one.
    pub fn place(&self) -> Option<(&Dir, &[u8])> {
        match &self.state {
            State::Named { name, .. } => Some((&self.dir, name)),
            State::Nameless(_) | State::Over => None,
        }
    }

    fn rename(mut self, to: &[u8], existing: Existing) -> Result<Installed, Errno> {
        let State::Named { name, twin, .. } = &self.state else { return Err(Errno::BADF) };
        let flags = match existing {
            Existing::Replace => RenameFlags::empty(),
            Existing::Keep => RenameFlags::NOREPLACE,
        };
        let dir = self.dir.as_fd();
        match rustix::fs::renameat_with(dir, &**name, dir, to, flags) {
            Ok(()) => {}
            Err(Errno::EXIST) if existing == Existing::Keep => return Ok(Installed::Kept),
            // A file system that cannot rename without replacing; the member was looked for
            // before it was made, so only a race could lose here, and links lose none.
            Err(Errno::INVAL) if existing == Existing::Keep => {
                match rustix::fs::linkat(dir, &**name, dir, to, AtFlags::empty()) {
                    Ok(()) => return Ok(Installed::Done),
                    Err(Errno::EXIST) => return Ok(Installed::Kept),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
        // Renaming one name of a file over another of the same file does nothing (rename(2)).
        let left_behind =
            *twin && rustix::fs::statat(&*self.dir, &**name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if !left_behind {
            self.state = State::Over;
        }
        Ok(Installed::Done)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let State::Named { name, .. } = &self.state else { return };
        if let Err(error) = rustix::fs::unlinkat(&*self.dir, &**name, AtFlags::empty()) {
            tracing::warn!(%error, name = %String::from_utf8_lossy(name), "a draft stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn in_a_directory(nameless: bool) -> (tempfile::TempDir, Arc<Dir>, Drafts) {
        let temp = tempfile::tempdir().unwrap();
        let mut tree = Tree::new(std::fs::File::open(temp.path()).unwrap().into());
        let dir = tree.dir(b"").unwrap();
        (temp, dir, Drafts { nameless, ..Drafts::new() })
    }

    fn names(temp: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(temp.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn both_kinds_of_file_draft_appear_whole_or_not_at_all() {
        for nameless in [true, false] {
            let (temp, dir, mut drafts) = in_a_directory(nameless);
            let write = |draft: &Draft, text: &[u8]| {
                assert_eq!(rustix::io::write(draft.fd().unwrap(), text), Ok(text.len()));
            };
            let draft = drafts.file(&dir, Mode::RUSR).unwrap();
            write(&draft, b"dropped");
            assert_eq!(names(&temp).len(), usize::from(!nameless));
            drop(draft);
            assert_eq!(names(&temp), [""; 0]);
            for (text, how, outcome, found) in [
                (&b"new"[..], Existing::Keep, Installed::Done, &b"new"[..]),
                (b"newer", Existing::Keep, Installed::Kept, b"new"),
                (b"newest", Existing::Replace, Installed::Done, b"newest"),
            ] {
                let draft = drafts.file(&dir, Mode::RUSR).unwrap();
                write(&draft, text);
                assert_eq!(drafts.install(draft, b"name", how), Ok(outcome));
                assert_eq!(names(&temp), ["name"]);
                assert_eq!(std::fs::read(temp.path().join("name")).unwrap(), found);
            }
            std::fs::create_dir(temp.path().join("dir")).unwrap();
            let draft = drafts.file(&dir, Mode::RUSR).unwrap();
            assert_eq!(drafts.install(draft, b"dir", Existing::Replace), Err(Errno::ISDIR));
            assert_eq!(names(&temp), ["dir", "name"]);
        }
    }

    #[test]
    fn a_link_over_its_own_twin_leaves_one_name() {
        let (temp, dir, mut drafts) = in_a_directory(true);
        std::fs::write(temp.path().join("a"), b"x").unwrap();
        for to in [b"b", b"b", b"a"] {
            let draft = drafts.hard_link(&dir, &dir, b"a").unwrap();
            assert_eq!(drafts.install(draft, to, Existing::Replace), Ok(Installed::Done));
        }
        assert_eq!(names(&temp), ["a", "b"]);
    }

    #[test]
    fn a_directory_takes_the_place_of_a_file_but_not_of_a_directory() {
        let (temp, dir, mut drafts) = in_a_directory(true);
        std::fs::write(temp.path().join("file"), b"x").unwrap();
        std::fs::create_dir_all(temp.path().join("dir/full")).unwrap();
        assert_eq!(drafts.directory_instead(&dir, b"file"), Ok(()));
        assert!(temp.path().join("file").is_dir());
        assert_eq!(drafts.directory_instead(&dir, b"dir"), Ok(()));
        assert!(temp.path().join("dir/full").is_dir());
        assert_eq!(drafts.directory_instead(&dir, b"none"), Err(Errno::NOENT));
        assert_eq!(names(&temp), ["dir", "file"]);
    }
}
