//! Carrying out what people command, if they may.
//!
//! Owns the right each command takes, the rule that one's own machine is one's own, and the answers to
//! what begins and changes jobs.

use super::action::Reply;
use super::event::{CallId, DriveId};
use super::order::{Caller, Order};
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, Level, Right, Work};
use crate::stream::StreamId;

/// The right a command takes. What is somebody else's takes more.
pub fn right(order: &Order) -> Right {
    match order {
        Order::Backup { .. } | Order::Continue { .. } | Order::Resume { .. } => Right::BackUp,
        Order::Restore { .. } => Right::Restore,
        Order::Cancel { .. } | Order::PutTicket(_) | Order::DropTicket { .. } => Right::Look,
        Order::Verify { .. }
        | Order::Copy { .. }
        | Order::Identify { .. }
        | Order::Hold { .. }
        | Order::LetGo { .. }
        | Order::Priority { .. }
        | Order::Assign { .. }
        | Order::Release { .. }
        | Order::Retire { .. }
        | Order::Move { .. }
        | Order::Export { .. }
        | Order::Import
        | Order::Inventory
        | Order::Clean { .. }
        | Order::Unload { .. }
        | Order::Use { .. }
        | Order::RunSchedule { .. } => Right::Operate,
        Order::Wish { .. } | Order::Agree { .. } => Right::Erase,
        Order::DropWish { .. } => Right::Look,
        Order::TrustClock
        | Order::PutUser(_)
        | Order::DropUser { .. }
        | Order::PutMachine(_)
        | Order::DropMachine { .. }
        | Order::PutPool(_)
        | Order::DropPool { .. }
        | Order::PutReceivers(_)
        | Order::PutSchedule(_)
        | Order::DropSchedule { .. } => Right::Administer,
    }
}

