//! Running one component between its edges, whatever those are made of.
//!
//! Owns the loops every plumber shares: take an item, let receipts from below pass, hand the item to
//! the component; what a component leaves behind when it gives up; and the clock, of which components
//! have none. Knows nothing of descriptors and threads.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use crate::stream::{
    Abort, Blame, Fault, Item, Outlet, Patience, Process, Receipt, Sink, Source, Upward,
};

/// How often a component is told the time, also when nothing comes.
const TICK: Duration = Duration::from_secs(1);

/// A component that is ready to run.
pub enum Part {
    /// Makes a stream.
    Source(Box<dyn Source + Send>),
    /// Changes or watches one.
    Process(Box<dyn Process + Send>),
    /// Keeps one.
    Sink(Box<dyn Sink + Send>),
}

/// How a component ended: how many things it left out, or why it gave up.
pub type Verdict = Result<u64, Fault>;

/// Who ended, and how.
#[derive(Debug)]
pub struct Ended {
    /// The component's name.
    pub who: String,
    /// What it says itself, or what is said of it.
    pub verdict: Verdict,
}

/// The verdict on one that had to be made to end.
pub fn late() -> Verdict {
    Err(Fault::neighbour("did not end by itself when the others had"))
}

/// The fault that brought the others about: the first, along the chain, that is not merely a neighbour's
/// end.
pub fn root_cause(ended: &[Ended]) -> Option<(&str, &Fault)> {
    let faults = || ended.iter().filter_map(|e| Some((e.who.as_str(), e.verdict.as_ref().err()?)));
    faults().find(|(_, fault)| fault.blame != Blame::Neighbour).or_else(|| faults().next())
}

/// Receipts from below. The queue is not bounded: a receipt stands for a sync of the medium, so there
/// are few, and a bound here could close a circle of edges that wait for each other.
pub struct Below(pub Receiver<Result<Receipt, Fault>>);

impl Below {
    /// A receipt that has arrived.
    pub fn waiting(&self) -> Result<Option<Receipt>, Fault> {
        match self.0.try_recv() {
            Ok(receipt) => receipt.map(Some),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(None),
        }
    }

    /// The next receipt, waited for; none when no more will come.
    pub fn last_ones(&self) -> Result<Option<Receipt>, Fault> {
        self.0.recv().map_or(Ok(None), |receipt| receipt.map(Some))
    }
}

/// Tells whoever reads us that we gave up; they may be gone, which is what they then know.
fn leave_abort(out: &mut dyn Outlet, who: &str, fault: &Fault) {
    let abort = Abort { who: who.into(), why: fault.to_string() };
    if let Err(error) = out.put(Item::Abort(abort)) {
        tracing::debug!(%error, "nobody reads our abort");
    }
}

/// What is put goes through a processor first.
struct Through<'a>(&'a mut dyn Process, &'a mut dyn Outlet);

impl Outlet for Through<'_> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        self.0.item(item, self.1)
    }
}

fn upstream_gave_up(abort: &Abort) -> Fault {
    Fault::neighbour(format!("{} gave up: {}", abort.who, abort.why))
}

/// Runs a source until its last receipt. Returns how many things were left out.
pub fn source(
    who: &str,
    source: &mut dyn Source,
    mut out: impl Outlet,
    below: &Below,
    up: &mut dyn Upward,
) -> Result<u64, Fault> {
    let skipped = source.run(&mut out).inspect_err(|fault| leave_abort(&mut out, who, fault))?;
    drop(out);
    while let Some(receipt) = below.last_ones()? {
        source.receipt(receipt, up)?;
    }
    Ok(skipped + source.finish()?)
}

/// Runs a processor until its last receipt. Returns how many things were found wanting.
pub fn process(
    who: &str,
    process: &mut dyn Process,
    inlet: &mut dyn Patience,
    mut out: impl Outlet,
    below: &Below,
    up: &mut dyn Upward,
) -> Result<u64, Fault> {
    let flow = flow_through(process, inlet, &mut out, below, up);
    // Through the processor: one that seals does not let the reason out.
    flow.inspect_err(|fault| leave_abort(&mut Through(process, &mut out), who, fault))?;
    drop(out);
    while let Some(receipt) = below.last_ones()? {
        process.receipt(receipt, up)?;
    }
    process.finish()
}

fn flow_through(
    process: &mut dyn Process,
    inlet: &mut dyn Patience,
    out: &mut dyn Outlet,
    below: &Below,
    up: &mut dyn Upward,
) -> Result<(), Fault> {
    loop {
        let item = inlet.take_within(TICK)?;
        while let Some(receipt) = below.waiting()? {
            process.receipt(receipt, up)?;
        }
        match item {
            None => {}
            Some(Item::Abort(abort)) => return Err(upstream_gave_up(&abort)),
            Some(item @ Item::End(_)) => return process.item(item, out),
            Some(item) => process.item(item, out)?,
        }
    }
}

/// Runs a sink to the end of its stream. Returns how many things could not be kept.
pub fn sink(
    sink: &mut dyn Sink,
    inlet: &mut dyn Patience,
    up: &mut dyn Upward,
) -> Result<u64, Fault> {
    let feed = drain(sink, inlet, up);
    if let Err(fault) = &feed {
        let abort = Abort { who: "upstream".into(), why: fault.to_string() };
        // The first fault is the one to report; clearing up is the sink's best effort.
        if let Err(error) = sink.item(Item::Abort(abort), up) {
            tracing::debug!(%error, "clearing up after a fault");
        }
    }
    feed?;
    sink.finish()
}

fn drain(sink: &mut dyn Sink, inlet: &mut dyn Patience, up: &mut dyn Upward) -> Result<(), Fault> {
    let (start, mut told) = (Instant::now(), Duration::ZERO);
    loop {
        let item = inlet.take_within(TICK)?;
        let now = start.elapsed();
        if now >= told + TICK {
            told = now;
            sink.tick(now, up)?;
        }
        match item {
            None => {}
            Some(Item::Abort(abort)) => return Err(upstream_gave_up(&abort)),
            Some(item @ Item::End(_)) => return sink.item(item, up),
            Some(item) => sink.item(item, up)?,
        }
    }
}
