//! The numbers of a moment.
//!
//! Owns what can be asked of the service, and how records are counted for it.

use std::collections::BTreeMap;

use crate::catalogue::record::{Counted, Job, JobState, Medium, MediumState, Seconds};
use crate::serve::notify::post::Counts;

/// What a drive does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveState {
    /// Nothing, and it is empty.
    Empty,
    /// Nothing, with a cartridge in it.
    Idle,
    /// A cartridge comes, goes, or is wound.
    Moving,
    /// It writes.
    Writing,
    /// It reads.
    Reading,
    /// It is cleaned.
    Cleaning,
    /// It does not answer, or not as it should.
    Failed,
}

impl DriveState {
    /// Every state with its word.
    pub const ALL: [(DriveState, &'static str); 7] = [
        (DriveState::Empty, "empty"),
        (DriveState::Idle, "idle"),
        (DriveState::Moving, "moving"),
        (DriveState::Writing, "writing"),
        (DriveState::Reading, "reading"),
        (DriveState::Cleaning, "cleaning"),
        (DriveState::Failed, "failed"),
    ];
}

/// A drive at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveNow {
    /// What people call it: `drive 0`.
    pub name: String,
    /// What it does.
    pub state: DriveState,
    /// Bytes written since the service began.
    pub written_bytes: u64,
    /// Bytes read since the service began.
    pub read_bytes: u64,
    /// Bytes a second that go through it now.
    pub bytes_per_s: u64,
    /// TapeAlerts it raised since the service began: name and how often.
    pub alerts: BTreeMap<String, u64>,
}

/// The numbers of a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The drives.
    pub drives: Vec<DriveNow>,
    /// Jobs by the word for their state.
    pub jobs: BTreeMap<&'static str, u64>,
    /// Media by the word for their state, and pool; an empty one for those that serve none.
    pub media: BTreeMap<(&'static str, String), u64>,
    /// Stream bytes that were recorded since the service began.
    pub recorded_bytes: u64,
    /// When the last backup ended well, by machine and name.
    pub last_success_s: BTreeMap<(String, String), Seconds>,
    /// Requests that wait for a person.
    pub requests: u64,
    /// Bytes of the catalogue on disk.
    pub catalogue_bytes: u64,
    /// What drives counted with each cartridge: bytes, corrected and hard errors, writing and reading.
    pub counted: BTreeMap<String, [Counted; 2]>,
    /// What came of notes, by receiver.
    pub notes: BTreeMap<String, Counts>,
}

/// The words for states of jobs.
pub(super) const JOB_STATES: [&str; 9] = [
    "queued",
    "held",
    "running",
    "done",
    "done-but",
    "interrupted",
    "failed",
    "cancelled",
    "damaged",
];

/// The word for a state, the same wherever programs read it.
pub fn job_state(state: &JobState) -> &'static str {
    match state {
        JobState::Queued => JOB_STATES[0],
        JobState::Held => JOB_STATES[1],
        JobState::Running => JOB_STATES[2],
        JobState::Done => JOB_STATES[3],
        JobState::DoneBut(_) => JOB_STATES[4],
        JobState::Interrupted(_) => JOB_STATES[5],
        JobState::Failed(_) => JOB_STATES[6],
        JobState::Cancelled(_) => JOB_STATES[7],
        JobState::Damaged(_) => JOB_STATES[8],
    }
}

fn medium_state(state: &MediumState) -> &'static str {
    match state {
        MediumState::Unknown => "unknown",
        MediumState::Blank => "blank",
        MediumState::Appendable => "appendable",
        MediumState::Full => "full",
        MediumState::ReadOnly(_) => "read-only",
        MediumState::Damaged(_) => "damaged",
        MediumState::Foreign(_) => "foreign",
        MediumState::Cleaning(_) => "cleaning",
    }
}

impl Snapshot {
    /// Counts a job, and when it ended if it is a backup that is whole.
    pub fn count_job(&mut self, job: &Job) {
        use crate::catalogue::record::Work;
        *self.jobs.entry(job_state(&job.state)).or_default() += 1;
        let is_success = matches!(job.state, JobState::Done | JobState::DoneBut(_));
        if let (Work::Backup { name, .. }, Some(ended), true) = (&job.work, job.ended_s, is_success)
        {
            let last = self.last_success_s.entry((job.machine.clone(), name.clone()));
            let last = last.or_insert(ended);
            *last = ended.max(*last);
        }
    }

    /// Counts a medium.
    pub fn count_medium(&mut self, medium: &Medium) {
        let pool = medium.pool.clone().unwrap_or_default();
        *self.media.entry((medium_state(&medium.state), pool)).or_default() += 1;
    }
}
