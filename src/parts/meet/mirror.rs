//! `tee_mirror`: the same to several sides.
//!
//! Owns the rule about sides that fail: with [`Policy::All`] one that fails ends all, with
//! [`Policy::Any`] it is named, counted, and the others go on; the last one always ends it. A side has not
//! failed only when it took everything but, where receipts come from below, when all of it was receipted.
//! Receipts go up numbered by copy. Streams that take turns pass as they are.

use std::collections::BTreeMap;

use crate::stream::{Blame, Block, Course, Fault, Item, Receipt, Sides, StreamId, Tee, Upward};

/// What to do when a side fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// End all.
    All,
    /// Go on with those that are left.
    Any,
}

/// Doubles what comes.
pub struct Mirror {
    policy: Policy,
    expects_receipts: bool,
    /// Which sides are left.
    left: Vec<bool>,
    course: Course,
    stream: StreamId,
    /// How far each stream goes that is whole.
    whole: BTreeMap<StreamId, u64>,
    /// How far each side has receipted a stream, each inner copy for itself.
    durable: BTreeMap<(usize, StreamId, u8), u64>,
    lost: u64,
}

impl Mirror {
    /// Doubles to so many sides; with `expects_receipts` each must receipt everything.
    pub fn new(sides: usize, policy: Policy, expects_receipts: bool) -> Mirror {
        Mirror {
            policy,
            expects_receipts,
            left: vec![true; sides],
            course: Course::new(),
            stream: StreamId::default(),
            whole: BTreeMap::new(),
            durable: BTreeMap::new(),
            lost: 0,
        }
    }

    fn note(&mut self, item: &Item) {
        let is_the_edges = self.course.mux().is_some() && self.course.turn().is_none();
        let next = self.course.next();
        self.course.note(item);
        match item {
            Item::Begin(begin) => self.stream = begin.stream,
            Item::Turn(id) => self.stream = *id,
            Item::End(_) if !is_the_edges => {
                self.whole.insert(self.stream, next);
            }
            _ => {}
        }
    }

    /// The first stream that a side has not receipted to its end.
    fn owes(&self, side: usize) -> Option<(StreamId, u64, u64)> {
        let durable = |stream: StreamId| {
            let copies = self.durable.range((side, stream, 0)..=(side, stream, u8::MAX));
            copies.map(|(_, to)| *to).max().unwrap_or(0)
        };
        let of = |(&stream, &whole): (&StreamId, &u64)| (stream, whole, durable(stream));
        self.whole.iter().map(of).find(|(_, whole, durable)| durable < whole)
    }
}

/// One more of an item.
fn twin(item: &Item) -> Item {
    match item {
        Item::Begin(begin) => Item::Begin(begin.clone()),
        Item::Data { offset, block } => {
            Item::Data { offset: *offset, block: Block::copy_of(block.data()) }
        }
        Item::Mark(lines) => Item::Mark(lines.clone()),
        Item::Turn(id) => Item::Turn(*id),
        Item::End(end) => Item::End(*end),
        Item::Abort(abort) => Item::Abort(abort.clone()),
    }
}

impl Tee for Mirror {
    fn item(&mut self, item: Item, sides: &mut dyn Sides) -> Result<(), Fault> {
        self.note(&item);
        let left: Vec<usize> = (0..self.left.len()).filter(|&side| self.left[side]).collect();
        let Some((last, others)) = left.split_last() else { return Ok(()) };
        // No side is told of the end before all have got there.
        if self.course.is_over() && self.policy == Policy::All {
            for &side in &left {
                sides.settle(side).or_else(|fault| self.lost(side, fault))?;
            }
        }
        for &side in others {
            if let Err(fault) = sides.put(side, twin(&item)) {
                self.lost(side, fault)?;
            }
        }
        match sides.put(*last, item) {
            Ok(()) => Ok(()),
            Err(fault) => self.lost(*last, fault),
        }
    }

    fn receipt(&mut self, side: usize, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        let durable = self.durable.entry((side, receipt.stream, receipt.copy)).or_default();
        if receipt.from <= *durable {
            *durable = (*durable).max(receipt.to);
        }
        let many = |_| Fault::never(Blame::Operator, "more than 255 copies of one stream");
        let sides = self.left.len();
        let copy = u8::try_from(side + sides * usize::from(receipt.copy)).map_err(many)?;
        let copies = u8::try_from(sides * usize::from(receipt.copies)).map_err(many)?;
        up.receipt(Receipt { copy, copies, ..receipt })
    }

