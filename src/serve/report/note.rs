//! A note of a job: the report for people, and its numbers for programs.
//!
//! Owns what kind of note a job makes, and the keys that a webhook gets in `data`. Keys stay what they are.

use std::collections::BTreeSet;

use super::{Around, report, subject};
use crate::catalogue::record::{Job, JobState, Seconds, Work};
use crate::serve::metrics::job_state;
use crate::serve::notify::{Kind, Note};

/// The note of a job as it is now.
pub fn note(job: &Job, around: &Around<'_>, now_s: Seconds) -> Note {
    Note {
        kind: kind(job, around),
        subject: subject(job, around.waits_for),
        text: report(job, around, now_s),
        json: data(job, around),
    }
}

fn kind(job: &Job, around: &Around<'_>) -> Kind {
    match job.state {
        _ if around.waits_for.is_some() && !job.state.is_over() => Kind::Request,
        JobState::Queued | JobState::Held | JobState::Running | JobState::Done => Kind::Done,
        JobState::DoneBut(_)
        | JobState::Interrupted(_)
        | JobState::Failed(_)
        | JobState::Cancelled(_) => Kind::Problem,
        JobState::Damaged(_) => Kind::Alarm,
    }
}

fn data(job: &Job, around: &Around<'_>) -> serde_json::Value {
    let backup = match &job.work {
        Work::Backup { name, .. } => Some(name),
        _ => None,
    };
    let left_out = match job.state {
        JobState::DoneBut(count) => count,
        _ => around.left_out.len() as u64,
    };
    let media: BTreeSet<&str> = job.kept.iter().map(|kept| kept.medium.as_str()).collect();
    serde_json::json!({
        "job": job.id,
        "machine": job.machine,
        "backup": backup,
        "state": job_state(&job.state),
        "asked_s": job.created_s,
        "started_s": job.started_s,
        "ended_s": job.ended_s,
        "recorded_bytes": job.recorded,
        "entries": job.entries,
        "left_out": left_out,
        "media": media,
        "waits_for": around.waits_for.filter(|_| !job.state.is_over()),
    })
}
