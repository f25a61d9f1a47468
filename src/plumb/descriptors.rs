//! The descriptors a component process is given.
//!
//! 0 takes the stream, 1 gives it, 2 talks; 3 sends receipts up, 4 takes those from below and 5 tells
//! how it ended, these three only if whoever started us opened them.
#![allow(unsafe_code, reason = "adopting an inherited descriptor has no safe form")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::OFlags;

/// Receipts to the components nearer the source.
pub const RECEIPTS_UP: RawFd = 3;
/// Receipts from the components nearer the sink.
pub const RECEIPTS_FROM_BELOW: RawFd = 4;

/// How it ended ([`Verdict`](super::run::Verdict)), one line of JSON, to whoever started it.
pub const VERDICT: RawFd = 5;

/// Bytes a pipe of ours should hold; fewer wake-ups than the default 64 KiB.
const PIPE_BYTES: usize = 1024 * 1024;

/// Standard input as a plain file, its pipe enlarged.
pub fn stream_in() -> io::Result<File> {
    enlarged(io::stdin().as_fd().try_clone_to_owned()?)
}

/// Standard output as a plain, unbuffered file, its pipe enlarged.
pub fn stream_out() -> io::Result<File> {
    enlarged(io::stdout().as_fd().try_clone_to_owned()?)
}

fn enlarged(fd: OwnedFd) -> io::Result<File> {
    let file = File::from(fd);
    enlarge(&file);
    Ok(file)
}

/// Enlarges a pipe. One that cannot be (the user's limit, or no pipe at all) works as it is.
pub(super) fn enlarge(file: &File) {
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(file, PIPE_BYTES) {
        tracing::trace!(%error, "the edge keeps its size");
    }
}

/// The first descriptor that may be told by its path.
pub(super) const FIRST_BY_PATH: RawFd = 10;

/// Takes over the inherited descriptor that `/dev/fd/N` names; with the same cautions as
/// [`inherited`].
pub(super) fn inherited_path(path: &std::path::Path, writable: bool) -> Option<File> {
    let number: RawFd = path.to_str()?.strip_prefix("/dev/fd/")?.parse().ok()?;
    (number >= FIRST_BY_PATH).then(|| inherited(number, writable)).flatten()
}

/// Takes over descriptor `number` if it was inherited open with the wanted direction. Call at most
/// once per number, before any other descriptor is opened.
pub fn inherited(number: RawFd, writable: bool) -> Option<File> {
    // SAFETY: the descriptor is borrowed for one call that only asks for its flags; if it is not open the
    // call fails with EBADF, nothing else.
    let flags = rustix::fs::fcntl_getfl(unsafe { BorrowedFd::borrow_raw(number) }).ok()?;
    let mode = flags & OFlags::RWMODE;
    if mode != OFlags::RDWR && (mode == OFlags::WRONLY) != writable {
        return None;
    }
    // SAFETY: it is open; nothing else in this process owns it, as we are called once, at start, for
    // numbers that the shell contract reserves for us.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    // What we start must not hold a receipt channel open.
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
    Some(File::from(fd))
}

/// Sees to it that a command we start inherits nothing but 0, 1 and 2, whatever we inherited.
pub fn keep_to_ourselves() -> io::Result<()> {
    let listing = std::fs::read_dir("/proc/self/fd")?;
    let numbers: Vec<RawFd> =
        listing.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|&n| n > 2) {
        // SAFETY: the descriptor is borrowed for one call and only its flag changes. One that was
        // closed since (the listing's own) makes the call fail with EBADF, nothing else.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        match rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC) {
            Ok(()) | Err(rustix::io::Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
