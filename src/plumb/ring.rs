//! The ring plumber: the components of a chain as threads of one process.
//!
//! Owns the edges between them, queues bounded in bytes that hand blocks over without copying, and the
//! channels on which receipts go the other way. Same rules as on pipes: an edge that closes without an
//! end is a fault at its reader, an edge without a reader is one at its writer, and a component that
//! panics is a component that died. One [`Stop`] ends them all.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::run::{self, Below, Ended, Part};
use crate::stream::{Blame, Course, Fault, Inlet, Item, Outlet, Patience, Receipt, Upward};

/// Default bytes an edge holds before its writer waits.
pub const EDGE_BYTES: usize = 16 * 1024 * 1024;
/// What an item costs beside its bytes.
const ITEM_BYTES: usize = 256;

/// Bytes that passed an edge, for whoever watches.
#[derive(Clone, Default)]
pub struct Meter(Arc<std::sync::atomic::AtomicU64>);

impl Meter {
    /// Data bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    writer_left: bool,
    reader_left: bool,
    /// Why everything is to end.
    stopped: Option<String>,
}

struct Edge {
    queue: Mutex<Queue>,
    changed: Condvar,
    limit: usize,
}

impl Edge {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

fn cost(item: &Item) -> usize {
    let bytes = match item {
        Item::Data { block, .. } => block.len(),
        Item::Mark(lines) => lines.len(),
        Item::Begin(_) | Item::End(_) | Item::Abort(_) | Item::Turn(_) => 0,
    };
    bytes + ITEM_BYTES
}

fn stopped(why: &str) -> Fault {
    Fault::later(Blame::Operator, format!("stopped: {why}"))
}

/// Makes an edge that holds up to `limit` bytes (and always one item).
pub fn edge(limit: usize, meter: Meter) -> (RingOutlet, RingInlet) {
    let edge = Edge { queue: Mutex::default(), changed: Condvar::new(), limit };
    let edge = Arc::new(edge);
    (RingOutlet { edge: edge.clone(), meter, course: Course::new() }, RingInlet { edge, next: 0 })
}

/// The end of an edge where items go in.
pub struct RingOutlet {
    edge: Arc<Edge>,
    meter: Meter,
    course: Course,
}

impl Outlet for RingOutlet {
    fn put(&mut self, mut item: Item) -> Result<(), Fault> {
        match &mut item {
            Item::Data { block, .. } => self.meter.add(block.len() as u64),
            // As a reader of frames would count them.
            Item::End(end) => end.bytes = self.course.bytes(),
            _ => {}
        }
        self.course.note(&item);
        let cost = cost(&item);
        let mut queue = self.edge.lock();
        loop {
            if let Some(why) = &queue.stopped {
                return Err(stopped(why));
            }
            if queue.reader_left {
                return Err(Fault::neighbour("cannot write the stream: its reader is gone"));
            }
            if queue.items.is_empty() || queue.bytes + cost <= self.edge.limit {
                break;
            }
            queue = self.edge.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.bytes += cost;
        queue.items.push_back(item);
        drop(queue);
        self.edge.changed.notify_all();
        Ok(())
    }
}

impl Drop for RingOutlet {
    fn drop(&mut self) {
        self.edge.tell(|queue| queue.writer_left = true);
    }
}

/// The end of an edge where items come out.
pub struct RingInlet {
    edge: Arc<Edge>,
    next: u64,
}

impl RingInlet {
    fn next_by(&mut self, deadline: Option<Instant>) -> Result<Option<Item>, Fault> {
        let mut queue = self.edge.lock();
        loop {
            if let Some(why) = &queue.stopped {
                return Err(stopped(why));
            }
            if let Some(item) = queue.items.pop_front() {
                queue.bytes -= cost(&item);
                drop(queue);
                self.edge.changed.notify_all();
                if let Item::Data { offset, block } = &item {
                    self.next = offset + block.len() as u64;
                }
                return Ok(Some(item));
            }
            if queue.writer_left {
                return Err(Fault::neighbour(format!(
                    "the stream is cut after byte {}: its writer left without an end",
                    self.next
                )));
            }
            let wait = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Ok(None),
                Some(left) => left,
                None => Duration::MAX,
            };
            let waited = self.edge.changed.wait_timeout(queue, wait);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inlet for RingInlet {
    fn take(&mut self) -> Result<Item, Fault> {
        loop {
            if let Some(item) = self.next_by(None)? {
                return Ok(item);
            }
        }
    }
}

impl Patience for RingInlet {
    fn take_within(&mut self, limit: Duration) -> Result<Option<Item>, Fault> {
        self.next_by(Some(Instant::now() + limit))
    }
}

impl Drop for RingInlet {
    fn drop(&mut self) {
        // What nobody will read goes home now.
        self.edge.tell(|queue| {
            queue.reader_left = true;
            queue.items.clear();
            queue.bytes = 0;
        });
    }
}

/// Ends a running chain: every component fails at its next item, and a sink then hears an abort.
#[derive(Clone)]
pub struct Stop(Vec<Arc<Edge>>);

impl Stop {
    /// Stops all of it, for this reason. The first reason counts.
    pub fn stop(&self, why: &str) {
        for edge in &self.0 {
            edge.tell(|queue| {
                queue.stopped.get_or_insert_with(|| why.to_owned());
            });
        }
    }
}

struct ReceiptSender(Sender<Result<Receipt, Fault>>);

impl Upward for ReceiptSender {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.send(Ok(receipt)).map_err(|_| {
            Fault::neighbour("cannot send a receipt: the component above ended before its stream")
        })
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
        let (finished, ended) = channel();
        let mut ring = Ring { threads: Vec::new(), ended, stop: Stop(Vec::new()) };
        let mut up: Option<Box<dyn Upward + Send>> = Some(Box::new(up));
        let mut inlet: Option<RingInlet> = None;
        let last = parts.len().saturating_sub(1);
        let mut meter = Some(meter);
        for (at, (who, part)) in parts.into_iter().enumerate() {
            let (mut outlet, mut next, mut below, mut from_below) = (None, None, None, None);
            if at < last {
                let (put, take) = edge(limit, meter.take().unwrap_or_default());
                ring.stop.0.push(put.edge.clone());
                (outlet, next) = (Some(put), Some(take));
                let (sender, receiver) = channel();
                (below, from_below) = (Some(Below(receiver)), Some(sender));
            }
            let work = work(&who, part, inlet.take(), outlet, below, up.take())?;
            inlet = next;
            up = from_below.map(|sender| Box::new(ReceiptSender(sender)) as Box<_>);
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

fn work(
    who: &str,
    part: Part,
    inlet: Option<RingInlet>,
    outlet: Option<RingOutlet>,
    below: Option<Below>,
    up: Option<Box<dyn Upward + Send>>,
) -> Result<Work, Fault> {
    let name = who.to_owned();
    match (part, inlet, outlet, below, up) {
        (Part::Source(mut source), None, Some(out), Some(below), Some(mut up)) => {
            Ok(Box::new(move || run::source(&name, &mut *source, out, &below, &mut *up)))
        }
        (Part::Process(mut process), Some(mut inlet), Some(out), Some(below), Some(mut up)) => {
            Ok(Box::new(move || {
                run::process(&name, &mut *process, &mut inlet, out, &below, &mut *up)
            }))
        }
        (Part::Sink(mut sink), Some(mut inlet), None, None, Some(mut up)) => {
            Ok(Box::new(move || run::sink(&mut *sink, &mut inlet, &mut *up)))
        }
        _ => Err(Fault::usage(format!(
            "{who} stands where it cannot: a chain is a source, processors and a sink"
        ))),
    }
}
