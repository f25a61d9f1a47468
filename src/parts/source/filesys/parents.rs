//! The directory that holds a listed name.
//!
//! Owns its opening: no link on the way to it is followed, a path of any length is walked in pieces,
//! and the last one stays open, as neighbours are listed one after the other.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Bytes of path handed to the kernel in one call; its limit is 4096.
const PIECE_BYTES: usize = 3840;

/// Opens parents.
#[derive(Default)]
pub(super) struct Parents {
    last: Option<(CString, OwnedFd)>,
}

impl Parents {
    /// The directory at `path`, seen from `base`.
    pub(super) fn open(&mut self, base: &OwnedFd, path: &CStr) -> Result<&OwnedFd, Errno> {
        let last = match self.last.take() {
            Some(last) if *last.0 == *path => last,
            _ => (path.to_owned(), open_in_pieces(base, path.to_bytes())?),
        };
        Ok(&self.last.insert(last).1)
    }
}

fn open_in_pieces(base: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut rest = path;
    let mut at: Option<OwnedFd> = None;
    loop {
        let (piece, after) = piece_of(rest);
        let from = at.as_ref().unwrap_or(base).as_fd();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat2(from, piece, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        if after.is_empty() {
            return Ok(opened);
        }
        at = Some(opened);
        rest = after;
    }
}

/// A part of a path short enough for one call, cut between components, and what is left.
fn piece_of(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= PIECE_BYTES {
        return (path, &[]);
    }
    match path[..PIECE_BYTES].iter().rposition(|&b| b == b'/') {
        Some(at) if at > 0 => (&path[..at], &path[at + 1..]),
        _ => (path, &[]),
    }
}
