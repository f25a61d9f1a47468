//! What people are asked for.
//!
//! Owns the requests. Each step finds out anew what is needed; a need that is new is asked for, one that is gone
//! is withdrawn, and one that stays is asked once. Jobs wait for people, they do not fail of them.

use std::collections::BTreeMap;

use super::Action;
use super::event::{Answered, DriveId, Element, RequestId};
use super::order::Caller;
use super::room::{Room, When};
use super::step::Step;
use crate::catalogue::record::Right;

/// How long a need is not asked for again when a person said no.
const DENIED_S: i64 = 3600;

/// Something only a person can do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Say whether the clock is right.
    Clock,
    /// See to the library.
    Library,
    /// Make room: there is no free slot.
    Slot,
    /// Bring a cartridge that can be written for a pool.
    Medium(String),
    /// Bring this cartridge.
    Bring(String),
    /// Find out why this barcode is on somebody else.
    Stranger(String),
    /// Take this cartridge out of its mail slot.
    TakeOut(String),
    /// Bring a cleaning cartridge.
    Cleaning,
    /// A second drive, for copies.
    Drive,
}

/// A need that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What the person should do.
    pub words: String,
    /// The place in the library that they were told, which nobody else is told meanwhile.
    pub place: Option<Element>,
}

/// What is needed now, with why or where, how soon, and which drive must be able to have it.
#[derive(Debug, Default)]
pub(super) struct Needs(BTreeMap<Need, (String, When, Option<DriveId>)>);

impl Needs {
    /// Something is needed at once.
    pub fn insert(&mut self, need: Need, why: String) {
        self.add(need, why, When::NOW);
    }

    /// Something is needed, but not before other things.
    pub fn add(&mut self, need: Need, why: String, when: When) {
        let known = self.0.entry(need).or_insert((why, when, None));
        known.1 = known.1.min(when);
    }

    /// Something is needed at once, and by this drive.
    pub fn for_drive(&mut self, id: DriveId, need: Need, why: String) {
        let known = self.0.entry(need).or_insert((why, When::NOW, None));
        (known.1, known.2) = (When::NOW, known.2.or(Some(id)));
    }
}

