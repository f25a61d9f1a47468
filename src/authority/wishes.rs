//! Wishes to destroy what has not expired.
//!
//! Owns the rule: one person with the right to erase asks, another agrees, time passes in which any administrator
//! can stop it, and only then there is a job.

use super::action::{Grade, Reply};
use super::event::CallId;
use super::order::Caller;
use super::step::Step;
use crate::catalogue::record::{Change, JobState, MediumState, Record, Right, Wish, Work};

impl Step<'_> {
    pub(super) fn wish(&mut self, call: CallId, by: &Caller, tag: &str) {
        let Some(medium) = self.state.records.media.get(tag).cloned() else {
            return self.refuse(call, format!("no cartridge {tag} is known"), "look at the media");
        };
        if medium.volume.is_none() || medium.worm {
            return self.refuse(call, format!("{tag} holds nothing that can be erased"), "");
        }
        if let Some(other) = self.state.records.wishes.values().find(|wish| wish.tag == tag) {
            let why = format!("{} wishes it already: wish {}", other.first, other.number);
            return self.refuse(call, why, "agree to it, if you are somebody else");
        }
        let asked_s = self.state.now_s();
        let settings = &self.state.settings;
        let is_empty = medium.bytes == 0 || medium.state == MediumState::Blank;
        let wait_s = if is_empty { settings.wish_wait_empty_s } else { settings.wish_wait_s };
        self.state.last_wish += 1;
        let number = self.state.last_wish;
        let (tag, first) = (tag.to_owned(), by.user.clone());
        let not_before_s = asked_s + wait_s;
        let words = format!("wish {number}: erase {tag}, not before {not_before_s}");
        self.put(Record::Wish(Wish { number, tag, first, asked_s, second: None, not_before_s }));
        self.audit(&by.name(), words.clone());
        self.notify(Grade::Warning, format!("{}: {words}", by.name()));
        self.answer(call, Reply::Wish { number, not_before_s });
    }

    pub(super) fn agree_to(&mut self, call: CallId, by: &Caller, number: u64) {
        let Some(mut wish) = self.state.records.wishes.get(&number).cloned() else {
            return self.refuse(call, format!("there is no wish {number}"), "look at the wishes");
        };
        if wish.first == by.user {
            let why = "it takes somebody else to agree";
            return self.refuse(call, why, "ask another person with the right to erase");
        }
        if wish.second.is_some() {
            return self.refuse(call, "somebody has agreed already", "");
        }
        wish.second = Some(by.user.clone());
        let words = format!("agrees to wish {number}: {} is erased", wish.tag);
        self.put(Record::Wish(wish));
        self.audit(&by.name(), words.clone());
        self.notify(Grade::Warning, format!("{} {words}", by.name()));
        self.answer(call, Reply::Done);
    }

    pub(super) fn drop_wish(&mut self, call: CallId, by: &Caller, number: u64) {
        let Some(wish) = self.state.records.wishes.get(&number).cloned() else {
            return self.refuse(call, format!("there is no wish {number}"), "look at the wishes");
        };
        if wish.first != by.user && !by.may(Right::Administer) {
            let why = format!("it is the wish of {}", wish.first);
            return self.refuse(call, why, "ask an administrator");
        }
        self.forget(Change::DropWish(number));
        self.cancel_erase(&wish.tag, by);
        self.audit(&by.name(), format!("takes back wish {number}: {} stays", wish.tag));
        self.answer(call, Reply::Done);
    }

    /// Whether two people want a cartridge erased, and its time has come.
    pub(super) fn is_agreed(&self, tag: &str) -> bool {
        let now_s = self.state.now_s();
        let is_it = |wish: &Wish| {
            let second = wish.second.as_ref().is_some_and(|second| *second != wish.first);
            wish.tag == tag && second && wish.not_before_s <= now_s && !self.state.clock.is_doubted
        };
        self.state.records.wishes.values().any(is_it)
    }

    /// Makes a job of each wish whose time has come.
    pub(super) fn fulfil_wishes(&mut self) {
        let due = self.state.records.wishes.values().filter(|wish| self.is_agreed(&wish.tag));
        let due: Vec<Wish> = due.cloned().collect();
        for wish in due {
            let is_it = |id: &crate::catalogue::record::JobId| {
                let job = self.state.job(*id);
                job.is_some_and(|j| matches!(&j.work, Work::Erase { tag } if *tag == wish.tag))
            };
            if !self.state.open.iter().any(is_it) {
                let work = Work::Erase { tag: wish.tag.clone() };
                let id = self.new_job(work, "", &wish.first, 0);
                self.tell(Some(id), format!("wish {}: job {id} erases {}", wish.number, wish.tag));
            }
        }
    }

    /// What could not be erased is not tried for ever: whoever still wants it says so again.
    pub(super) fn end_wish(&mut self, tag: &str, why: &str) {
        let wishes = self.state.records.wishes.values().filter(|wish| self.is_agreed(&wish.tag));
        let numbers = wishes.filter(|wish| wish.tag == tag).map(|wish| wish.number);
        let numbers: Vec<u64> = numbers.collect();
        for number in numbers {
            self.forget(Change::DropWish(number));
            self.notify(Grade::Warning, format!("wish {number}: {tag} is not erased: {why}"));
        }
    }

    /// Ends an erasing that did not begin when its wish was taken back.
    pub(super) fn cancel_erase(&mut self, tag: &str, by: &Caller) {
        let jobs = self.state.open.iter().filter_map(|id| self.state.job(*id));
        let is_it = |work: &Work| matches!(work, Work::Erase { tag: other } if other == tag);
        let hit = jobs.filter(|j| is_it(&j.work) && j.state == JobState::Queued).map(|j| j.id);
        let hit: Vec<_> = hit.collect();
        for id in hit {
            self.over(id, JobState::Cancelled(by.name()));
        }
    }
}
