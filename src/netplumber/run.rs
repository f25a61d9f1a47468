//! One component at the end of a link.
//!
//! Owns the handles of it: as the edges of a component of ours, which runs in this process, or as pipes of
//! a process, for programs and for components that have named pipes. Every byte of a handle is the same in
//! both.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::JoinHandle;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::plumb::descriptors;
use crate::plumb::link_part::{LinkInlet, LinkSink, LinkSource, link_outlet};
use crate::plumb::pipe::{ReceiptLines, listen};
use crate::plumb::ring::{EDGE_BYTES, Meter, Ring};
use crate::plumb::run::{self, Part, Verdict};
use crate::plumb::spawn::without_a_word;
use crate::stream::{Blame, Fault};
use crate::wire::Link;
use crate::wire::link::HandleReader;
use crate::wire::message::{
    PIPES, RECEIPTS_FROM_BELOW, RECEIPTS_UP, Request, STDERR, STDIN, STDOUT,
};

/// Bytes a pump moves at once.
const PUMP_BYTES: usize = 256 * 1024;
/// How long the others of a chain may take to end once one gave up.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a component of ours in this process.
pub fn part(who: &str, part: Part, link: &Link, request: &Request) -> Verdict {
    let words = words_of_this_process(link)?;
    let below = request.receipts_from_below.then(|| link.reader(RECEIPTS_FROM_BELOW));
    let mut up = ReceiptLines(request.receipts_up.then(|| link.writer(RECEIPTS_UP)));
    let out = || link_outlet(link.writer(STDOUT));
    let inlet = || LinkInlet::new(link.reader(STDIN));
    let verdict = match part {
        Part::Source(mut source) => run::source(who, &mut *source, out(), &listen(below), &mut up),
        Part::Process(mut process) => {
            run::process(who, &mut *process, &mut inlet(), out(), &listen(below), &mut up)
        }
        Part::Sink(mut sink) => run::sink(&mut *sink, &mut inlet(), &mut up),
        // Their streams come and go by named pipes, so they run as processes.
        Part::Funnel(..) | Part::Tee(..) => Err(Fault::never(
            Blame::Ours,
            format!("{who} has more than one stream and cannot run in this process"),
        )),
    };
    words.end();
    verdict
}

/// Which end of a chain is at the other machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// The beginning: the stream comes from there.
    Beginning,
    /// The end: the stream goes there.
    End,
}

/// Runs several components of ours in this process.
pub fn chain(
    mut parts: Vec<(String, Part)>,
    open: Open,
    link: &Link,
    request: &Request,
) -> Verdict {
    let words = words_of_this_process(link)?;
    let plumb = || "plumb".to_owned();
    match open {
        Open::Beginning => {
            let source = LinkSource::new(link.reader(STDIN));
            parts.insert(0, (plumb(), Part::Source(Box::new(source))));
        }
        Open::End => {
            let receipts = request.receipts_from_below.then(|| link.reader(RECEIPTS_FROM_BELOW));
            let sink = LinkSink::new(link.writer(STDOUT), receipts);
            parts.push((plumb(), Part::Sink(Box::new(sink))));
        }
    }
    let up = ReceiptLines(request.receipts_up.then(|| link.writer(RECEIPTS_UP)));
    let ring = Ring::start(parts, EDGE_BYTES, Meter::default(), up)?;
    let ended = ring.wait(GRACE);
    words.end();
    match run::root_cause(&ended) {
        Some((who, fault)) => Err(Fault { what: format!("{who}: {fault}"), ..fault.clone() }),
        None => Ok(ended.iter().filter_map(|part| part.verdict.as_ref().ok()).sum()),
    }
}

/// Joins a service of this host to standard input and output, byte for byte, until it closes.
pub fn service(service: UnixStream, link: &Link) -> Verdict {
    let failed = |e: &io::Error| Fault::host("cannot speak to the service", e);
    let to = service.try_clone().map_err(|e| failed(&e))?;
    let mut from = link.reader(STDIN);
    std::thread::spawn(move || {
        let poured = pieces(&mut from, &to).and_then(|()| to.shutdown(Shutdown::Write));
        if let Err(error) = poured {
            tracing::debug!(%error, "a service is not told everything");
        }
    });
    match copy(service, link.writer(STDOUT)) {
        Ok(()) => Ok(0),
        Err(error) => Err(failed(&error)),
    }
}

