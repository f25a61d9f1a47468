//! `fun_demux`: the streams that take turns on one edge, each to a side of its own.
//!
//! Owns which stream goes where: the first that begins to the first side, and so on. Each side gets a
//! whole ordinary stream. One that was aborted on the edge is aborted on its side and named.

use std::collections::BTreeMap;

use crate::stream::{
    Abort, Begin, Blame, Course, Fault, Item, KIND_MUX, Receipt, Sides, StreamId, Tee, Upward,
};

/// Parts streams.
pub struct Demux {
    /// What the sides are called, for words to people.
    sides: usize,
    course: Course,
    side_of: BTreeMap<StreamId, usize>,
    left_out: u64,
}

impl Demux {
    /// Parts what comes to so many sides.
    pub fn new(sides: usize) -> Demux {
        Demux { sides, course: Course::new(), side_of: BTreeMap::new(), left_out: 0 }
    }

    fn edge(&self, begin: &Begin) -> Result<(), Fault> {
        match begin.kind == KIND_MUX {
            true => Ok(()),
            false => {
                let what = format!("cannot part {}: it is one stream", begin.name);
                Err(Fault::never(Blame::Operator, what).hint("fun_demux undoes fun_mux"))
            }
        }
    }

    fn side_of(&mut self, stream: StreamId) -> Result<usize, Fault> {
        let next = self.side_of.len();
        if let Some(&side) = self.side_of.get(&stream) {
            return Ok(side);
        }
        if next == self.sides {
            let what = format!("more streams come than there are places for: {}", self.sides);
            return Err(Fault::never(Blame::Operator, what).hint("name a place for each stream"));
        }
        self.side_of.insert(stream, next);
        Ok(next)
    }

    fn gave_up(&mut self, stream: StreamId, abort: &Abort) {
        eprintln!("fun_demux: stream {stream} is not whole: {} gave up: {}", abort.who, abort.why);
        self.left_out += 1;
    }
}

impl Tee for Demux {
    fn item(&mut self, item: Item, sides: &mut dyn Sides) -> Result<(), Fault> {
        let turn = self.course.turn();
        self.course.note(&item);
        match (item, turn) {
            (Item::Turn(_), _) => Ok(()),
            (Item::Begin(begin), None) => self.edge(&begin),
            (_, None) => Ok(()),
            (item, Some(stream)) => {
                if let Item::Abort(abort) = &item {
                    self.gave_up(stream, abort);
                }
                let side = self.side_of(stream)?;
                sides.put(side, item)
            }
        }
    }

    fn receipt(&mut self, _: usize, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        up.receipt(receipt)
    }

    fn lost(&mut self, _: usize, fault: Fault) -> Result<(), Fault> {
        Err(fault)
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        let empty = (self.side_of.len()..self.sides).map(|side| side + 1);
        let empty = empty.inspect(|side| eprintln!("fun_demux: no stream came for place {side}"));
        Ok(self.left_out + empty.count() as u64)
    }
}
