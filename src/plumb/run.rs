//! Running one component between its edges, whatever those are made of.
//!
//! Owns the loops every plumber shares: take an item, let receipts from below pass, hand the item to
//! the component; what a component leaves behind when it gives up; and the clock, of which components
//! have none. Knows nothing of descriptors and threads.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use crate::stream::{
    Abort, Blame, Course, Fault, Funnel, Item, Outlet, Patience, Process, Receipt, Sink, Source,
    Tee, Upward,
};

/// How often a component is told the time, also when nothing comes.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A component that is ready to run.
pub enum Part {
    /// Joins several streams on one edge.
    Funnel(Box<dyn Funnel + Send>, Inputs),
    /// Parts or doubles what comes on one edge.
    Tee(Box<dyn Tee + Send>, Outputs),
    /// Makes a stream.
    Source(Box<dyn Source + Send>),
    /// Changes or watches one.
    Process(Box<dyn Process + Send>),
    /// Keeps one.
    Sink(Box<dyn Sink + Send>),
}

/// What a funnel's inputs are. Where a plumber joins components itself there are no paths.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Named pipes or files with stream frames.
    pub from: Vec<PathBuf>,
    /// Where receipts for each go, in the same order.
    pub up: Vec<PathBuf>,
    /// Bytes that may wait at all inputs together.
    pub memory_bytes: usize,
    /// How many streams come, if not one at each input.
    pub streams: Option<usize>,
}

/// What a tee's outputs are, likewise.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// Named pipes or files for stream frames.
    pub to: Vec<PathBuf>,
    /// Where receipts for each come from, in the same order.
    pub below: Vec<PathBuf>,
    /// Bytes that may wait at all outputs together.
    pub memory_bytes: usize,
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

/// The fault of one that was asked to end: merely what follows from why it was asked.
pub(super) fn stopped(why: &str) -> Fault {
    Fault::neighbour(format!("stopped: {why}"))
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

/// An outlet that knows what passed it: on an edge where streams take turns, the abort left behind is
/// the edge's own, not that of the stream whose turn it is.
pub(super) struct Followed<'a> {
    out: &'a mut dyn Outlet,
    course: Course,
}

impl<'a> Followed<'a> {
    pub(super) fn new(out: &'a mut dyn Outlet) -> Followed<'a> {
        Followed { out, course: Course::new() }
    }

    pub(super) fn leave_abort(&mut self, who: &str, fault: &Fault) {
        let own = self.course.mux().filter(|_| self.course.turn().is_some());
        if let Some(Err(error)) = own.map(|edge| self.out.put(Item::Turn(edge))) {
            tracing::debug!(%error, "nobody reads our abort");
        }
        leave_abort(self.out, who, fault);
    }
}

impl Outlet for Followed<'_> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        self.course.note(&item);
        self.out.put(item)
    }
}

pub(super) fn upstream_gave_up(abort: &Abort) -> Fault {
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
    let mut followed = Followed::new(&mut out);
    let run = source.run(&mut followed);
    let skipped = run.inspect_err(|fault| followed.leave_abort(who, fault))?;
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
    let mut course = Course::new();
    let feed = drain(sink, inlet, &mut course, up);
    if let Err(fault) = &feed {
        let abort = Abort { who: "upstream".into(), why: fault.to_string() };
        // It concerns all that is under way, not only the stream whose turn it is.
        let own = course.turn().and(course.mux()).map(Item::Turn);
        let mut items = own.into_iter().chain([Item::Abort(abort)]);
        // The first fault is the one to report; clearing up is the sink's best effort.
        if let Err(error) = items.try_for_each(|item| sink.item(item, up)) {
            tracing::debug!(%error, "clearing up after a fault");
        }
    }
    feed?;
    sink.finish()
}

fn drain(
    sink: &mut dyn Sink,
    inlet: &mut dyn Patience,
    course: &mut Course,
    up: &mut dyn Upward,
) -> Result<(), Fault> {
    let (start, mut told) = (Instant::now(), Duration::ZERO);
    loop {
        let item = inlet.take_within(TICK)?;
        let now = start.elapsed();
        if now >= told + TICK {
            told = now;
            sink.tick(now, up)?;
        }
        let Some(item) = item else { continue };
        course.note(&item);
        match item {
            Item::Abort(abort) if course.is_over() => return Err(upstream_gave_up(&abort)),
            item if course.is_over() => return sink.item(item, up),
            item => sink.item(item, up)?,
        }
    }
}
