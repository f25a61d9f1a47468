//! What the service tells those who do not ask it: notes, and numbers.
//!
//! Owns the choice of what is worth a note. A backup that ended well on its own is none, unless it ran by a
//! schedule: then people wait for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::metrics::{DriveNow, DriveState, Snapshot, Take};
use super::notify::{Kind, Note, Notifier};
use super::report::{self, Around, note};
use super::shell::{Happen, Happening, View, now_s, send};
use crate::authority::State;
use crate::authority::action::Grade;
use crate::authority::drives::{Doing, Drive, Task};
use crate::authority::event::DriveId;
use crate::catalogue::record::{Counted, Health, Job, JobState, Patient, Receiver, Work};
use crate::stream::Fault;

/// How long the loop may take to count.
const COUNT_LIMIT: Duration = Duration::from_secs(10);

/// Tells people.
#[derive(Clone)]
pub struct World {
    notifier: Arc<Notifier>,
    zone: TimeZone,
}

impl World {
    /// Tells by `notifier`, the time by the clocks of `zone`.
    pub fn new(notifier: Notifier, zone: TimeZone) -> World {
        World { notifier: Arc::new(notifier), zone }
    }

    /// By whose clocks schedules go.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Who is told things by command.
    pub fn name(&self, receivers: &BTreeMap<String, Receiver>) {
        self.notifier.name(receivers);
    }

    /// Whether somebody can be told there.
    ///
    /// # Errors
    ///
    /// An address that is none, or that there is no way to.
    pub fn can_reach(&self, to: &str) -> Result<(), Fault> {
        Notifier::can_reach(self.notifier.mail(), to)
    }

    /// Something that somebody should know.
    pub fn words(&self, grade: Grade, words: &str) {
        let kind = match grade {
            Grade::Note => return,
            Grade::Warning => Kind::Request,
            Grade::Alarm => Kind::Alarm,
        };
        let (subject, text) = (words.to_owned(), format!("{words}\n"));
        self.notifier.tell(Note { kind, subject, text, json: serde_json::Value::Null });
    }

    /// A job is over.
    pub fn job_over(&self, job: &Job, state: &State) {
        let is_good = matches!(job.state, JobState::Done | JobState::Cancelled(_));
        let is_awaited = job.user.starts_with("schedule ");
        if is_good && !is_awaited {
            return;
        }
        let media: Vec<_> = state.records.media.values().cloned().collect();
        let lost = report::lost(state.records.gaps.get(&job.id));
        let around = Around { media: &media, left_out: &lost, waits_for: None, zone: &self.zone };
        self.notifier.tell(note(job, &around, now_s()));
    }

    /// What counts at a moment, asked of the loop.
    pub fn counter(&self, happen: Happen, catalogue: PathBuf) -> Take {
        let notifier = self.notifier.clone();
        Arc::new(move || {
            let (tell, told) = channel();
            let count = move |view: &View<'_>| {
                if tell.send(counted(view)).is_err() {
                    tracing::debug!("nobody waits for the numbers");
                }
            };
            send(&happen, Happening::Look(Box::new(count)));
            let mut snapshot = told.recv_timeout(COUNT_LIMIT).unwrap_or_default();
            snapshot.catalogue_bytes = std::fs::metadata(&catalogue).map_or(0, |meta| meta.len());
            snapshot.notes = notifier.counts().into_iter().collect();
            snapshot
        })
    }
}

fn counted(view: &View<'_>) -> Snapshot {
    let mut snapshot = Snapshot {
        requests: view.events.requests().len() as u64,
        recorded_bytes: view.events.recorded_bytes(),
        ..Snapshot::default()
    };
    let records = &view.state.records;
    records.jobs.values().for_each(|job| snapshot.count_job(job));
    records.media.values().for_each(|medium| snapshot.count_medium(medium));
    for (of, health) in &records.health {
        if let Patient::Medium(tag) = of {
            snapshot.counted.insert(tag.clone(), [health.written, health.read]);
        }
    }
    snapshot.drives = view
        .state
        .drives
        .iter()
        .map(|(id, drive)| DriveNow {
            name: id.to_string(),
            state: state_of(drive, view.state),
            written_bytes: of_drive(view, *id).map_or(0, |health| health.written.bytes),
            read_bytes: of_drive(view, *id).map_or(0, |health| health.read.bytes),
            bytes_per_s: of_drive(view, *id).map_or(0, speed),
            alerts: view.events.alerts(*id),
        })
        .collect();
    snapshot
}

/// What is known of a drive.
fn of_drive<'a>(view: &'a View<'_>, id: DriveId) -> Option<&'a Health> {
    let serial = view.serials.iter().find(|(_, drive)| **drive == id)?.0;
    view.state.records.health.get(&Patient::Drive(serial.clone()))
}

/// Bytes a second of the last job that wrote, or else read.
fn speed(health: &Health) -> u64 {
    let per_s = |counted: Counted| counted.bytes.saturating_mul(1000).checked_div(counted.ms);
    per_s(health.last_written).or(per_s(health.last_read)).unwrap_or(0)
}

fn state_of(drive: &Drive, state: &State) -> DriveState {
    match (&drive.doing, &drive.session, &drive.medium) {
        (Doing::Lost(_), ..) => DriveState::Failed,
        (Doing::Errand(_, Task::Read(job)), ..) => match state.job(*job).map(|job| &job.work) {
            Some(Work::Verify { .. } | Work::Restore { .. } | Work::Copy { .. }) => {
                DriveState::Reading
            }
            _ => DriveState::Moving,
        },
        (Doing::Errand(_, Task::Clean(_)), ..) => DriveState::Cleaning,
        (Doing::Errand(..), ..) => DriveState::Moving,
        (Doing::Nothing, Some(session), _) if !session.jobs.is_empty() => DriveState::Writing,
        (Doing::Nothing, _, Some(_)) => DriveState::Idle,
        (Doing::Nothing, _, None) => DriveState::Empty,
    }
}
