//! A job's report, for a person who is tired.
//!
//! Owns the order: what happened in the first line, then numbers, where it lies, what was left out, and what to
//! do now, in 80 columns. Owns too what a job is called, in reports, subjects and the log. Says of a job only
//! what its record says, in the words of the ladder: recorded, verified, second copy.

mod advice;
mod note;
mod text;

use jiff::tz::TimeZone;

use crate::catalogue::record::{
    Gaps, Job, JobState, Kept, Level, Medium, MediumState, Seconds, Work,
};
use text::{Sheet, clean, count, duration, shortened, size, time};

pub use note::note;
pub use text::COLUMNS;

/// Names of things left out that are shown.
const LEFT_OUT_SHOWN: usize = 20;
/// Runs of a copy that are shown.
const RUNS_SHOWN: usize = 40;

/// What is known around a job that its record does not say.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Media, at least those it lies on.
    pub media: &'a [Medium],
    /// Names of what it left out, each with its reason; the first of them at least.
    pub left_out: &'a [String],
    /// What a person is asked for while it waits: `cartridge TAP002L9, or a blank one for pool daily`.
    pub waits_for: Option<&'a str>,
    /// By whose clocks times are told.
    pub zone: &'a TimeZone,
}

/// What a restore could not give back, as its report names it: bytes, and where they should be.
pub fn lost(gaps: Option<&Gaps>) -> Vec<String> {
    let all = gaps.into_iter().flat_map(|gaps| &gaps.lost);
    all.map(|lost| {
        let (medium, block, why) = (clean(&lost.medium), lost.block, clean(&lost.why));
        let (of, from, to) = (lost.of, lost.from, lost.to);
        format!("{medium}, block {block}: bytes {from} to {to} of job {of}: {why}")
    })
    .collect()
}

/// The first line: what happened, in one sentence.
pub fn subject(job: &Job, waits_for: Option<&str>) -> String {
    let what = called(job);
    if let Some(wanted) = waits_for.filter(|_| !job.state.is_over()) {
        return format!("{what} waits for {}", clean(wanted).trim_end_matches('.'));
    }
    match &job.state {
        JobState::Queued => format!("{what} waits for its turn"),
        JobState::Held => format!("{what} is held by a person"),
        JobState::Running => format!("{what} is running"),
        JobState::Done => format!("{what} is done: {}", all_of_it(&job.work)),
        JobState::DoneBut(1) => format!("{what} is done, but 1 thing was left out"),
        JobState::DoneBut(count) => format!("{what} is done, but {count} things were left out"),
        JobState::Interrupted(why) => format!("{what} was cut short: {}", clean(why)),
        JobState::Failed(why) => format!("{what} failed: {}", clean(why)),
        JobState::Cancelled(who) => format!("{what} was cancelled by {}", clean(who)),
        JobState::Damaged(why) => format!("{what} is DAMAGED: {}", clean(why)),
    }
}

/// What a job is called.
fn called(job: &Job) -> String {
    match &job.work {
        Work::Backup { name, .. } => format!("Backup {} of {}", clean(name), clean(&job.machine)),
        Work::Restore { of, to, .. } => {
            let of: Vec<String> = of.iter().map(ToString::to_string).collect();
            let jobs = if of.len() == 1 { "job" } else { "jobs" };
            format!("Restore of {jobs} {} to {}", of.join(", "), clean(to))
        }
        Work::Verify { of } => format!("Verification of job {of}"),
        Work::Copy { of, pool } => format!("Copy of job {of} to pool {}", clean(pool)),
        Work::Identify { tag } => format!("Identification of cartridge {}", clean(tag)),
        Work::Erase { tag } => format!("Erasure of cartridge {}", clean(tag)),
    }
}

/// What is true when all of it is done.
fn all_of_it(work: &Work) -> &'static str {
    match work {
        Work::Backup { .. } => "all of it is on tape and recorded",
        Work::Restore { .. } => "all of it was given back",
        Work::Verify { .. } => "all of it was read back and is right",
        Work::Copy { .. } => "a second medium has all of it",
        Work::Identify { .. } => "it is known now",
        Work::Erase { .. } => "it is blank now",
    }
}

/// All of a report.
pub fn report(job: &Job, around: &Around<'_>, now_s: Seconds) -> String {
    let mut sheet = Sheet::default();
    sheet.paragraph(&format!("{}.", subject(job, around.waits_for)));
    sheet.gap();
    numbers(&mut sheet, job, around, now_s);
    where_it_lies(&mut sheet, job, around);
    left_out(&mut sheet, job, around);
    sheet.head("What to do now");
    for line in advice::advice(job, around) {
        sheet.item(&line);
    }
    sheet.text()
}

