//! What the stream says is there no more.
//!
//! Owns the removal of one path: strictly below the target, never through a symbolic link, a directory
//! only when nothing is left in it. A path that is not there is as it should be.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, CWD, FileType, Mode, chmodat, fstat, statat, unlinkat};
use rustix::io::Errno;

use super::draft::Existing;
use super::path::Clean;
use super::report::reason;
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
