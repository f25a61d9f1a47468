//! Visits: descriptors handed to a service of this machine that listens on a socket.
//!
//! Owns what is said when a visitor is brought there: one line that says which machine it is and what it
//! said, and with it descriptors for what it sends, gets and hears; then, the other way, one line with the
//! verdict. That the visitor is gone is known by the end of the socket.

use std::io::{self, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::run::Verdict;
use crate::stream::{Blame, Fault};

/// The longest line either way, bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Descriptors that travel at most.
const ENDS_MAX: usize = 5;
/// How long somebody who connects may take to say who it is.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// Who comes, and what it wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The machine.
    pub machine: String,
    /// Digest of its certificate.
    pub digest: String,
    /// What it said, the entry's name first.
    pub words: Vec<String>,
    /// It takes receipts.
    pub receipts_up: bool,
    /// It hands on receipts from below.
    pub receipts_from_below: bool,
}

/// A visitor, as the service sees it.
#[derive(Debug)]
pub struct Visit {
    /// Who it is.
    pub hello: Hello,
    /// What it sends.
    pub stdin: PipeReader,
    /// What it gets.
    pub stdout: PipeWriter,
    /// Words for it.
    pub stderr: PipeWriter,
    /// Receipts for it.
    pub receipts_up: Option<PipeWriter>,
    /// Receipts from it.
    pub receipts_from_below: Option<PipeReader>,
    /// The socket: the verdict goes here, and its end means that the visitor is gone.
    pub socket: UnixStream,
}

fn failed(what: &str) -> impl Fn(io::Error) -> Fault + '_ {
    move |error| Fault::host(what, &error)
}

/// Connects to the service at `path`.
pub fn connect(path: &Path) -> Result<UnixStream, Fault> {
    UnixStream::connect(path).map_err(|error| {
        let what = format!("nobody serves at {}", path.display());
        Fault { retry: crate::stream::Retry::Later, ..Fault::host(what, &error) }
    })
}

/// A visitor's ends of the pipes.
pub struct Ends {
    /// What it sends goes here.
    pub input: PipeWriter,
    /// What it gets comes from here.
    pub output: PipeReader,
    /// Words for it.
    pub errors: PipeReader,
    /// Receipts for it.
    pub receipts_up: Option<PipeReader>,
    /// Receipts from it.
    pub receipts_from_below: Option<PipeWriter>,
}

impl Ends {
    /// Says a visitor to the service at the other end of `socket`.
    ///
    /// # Errors
    ///
    /// Descriptors, or the service is gone.
    pub fn say(socket: &UnixStream, hello: &Hello) -> Result<Ends, Fault> {
        let said = || {
            let (ends, theirs) = Ends::pair(hello)?;
            send(socket, hello, &theirs)?;
            Ok(ends)
        };
        said().map_err(failed("cannot reach the service"))
    }

    /// These and the service's, in the order in which those travel.
    fn pair(hello: &Hello) -> io::Result<(Ends, Vec<OwnedFd>)> {
        let (stdin, input) = io::pipe()?;
        let (output, stdout) = io::pipe()?;
        let (errors, stderr) = io::pipe()?;
        let up = hello.receipts_up.then(io::pipe).transpose()?;
        let below = hello.receipts_from_below.then(io::pipe).transpose()?;
        let mut theirs: Vec<OwnedFd> = vec![stdin.into(), stdout.into(), stderr.into()];
        let (receipts_up, to_us) = up.unzip();
        let (from_us, receipts_from_below) = below.unzip();
        theirs.extend(to_us.map(OwnedFd::from));
        theirs.extend(from_us.map(OwnedFd::from));
        Ok((Ends { input, output, errors, receipts_up, receipts_from_below }, theirs))
    }
}

fn send(socket: &UnixStream, hello: &Hello, ends: &[OwnedFd]) -> io::Result<()> {
    let mut line = serde_json::to_vec(hello)?;
    line.push(b'\n');
    let ends: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ENDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&ends)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(&line)], &mut control, SendFlags::empty())?;
    let mut rest = socket;
    rest.write_all(&line[sent..])
}

/// Waits for the verdict of a service.
pub fn verdict(socket: &UnixStream) -> Verdict {
    let mut line = Vec::new();
    let read = socket.take(LINE_BYTES_MAX as u64).read_to_end(&mut line);
    read.map_err(failed("cannot hear from the service"))?;
    serde_json::from_slice(&line)
        .unwrap_or_else(|_| Err(Fault::later(Blame::Host, "the service ended without a word")))
}

impl Visit {
    /// Takes the visitor that was brought on `socket`. Blocks for at most ten seconds.
    ///
    /// # Errors
    ///
    /// It says nothing, or what makes no sense.
    pub fn receive(socket: UnixStream) -> Result<Visit, Fault> {
        let failed = failed("a visitor does not say who it is");
        socket.set_read_timeout(Some(HELLO_LIMIT)).map_err(&failed)?;
        let (line, mut ends) = receive(&socket).map_err(&failed)?;
        socket.set_read_timeout(None).map_err(&failed)?;
        let senseless = || Fault::stream("a visitor says what makes no sense");
        let hello: Hello = serde_json::from_slice(&line).map_err(|_| senseless())?;
        let expected = 3 + usize::from(hello.receipts_up) + usize::from(hello.receipts_from_below);
        if ends.len() != expected {
            return Err(senseless());
        }
        let mut next = || ends.remove(0);
        Ok(Visit {
            stdin: next().into(),
            stdout: next().into(),
            stderr: next().into(),
            receipts_up: hello.receipts_up.then(|| next().into()),
            receipts_from_below: hello.receipts_from_below.then(|| next().into()),
            hello,
            socket,
        })
    }

    /// Ends the visit: everything that was written is passed on, then this.
    pub fn end(self, verdict: &Verdict) {
        let Visit { stdout, stderr, receipts_up, socket, .. } = self;
        drop((stdout, stderr, receipts_up));
        tell(&socket, verdict);
    }
}

/// Tells a visitor the verdict.
pub fn tell(mut socket: &UnixStream, verdict: &Verdict) {
    let told = serde_json::to_vec(verdict).map_err(io::Error::other);
    let told = told.and_then(|line| socket.write_all(&line));
    let told = told.and_then(|()| socket.shutdown(std::net::Shutdown::Write));
    if let Err(error) = told {
        tracing::debug!(%error, "a visitor left before the verdict");
    }
}

fn receive(socket: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut line, mut ends) = (Vec::new(), Vec::new());
    let mut bytes = vec![0; LINE_BYTES_MAX];
    while line.last() != Some(&b'\n') {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ENDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut bytes)];
        let got = recvmsg(socket, into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                ends.extend(some);
            }
        }
        line.extend_from_slice(&bytes[..got.bytes]);
        if got.bytes == 0 || line.len() > LINE_BYTES_MAX || ends.len() > ENDS_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
    }
    Ok((line, ends))
}
