//! Which cartridge is written on next.
//!
//! Owns the choice: the last volume of an open set, if it takes more; else a blank; else the one whose data
//! expired first; else one that nobody has looked at. Never one whose data has not expired, nor one that is
//! unknown, foreign, damaged, read-only or write-protected. And the forgetting of what expired.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Errand;
use super::copies::Apart;
use super::drives::{Doing, Drive, Is, Session, Task};
use super::event::{DriveId, Element};
use super::state::State;
use super::step::Step;
use crate::catalogue::record::{
    Job, JobId, JobState, Kept, Level, Medium, MediumState, NewSet, Pool, Record, Set, Work,
};

/// What to write on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Append to this one.
    Append(String),
    /// Make this one a volume of this set, or of a new one.
    Label(String, Option<Uuid>),
    /// Look who this one is first.
    Look(String),
}

impl Choice {
    /// The cartridge.
    pub fn tag(&self) -> &str {
        match self {
            Choice::Append(tag) | Choice::Label(tag, _) | Choice::Look(tag) => tag,
        }
    }
}

impl State {
    /// Whether all that a job and those it builds on have recorded is still there.
    pub(super) fn is_chain_kept(&self, id: JobId) -> bool {
        self.chain(id).into_iter().all(|id| self.job(id).is_some_and(|job| self.has_all(job)))
    }

    /// Whether all that a job recorded is on media that are not damaged.
    pub(super) fn has_all(&self, job: &Job) -> bool {
        let is_good = |run: &&Kept| {
            let medium = self.records.media.get(&run.medium);
            medium.is_some_and(|m| !matches!(m.state, MediumState::Damaged(_)))
        };
        let runs: Vec<&Kept> = job.kept.iter().filter(is_good).collect();
        super::agree::covers(&runs, job.recorded)
    }

    /// Whether nothing on it needs to be kept any more.
    pub fn is_expired(&self, medium: &Medium) -> bool {
        !self.clock.is_doubted
            && medium.expires_s.is_none_or(|at_s| at_s <= self.now_s())
            && !self.is_wanted(&medium.tag)
    }

    /// Whether a job that is not over has something on it, builds on it, or is to read it. A verify or a copy
    /// that has not begun does not make old data stay.
    fn is_wanted(&self, tag: &str) -> bool {
        let has = |id: JobId| {
            let job = self.job(id);
            job.is_some_and(|job| job.kept.iter().any(|run| run.medium == tag))
        };
        self.open.iter().filter_map(|id| self.job(*id)).any(|job| match &job.work {
            Work::Backup { .. } => self.chain(job.id).into_iter().any(has),
            Work::Restore { of, .. } => of.iter().copied().any(has),
            Work::Verify { of } | Work::Copy { of, .. } => {
                job.state == JobState::Running && (has(*of) || has(job.id))
            }
            Work::Erase { tag: other } | Work::Identify { tag: other } => other == tag,
        })
    }

    /// The jobs that a backup builds on, itself first.
    pub(super) fn chain(&self, id: JobId) -> Vec<JobId> {
        let mut chain = vec![id];
        while let Some(Work::Backup { level: Level::Since(base), .. }) =
            chain.last().and_then(|id| self.job(*id)).map(|job| &job.work)
        {
            // A base is older; anything else would have no end.
            if chain.last().is_some_and(|last| base >= last) {
                break;
            }
            chain.push(*base);
        }
        chain
    }

    /// Whether a drive or a move has it, so that nobody else may.
    pub(super) fn is_claimed(&self, tag: &str) -> bool {
        let by_drive = self.drives.values().any(|drive| {
            let in_session = drive.session.as_ref().is_some_and(|s| s.tag == tag);
            let in_task = match &drive.doing {
                Doing::Errand(_, Task::Mount { tag: other, .. }) => other.as_deref() == Some(tag),
                Doing::Errand(_, _) => drive.tag() == Some(tag),
                _ => false,
            };
            in_session || in_task
        });
        by_drive || self.moves.iter().any(|ordered| self.tag_in(ordered.from) == Some(tag))
    }

