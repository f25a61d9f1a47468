//! The descriptors of this process as those of a component elsewhere.
//!
//! Owns the moving of bytes between pipes here and the handles of a link: standard input and output, standard
//! error, receipts, and named pipes. Looks at no byte.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::far;
use super::run::Verdict;
use crate::stream::{Blame, Fault};
use crate::wire::Link;
use crate::wire::link::{HandleReader, HandleWriter};
use crate::wire::message::{
    FromClient, NamedPipe, PIPES, RECEIPTS_FROM_BELOW, RECEIPTS_UP, STDERR, STDIN, STDOUT,
};

/// Bytes moved at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How often a pump that waits for bytes looks whether anybody still wants them.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// The same for whoever waits until everything was read.
const LOOK_UP: Duration = Duration::from_millis(250);
/// How long the component may take to end when it was asked to.
const GRACE: Duration = Duration::from_secs(30);

/// What this process has to echo.
pub struct Ends {
    /// Standard input.
    pub input: File,
    /// Standard output.
    pub output: File,
    /// Where receipts go up, if somebody wants them.
    pub receipts_up: Option<File>,
    /// Where receipts come from below, if any do.
    pub receipts_from_below: Option<File>,
    /// Named pipes here, in the order of the request.
    pub pipes: Vec<PathBuf>,
}

/// What whoever waits has to act on.
pub enum Event {
    /// Somebody wants it to end.
    Signal(u8),
    /// It ended.
    Ended(Verdict),
}

/// Echoes until the component has ended and everything it wrote was read. Signals come by `events`.
pub fn run(
    link: &Link,
    ends: Ends,
    pipes: &[NamedPipe],
    (events, happens): (Sender<Event>, Receiver<Event>),
) -> Verdict {
    let (done, all_read) = channel();
    feed("standard input", ends.input, link.writer(STDIN));
    if let Some(from) = ends.receipts_from_below {
        feed("receipts from below", from, link.writer(RECEIPTS_FROM_BELOW));
    }
    let mut readers = vec![
        drain(link.reader(STDOUT), Ok(ends.output), &done),
        drain(link.reader(STDERR), Ok(io::stderr()), &done),
    ];
    if let Some(to) = ends.receipts_up {
        readers.push(drain(link.reader(RECEIPTS_UP), Ok(to), &done));
    }
    for ((path, pipe), handle) in ends.pipes.into_iter().zip(pipes).zip(PIPES..) {
        match pipe.to_component {
            true => feed_named(path, link.writer(handle)),
            false => readers.push(drain_named(path, link.reader(handle), &done)),
        }
    }
    drop(done);
    let hears = link.clone();
    std::thread::spawn(move || {
        let ended = Event::Ended(far::verdict(&hears));
        if events.send(ended).is_err() {
            tracing::debug!("nobody waits for the component any more");
        }
    });
    let verdict = wait(link, &happens)?;
    wait_for_readers(readers.len(), &all_read, &happens)?;
    far::finish(link)?;
    Ok(verdict)
}

fn wait(link: &Link, happens: &Receiver<Event>) -> Verdict {
    let mut asked = false;
    loop {
        let event = match asked {
            false => happens.recv().map_err(|_| ()),
            true => happens.recv_timeout(GRACE).map_err(|_| ()),
        };
        match event {
            Ok(Event::Ended(verdict)) => return verdict,
            Ok(Event::Signal(number)) => {
                asked = true;
                link.say(&FromClient::Signal(number))?;
            }
            Err(()) => {
                return Err(Fault::later(Blame::Operator, "stopped, without hearing how it ended"));
            }
        }
    }
}

/// Waits until all that the component wrote was read here. It ended, but whoever reads may take long: a tape
/// is being changed, say. Only a signal ends that.
fn wait_for_readers(
    count: usize,
    all_read: &Receiver<()>,
    happens: &Receiver<Event>,
) -> Result<(), Fault> {
    let mut left = count;
    while left > 0 {
        match all_read.recv_timeout(LOOK_UP) {
            Ok(()) => left -= 1,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                if let Ok(Event::Signal(_)) = happens.try_recv() {
                    let what = "stopped before all that the component wrote was read here";
                    return Err(Fault::later(Blame::Operator, what));
                }
            }
        }
    }
    Ok(())
}

/// Moves bytes from a pipe here to a handle, as long as somebody reads it there.
fn feed(name: &'static str, from: File, to: HandleWriter) {
    std::thread::spawn(move || {
        if let Err(error) = pump_in(from, to) {
            tracing::debug!(%error, name, "not read to its end");
        }
    });
}

fn pump_in(mut from: File, mut to: HandleWriter) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let ready = poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&LOOK))?;
        if !to.is_read() {
            return Ok(());
        }
        if ready == 0 {
            continue;
        }
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&piece[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opening waits for the other end of the pipe, so it happens on a thread.
fn feed_named(path: PathBuf, to: HandleWriter) {
    std::thread::spawn(move || match File::open(&path) {
        Ok(from) => feed("a named pipe", from, to),
        Err(error) => complain(&path, &error),
    });
}

fn complain(path: &Path, error: &io::Error) {
    tracing::error!(%error, "cannot open {}", path.display());
}

/// Moves bytes from a handle to a pipe here, as long as somebody reads that.
fn drain<W: Write + Send + 'static>(
    from: HandleReader,
    to: io::Result<W>,
    done: &Sender<()>,
) -> JoinHandle<()> {
    let done = done.clone();
    std::thread::spawn(move || {
        if let Err(error) = to.and_then(|to| pump_out(from, to)) {
            tracing::debug!(%error, "what comes is not read to its end");
        }
        if done.send(()).is_err() {
            tracing::trace!("nobody waits for this pump");
        }
    })
}

fn pump_out(mut from: HandleReader, mut to: impl Write) -> io::Result<()> {
    loop {
        let piece = from.next_piece().map_err(io::Error::other)?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_all(piece.data())?;
    }
}

fn drain_named(path: PathBuf, from: HandleReader, done: &Sender<()>) -> JoinHandle<()> {
    let done = done.clone();
    std::thread::spawn(move || {
        let opened = File::options().write(true).open(&path);
        if let Err(error) = &opened {
            complain(&path, error);
        }
        if drain(from, opened, &done).join().is_err() {
            tracing::debug!("a pump panicked");
        }
    })
}