/// Writes all of a handle as it comes.
fn pieces(from: &mut HandleReader, mut to: impl Write) -> io::Result<()> {
    loop {
        let piece = from.next_piece().map_err(io::Error::other)?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_all(piece.data())?;
    }
}

/// What this process says on standard error goes to the other end.
struct Words(JoinHandle<()>);

fn words_of_this_process(link: &Link) -> Result<Words, Fault> {
    let failed = |e: &io::Error| Fault::host("cannot redirect standard error", e);
    let (reader, writer) = io::pipe().map_err(|e| failed(&e))?;
    rustix::stdio::dup2_stderr(&writer).map_err(|e| failed(&e.into()))?;
    drop(writer);
    Ok(Words(pump("stderr", reader, link.writer(STDERR))))
}

impl Words {
    fn end(self) {
        // The pump ends when nobody can write to its pipe any more.
        let closed = File::options()
            .write(true)
            .open("/dev/null")
            .and_then(|null| Ok(rustix::stdio::dup2_stderr(null)?));
        if closed.is_ok() && self.0.join().is_err() {
            tracing::debug!("the pump of standard error panicked");
        }
    }
}

/// Moves all bytes of `from` to `to`, on a thread, until either end is gone.
fn pump(
    name: &str,
    from: impl Read + Send + 'static,
    to: impl Write + Send + 'static,
) -> JoinHandle<()> {
    let name = name.to_owned();
    std::thread::spawn(move || {
        if let Err(error) = copy(from, to) {
            tracing::debug!(%error, name, "a pump ends early");
        }
    })
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PUMP_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Moves the bytes of a handle to a pipe, and lets go of both as soon as nobody reads the pipe.
fn pour(name: &str, mut from: HandleReader, to: impl Write + Send + 'static) {
    let name = name.to_owned();
    std::thread::spawn(move || {
        if let Err(error) = pieces(&mut from, to) {
            tracing::debug!(%error, name, "a handle is not read to its end");
        }
    });
}

/// A component that runs as a process.
pub struct Process {
    child: Child,
    verdict: PipeReader,
    out: Vec<JoinHandle<()>>,
    pipes: Vec<PathBuf>,
    waiting: Vec<JoinHandle<()>>,
    ends: OwnedFd,
}

/// What ends a process; it names that process also when it has ended, and no other after it.
pub struct Ends(OwnedFd);

impl Ends {
    /// Sends a signal. A process that has ended is not there any more, which is what was wanted.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.0, signal) {
            tracing::debug!(%error, "ending a component");
        }
    }
}

impl Process {
    /// Starts `program` with `words` in `folder`, its descriptors joined to the handles of `link`.
    pub fn start(
        program: &Path,
        words: &[String],
        folder: &Path,
        link: &Link,
        request: &Request,
    ) -> Result<Process, Fault> {
        let start = || -> io::Result<Process> {
            let (pipes, mut out, waiting) = named_pipes(folder, link, request)?;
            let mut command = Command::new(program);
            command.args(words).current_dir(folder).env_clear();
            command.env("PATH", "/usr/bin:/bin").env("HOME", folder).env("LC_ALL", "C.UTF-8");
            let (reads, input) = io::pipe()?;
            let (output, writes) = io::pipe()?;
            let (errors, says) = io::pipe()?;
            command.stdin(reads).stdout(writes).stderr(says);
            let (verdict, told) = io::pipe()?;
            let mut mappings = vec![mapped(told, descriptors::VERDICT)];
            let mut receipts = None;
            if request.receipts_up {
                let (reader, writer) = io::pipe()?;
                mappings.push(mapped(writer, descriptors::RECEIPTS_UP));
                receipts = Some(reader);
            }
            if request.receipts_from_below {
                let (reader, writer) = io::pipe()?;
                mappings.push(FdMapping {
                    parent_fd: OwnedFd::from(reader),
                    child_fd: descriptors::RECEIPTS_FROM_BELOW,
                });
                pour("receipts", link.reader(RECEIPTS_FROM_BELOW), writer);
            }
            command.fd_mappings(mappings).map_err(|e| io::Error::other(e.to_string()))?;
            // A name of its own: `tapioca` and not what this process was called.
            command.arg0(program);
            let child = command.spawn()?;
            let ends = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
            drop(command);
            pour("stdin", link.reader(STDIN), input);
            out.push(pump("stdout", output, link.writer(STDOUT)));
            out.push(pump("stderr", errors, link.writer(STDERR)));
            out.extend(receipts.map(|from| pump("receipts", from, link.writer(RECEIPTS_UP))));
            Ok(Process { child, verdict, out, pipes, waiting, ends })
        };
        start().map_err(|e| Fault::host(format!("cannot start {}", program.display()), &e))
    }

