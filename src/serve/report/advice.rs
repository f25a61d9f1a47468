//! What a person should do about a job, most urgent first.
//!
//! Owns the advice for each state. Advises nothing that destroys.

use std::collections::BTreeSet;

use super::text::{clean, size};
use super::{Around, copies, is_damaged, whole_to};
use crate::catalogue::record::{Job, JobState, Work};

/// Lines of advice; there is always one.
pub fn advice(job: &Job, around: &Around<'_>) -> Vec<String> {
    if around.waits_for.is_some() && !job.state.is_over() {
        return vec![
            "Put it into a mail slot or a free slot. The job goes on by itself.".to_owned(),
        ];
    }
    match &job.state {
        JobState::Queued | JobState::Running => vec!["Nothing. It goes on by itself.".to_owned()],
        JobState::Held => vec!["Release it when it may go on.".to_owned()],
        JobState::Done => done(job),
        JobState::DoneBut(_) if matches!(job.work, Work::Restore { .. }) => vec![
            format!("See which files that are: tapicli job gaps {}.", job.id),
            "If a cartridge was elsewhere, bring it and restore those again. An older backup may have them."
                .to_owned(),
        ],
        JobState::DoneBut(_) => vec![
            "Look through what was left out. Files that come and go are no harm.".to_owned(),
            "What matters must be readable there before the next backup, which takes it then."
                .to_owned(),
        ],
        JobState::Interrupted(_) => interrupted(job),
        JobState::Failed(_) => failed(job),
        JobState::Cancelled(_) => cancelled(job),
        JobState::Damaged(_) => damaged(job, around),
    }
}

fn is_backup(job: &Job) -> bool {
    matches!(job.work, Work::Backup { .. })
}

fn done(job: &Job) -> Vec<String> {
    let lines = match (is_backup(job), job.verified_s.is_empty(), copies(job).len()) {
        (true, true, 0 | 1) => {
            "Nothing. A verification would prove it, a second copy would outlive its cartridge."
        }
        (true, true, _) => "Nothing. A verification would prove it.",
        (true, false, 0 | 1) => "Nothing. A second copy would outlive its cartridge.",
        _ => "Nothing.",
    };
    vec![lines.to_owned()]
}

fn interrupted(job: &Job) -> Vec<String> {
    if !is_backup(job) {
        return vec!["Ask for it again when the reason is put right.".to_owned()];
    }
    vec![
        match job.recorded {
            0 => "Nothing of it was recorded, so nothing of it can be restored.".to_owned(),
            bytes => format!("The first {} are recorded and can be restored.", size(bytes)),
        },
        "Put the reason right. The rest follows if the machine calls again, otherwise with the next \
         backup of that name."
            .to_owned(),
    ]
}

fn failed(job: &Job) -> Vec<String> {
    let mut lines = Vec::new();
    if is_backup(job) {
        lines.push("There is NO new backup. The ones before it are as they were.".to_owned());
    }
    lines.push("Put the reason right, then ask for it again.".to_owned());
    lines
}

fn cancelled(job: &Job) -> Vec<String> {
    match is_backup(job) {
        true => vec![
            "Nothing, if that was meant. There is no new backup until it is asked for again."
                .to_owned(),
        ],
        false => vec!["Nothing, if that was meant.".to_owned()],
    }
}

fn damaged(job: &Job, around: &Around<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let marked = damaged_media(job, around);
    let sound = copies(job).into_iter().find(|copy| is_sound(job, around, *copy));
    lines.push(match sound {
        _ if marked.is_empty() => {
            "On which cartridge it is damaged is not known: verify every copy.".to_owned()
        }
        Some(copy) => format!(
            "Copy {} is whole, as far as is known: verify it now, and copy it again.",
            u32::from(copy) + 1
        ),
        None => "No copy of it is whole. What is not damaged can still be restored.".to_owned(),
    });
    if is_backup(job) {
        lines.push("Back the machine up now, in full, while its files are there.".to_owned());
    }
    for tag in marked {
        lines.push(format!("Keep cartridge {tag} and write nothing to it.", tag = clean(tag)));
    }
    lines
}

fn is_sound(job: &Job, around: &Around<'_>, copy: u8) -> bool {
    let mut runs = job.kept.iter().filter(|kept| kept.copy == copy);
    whole_to(job, copy) >= job.recorded && !runs.any(|kept| is_damaged(around, &kept.medium))
}

fn damaged_media<'a>(job: &'a Job, around: &Around<'_>) -> BTreeSet<&'a str> {
    let tags = job.kept.iter().map(|kept| kept.medium.as_str());
    tags.filter(|tag| is_damaged(around, tag)).collect()
}