    /// Whether a drive can have it now: `drive`, or any that is free.
    pub(super) fn is_at_hand(&self, tag: &str, drive: Option<DriveId>) -> bool {
        let is_kept_away = self.resting.contains_key(tag)
            || self.strangers.contains_key(tag)
            || self.take_out.contains(tag)
            || self.is_claimed(tag);
        if is_kept_away {
            return false;
        }
        match (self.place_of(tag), drive) {
            (None | Some(Element::Hand(_)), _) => false,
            (Some(Element::Drive(at)), Some(drive)) => at == drive,
            (Some(Element::Drive(at)), None) => {
                self.drives.get(&at).is_some_and(|drive| drive.is_free(self.passed_s()))
            }
            (Some(_), Some(drive)) => self.drives.get(&drive).is_some_and(|d| d.has_changer),
            (Some(_), None) => true,
        }
    }

    /// What a pool would be written on next, of what any free drive can have.
    pub(super) fn choose(&self, pool: &Pool, apart: &Apart) -> Option<Choice> {
        let mut sets = self.open_sets(pool);
        sets.retain(|set| set.volumes.last().is_none_or(|tag| !apart.tags.contains(tag)));
        let last = |set: &&Set| {
            let medium = self.records.media.get(set.volumes.last()?)?;
            let takes_more = medium.state == MediumState::Appendable && !medium.write_protected;
            (takes_more && self.is_at_hand(&medium.tag, None)).then(|| medium.tag.clone())
        };
        if let Some(tag) = sets.iter().find_map(last) {
            return Some(Choice::Append(tag));
        }
        self.choose_new(pool, sets.last().map(|set| set.id), None, apart)
    }

    /// What a session that needs a medium goes on with: what was just labelled for it, or something new.
    pub(super) fn choose_next(
        &self,
        pool: &Pool,
        session: &Session,
        drive: DriveId,
    ) -> Option<Choice> {
        let last = self.records.sets.get(&session.set).and_then(|set| set.volumes.last());
        let is_fresh = |tag: &&String| {
            let medium = self.records.media.get(*tag);
            let takes_more = medium.is_some_and(|m| m.state == MediumState::Appendable);
            **tag != session.tag && takes_more && self.is_at_hand(tag, Some(drive))
        };
        match last.filter(is_fresh) {
            Some(tag) => Some(Choice::Append(tag.clone())),
            None => self.choose_new(pool, Some(session.set), Some(drive), &Apart::default()),
        }
    }

    /// How many slots are free.
    pub(super) fn free_slots(&self) -> usize {
        let is_free = |(at, content): &(&Element, &Option<_>)| {
            matches!(at, Element::Slot(_)) && content.is_none() && !self.is_target(**at)
        };
        self.elements.iter().filter(is_free).count()
    }

    /// What a set would go on with.
    pub(super) fn choose_new(
        &self,
        pool: &Pool,
        set: Option<Uuid>,
        drive: Option<DriveId>,
        apart: &Apart,
    ) -> Option<Choice> {
        let at_hand = |m: &&&Medium| self.is_at_hand(&m.tag, drive) && !apart.tags.contains(&m.tag);
        let candidates = self.candidates(pool);
        if let Some(medium) = candidates.iter().find(at_hand) {
            return Some(Choice::Label(medium.tag.clone(), set));
        }
        let unknown =
            |m: &&Medium| m.state == MediumState::Unknown && self.is_at_hand(&m.tag, drive);
        let unknown = self.records.media.values().find(unknown);
        unknown.map(|medium| Choice::Look(medium.tag.clone()))
    }

