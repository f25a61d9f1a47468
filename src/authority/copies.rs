//! Copies from cartridge to cartridge.
//!
//! Owns what is special about them: they read in one drive and write in another, on other cartridges than what they
//! copy, since a copy beside it would be lost with it. A copy is one as soon as it is whole: until then only its own
//! job knows where it lies, and nobody reads it.

use std::collections::BTreeSet;

use super::drives::{Doing, Drive};
use super::event::{DriveId, Element};
use super::people::{Need, Needs};
use super::reading::{Next, Range, Reading};
use super::session::add_runs;
use super::state::{State, place};
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, Kept, Pool, Work};

/// Where a copy must not be written: beside what it copies.
#[derive(Debug, Clone, Default)]
pub(super) struct Apart {
    /// The job that copies.
    pub job: Option<JobId>,
    /// The job that is copied.
    pub of: Option<JobId>,
    /// Cartridges that another copy of it lies on.
    pub tags: BTreeSet<String>,
    /// The drive it is read in.
    pub drive: Option<DriveId>,
}

impl State {
    /// Whether there are two drives that can have what a copy reads and what it writes on.
    pub(super) fn can_copy(&self) -> bool {
        let used = self.drives.values().filter(|drive| drive.is_used);
        let (served, by_hand): (Vec<_>, Vec<_>) = used.partition(|drive| drive.has_changer);
        served.len() >= 2 || by_hand.len() >= 2
    }

    /// Whether what a job copies goes on: a copy of it would lack the rest.
    pub(super) fn is_source_open(&self, job: &Job) -> bool {
        let Work::Copy { of, .. } = job.work else { return false };
        self.open.contains(&of)
    }

    /// What is left for a copy to read.
    pub(super) fn copy_plan(&self, id: JobId) -> Reading {
        let Some(job) = self.job(id) else { return Reading::default() };
        let Work::Copy { of, .. } = job.work else { return Reading::default() };
        let to = self.job(of).map_or(0, |of| of.recorded);
        Reading::of([Range { of, from: job.recorded, to, copy: None }])
    }

    /// What a job must be written apart from: a copy beside what it copies would be lost with it.
    pub(super) fn apart_from(&self, job: &Job) -> Apart {
        let Work::Copy { of, .. } = job.work else { return Apart::default() };
        let tags = self.other_copies(job.id, of).map(|run| run.medium.clone()).collect();
        Apart { job: Some(job.id), of: Some(of), tags, drive: None }
    }

    /// Copies there are, and what there is of others that are being made.
    fn other_copies(&self, but: JobId, of: JobId) -> impl Iterator<Item = &Kept> {
        let is_other = move |job: &&Job| job.id != but && is_copy_of(job, of);
        let under_way = self.open.iter().filter_map(|id| self.job(*id)).filter(is_other);
        self.job(of).into_iter().chain(under_way).flat_map(|job| &job.kept)
    }

    /// Which copy of a stream a job writes.
    pub(super) fn copy_number(&self, id: JobId) -> u8 {
        let Some(job) = self.job(id) else { return 0 };
        let Work::Copy { of, .. } = job.work else { return 0 };
        let own = job.kept.first().map(|run| run.copy);
        let last = || self.other_copies(id, of).map(|run| run.copy).max();
        own.unwrap_or_else(|| last().map_or(0, |last| last.saturating_add(1)))
    }

    /// Whether a copy to a pool is being made, or will be.
    pub(super) fn is_being_copied(&self, of: JobId, to: &str) -> bool {
        let is_it = |job: &Job| matches!(&job.work, Work::Copy { pool, .. } if pool == to);
        let mut open = self.open.iter().filter_map(|id| self.job(*id));
        open.any(|job| is_copy_of(job, of) && is_it(job))
    }

    /// Whether what a drive writes is what a copy must stay apart from, or may become it. What a copy left it does
    /// not come back to: of what the drive says then, nobody knows which beginning it is of.
    pub(super) fn is_beside(&self, id: DriveId, apart: &Apart) -> bool {
        if apart.drive == Some(id) {
            return true;
        }
        let Some(session) = self.drives.get(&id).and_then(|drive| drive.session.as_ref()) else {
            return false;
        };
        let copies = |id: &JobId| match self.job(*id).map(|job| &job.work) {
            Some(Work::Copy { of, .. }) => Some(*of) == apart.of,
            _ => false,
        };
        let has_left = apart.job.is_some_and(|job| session.left.contains(&job));
        has_left
            || apart.tags.contains(&session.tag)
            || (apart.of.is_some() && session.jobs.iter().any(copies))
    }

    /// Whether all that a copy has read is recorded, there is more of it, and nothing reads that.
    fn is_copy_that_waits(&self, id: JobId) -> bool {
        let is_copy = |job: &&Job| matches!(job.work, Work::Copy { .. });
        let Some(job) = self.job(id).filter(is_copy) else { return false };
        let reading = self.readings.get(&id).filter(|reading| reading.under_way.is_none());
        let next = reading.and_then(|reading| reading.todo.front());
        next.is_some_and(|next| next.from == job.recorded) && job.state == JobState::Running
    }

