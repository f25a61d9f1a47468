//! Where there is room in the library, and what may be taken out of it when it is full.
//!
//! Owns one rule: what nobody needs goes first, and of what is needed that which is needed last. Nothing is brought
//! in the place of what is needed sooner, and the last free slot is the robot's, which could not change a medium
//! without. So people who do as they are told get ahead, however few slots there are, and nobody is sent in a
//! circle.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::drives::Drive;
use super::event::{DriveId, Element};
use super::people::Need;
use super::reading::Reading;
use super::state::{Cartridge, Place, State, place};
use crate::catalogue::record::{Job, JobId, JobState, MediumState, Work};

/// When something is needed. The next cartridge of each job is needed before all that comes later; then what runs
/// comes first, and the others have their places in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct When {
    /// How many others the job needs before it.
    after: usize,
    waits: bool,
    place: Place,
}

impl When {
    /// Before everything else.
    pub const NOW: When = When { after: 0, waits: false, place: (Reverse(i32::MAX), JobId(0)) };

    /// When a job needs its next.
    pub fn next_of(job: &Job) -> When {
        When { after: 0, waits: job.state != JobState::Running, place: place(job) }
    }
}

/// Where something that is brought can lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Room {
    /// Here.
    Free(Element),
    /// In the place of something: when that is needed, what it is, and where.
    InPlaceOf(Option<When>, String, Element),
    /// Wherever people find a place.
    Somewhere,
    /// Not now.
    Nowhere,
    /// Where something must be taken out: what it is, and where.
    OutOf(String, Element),
    /// The same, where nothing is better than anything else.
    OutOfAny,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Room::Free(at) => write!(f, "into {at}"),
            Room::InPlaceOf(_, what, at) => write!(f, "into {at} in place of {what}"),
            Room::Somewhere => f.write_str("into a free slot"),
            Room::Nowhere => f.write_str("nowhere now"),
            Room::OutOf(what, at) => write!(f, "take {what} out of {at}"),
            Room::OutOfAny => f.write_str("take a cartridge out of a slot"),
        }
    }
}

impl Room {
    /// The place it names.
    pub fn at(&self) -> Option<Element> {
        match self {
            Room::Free(at) | Room::InPlaceOf(_, _, at) | Room::OutOf(_, at) => Some(*at),
            Room::Somewhere | Room::Nowhere | Room::OutOfAny => None,
        }
    }

    /// Whether there is room for something that is needed then.
    pub fn is_for(&self, when: When) -> bool {
        match self {
            Room::InPlaceOf(Some(other), ..) => when < *other,
            Room::Nowhere => false,
            _ => true,
        }
    }
}

impl State {
    /// Where something can be put now that is needed then, by this drive if one is named.
    pub(super) fn room(&self, when: When, by: Option<DriveId>) -> Room {
        let told = self.told();
        let has_changer = |id| self.drives.get(&id).is_some_and(|drive| drive.has_changer);
        if let Some(id) = by.filter(|id| !has_changer(*id)) {
            let at = Element::Drive(id);
            return if told.contains(&at) { Room::Nowhere } else { Room::Free(at) };
        }
        let is_free = |(at, content): &(&Element, &Option<Cartridge>)| {
            matches!(at, Element::MailSlot(_)) && content.is_none() && !told.contains(at)
        };
        if let Some((at, _)) = self.elements.iter().find(is_free) {
            return Room::Free(*at);
        }
        let is_by_hand = |(id, drive): &(&DriveId, &Drive)| {
            let is_it = by.is_none() && drive.is_idle() && drive.is_used;
            is_it && !drive.has_changer && !told.contains(&Element::Drive(**id))
        };
        let by_hand: Vec<(&DriveId, &Drive)> = self.drives.iter().filter(is_by_hand).collect();
        if let Some(id) = self.least_needed(&by_hand, when) {
            return Room::Free(Element::Drive(id));
        }
        if self.drives.values().all(|drive| !drive.has_changer) {
            return Room::Nowhere;
        }
        match self.spare(|_| true).filter(|_| self.free_slots() < 2) {
            Some((when, what, at)) => Room::InPlaceOf(when, what, at),
            None => Room::Somewhere,
        }
    }

    /// Of drives that people serve, the one whose cartridge is needed last, and not before `when`.
    fn least_needed(&self, of: &[(&DriveId, &Drive)], when: When) -> Option<DriveId> {
        if of.is_empty() {
            return None;
        }
        let needed = self.needed();
        let ranked = of.iter().filter_map(|(id, drive)| {
            let tag = drive.tag().filter(|_| drive.is_idle());
            let other = tag.and_then(|tag| needed.get(tag)).copied();
            let may = other.is_none_or(|other| when < other);
            may.then_some((other.map(Reverse), drive.medium.is_some(), **id))
        });
        ranked.min().map(|(.., id)| id)
    }

    /// What should be taken out when the robot needs a free slot.
    pub(super) fn to_take_out(&self) -> Room {
        match self.spare(|at| matches!(at, Element::Slot(_))) {
            Some((_, what, at)) => Room::OutOf(what, at),
            None => Room::OutOfAny,
        }
    }