fn numbers(sheet: &mut Sheet, job: &Job, around: &Around<'_>, now_s: Seconds) {
    let at = |at_s| time(at_s, around.zone);
    sheet.pair("job", &format!("{}, asked for by {}", job.id, clean(&job.user)));
    match &job.work {
        Work::Backup { level: Level::Full, pool, .. } => {
            sheet.pair("takes", &format!("everything, to pool {}", clean(pool)));
        }
        Work::Backup { level: Level::Since(job), pool, .. } => {
            sheet.pair("takes", &format!("what changed since job {job}, to pool {}", clean(pool)));
        }
        _ => {}
    }
    sheet.pair("asked", &at(job.created_s));
    let Some(started_s) = job.started_s else { return };
    sheet.pair("began", &at(started_s));
    let took_s = job.ended_s.unwrap_or(now_s).saturating_sub(started_s).max(0);
    match job.ended_s {
        Some(ended_s) => {
            sheet.pair("ended", &format!("{}, after {}", at(ended_s), duration(took_s)))
        }
        None => sheet.pair("so far", &duration(took_s)),
    }
    if job.attempts > 1 {
        sheet.pair("attempts", &job.attempts.to_string());
    }
    if job.recorded > 0 || job.entries > 0 {
        let entries = count(job.entries, "entry", "entries");
        sheet.pair(
            "recorded",
            &format!("{} ({} bytes), {entries}", size(job.recorded), job.recorded),
        );
    }
    if let Some(per_s) = job.recorded.checked_div(took_s.unsigned_abs()).filter(|per_s| *per_s > 0)
    {
        sheet.pair("speed", &format!("{}/s", size(per_s)));
    }
    if let Some(expires_s) = job.expires_s {
        sheet.pair("safe until", &format!("{}; nothing overwrites it before", at(expires_s)));
    }
}

/// The copies there are, in order.
fn copies(job: &Job) -> Vec<u8> {
    let mut copies: Vec<u8> = job.kept.iter().map(|kept| kept.copy).collect();
    copies.sort_unstable();
    copies.dedup();
    copies
}

/// The byte up to which a copy has everything from 0.
fn whole_to(job: &Job, copy: u8) -> u64 {
    let mut runs: Vec<&Kept> = job.kept.iter().filter(|kept| kept.copy == copy).collect();
    runs.sort_by_key(|kept| kept.from);
    runs.iter().fold(0, |to, run| if run.from <= to { to.max(run.to) } else { to })
}

fn medium<'a>(around: &Around<'a>, tag: &str) -> Option<&'a Medium> {
    around.media.iter().find(|medium| medium.tag == tag)
}

/// Whether a cartridge is lost to reading, or to our knowledge.
fn is_damaged(around: &Around<'_>, tag: &str) -> bool {
    medium(around, tag).is_none_or(|medium| matches!(medium.state, MediumState::Damaged(_)))
}

/// What there is of a copy, in words.
fn condition(job: &Job, around: &Around<'_>, copy: u8) -> String {
    let whole_to = whole_to(job, copy);
    let mut runs = job.kept.iter().filter(|kept| kept.copy == copy);
    if runs.any(|kept| is_damaged(around, &kept.medium)) {
        return "damaged or lost in part".to_owned();
    }
    match &job.state {
        _ if whole_to < job.recorded => format!("only the first {} in one piece", size(whole_to)),
        JobState::Damaged(_) => "whole, as far as is known".to_owned(),
        JobState::Done | JobState::DoneBut(_) => "whole".to_owned(),
        _ => "what is recorded so far".to_owned(),
    }
}

fn where_it_lies(sheet: &mut Sheet, job: &Job, around: &Around<'_>) {
    if job.kept.is_empty() {
        return;
    }
    sheet.head("Where it lies");
    for copy in copies(job) {
        let verified = job.verified_s.get(&copy);
        let proved = match verified {
            Some(at_s) => format!("verified {}", time(*at_s, around.zone)),
            None => "not verified yet".to_owned(),
        };
        let whole = condition(job, around, copy);
        sheet.pair(&format!("copy {}", u32::from(copy) + 1), &format!("{whole}, {proved}"));
        let runs: Vec<&Kept> = job.kept.iter().filter(|kept| kept.copy == copy).collect();
        for run in runs.iter().take(RUNS_SHOWN) {
            sheet.more(&lies(run, around));
        }
        if runs.len() > RUNS_SHOWN {
            sheet.more(&format!("and {} more runs", runs.len() - RUNS_SHOWN));
        }
    }
}

/// A run: which cartridge, where that is, which bytes.
fn lies(run: &Kept, around: &Around<'_>) -> String {
    let bytes = format!("{} to {} from block {}", size(run.from), size(run.to), run.block);
    let Some(medium) = medium(around, &run.medium) else {
        return format!("{}, which the catalogue does not know: {bytes}", clean(&run.medium));
    };
    let state = match &medium.state {
        MediumState::Damaged(why) => format!(", DAMAGED ({})", clean(why)),
        MediumState::ReadOnly(why) => format!(", read-only ({})", clean(why)),
        _ => String::new(),
    };
    format!("{}, {}{state}: {bytes}", clean(&medium.tag), clean(&medium.location))
}

fn left_out(sheet: &mut Sheet, job: &Job, around: &Around<'_>) {
    let told = around.left_out.len() as u64;
    let total = match job.state {
        JobState::DoneBut(total) => total.max(told),
        _ => told,
    };
    if total == 0 {
        return;
    }
    sheet.head(&format!("Left out: {total}"));
    let shown = around.left_out.iter().take(LEFT_OUT_SHOWN);
    shown.for_each(|name| sheet.line(&shortened(&clean(name), COLUMNS - 2)));
    let rest = total - told.min(LEFT_OUT_SHOWN as u64);
    match (told, rest) {
        (_, 0) => {}
        (0, _) => sheet.line("their names are in the job's log"),
        (_, rest) => sheet.line(&format!("and {rest} more, which are in the job's log")),
    }
}

/// The span in which everything about a job is logged: its number, machine and name.
pub fn job_span(job: &Job) -> tracing::Span {
    let name = match &job.work {
        Work::Backup { name, .. } => clean(name),
        _ => called(job).to_lowercase(),
    };
    tracing::info_span!("job", job = job.id.0, machine = %clean(&job.machine), name = %name)
}
