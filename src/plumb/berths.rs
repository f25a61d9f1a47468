//! Berths: where the items for a funnel lie until it takes them.
//!
//! Owns a queue for each input, bounded in bytes of memory, filled by a thread of its own, and the one
//! condition that funnel and fillers wait on. A filler always takes what comes until its own queue is
//! full, whatever the others do, so no input waits for another. What lies there owns its memory: blocks
//! of other components' pools go home at once, as a funnel may keep many waiting for long.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::stream::{Berths, Block, Course, Fault, Inlet, Item, Waiting};

/// What an item costs beside its bytes.
const ITEM_BYTES: usize = 256;

type Arrived = Result<Item, Fault>;

#[derive(Default)]
struct Berth {
    queue: VecDeque<Arrived>,
    cost: usize,
    waiting: Waiting,
    /// Its filler is gone: nothing more comes here.
    left: bool,
}

struct State {
    berths: Vec<Berth>,
    /// Streams that began, and those that are over and were taken.
    came: usize,
    over: usize,
    stopped: Option<String>,
    funnel_left: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    limit: usize,
    streams: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The funnel's end.
pub struct Hold(Arc<Shared>);

/// A filler's end.
pub struct Filler {
    shared: Arc<Shared>,
    berth: usize,
}

/// Ends the waiting for a hold, as stopping a chain does.
#[derive(Clone)]
pub struct HoldStop(Arc<Shared>);

impl HoldStop {
    /// Stops it, for this reason. The first reason counts.
    pub fn stop(&self, why: &str) {
        self.0.lock().stopped.get_or_insert_with(|| why.to_owned());
        self.0.changed.notify_all();
    }
}

/// Makes `berths` berths of at most `limit` bytes each, over once `streams` streams are.
pub fn hold(berths: usize, limit: usize, streams: usize) -> (Hold, Vec<Filler>) {
    let state = State {
        berths: (0..berths).map(|_| Berth::default()).collect(),
        came: 0,
        over: 0,
        stopped: None,
        funnel_left: false,
    };
    let (state, changed) = (Mutex::new(state), Condvar::new());
    let shared = Arc::new(Shared { state, changed, limit, streams });
    let filler = |berth| Filler { shared: shared.clone(), berth };
    let fillers = (0..berths).map(filler).collect();
    (Hold(shared), fillers)
}

impl Hold {
    /// What ends the waiting.
    pub fn stop(&self) -> HoldStop {
        HoldStop(self.0.clone())
    }
}

impl Berths for Hold {
    fn look(&mut self, limit: Duration, waiting: &mut Vec<Waiting>) -> Result<bool, Fault> {
        let deadline = Instant::now() + limit;
        let mut state = self.0.lock();
        loop {
            if let Some(why) = &state.stopped {
                return Err(Fault::later(
                    crate::stream::Blame::Operator,
                    format!("stopped: {why}"),
                ));
            }
            let lies = state.berths.iter().any(|berth| !berth.queue.is_empty());
            let over = state.over >= self.0.streams || state.berths.iter().all(|b| b.left);
            let left = deadline.saturating_duration_since(Instant::now());
            if lies || over || left.is_zero() {
                waiting.clear();
                waiting.extend(state.berths.iter().map(|berth| berth.waiting));
                return Ok(lies || !over);
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take(&mut self, berth: usize) -> Result<Item, Fault> {
        let mut state = self.0.lock();
        let State { berths, over, .. } = &mut *state;
        let berth = &mut berths[berth];
        let arrived = berth.queue.pop_front();
        let arrived = arrived.unwrap_or_else(|| Err(Fault::neighbour("nothing lies there")));
        berth.cost -= cost(&arrived);
        berth.waiting.items -= 1;
        berth.waiting.bytes -= data_bytes(&arrived);
        berth.waiting.is_full = false;
        if ends(&arrived) {
            *over += 1;
            berth.waiting.has_end = berth.queue.iter().any(ends);
        }
        drop(state);
        self.0.changed.notify_all();
        arrived
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.funnel_left = true;
        state.berths.iter_mut().for_each(|berth| berth.queue.clear());
        drop(state);
        self.0.changed.notify_all();
    }
}

fn data_bytes(arrived: &Arrived) -> u64 {
    match arrived {
        Ok(Item::Data { block, .. }) => block.len() as u64,
        _ => 0,
    }
}

fn cost(arrived: &Arrived) -> usize {
    let bytes = match arrived {
        Ok(Item::Data { block, .. }) => block.footprint(),
        Ok(Item::Mark(lines)) => lines.len(),
        _ => 0,
    };
    bytes + ITEM_BYTES
}

/// Whether it ends what a berth's stream is. What is no stream, an edge of several, is refused by the
/// funnel; its end is that of the edge, which the filler sees to.
fn ends(arrived: &Arrived) -> bool {
    matches!(arrived, Ok(Item::End(_) | Item::Abort(_)) | Err(_))
}

impl Filler {
    /// Takes a whole stream from `inlet` to the berth; a fault in it is handed on as its end. False if
    /// there is nobody to take it, or enough streams came before it.
    pub fn fill(&self, inlet: &mut dyn Inlet) -> bool {
        let mut course = Course::new();
        let mut arrived = inlet.take();
        if !self.comes() {
            return false;
        }
        loop {
            let (item, last) = match arrived {
                Ok(item) => {
                    course.note(&item);
                    (Ok(own(item)), course.is_over())
                }
                Err(fault) => (Err(fault), true),
            };
            // What an edge of several streams has inside is no end of it.
            let inside = course.mux().is_some() && !last && ends(&item);
            if !inside && !self.push(item) {
                return false;
            }
            if last {
                return true;
            }
            arrived = inlet.take();
        }
    }

    /// Tells that no stream can come here, ever.
    pub fn cannot(&self, fault: Fault) {
        if self.comes() {
            self.push(Err(fault));
        }
    }

    /// Waits until a stream begins to come or nothing more is wanted; false if the latter.
    fn comes(&self) -> bool {
        let mut state = self.shared.lock();
        let wanted = state.came < self.shared.streams && !state.funnel_left;
        state.came += usize::from(wanted);
        wanted
    }

    fn push(&self, item: Arrived) -> bool {
        let cost = cost(&item);
        let mut state = self.shared.lock();
        loop {
            if state.funnel_left || state.stopped.is_some() {
                return false;
            }
            let berth = &mut state.berths[self.berth];
            if berth.queue.is_empty() || berth.cost + cost <= self.shared.limit {
                break;
            }
            berth.waiting.is_full = true;
            self.shared.changed.notify_all();
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let berth = &mut state.berths[self.berth];
        berth.cost += cost;
        berth.waiting.items += 1;
        berth.waiting.bytes += data_bytes(&item);
        berth.waiting.has_end |= ends(&item);
        berth.queue.push_back(item);
        drop(state);
        self.shared.changed.notify_all();
        true
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.shared.lock().berths[self.berth].left = true;
        self.shared.changed.notify_all();
    }
}

/// The item in memory of its own, as much as it needs.
fn own(item: Item) -> Item {
    match item {
        Item::Data { offset, block } => Item::Data { offset, block: Block::copy_of(block.data()) },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Begin, End, Pool};

    struct Played(VecDeque<Item>);

    impl Inlet for Played {
        fn take(&mut self) -> Result<Item, Fault> {
            self.0.pop_front().ok_or_else(|| Fault::neighbour("cut"))
        }
    }

    fn stream(pool: &Pool, blocks: usize) -> Played {
        let data = |nth: usize| {
            let mut block = pool.take();
            block.append(&[7; 1000]);
            Item::Data { offset: nth as u64 * 1000, block }
        };
        let mut items = VecDeque::from([Item::Begin(Begin::default())]);
        items.extend((0..blocks).map(data));
        items.push_back(Item::End(End { bytes: 0, skipped: 0 }));
        Played(items)
    }

    fn drain(hold: &mut Hold) -> (usize, usize) {
        let (mut waiting, mut ends, mut faults) = (Vec::new(), 0, 0);
        while hold.look(Duration::from_secs(600), &mut waiting).unwrap() {
            let Some(berth) = waiting.iter().position(|w| w.items > 0) else { continue };
            match hold.take(berth) {
                Ok(Item::End(_)) => ends += 1,
                Ok(_) => {}
                Err(_) => faults += 1,
            }
        }
        (ends, faults)
    }

    #[test]
    fn blocks_go_home_and_a_full_berth_makes_its_filler_wait() {
        let pool = Pool::new(1000, 3);
        let (mut hold, fillers) = hold(1, 12_000, 1);
        let mut played = stream(&pool, 3);
        std::thread::scope(|scope| {
            scope.spawn(move || fillers.into_iter().all(|filler| filler.fill(&mut played)));
            let mut waiting = Vec::new();
            while !waiting.first().is_some_and(|w: &Waiting| w.is_full) {
                assert!(hold.look(Duration::from_millis(1), &mut waiting).unwrap());
            }
            assert_eq!(drain(&mut hold), (1, 0));
        });
        assert_eq!(pool.out(), 0);
    }

    #[test]
    fn so_many_streams_are_taken_and_no_more() {
        let pool = Pool::new(1000, 100);
        let (mut hold, mut fillers) = hold(2, 1 << 20, 3);
        let (first, second) = (fillers.remove(0), fillers.remove(0));
        assert!(first.fill(&mut stream(&pool, 1)) && first.fill(&mut stream(&pool, 1)));
        let mut cut = stream(&pool, 1);
        cut.0.pop_back();
        assert!(second.fill(&mut cut), "a stream that is cut came, too");
        assert!(!second.fill(&mut stream(&pool, 1)), "one too many");
        assert_eq!(drain(&mut hold), (2, 1));
    }

    #[test]
    fn it_is_over_when_nobody_can_fill_it() {
        let (mut hold, fillers) = hold(2, 1 << 20, 9);
        fillers[0].cannot(Fault::neighbour("no such place"));
        drop(fillers);
        assert_eq!(drain(&mut hold), (0, 1));
    }
}
