//! Open directories.
//!
//! Owns what is kept of each directory on the way from the root to here: its descriptor, its
//! identity, and its names in order. A directory deeper than [`OPEN_MAX`] levels costs the outermost
//! one its descriptor; on the way back it is opened again as `..` and must be the same directory.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, RawDir, Stat, fstat, openat};
use rustix::io::Errno;

/// Directories kept open at once.
pub const OPEN_MAX: usize = 64;

/// Bytes of names asked of the kernel at once.
pub(super) const LISTING_BYTES: usize = 64 * 1024;

/// Device and number.
pub(super) type Inode = (u64, u64);

pub(super) fn inode(stat: &Stat) -> Inode {
    (stat.st_dev, stat.st_ino)
}

/// One directory on the way from the root to here.
pub(super) struct Level {
    pub(super) fd: Option<OwnedFd>,
    pub(super) inode: Inode,
    /// Length of the directory's own path.
    pub(super) path_bytes: usize,
    pub(super) names: Names,
}

/// A name in the text of [`Names`].
#[derive(Clone, Copy)]
struct Name {
    start: u32,
    bytes: u16,
    /// What the directory tells.
    kind: FileType,
}

impl Name {
    fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..][..usize::from(self.bytes)]
    }
}

/// The names in a directory, to be taken in order.
#[derive(Default)]
pub(super) struct Names {
    text: Vec<u8>,
    order: Vec<Name>,
    next: usize,
}

impl Names {
    /// Keeps the memory for another directory, unless it is much.
    pub(super) fn cleared(mut self) -> Option<Names> {
        self.text.clear();
        self.order.clear();
        self.next = 0;
        (self.text.capacity() <= LISTING_BYTES).then_some(self)
    }

    /// Reads and sorts all names. On an error those that were read are there.
    pub(super) fn read(
        &mut self,
        fd: BorrowedFd<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<(), Errno> {
        let read = self.read_unsorted(fd, buffer);
        let text = &self.text;
        self.order.sort_unstable_by(|a, b| a.of(text).cmp(b.of(text)));
        read
    }

    fn read_unsorted(
        &mut self,
        fd: BorrowedFd<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<(), Errno> {
        let mut listing = RawDir::new(fd, buffer);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let start = u32::try_from(self.text.len()).map_err(|_| Errno::FBIG)?;
            let bytes = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
            self.text.extend_from_slice(name);
            self.order.push(Name { start, bytes, kind: entry.file_type() });
        }
        Ok(())
    }

    /// Puts the next name and a NUL into `name`.
    pub(super) fn take(&mut self, name: &mut Vec<u8>) -> Option<FileType> {
        let next = *self.order.get(self.next)?;
        self.next += 1;
        name.clear();
        name.extend_from_slice(next.of(&self.text));
        name.push(0);
        Some(next.kind)
    }

    /// Names not taken yet.
    pub(super) fn left(&self) -> usize {
        self.order.len() - self.next
    }

    /// Gives the rest up; returns how many that were.
    pub(super) fn give_up(&mut self) -> usize {
        let count = self.left();
        self.next = self.order.len();
        count
    }
}

/// Opens a name that must be what the directory said, without a trace in its access time where that
/// is allowed.
pub(super) fn open(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        other => other,
    }
}

/// Opens `..` if it is still the directory we came from.
pub(super) fn directory_above(fd: &OwnedFd, wanted: Inode) -> Option<OwnedFd> {
    let above = open(fd.as_fd(), c"..", OFlags::DIRECTORY).ok()?;
    let stat = fstat(&above).ok()?;
    (inode(&stat) == wanted).then_some(above)
}
