//! The pipe plumber: each component a process, each edge a pipe.
//!
//! Owns the loop between standard input and output, the abort that a failing component leaves
//! behind, and the way receipts travel: a thread collects those from below, the component's own
//! thread translates them between items, and they leave on descriptor 3.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use super::descriptors::{RECEIPTS_FROM_BELOW, RECEIPTS_UP, inherited, stream_in, stream_out};
use crate::stream::frame::{FrameReader, FrameWriter};
use crate::stream::{Abort, Fault, Inlet, Item, Outlet, Process, Receipt, Sink, Source, Upward};

/// The receipt channels of this process. Make it first thing, before other files are opened.
pub struct Channels {
    up: ReceiptLines,
    below: Option<File>,
}

impl Channels {
    /// Adopts descriptors 3 and 4 where they are open.
    pub fn adopt() -> Channels {
        let up = ReceiptLines(inherited(RECEIPTS_UP, true));
        Channels { up, below: inherited(RECEIPTS_FROM_BELOW, false) }
    }

    /// Whether receipts are to come from below.
    pub fn expects_receipts(&self) -> bool {
        self.below.is_some()
    }
}

/// Receipts as lines of JSON.
struct ReceiptLines(Option<File>);

impl Upward for ReceiptLines {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(&receipt).map_err(|e| {
            Fault::never(crate::stream::Blame::Ours, format!("cannot write a receipt: {e}"))
        })?;
        line.push(b'\n');
        file.write_all(&line).map_err(|e| Fault::host("cannot send a receipt on descriptor 3", &e))
    }
}

/// Receipts from below, read by a thread of their own so that no sink waits for us. The queue is
/// not bounded: a receipt stands for a sync of the medium, so there are few, and a bound here could
/// close a circle of pipes that wait for each other.
struct Below(Receiver<Result<Receipt, Fault>>);

impl Below {
    fn listen(file: Option<File>) -> Below {
        let (sender, receiver) = channel();
        let Some(file) = file else { return Below(receiver) };
        let read = move || {
            for line in BufReader::new(file).lines() {
                let receipt = line
                    .map_err(|e| Fault::host("cannot read receipts on descriptor 4", &e))
                    .and_then(|line| {
                        serde_json::from_str(&line)
                            .map_err(|e| Fault::stream(format!("descriptor 4 has no receipt: {e}")))
                    });
                let last = receipt.is_err();
                if sender.send(receipt).is_err() || last {
                    return;
                }
            }
        };
        std::thread::spawn(read);
        Below(receiver)
    }

    fn waiting(&self) -> Result<Option<Receipt>, Fault> {
        match self.0.try_recv() {
            Ok(receipt) => receipt.map(Some),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(None),
        }
    }

    fn last_ones(&self) -> Result<Option<Receipt>, Fault> {
        self.0.recv().map_or(Ok(None), |receipt| receipt.map(Some))
    }
}

fn open_edges(error: &std::io::Error) -> Fault {
    Fault::host("cannot use standard input and output", error)
}

/// Tells whoever reads us that we gave up; they may be gone, which is what they then know.
fn leave_abort(out: &mut impl Outlet, who: &str, fault: &Fault) {
    let abort = Abort { who: who.into(), why: fault.to_string() };
    if let Err(error) = out.put(Item::Abort(abort)) {
        tracing::debug!(%error, "nobody reads our abort");
    }
}

fn upstream_gave_up(abort: &Abort) -> Fault {
    Fault::stream(format!("{} gave up: {}", abort.who, abort.why))
}

/// Runs a source with its stream on standard output. Returns how many things were left out.
pub fn run_source(who: &str, source: &mut dyn Source, channels: Channels) -> Result<u64, Fault> {
    let Channels { mut up, below } = channels;
    let mut out = FrameWriter::new(stream_out().map_err(|e| open_edges(&e))?);
    let below = Below::listen(below);
    let skipped = source.run(&mut out).inspect_err(|fault| leave_abort(&mut out, who, fault))?;
    drop(out);
    while let Some(receipt) = below.last_ones()? {
        up.receipt(receipt)?;
    }
    Ok(skipped)
}

/// Runs a processor between standard input and output.
pub fn run_process(who: &str, process: &mut dyn Process, channels: Channels) -> Result<u64, Fault> {
    let Channels { mut up, below } = channels;
    let mut inlet = FrameReader::new(stream_in().map_err(|e| open_edges(&e))?);
    let mut out = FrameWriter::new(stream_out().map_err(|e| open_edges(&e))?);
    let below = Below::listen(below);
    let flow = flow_through(process, &mut inlet, &mut out, &below, &mut up);
    if let Err(fault) = flow {
        leave_abort(&mut out, who, &fault);
        return Err(fault);
    }
    drop(out);
    while let Some(receipt) = below.last_ones()? {
        process.receipt(receipt, &mut up)?;
    }
    process.finish()
}

fn flow_through(
    process: &mut dyn Process,
    inlet: &mut dyn Inlet,
    out: &mut dyn Outlet,
    below: &Below,
    up: &mut dyn Upward,
) -> Result<(), Fault> {
    loop {
        let item = inlet.take()?;
        while let Some(receipt) = below.waiting()? {
            process.receipt(receipt, up)?;
        }
        match item {
            Item::Abort(abort) => return Err(upstream_gave_up(&abort)),
            Item::End(_) => return process.item(item, out),
            item => process.item(item, out)?,
        }
    }
}

/// Runs a sink with its stream on standard input.
pub fn run_sink(sink: &mut dyn Sink, channels: Channels) -> Result<u64, Fault> {
    let Channels { mut up, below: _ } = channels;
    let mut inlet = FrameReader::new(stream_in().map_err(|e| open_edges(&e))?);
    let feed = drain(sink, &mut inlet, &mut up);
    if let Err(fault) = &feed {
        let abort = Abort { who: "upstream".into(), why: fault.to_string() };
        // The first fault is the one to report; clearing up is the sink's best effort.
        if let Err(error) = sink.item(Item::Abort(abort), &mut up) {
            tracing::debug!(%error, "clearing up after a fault");
        }
    }
    feed?;
    sink.finish()
}

fn drain(sink: &mut dyn Sink, inlet: &mut dyn Inlet, up: &mut dyn Upward) -> Result<(), Fault> {
    loop {
        match inlet.take()? {
            Item::Abort(abort) => return Err(upstream_gave_up(&abort)),
            item @ Item::End(_) => return sink.item(item, up),
            item => sink.item(item, up)?,
        }
    }
}
