//! Edges within one process: queues bounded in bytes that hand blocks over without copying.
//!
//! Owns the two ends of an edge and what stops it. Same rules as on pipes: an edge that closes without an
//! end is a fault at its reader, an edge without a reader is one at its writer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::berths::HoldStop;
use super::run;
use crate::stream::{Course, Fault, Inlet, Item, Outlet, Patience};

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

    /// Counts some more.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// The reader has done with all it took and waits for more.
    reader_waits: bool,
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
            if let Some(fault) = gone(&queue) {
                return Err(fault);
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

impl RingOutlet {
    /// Waits until the reader has taken everything and waits for more.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        let mut queue = self.edge.lock();
        loop {
            queue = match gone(&queue) {
                Some(fault) => return Err(fault),
                None if queue.items.is_empty() && queue.reader_waits => return Ok(()),
                None => self.edge.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Why nothing can be put any more.
fn gone(queue: &Queue) -> Option<Fault> {
    match &queue.stopped {
        Some(why) => Some(run::stopped(why)),
        None if queue.reader_left => {
            Some(Fault::neighbour("cannot write the stream: its reader is gone"))
        }
        None => None,
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
                return Err(run::stopped(why));
            }
            if queue.reader_left {
                return Err(Fault::neighbour("this end of the edge was closed"));
            }
            if let Some(item) = queue.items.pop_front() {
                queue.bytes -= cost(&item);
                queue.reader_waits = false;
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
            if !std::mem::replace(&mut queue.reader_waits, true) {
                self.edge.changed.notify_all();
            }
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
        self.closer().close();
    }
}

impl RingInlet {
    /// What closes this end from elsewhere.
    pub(super) fn closer(&self) -> Closer {
        Closer(self.edge.clone())
    }
}

/// Closes the end of an edge where items come out.
pub(super) struct Closer(Arc<Edge>);

impl Closer {
    /// Closes it: the writer finds its reader gone, and what nobody will read goes home now.
    pub(super) fn close(&self) {
        self.0.tell(|queue| {
            queue.reader_left = true;
            queue.items.clear();
            queue.bytes = 0;
        });
    }
}

/// Ends a running chain: every component fails at its next item, and a sink then hears an abort.
#[derive(Clone, Default)]
pub struct Stop {
    edges: Vec<Arc<Edge>>,
    holds: Vec<HoldStop>,
}

impl Stop {
    /// Stops all of it, for this reason. The first reason counts.
    pub fn stop(&self, why: &str) {
        for edge in &self.edges {
            edge.tell(|queue| {
                queue.stopped.get_or_insert_with(|| why.to_owned());
            });
        }
        self.holds.iter().for_each(|hold| hold.stop(why));
    }

    /// Also stops the edge that this end belongs to.
    pub(super) fn edge(&mut self, outlet: &RingOutlet) {
        self.edges.push(outlet.edge.clone());
    }

    /// Also stops the waiting at these berths.
    pub(super) fn hold(&mut self, hold: HoldStop) {
        self.holds.push(hold);
    }
}