    fn lost(&mut self, side: usize, fault: Fault) -> Result<(), Fault> {
        if !std::mem::take(&mut self.left[side]) {
            return Ok(());
        }
        let what = format!("side {}: {}", side + 1, fault.what);
        if self.policy == Policy::All || !self.left.contains(&true) {
            return Err(Fault { what, ..fault });
        }
        eprintln!("tee_mirror: {what}; it goes on without");
        self.lost += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        let judged = self.left.iter().map(|left| *left && self.expects_receipts);
        let judged: Vec<bool> = judged.collect();
        for side in (0..judged.len()).filter(|&side| judged[side]) {
            if let Some((stream, whole, durable)) = self.owes(side) {
                let what = format!("of {whole} bytes of stream {stream} {durable} were receipted");
                self.lost(side, Fault::neighbour(what))?;
            }
        }
        Ok(self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Begin, End, Place};

    #[derive(Default)]
    struct Taken {
        bytes: Vec<Vec<u8>>,
        broken: Option<usize>,
    }

    impl Sides for Taken {
        fn put(&mut self, side: usize, item: Item) -> Result<(), Fault> {
            if self.broken == Some(side) {
                return Err(Fault::neighbour("gone"));
            }
            if let Item::Data { block, .. } = item {
                self.bytes[side].extend_from_slice(block.data());
            }
            Ok(())
        }

        fn settle(&mut self, _: usize) -> Result<(), Fault> {
            Ok(())
        }
    }

    struct Heard(Vec<(u8, u8)>);

    impl Upward for Heard {
        fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
            self.0.push((receipt.copy, receipt.copies));
            Ok(())
        }
    }

    fn run(mirror: &mut Mirror, sides: &mut Taken) -> Result<(), Fault> {
        mirror.item(Item::Begin(Begin::default()), sides)?;
        let block = Block::copy_of(b"12345");
        mirror.item(Item::Data { offset: 0, block }, sides)?;
        mirror.item(Item::End(End { bytes: 5, skipped: 0 }), sides)
    }

    fn receipt(to: u64, copy: u8, copies: u8) -> Receipt {
        Receipt {
            stream: StreamId::default(),
            from: 0,
            to,
            grade: "on disk".into(),
            place: Place { medium: "m".into(), volume: None, partition: 0 },
            extents: Vec::new(),
            copy,
            copies,
            digest: String::new(),
        }
    }

    fn taken(broken: Option<usize>) -> Taken {
        Taken { bytes: vec![Vec::new(); 2], broken }
    }

    #[test]
    fn a_side_that_breaks_ends_it_or_is_left_out() {
        for broken in 0..2 {
            let mut all = Mirror::new(2, Policy::All, false);
            assert!(run(&mut all, &mut taken(Some(broken))).is_err());
            let mut any = Mirror::new(2, Policy::Any, false);
            let mut sides = taken(Some(broken));
            run(&mut any, &mut sides).unwrap();
            assert_eq!((any.finish(), &sides.bytes[1 - broken][..]), (Ok(1), &b"12345"[..]));
            sides.broken = Some(1 - broken);
            assert!(run(&mut any, &mut sides).is_err(), "none is left");
        }
    }

    #[test]
    fn a_side_that_does_not_receipt_everything_has_failed() {
        for (policy, to, verdict) in
            [(Policy::All, 5, Some(0)), (Policy::All, 4, None), (Policy::Any, 4, Some(1))]
        {
            let mut mirror = Mirror::new(2, policy, true);
            run(&mut mirror, &mut taken(None)).unwrap();
            let mut heard = Heard(Vec::new());
            mirror.receipt(0, receipt(5, 0, 1), &mut heard).unwrap();
            mirror.receipt(1, receipt(to, 1, 2), &mut heard).unwrap();
            assert_eq!(heard.0, [(0, 2), (3, 4)]);
            assert_eq!(mirror.finish().ok(), verdict);
        }
    }
}
