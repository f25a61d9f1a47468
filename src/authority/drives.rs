//! Drives: what each does, and what it says about it.
//!
//! Owns one errand at a time for each drive, whose number every answer must have, so that an answer that comes
//! late or twice is none. What is in a drive counts only from when its label was read; whatever may have
//! changed the medium makes that void.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::action::Grade;
use super::event::{DriveAtHand, DriveId, Element, ErrandId, Found, Said, Volume};
use super::state::{Cartridge, Inventory};
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, MediumState, Record, Seconds, Set};

/// Lines of health that are kept for a cartridge.
const HEALTH_LINES: usize = 50;
/// Jobs that an alarm names.
const ALARMS_MAX: usize = 1000;
/// Failures in a row after which people hear of it.
pub(super) const FAILURES_MAX: u32 = 3;

/// A drive.
#[derive(Debug, Clone)]
pub struct Drive {
    /// Whether a robot serves it.
    pub has_changer: bool,
    /// Whether an operator wants it used.
    pub is_used: bool,
    /// What a person said to have put in.
    pub(super) expected: Option<String>,
    /// What is in it, as far as is known.
    pub medium: Option<InDrive>,
    /// What it does.
    pub doing: Doing,
    /// The session it is in, also while its medium is changed.
    pub session: Option<Session>,
    /// It asked to be cleaned.
    pub wants_cleaning: bool,
    /// Errands that failed since one was good.
    pub failures: u32,
    /// Left alone until then.
    pub rests_until_s: Seconds,
}

/// A cartridge in a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDrive {
    /// Its tag, if it is known.
    pub tag: Option<String>,
    /// Where it came from.
    pub home: Option<Element>,
    /// Who it is, read since it was loaded; none: not read.
    pub is: Option<Is>,
}

/// Who a cartridge in a drive is, and that label, barcode and catalogue agree about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Is {
    /// Blank, or holds nothing but a first file.
    Blank,
    /// The volume that the catalogue knows under its tag.
    Volume {
        /// Its identity.
        volume: Uuid,
        /// Where its data ends.
        end: u64,
    },
    /// Nothing we write on or read.
    Other,
}

/// What a drive does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// Nothing but its session, if it is in one.
    Nothing,
    /// An errand.
    Errand(ErrandId, Task),
    /// It cannot be reached.
    Lost(String),
}

/// What an errand is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Fetch a cartridge and look who it is.
    Mount {
        /// Who it should be.
        tag: Option<String>,
        /// From where.
        from: Option<Element>,
        /// Where what was in the drive went.
        put_back: Option<Element>,
        /// The pool that will write on it.
        pool: Option<String>,
        /// The job it is for.
        job: Option<JobId>,
    },
    /// Make it a volume.
    Label {
        /// Its tag.
        tag: String,
        /// For this pool.
        pool: String,
        /// Of this set, or a new one.
        set: Option<Uuid>,
    },
    /// Read for a job, or read and compare.
    Read(JobId),
    /// Clean it with this cartridge.
    Clean(String),
    /// Erase this cartridge for a job.
    Erase(String, JobId),
    /// Put back what is in it.
    Unload(Option<Element>),
}

/// Streams that take turns on a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The errand that began it.
    pub errand: ErrandId,
    /// The cartridge it writes on.
    pub tag: String,
    /// The pool it writes for.
    pub pool: String,
    /// The set.
    pub set: Uuid,
    /// Jobs in it.
    pub jobs: BTreeSet<JobId>,
    /// Jobs that were in it.
    pub left: BTreeSet<JobId>,
    /// Its medium is full, and it waits for another.
    pub needs_medium: bool,
    /// It was told to end.
    pub is_ending: bool,
    /// People serve its drive and said meanwhile that something was done there.
    pub(super) is_touched: bool,
}

impl Drive {
    fn new(has_changer: bool) -> Drive {
        Drive {
            has_changer,
            is_used: true,
            expected: None,
            medium: None,
            doing: Doing::Nothing,
            session: None,
            wants_cleaning: false,
            failures: 0,
            rests_until_s: 0,
        }
    }

    /// Whether it can be sent for something new.
    pub fn is_free(&self, passed_s: Seconds) -> bool {
        self.is_idle() && self.is_used && self.rests_until_s <= passed_s
    }

