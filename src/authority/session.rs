//! Streams that take turns on a drive, and what of them is recorded.
//!
//! Owns the way from a drive's word that bytes are confirmed to the client's being told: first the record, then
//! the word. A job is done only if its stream ended whole and all of it is recorded.

use std::collections::BTreeSet;

use super::drives::{Is, Session};
use super::event::{DriveId, Ending, ErrandId, Said};
use super::step::Step;
use super::{Action, Errand, Grade};
use crate::catalogue::record::{JobId, JobState, Kept, MediumState, NewSet, Record, Work};

/// What a drive said to be confirmed.
struct Synced {
    job: JobId,
    from: u64,
    to: u64,
    kept: Vec<Kept>,
    valid_to: u64,
    entries: u64,
}

impl Step<'_> {
    /// Gets the drive ready to append to the volume in it.
    pub(super) fn begin_session(&mut self, id: DriveId, tag: &str, pool: &str) {
        let Some(Is::Volume { volume, end }) =
            self.state.drives.get(&id).and_then(|d| d.has_read(tag)).cloned()
        else {
            return;
        };
        let Some((set, _)) = self.state.records.media.get(tag).and_then(|m| m.set) else { return };
        let errand = self.send(id, Errand::Begin { tag: tag.to_owned(), volume, end });
        let session = Session {
            errand,
            tag: tag.to_owned(),
            pool: pool.to_owned(),
            set,
            jobs: BTreeSet::new(),
            left: BTreeSet::new(),
            needs_medium: false,
            is_ending: false,
            is_touched: false,
        };
        self.state.drives.entry(id).and_modify(|drive| drive.session = Some(session));
    }

    /// A job's stream joins the session of a drive.
    pub(super) fn join(&mut self, id: DriveId, job: JobId) {
        let now_s = self.state.now_s();
        self.change_job(job, |job| {
            job.state = JobState::Running;
            job.started_s = Some(now_s);
            job.attempts += 1;
        });
        let from = self.state.job(job).map_or(0, |job| job.recorded);
        if let Some(session) = self.drive(id).and_then(|drive| drive.session.as_mut()) {
            session.jobs.insert(job);
        }
        self.send(id, Errand::Join { job, from });
        self.tell(Some(job), format!("job {job} writes on {id} from byte {from}"));
    }

    /// A volume was made for a session that waits for one.
    pub(super) fn go_on(&mut self, id: DriveId, tag: &str) {
        let Some(session) = self.drive(id).and_then(|drive| drive.session.as_mut()) else { return };
        session.tag = tag.to_owned();
        session.needs_medium = false;
        self.send(id, Errand::GoOn);
    }

    pub(super) fn session_said(&mut self, id: DriveId, errand: ErrandId, said: Said) {
        let session = self.state.drives.get(&id).and_then(|drive| drive.session.as_ref());
        if session.is_none_or(|session| session.errand != errand) {
            return;
        }
        match said {
            Said::Synced { job, from, to, kept, valid_to, entries } => {
                self.synced(id, Synced { job, from, to, kept, valid_to, entries });
            }
            Said::JobEnded { job, how } => self.job_ended(id, job, how),
            Said::NeedsMedium { fault } => self.needs_medium(id, fault),
            Said::SessionOver { fault, end } => self.session_over(id, fault, end),
            _ => {}
        }
    }

    fn synced(&mut self, id: DriveId, said: Synced) {
        let Some(session) = self.state.drives[&id].session.clone() else { return };
        let Some(job) = self.state.job(said.job).filter(|j| session.jobs.contains(&j.id)) else {
            return;
        };
        if said.to <= job.recorded {
            return;
        }
        // What still comes of a copy that begins anew is no part of it.
        if matches!(job.work, Work::Copy { .. }) && job.state != JobState::Running {
            return self
                .change_medium(&session.tag, |m| m.valid_to = m.valid_to.max(said.valid_to));
        }
        if said.from != job.recorded || !is_whole(&said, &session.tag) {
            let why = format!(
                "{id} confirmed {}..{} where {}.. was next: a defect",
                said.from, said.to, job.recorded
            );
            return self.act(Action::EndStream { job: said.job, cut: Some(why) });
        }
        self.was_of_use(&session.tag);
        self.keep(said.job, &session.tag, &said.kept, said.to);
        self.change_job(said.job, |job| job.entries = job.entries.max(said.entries));
        self.change_medium(&session.tag, |m| m.valid_to = m.valid_to.max(said.valid_to));
        self.act(Action::Confirm { job: said.job, to: said.to });
        self.count_quota(said.job, said.to - said.from);
    }

    /// Bytes of a job's stream are on a medium: its record says so, and nothing there is overwritten before its
    /// time.
    pub(super) fn keep(&mut self, id: JobId, tag: &str, kept: &[Kept], to: u64) {
        let Some(job) = self.state.job(id) else { return };
        let copy = self.state.copy_number(id);
        let pool = match &job.work {
            Work::Backup { pool, .. } | Work::Copy { pool, .. } => pool.clone(),
            _ => return,
        };
        let expires_s = Some(self.expiry(&pool));
        let volume = self.state.records.media.get(tag).and_then(|m| m.volume);
        let runs = kept.iter().map(|k| Kept { copy, medium: tag.to_owned(), volume, ..k.clone() });
        let runs: Vec<Kept> = runs.collect();
        let bytes: u64 = runs.iter().map(|run| run.to - run.from).sum();
        self.change_job(id, |job| {
            add_runs(&mut job.kept, &runs);
            job.recorded = to;
            job.expires_s = job.expires_s.max(expires_s);
        });
        self.change_medium(tag, |medium| medium.bytes += bytes);
        // What was written before stays as long as what is written now.
        self.keep_media_of(id);
    }

    /// Media are kept as long as any job that has something on them.
    pub(super) fn keep_media_of(&mut self, id: JobId) {
        let Some(job) = self.state.job(id) else { return };
        let expires_s = job.expires_s;
        let mut tags: Vec<String> = job.kept.iter().map(|run| run.medium.clone()).collect();
        tags.dedup();
        for tag in tags {
            self.change_medium(&tag, |m| m.expires_s = m.expires_s.max(expires_s));
        }
    }

    /// Until when what is written now for a pool is kept.
    fn expiry(&self, pool: &str) -> i64 {
        let retention_s = self.state.records.pools.get(pool).map_or(0, |pool| pool.retention_s);
        self.state.clock.latest_s().saturating_add(retention_s)
    }

    fn job_ended(&mut self, id: DriveId, job: JobId, how: Ending) {
        let Some(session) = self.drive(id).and_then(|d| d.session.as_mut()) else { return };
        if !session.jobs.remove(&job) {
            return;
        }
        session.left.insert(job);
        let Some(record) = self.state.job(job).filter(|j| j.state == JobState::Running) else {
            return;
        };
        match how {
            Ending::Whole { bytes, left_out } if bytes == record.recorded => {
                self.written(job, left_out);
            }
            Ending::Whole { bytes, .. } => {
                let why = format!("{} of {bytes} bytes are recorded: a defect", record.recorded);
                self.cut(job, &why);
            }
            Ending::Cut(why) => self.cut(job, &why),
        }
    }

    /// All of a job's stream is recorded.
    pub(super) fn written(&mut self, id: JobId, left_out: u64) {
        let state = if left_out == 0 { JobState::Done } else { JobState::DoneBut(left_out) };
        self.prolong(id);
        if self.becomes_place(id) {
            self.over(id, state);
            self.copy_again(id);
        }
    }

    /// Retention counts from the end of a job, and what it builds on stays as long.
    fn prolong(&mut self, id: JobId) {
        let Some(job) = self.state.job(id) else { return };
        let Work::Backup { pool, .. } = &job.work else { return };
        let expires_s = Some(self.expiry(pool));
        for base in self.state.chain(id) {
            if let Some(JobState::Damaged(why)) = self.state.job(base).map(|job| &job.state) {
                let words = format!("job {id} builds on job {base}, which is damaged: {why}");
                self.notify(Grade::Alarm, words);
            }
            if self.state.job(base).is_some_and(|job| self.state.has_all(job)) {
                self.change_job(base, |job| job.expires_s = job.expires_s.max(expires_s));
                self.keep_media_of(base);
            }
        }
    }

    fn needs_medium(&mut self, id: DriveId, fault: Option<String>) {
        let Some(session) = self.drive(id).and_then(|d| d.session.as_mut()) else { return };
        if session.needs_medium {
            return;
        }
        session.needs_medium = true;
        let tag = session.tag.clone();
        if let Some(fault) = &fault {
            self.ails(&tag, &format!("{id}: {fault}"));
        }
        self.change_medium(&tag, |medium| {
            if medium.state == MediumState::Appendable {
                medium.state = fault.map_or(MediumState::Full, MediumState::ReadOnly);
            }
        });
        self.tell(None, format!("{id}: {tag} is full"));
    }

    /// The session of a drive is over, with whatever jobs are in it.
    pub(super) fn session_over(&mut self, id: DriveId, fault: Option<String>, end: u64) {
        let Some(session) = self.drive(id).and_then(|drive| drive.session.take()) else { return };
        match &fault {
            Some(fault) => self.session_failed(id, &session, fault),
            None => self.session_ended(id, &session, end),
        }
        let why = fault.unwrap_or_else(|| "the session is over".into());
        for job in &session.jobs {
            if self.state.job(*job).is_some_and(|job| job.state == JobState::Running) {
                self.cut(*job, &why);
            }
        }
        self.close_set(&session);
        if session.is_touched {
            self.medium_changed(id);
        }
    }

    fn session_ended(&mut self, id: DriveId, session: &Session, end: u64) {
        self.state.drives.entry(id).and_modify(|drive| {
            if let Some(Is::Volume { end: known, .. }) =
                drive.medium.as_mut().and_then(|medium| medium.is.as_mut())
            {
                *known = end;
            }
        });
        if !session.needs_medium {
            self.change_medium(&session.tag, |m| m.valid_to = m.valid_to.max(end));
        }
    }

    /// Nobody knows how the medium stands: it is looked at before anything else is done with it.
    fn session_failed(&mut self, id: DriveId, session: &Session, fault: &str) {
        self.ails(&session.tag, &format!("{id}: {fault}"));
        self.state.to_check.insert(session.tag.clone());
        self.state.drives.entry(id).and_modify(|drive| {
            if let Some(medium) = &mut drive.medium {
                medium.is = None;
            }
        });
        self.tell(None, format!("{id}: {fault}"));
    }

    fn close_set(&mut self, session: &Session) {
        let pool = self.state.records.pools.get(&session.pool);
        if pool.is_some_and(|pool| pool.new_set == NewSet::Always)
            && let Some(mut set) = self.state.records.sets.get(&session.set).cloned()
        {
            set.closed = true;
            self.put(Record::Set(set));
        }
    }
}