    /// The drive a copy would be written in, if none else is taken.
    fn drive_to_copy_to(&self, pool: &Pool, apart: &Apart) -> Option<DriveId> {
        let writes = |(id, drive): &(&DriveId, &Drive)| {
            drive.session.as_ref().is_some_and(|s| s.pool == pool.name)
                && !self.is_beside(**id, apart)
        };
        let in_session = self.drives.iter().find(writes).map(|(id, _)| *id);
        let new = || self.drive_for(self.choose(pool, apart)?.tag());
        in_session.or_else(new)
    }
}

impl Step<'_> {
    /// Where a copy can be written, now that it can be read: it needs two drives at once, and has both or none.
    pub(super) fn begin_copy(
        &mut self,
        job: &Job,
        pool: &Pool,
        needs: &mut Needs,
    ) -> Option<Apart> {
        if !self.state.can_copy() {
            needs.insert(Need::Drive, String::new());
            return None;
        }
        if self.state.is_source_open(job) {
            return None;
        }
        let mut apart = self.state.apart_from(job);
        let to = self.state.drive_to_copy_to(pool, &apart);
        apart.drive = Some(self.drive_to_copy_from(job, to, needs)?);
        Some(apart)
    }

    /// The drive a copy would be read in, if it can have it now; not the one it would be written in.
    fn drive_to_copy_from(
        &mut self,
        job: &Job,
        to: Option<DriveId>,
        needs: &mut Needs,
    ) -> Option<DriveId> {
        let reading = self.state.copy_plan(job.id);
        match self.state.next_of(&reading) {
            Next::Read(tag, _) if self.state.is_at_hand(&tag, None) => {
                // What lies in a drive is read there, whatever else that drive would be good for.
                let is_in_drive = matches!(self.state.place_of(&tag), Some(Element::Drive(_)));
                let drive = self.state.drive_but(&tag, to.filter(|_| !is_in_drive));
                if drive.is_some() {
                    self.state.readings.insert(job.id, reading);
                }
                drive
            }
            Next::Bring(tag) => {
                self.need_tag(&tag, job.id, needs);
                None
            }
            Next::Gap(range, why) => {
                let words = format!("bytes {}..{}: {why}", range.from, range.to);
                self.over(job.id, JobState::Failed(words));
                None
            }
            // All of it was recorded, and nobody came to say so.
            Next::Done => {
                self.written(job.id, 0);
                None
            }
            _ => None,
        }
    }

    /// All of a copy is recorded: from now on it is a place of what it copied. False: there is more of that now.
    pub(super) fn becomes_place(&mut self, id: JobId) -> bool {
        let Some(job) = self.state.job(id).cloned() else { return true };
        let Work::Copy { of, .. } = job.work else { return true };
        if self.state.job(of).is_some_and(|of| of.recorded > job.recorded) {
            self.try_again(id, &format!("job {of} went on meanwhile"));
            return false;
        }
        self.change_job(of, |of| add_runs(&mut of.kept, &job.kept));
        true
    }

    /// A stream is written from its beginning: what there is of an unfinished copy is no copy.
    pub(super) fn drop_copy(&mut self, id: JobId) {
        if self.state.job(id).is_some_and(|job| matches!(job.work, Work::Copy { .. })) {
            self.change_job(id, |job| {
                job.recorded = 0;
                job.kept.clear();
            });
        }
    }

    /// What a copy reads next may lie where a session writes, and that may wait for this copy's own. So the copy
    /// leaves its session as soon as all that it has read is recorded, and begins anew at its turn.
    pub(super) fn step_aside(&mut self, id: JobId, tag: &str) {
        let writes = |drive: &Drive| drive.session.as_ref().is_some_and(|s| s.tag == tag);
        if self.state.drives.values().any(writes) && self.state.is_copy_that_waits(id) {
            self.begins_anew(id, &format!("{tag} is being written"));
        }
    }

    /// Copies may hold all drives that the robot serves and wait for one to read in, each for the other's. Then the
    /// last of them in the queue leaves its session, and begins anew at its turn.
    pub(super) fn make_way(&mut self) {
        let mut waiting: Vec<JobId> = Vec::new();
        let served = |drive: &&Drive| {
            drive.has_changer && drive.is_used && !matches!(drive.doing, Doing::Lost(_))
        };
        for drive in self.state.drives.values().filter(served) {
            let session = drive.session.as_ref().filter(|s| !s.needs_medium && !s.is_ending);
            let jobs = session.map(|session| &session.jobs).filter(|jobs| !jobs.is_empty());
            match jobs.filter(|jobs| jobs.iter().all(|id| self.state.is_copy_that_waits(*id))) {
                Some(jobs) => waiting.extend(jobs),
                // It gets on, or will be free.
                None => return,
            }
        }
        let last = waiting.iter().filter_map(|id| self.state.job(*id)).max_by_key(|job| place(job));
        if let Some(last) = last.map(|job| job.id) {
            self.begins_anew(last, "all drives wait for each other");
        }
    }

    /// A copy leaves its session, and waits for its turn.
    fn begins_anew(&mut self, id: JobId, why: &str) {
        self.left(id, why);
        self.change_job(id, |job| job.state = JobState::Queued);
        self.drop_copy(id);
    }
}

fn is_copy_of(job: &Job, other: JobId) -> bool {
    matches!(job.work, Work::Copy { of, .. } if of == other)
}