    /// Whether it does nothing at all.
    pub fn is_idle(&self) -> bool {
        self.doing == Doing::Nothing && self.session.is_none()
    }

    /// The tag of what is in it.
    pub fn tag(&self) -> Option<&str> {
        self.medium.as_ref()?.tag.as_deref()
    }

    /// Whether this is in it, and who it is was read.
    pub fn has_read(&self, tag: &str) -> Option<&Is> {
        self.medium.as_ref().filter(|m| m.tag.as_deref() == Some(tag))?.is.as_ref()
    }

    /// Whether cartridges are on their way to or from it.
    pub(super) fn is_moving(&self) -> bool {
        use Task::{Clean, Mount, Unload};
        match &self.doing {
            Doing::Errand(_, Mount { from, put_back, .. }) => from.is_some() || put_back.is_some(),
            Doing::Errand(_, Clean(_) | Unload(_)) => true,
            _ => false,
        }
    }
}

impl Step<'_> {
    /// The shell runs.
    pub(super) fn started(&mut self, drives: Vec<DriveAtHand>) {
        for at_hand in drives {
            self.state.drives.insert(at_hand.drive, Drive::new(at_hand.has_changer));
        }
        self.check_what_was_in_drives();
        self.look_by_hand();
        self.restart_jobs();
        self.alarm_again();
    }

    /// A drive came while the shell runs. One that is known and was lost is there again.
    pub(super) fn came(&mut self, at_hand: DriveAtHand) {
        let DriveAtHand { drive: id, has_changer } = at_hand;
        match self.drive(id) {
            None => {
                self.state.drives.insert(id, Drive::new(has_changer));
                self.tell(None, format!("{id} is there"));
            }
            Some(drive) => {
                drive.has_changer = has_changer;
                self.back(id);
            }
        }
        if !has_changer {
            self.medium_changed(id);
        }
        self.want_inventory();
    }

    /// Whether anybody heard of what is damaged before we stopped, nobody knows.
    fn alarm_again(&mut self) {
        let now_s = self.state.now_s();
        let is_damaged = |job: &&Job| {
            let is_kept = job.expires_s.is_some_and(|at_s| at_s > now_s);
            is_kept && matches!(job.state, JobState::Damaged(_))
        };
        let jobs = self.state.records.jobs.values().filter(is_damaged);
        let jobs: Vec<String> = jobs.map(|job| format!("job {}", job.id)).collect();
        if !jobs.is_empty() {
            let most = jobs.len().min(ALARMS_MAX);
            let words = format!("{} are damaged: {}", jobs.len(), jobs[..most].join(", "));
            self.notify(Grade::Alarm, words);
        }
    }

    /// Whatever was in a drive when we stopped may have lost what the drive still had in memory.
    fn check_what_was_in_drives(&mut self) {
        let media = self.state.records.media.values();
        let in_drive = media.filter(|m| m.location.starts_with("drive ") && m.volume.is_some());
        let tags: Vec<String> = in_drive.map(|m| m.tag.clone()).collect();
        self.state.to_check.extend(tags);
    }

    pub(super) fn drive(&mut self, id: DriveId) -> Option<&mut Drive> {
        self.state.drives.get_mut(&id)
    }

    /// A drive says something.
    pub(super) fn said(&mut self, id: DriveId, errand: ErrandId, said: Said) {
        if !self.state.drives.contains_key(&id) {
            return;
        }
        match said {
            Said::Counted(count) => self.counted(id, &count),
            Said::Alerts(words) => self.alerts(id, words),
            Said::WantsCleaning => self.wants_cleaning(id),
            Said::Changed => self.medium_changed(id),
            Said::Lost(why) => self.lost(id, why),
            Said::Back => self.back(id),
            Said::Synced { .. }
            | Said::JobEnded { .. }
            | Said::NeedsMedium { .. }
            | Said::SessionOver { .. } => self.session_said(id, errand, said),
            other => self.errand_done(id, errand, other),
        }
    }

    fn errand_done(&mut self, id: DriveId, errand: ErrandId, said: Said) {
        let Some(drive) = self.drive(id) else { return };
        let Doing::Errand(number, task) = drive.doing.clone() else { return };
        if number != errand {
            return;
        }
        drive.doing = Doing::Nothing;
        if !matches!(said, Said::Failed(_)) {
            drive.failures = 0;
        }
        match (task, said) {
            (task, Said::Failed(why)) => self.errand_failed(id, task, &why),
            (Task::Mount { tag, from, put_back, job, pool }, Said::Mounted(found)) => {
                self.has_moved(id, tag.as_deref(), from, put_back);
                // An inventory meanwhile may have known better who is in the drive.
                let in_bay = self.state.tag_in(Element::Drive(id)).map(str::to_owned);
                let tag = if from.is_none() { in_bay.or(tag) } else { tag };
                if let (Some(tag), None, true) = (&tag, pool, found != Found::Nothing) {
                    self.was_of_use(tag);
                }
                self.mounted(id, tag, &found, job);
            }
            (Task::Label { tag, pool, .. }, Said::Labelled(volume)) => {
                self.labelled(id, &tag, &pool, &volume);
            }
            (Task::Read(job), Said::HasRead { stop }) => self.has_read(id, job, stop),
            (Task::Clean(tag), Said::Cleaned { left }) => self.cleaned(id, &tag, left),
            (Task::Erase(tag, job), Said::Erased) => self.erased(id, &tag, job),
            (Task::Unload(to), Said::Unloaded) => self.unloaded(id, to),
            (task, said) => {
                let why = format!("it answered {said:?}: a defect");
                self.errand_failed(id, task, &why);
            }
        }
    }

    /// Keeps the elements as a mount left them.
    fn has_moved(
        &mut self,
        id: DriveId,
        tag: Option<&str>,
        from: Option<Element>,
        put_back: Option<Element>,
    ) {
        let bay = Element::Drive(id);
        if let Some(to) = put_back {
            self.put_into(bay, to);
        }
        let Some(from) = from else { return };
        self.put_into(from, bay);
        let medium = InDrive { tag: tag.map(str::to_owned), home: Some(from), is: None };
        self.state.drives.entry(id).and_modify(|drive| drive.medium = Some(medium));
        if let Some(tag) = tag {
            self.change_medium(tag, |m| m.loads += 1);
        }
    }

    /// A cartridge moved from an element to another.
    pub(super) fn put_into(&mut self, from: Element, to: Element) {
        let cartridge = self.state.elements.insert(from, None).flatten();
        if let Element::Drive(id) = from
            && let Some(drive) = self.drive(id)
        {
            drive.medium = None;
        }
        if let Some(tag) = cartridge.as_ref().and_then(|c| c.tag.clone()) {
            self.change_medium(&tag, |m| m.location = to.to_string());
        }
        self.state.elements.insert(to, cartridge);
    }

    /// A cartridge is in a drive, and was looked at.
    fn mounted(&mut self, id: DriveId, tag: Option<String>, found: &Found, job: Option<JobId>) {
        let bay = Element::Drive(id);
        let expected = self.drive(id).and_then(|drive| drive.expected.take());
        if *found == Found::Nothing {
            self.state.elements.insert(bay, None);
            self.state.drives.entry(id).and_modify(|drive| drive.medium = None);
            tag.iter().for_each(|tag| self.rest(tag));
            self.want_inventory();
            return self.identified(job, tag.as_deref(), found);
        }
        let label = match found {
            Found::Ours(volume) => Some(volume.tag.clone()),
            _ => None,
        };
        // It is who its barcode says. Where that could not be read, its label knows better than who it was taken
        // for, if nobody else is who that says.
        let is_read =
            self.state.elements.get(&bay).is_some_and(|c| c.as_ref().is_some_and(|c| c.is_read));
        let taken_for = tag;
        let believed = taken_for.clone().filter(|tag| self.state.may_be_in(tag, bay));
        let label = label.filter(|tag| !tag.is_empty() && self.state.may_be_in(tag, bay));
        let tag = if is_read { believed.or(label) } else { label.or(believed) };
        let tag = tag.or_else(|| self.named_by_hand(id, found, expected));
        let cartridge = Cartridge { tag: tag.clone(), is_read, is_nobody: tag.is_none() };
        if taken_for.is_some() && taken_for != tag {
            self.want_inventory();
        }
        self.state.elements.insert(bay, Some(cartridge));
        let is = match &tag {
            Some(tag) => {
                self.state.to_check.remove(tag);
                self.agree(id, tag, found)
            }
            None => Some(Is::Other),
        };
        self.state.drives.entry(id).and_modify(|drive| {
            let home = drive.medium.as_ref().and_then(|m| m.home);
            drive.medium = Some(InDrive { tag: tag.clone(), home, is });
        });
        if let Some(tag) = &tag {
            self.change_medium(tag, |m| m.location = bay.to_string());
        }
        self.identified(job, tag.as_deref(), found);
        if *found == Found::Cleaning && !self.state.drives[&id].has_changer {
            self.state.drives.entry(id).and_modify(|drive| drive.wants_cleaning = false);
            self.unload(id);
        }
    }

    /// A blank is a volume now.
    fn labelled(&mut self, id: DriveId, tag: &str, pool: &str, new: &Volume) {
        let created_s = self.state.now_s();
        let set = self.state.records.sets.get(&new.set).cloned();
        let mut set = set.unwrap_or(Set {
            id: new.set,
            pool: pool.to_owned(),
            created_s,
            volumes: Vec::new(),
            closed: false,
        });
        set.volumes.push(tag.to_owned());
        let number = u32::try_from(set.volumes.len()).unwrap_or(u32::MAX);
        self.put(Record::Set(set));
        self.was_of_use(tag);
        self.change_medium(tag, |m| {
            m.volume = Some(new.volume);
            m.set = Some((new.set, number));
            m.pool = Some(pool.to_owned());
            m.state = MediumState::Appendable;
            m.valid_to = new.end;
            m.bytes = 0;
            m.expires_s = None;
        });
        self.is_now(id, Is::Volume { volume: new.volume, end: new.end });
        // The set of a session that waits may be closed meanwhile: it goes on in the new one.
        let session = self.drive(id).and_then(|drive| drive.session.as_mut());
        session.into_iter().for_each(|session| session.set = new.set);
        self.tell(None, format!("{id}: {tag} is volume {number} of a set of {pool}"));
    }

    /// An errand made something else of what is in a drive. Void if the medium may have been changed
    /// meanwhile.
    pub(super) fn is_now(&mut self, id: DriveId, is: Is) {
        let medium = self.drive(id).and_then(|drive| drive.medium.as_mut());
        if let Some(before) = medium.and_then(|medium| medium.is.as_mut()) {
            *before = is;
        }
    }

    fn errand_failed(&mut self, id: DriveId, task: Task, why: &str) {
        let passed_s = self.state.passed_s();
        let is_stopped = match &task {
            Task::Read(job) => !self.state.readings.contains_key(job),
            _ => false,
        };
        let settings = self.state.settings.clone();
        let Some(drive) = self.drive(id) else { return };
        if !is_stopped {
            drive.failures += 1;
            drive.rests_until_s = passed_s + settings.rest_after(drive.failures);
        }
        let is_tired = !is_stopped && drive.failures == FAILURES_MAX;
        if let Some(medium) = &mut drive.medium {
            medium.is = None;
        }
        self.tell(None, format!("{id}: {why}"));
        if is_tired {
            let words = format!("{id} failed {FAILURES_MAX} times in a row: {why}");
            self.notify(Grade::Warning, words);
        }
        self.want_inventory();
        self.task_failed(id, task, why);
    }

    fn task_failed(&mut self, id: DriveId, task: Task, why: &str) {
        match task {
            Task::Mount { tag, job, .. } => {
                tag.iter().for_each(|tag| self.rest(tag));
                if let Some(job) = job {
                    self.try_again(job, why);
                }
            }
            Task::Label { tag, .. } => {
                self.ails(&tag, &format!("{id}: cannot be labelled: {why}"));
                self.rest(&tag);
            }
            Task::Read(job) => self.reading_failed(job, why),
            Task::Clean(tag) => self.rest(&tag),
            Task::Erase(tag, job) => {
                self.rest(&tag);
                self.try_again(job, why);
            }
            Task::Unload(_) => {}
        }
    }

    /// Leaves a cartridge alone with which something failed: the longer, the oftener it did since it was of use.
    pub(super) fn rest(&mut self, tag: &str) {
        let failures = self.state.failures.entry(tag.to_owned()).or_insert(0);
        *failures = failures.saturating_add(1);
        let rest_s = self.state.settings.rest_after(*failures);
        let until_s = self.state.passed_s() + rest_s;
        self.state.resting.insert(tag.to_owned(), until_s);
    }

    /// Leaves a cartridge alone that is of no use as it is.
    pub(super) fn rest_long(&mut self, tag: &str) {
        let until_s = self.state.passed_s() + self.state.settings.rest_s;
        self.state.resting.insert(tag.to_owned(), until_s);
    }

    /// A cartridge was of use.
    pub(super) fn was_of_use(&mut self, tag: &str) {
        self.state.failures.remove(tag);
    }

    /// Notes in words what a cartridge has.
    pub(super) fn ails(&mut self, tag: &str, words: &str) {
        self.change_medium(tag, |medium| {
            medium.health.push(words.to_owned());
            let over = medium.health.len().saturating_sub(HEALTH_LINES);
            medium.health.drain(..over);
        });
    }

    pub(super) fn want_inventory(&mut self) {
        self.state.inventory = Inventory::Wanted(0);
    }

    fn alerts(&mut self, id: DriveId, words: Vec<String>) {
        let tag = self.state.drives.get(&id).and_then(|d| d.tag()).map(str::to_owned);
        for alert in words {
            if let Some(tag) = &tag {
                self.ails(tag, &format!("{id}: {alert}"));
            }
            self.tell(None, format!("{id}: alert: {alert}"));
        }
    }

    fn wants_cleaning(&mut self, id: DriveId) {
        let Some(drive) = self.drive(id).filter(|drive| !drive.wants_cleaning) else { return };
        drive.wants_cleaning = true;
        self.tell(None, format!("{id} wants to be cleaned"));
    }

    pub(super) fn medium_changed(&mut self, id: DriveId) {
        let Some(drive) = self.drive(id) else { return };
        if drive.session.as_ref().is_some_and(|session| !session.needs_medium) {
            return;
        }
        if let Some(medium) = &mut drive.medium {
            medium.is = None;
        }
        if !drive.has_changer && drive.doing == Doing::Nothing {
            drive.medium = Some(InDrive { tag: None, home: None, is: None });
            self.state.elements.insert(Element::Drive(id), Some(Cartridge::UNKNOWN));
        }
        self.want_inventory();
    }

    fn lost(&mut self, id: DriveId, why: String) {
        let Some(drive) = self.drive(id) else { return };
        let doing = std::mem::replace(&mut drive.doing, Doing::Lost(why.clone()));
        if let Some(medium) = &mut drive.medium {
            medium.is = None;
        }
        if matches!(doing, Doing::Lost(_)) {
            return;
        }
        self.notify(Grade::Warning, format!("{id} cannot be reached: {why}"));
        if let Some(tag) = self.state.drives[&id].tag().map(str::to_owned) {
            self.state.to_check.insert(tag);
        }
        self.session_over(id, Some(format!("{id} was lost: {why}")), 0);
        if let Doing::Errand(_, task) = doing {
            self.task_failed(id, task, &why);
        }
        self.want_inventory();
    }

    fn back(&mut self, id: DriveId) {
        let Some(drive) = self.drive(id) else { return };
        if !matches!(drive.doing, Doing::Lost(_)) {
            return;
        }
        drive.doing = Doing::Nothing;
        drive.failures = 0;
        if let Some(medium) = &mut drive.medium {
            medium.is = None;
        }
        self.notify(Grade::Note, format!("{id} is there again"));
        self.want_inventory();
    }

    fn cleaned(&mut self, id: DriveId, tag: &str, left: Option<u32>) {
        self.state.drives.entry(id).and_modify(|drive| {
            drive.wants_cleaning = false;
            drive.medium = None;
        });
        self.change_medium(tag, |medium| {
            medium.loads += 1;
            if let MediumState::Cleaning(before) = medium.state {
                medium.state = MediumState::Cleaning(left.or(before.map(|n| n.saturating_sub(1))));
            }
        });
        self.was_of_use(tag);
        self.tell(None, format!("{id} was cleaned with {tag}"));
        self.want_inventory();
    }

    fn unloaded(&mut self, id: DriveId, to: Option<Element>) {
        match to {
            Some(to) => self.put_into(Element::Drive(id), to),
            None => {
                self.state.elements.insert(Element::Drive(id), None);
                self.state.drives.entry(id).and_modify(|drive| drive.medium = None);
            }
        }
    }
}
