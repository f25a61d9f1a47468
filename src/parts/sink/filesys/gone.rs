//! What the stream says is there no more.
//!
//! Owns the removal of one path: strictly below the target, never through a symbolic link, a directory
//! only when nothing is left in it. A path that is not there is as it should be. Likewise of
//! attributes: files are made anew, but a directory may be there from an earlier restore.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, chmodat, flistxattr, fremovexattr, fstat, statat, unlinkat,
};
use rustix::io::Errno;

use super::attrs::Attrs;
use super::draft::Existing;
use super::path::Clean;
use super::report::{Report, reason};
use super::restore::{Restore, Trouble};
use super::tree::{Dir, proc_path};

const REMOVED: &str = "removed, as the stream says that it is gone";
const KEPT: &str = "gone, says the stream, and kept";

impl Restore {
    /// Removes what is at a stored path.
    pub(super) fn remove(&mut self, stored: &[u8]) -> Result<(), Trouble> {
        let path = Clean::of(stored).map_err(|why| Trouble::LeftOut(why.to_string()))?;
        if path.is_target() {
            return Err(Trouble::LeftOut("the target directory cannot be gone".into()));
        }
        if !self.only.selects(path.bytes()) {
            return Ok(());
        }
        let (above, name) = path.split();
        let dir = match self.tree.dir(above) {
            Ok(dir) => dir,
            // What leads there is no directory: nothing of the stream's tree is there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let stat = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if self.existing == Existing::Keep {
            self.report.note(KEPT, path.bytes());
            return Ok(());
        }
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        match unlink(&dir, name, is_directory) {
            Ok(()) => self.report.note(REMOVED, path.bytes()),
            Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                let why = "it is gone, says the stream, but there are other things in it";
                return Err(Trouble::LeftOut(why.into()));
            }
            Err(error) => {
                let why = format!("it is gone, says the stream, but stays: {}", reason(error));
                return Err(Trouble::LeftOut(why));
            }
        }
        if is_directory {
            self.tree.forget(path.bytes());
        }
        Ok(())
    }
}

/// Removes a name; a directory of ours that is closed is opened for that moment.
fn unlink(dir: &Dir, name: &[u8], is_directory: bool) -> Result<(), Errno> {
    let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match unlinkat(dir, name, flags) {
        Err(Errno::ACCESS) => {}
        done => return done,
    }
    let mode = Mode::from_raw_mode(fstat(dir)?.st_mode & 0o7777);
    let path = proc_path(dir.as_fd());
    chmodat(CWD, &*path, mode | Mode::RWXU, AtFlags::empty()).map_err(|_| Errno::ACCESS)?;
    let removed = unlinkat(dir, name, flags);
    chmodat(CWD, &*path, mode, AtFlags::empty())?;
    removed
}

/// Bytes of names that a directory's attributes have at most (XATTR_LIST_MAX).
const XATTR_BYTES_MAX: usize = 65536;

/// Removes the attributes of a directory that the stream does not know. Those in the system's own
/// name spaces stay: a label is the host's affair.
pub(super) fn drop_attributes(
    dir: BorrowedFd<'_>,
    attrs: &Attrs,
    path: &[u8],
    report: &mut Report,
) {
    let mut names = vec![0; XATTR_BYTES_MAX];
    // A file system without attributes has none to be removed.
    let Ok(length) = flistxattr(dir, &mut names[..]) else { return };
    let ours = |name: &&[u8]| name.starts_with(b"user.") || name.starts_with(b"trusted.");
    for name in names[..length].split(|&b| b == 0).filter(ours) {
        if attrs.xattrs().any(|(kept, _)| kept == name) {
            continue;
        }
        if let Err(error) = fremovexattr(dir, name) {
            report.failed("attributes of directories", path, reason(error));
        }
    }
}