impl Step<'_> {
    /// Asks for what is new, withdraws what is gone. Where not everything was looked at (an inventory is being
    /// taken, a job in front waits for a drive) nothing is withdrawn: nobody likes requests that flicker. What
    /// would have to lie in the place of something that is needed sooner is not asked for yet.
    pub(super) fn ask(&mut self, needs: Needs, is_all: bool) {
        let mut needs = needs.0;
        needs.retain(|need, _| !self.state.denied.contains_key(need));
        let gone = |need: &&Need| is_all && !needs.contains_key(*need);
        let gone: Vec<Need> = self.state.requests.keys().filter(gone).cloned().collect();
        for need in gone {
            if let Some(request) = self.state.requests.remove(&need) {
                self.act(Action::Withdraw(request.id));
            }
        }
        for (need, (why, when, drive)) in needs {
            if self.state.requests.contains_key(&need) {
                continue;
            }
            let place = self.place_for(&need, when, drive);
            if need.wants_room() && !place.is_for(when) {
                continue;
            }
            let words = self.words(&need, &why, &place);
            self.state.last_request += 1;
            let id = RequestId(self.state.last_request);
            self.act(Action::Ask { request: id, words: words.clone() });
            self.clear_for_hand(place.at().filter(|_| need.wants_room()));
            self.state.requests.insert(need, Request { id, words, place: place.at() });
        }
    }

    /// A person answers.
    pub(super) fn answered(&mut self, id: RequestId, by: &Caller, how: Answered) {
        if !by.may(Right::Operate) {
            return;
        }
        let asked = self.state.requests.iter().find(|(_, request)| request.id == id);
        let Some((need, place)) = asked.map(|(need, request)| (need.clone(), request.place)) else {
            return;
        };
        self.state.requests.remove(&need);
        self.act(Action::Withdraw(id));
        match how {
            Answered::Done => self.is_done(&need, place, by),
            Answered::No(why) => self.is_denied(need, by, &why),
        }
    }

    fn is_done(&mut self, need: &Need, place: Option<Element>, by: &Caller) {
        self.audit(&by.name(), format!("answered: {}", need.name()));
        match need {
            Need::Clock => self.state.clock.trust(),
            Need::Stranger(tag) => {
                self.state.strangers.remove(tag);
                self.state.to_check.insert(tag.clone());
                self.unread(tag);
            }
            Need::Bring(tag) => {
                self.was_put(tag, place);
                self.look_by_hand();
            }
            Need::Medium(_) | Need::Cleaning => self.look_by_hand(),
            _ => {}
        }
        self.want_inventory();
    }

    /// Whoever has this tag in a drive is to be looked at again.
    pub(super) fn unread(&mut self, tag: &str) {
        for medium in self.state.drives.values_mut().filter_map(|drive| drive.medium.as_mut()) {
            if medium.tag.as_deref() == Some(tag) {
                medium.is = None;
            }
        }
    }

    fn is_denied(&mut self, need: Need, by: &Caller, why: &str) {
        self.audit(&by.name(), format!("said no to: {}: {why}", need.name()));
        match &need {
            Need::Bring(tag) => _ = self.state.unobtainable.insert(tag.clone()),
            Need::Stranger(tag) => {
                self.state.strangers.remove(tag);
                self.state.unobtainable.insert(tag.clone());
                self.damaged(tag, 0, &format!("somebody else has its barcode: {why}"));
            }
            Need::Medium(pool) => self.no_medium(pool, why),
            Need::TakeOut(tag) => _ = self.state.take_out.remove(tag),
            _ => {}
        }
        let until_s = self.state.passed_s() + DENIED_S;
        self.state.denied.insert(need, until_s);
    }

    /// Sessions that wait for a medium of the pool end without.
    fn no_medium(&mut self, pool: &str, why: &str) {
        let waits = |id: &&DriveId| {
            let session = self.state.drives[*id].session.as_ref();
            session.is_some_and(|s| s.needs_medium && !s.is_ending && s.pool == pool)
        };
        let drives: Vec<DriveId> = self.state.drives.keys().filter(waits).copied().collect();
        for id in drives {
            if let Some(session) = self.drive(id).and_then(|drive| drive.session.as_mut()) {
                session.is_ending = true;
            }
            self.send(id, super::Errand::NoMedium(why.to_owned()));
        }
    }

    /// What a person should do.
    fn words(&self, need: &Need, why: &str, place: &Room) -> String {
        match need {
            Need::Clock => "the clock jumped: is it right? Until then nothing expires".into(),
            Need::Library => format!("see to the library: {why}"),
            Need::Slot => format!("{place}: no slot is free"),
            Need::Medium(pool) => {
                let words = format!("put a cartridge that {pool} can be written on {place}");
                match self.would_do(pool) {
                    Some(tag) => format!("{words}; {tag} would do"),
                    None => words,
                }
            }
            Need::Bring(tag) => format!("put {tag} {place}: {why}"),
            Need::Stranger(tag) => {
                format!("the cartridge with the barcode {tag} is {why}: find the right one")
            }
            Need::TakeOut(tag) => format!("take {tag} out of {why}"),
            Need::Cleaning => format!("put a cleaning cartridge {place}: {why}"),
            Need::Drive => "a copy from one cartridge to another needs two drives".into(),
        }
    }

    /// A cartridge outside of the library that a pool would be written on.
    fn would_do(&self, pool: &str) -> Option<String> {
        let pool = self.state.records.pools.get(pool)?;
        let mut next = self.state.forecast(pool).into_iter().map(|(tag, _)| tag);
        next.find(|tag| {
            self.state.place_of(tag).is_none() && !self.state.unobtainable.contains(tag)
        })
    }

    fn place_for(&self, need: &Need, when: When, drive: Option<DriveId>) -> Room {
        match need {
            Need::Slot => self.state.to_take_out(),
            _ if need.wants_room() => self.state.room(when, drive),
            _ => Room::Nowhere,
        }
    }
}

impl Need {
    /// Whether it is something that must lie somewhere.
    fn wants_room(&self) -> bool {
        matches!(self, Need::Medium(_) | Need::Bring(_) | Need::Cleaning)
    }

    /// What it is, for the trail.
    fn name(&self) -> String {
        match self {
            Need::Clock => "is the clock right".into(),
            Need::Library => "see to the library".into(),
            Need::Slot => "free a slot".into(),
            Need::Medium(pool) => format!("a cartridge for {pool}"),
            Need::Bring(tag) => format!("bring {tag}"),
            Need::Stranger(tag) => format!("who is {tag}"),
            Need::TakeOut(tag) => format!("take out {tag}"),
            Need::Cleaning => "a cleaning cartridge".into(),
            Need::Drive => "a second drive".into(),
        }
    }
}
