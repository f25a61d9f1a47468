//! What people have done to single cartridges.
//!
//! Owns looking at one, giving it to a pool, taking it out of one, retiring it, moving it, and erasing it when a
//! wish was agreed to.

use super::Errand;
use super::action::{Grade, Reply};
use super::deal::Turn;
use super::drives::{Doing, Is, Task};
use super::event::{CallId, DriveId, Element, Found};
use super::media::{Mounting, Purpose};
use super::order::Caller;
use super::people::{Need, Needs};
use super::room::When;
use super::state::Ordered;
use super::step::Step;
use crate::catalogue::record::{Change, JobId, JobState, Kept, Medium, MediumState, Work};

impl Step<'_> {
    /// A look at a cartridge, at its turn.
    pub(super) fn begin_identify(&mut self, id: JobId, tag: &str, needs: &mut Needs) -> Turn {
        if self.state.place_of(tag).is_none() {
            if self.is_library_steady() {
                let why = format!("{tag} is not in the library");
                self.over(id, JobState::Failed(why));
            }
            return Turn::Served;
        }
        match self.mount_for(id, tag, needs) {
            Some(turn) => turn,
            None => Turn::Served,
        }
    }

    /// Mounts a cartridge for a job, which runs from then on. None: it is begun.
    fn mount_for(&mut self, id: JobId, tag: &str, needs: &mut Needs) -> Option<Turn> {
        if !self.state.is_at_hand(tag, None) {
            return Some(if self.may_come(tag) { Turn::Waits } else { Turn::Served });
        }
        let Some(drive) = self.state.drive_for(tag) else { return Some(Turn::Waits) };
        let at = self.state.place_of(tag)?;
        let purpose = Purpose { pool: None, job: Some(id) };
        let mounting = self.mount(drive, at, purpose);
        self.note_mounting(Some(mounting), needs);
        if mounting == Mounting::Begun {
            self.runs(id);
            return None;
        }
        Some(Turn::Served)
    }

    /// Whether a cartridge is merely busy.
    fn may_come(&self, tag: &str) -> bool {
        let rests = self.state.resting.contains_key(tag) || self.state.strangers.contains_key(tag);
        self.state.place_of(tag).is_some() && !rests && !self.state.take_out.contains(tag)
    }

    /// A cartridge was looked at, perhaps for a job.
    pub(super) fn identified(&mut self, job: Option<JobId>, tag: Option<&str>, found: &Found) {
        let Some(job) = job.and_then(|id| self.state.job(id)).cloned() else { return };
        if job.state != JobState::Running {
            return;
        }
        match &job.work {
            Work::Identify { .. } => {
                let what = in_words(found);
                self.tell(Some(job.id), format!("{}: {what}", tag.unwrap_or("a cartridge")));
                self.over(job.id, JobState::Done);
            }
            // It goes on at its turn, now that the cartridge is known.
            Work::Erase { .. } => self.change_job(job.id, |job| job.state = JobState::Queued),
            _ => {}
        }
    }

    /// An erasing, at its turn. Two people have agreed to it, and the time has passed.
    pub(super) fn begin_erase(&mut self, id: JobId, tag: &str, needs: &mut Needs) -> Turn {
        if !self.is_agreed(tag) {
            self.over(id, JobState::Failed("nobody wishes it any more".into()));
            return Turn::Served;
        }
        let Some(at) = self.state.place_of(tag) else {
            let when = self.state.job(id).map_or(When::NOW, When::next_of);
            needs.add(Need::Bring(tag.to_owned()), "it is to be erased".into(), when);
            return Turn::Served;
        };
        let read = match at {
            Element::Drive(drive) => {
                let is = self.state.drives.get(&drive).and_then(|d| d.has_read(tag)).cloned();
                is.map(|is| (drive, is))
            }
            _ => None,
        };
        match read {
            Some((drive, _)) if !self.state.drives[&drive].is_free(self.state.passed_s()) => {
                Turn::Waits
            }
            Some((drive, Is::Volume { .. })) => self.erase(drive, tag, id),
            Some(_) => {
                let why = format!("{tag} is not the volume that the catalogue knows");
                self.over(id, JobState::Failed(why));
                Turn::Served
            }
            None => self.mount_for(id, tag, needs).unwrap_or(Turn::Served),
        }
    }

    fn erase(&mut self, drive: DriveId, tag: &str, id: JobId) -> Turn {
        let Some(volume) = self.state.records.media.get(tag).and_then(|m| m.volume) else {
            self.over(id, JobState::Failed(format!("{tag} holds no volume")));
            return Turn::Served;
        };
        self.runs(id);
        self.destroy(tag);
        let errand = self.send(drive, Errand::Erase { tag: tag.to_owned(), volume });
        let task = Task::Erase(tag.to_owned(), id);
        self.state
            .drives
            .entry(drive)
            .and_modify(|drive| drive.doing = Doing::Errand(errand, task));
        Turn::Served
    }

    /// What is on a cartridge is given up before its time.
    fn destroy(&mut self, tag: &str) {
        let wish = self.state.records.wishes.values().find(|wish| wish.tag == tag);
        let who = wish.map(|w| format!("{} and {}", w.first, w.second.as_deref().unwrap_or("?")));
        let who = who.unwrap_or_default();
        let there = |kept: &Kept| kept.medium == tag;
        let jobs = self.state.records.jobs.values();
        let hit: Vec<JobId> = jobs.filter(|j| j.kept.iter().any(there)).map(|j| j.id).collect();
        self.free(tag, &format!("{who} want it so"));
        for id in hit {
            self.is_it_lost(id, tag, &who);
        }
        self.notify(Grade::Alarm, format!("{tag} is erased: {who} want it so"));
        self.audit(&who, format!("{tag} is erased"));
    }

    fn is_it_lost(&mut self, id: JobId, tag: &str, who: &str) {
        let Some(job) = self.state.job(id) else { return };
        let is_whole = self.state.has_all(job);
        if !is_whole && super::agree::keeps_bytes(job) {
            let why = format!("{tag} was erased by {who}");
            let was_open = !job.state.is_over();
            self.change_job(id, |job| job.state = JobState::Damaged(why.clone()));
            self.notify(Grade::Alarm, format!("job {id}: {why}"));
            if was_open {
                self.left(id, &why);
            }
        }
    }

    pub(super) fn erased(&mut self, id: DriveId, tag: &str, job: JobId) {
        self.change_medium(tag, |m| {
            m.state = MediumState::Blank;
            (m.volume, m.set, m.valid_to, m.bytes, m.expires_s) = (None, None, 0, 0, None);
        });
        self.is_now(id, Is::Blank);
        self.was_of_use(tag);
        let wishes = self.state.records.wishes.values().filter(|wish| wish.tag == tag);
        let wishes: Vec<u64> = wishes.map(|wish| wish.number).collect();
        for number in wishes {
            self.forget(Change::DropWish(number));
        }
        self.over(job, JobState::Done);
    }

    /// Gives a cartridge to a pool.
    pub(super) fn assign(&mut self, call: CallId, by: &Caller, tag: &str, pool: &str) {
        let Some(medium) = self.state.records.media.get(tag).cloned() else {
            return self.refuse(call, format!("no cartridge {tag} is known"), "look at the media");
        };
        if !self.state.records.pools.contains_key(pool) {
            return self.refuse(call, format!("there is no pool {pool}"), "look at the pools");
        }
        let is_free = matches!(medium.state, MediumState::Blank | MediumState::Unknown);
        if !is_free {
            let why = format!("{tag} holds something, or is of no use to a pool");
            return self.refuse(call, why, "release it first");
        }
        self.change_medium(tag, |m| m.pool = Some(pool.to_owned()));
        self.audit(&by.name(), format!("{tag} serves {pool}"));
        self.answer(call, Reply::Done);
    }

    /// Takes a cartridge out of its pool, if nothing on it is promised to anybody.
    pub(super) fn release(&mut self, call: CallId, by: &Caller, tag: &str) {
        let Some(medium) = self.state.records.media.get(tag).cloned() else {
            return self.refuse(call, format!("no cartridge {tag} is known"), "look at the media");
        };
        if let Err(why) = self.can_release(&medium) {
            return self.refuse(call, why, "wait, or wish that it be erased");
        }
        if medium.volume.is_some() {
            self.free(tag, "released");
        }
        self.change_medium(tag, |m| m.pool = None);
        self.audit(&by.name(), format!("{tag} is released"));
        self.answer(call, Reply::Done);
    }

    fn can_release(&self, medium: &Medium) -> Result<(), String> {
        let tag = &medium.tag;
        let in_session = |drive: &super::drives::Drive| {
            drive.session.as_ref().is_some_and(|session| session.tag == *tag)
        };
        if self.state.drives.values().any(in_session) {
            return Err(format!("{tag} is being written"));
        }
        match medium.state {
            MediumState::Blank | MediumState::Unknown => Ok(()),
            MediumState::Full | MediumState::Appendable if self.state.is_expired(medium) => Ok(()),
            MediumState::Full | MediumState::Appendable => {
                Err(format!("what is on {tag} has not expired"))
            }
            _ => Err(format!("{tag} is no cartridge that a pool could have")),
        }
    }

    /// Nothing more is written on a cartridge.
    pub(super) fn retire(&mut self, call: CallId, by: &Caller, tag: &str, why: &str) {
        let Some(medium) = self.state.records.media.get(tag) else {
            return self.refuse(call, format!("no cartridge {tag} is known"), "look at the media");
        };
        if let MediumState::Damaged(_) | MediumState::Cleaning(_) = medium.state {
            return self.refuse(call, format!("nothing is written on {tag}"), "");
        }
        let words = format!("retired by {}: {why}", by.name());
        self.change_medium(tag, |m| m.state = MediumState::ReadOnly(words.clone()));
        self.audit(&by.name(), format!("{tag}: {words}"));
        self.answer(call, Reply::Done);
    }

    /// Lines up a move; it is answered when it is made.
    pub(super) fn order_move(&mut self, call: CallId, from: Element, to: Element) {
        let ordered = Ordered { from, to, call, take_out: None };
        self.state.moves.push_back(ordered);
    }

    /// Brings a cartridge to a mail slot.
    pub(super) fn export(&mut self, call: CallId, tag: &str) {
        let Some(from) = self.state.place_of(tag) else {
            return self.refuse(call, format!("{tag} is not in the library"), "");
        };
        if let Element::MailSlot(_) = from {
            self.state.take_out.insert(tag.to_owned());
            return self.answer(call, Reply::Done);
        }
        if let Element::Drive(_) = from {
            return self.refuse(call, format!("{tag} is in {from}"), "unload the drive first");
        }
        let Some(to) = self.state.free(|at| matches!(at, Element::MailSlot(_))).next() else {
            return self.refuse(call, "no mail slot is free", "empty one");
        };
        let ordered = Ordered { from, to, call, take_out: Some(tag.to_owned()) };
        self.state.moves.push_back(ordered);
    }

    /// Takes in what lies in the mail slots, once the changer was asked what that is: people put cartridges there
    /// without telling.
    pub(super) fn import(&mut self, call: CallId) {
        self.state.imports.push(call);
        self.want_inventory();
    }

    /// Takes in what is in the mail slots.
    pub(super) fn take_in(&mut self, call: CallId) {
        let moves = &self.state.moves;
        let is_full = |(at, content): &(&Element, &Option<_>)| {
            let is_there = matches!(at, Element::MailSlot(_)) && content.is_some();
            is_there && !moves.iter().any(|ordered| ordered.from == **at)
        };
        let from: Vec<Element> =
            self.state.elements.iter().filter(is_full).map(|(at, _)| *at).collect();
        let to: Vec<Element> = self.state.free(|at| matches!(at, Element::Slot(_))).collect();
        if from.len() > to.len() {
            return self.refuse(call, "there are not enough free slots", "take something out");
        }
        let last = from.len().saturating_sub(1);
        for (n, (from, to)) in from.iter().zip(to).enumerate() {
            if let Some(tag) = self.state.tag_in(*from).map(str::to_owned) {
                self.state.take_out.remove(&tag);
            }
            let call = if n == last { call } else { CallId(0) };
            self.state.moves.push_back(Ordered { from: *from, to, call, take_out: None });
        }
        if from.is_empty() {
            self.answer(call, Reply::Done);
        }
    }
}

impl super::state::State {
    /// Elements of a kind that are empty, and to which nothing is on its way.
    fn free(&self, kind: impl Fn(&Element) -> bool) -> impl Iterator<Item = Element> {
        let is_free = move |(at, content): &(&Element, &Option<_>)| {
            content.is_none() && kind(at) && !self.is_target(**at)
        };
        self.elements.iter().filter(is_free).map(|(at, _)| *at)
    }
}

/// What was found, in words.
fn in_words(found: &Found) -> String {
    match found {
        Found::Nothing => "nothing is there".into(),
        Found::Blank { .. } => "blank".into(),
        Found::Ours(v) => {
            format!("volume {} of set {}, its data ends at {}", v.number, v.set, v.end)
        }
        Found::Foreign(what) => format!("foreign: {what}"),
        Found::Cleaning => "a cleaning cartridge".into(),
        Found::Unreadable(why) => format!("cannot be read: {why}"),
    }
}
