//! Jobs from when they are asked for to when they are over.
//!
//! Owns the changes of their states. Whatever cuts a job leaves it as its record says: what is recorded stays, and
//! its client can go on from there.

use super::Action;
use super::action::{Grade, Reply};
use super::drives::{Doing, Task};
use super::event::{CallId, ClientSide, DriveId};
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, Record, Seconds, Work};
use crate::stream::StreamId;

/// Attempts at work that needs no client.
const ATTEMPTS_MAX: u32 = 10;
/// Users of schedules' jobs are called so.
pub(super) const SCHEDULE: &str = "schedule ";

impl Step<'_> {
    /// A job that is queued from now on.
    pub(super) fn new_job(
        &mut self,
        work: Work,
        machine: &str,
        user: &str,
        priority: i32,
    ) -> JobId {
        self.state.last_job += 1;
        let id = JobId(self.state.last_job);
        self.put(Record::Job(Job {
            id,
            work,
            machine: machine.to_owned(),
            user: user.to_owned(),
            priority,
            state: JobState::Queued,
            created_s: self.state.now_s(),
            started_s: None,
            ended_s: None,
            attempts: 0,
            recorded: 0,
            kept: Vec::new(),
            entries: 0,
            expires_s: None,
            verified_s: Default::default(),
        }));
        self.awaits_client(id);
        id
    }

    /// From now on a job waits for its client.
    pub(super) fn awaits_client(&mut self, id: JobId) {
        let passed_s = self.state.passed_s();
        let is_here = self.state.clients.contains(&id);
        if self.state.job(id).is_some_and(needs_client) && !is_here {
            self.state.client_since.insert(id, passed_s);
        }
    }

    /// At a start: what ran was cut, and what was queued waits for its clients.
    pub(super) fn restart_jobs(&mut self) {
        let open: Vec<JobId> = self.state.open.iter().copied().collect();
        for id in open {
            match self.state.job(id).map(|job| (&job.state, needs_client(job))) {
                Some((JobState::Running, true)) => self.cut(id, "the appliance started again"),
                Some((JobState::Running, false)) => {
                    self.try_again(id, "the appliance started again")
                }
                Some((JobState::Queued, _)) => self.awaits_client(id),
                _ => {}
            }
        }
        let over: Vec<JobId> = self.state.records.jobs.keys().copied().collect();
        for id in over {
            self.plan_retry(id);
            self.copy_again(id);
        }
        self.recount_quotas();
    }

    /// The client's side of a job came or went.
    pub(super) fn client(&mut self, id: JobId, side: ClientSide) {
        match side {
            ClientSide::Came { stream, from } => self.client_came(id, stream, from),
            ClientSide::Gone(why) => self.client_gone(id, &why),
        }
    }

    fn client_came(&mut self, id: JobId, stream: StreamId, from: u64) {
        let Some(job) = self.state.job(id).cloned() else {
            let cut = Some(format!("there is no job {id}"));
            return self.act(Action::EndStream { job: id, cut });
        };
        if !matches!(job.state, JobState::Queued | JobState::Held) || !needs_client(&job) {
            return self.tell_client(&job);
        }
        if let Work::Backup { stream: known, .. } = &job.work {
            let is_new = *known != stream && from == 0 && is_pulled(&job);
            if is_new {
                self.begin_stream_anew(id, stream);
            } else if *known != stream || from > job.recorded {
                let why = format!("its stream {known} is wanted from byte {}", job.recorded);
                return self.act(Action::EndStream { job: id, cut: Some(why) });
            }
        }
        self.state.clients.insert(id);
        self.state.client_since.remove(&id);
        self.state.pulled.remove(&id);
    }

    /// Who comes and is not waited for gets a true answer.
    fn tell_client(&mut self, job: &Job) {
        if job.state == JobState::Running && self.state.clients.contains(&job.id) {
            return;
        }
        let is_done = matches!(job.state, JobState::Done | JobState::DoneBut(_));
        let is_backup = matches!(job.work, Work::Backup { .. });
        if is_backup {
            self.act(Action::Confirm { job: job.id, to: job.recorded });
        }
        // A restore that was done is not done again: its stream would be whole, and empty.
        let is_whole = is_done && is_backup;
        let cut = (!is_whole).then(|| format!("job {} is {}", job.id, words(&job.state)));
        self.act(Action::EndStream { job: job.id, cut });
    }

    /// A machine that was asked again gives another stream: what there is of the old one is of no use.
    fn begin_stream_anew(&mut self, id: JobId, new: StreamId) {
        self.end_readers(id);
        self.change_job(id, |job| {
            if let Work::Backup { stream, .. } = &mut job.work {
                *stream = new;
            }
            job.recorded = 0;
            job.entries = 0;
            job.kept.clear();
        });
    }

    /// Whoever reads what a job kept would get pieces of two streams.
    fn end_readers(&mut self, of: JobId) {
        let reads = |id: &&JobId| match self.state.job(**id).map(|job| &job.work) {
            Some(Work::Restore { of: jobs, .. }) => jobs.contains(&of),
            Some(Work::Verify { of: job } | Work::Copy { of: job, .. }) => *job == of,
            _ => false,
        };
        let readers: Vec<JobId> = self.state.open.iter().filter(reads).copied().collect();
        for id in readers {
            self.over(id, JobState::Failed(format!("job {of} began anew")));
        }
    }

    fn client_gone(&mut self, id: JobId, why: &str) {
        let was_here = self.state.clients.remove(&id);
        let was_pulled = self.state.pulled.remove(&id);
        let Some(job) = self.state.job(id).cloned() else { return };
        match job.state {
            JobState::Queued if was_pulled => self.cut(id, why),
            JobState::Queued | JobState::Held if was_here => {
                self.state.readings.remove(&id);
                self.awaits_client(id);
            }
            JobState::Running if was_here && self.is_in_session(id).is_none() => self.cut(id, why),
            // The session says what it still confirmed, and then that the stream ended.
            _ => {}
        }
    }

    pub(super) fn is_in_session(&self, id: JobId) -> Option<DriveId> {
        let has = |drive: &super::drives::Drive| {
            drive.session.as_ref().is_some_and(|session| session.jobs.contains(&id))
        };
        self.state.drives.iter().find(|(_, drive)| has(drive)).map(|(id, _)| *id)
    }

    /// A job is at work.
    pub(super) fn runs(&mut self, id: JobId) {
        let now_s = self.state.now_s();
        if self.state.job(id).is_some_and(|job| job.state == JobState::Queued) {
            self.change_job(id, |job| {
                job.state = JobState::Running;
                job.started_s = Some(now_s);
                job.attempts += 1;
            });
            self.tell(Some(id), format!("job {id} runs"));
        }
    }

    /// A job is over.
    pub(super) fn over(&mut self, id: JobId, state: JobState) {
        let now_s = self.state.now_s();
        let said = words(&state);
        let is_done = matches!(state, JobState::Done | JobState::DoneBut(_));
        let has_failed = matches!(state, JobState::Failed(_));
        self.change_job(id, |job| {
            job.state = state;
            job.ended_s = Some(now_s);
        });
        match is_done {
            true => self.end_stream(id, None),
            false => self.end_stream(id, Some(said.clone())),
        }
        self.tell(Some(id), format!("job {id}: {said}"));
        if let (true, Some(Work::Erase { tag })) =
            (has_failed, self.state.job(id).map(|job| job.work.clone()))
        {
            self.end_wish(&tag, &said);
        }
        self.plan_retry(id);
    }

    /// A job left, as its record says.
    pub(super) fn left(&mut self, id: JobId, why: &str) {
        self.end_stream(id, Some(why.to_owned()));
        self.tell(Some(id), format!("job {id}: {why}"));
    }

    fn end_stream(&mut self, id: JobId, cut: Option<String>) {
        self.state.client_since.remove(&id);
        self.state.pulled.remove(&id);
        self.keep_gaps(id);
        self.state.readings.remove(&id);
        let was_here = self.state.clients.remove(&id);
        if was_here || self.is_in_session(id).is_some() {
            self.act(Action::EndStream { job: id, cut });
        }
        self.stop_reading(id);
    }

    fn stop_reading(&mut self, id: JobId) {
        let reads =
            |doing: &Doing| matches!(doing, Doing::Errand(_, Task::Read(job)) if *job == id);
        let drive = self.state.drives.iter().find(|(_, drive)| reads(&drive.doing));
        if let Some(drive) = drive.map(|(drive, _)| *drive) {
            self.send(drive, super::Errand::Stop);
        }
    }

    /// A job is cut short. What needs no client is tried again by itself.
    pub(super) fn cut(&mut self, id: JobId, why: &str) {
        let Some(job) = self.state.job(id).filter(|job| !job.state.is_over()) else { return };
        match needs_client(job) {
            true => self.over(id, JobState::Interrupted(why.to_owned())),
            false => {
                self.end_stream(id, Some(why.to_owned()));
                self.try_again(id, why);
            }
        }
    }

    /// Work that needs no client goes back to the queue, so many times.
    pub(super) fn try_again(&mut self, id: JobId, why: &str) {
        let Some(job) = self.state.job(id).filter(|job| !job.state.is_over()) else { return };
        if job.attempts >= ATTEMPTS_MAX {
            let grade = Grade::Warning;
            self.notify(grade, format!("job {id} failed {ATTEMPTS_MAX} times: {why}"));
            return self.over(id, JobState::Failed(why.to_owned()));
        }
        // An attempt counts even if it never came so far as to run.
        self.change_job(id, |job| {
            job.attempts += u32::from(job.state == JobState::Queued);
            job.state = JobState::Queued;
        });
        self.drop_copy(id);
        self.state.readings.remove(&id);
        self.tell(Some(id), format!("job {id} is tried again: {why}"));
    }

    /// Second copies are made by themselves where the pool says so.
    pub(super) fn copy_again(&mut self, id: JobId) {
        let Some(job) = self.state.job(id).cloned() else { return };
        let Work::Backup { pool, .. } = &job.work else { return };
        let is_done = matches!(job.state, JobState::Done | JobState::DoneBut(_));
        let to = self.state.records.pools.get(pool).and_then(|pool| pool.copy_to.clone());
        let Some(to) = to.filter(|_| is_done && job.recorded > 0) else { return };
        let is_it = |j: &Job| matches!(&j.work, Work::Copy { of, .. } if *of == id);
        // Copies have larger numbers than what they copy.
        let later = self.state.records.jobs.range(id..).map(|(_, job)| job);
        if later.into_iter().any(is_it) {
            return;
        }
        let work = Work::Copy { of: id, pool: to };
        self.new_job(work, &job.machine, &job.user, job.priority.saturating_sub(1));
    }

    /// Time passed.
    pub(super) fn tick(&mut self) {
        self.retry_due();
        self.fulfil_wishes();
    }

    /// Jobs whose client does not come end.
    pub(super) fn time_out(&mut self) {
        let before_s = self.state.passed_s() - self.state.settings.client_wait_s;
        let late = self.state.client_since.iter().filter(|(_, since_s)| **since_s <= before_s);
        let late: Vec<JobId> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.state.client_since.remove(&id);
            match self.state.job(id).map(|job| &job.state) {
                Some(JobState::Held) | None => {}
                Some(_) => self.cut(id, "its client did not come"),
            }
        }
    }

    /// Has machines begin whose turn comes near.
    pub(super) fn pull(&mut self) {
        let most = self.state.settings.streams_max;
        let queue: Vec<JobId> = self.state.queue.iter().map(|(_, id)| *id).collect();
        for id in queue.into_iter().take(2 * most) {
            let Some(job) = self.state.job(id) else { continue };
            let is_asked = self.state.pulled.contains(&id) || self.state.clients.contains(&id);
            if !is_pulled(job) || is_asked || self.state.pulled.len() >= most {
                continue;
            }
            let machine = far_end(job).to_owned();
            self.state.pulled.insert(id);
            self.awaits_client(id);
            self.act(Action::Pull { job: id, machine });
        }
    }

    /// What a client is told about its backup.
    pub(super) fn backup_reply(&self, id: JobId) -> Option<Reply> {
        let job = self.state.job(id)?;
        let Work::Backup { stream, level, .. } = &job.work else { return None };
        let (stream, level, recorded) = (*stream, *level, job.recorded);
        Some(Reply::Backup { job: id, stream, level, recorded, over: job.state.is_over() })
    }

    /// An interrupted backup goes back to the queue, if all that was promised of it is still there.
    pub(super) fn resume(&mut self, call: CallId, id: JobId) {
        let Some(job) = self.state.job(id).cloned() else { return };
        if matches!(job.state, JobState::Interrupted(_)) {
            if !self.state.is_chain_kept(id) {
                let why =
                    format!("of job {id}, or what it builds on, not everything is kept any more");
                return self.refuse(call, why, "begin a new backup");
            }
            if !self.state.records.machines.contains_key(&job.machine) {
                let why = format!("{} is no machine of ours", job.machine);
                return self.refuse(call, why, "have it enrolled");
            }
            if self.is_over_quota(&job.machine) {
                return self.refuse(call, over_quota(&job.machine), OVER_QUOTA_HINT);
            }
            self.state.retries.remove(&id);
            self.change_job(id, |job| {
                job.state = JobState::Queued;
                job.ended_s = None;
            });
            self.awaits_client(id);
        }
        if let Some(reply) = self.backup_reply(id) {
            self.answer(call, reply);
        }
    }

    pub(super) fn refuse(&mut self, call: CallId, why: impl Into<String>, hint: &str) {
        self.answer(call, Reply::Refused { why: why.into(), hint: hint.to_owned() });
    }

    /// What a machine gave today, and more: ends what is over its quota.
    pub(super) fn count_quota(&mut self, id: JobId, bytes: u64) {
        let Some(job) = self.state.job(id).filter(|j| matches!(j.work, Work::Backup { .. })) else {
            return;
        };
        let machine = job.machine.clone();
        let today = self.today();
        let given = self.state.given.entry(machine.clone()).or_insert((today, 0));
        if given.0 != today {
            *given = (today, 0);
        }
        given.1 = given.1.saturating_add(bytes);
        if self.is_over_quota(&machine) && self.state.clients.contains(&id) {
            self.act(Action::EndStream { job: id, cut: Some(over_quota(&machine)) });
        }
    }

    pub(super) fn is_over_quota(&self, machine: &str) -> bool {
        let quota = self.state.records.machines.get(machine).and_then(|m| m.quota_bytes);
        let given = self.state.given.get(machine).filter(|(day, _)| *day == self.today());
        quota.is_some_and(|quota| given.is_some_and(|(_, bytes)| *bytes >= quota))
    }

    fn today(&self) -> Seconds {
        self.state.now_s().div_euclid(86400)
    }

    fn recount_quotas(&mut self) {
        let today = self.today();
        for job in self.state.records.jobs.values() {
            if job.created_s.div_euclid(86400) == today && matches!(job.work, Work::Backup { .. }) {
                let given = self.state.given.entry(job.machine.clone()).or_insert((today, 0));
                given.1 = given.1.saturating_add(job.recorded);
            }
        }
    }
}

