//! Jobs that make themselves.
//!
//! Owns what a schedule's job is when its time comes, and when one that failed is tried again. When that time is,
//! by the calendar, the shell knows.

use super::action::Reply;
use super::event::CallId;
use super::jobs::SCHEDULE;
use super::order::Caller;
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, Level, Record, Schedule, Work};
use crate::stream::StreamId;

/// The wait before a new try doubles so many times.
const DOUBLINGS_MAX: u32 = 6;

impl Step<'_> {
    /// The time of a schedule has come.
    pub(super) fn due(&mut self, name: &str, stream: StreamId) {
        let Some(schedule) = self.state.records.schedules.get(name).cloned() else { return };
        if !schedule.enabled {
            return;
        }
        if let Err(why) = self.run(&schedule, stream) {
            self.tell(None, format!("{SCHEDULE}{name} is left out: {why}"));
        }
    }

    pub(super) fn run_schedule(&mut self, call: CallId, by: &Caller, name: &str, stream: StreamId) {
        let Some(schedule) = self.state.records.schedules.get(name).cloned() else {
            return self.refuse(call, format!("there is no schedule {name}"), "");
        };
        match self.run(&schedule, stream) {
            Ok(id) => {
                self.audit(&by.name(), format!("runs schedule {name}: job {id}"));
                self.answer(call, Reply::Job(id));
            }
            Err(why) => self.refuse(call, why, "wait, or cancel it"),
        }
    }

    fn run(&mut self, schedule: &Schedule, stream: StreamId) -> Result<JobId, String> {
        let user = format!("{SCHEDULE}{}", schedule.name);
        let open = self.state.open.iter().chain(self.state.retries.keys());
        let mut before = open.filter(|id| self.state.job(**id).is_some_and(|job| job.user == user));
        if let Some(id) = before.next() {
            return Err(format!("job {id} of it is not over"));
        }
        if !self.state.records.machines.contains_key(&schedule.machine) {
            return Err(format!("{} is no machine of ours", schedule.machine));
        }
        if self.is_over_quota(&schedule.machine) {
            return Err(super::jobs::over_quota(&schedule.machine));
        }
        let is_full = schedule.runs.is_multiple_of(u64::from(schedule.full_every.max(1)));
        let level = self.level(&schedule.machine, &schedule.backup, !is_full);
        let (name, pool) = (schedule.backup.clone(), schedule.pool.clone());
        let work = Work::Backup { name, level, pool, stream };
        let id = self.new_job(work, &schedule.machine, &user, schedule.priority);
        let last_s = Some(self.state.now_s());
        let runs = schedule.runs + 1;
        self.put(Record::Schedule(Schedule { runs, last_s, ..schedule.clone() }));
        Ok(id)
    }

    /// What a backup takes: only what changed, if that is wanted and there is something to build on.
    pub(super) fn level(&self, machine: &str, name: &str, is_incremental: bool) -> Level {
        let is_base = |job: &&Job| {
            let is_done = matches!(job.state, JobState::Done | JobState::DoneBut(_));
            is_done
                && job.machine == machine
                && matches!(&job.work, Work::Backup { name: other, .. } if other == name)
                && self.state.is_chain_kept(job.id)
        };
        match self.state.records.jobs.values().rev().find(is_base).filter(|_| is_incremental) {
            Some(base) => Level::Since(base.id),
            None => Level::Full,
        }
    }

    /// A schedule's job that came to nothing is tried again after a while.
    pub(super) fn plan_retry(&mut self, id: JobId) {
        let Some(job) = self.state.job(id) else { return };
        let has_failed = matches!(job.state, JobState::Interrupted(_) | JobState::Failed(_));
        let schedule = job.user.strip_prefix(SCHEDULE);
        let schedule = schedule.and_then(|name| self.state.records.schedules.get(name));
        let (Some(schedule), Work::Backup { .. }, true) = (schedule, &job.work, has_failed) else {
            return;
        };
        let tries = job.attempts.max(1);
        let ended_s = job.ended_s.unwrap_or(job.created_s);
        let wait_s = self.state.settings.retry_s << (tries - 1).min(DOUBLINGS_MAX);
        let at_s = ended_s.saturating_add(wait_s);
        let is_late = at_s > job.created_s.saturating_add(schedule.window_s);
        if tries <= schedule.retries && !is_late && schedule.enabled {
            let left_s = at_s.saturating_sub(self.state.now_s()).max(0);
            self.state.retries.insert(id, self.state.passed_s() + left_s);
        }
    }

    /// Tries again what is due, and leaves out what began too late.
    pub(super) fn retry_due(&mut self) {
        let passed_s = self.state.passed_s();
        let due = self.state.retries.iter().filter(|(_, at_s)| **at_s <= passed_s);
        let due: Vec<JobId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.state.retries.remove(&id);
            let can_be_tried = |j: &Job| {
                matches!(j.state, JobState::Interrupted(_) | JobState::Failed(_))
                    && self.state.records.machines.contains_key(&j.machine)
            };
            if !self.state.job(id).is_some_and(can_be_tried) {
                continue;
            }
            let is_kept = self.state.is_chain_kept(id);
            self.change_job(id, |job| {
                // What it was to build on is gone.
                if let (Work::Backup { level, .. }, false) = (&mut job.work, is_kept) {
                    *level = Level::Full;
                }
                job.state = JobState::Queued;
                job.ended_s = None;
                // An attempt counts even if it never came so far as to run.
                job.attempts = job.attempts.max(1);
            });
            self.awaits_client(id);
            self.tell(Some(id), format!("job {id} is tried again"));
        }
        self.leave_out_late();
    }

    fn leave_out_late(&mut self) {
        let now_s = self.state.now_s();
        let is_late = |job: &&Job| {
            let name = job.user.strip_prefix(SCHEDULE);
            let schedule = name.and_then(|name| self.state.records.schedules.get(name));
            let window_s = schedule.map_or(i64::MAX, |schedule| schedule.window_s);
            let is_backup = matches!(job.work, Work::Backup { .. });
            is_backup && job.started_s.is_none() && job.created_s.saturating_add(window_s) < now_s
        };
        let queued = self.state.queue.iter().filter_map(|(_, id)| self.state.job(*id));
        let late: Vec<JobId> = queued.filter(is_late).map(|job| job.id).collect();
        for id in late {
            self.over(id, JobState::Failed("it did not begin in its time".into()));
        }
    }
}