/// Whether runs cover what was confirmed, in order, on this medium.
fn is_whole(said: &Synced, tag: &str) -> bool {
    let mut at = said.from;
    for run in &said.kept {
        if run.from != at || run.to <= run.from || run.medium != tag || run.block >= said.valid_to {
            return false;
        }
        at = run.to;
    }
    at == said.to
}

/// Adds runs, and joins what goes on where another ended.
pub(super) fn add_runs(kept: &mut Vec<Kept>, runs: &[Kept]) {
    for run in runs {
        match kept.last_mut().filter(|last| goes_on(last, run)) {
            Some(last) => last.to = run.to,
            None => kept.push(run.clone()),
        }
    }
    kept.sort_by_key(|run| (run.copy, run.from));
}

fn goes_on(last: &Kept, run: &Kept) -> bool {
    let bytes = last.to - last.from;
    (last.copy, &last.medium, last.volume, last.to, last.stride)
        == (run.copy, &run.medium, run.volume, run.from, run.stride)
        && last.stride != 0
        && bytes.is_multiple_of(last.stride)
        && last.block.checked_add(bytes / last.stride) == Some(run.block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from: u64, to: u64, block: u64, stride: u64) -> Kept {
        Kept { copy: 0, from, to, medium: "A".into(), volume: None, block, stride }
    }

    #[test]
    fn runs_that_go_on_are_one() {
        let mut kept = Vec::new();
        add_runs(&mut kept, &[run(0, 200, 4, 100), run(200, 350, 6, 100)]);
        assert_eq!(kept, [run(0, 350, 4, 100)]);
        add_runs(&mut kept, &[run(350, 400, 8, 100), run(400, 500, 10, 100)]);
        let expected = [run(0, 350, 4, 100), run(350, 400, 8, 100), run(400, 500, 10, 100)];
        assert_eq!(kept, expected, "a short block and a hole end a run");
    }
}
