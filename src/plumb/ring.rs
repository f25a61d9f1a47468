//! The ring plumber: the components of a chain as threads of one process.
//!
//! Owns the joining of components by edges ([`edge`](super::edge)), and of chains by the [`Joints`]
//! between them, with the channels on which receipts go the other way. A component that panics is a
//! component that died. One [`Stop`] ends all of a chain.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use super::edge::{EDGE_BYTES, Meter, RingInlet, RingOutlet, Stop, edge};

use super::berths::{Hold, hold};
use super::edge::Closer;
use super::meeting::{self, BelowSides, Side, Up};
use super::run::{self, Below, Ended, Inputs, Part};
use crate::stream::{Blame, Fault, Funnel, Receipt, Upward};

type Told = Result<Receipt, Fault>;

/// Receipts to a component that has one edge below it.
struct ReceiptSender(Sender<Told>);

/// Receipts to a tee, from below one of its sides.
struct SideSender(usize, Sender<(usize, Told)>);

fn ended_before() -> Fault {
    Fault::neighbour("cannot send a receipt: the component above ended before its stream")
}

impl Upward for ReceiptSender {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.send(Ok(receipt)).map_err(|_| ended_before())
    }
}

impl Upward for SideSender {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.1.send((self.0, Ok(receipt))).map_err(|_| ended_before())
    }
}

/// What is below a chain that flows into others.
enum BelowChain {
    /// One edge.
    One(Receiver<Told>),
    /// The sides of a tee.
    Sides(BelowSides),
}

/// How a chain is joined to others: what flows into it, and where it flows.
#[derive(Default)]
pub struct Joints {
    inlets: Vec<RingInlet>,
    ups: Vec<Up>,
    outlets: Vec<RingOutlet>,
    below: Option<BelowChain>,
}

impl Joints {
    /// A chain into which nothing flows; the receipts for its source's stream go to `up`.
    pub fn source(up: impl Upward + Send + 'static) -> Joints {
        Joints { ups: vec![Box::new(up)], ..Joints::default() }
    }

    /// Lets `from` flow into `to` by an edge of `limit` bytes.
    pub fn flow(from: &mut Joints, to: &mut Joints, limit: usize) {
        let (put, take) = edge(limit, Meter::default());
        let (sender, receiver) = channel();
        from.outlets.push(put);
        from.below = Some(BelowChain::One(receiver));
        to.inlets.push(take);
        to.ups.push(Box::new(ReceiptSender(sender)));
    }

    /// Lets a chain that ends in a tee flow into these, by edges of `limit` bytes.
    pub fn part(from: &mut Joints, to: &mut [&mut Joints], limit: usize) {
        let (sender, receiver) = channel();
        for (side, to) in to.iter_mut().enumerate() {
            let (put, take) = edge(limit, Meter::default());
            from.outlets.push(put);
            to.inlets.push(take);
            to.ups.push(Box::new(SideSender(side, sender.clone())));
        }
        from.below = Some(BelowChain::Sides(receiver));
    }
}

/// A chain that runs.
pub struct Ring {
    threads: Vec<(String, JoinHandle<()>)>,
    ended: Receiver<(usize, Result<u64, Fault>)>,
    stop: Stop,
}

impl Ring {
    /// Starts a source, any processors and a sink, with edges of `limit` bytes. The receipts of the
    /// first go to `up`; `meter` counts what it puts.
    pub fn start(
        parts: Vec<(String, Part)>,
        limit: usize,
        meter: Meter,
        up: impl Upward + Send + 'static,
    ) -> Result<Ring, Fault> {
        Ring::start_joined(parts, limit, meter, Joints::source(up))
    }

