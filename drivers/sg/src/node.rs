//! An open device node.
//!
//! Owns the file and the name. It is opened exclusively: two programs on one drive move the tape
//! under each other's feet. A device that vanished may come back under another number, so
//! [`reopen`](Transport::reopen) looks first for who it said it was.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use discover::{Device, attached};
use nix::fcntl::OFlag;
use scsi::{Data, Outcome, Transport};

use crate::{ioctl, status};

/// Kernel buffer kept for each node: two blocks of the usual size.
const RESERVED_BYTES: i32 = 1 << 20;

/// An open `/dev/sgN`.
#[derive(Debug)]
pub struct Node {
    name: String,
    file: File,
    found: Option<Device>,
}

/// Opens a node, exclusively and without waiting for anything.
///
/// # Errors
///
/// `ResourceBusy` when somebody else has it open, `NotFound` and `PermissionDenied` as usual, and
/// `InvalidInput` when it is not an sg node.
pub fn open(path: impl AsRef<Path>) -> io::Result<Node> {
    let path = path.as_ref();
    let file = open_file(path)?;
    let found = attached()?.into_iter().find(|device| device.has_node(path));
    Ok(Node { name: path.display().to_string(), file, found })
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
    let version = ioctl::version(file.as_fd()).map_err(|_| {
        let what = format!("{} is not a SCSI generic node", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })?;
    if version < 30_000 {
        let what = format!("sg driver version {version} has no SG_IO");
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    ioctl::reserve(file.as_fd(), RESERVED_BYTES)?;
    Ok(file)
}

impl Node {
    /// Where the same device is now: as who it says it is, else where it was.
    fn path_now(&self) -> io::Result<PathBuf> {
        let here = PathBuf::from(&self.name);
        let Some(was) = &self.found else { return Ok(here) };
        let now = attached()?.into_iter().find(|device| device.is_same(was));
        Ok(now.filter(|device| !device.has_node(&here)).map_or(here, |device| device.node))
    }
}

impl Transport for Node {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        match ioctl::command(self.file.as_fd(), cdb, data, timeout) {
            Ok(answer) => status::outcome(answer),
            Err(errno) => status::not_sent(errno),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let path = self.path_now()?;
        // The exclusive old file must go before the same node can be opened again.
        self.file = File::open("/dev/null")?;
        *self = open(path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sg_node_is_said_to_be_none() {
        let error = open("/dev/null").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("/dev/null"), "{error}");
        assert_eq!(open("/dev/no-such-sg").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
