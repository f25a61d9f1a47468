//! The course of an edge: what may follow what, and how many bytes passed.
//!
//! Owns the grammar of items, for one stream and for a multiplexed edge, on which streams take turns.
//! An edge of one stream is a begin, data and marks, and an end or an abort. A multiplexed one begins
//! itself, with kind [`KIND_MUX`]; then each turn names the stream whose items follow, each an ordinary
//! stream with offsets of its own; and when all of them are over the edge ends itself. A turn that names
//! the edge leaves the streams alone: what follows is the edge's own abort. Moves nothing.

use std::collections::BTreeMap;

use super::{Begin, Item, KIND_MUX, StreamId};

/// The most streams that take turns on one edge, from its begin to its end.
pub const STREAMS_MAX: usize = 1024;

/// What the whole of a stream's way looks like so far.
#[derive(Debug, Default, Clone)]
struct Way {
    begun: bool,
    over: bool,
    partial: bool,
    next: u64,
    bytes: u64,
}

fn says_lost(lines: &[u8]) -> bool {
    lines.split(|&b| b == b'\n').any(|line| line.starts_with(b"x "))
}

/// Follows the items of one edge.
#[derive(Debug, Default, Clone)]
pub struct Course {
    own: Way,
    /// The edge's own identity, where streams take turns on it.
    mux: Option<StreamId>,
    turn: Option<StreamId>,
    inner: BTreeMap<StreamId, Way>,
}

impl Course {
    /// Nothing has passed.
    pub fn new() -> Course {
        Course::default()
    }

    /// Whether the edge came to its end or abort.
    pub fn is_over(&self) -> bool {
        self.own.over
    }

    /// The stream whose turn it is, on a multiplexed edge.
    pub fn turn(&self) -> Option<StreamId> {
        self.turn
    }

    /// The identity of a multiplexed edge.
    pub fn mux(&self) -> Option<StreamId> {
        self.mux
    }

    /// Data bytes of what an end would end now: the stream whose turn it is, or the edge.
    pub fn bytes(&self) -> u64 {
        self.way().bytes
    }

    /// The offset behind the last data of what is running now.
    pub fn next(&self) -> u64 {
        self.way().next
    }

    fn way(&self) -> &Way {
        self.turn.and_then(|id| self.inner.get(&id)).unwrap_or(&self.own)
    }

    fn way_mut(&mut self) -> &mut Way {
        match self.turn.and_then(|id| self.inner.get_mut(&id)) {
            Some(way) => way,
            None => &mut self.own,
        }
    }

    /// Takes note of an item, whether it may come here or not.
    pub fn note(&mut self, item: &Item) {
        match item {
            Item::Begin(begin) => self.begin(begin),
            Item::Data { offset, block } => self.data(*offset, block.len() as u64),
            // What is lost does not come: from there on offsets may jump.
            Item::Mark(lines) if says_lost(lines) => self.way_mut().partial = true,
            Item::Mark(_) => {}
            Item::Turn(id) if Some(*id) == self.mux => self.turn = None,
            Item::Turn(id) => {
                self.turn = Some(*id);
                self.inner.entry(*id).or_default();
            }
            Item::End(_) | Item::Abort(_) => {
                self.way_mut().over = true;
                self.turn = None;
            }
        }
    }

    fn begin(&mut self, begin: &Begin) {
        if self.turn.is_none() && begin.kind == KIND_MUX {
            self.mux = Some(begin.stream);
        }
        let way = self.way_mut();
        (way.begun, way.partial) = (true, begin.partial);
    }

    fn data(&mut self, offset: u64, bytes: u64) {
        let way = self.way_mut();
        way.next = offset.saturating_add(bytes);
        way.bytes += bytes;
        if self.turn.is_some() {
            self.own.bytes += bytes;
        }
    }

    /// Takes note of an item that may come here; the error says why another may not.
    pub fn check(&mut self, item: &Item) -> Result<(), String> {
        self.may_come(item)?;
        self.note(item);
        Ok(())
    }

    fn may_come(&self, item: &Item) -> Result<(), String> {
        let misplaced = || Err("a frame comes where it must not".to_owned());
        let way = self.way();
        let carries = way.begun && (self.mux.is_none() || self.turn.is_some());
        match item {
            _ if way.over => misplaced(),
            Item::Begin(begin) if !way.begun => self.may_begin(begin),
            Item::Data { offset, block } if carries => self.may_carry(*offset, block.len() as u64),
            Item::Mark(lines) if carries && lines.last() == Some(&b'\n') => Ok(()),
            Item::Turn(id) if self.mux.is_some() => self.may_turn(*id),
            Item::End(_) if way.begun && (self.turn.is_some() || self.all_over()) => Ok(()),
            Item::Abort(_) => Ok(()),
            _ => misplaced(),
        }
    }

