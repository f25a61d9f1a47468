//! What a restore needs, and the index lines that go with it.
//!
//! Owns the way from jobs and patterns to ranges of their streams. Of a stream that is wanted whole it is
//! all of it; of one that is wanted in part, it is what holds the wanted entries, through all layers.

use std::collections::{BTreeMap, BTreeSet};

use super::outgo::Words;
use super::shell::Plan;
use crate::authority::event::Wanted;
use crate::catalogue::record::{Job, JobId};
use crate::catalogue::run::Run;
use crate::catalogue::{self, Reader, Snapshot};
use crate::list::{Entry, Line};
use crate::stream::{Blame, Fault};

/// Plans the giving back of what `jobs` kept, the full one first: what matches `only`, or all. With `lines`
/// the whole index goes along, as a copy needs it.
///
/// # Errors
///
/// The catalogue, a pattern that matches nothing, names that are sealed.
pub fn plan(reader: &Reader, jobs: &[Job], only: &[String], lines: bool) -> Result<Plan, Fault> {
    let snapshot = reader.snapshot()?;
    if only.is_empty() {
        return whole(&snapshot, jobs, lines);
    }
    let patterns: Vec<Vec<u8>> = only.iter().map(|text| text.clone().into_bytes()).collect();
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let mut entries: BTreeMap<JobId, Vec<Entry>> = BTreeMap::new();
    let laid = catalogue::plan::plan(&snapshot, &ids, &patterns, &mut |job, entry| {
        entries.entry(job).or_default().push(entry.clone());
        Ok(())
    })?;
    if let Some(sealed) = laid.sealed.first() {
        return Err(Fault::never(
            Blame::Operator,
            format!("the names in job {sealed} are sealed: only its recipients can choose"),
        )
        .hint("restore all of it"));
    }
    if let Some(pattern) = laid.unmatched.first() {
        let shown = String::from_utf8_lossy(pattern);
        return Err(Fault::never(Blame::Operator, format!("nothing matches {shown}"))
            .hint("tapicli ls and tapicli find show what there is"));
    }
    let mut plan = Plan { wanted: Vec::new(), words: BTreeMap::new() };
    for job in jobs {
        if let Some(entries) = entries.remove(&job.id) {
            some(&snapshot, job, entries, &mut plan)?;
        }
    }
    Ok(plan)
}

fn whole(snapshot: &Snapshot, jobs: &[Job], lines: bool) -> Result<Plan, Fault> {
    let mut plan = Plan { wanted: Vec::new(), words: BTreeMap::new() };
    for job in jobs {
        plan.wanted.push(Wanted { of: job.id, from: 0, to: job.recorded });
        let mut words = Words { cut: !lines && !is_whole(job), ..Words::default() };
        match snapshot.run(job.id)? {
            Some(run) if lines => words.behind = all_lines(&run)?,
            // Who opens the stream checks by its sealed lines that all of it came.
            Some(run) => {
                let aside = run.aside()?;
                let sealed = aside.iter().filter(|line| matches!(line, Line::Sealed(_)));
                sealed.for_each(|line| line.write(&mut words.behind));
            }
            None => {}
        }
        plan.words.insert(job.id, words);
    }
    Ok(plan)
}

/// Whether all of its stream came when it was backed up.
fn is_whole(job: &Job) -> bool {
    use crate::catalogue::record::JobState;
    // Of one that is damaged, all of it came once.
    matches!(job.state, JobState::Done | JobState::DoneBut(_) | JobState::Damaged(_))
}

/// The lines of a list, as they were told when it was made, but for their order.
pub fn all_lines(run: &Run<'_>) -> Result<Vec<u8>, Fault> {
    let mut lines = Vec::new();
    for row in run.rows_from(&[]) {
        run.line(&row?)?.write(&mut lines);
    }
    for line in run.aside()? {
        line.write(&mut lines);
    }
    for at in &run.index.seeks {
        for &(input, output) in run.seek_points(at)?.iter() {
            Line::Seek { depth: at.depth, input, output }.write(&mut lines);
        }
    }
    Ok(lines)
}

/// Some entries of a job.
fn some(
    snapshot: &Snapshot,
    job: &Job,
    mut entries: Vec<Entry>,
    plan: &mut Plan,
) -> Result<(), Fault> {
    let run = snapshot.run_of(job.id)?;
    add_link_targets(&run, &mut entries)?;
    entries.sort_by_key(|entry| entry.offset);
    entries.dedup_by_key(|entry| entry.offset);
    let mut words = Words { partial: true, ..Words::default() };
    let mut wants = joined(entries.iter().map(|e| (e.offset, e.offset.saturating_add(e.span))));
    for depth in 0..run.head.layers {
        for (from, to) in &wants {
            Line::Want { depth, from: *from, to: *to }.write(&mut words.before);
        }
        let behind = wants.into_iter().map(|want| through(&run, want, depth + 1));
        wants = joined(behind.collect::<Result<Vec<_>, Fault>>()?.into_iter());
    }
    let wanted = |(from, to): (u64, u64)| Wanted { of: job.id, from, to: to.min(job.recorded) };
    plan.wanted.extend(wants.into_iter().map(wanted));
    entries.iter().for_each(|entry| entry.write_line(&mut words.behind));
    plan.words.insert(job.id, words);
    Ok(())
}

/// A hard link's content is its target's: the target comes along.
fn add_link_targets(run: &Run<'_>, entries: &mut Vec<Entry>) -> Result<(), Fault> {
    let have: BTreeSet<Vec<u8>> = entries.iter().map(|entry| entry.path.clone()).collect();
    let links = entries.iter().filter(|entry| entry.kind == b'h');
    let wanted: BTreeSet<Vec<u8>> = links.filter_map(|entry| entry.link.clone()).collect();
    for target in wanted.difference(&have) {
        for row in run.find(&crate::catalogue::run::key::of_path(target))? {
            if let Line::Entry(entry) = run.line(&row)? {
                entries.push(entry);
            }
        }
    }
    Ok(())
}

/// Ranges in order, those that touch as one.
fn joined(ranges: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut sorted: Vec<(u64, u64)> = ranges.collect();
    sorted.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in sorted {
        match joined.last_mut().filter(|last| last.1 >= from) {
            Some(last) => last.1 = last.1.max(to),
            None => joined.push((from, to)),
        }
    }
    joined
}

/// A range in front of layer `depth` as the range behind it that holds it whole.
fn through(run: &Run<'_>, (from, to): (u64, u64), depth: u8) -> Result<(u64, u64), Fault> {
    let start = run.seek(depth, from)?.ok_or_else(|| {
        let what = format!("no seek point of layer {depth} leads to byte {from}");
        Fault::never(Blame::Medium, format!("the file list cannot be used: {what}"))
    })?;
    Ok((start, run.seek_after(depth, to)?.unwrap_or(u64::MAX)))
}

/// The jobs that lead to a state of a tree, the full one first: each follows the one before.
pub fn chain(jobs: &BTreeMap<JobId, Job>, last: JobId) -> Vec<JobId> {
    use crate::catalogue::record::{Level, Work};
    let (mut chain, mut next) = (Vec::new(), Some(last));
    while let Some(id) = next.filter(|id| !chain.contains(id)) {
        chain.push(id);
        next = match jobs.get(&id).map(|job| &job.work) {
            Some(Work::Backup { level: Level::Since(before), .. }) => Some(*before),
            _ => None,
        };
    }
    chain.reverse();
    chain
}