    /// Starts a chain that may be joined to others.
    pub fn start_joined(
        parts: Vec<(String, Part)>,
        limit: usize,
        meter: Meter,
        joints: Joints,
    ) -> Result<Ring, Fault> {
        let (finished, ended) = channel();
        let mut ring = Ring { threads: Vec::new(), ended, stop: Stop::default() };
        let last = parts.len().saturating_sub(1);
        let Joints { mut inlets, mut ups, outlets, below } = joints;
        let mut end = Some((outlets, below));
        let mut meter = Some(meter);
        for (at, (who, part)) in parts.into_iter().enumerate() {
            let mut ends = PartEnds { inlets, ups, ..PartEnds::default() };
            (inlets, ups) = (Vec::new(), Vec::new());
            if at < last {
                let (put, take) = edge(limit, meter.take().unwrap_or_default());
                let (sender, receiver) = channel();
                (ends.outlets, ends.below) = (vec![put], Some(BelowChain::One(receiver)));
                inlets.push(take);
                ups.push(Box::new(ReceiptSender(sender)));
            } else {
                (ends.outlets, ends.below) = end.take().unwrap_or_default();
            }
            ends.outlets.iter().for_each(|outlet| ring.stop.edge(outlet));
            let work = work(&who, part, ends, &mut ring.stop)?;
            let report = Report { at, finished: finished.clone(), result: None };
            let thread = std::thread::Builder::new().name(who.clone());
            let thread = thread.spawn(move || report.of(work));
            let thread = thread.map_err(|e| Fault::host("cannot start a thread", &e))?;
            ring.threads.push((who, thread));
        }
        Ok(ring)
    }

    /// What ends it.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until all have ended, in the order of the chain. Once one gave up the others have `grace`
    /// to end by themselves; those that did not are told of as such and left behind.
    pub fn wait(self, grace: Duration) -> Vec<Ended> {
        let mut results: Vec<Option<Result<u64, Fault>>> =
            self.threads.iter().map(|_| None).collect();
        let mut deadline = None;
        while results.iter().any(Option::is_none) {
            let next = match deadline {
                None => self.ended.recv().ok(),
                Some(at) => {
                    let left = Instant::saturating_duration_since(&at, Instant::now());
                    self.ended.recv_timeout(left).ok()
                }
            };
            let Some((at, result)) = next else { break };
            if result.is_err() {
                deadline.get_or_insert_with(|| Instant::now() + grace);
            }
            results[at] = Some(result);
        }
        let names = self.threads.into_iter().map(|(who, _)| who);
        names
            .zip(results)
            .map(|(who, verdict)| Ended { who, verdict: verdict.unwrap_or_else(run::late) })
            .collect()
    }
}

/// Tells how a thread ended, also when it panicked.
struct Report {
    at: usize,
    finished: Sender<(usize, Result<u64, Fault>)>,
    result: Option<Result<u64, Fault>>,
}

impl Report {
    fn of(mut self, work: impl FnOnce() -> Result<u64, Fault>) {
        self.result = Some(work());
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let panicked = || Err(Fault::never(Blame::Ours, "panicked"));
        let result = self.result.take().unwrap_or_else(panicked);
        if self.finished.send((self.at, result)).is_err() {
            tracing::debug!("nobody waits for this chain any more");
        }
    }
}

type Work = Box<dyn FnOnce() -> Result<u64, Fault> + Send>;

/// What a component stands between.
#[derive(Default)]
struct PartEnds {
    inlets: Vec<RingInlet>,
    ups: Vec<Up>,
    outlets: Vec<RingOutlet>,
    below: Option<BelowChain>,
}

