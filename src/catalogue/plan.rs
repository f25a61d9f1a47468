//! Restore plans: what several jobs, laid over one another, have of what is wanted, and where it lies.
//!
//! Owns the laying: jobs come full first, then incrementals in order; the last that has a path has it, and what
//! one says is gone is gone with all that is below it. Entries are told as they are found, in the order of
//! a walk; what is kept is one range for neighbours on the medium. Then ranges become blocks: through
//! the seek points of each layer to stream bytes, and by the job's record to media.

use std::iter::Peekable;

use super::pattern::Hint;
use super::record::{Job, JobId, Kept, Record};
use super::run::row::Facts;
use super::run::{Row, Run, Said, key, read::Rows};
use super::snapshot::Snapshot;
use super::tables::{Kind, number};
use crate::list::{Entry, Line};
use crate::only::Only;
use crate::stream::Fault;

/// Jobs that can be laid over one another.
pub const JOBS_MAX: usize = 1 << 12;

/// Blocks to be read in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which copy; those of one copy are a whole plan.
    pub copy: u8,
    /// Whose.
    pub job: JobId,
    /// Tag of the medium.
    pub medium: String,
    /// Identity of the volume.
    pub volume: Option<uuid::Uuid>,
    /// First stream byte that is wanted.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// Block from which reading starts.
    pub block: u64,
    /// The last block that is needed, where that can be told.
    pub last: Option<u64>,
}

/// Stream bytes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Whose.
    pub job: JobId,
    /// First byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
}

/// What a restore comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Entries.
    pub entries: u64,
    /// Payload bytes of them, with those that hard links lead to.
    pub bytes: u64,
    /// What is to be read, by copy, in order of jobs and position.
    pub steps: Vec<Step>,
    /// What no copy has, as far as is recorded.
    pub lacking: Vec<Stretch>,
    /// Jobs whose lists are sealed: of those all is to be read, and nobody here knows what is in them.
    pub sealed: Vec<JobId>,
    /// Patterns that selected nothing.
    pub unmatched: Vec<Vec<u8>>,
}

/// Makes a plan; `each` gets every entry with the job it is from.
pub fn plan(
    snapshot: &Snapshot,
    jobs: &[JobId],
    patterns: &[Vec<u8>],
    each: &mut dyn FnMut(JobId, &Entry) -> Result<(), Fault>,
) -> Result<Plan, Fault> {
    if jobs.len() > JOBS_MAX {
        return Err(Fault::usage(format!("more than {JOBS_MAX} jobs in one restore")));
    }
    let runs: Result<Vec<Run<'_>>, Fault> = jobs.iter().map(|job| snapshot.run_of(*job)).collect();
    let runs = runs?;
    let mut laying = Laying::new(&runs, patterns);
    for root in Hint::roots(patterns) {
        laying.below(&root, each)?;
    }
    laying.add_link_targets()?;
    let mut plan = Plan {
        entries: laying.entries,
        unmatched: laying.only.unmatched().map(<[u8]>::to_vec).collect(),
        ..Plan::default()
    };
    let ranges = std::mem::take(&mut laying.ranges);
    for (run, ranges) in runs.iter().zip(ranges) {
        let ranges = if run.index.aside.is_empty() {
            let ranges = joined(ranges);
            plan.bytes += ranges.iter().map(|(from, to)| to - from).sum::<u64>();
            through_layers(run, ranges)?
        } else {
            plan.sealed.push(run.job);
            vec![(0, u64::MAX)]
        };
        place(snapshot, run.job, &ranges, &mut plan)?;
    }
    plan.steps.sort_by_key(|step| step.copy);
    Ok(plan)
}

/// Jobs, one over the other.
struct Laying<'a> {
    runs: &'a [Run<'a>],
    only: Only,
    /// Directories that something made void, innermost last: key, and the first job that may be below.
    void: Vec<(Vec<u8>, usize)>,
    /// Payload bytes of each job that are wanted.
    ranges: Vec<Vec<(u64, u64)>>,
    /// Keys that hard links lead to, by number of the job.
    targets: Vec<(usize, Vec<u8>)>,
    entries: u64,
}