    /// What ends it.
    pub fn ends(&self) -> Result<Ends, Fault> {
        let again = self.ends.try_clone();
        again.map(Ends).map_err(|e| Fault::host("cannot watch the component", &e))
    }

    /// Waits for its end and until all that it wrote was passed on.
    pub fn wait(mut self) -> Verdict {
        let mut line = Vec::new();
        let read = (&mut self.verdict).take(1 << 20).read_to_end(&mut line);
        let status = self.child.wait();
        // Whoever still waits for the other end of a named pipe is let go.
        for pipe in &self.pipes {
            let opened = rustix::fs::open(pipe, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty());
            if let Err(error) = opened {
                tracing::debug!(%error, "letting go of a named pipe");
            }
        }
        let joined = self.out.into_iter().chain(self.waiting).map(JoinHandle::join);
        if joined.filter(Result::is_err).count() > 0 {
            tracing::debug!("a pump panicked");
        }
        let status = status.map_err(|e| Fault::host("cannot wait for the component", &e))?;
        read.map_err(|e| Fault::host("cannot hear how the component ended", &e))?;
        serde_json::from_slice(&line).unwrap_or_else(|_| without_a_word(status))
    }
}

fn mapped(writer: PipeWriter, child_fd: i32) -> FdMapping {
    FdMapping { parent_fd: OwnedFd::from(writer), child_fd }
}

type Pumps = Vec<JoinHandle<()>>;

/// Makes the named pipes of a command, each with a thread that opens it as soon as the component does.
fn named_pipes(
    folder: &Path,
    link: &Link,
    request: &Request,
) -> io::Result<(Vec<PathBuf>, Pumps, Pumps)> {
    let (mut paths, mut out, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for (pipe, handle) in request.pipes.iter().zip(PIPES..) {
        let path = folder.join(&pipe.name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR)?;
        paths.push(path.clone());
        if pipe.to_component {
            let from = link.reader(handle);
            waiting.push(std::thread::spawn(move || {
                match File::options().write(true).open(path) {
                    Ok(to) => pour("a named pipe", from, to),
                    Err(error) => tracing::debug!(%error, "opening a named pipe"),
                }
            }));
        } else {
            let to = link.writer(handle);
            out.push(std::thread::spawn(move || {
                let copied = File::open(path).and_then(|from| copy(from, to));
                if let Err(error) = copied {
                    tracing::debug!(%error, "a named pipe ends early");
                }
            }));
        }
    }
    Ok((paths, out, waiting))
}

/// Which handles the client writes; the others are written here.
pub fn is_written_here(handle: u8, request: &Request) -> bool {
    match handle {
        STDIN | RECEIPTS_FROM_BELOW => false,
        STDOUT | STDERR | RECEIPTS_UP => true,
        pipe => !request.pipes[usize::from(pipe - PIPES)].to_component,
    }
}

/// Closes what was not opened: handles that nobody here writes end, those nobody reads are stopped.
pub fn close_rest(link: &Link, request: &Request) {
    let handles = u8::try_from(request.handles()).unwrap_or(u8::MAX);
    for handle in 0..handles {
        match is_written_here(handle, request) {
            true => drop(link.writer(handle)),
            false => drop(link.reader(handle)),
        }
    }
}