    /// Cartridges that may be labelled for a pool, wherever they are, in the order in which they are taken.
    fn candidates(&self, pool: &Pool) -> Vec<&Medium> {
        let media = || self.records.media.values().filter(|m| !m.write_protected);
        let blank = |m: &&Medium| {
            let is_ours = m.pool.as_ref() == Some(&pool.name);
            let is_free = m.pool.is_none() && pool.takes_blank;
            m.state == MediumState::Blank && (is_ours || is_free) && !(m.worm && m.volume.is_some())
        };
        let expired = |m: &&Medium| {
            matches!(m.state, MediumState::Full | MediumState::Appendable)
                && m.pool.as_ref() == Some(&pool.name)
                && !m.worm
                && self.is_expired(m)
                && !self.is_last_of_open(m)
        };
        let mut blanks: Vec<&Medium> = media().filter(blank).collect();
        blanks.sort_by_key(|m| m.pool.is_none());
        let mut old: Vec<&Medium> = media().filter(expired).collect();
        old.sort_by_key(|m| m.expires_s);
        blanks.extend(old);
        blanks
    }

    /// Whether it is what an open set would be appended to.
    fn is_last_of_open(&self, medium: &Medium) -> bool {
        let set = medium.set.and_then(|(set, _)| self.records.sets.get(&set));
        let is_last = |set: &Set| set.volumes.last() == Some(&medium.tag) && !set.closed;
        medium.state == MediumState::Appendable && set.is_some_and(is_last)
    }

    /// Sets of a pool that may go on and that no drive works on, the oldest first.
    fn open_sets(&self, pool: &Pool) -> Vec<&Set> {
        let busy = self.busy_sets();
        let is_open = |set: &&Set| {
            let is_young = match pool.new_set {
                NewSet::After(age_s) => self.now_s() < set.created_s.saturating_add(age_s),
                NewSet::Never | NewSet::Always => true,
            };
            set.pool == pool.name && !set.closed && is_young && !busy.contains(&set.id)
        };
        let mut sets: Vec<&Set> = self.records.sets.values().filter(is_open).collect();
        sets.sort_by_key(|set| (set.created_s, set.id));
        sets
    }

    fn busy_sets(&self) -> BTreeSet<Uuid> {
        let mut busy = BTreeSet::new();
        for drive in self.drives.values() {
            busy.extend(drive.session.as_ref().map(|session| session.set));
            if let Doing::Errand(_, Task::Label { set, .. }) = &drive.doing {
                busy.extend(*set);
            }
            if let Doing::Errand(_, Task::Mount { tag: Some(tag), pool: Some(_), .. }) =
                &drive.doing
            {
                busy.extend(self.records.media.get(tag).and_then(|m| m.set).map(|(set, _)| set));
            }
        }
        busy
    }

