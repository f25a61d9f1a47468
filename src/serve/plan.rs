//! What a restore needs, and the index lines that go with it.
//!
//! Owns the way from jobs and patterns to ranges of their streams. Of a stream that is wanted whole it is
//! all of it; of one that is wanted in part, it is what holds the wanted entries, through all layers.

use std::collections::{BTreeMap, BTreeSet};

use super::outgo::Words;
use super::shell::Plan;
use crate::authority::event::Wanted;
use crate::catalogue::record::{Job, JobId};
use crate::catalogue::run::{Row, Run, Said};
use crate::catalogue::{Reader, Snapshot};
use crate::list::{Entry, Line};
use crate::only::Only;
use crate::stream::{Blame, Fault};

/// Plans the giving back of what `jobs` kept, the full one first: what matches `only`, or all. With `lines`
/// the whole index goes along, as a copy needs it.
///
/// # Errors
///
/// The catalogue, a pattern that matches nothing, names that are sealed.
pub fn plan(
    reader: &Reader,
    jobs: &[Job],
    only: &[String],
    lines: bool,
) -> Result<Plan, Fault> {
    let snapshot = reader.snapshot()?;
    if only.is_empty() {
        return whole(&snapshot, jobs, lines);
    }
    let patterns: Vec<Vec<u8>> = only.iter().map(|text| text.clone().into_bytes()).collect();
    let mut chosen = Chosen { only: Only::new(&patterns), seen: BTreeSet::new() };
    let mut plan = Plan { wanted: Vec::new(), words: BTreeMap::new() };
    // The newest version of each path is the one that is wanted.
    for job in jobs.iter().rev() {
        some(&snapshot, job, &mut chosen, &mut plan)?;
    }
    plan.wanted.reverse();
    match chosen.only.unmatched().next() {
        Some(pattern) if plan.wanted.is_empty() => Err(Fault::never(
            Blame::Operator,
            format!("nothing matches {}", String::from_utf8_lossy(pattern)),
        )
        .hint("tapicli ls and tapicli find show what there is")),
        _ => Ok(plan),
    }
}

fn whole(snapshot: &Snapshot, jobs: &[Job], lines: bool) -> Result<Plan, Fault> {
    let mut plan = Plan { wanted: Vec::new(), words: BTreeMap::new() };
    for job in jobs {
        plan.wanted.push(Wanted { of: job.id, from: 0, to: job.recorded });
        let mut words = Words::default();
        if lines && let Some(run) = snapshot.run(job.id)? {
            words.behind = all_lines(&run)?;
        }
        plan.words.insert(job.id, words);
    }
    Ok(plan)
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
    for depth in 1..=run.layers() {
        for (input, output) in run.seeks_of(depth)? {
            Line::Seek { depth, input, output }.write(&mut lines);
        }
    }
    Ok(lines)
}

/// What was chosen so far, newest first.
struct Chosen {
    only: Only,
    /// Paths of which a newer version was met, or their end.
    seen: BTreeSet<Vec<u8>>,
}

fn some(
    snapshot: &Snapshot,
    job: &Job,
    chosen: &mut Chosen,
    plan: &mut Plan,
) -> Result<(), Fault> {
    let run = snapshot.run_of(job.id)?;
    if !run.aside()?.is_empty() {
        return Err(Fault::never(
            Blame::Operator,
            format!("the names in job {} are sealed: only its recipients can choose", job.id),
        )
        .hint("restore all of it"));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for row in run.rows_from(&[]) {
        choose(&run, &row?, chosen, &mut entries)?;
    }
    add_link_targets(&run, &mut entries)?;
    if entries.is_empty() {
        return Ok(());
    }
    entries.sort_by_key(|entry| entry.offset);
    entries.dedup_by_key(|entry| entry.offset);
    let mut words = Words { partial: true, ..Words::default() };
    let layers = run.layers();
    let wants = joined(entries.iter().map(|e| (e.offset, e.offset.saturating_add(e.span))));
    for depth in 0..layers {
        for want in &wants {
            let (from, to) = through(&run, *want, depth)?;
            Line::Want { depth, from, to }.write(&mut words.before);
        }
    }
    let mut ranges = Vec::new();
    for want in &wants {
        let (from, to) = through(&run, *want, layers)?;
        ranges.push((from, to.min(job.recorded)));
    }
    // They are given from the last to the first, as the jobs are.
    let ranges = joined(ranges.into_iter());
    let wanted = ranges.iter().rev().map(|(from, to)| Wanted { of: job.id, from: *from, to: *to });
    plan.wanted.extend(wanted);
    entries.iter().for_each(|entry| entry.write_line(&mut words.behind));
    plan.words.insert(job.id, words);
    Ok(())
}

fn choose(
    run: &Run<'_>,
    row: &Row,
    chosen: &mut Chosen,
    entries: &mut Vec<Entry>,
) -> Result<(), Fault> {
    let Some(path) = row.path() else { return Ok(()) };
    if !chosen.only.selects(&path) {
        return Ok(());
    }
    match &row.said {
        Said::Gone => _ = chosen.seen.insert(path),
        _ => {
            if let Line::Entry(entry) = run.line(row)?
                && chosen.seen.insert(path)
            {
                entries.push(entry);
            }
        }
    }
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

/// A payload range as the range behind `layers` layers that holds it whole.
fn through(run: &Run<'_>, (mut from, mut to): (u64, u64), layers: u8) -> Result<(u64, u64), Fault> {
    for depth in 1..=layers {
        let bad = || {
            let what = format!("no seek point of layer {depth} leads to byte {from}");
            Fault::never(Blame::Medium, format!("the file list cannot be used: {what}"))
        };
        let start = run.seek(depth, from)?.ok_or_else(bad)?;
        to = run.seek_after(depth, to.saturating_sub(1))?.unwrap_or(u64::MAX);
        from = start;
    }
    Ok((from, to))
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
