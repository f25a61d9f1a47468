//! Copies from cartridge to cartridge.
//!
//! Owns what is special about them: they read in one drive and write in another, on other cartridges than what they
//! copy, since a copy beside it would be lost with it.

use std::collections::BTreeSet;

use super::deal::{Loads, Place, Turn};
use super::drives::Drive;
use super::event::{DriveId, Element};
use super::people::{Need, Needs};
use super::reading::{Next, Range, Reading};
use super::room::When;
use super::state::State;
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, Pool, Work};

/// Where a copy must not be written: beside what it copies.
#[derive(Debug, Clone, Default)]
pub(super) struct Apart {
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
        let own = self.copy_number(job.id);
        let kept = self.job(of).into_iter().flat_map(|of| &of.kept);
        let others = kept.filter(|run| run.copy != own);
        let tags = others.map(|run| run.medium.clone()).collect();
        Apart { of: Some(of), tags, drive: None }
    }

    /// Whether what a drive writes is what a copy must stay apart from, or may become it.
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
        apart.tags.contains(&session.tag) || (apart.of.is_some() && session.jobs.iter().any(copies))
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
    /// A copy needs two drives at once, and has both or none.
    pub(super) fn begin_copy(
        &mut self,
        job: &Job,
        pool: &str,
        loads: &mut Loads,
        needs: &mut Needs,
    ) -> Turn {
        let Some(pool) = self.state.records.pools.get(pool).cloned() else {
            self.over(job.id, JobState::Failed(format!("there is no pool {pool}")));
            return Turn::Served;
        };
        if !self.state.can_copy() {
            needs.insert(Need::Drive, String::new());
            return Turn::Served;
        }
        let mut apart = self.state.apart_from(job);
        let to = self.state.drive_to_copy_to(&pool, &apart);
        let Some(from) = self.drive_to_copy_from(job, to, needs) else { return Turn::Served };
        apart.drive = Some(from);
        match self.place_to_write(&pool, &apart, loads, needs) {
            Place::Join(to) => {
                self.join(to, job.id);
                self.read_next(job.id, needs);
            }
            Place::NoMedium => self.need_medium(&pool, When::next_of(job), needs),
            Place::Soon | Place::NoDrive => {}
        }
        Turn::Served
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
                self.over(job.id, JobState::Done);
                None
            }
            _ => None,
        }
    }

    /// What a copy reads next may lie where a session writes, and that may wait for this copy's own. So the copy
    /// leaves its session as soon as all that it has read is recorded, and begins anew at its turn.
    pub(super) fn step_aside(&mut self, id: JobId, tag: &str) {
        let Some(job) = self.state.job(id) else { return };
        let writes = |drive: &Drive| drive.session.as_ref().is_some_and(|s| s.tag == tag);
        let is_written = self.state.drives.values().any(writes);
        let next = self.state.readings.get(&id).and_then(|reading| reading.todo.front());
        let is_recorded = next.is_some_and(|next| next.from == job.recorded);
        let is_copy = matches!(job.work, Work::Copy { .. }) && job.state == JobState::Running;
        if is_copy && is_written && is_recorded {
            let why = format!("{tag} is being written");
            self.left(id, &why);
            self.change_job(id, |job| job.state = JobState::Queued);
            self.drop_copy(id);
            self.state.readings.remove(&id);
        }
    }
}