    /// Cartridges that a pool would use next, in their order, with why.
    pub fn forecast(&self, pool: &Pool) -> Vec<(String, &'static str)> {
        let last = |set: &&Set| {
            let medium = self.records.media.get(set.volumes.last()?)?;
            (medium.state == MediumState::Appendable).then(|| medium.tag.clone())
        };
        let mut next: Vec<(String, &'static str)> =
            self.open_sets(pool).iter().filter_map(last).map(|tag| (tag, "takes more")).collect();
        let why = |m: &Medium| if m.state == MediumState::Blank { "blank" } else { "expired" };
        next.extend(self.candidates(pool).into_iter().map(|m| (m.tag.clone(), why(m))));
        next
    }

    /// A slot for what is in a drive: where it came from, or any that is empty.
    pub(super) fn slot_for(&self, home: Option<Element>) -> Option<Element> {
        let is_free = |at: &Element| {
            matches!(at, Element::Slot(_) | Element::MailSlot(_))
                && self.elements.get(at).is_some_and(Option::is_none)
                && !self.is_target(*at)
        };
        let empty = || {
            self.elements.keys().filter(|at| matches!(at, Element::Slot(_))).find(|at| is_free(at))
        };
        home.filter(is_free).or_else(|| empty().copied())
    }

    /// Whether something is on its way there.
    pub(super) fn is_target(&self, at: Element) -> bool {
        let by_drive = self.drives.values().any(|drive| match &drive.doing {
            Doing::Errand(_, Task::Mount { put_back, .. } | Task::Unload(put_back)) => {
                *put_back == Some(at)
            }
            _ => false,
        });
        by_drive || self.moves.iter().any(|ordered| ordered.to == at)
    }

    /// A drive that can fetch a cartridge now; one in which it could not be read is taken last, before it one that
    /// failed.
    pub(super) fn drive_for(&self, tag: &str) -> Option<DriveId> {
        self.drive_but(tag, None)
    }

    /// The same, but not this one.
    pub(super) fn drive_but(&self, tag: &str, but: Option<DriveId>) -> Option<DriveId> {
        let passed_s = self.passed_s();
        let can = |id: &DriveId, drive: &Drive| Some(*id) != but && drive.is_free(passed_s);
        if let Some(Element::Drive(at)) = self.place_of(tag) {
            return self.drives.get(&at).filter(|drive| can(&at, drive)).map(|_| at);
        }
        let failed = self.unreadable_in.get(tag);
        let free = self.drives.iter().filter(|(id, drive)| can(id, drive) && drive.has_changer);
        let rank = |id: &DriveId, drive: &Drive| {
            let has_failed = failed.is_some_and(|drives| drives.contains(id));
            (has_failed, drive.failures, drive.medium.is_some(), *id)
        };
        free.map(|(id, drive)| rank(id, drive)).min().map(|(.., id)| id)
    }
}

/// What a mount is for.
#[derive(Debug, Clone, Default)]
pub(super) struct Purpose {
    /// The pool that will write.
    pub pool: Option<String>,
    /// The job that waits for it.
    pub job: Option<JobId>,
}

/// Whether a mount began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mounting {
    /// It did.
    Begun,
    /// The library is not known well enough now.
    NotNow,
    /// There is no free slot for what is in the drive.
    NoSlot,
}

