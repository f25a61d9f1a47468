//! What a walk hands its names to.
//!
//! Owns the words for a name that cannot be taken, the same whoever walks: each is told on standard
//! error, recorded, and counted.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::list;
use crate::stream::Fault;

/// Where a name is.
pub(super) struct Spot<'a> {
    pub(super) parent: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    /// The only file system to be on, if not any.
    pub(super) device: Option<u64>,
}

impl Spot<'_> {
    pub(super) fn is_elsewhere(&self, stat: &Stat) -> bool {
        self.device.is_some_and(|device| device != stat.st_dev)
    }
}

/// Takes what a walk meets, in its order.
pub(super) trait Visit {
    /// Who speaks.
    const WHO: &'static str;

    /// A directory, open; what is in it follows.
    fn directory(&mut self, path: &[u8], fd: BorrowedFd<'_>, stat: &Stat) -> Result<(), Fault>;

    /// Anything else; `kind` is what the directory says.
    fn other(&mut self, path: &[u8], spot: &Spot<'_>, kind: FileType) -> Result<(), Fault>;

    /// Records what is not taken, with what is below it.
    fn missing(&mut self, path: &[u8], why: &str) -> Result<(), Fault>;

    /// Counts something left out.
    fn count(&mut self);

    /// A tree begins.
    fn root(&mut self, _path: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    /// A pattern excludes the name.
    fn excluded(&mut self, _path: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    /// Leaves a path out because of an error of the host, unless it hits every path.
    fn unreadable(&mut self, path: &[u8], verb: &str, error: Errno) -> Result<(), Fault> {
        let reason = std::io::Error::from(error);
        match error {
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
                Err(Fault::host(format_args!("cannot {verb} {}", shown(path)), &reason))
            }
            Errno::NOENT | Errno::STALE => self.leave_out(path, "vanished", "it is gone"),
            _ => {
                let reason = reason.to_string();
                let reason = reason.split(" (os error").next().unwrap_or(&reason);
                eprintln!("{}: cannot {verb} {}: {reason}", Self::WHO, shown(path));
                self.count();
                self.missing(path, "unreadable")
            }
        }
    }

    /// Leaves a path out, and tells why.
    fn leave_out(&mut self, path: &[u8], why: &str, told: &str) -> Result<(), Fault> {
        eprintln!("{}: cannot take {} as it is: {told}", Self::WHO, shown(path));
        self.count();
        self.missing(path, why)
    }

    /// A name that is not what it was a moment ago.
    fn replaced(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.leave_out(path, "changed", "it was replaced by something else while it was read")
    }

    /// A name on another file system: told and recorded, no failure.
    fn not_crossed(&mut self, path: &[u8]) -> Result<(), Fault> {
        let (who, shown) = (Self::WHO, shown(path));
        eprintln!("{who}: {shown} is on another file system, not taken (--cross-mounts)");
        self.missing(path, "excluded")
    }

    /// A socket means nothing without the process behind it: likewise.
    fn socket(&mut self, path: &[u8]) -> Result<(), Fault> {
        eprintln!("{}: {} is a socket, not taken", Self::WHO, shown(path));
        self.missing(path, crate::parts::names::SOCKET)
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&list::escape(path)).into_owned()
}
