//! What may be taken out of a library that is full.
//!
//! Owns one rule: what nobody needs goes first, and of what is needed that which is needed last. So what a job in
//! front waits for stays, and people who do as they are told get ahead, however few slots there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::event::Element;
use super::people::Need;
use super::reading::Reading;
use super::state::{Cartridge, Place, State, place};
use crate::catalogue::record::{Job, JobState, MediumState, Work};

/// When a cartridge is needed: what runs comes first, then the place in the queue, then the order in which the
/// job needs it.
type When = (bool, Place, usize);

impl State {
    /// What should be taken out of a slot when there must be room, and where it is.
    pub fn spare(&self) -> Option<(String, Element)> {
        let needed = self.needed();
        let slots = self.elements.iter().filter(|(at, _)| matches!(at, Element::Slot(_)));
        let full = slots.filter_map(|(at, content)| Some((content.as_ref()?, *at)));
        let ranked = full.filter_map(|(cartridge, at)| {
            let rank = self.use_of(cartridge)?;
            let when = cartridge.tag.as_ref().and_then(|tag| needed.get(tag)).copied();
            Some((when.map(Reverse), rank, cartridge.tag.clone(), at))
        });
        let (_, _, tag, at) = ranked.min()?;
        Some((tag.unwrap_or_else(|| "the cartridge without a barcode".into()), at))
    }

    /// Of how much use a cartridge is that no job waits for; none: it stays.
    fn use_of(&self, cartridge: &Cartridge) -> Option<u8> {
        let Some(tag) = &cartridge.tag else { return Some(if cartridge.is_nobody { 0 } else { 6 }) };
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
            MediumState::Blank | MediumState::Unknown => 6,
            MediumState::Cleaning(_) => return None,
        })
    }

    /// Whether there is a cleaning cartridge in the library besides this one.
    pub(super) fn has_other_cleaning(&self, tag: &str) -> bool {
        let is_good = |state: &MediumState| matches!(state, MediumState::Cleaning(left) if *left != Some(0));
        let mut others =
            self.records.media.values().filter(|m| m.tag != tag && is_good(&m.state));
        others.any(|m| self.place_of(&m.tag).is_some())
    }

    /// Cartridges that jobs need which are not over, with when they need them.
    fn needed(&self) -> BTreeMap<String, When> {
        let mut needed = BTreeMap::new();
        for job in self.open.iter().filter_map(|id| self.job(*id)) {
            let waits = job.state != JobState::Running;
            for (n, tag) in self.needed_by(job).into_iter().enumerate() {
                let when = (waits, place(job), n);
                needed.entry(tag).and_modify(|first: &mut When| *first = when.min(*first)).or_insert(when);
            }
        }
        needed
    }

    /// What a job is written on and read from next, in this order.
    fn needed_by(&self, job: &Job) -> Vec<String> {
        let read = |plan: Reading| {
            let reading = self.readings.get(&job.id).filter(|reading| reading.is_planned);
            self.tags_of(reading.unwrap_or(&plan))
        };
        match &job.work {
            Work::Backup { pool, .. } => self.next_for(job, pool).into_iter().collect(),
            Work::Copy { pool, .. } => {
                let mut tags: Vec<String> = self.next_for(job, pool).into_iter().collect();
                tags.extend(read(self.copy_plan(job.id)));
                tags
            }
            Work::Restore { of, .. } => read(self.whole_plan(of)),
            Work::Verify { of } => read(self.verify_plan(*of)),
            Work::Erase { tag } | Work::Identify { tag } => vec![tag.clone()],
        }
    }

    /// What a job would be written on, were there a drive for it.
    fn next_for(&self, job: &Job, pool: &str) -> Option<String> {
        let pool = self.records.pools.get(pool)?;
        let choice = self.choose(pool, &self.apart_from(job))?;
        Some(choice.tag().to_owned())
    }
}