impl Step<'_> {
    /// Fetches what is in an element (or stays with what is in the drive) and looks who it is.
    pub(super) fn mount(&mut self, id: DriveId, at: Element, purpose: Purpose) -> Mounting {
        let tag = self.state.tag_in(at).map(str::to_owned);
        let bay = Element::Drive(id);
        let (mut from, mut put_back) = (None, None);
        // Who is in the drive is known from the library, too.
        let is_by_hand = at == bay && !self.state.drives[&id].has_changer;
        if !is_by_hand && !self.is_library_steady() {
            return Mounting::NotNow;
        }
        if at != bay {
            from = Some(at);
            if self.state.elements.get(&bay).is_some_and(Option::is_some) {
                let home = self.state.drives[&id].medium.as_ref().and_then(|m| m.home);
                match self.state.slot_for(home.filter(|home| *home != at)) {
                    Some(slot) => put_back = Some(slot),
                    None => return Mounting::NoSlot,
                }
            }
        }
        let medium = tag.as_ref().and_then(|tag| self.state.records.media.get(tag));
        let known_to = medium.filter(|m| m.volume.is_some()).map(|m| m.valid_to);
        let errand = self.send(id, Errand::Mount { put_back, from, tag: tag.clone(), known_to });
        let task = Task::Mount { tag, from, put_back, pool: purpose.pool, job: purpose.job };
        self.state.drives.entry(id).and_modify(|drive| {
            drive.doing = Doing::Errand(errand, task);
            if let Some(medium) = &mut drive.medium {
                medium.is = None;
            }
        });
        Mounting::Begun
    }

    /// Brings a choice one errand nearer to being written on. True: the drive is in a session now.
    pub(super) fn approach(
        &mut self,
        id: DriveId,
        choice: &Choice,
        pool: &str,
    ) -> Result<bool, Mounting> {
        let tag = choice.tag();
        let is = self.state.drives.get(&id).and_then(|drive| drive.has_read(tag)).cloned();
        match (choice, is) {
            (Choice::Append(_), Some(Is::Volume { .. })) => {
                match self.state.drives[&id].session.is_some() {
                    true => self.go_on(id, tag),
                    false => self.begin_session(id, tag, pool),
                }
                return Ok(true);
            }
            (Choice::Label(_, set), Some(Is::Blank | Is::Volume { .. })) => {
                self.label(id, tag, *set, pool);
            }
            // It is not what it was thought to be: it is looked at again, later.
            (_, Some(_)) => {
                self.rest_long(tag);
                self.unread(tag);
            }
            (_, None) => {
                let Some(at) = self.state.place_of(tag) else { return Ok(false) };
                let purpose = Purpose { pool: Some(pool.to_owned()), job: None };
                match self.mount(id, at, purpose) {
                    Mounting::Begun => {}
                    not => return Err(not),
                }
            }
        }
        Ok(false)
    }

    fn label(&mut self, id: DriveId, tag: &str, set: Option<Uuid>, pool: &str) {
        let Some(medium) = self.state.records.media.get(tag).cloned() else { return };
        let may = medium.state == MediumState::Blank || self.state.is_expired(&medium);
        if !may || medium.write_protected {
            return self.rest_long(tag);
        }
        self.free(tag, "expired");
        // From now on its name may be on its label: another blank must not get it.
        if !self.state.drives[&id].has_changer {
            self.change_medium(tag, |m| m.pool = Some(pool.to_owned()));
        }
        // What was freed may have been the last of that very set.
        let is_open = |set: &Uuid| self.state.records.sets.get(set).is_some_and(|set| !set.closed);
        let set = set.filter(is_open);
        let volumes =
            set.and_then(|set| self.state.records.sets.get(&set)).map(|s| s.volumes.len());
        let number = u32::try_from(volumes.unwrap_or(0) + 1).unwrap_or(u32::MAX);
        let over = medium.volume;
        let errand = self.send(id, Errand::Label { tag: tag.to_owned(), set, number, over });
        let task = Task::Label { tag: tag.to_owned(), pool: pool.to_owned(), set };
        self.state.drives.entry(id).and_modify(|drive| drive.doing = Doing::Errand(errand, task));
    }

    /// What is on a cartridge is not kept any more: no job says that it has something there. What is left of those
    /// jobs elsewhere is all there is, and kept as long as they are, whatever the pool that it lies in says.
    pub(super) fn free(&mut self, tag: &str, why: &str) {
        let Some(medium) = self.state.records.media.get(tag).cloned() else { return };
        if medium.state == MediumState::Blank {
            return;
        }
        let there = |kept: &Kept| kept.medium == tag;
        let jobs = self.state.records.jobs.values();
        let had: Vec<JobId> = jobs.filter(|j| j.kept.iter().any(there)).map(|j| j.id).collect();
        for id in had {
            self.change_job(id, |job| job.kept.retain(|kept| !there(kept)));
            self.keep_media_of(id);
        }
        self.change_medium(tag, |m| {
            m.state = MediumState::Blank;
            (m.valid_to, m.bytes, m.expires_s) = (0, 0, None);
        });
        let set = medium.set.and_then(|(set, _)| self.state.records.sets.get(&set)).cloned();
        if let Some(set) = set.filter(|set| set.volumes.last() == Some(&medium.tag) && !set.closed)
        {
            self.put(Record::Set(Set { closed: true, ..set }));
        }
        self.tell(None, format!("{tag}: what is on it is given up: {why}"));
    }

    /// What may be tried again, is.
    pub(super) fn wake(&mut self) {
        let passed_s = self.state.passed_s();
        self.state.resting.retain(|_, until_s| *until_s > passed_s);
        self.state.denied.retain(|_, until_s| *until_s > passed_s);
    }
}
