//! What is in a file.
//!
//! Owns reading into the outgoing block, the map of a file with holes, and the promise that exactly
//! the announced number of bytes follows the header whatever happens to the file meanwhile.

use rustix::fd::BorrowedFd;
use rustix::fs::{Advice, SeekFrom, Stat, fadvise, seek};
use rustix::io::{Errno, pread, read};

use super::flow::Flow;
use crate::stream::Fault;

/// From here on the kernel is told that we read straight on.
const SEQUENTIAL_BYTES: u64 = 256 * 1024;

/// Runs of data kept of a file; where it has more, the smaller holes of each pair are stored as
/// zeros until it fits.
const RUNS_MAX: usize = 1 << 18;

/// Readers of sparse archives expect runs that start on a multiple of this.
const RUN_ALIGN: u64 = 512;

/// Bytes a file of this state can give.
#[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
pub(super) fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// The runs of data of a file with holes; `None` for one without.
pub(super) fn map_of(fd: BorrowedFd<'_>, stat: &Stat) -> Option<Vec<(u64, u64)>> {
    let size = size_of(stat);
    let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if allocated >= size {
        return None;
    }
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    while at < size {
        let from = match seek(fd, SeekFrom::Data(at)) {
            Ok(from) => from / RUN_ALIGN * RUN_ALIGN,
            Err(Errno::NXIO) => break,
            // A file system that cannot tell: all is data.
            Err(_) => return None,
        };
        let Ok(end) = seek(fd, SeekFrom::Hole(from.max(at))) else { return None };
        let end = end.next_multiple_of(RUN_ALIGN).min(size);
        if end <= at || from >= size {
            break;
        }
        push(&mut runs, from.max(at), end);
        at = end;
    }
    (runs[..] != [(0, size)]).then_some(runs)
}

fn push(runs: &mut Vec<(u64, u64)>, from: u64, end: u64) {
    match runs.last_mut() {
        Some(last) if last.0 + last.1 >= from => last.1 = end - last.0,
        _ => runs.push((from, end - from)),
    }
    if runs.len() > RUNS_MAX {
        let joined = runs.chunks(2).map(|pair| {
            let last = pair[pair.len() - 1];
            (pair[0].0, last.0 + last.1 - pair[0].0)
        });
        *runs = joined.collect();
    }
}

/// How reading a file's content ended.
pub(super) enum Read {
    /// All of it was there.
    Whole,
    /// It was shorter than announced; zeros stand for the rest.
    Short,
    /// It could not be read to the end; zeros stand for the rest.
    Failed(Errno),
}

/// Sends `size` bytes of the file from its beginning.
pub(super) fn send_whole(
    fd: BorrowedFd<'_>,
    size: u64,
    flow: &mut Flow<'_>,
) -> Result<Read, Fault> {
    if size > SEQUENTIAL_BYTES {
        advise(fd, Advice::Sequential);
    }
    let mut left = size;
    while left > 0 {
        match retried(|| {
            read(fd, &mut *flow.space(left).map_err(Stop::Fault)?).map_err(Stop::Error)
        }) {
            Ok(0) => return padded(left, flow, Read::Short),
            Ok(count) => {
                flow.filled(count);
                left -= count as u64;
            }
            Err(Stop::Error(error)) => return padded(left, flow, Read::Failed(error)),
            Err(Stop::Fault(fault)) => return Err(fault),
        }
    }
    Ok(Read::Whole)
}

/// Sends the runs of the file one after the other.
pub(super) fn send_runs(
    fd: BorrowedFd<'_>,
    runs: &[(u64, u64)],
    flow: &mut Flow<'_>,
) -> Result<Read, Fault> {
    let mut ended = Read::Whole;
    for &(from, length) in runs {
        let (mut at, mut left) = (from, length);
        while left > 0 && matches!(ended, Read::Whole) {
            let got = retried(|| {
                pread(fd, &mut *flow.space(left).map_err(Stop::Fault)?, at).map_err(Stop::Error)
            });
            match got {
                Ok(0) => ended = Read::Short,
                Ok(count) => {
                    flow.filled(count);
                    left -= count as u64;
                    at += count as u64;
                }
                Err(Stop::Error(error)) => ended = Read::Failed(error),
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        flow.zeros(left)?;
    }
    Ok(ended)
}

enum Stop {
    Error(Errno),
    Fault(Fault),
}

fn retried(mut read: impl FnMut() -> Result<usize, Stop>) -> Result<usize, Stop> {
    loop {
        match read() {
            Err(Stop::Error(Errno::INTR)) => {}
            other => return other,
        }
    }
}

fn padded(left: u64, flow: &mut Flow<'_>, how: Read) -> Result<Read, Fault> {
    flow.zeros(left)?;
    Ok(how)
}

/// Advice the kernel does not take costs nothing but speed.
pub(super) fn advise(fd: BorrowedFd<'_>, advice: Advice) {
    if let Err(error) = fadvise(fd, 0, None, advice) {
        tracing::trace!(%error, "advice not taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_never_grows_past_its_limit_and_loses_no_data() {
        let mut runs = Vec::new();
        let last = 3 * RUNS_MAX as u64;
        (0..last).for_each(|i| push(&mut runs, i * 8192, i * 8192 + 4096));
        assert!(runs.len() <= RUNS_MAX);
        assert!(runs.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        let covered = |at: u64| runs.iter().any(|run| (run.0..run.0 + run.1).contains(&at));
        assert!((0..last).step_by(50_000).all(|i| covered(i * 8192) && covered(i * 8192 + 4095)));
    }

    #[test]
    fn runs_that_touch_are_one() {
        let mut runs = Vec::new();
        push(&mut runs, 0, 512);
        push(&mut runs, 512, 1024);
        push(&mut runs, 4096, 4608);
        assert_eq!(runs, [(0, 1024), (4096, 512)]);
    }
}