fn work(who: &str, part: Part, ends: PartEnds, stop: &mut Stop) -> Result<Work, Fault> {
    let name = who.to_owned();
    let part = match part {
        Part::Funnel(funnel, inputs) => return work_of_funnel(name, funnel, &inputs, ends, stop),
        other => other,
    };
    let PartEnds { mut inlets, mut ups, mut outlets, below } = ends;
    let (ins, outs) = (inlets.len(), outlets.len());
    let up = ups.pop().filter(|_| ups.is_empty());
    match (part, inlets.pop(), outlets.pop(), below, up) {
        (
            Part::Tee(mut tee, _),
            Some(mut inlet),
            Some(last),
            Some(BelowChain::Sides(below)),
            Some(mut up),
        ) if ins == 1 => {
            let sides = outlets.into_iter().chain([last]).map(|o| Box::new(o) as Box<dyn Side>);
            let sides = sides.collect();
            Ok(Box::new(move || {
                meeting::tee(&name, &mut *tee, &mut inlet, sides, &below, &mut *up)
            }))
        }
        (Part::Source(mut source), None, Some(out), Some(BelowChain::One(below)), Some(mut up))
            if outs == 1 =>
        {
            let below = Below(below);
            Ok(Box::new(move || run::source(&name, &mut *source, out, &below, &mut *up)))
        }
        (
            Part::Process(mut process),
            Some(mut inlet),
            Some(out),
            Some(BelowChain::One(below)),
            Some(mut up),
        ) if (ins, outs) == (1, 1) => {
            let below = Below(below);
            Ok(Box::new(move || {
                run::process(&name, &mut *process, &mut inlet, out, &below, &mut *up)
            }))
        }
        (Part::Sink(mut sink), Some(mut inlet), None, None, Some(mut up)) if ins == 1 => {
            Ok(Box::new(move || run::sink(&mut *sink, &mut inlet, &mut *up)))
        }
        _ => Err(misplaced(who)),
    }
}

fn misplaced(who: &str) -> Fault {
    Fault::usage(format!(
        "{who} stands where it cannot: a chain is a source, processors and a sink, or flows into another"
    ))
}

fn work_of_funnel(
    name: String,
    mut funnel: Box<dyn Funnel + Send>,
    inputs: &Inputs,
    ends: PartEnds,
    stop: &mut Stop,
) -> Result<Work, Fault> {
    let PartEnds { inlets, ups, mut outlets, below } = ends;
    let (Some(out), true, Some(BelowChain::One(below))) =
        (outlets.pop(), outlets.is_empty() && !inlets.is_empty(), below)
    else {
        return Err(misplaced(&name));
    };
    let count = inlets.len();
    let (fillers, hold) = berths(inputs, inlets)?;
    stop.hold(hold.stop());
    let below = Below(below);
    Ok(Box::new(move || {
        // The hold goes before those who fill it, however the funnel ends.
        let _fillers = fillers;
        let mut hold = hold;
        meeting::funnel(&name, &mut *funnel, &mut hold, count, out, &below, ups)
    }))
}

/// The threads that fill berths from edges.
#[derive(Default)]
struct Fillers {
    closers: Vec<Closer>,
    threads: Vec<JoinHandle<bool>>,
}

impl Drop for Fillers {
    /// None waits for what comes once its edge is closed.
    fn drop(&mut self) {
        self.closers.iter().for_each(Closer::close);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::debug!("a filler panicked");
            }
        }
    }
}

/// Berths, each filled from an edge by a thread.
fn berths(inputs: &Inputs, inlets: Vec<RingInlet>) -> Result<(Fillers, Hold), Fault> {
    let limit = (inputs.memory_bytes / inlets.len()).max(EDGE_BYTES / 4);
    let (hold, fillers) = hold(inlets.len(), limit, inlets.len());
    let mut running = Fillers::default();
    for (filler, mut inlet) in fillers.into_iter().zip(inlets) {
        running.closers.push(inlet.closer());
        let thread = std::thread::Builder::new().name("fun_mux filler".into());
        let filled = thread.spawn(move || filler.fill(&mut inlet));
        running.threads.push(filled.map_err(|e| Fault::host("cannot start a thread", &e))?);
    }
    Ok((running, hold))
}

impl Side for RingOutlet {
    fn settle(&mut self) -> Result<(), Fault> {
        RingOutlet::settle(self)
    }

    fn close(self: Box<Self>) -> Result<(), Fault> {
        Ok(())
    }
}
