//! From chosen entries to the blocks they lie in.
//!
//! Pure: index lines in, block ranges out. The rule is the one of `docs/format.md` section 8: payload
//! offset, through the seek points of each layer, to a stream offset, to a block.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::list::{Entry, Line, lines};
use crate::only::Only;
use crate::stream::{Blame, Fault};

use super::lanes::{AtHand, Lanes};

/// What the index lines of a stream say about the chosen entries.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The chosen entries, by offset.
    pub entries: Vec<Entry>,
    /// Patterns that match nothing.
    pub unmatched: Vec<Vec<u8>>,
    seeks: Vec<(u8, u64, u64)>,
    places: Lanes,
}

/// Blocks of one volume to be read in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The volume's tag or name, as places tell it.
    pub medium: String,
    /// The volume's identity.
    pub volume: Option<Uuid>,
    /// First block.
    pub first: u64,
    /// Last block.
    pub last: u64,
    /// Wanted bytes: of the stream as it lies on the medium.
    pub from: u64,
    /// One past the last of them.
    pub to: u64,
}

fn bad(why: String) -> Fault {
    Fault::never(Blame::Medium, format!("the index cannot be used: {why}"))
}

impl Gathered {
    /// From the index lines of all parts of a stream.
    pub fn from_index(index: &[Vec<u8>], only: &[Vec<u8>]) -> Result<Gathered, Fault> {
        let mut chosen = Only::new(only);
        let mut gathered = Gathered::default();
        let mut targets = BTreeSet::new();
        for line in index.iter().flat_map(|part| lines(part)) {
            match line.map_err(bad)? {
                Line::Entry(entry) if chosen.selects(&entry.path) => {
                    if entry.kind == b'h' {
                        targets.extend(entry.link.clone());
                    }
                    gathered.entries.push(entry);
                }
                Line::Seek { depth, input, output } => gathered.seeks.push((depth, input, output)),
                Line::Place { extent, place, .. } => gathered.places.add(extent, &place),
                // What is gone is no entry: who chooses some restores these and removes nothing.
                _ => {}
            }
        }
        gathered.add_link_targets(index, targets)?;
        gathered.unmatched = chosen.unmatched().map(<[u8]>::to_vec).collect();
        gathered.entries.sort_by_key(|entry| entry.offset);
        gathered.seeks.sort_unstable();
        gathered.seeks.dedup();
        gathered.places.settle();
        Ok(gathered)
    }

    /// From a list that a record keeper wrote.
    pub fn from_list(list: &[u8], only: &[Vec<u8>]) -> Result<Gathered, Fault> {
        let mut gathered = Gathered::from_index(&[list.to_vec()], only)?;
        if gathered.places.is_empty() {
            return Err(Fault::never(Blame::Operator, "the list does not say where anything lies")
                .hint("it was written without receipts; leave --list out, and the index on the tape is used"));
        }
        gathered.places.keep_exact();
        if gathered.places.is_empty() {
            return Err(Fault::never(
                Blame::Operator,
                "the list is of a stream with layers, whose places are not exact",
            )
            .hint("leave --list out, and the index on the tape is used; --identity opens one that is sealed"));
        }
        Ok(gathered)
    }