/// Why a machine's backups are refused.
pub(super) fn over_quota(machine: &str) -> String {
    format!("{machine} has given all that it may in a day")
}

/// What to do about that.
pub(super) const OVER_QUOTA_HINT: &str = "try again tomorrow, or have the quota raised";

/// Whether a job's stream has an end at a client.
pub(super) fn needs_client(job: &Job) -> bool {
    matches!(job.work, Work::Backup { .. } | Work::Restore { .. })
}

/// The machine at which a job's stream has its other end: of a restore the one that gets it, whatever became of the
/// one it was of.
pub(super) fn far_end(job: &Job) -> &str {
    match &job.work {
        Work::Restore { to, .. } => to,
        _ => &job.machine,
    }
}

/// Whether it is the authority that asks the client to begin.
pub(super) fn is_pulled(job: &Job) -> bool {
    match &job.work {
        Work::Backup { .. } => job.user.starts_with(SCHEDULE),
        Work::Restore { to, .. } => *to != job.machine,
        _ => false,
    }
}

/// How a job stands, in words.
pub fn words(state: &JobState) -> String {
    match state {
        JobState::Queued => "queued".into(),
        JobState::Held => "held".into(),
        JobState::Running => "running".into(),
        JobState::Done => "done".into(),
        JobState::DoneBut(n) => format!("done, {n} left out"),
        JobState::Interrupted(why) => format!("interrupted: {why}"),
        JobState::Failed(why) => format!("failed: {why}"),
        JobState::Cancelled(who) => format!("cancelled by {who}"),
        JobState::Damaged(why) => format!("damaged: {why}"),
    }
}