impl Step<'_> {
    /// Somebody commands something.
    pub(super) fn asked(&mut self, call: CallId, by: &Caller, order: Order) {
        // A ticket is made at the login, before there are rights.
        let is_login = matches!(order, Order::PutTicket(_));
        let needed = right(&order);
        if !is_login && !by.may(needed) {
            self.audit(&by.name(), format!("is refused: it takes the right {needed:?}"));
            let why = format!("{} may not do that", by.user);
            return self.refuse(call, why, &format!("it takes the right {needed:?}"));
        }
        match order {
            Order::Backup { name, incremental, pool, stream, priority } => {
                self.order_backup(call, by, (name, pool, stream), incremental, priority);
            }
            Order::Continue { job, stream } => self.order_continue(call, by, job, stream),
            Order::Restore { of, only, to, priority } => {
                self.order_restore(call, by, of, only, to, priority);
            }
            Order::Verify { of } => self.order_work(call, by, of, Work::Verify { of }),
            Order::Copy { of, pool } => self.order_copy(call, by, of, pool),
            Order::Identify { tag } => {
                let id = self.new_job(Work::Identify { tag }, &by.machine, &by.user, 0);
                self.answer(call, Reply::Job(id));
            }
            Order::Cancel { job } => self.order_cancel(call, by, job),
            Order::Hold { job } => {
                self.order_state(call, by, job, JobState::Queued, JobState::Held)
            }
            Order::LetGo { job } => {
                self.order_state(call, by, job, JobState::Held, JobState::Queued)
            }
            Order::Resume { job } => self.order_resume(call, by, job),
            Order::Priority { job, priority } => self.order_priority(call, by, job, priority),
            other => self.asked_of_media(call, by, other),
        }
    }

    fn asked_of_media(&mut self, call: CallId, by: &Caller, order: Order) {
        match order {
            Order::Assign { tag, pool } => self.assign(call, by, &tag, &pool),
            Order::Release { tag } => self.release(call, by, &tag),
            Order::Retire { tag, why } => self.retire(call, by, &tag, &why),
            Order::Move { from, to } => self.order_move(call, from, to),
            Order::Export { tag } => self.export(call, &tag),
            Order::Import => self.import(call),
            Order::Inventory => {
                self.look_by_hand();
                self.want_inventory();
                self.answer(call, Reply::Done);
            }
            Order::Clean { drive } => self.order_drive(call, drive, |d| d.wants_cleaning = true),
            Order::Use { drive, on } => self.order_drive(call, drive, |d| {
                (d.is_used, d.rests_until_s, d.failures) = (on, 0, 0);
            }),
            Order::Unload { drive } => self.order_unload(call, drive),
            Order::Wish { tag } => self.wish(call, by, &tag),
            Order::Agree { wish } => self.agree_to(call, by, wish),
            Order::DropWish { wish } => self.drop_wish(call, by, wish),
            Order::TrustClock => {
                self.state.clock.trust();
                self.audit(&by.name(), "says that the clock is right");
                self.answer(call, Reply::Done);
            }
            Order::RunSchedule { name, stream } => self.run_schedule(call, by, &name, stream),
            other => self.asked_of_books(call, by, other),
        }
    }

    fn order_backup(
        &mut self,
        call: CallId,
        by: &Caller,
        what: (String, String, StreamId),
        incremental: bool,
        priority: i32,
    ) {
        let (name, pool, stream) = what;
        if let Err((why, hint)) = self.may_back_up(by, &pool, stream) {
            return self.refuse(call, why, hint);
        }
        let level = self.level(&by.machine, &name, incremental);
        // Only who operates may go before others.
        let priority = if by.may(Right::Operate) { priority } else { priority.min(0) };
        let work = Work::Backup { name, level, pool, stream };
        let id = self.new_job(work, &by.machine, &by.user, priority);
        if let Some(reply) = self.backup_reply(id) {
            self.answer(call, reply);
        }
    }

    fn order_continue(&mut self, call: CallId, by: &Caller, id: JobId, stream: StreamId) {
        let job = self.state.job(id).filter(|job| job.machine == by.machine).cloned();
        let Some(Job { work: Work::Backup { name, pool, .. }, state, recorded, priority, .. }) =
            job
        else {
            return self.refuse(call, format!("there is no backup {id} of {}", by.machine), "");
        };
        let is_cut = matches!(
            state,
            JobState::Interrupted(_) | JobState::Cancelled(_) | JobState::Failed(_)
        );
        if !is_cut || recorded == 0 || !self.state.is_chain_kept(id) {
            let why = match is_cut {
                false => format!("job {id} is {}", super::jobs::words(&state)),
                true => format!("of job {id}, or what it builds on, nothing can be built on"),
            };
            return self.refuse(call, why, "begin a new backup");
        }
        if let Err((why, hint)) = self.may_back_up(by, &pool, stream) {
            return self.refuse(call, why, hint);
        }
        self.state.retries.remove(&id);
        let work = Work::Backup { name, level: Level::Since(id), pool, stream };
        let new = self.new_job(work, &by.machine, &by.user, priority.min(0));
        self.tell(Some(id), format!("job {new} goes on with what is missing of job {id}"));
        if let Some(reply) = self.backup_reply(new) {
            self.answer(call, reply);
        }
    }

    fn may_back_up(
        &self,
        by: &Caller,
        pool: &str,
        stream: StreamId,
    ) -> Result<(), (String, &'static str)> {
        let machine = &by.machine;
        if !self.state.records.machines.contains_key(machine) {
            return Err((format!("{machine} is no machine of ours"), "have it enrolled"));
        }
        if !self.state.records.pools.contains_key(pool) {
            return Err((format!("there is no pool {pool}"), "look at the pools"));
        }
        if self.is_over_quota(machine) {
            return Err((super::jobs::over_quota(machine), super::jobs::OVER_QUOTA_HINT));
        }
        if self.state.open.len() >= self.state.settings.open_jobs_max {
            return Err(("too many jobs are waiting".into(), "try again later"));
        }
        let has_it = |id: &JobId| {
            let job = self.state.job(*id);
            job.is_some_and(
                |j| matches!(j.work, Work::Backup { stream: other, .. } if other == stream),
            )
        };
        match self.state.open.iter().any(has_it) {
            true => Err(("another job has that stream".into(), "resume that job")),
            false => Ok(()),
        }
    }

    /// Whether the caller may have what a job kept.
    fn may_have(&self, by: &Caller, of: JobId) -> Result<&Job, String> {
        let job = self.state.job(of).filter(|j| matches!(j.work, Work::Backup { .. }));
        let is_own = |job: &&Job| {
            job.machine == by.machine || by.may(Right::RestoreElsewhere) || by.may(Right::Operate)
        };
        job.filter(is_own).ok_or_else(|| format!("there is no backup {of} for {}", by.machine))
    }

    fn order_restore(
        &mut self,
        call: CallId,
        by: &Caller,
        of: Vec<JobId>,
        only: Vec<String>,
        to: String,
        priority: i32,
    ) {
        let is_own = |id: &JobId| self.state.job(*id).is_some_and(|job| job.machine == by.machine);
        let is_elsewhere = to != by.machine || !of.iter().all(is_own);
        if of.is_empty() || (is_elsewhere && !by.may(Right::RestoreElsewhere)) {
            let why = "only what this machine kept is restored, and to it";
            return self.refuse(call, why, "it takes the right RestoreElsewhere");
        }
        if !self.state.records.machines.contains_key(&to) {
            return self.refuse(call, format!("{to} is no machine of ours"), "have it enrolled");
        }
        if let Some(why) = of.iter().find_map(|id| self.may_have(by, *id).err()) {
            return self.refuse(call, why, "look at the jobs");
        }
        let work = Work::Restore { of, only, to };
        let id = self.new_job(work, &by.machine, &by.user, priority);
        self.answer(call, Reply::Job(id));
    }

    fn order_work(&mut self, call: CallId, by: &Caller, of: JobId, work: Work) {
        match self.may_have(by, of).map(|job| job.recorded) {
            Err(why) => self.refuse(call, why, "look at the jobs"),
            Ok(0) => self.refuse(call, format!("job {of} kept nothing"), ""),
            Ok(_) => {
                let id = self.new_job(work, &by.machine, &by.user, 0);
                self.answer(call, Reply::Job(id));
            }
        }
    }

    fn order_copy(&mut self, call: CallId, by: &Caller, of: JobId, pool: String) {
        let is_over = self.state.job(of).is_some_and(|job| job.state.is_over());
        let kept = self.state.job(of).into_iter().flat_map(|job| &job.kept);
        let serves = |tag: &str| {
            self.state.records.media.get(tag).is_some_and(|m| m.pool.as_ref() == Some(&pool))
        };
        let is_there = kept.into_iter().any(|run| serves(&run.medium))
            || self.state.is_being_copied(of, &pool);
        if !self.state.records.pools.contains_key(&pool) || is_there || !is_over {
            let why = format!("job {of} cannot be copied to {pool}");
            return self.refuse(call, why, "a copy of what is over goes to another pool");
        }
        self.order_work(call, by, of, Work::Copy { of, pool });
    }

    fn order_cancel(&mut self, call: CallId, by: &Caller, id: JobId) {
        match self.state.job(id).map(|job| (job.machine.clone(), job.state.is_over())) {
            Some((machine, false)) if machine == by.machine || by.may(Right::Operate) => {
                self.over(id, JobState::Cancelled(by.name()));
                self.audit(&by.name(), format!("cancels job {id}"));
                self.answer(call, Reply::Done);
            }
            Some((_, true)) => self.refuse(call, format!("job {id} is over"), ""),
            _ => self.refuse(call, format!("there is no job {id} of {}", by.machine), ""),
        }
    }

    fn order_state(&mut self, call: CallId, by: &Caller, id: JobId, from: JobState, to: JobState) {
        if self.state.job(id).is_none_or(|job| job.state != from) {
            let why = format!("job {id} is not {}", super::jobs::words(&from));
            return self.refuse(call, why, "look at the job");
        }
        let words = format!("job {id} is {}", super::jobs::words(&to));
        self.change_job(id, |job| job.state = to);
        self.awaits_client(id);
        self.audit(&by.name(), words);
        self.answer(call, Reply::Done);
    }

    fn order_resume(&mut self, call: CallId, by: &Caller, id: JobId) {
        let job = self.state.job(id).filter(|job| job.machine == by.machine);
        match job.is_some_and(|job| matches!(job.work, Work::Backup { .. })) {
            true => self.resume(call, id),
            false => self.refuse(call, format!("there is no backup {id} of {}", by.machine), ""),
        }
    }

    fn order_priority(&mut self, call: CallId, by: &Caller, id: JobId, priority: i32) {
        let can = |state: &JobState| matches!(state, JobState::Queued | JobState::Held);
        if !self.state.job(id).is_some_and(|job| can(&job.state)) {
            return self.refuse(call, format!("job {id} does not wait"), "look at the job");
        }
        self.change_job(id, |job| job.priority = priority);
        self.audit(&by.name(), format!("job {id} has priority {priority}"));
        self.answer(call, Reply::Done);
    }

    fn order_drive(
        &mut self,
        call: CallId,
        id: DriveId,
        change: impl FnOnce(&mut super::drives::Drive),
    ) {
        match self.drive(id).map(change) {
            Some(()) => self.answer(call, Reply::Done),
            None => self.refuse(call, format!("there is no {id}"), "look at the drives"),
        }
    }

    fn order_unload(&mut self, call: CallId, id: DriveId) {
        let is_empty = self.state.drives.get(&id).is_none_or(|drive| drive.medium.is_none());
        if is_empty {
            return self.refuse(call, format!("nothing is in {id}"), "");
        }
        match self.unload(id) {
            true => self.answer(call, Reply::Done),
            false => {
                self.refuse(call, format!("{id} is busy, or no slot is free"), "try again later")
            }
        }
    }
}