impl<'a> Laying<'a> {
    fn new(runs: &'a [Run<'a>], patterns: &[Vec<u8>]) -> Laying<'a> {
        Laying {
            runs,
            only: Only::new(patterns),
            void: Vec::new(),
            ranges: runs.iter().map(|_| Vec::new()).collect(),
            targets: Vec::new(),
            entries: 0,
        }
    }

    /// All that is at or below a root.
    fn below(
        &mut self,
        root: &[u8],
        each: &mut dyn FnMut(JobId, &Entry) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.void.clear();
        self.void_above(root)?;
        let mut cursors: Vec<Peekable<Rows<'a>>> =
            self.runs.iter().map(|run| run.rows_from(root).peekable()).collect();
        while let Some(key) = least(&mut cursors, root)? {
            let mut said = Vec::new();
            for (number, cursor) in cursors.iter_mut().enumerate() {
                while let Some(row) = cursor.next_if(|row| row.as_ref().is_ok_and(|r| r.key == key))
                {
                    said.push((number, row?));
                }
            }
            self.one(&key, said, each)?;
        }
        Ok(())
    }

    /// What is said about the directories above a root counts for what is below it.
    fn void_above(&mut self, root: &[u8]) -> Result<(), Fault> {
        let ends = root.iter().enumerate().filter(|(_, b)| **b == key::SEPARATOR).map(|(at, _)| at);
        for end in ends {
            let above = &root[..end];
            let mut said = Vec::new();
            for (number, run) in self.runs.iter().enumerate() {
                said.extend(run.find(above)?.into_iter().map(|row| (number, row)));
            }
            self.winner(above, said);
        }
        Ok(())
    }

    /// What one path is in the end.
    fn one(
        &mut self,
        key: &[u8],
        said: Vec<(usize, Row)>,
        each: &mut dyn FnMut(JobId, &Entry) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some((number, row)) = self.winner(key, said) else { return Ok(()) };
        let run = &self.runs[number];
        let Line::Entry(entry) = run.line(&row)? else { return Ok(()) };
        if !self.only.selects(&entry.path) {
            return Ok(());
        }
        self.entries += 1;
        self.want(number, (entry.offset, entry.offset.saturating_add(entry.span)));
        if let (b'h', Some(target)) = (entry.kind, &entry.link) {
            self.targets.push((number, key::of_path(target)));
        }
        each(run.job, &entry)
    }

    /// The row of the job that has a path last, and what that means for all below it.
    fn winner(&mut self, key: &[u8], said: Vec<(usize, Row)>) -> Option<(usize, Row)> {
        while self.void.last().is_some_and(|(above, _)| !key::is_at_or_in(key, above)) {
            self.void.pop();
        }
        let first = self.void.iter().map(|(_, first)| *first).max().unwrap_or(0);
        let mut winner = None;
        for (number, row) in said.into_iter().filter(|(number, _)| *number >= first) {
            match &row.said {
                Said::Gone => {
                    winner = None;
                    self.void.push((key.to_vec(), number));
                }
                Said::Entry(Facts { kind, .. }) => {
                    if *kind != b'd' {
                        self.void.push((key.to_vec(), number));
                    }
                    winner = Some((number, row));
                }
                // It may be there all the same, as it was.
                Said::Missing(_) | Said::Inode(_) => {}
            }
        }
        winner
    }

    fn want(&mut self, number: usize, (from, to): (u64, u64)) {
        let ranges = &mut self.ranges[number];
        match ranges.last_mut().filter(|last| last.1 == from) {
            Some(last) => last.1 = to,
            None => ranges.push((from, to)),
        }
    }

    /// A hard link's content is its target's: the target comes along.
    fn add_link_targets(&mut self) -> Result<(), Fault> {
        let mut targets = std::mem::take(&mut self.targets);
        targets.sort();
        targets.dedup();
        for (number, key) in targets {
            for row in self.runs[number].find(&key)? {
                if let Said::Entry(facts) = row.said {
                    self.want(number, (facts.offset, facts.offset.saturating_add(facts.span)));
                }
            }
        }
        Ok(())
    }
}

/// The least key that comes next, as long as it is at or below the root.
fn least(cursors: &mut [Peekable<Rows<'_>>], root: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let mut least: Option<&[u8]> = None;
    for cursor in cursors {
        match cursor.peek() {
            Some(Err(fault)) => return Err(fault.clone()),
            Some(Ok(row)) if least.is_none_or(|least| row.key.as_slice() < least) => {
                least = Some(&row.key);
            }
            Some(Ok(_)) | None => {}
        }
    }
    Ok(least.filter(|key| key::is_at_or_in(key, root)).map(<[u8]>::to_vec))
}

fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match all.last_mut().filter(|last| last.1 >= from) {
            Some(last) => last.1 = last.1.max(to),
            None => all.push((from, to)),
        }
    }
    all
}

/// Stream bytes that hold payload bytes.
fn through_layers(run: &Run<'_>, mut ranges: Vec<(u64, u64)>) -> Result<Vec<(u64, u64)>, Fault> {
    for depth in 1..=run.head.layers {
        for (from, to) in &mut ranges {
            *from = run.seek(depth, *from)?.unwrap_or(0);
            // Seek points that run backwards are believed in nothing.
            let after = run.seek_after(depth, *to)?.filter(|after| after >= from);
            *to = after.unwrap_or(u64::MAX);
        }
        ranges = joined(ranges);
    }
    Ok(ranges)
}

fn place(
    snapshot: &Snapshot,
    job: JobId,
    ranges: &[(u64, u64)],
    plan: &mut Plan,
) -> Result<(), Fault> {
    let Some(Record::Job(job)) = snapshot.record(Kind::Job, &number(job.0))? else {
        plan.lacking.extend(ranges.iter().map(|&(from, to)| Stretch { job, from, to }));
        return Ok(());
    };
    for &(from, to) in ranges {
        // Where the end is not known by a seek point, it is that of the stream.
        let to = match to {
            u64::MAX if job.recorded <= from => {
                plan.lacking.push(Stretch { job: job.id, from, to });
                continue;
            }
            u64::MAX => job.recorded,
            to => to,
        };
        // An entry may have no bytes.
        if from == to {
            continue;
        }
        let mut had = Vec::new();
        for kept in job.kept.iter().filter(|kept| kept.from < to && kept.to > from) {
            let part = (from.max(kept.from), to.min(kept.to));
            had.push(part);
            plan.steps.push(step(&job, kept, part));
        }
        let mut next = from;
        for (from, end) in joined(had).into_iter().chain([(to, to)]) {
            if next < from {
                plan.lacking.push(Stretch { job: job.id, from: next, to: from });
            }
            next = next.max(end);
        }
    }
    Ok(())
}

fn step(job: &Job, kept: &Kept, (from, to): (u64, u64)) -> Step {
    let block_of = |byte: u64| (byte - kept.from).checked_div(kept.stride);
    let block = kept.block.saturating_add(block_of(from).unwrap_or(0));
    let last = block_of(to - 1).map(|block| kept.block.saturating_add(block));
    let (medium, volume) = (kept.medium.clone(), kept.volume);
    Step { copy: kept.copy, job: job.id, medium, volume, from, to, block, last }
}
