//! Which backup is to be read back next.
//!
//! Owns the choice: of what is kept and has not expired, what was proved longest ago or never, one job after the
//! other, and only while nothing else waits for a drive. A medium that rots is found while there is another copy.

use crate::authority::State;
use crate::catalogue::record::{Job, JobId, JobState, Seconds, Work};

/// When all copies of a job were proved last; of one that never was, when it was written.
fn proved_s(job: &Job) -> Seconds {
    let copies = job.kept.iter().map(|kept| kept.copy).max().map_or(1, |last| last + 1);
    let proved = |copy: u8| job.verified_s.get(&copy).copied();
    let oldest = (0..copies).map(|copy| proved(copy).or(job.ended_s).unwrap_or(0)).min();
    oldest.unwrap_or(0)
}

/// The job to be read back now, if the last time is so long ago.
pub fn next(state: &State, now_s: Seconds, every_s: Seconds) -> Option<JobId> {
    if every_s <= 0 || !state.open.is_empty() {
        return None;
    }
    let jobs = &state.records.jobs;
    // One that was tried in vain is not tried again at once.
    let tried = |id: JobId| {
        let is_try = |job: &&Job| matches!(job.work, Work::Verify { of } if of == id);
        let last = jobs.values().rev().find(is_try);
        last.is_some_and(|job| now_s - job.created_s < every_s)
    };
    let is_kept = |job: &&Job| {
        let is_good = matches!(job.state, JobState::Done | JobState::DoneBut(_));
        let is_backup = matches!(job.work, Work::Backup { .. });
        let is_safe = job.expires_s.is_none_or(|expires_s| expires_s > now_s);
        is_good && is_backup && is_safe && job.recorded > 0
    };
    let due = jobs.values().filter(is_kept).filter(|job| now_s - proved_s(job) >= every_s);
    let mut due: Vec<(Seconds, JobId)> = due.map(|job| (proved_s(job), job.id)).collect();
    due.sort_unstable();
    due.into_iter().map(|(_, id)| id).find(|id| !tried(*id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::authority::Settings;
    use crate::catalogue::record::{Level, Record};
    use crate::stream::StreamId;

    const DAY: Seconds = 86_400;

    fn backup(id: u64, ended_s: Seconds, verified: &[(u8, Seconds)]) -> Job {
        let (name, pool) = ("files".to_owned(), "default".to_owned());
        let stream = StreamId(uuid::Uuid::from_u128(u128::from(id)));
        Job {
            id: JobId(id),
            work: Work::Backup { name, level: Level::Full, pool, stream },
            machine: "web".into(),
            user: "anna".into(),
            priority: 0,
            state: JobState::Done,
            created_s: ended_s - 10,
            started_s: Some(ended_s - 9),
            ended_s: Some(ended_s),
            attempts: 1,
            recorded: 4096,
            kept: Vec::new(),
            entries: 1,
            expires_s: None,
            verified_s: verified.iter().copied().collect::<BTreeMap<_, _>>(),
        }
    }

    fn chosen(jobs: Vec<Job>, now_s: Seconds) -> Option<u64> {
        let state = State::new(jobs.into_iter().map(Record::Job), Settings::default());
        next(&state, now_s, 30 * DAY).map(|id| id.0)
    }

    #[test]
    fn what_was_proved_longest_ago_comes_first() {
        let jobs = vec![
            backup(1, DAY, &[(0, 50 * DAY)]),
            backup(2, 2 * DAY, &[]),
            backup(3, 3 * DAY, &[(0, 20 * DAY)]),
        ];
        assert_eq!(chosen(jobs.clone(), 20 * DAY), None, "nothing is so old");
        assert_eq!(chosen(jobs.clone(), 32 * DAY), Some(2));
        let mut tried = backup(4, 32 * DAY, &[]);
        tried.work = Work::Verify { of: JobId(2) };
        let all: Vec<Job> = jobs.into_iter().chain([tried]).collect();
        assert_eq!(chosen(all.clone(), 33 * DAY), None, "it was tried");
        assert_eq!(chosen(all, 51 * DAY), Some(3));
    }

    #[test]
    fn what_is_of_no_use_is_left_alone() {
        let mut expired = backup(1, DAY, &[]);
        expired.expires_s = Some(40 * DAY);
        let mut failed = backup(2, DAY, &[]);
        failed.state = JobState::Failed("x".into());
        let mut empty = backup(3, DAY, &[]);
        empty.recorded = 0;
        assert_eq!(chosen(vec![expired, failed, empty], 60 * DAY), None);
        let mut waits = backup(2, DAY, &[]);
        waits.state = JobState::Queued;
        assert_eq!(chosen(vec![backup(1, DAY, &[]), waits], 60 * DAY), None, "others wait");
    }
}
