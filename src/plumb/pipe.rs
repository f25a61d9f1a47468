//! The pipe plumber: each component a process, each edge a pipe.
//!
//! Owns the edges of this process: frames on standard input and output, receipts as lines of JSON,
//! those from below on descriptor 4 read by a thread of its own, so that no sink waits for us, and
//! those to above on descriptor 3.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::descriptors::{
    RECEIPTS_FROM_BELOW, RECEIPTS_UP, VERDICT, inherited, stream_in, stream_out,
};
use super::run::{self, Below, Part, Verdict};
use super::{meeting, named};
use crate::stream::frame::{FrameReader, FrameWriter};
use crate::stream::{Blame, Fault, Inlet, Item, Patience, Receipt, Upward};

/// The receipt channels of this process. Make it first thing, before other files are opened.
pub struct Channels {
    up: ReceiptLines<File>,
    below: Option<File>,
    verdict: VerdictLine,
}

/// Where a component says how it ended.
pub struct VerdictLine(Option<File>);

impl VerdictLine {
    /// Says it, if somebody wants to know.
    pub fn tell(self, verdict: &Verdict) {
        let Some(mut file) = self.0 else { return };
        let told = serde_json::to_vec(verdict)
            .map_err(std::io::Error::other)
            .and_then(|line| file.write_all(&line));
        if let Err(error) = told {
            tracing::debug!(%error, "nobody hears how it ended");
        }
    }
}

impl Channels {
    /// Adopts descriptors 3 and 4 where they are open.
    pub fn adopt() -> Channels {
        let up = ReceiptLines(inherited(RECEIPTS_UP, true));
        let below = inherited(RECEIPTS_FROM_BELOW, false);
        Channels { up, below, verdict: VerdictLine(inherited(VERDICT, true)) }
    }

    /// Takes the place where the verdict goes.
    pub fn verdict(&mut self) -> VerdictLine {
        VerdictLine(self.verdict.0.take())
    }

    /// The descriptors of receipts: to above, and from below.
    pub fn into_receipts(self) -> (Option<File>, Option<File>) {
        (self.up.0, self.below)
    }

    /// Whether receipts are to come from below.
    pub fn expects_receipts(&self) -> bool {
        self.below.is_some()
    }
}

/// Receipts as lines of JSON, where somebody wants them.
pub struct ReceiptLines<W: Write>(pub Option<W>);

impl<W: Write> Upward for ReceiptLines<W> {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let line = receipt_line(&receipt)?;
        let what = "cannot send a receipt";
        file.write_all(&line).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Fault::neighbour(format!("{what}: its reader is gone")),
            _ => Fault::host(what, &error),
        })
    }
}

/// A receipt as a line.
pub(super) fn receipt_line(receipt: &Receipt) -> Result<Vec<u8>, Fault> {
    let mut line = serde_json::to_vec(receipt)
        .map_err(|e| Fault::never(Blame::Ours, format!("cannot write a receipt: {e}")))?;
    line.push(b'\n');
    Ok(line)
}

/// The receipts that lines of JSON hold.
pub fn receipts_in(lines: impl Read) -> impl Iterator<Item = Result<Receipt, Fault>> {
    BufReader::new(lines).lines().map(|line| {
        let line = line.map_err(|e| Fault::host("cannot read the receipts from below", &e))?;
        serde_json::from_str(&line)
            .map_err(|e| Fault::stream(format!("what comes from below is no receipt: {e}")))
    })
}

/// The receipts from below, read by a thread of their own; none if there is nothing to read.
pub fn listen(lines: Option<impl Read + Send + 'static>) -> Below {
    let (sender, receiver) = channel();
    let Some(lines) = lines else { return Below(receiver) };
    let read = move || {
        for receipt in receipts_in(lines) {
            let last = receipt.is_err();
            if sender.send(receipt).is_err() || last {
                return;
            }
        }
    };
    std::thread::spawn(read);
    Below(receiver)
}

/// Frames from a pipe, waited for no longer than asked.
struct PipeInlet {
    pipe: File,
    frames: FrameReader<File>,
}

impl PipeInlet {
    fn standard_input() -> Result<PipeInlet, Fault> {
        let pipe = stream_in().map_err(|e| open_edges(&e))?;
        let again = pipe.try_clone().map_err(|e| open_edges(&e))?;
        Ok(PipeInlet { pipe, frames: FrameReader::new(again) })
    }
}

impl Inlet for PipeInlet {
    fn take(&mut self) -> Result<Item, Fault> {
        self.frames.take()
    }
}

impl Patience for PipeInlet {
    fn take_within(&mut self, limit: Duration) -> Result<Option<Item>, Fault> {
        let limit = Timespec::try_from(limit)
            .map_err(|e| Fault::never(Blame::Ours, format!("cannot wait so long: {e}")))?;
        let ready = poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], Some(&limit));
        match ready {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
            Ok(_) => self.take().map(Some),
            Err(error) => Err(Fault::host("cannot wait for the stream", &error.into())),
        }
    }
}

fn open_edges(error: &std::io::Error) -> Fault {
    Fault::host("cannot use standard input and output", error)
}

/// Runs a component between standard input and output. Returns how many things were left out.
pub fn run(who: &str, part: Part, channels: Channels) -> Result<u64, Fault> {
    let Channels { mut up, below, verdict: _ } = channels;
    let out = || stream_out().map(FrameWriter::new).map_err(|e| open_edges(&e));
    match part {
        Part::Source(mut source) => run::source(who, &mut *source, out()?, &listen(below), &mut up),
        Part::Process(mut process) => {
            let mut inlet = PipeInlet::standard_input()?;
            run::process(who, &mut *process, &mut inlet, out()?, &listen(below), &mut up)
        }
        Part::Funnel(mut funnel, inputs) => {
            let (mut hold, ups) = named::berths(&inputs)?;
            let count = inputs.from.len();
            meeting::funnel(who, &mut *funnel, &mut hold, count, out()?, &listen(below), ups)
        }
        Part::Tee(mut tee, outputs) => {
            let mut inlet = PipeInlet::standard_input()?;
            let (sides, receipts) = named::sides(&outputs)?;
            meeting::tee(who, &mut *tee, &mut inlet, sides, &receipts, &mut up)
        }
        Part::Sink(mut sink) => run::sink(&mut *sink, &mut PipeInlet::standard_input()?, &mut up),
    }
}
