//! One event in, the actions that follow out.
//!
//! Owns the order of things within a step: first the clock, then the event, then whatever can begin now, then
//! what people must be asked. And the barrier: all that a step changes in the records is committed at once, before
//! anything that it has done.

use super::Errand;
use super::action::{Action, Grade, Reply};
use super::event::{CallId, DriveId, ErrandId, Event};
use super::state::State;
use crate::catalogue::record::{Change, Job, JobId, Medium, Record, Seconds};

/// What follows from an event.
pub fn step(state: &mut State, now: Seconds, event: Event) -> Vec<Action> {
    let newest_s = state.records.newest_s;
    state.clock.read(now, newest_s);
    let mut step = Step { state, actions: Vec::new(), changes: Vec::new() };
    step.take(event);
    step.deal();
    step.end()
}

/// A step under way.
pub(super) struct Step<'a> {
    pub state: &'a mut State,
    actions: Vec<Action>,
    changes: Vec<Change>,
}

impl Step<'_> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Started { drives } => self.started(drives),
            Event::Came(drive) => self.came(drive),
            Event::Tick => self.tick(),
            Event::Library(found) => self.library(found),
            Event::LibraryTrouble(why) => self.library_trouble(why),
            Event::Moved { from, to, trouble } => self.moved(from, to, trouble),
            Event::Asked { call, by, order } => self.asked(call, &by, order),
            Event::Client { job, side } => self.client(job, side),
            Event::Drive { drive, errand, said } => self.said(drive, errand, said),
            Event::Planned { job, wanted } => self.planned(job, wanted),
            Event::Answer { request, by, how } => self.answered(request, &by, how),
            Event::Noted { who, what } => self.audit(&who, what),
            Event::Due { schedule, stream } => self.due(&schedule, stream),
        }
    }

    /// What comes of an event is a later event, so nothing must be done before all is committed; and nobody can
    /// cut a step in the middle of its changes.
    fn end(mut self) -> Vec<Action> {
        if !self.changes.is_empty() {
            self.actions.insert(0, Action::Record(self.changes));
        }
        self.actions
    }

    /// Something to be done, after all that is changed is committed.
    pub fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// A record is different from now on.
    pub fn put(&mut self, record: Record) {
        if let Record::Job(job) = &record {
            self.state.index(job);
        }
        self.state.records.apply(Change::Put(Box::new(record.clone())));
        let is_it = |c: &Change| matches!(c, Change::Put(other) if super::records::same_key(other, &record));
        self.changes.retain(|change| !is_it(change));
        self.changes.push(Change::Put(Box::new(record)));
    }

    /// A record is gone.
    pub fn forget(&mut self, change: Change) {
        self.state.records.apply(change.clone());
        self.changes.push(change);
    }

    /// Changes a job, if it is there.
    pub fn change_job(&mut self, id: JobId, change: impl FnOnce(&mut Job)) {
        if let Some(mut job) = self.state.records.jobs.get(&id).cloned() {
            change(&mut job);
            self.put(Record::Job(job));
        }
    }

    /// Changes a medium, if it is there and the change is one.
    pub fn change_medium(&mut self, tag: &str, change: impl FnOnce(&mut Medium)) {
        let Some(before) = self.state.records.media.get(tag) else { return };
        let mut medium = before.clone();
        change(&mut medium);
        if medium != *before {
            self.put(Record::Medium(medium));
        }
    }

    /// Sends a drive; its answer has the number.
    pub fn send(&mut self, drive: DriveId, what: Errand) -> ErrandId {
        self.state.last_errand += 1;
        let errand = ErrandId(self.state.last_errand);
        self.act(Action::Drive { drive, errand, what });
        errand
    }

    pub fn tell(&mut self, job: Option<JobId>, line: impl Into<String>) {
        self.act(Action::Tell { job, line: line.into() });
    }

    pub fn notify(&mut self, grade: Grade, words: impl Into<String>) {
        self.act(Action::Notify { grade, words: words.into() });
    }

    pub fn answer(&mut self, call: CallId, reply: Reply) {
        if call != CallId(0) {
            self.act(Action::Answer { call, reply });
        }
    }
}