    fn all_over(&self) -> bool {
        self.inner.values().all(|way| way.over)
    }

    fn may_begin(&self, begin: &Begin) -> Result<(), String> {
        match self.turn {
            None => Ok(()),
            Some(turn) if turn != begin.stream => {
                Err(format!("stream {} begins in the turn of {turn}", begin.stream))
            }
            Some(_) if begin.kind == KIND_MUX => Err("an edge of streams within another".into()),
            Some(_) => Ok(()),
        }
    }

    fn may_carry(&self, offset: u64, bytes: u64) -> Result<(), String> {
        let way = self.way();
        let in_order = if way.partial { offset >= way.next } else { offset == way.next };
        match in_order && bytes > 0 && offset.checked_add(bytes).is_some() {
            true => Ok(()),
            false => Err(format!("data for byte {offset} comes out of order")),
        }
    }

    fn may_turn(&self, id: StreamId) -> Result<(), String> {
        if Some(id) == self.mux {
            return Ok(());
        }
        match self.inner.get(&id) {
            Some(way) if way.over => Err(format!("a turn of stream {id}, which is over")),
            None if self.inner.len() == STREAMS_MAX => {
                Err(format!("more than {STREAMS_MAX} streams take turns"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Abort, Block, End};
    use super::*;

    fn id(number: u128) -> StreamId {
        StreamId(uuid::Uuid::from_u128(number))
    }

    fn begin(number: u128, kind: &str) -> Item {
        Item::Begin(Begin { stream: id(number), kind: kind.into(), ..Begin::default() })
    }

    fn data(offset: u64) -> Item {
        Item::Data { offset, block: Block::copy_of(b"12345") }
    }

    fn end() -> Item {
        Item::End(End { bytes: 0, skipped: 0 })
    }

    fn abort() -> Item {
        Item::Abort(Abort { who: "x".into(), why: "y".into() })
    }

    fn run(items: Vec<Item>) -> Result<Course, String> {
        let mut course = Course::new();
        items.iter().try_for_each(|item| course.check(item)).map(|()| course)
    }

    fn started() -> Vec<Item> {
        vec![begin(9, KIND_MUX), Item::Turn(id(1)), begin(1, "raw"), data(0)]
    }

    #[test]
    fn streams_take_turns_with_offsets_of_their_own() {
        let mut items = started();
        items.extend([Item::Turn(id(2)), begin(2, "raw"), data(0), Item::Turn(id(1)), data(5)]);
        let course = run(items).unwrap();
        assert_eq!((course.turn(), course.bytes(), course.is_over()), (Some(id(1)), 10, false));
        let mut items = started();
        items.extend([end(), Item::Turn(id(2)), abort(), end()]);
        let course = run(items).unwrap();
        assert_eq!((course.is_over(), course.bytes()), (true, 5));
    }

    #[test]
    fn an_edge_may_give_up_in_the_middle_of_a_turn() {
        let mut items = started();
        items.extend([Item::Turn(id(9)), abort()]);
        assert!(run(items).unwrap().is_over());
        let mut items = started();
        items.push(abort());
        assert!(!run(items).unwrap().is_over(), "the abort is the stream's");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (items, why) in [
            (vec![Item::Turn(id(9)), end()], "streams are not over"),
            (vec![Item::Turn(id(9)), data(5)], "data of the edge itself"),
            (vec![Item::Turn(id(2)), data(0)], "data before a begin"),
            (vec![Item::Turn(id(2)), begin(3, "raw")], "the begin of another"),
            (vec![Item::Turn(id(2)), begin(2, KIND_MUX)], "an edge within an edge"),
            (vec![end(), Item::Turn(id(1))], "a turn after the end"),
            (vec![end(), data(5)], "data outside of a turn"),
            (vec![data(0)], "data twice"),
            (vec![begin(1, "raw")], "two begins"),
        ] {
            let mut all = started();
            all.extend(items);
            assert!(run(all).is_err(), "{why}");
        }
        assert!(run(vec![begin(1, "raw"), Item::Turn(id(2))]).is_err(), "a turn of one stream");
        let mut crowd = vec![begin(9999, KIND_MUX)];
        crowd.extend((0..STREAMS_MAX as u128).map(|n| Item::Turn(id(n))));
        assert!(run(crowd.split_off(0)).is_ok());
        let mut crowd = vec![begin(9999, KIND_MUX)];
        crowd.extend((0..=STREAMS_MAX as u128).map(|n| Item::Turn(id(n))));
        assert!(run(crowd).is_err(), "too many streams");
    }
}
