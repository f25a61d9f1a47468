//! Where the bytes of a stream lie, on every copy of it.
//!
//! Pure. Owns a lane for each medium, in order of bytes, so that a byte is found on each by a search. Which
//! of several is taken depends on what is at hand: the volume that is mounted, then any that was not
//! found missing.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::stream::{Extent, Place};

/// A medium as places name it.
pub type Medium = (String, Option<Uuid>);

/// What is known of the media while they are used.
#[derive(Debug, Default)]
pub struct AtHand {
    /// The volume in the drive.
    pub mounted: Option<Uuid>,
    /// Media that were wanted and are not here.
    pub missing: BTreeSet<Medium>,
}

#[derive(Debug)]
struct Lane {
    place: Place,
    runs: Vec<Extent>,
}

/// All places of a stream.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
    by_medium: BTreeMap<Medium, usize>,
}

impl Lanes {
    /// Adds a place.
    pub fn add(&mut self, extent: Extent, place: &Place) {
        let medium = (place.medium.clone(), place.volume);
        let next = self.lanes.len();
        let nth = *self.by_medium.entry(medium).or_insert(next);
        if nth == next {
            self.lanes.push(Lane { place: place.clone(), runs: Vec::new() });
        }
        self.lanes[nth].runs.push(extent);
    }

    /// Puts all in order, once all are added.
    pub fn settle(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.runs.sort_by_key(|run| (run.from, run.to)));
    }

    /// Whether no place was added.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Leaves out what does not say exactly where its bytes lie.
    pub fn keep_exact(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.runs.retain(|run| run.stride > 0));
        self.lanes.retain(|lane| !lane.runs.is_empty());
        let media = self.lanes.iter().map(|lane| (lane.place.medium.clone(), lane.place.volume));
        self.by_medium = media.zip(0..).collect();
    }

    /// The run that holds a byte, on the medium that is best to read it from.
    pub fn find(&self, byte: u64, at_hand: &AtHand) -> Option<(&Extent, &Place)> {
        let here = self.lanes.iter().filter(|lane| {
            at_hand.missing.is_empty()
                || !at_hand.missing.contains(&(lane.place.medium.clone(), lane.place.volume))
        });
        let found = here.filter_map(|lane| Some((lane.run_of(byte)?, &lane.place)));
        // Of equals the first: media come in the order in which they were told.
        found.min_by_key(|(_, place)| at_hand.mounted.is_none() || place.volume != at_hand.mounted)
    }
}

impl Lane {
    fn run_of(&self, byte: u64) -> Option<&Extent> {
        let after = self.runs.partition_point(|run| run.from <= byte);
        self.runs[..after].iter().rev().take(4).find(|run| run.to > byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        let mut lanes = Lanes::default();
        let id = |n| Some(Uuid::from_u128(n));
        let mut add = |medium: &str, volume, from, to| {
            let place = Place { medium: medium.into(), volume: id(volume), partition: 0 };
            lanes.add(Extent { from, to, block: from, stride: 10 }, &place);
        };
        add("T1", 1, 0, 100);
        add("T1", 11, 0, 60);
        add("T2", 2, 100, 200);
        add("T2", 12, 60, 200);
        lanes.settle();
        lanes
    }

    fn found(byte: u64, at_hand: &AtHand) -> Option<u128> {
        lanes().find(byte, at_hand).map(|(_, place)| place.volume.unwrap().as_u128())
    }

    #[test]
    fn the_copy_at_hand_is_taken() {
        let mut at_hand = AtHand::default();
        assert_eq!((found(50, &at_hand), found(150, &at_hand)), (Some(1), Some(2)));
        at_hand.mounted = Some(Uuid::from_u128(12));
        assert_eq!((found(50, &at_hand), found(70, &at_hand)), (Some(1), Some(12)));
        at_hand.missing.insert(("T1".into(), Some(Uuid::from_u128(1))));
        assert_eq!(found(50, &at_hand), Some(11));
        assert_eq!(found(200, &at_hand), None);
    }
}