    /// Places that people were told.
    fn told(&self) -> BTreeSet<Element> {
        self.requests.values().filter_map(|request| request.place).collect()
    }

    /// What should be taken out first, when it is needed, and where it is.
    fn spare(&self, from: impl Fn(Element) -> bool) -> Option<(Option<When>, String, Element)> {
        let (needed, told) = (self.needed(), self.told());
        let is_place = |at: &Element| {
            matches!(at, Element::Slot(_) | Element::MailSlot(_)) && from(*at) && !told.contains(at)
        };
        let places = self.elements.iter().filter(|(at, _)| is_place(at));
        let full = places.filter_map(|(at, content)| Some((content.as_ref()?, *at)));
        let ranked = full.filter_map(|(cartridge, at)| {
            let rank = self.use_of(cartridge)?;
            // The wrong one under a barcode is not what is needed.
            let right = cartridge.tag.as_ref().filter(|tag| !self.strangers.contains_key(*tag));
            let when = right.and_then(|tag| needed.get(tag)).copied();
            Some((when.map(Reverse), rank, cartridge.tag.clone(), at))
        });
        let (when, _, tag, at) = ranked.min()?;
        let what = tag.unwrap_or_else(|| "the cartridge without a barcode".into());
        Some((when.map(|Reverse(when)| when), what, at))
    }

    /// Of how much use a cartridge is that no job waits for; none: it stays.
    fn use_of(&self, cartridge: &Cartridge) -> Option<u8> {
        let Some(tag) = &cartridge.tag else { return cartridge.is_nobody.then_some(0) };
        let is_asked = self.requests.contains_key(&Need::Bring(tag.clone()));
        if is_asked || self.is_claimed(tag) {
            return None;
        }
        if self.strangers.contains_key(tag) {
            return Some(0);
        }
        let medium = self.records.media.get(tag)?;
        Some(match medium.state {
            MediumState::Foreign(_) => 0,
            MediumState::ReadOnly(_) | MediumState::Damaged(_) => 1,
            MediumState::Full if !self.is_expired(medium) => 2,
            MediumState::Cleaning(_) if self.has_other_cleaning(tag) => 3,
            MediumState::Full => 3,
            MediumState::Appendable => 4,
            MediumState::Blank => 5,
            MediumState::Unknown | MediumState::Cleaning(_) => return None,
        })
    }

    /// Whether there is a cleaning cartridge in the library besides this one.
    pub(super) fn has_other_cleaning(&self, tag: &str) -> bool {
        let is_good =
            |state: &MediumState| matches!(state, MediumState::Cleaning(left) if *left != Some(0));
        let mut others = self.records.media.values().filter(|m| m.tag != tag && is_good(&m.state));
        others.any(|m| self.place_of(&m.tag).is_some())
    }

    /// Cartridges that jobs need which are not over, with when they need them.
    fn needed(&self) -> BTreeMap<String, When> {
        let mut needed: BTreeMap<String, When> = BTreeMap::new();
        let open = self.open.iter().filter_map(|id| self.job(*id));
        for job in open.filter(|job| self.can_go_on(job)) {
            for (after, tag) in self.needed_by(job) {
                let when = When { after, ..When::next_of(job) };
                let first = needed.entry(tag).or_insert(when);
                *first = when.min(*first);
            }
        }
        needed
    }

    /// Whether a job does not wait for something else than a cartridge.
    fn can_go_on(&self, job: &Job) -> bool {
        let lacks_drive = matches!(job.work, Work::Copy { .. }) && !self.can_copy();
        let is_early = self.is_source_open(job);
        match job.state {
            JobState::Running => true,
            JobState::Queued => self.may_run(job) && !lacks_drive && !is_early,
            _ => false,
        }
    }

    /// What a job is written on and read from, each with how many others it needs before.
    fn needed_by(&self, job: &Job) -> Vec<(usize, String)> {
        let read = |plan: Reading| {
            let reading = self.readings.get(&job.id).filter(|reading| reading.is_planned);
            self.tags_of(reading.unwrap_or(&plan)).into_iter().enumerate()
        };
        let written = |pool: &str| self.next_for(job, pool).map(|tag| (0, tag)).into_iter();
        match &job.work {
            Work::Backup { pool, .. } => written(pool).collect(),
            // It needs both at once.
            Work::Copy { pool, .. } => written(pool).chain(read(self.copy_plan(job.id))).collect(),
            Work::Restore { of, .. } => read(self.whole_plan(of)).collect(),
            Work::Verify { of } => read(self.verify_plan(*of)).collect(),
            Work::Erase { tag } | Work::Identify { tag } => vec![(0, tag.clone())],
        }
    }

    /// What a job would be written on, were there a drive for it.
    fn next_for(&self, job: &Job, pool: &str) -> Option<String> {
        let pool = self.records.pools.get(pool)?;
        let choice = self.choose(pool, &self.apart_from(job))?;
        Some(choice.tag().to_owned())
    }
}