    /// A hard link's content is its target's: the target comes along.
    fn add_link_targets(
        &mut self,
        index: &[Vec<u8>],
        mut targets: BTreeSet<Vec<u8>>,
    ) -> Result<(), Fault> {
        for entry in &self.entries {
            targets.remove(&entry.path);
        }
        if targets.is_empty() {
            return Ok(());
        }
        for line in index.iter().flat_map(|part| lines(part)) {
            if let Line::Entry(entry) = line.map_err(bad)?
                && targets.remove(&entry.path)
            {
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// Takes out the entries for which `is_lost`, and returns them.
    pub fn take_lost(&mut self, mut is_lost: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
        let (lost, kept) = std::mem::take(&mut self.entries).into_iter().partition(|e| is_lost(e));
        self.entries = kept;
        lost
    }

    /// The wanted ranges of the payload: the entries, neighbours joined.
    pub fn wants(&self) -> Vec<(u64, u64)> {
        let mut wants: Vec<(u64, u64)> = Vec::new();
        for entry in &self.entries {
            let (from, to) = (entry.offset, entry.offset.saturating_add(entry.span));
            match wants.last_mut().filter(|last| last.1 >= from) {
                Some(last) => last.1 = last.1.max(to),
                None => wants.push((from, to)),
            }
        }
        wants
    }

    /// Takes a payload range through `layers` layers: the range of what comes out of them that
    /// holds it whole.
    pub fn through(&self, (mut from, mut to): (u64, u64), layers: u8) -> Result<(u64, u64), Fault> {
        for depth in 1..=layers {
            let low = self.seeks.partition_point(|s| *s < (depth, 0, 0));
            let high = self.seeks.partition_point(|s| *s < (depth + 1, 0, 0));
            let seeks = &self.seeks[low..high];
            let start = seeks.partition_point(|s| s.1 <= from);
            let end = low + seeks.partition_point(|s| s.1 < to);
            let Some(first) = start.checked_sub(1) else {
                return Err(bad(format!("no seek point of layer {depth} leads to byte {from}")));
            };
            from = seeks[first].2;
            to = self.seeks[..high].get(end).map_or(u64::MAX, |s| s.2);
        }
        Ok((from, to))
    }

    /// The blocks that hold a payload range of a stream with this many layers.
    pub fn runs(&self, want: (u64, u64), layers: u8) -> Result<Vec<Run>, Fault> {
        self.runs_at_hand(want, layers, 0, &AtHand::default())
    }

    /// As [`runs`](Gathered::runs), without the bytes before `sent_to`, and on the copy that is at hand
    /// where there are several.
    pub fn runs_at_hand(
        &self,
        want: (u64, u64),
        layers: u8,
        sent_to: u64,
        at_hand: &AtHand,
    ) -> Result<Vec<Run>, Fault> {
        let (from, to) = self.through(want, layers)?;
        let mut now = AtHand { mounted: at_hand.mounted, missing: at_hand.missing.clone() };
        let mut runs = Vec::new();
        let mut at = from.max(sent_to);
        while at < to {
            let Some((extent, place)) = self.places.find(at, &now) else { break };
            let end = to.min(extent.to);
            let block = |byte: u64| {
                extent.block_of(byte).ok_or_else(|| bad(format!("byte {byte} has no block")))
            };
            runs.push(Run {
                medium: place.medium.clone(),
                volume: place.volume,
                first: block(at)?,
                last: block(end - 1)?,
                from: at,
                to: end,
            });
            at = end;
            // Stays on one copy as long as that goes on.
            now.mounted = place.volume;
        }
        match at >= to || (to == u64::MAX && !runs.is_empty()) {
            true => Ok(runs),
            // To the end, however far that is, and that was sent.
            false if to == u64::MAX && sent_to > from => Ok(runs),
            false => {
                Err(bad(format!("it does not say where bytes {at} to {to} of the stream lie")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &[u8] = b"f 0 1024 10 0.000000000 - a/x\n\
        f 1024 2048 1500 0.000000000 - b\nh 3072 512 0 0.000000000 - c a/x\n\
        @ 0 1000 500 TAP1 - 0 7 on-tape\n@ 1000 4000 500 TAP2 - 0 3 on-tape\n";

    fn gather(only: &[&[u8]]) -> Gathered {
        let only: Vec<Vec<u8>> = only.iter().map(|p| p.to_vec()).collect();
        Gathered::from_index(&[INDEX.to_vec()], &only).unwrap()
    }

    #[test]
    fn an_entry_is_found_across_volumes() {
        let gathered = gather(&[b"a"]);
        assert_eq!(gathered.wants(), [(0, 1024)]);
        let runs = gathered.runs((0, 1024), 0).unwrap();
        assert_eq!(
            (runs[0].medium.as_str(), runs[0].first, runs[0].last, runs[0].to),
            ("TAP1", 7, 8, 1000)
        );
        assert_eq!(
            (runs[1].medium.as_str(), runs[1].first, runs[1].last, runs[1].to),
            ("TAP2", 3, 3, 1024)
        );
    }

    #[test]
    fn a_hard_link_brings_its_target() {
        let gathered = gather(&[b"c", b"nowhere"]);
        assert_eq!(gathered.wants(), [(0, 1024), (3072, 3584)]);
        assert_eq!(gathered.unmatched, [b"nowhere"]);
    }

    #[test]
    fn layers_are_gone_through_by_seek_points() {
        let index = b"f 1500 100 10 0.000000000 - x\n~ 1 0 0\n~ 1 1000 300\n~ 1 2000 610\n\
            @ 0 900 100 TAP1 - 0 5 on-tape\n";
        let gathered = Gathered::from_index(&[index.to_vec()], &[]).unwrap();
        let runs = gathered.runs((1500, 1600), 1).unwrap();
        assert_eq!((runs[0].first, runs[0].last, runs[0].from, runs[0].to), (8, 11, 300, 610));
        let last = gathered.runs((2500, 2600), 1).unwrap();
        assert_eq!((last[0].first, last[0].last), (11, 13));
    }

    #[test]
    fn bytes_without_a_place_are_named() {
        assert!(gather(&[]).runs((3900, 4100), 0).unwrap_err().what.contains("bytes 4000 to 4100"));
    }
}
