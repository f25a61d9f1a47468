//! What a restore would do: which cartridges, in which order, where they are, and how long it takes, about.
//!
//! Owns the estimate. It counts the reading at the speed that the drives were measured at, or at an assumed one,
//! and mounts and searches as a large drive takes for them; it knows nothing of people and of other jobs.

use super::browse::{Told, told};
use super::{Talk, refused};
use crate::authority::State;
use crate::authority::drives::Doing;
use crate::authority::event::{Element, Wanted};
use crate::catalogue::record::{Job, Kept, MediumState, Patient};
use crate::serve::plan;
use crate::tapicom::message::{Outlook, Plan, Reply, RestoreWanted, Stop, Why};
use crate::tapicom::rights;

/// What a drive reads in a second where none was measured, bytes.
const ASSUMED_RATE: u64 = 150_000_000;
/// To fetch a cartridge, load it, and put back the one before.
const MOUNT_S: u64 = 120;
/// To find a place on a tape: half of the longest way.
const LOCATE_S: u64 = 50;
/// Less than this was read too shortly to be a measure, bytes.
const MEASURED_BYTES: u64 = 64 << 20;

impl Talk {
    pub(super) fn outlook(&self, caller: &rights::Caller, wanted: &RestoreWanted) -> Told<Reply> {
        let plan = self.plan_of(caller, wanted)?;
        let ids = plan.jobs.clone();
        let jobs: Vec<Job> =
            told(self.look(move |view| {
                ids.iter().filter_map(|id| view.state.job(*id).cloned()).collect()
            }))?;
        let ranges = told(plan::plan(&self.reader, &jobs, &wanted.only, false))?.wanted;
        let shown = self.look(move |view| outlook(view.state, plan, &jobs, &ranges));
        told(shown).map(Reply::Outlook)
    }

    /// Only the plan, as those ask for it who know no more.
    pub(super) fn plan(&self, caller: &rights::Caller, wanted: &RestoreWanted) -> Told<Reply> {
        let plan = self.plan_of(caller, wanted)?;
        match plan.jobs.is_empty() {
            true => Err(Box::new(refused(Why::NotFound, "there is no such backup"))),
            false => Ok(Reply::Plan(plan)),
        }
    }
}

fn outlook(state: &State, plan: Plan, jobs: &[Job], ranges: &[Wanted]) -> Outlook {
    let (rate, measured) = rate(state);
    let mut stops: Vec<Stop> = Vec::new();
    // Where the reading of the last stop ended: the next is right there, or has to be looked for.
    let mut end: Option<(String, u64)> = None;
    for range in ranges {
        let Some(job) = jobs.iter().find(|job| job.id == range.of) else { continue };
        let copy = best_copy(state, job);
        let runs = job.kept.iter().filter(|run| run.copy == copy);
        for run in runs.filter(|run| run.from < range.to && range.from < run.to) {
            let (from, to) = (run.from.max(range.from), run.to.min(range.to));
            let block =
                |byte: u64| run.block + (byte - run.from).checked_div(run.stride).unwrap_or(0);
            let follows = end.as_ref().is_some_and(|(tag, at)| {
                *tag == run.medium && (*at..=*at + 1).contains(&block(from))
            });
            end = Some((run.medium.clone(), block(to - 1)));
            match stops.last_mut().filter(|stop| stop.medium == run.medium) {
                Some(stop) => {
                    stop.bytes += to - from;
                    stop.locates += u64::from(!follows);
                }
                None => stops.push(stop(state, run, to - from)),
            }
        }
    }
    for stop in &mut stops {
        let mount_s = if stop.place.starts_with("drive ") { 0 } else { MOUNT_S };
        stop.seconds = mount_s + stop.locates * LOCATE_S + stop.bytes.div_ceil(rate);
    }
    let is_usable = |drive: &crate::authority::drives::Drive| {
        drive.is_used && !matches!(drive.doing, Doing::Lost(_))
    };
    let drives = state.drives.iter().filter(|(_, drive)| is_usable(drive));
    let drives = drives.map(|(id, _)| u32::from(id.0)).collect();
    let seconds = stops.iter().map(|stop| stop.seconds).sum();
    Outlook { plan, stops, drives, seconds, rate, measured }
}

fn stop(state: &State, run: &Kept, bytes: u64) -> Stop {
    let at = state.place_of(&run.medium);
    let known = || state.records.media.get(&run.medium).map(|medium| medium.location.clone());
    Stop {
        medium: run.medium.clone(),
        place: at.map(|at| at.to_string()).or_else(known).unwrap_or_else(|| "unknown".into()),
        inside: at.is_some_and(|at| !matches!(at, Element::Hand(_))),
        copy: run.copy,
        bytes,
        locates: 1,
        seconds: 0,
    }
}

/// The copy of which the fewest cartridges are damaged or elsewhere.
fn best_copy(state: &State, job: &Job) -> u8 {
    let is_bad = |run: &&Kept| {
        let medium = state.records.media.get(&run.medium);
        let is_damaged = medium.is_none_or(|m| matches!(m.state, MediumState::Damaged(_)));
        is_damaged || state.place_of(&run.medium).is_none()
    };
    let mut copies: Vec<u8> = job.kept.iter().map(|run| run.copy).collect();
    copies.dedup();
    let bad = |copy: u8| job.kept.iter().filter(|run| run.copy == copy).filter(is_bad).count();
    copies.into_iter().min_by_key(|copy| (bad(*copy), *copy)).unwrap_or(0)
}

/// What the drives read in a second, on the whole, and whether that was measured.
fn rate(state: &State) -> (u64, bool) {
    let drives = state.records.health.values().filter(|h| matches!(h.of, Patient::Drive(_)));
    let (bytes, ms) =
        drives.fold((0, 0), |(bytes, ms), health| (bytes + health.read.bytes, ms + health.read.ms));
    match bytes.saturating_mul(1000).checked_div(ms).filter(|rate| *rate > 0) {
        Some(rate) if bytes >= MEASURED_BYTES => (rate, true),
        _ => (ASSUMED_RATE, false),
    }
}
