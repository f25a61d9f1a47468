//! The check of a catalogue, beyond what opening it checks.
//!
//! Owns two questions: does every record and every piece of every run open, and does what one record says
//! of another agree. Whatever is wrong is named; nothing is put right. Holds names and numbers of
//! media, sets and jobs, and one block at a time.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::record::{Audit, Job, JobId, Kept, Level, Medium, Record, Set, Work};
use super::run::{Run, Said};
use super::snapshot::Snapshot;
use super::store::SEGMENT_BYTES;
use super::tables::{Kind, segment};
use crate::stream::{Fault, Retry};

/// Lines about what is wrong that are kept; the rest is counted.
pub const WRONG_MAX: usize = 1000;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Records that were read, by kind.
    pub records: BTreeMap<&'static str, u64>,
    /// Runs that were read.
    pub runs: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub run_bytes: u64,
    /// Things that are wrong.
    pub wrong: u64,
    /// One line for each of the first of them.
    pub lines: Vec<String>,
}

impl Checked {
    fn wrong(&mut self, line: impl Into<String>) {
        self.wrong += 1;
        if self.lines.len() < WRONG_MAX {
            self.lines.push(line.into());
        }
    }

    /// What was read, unless it is damaged; trouble of the host stays a fault.
    fn readable<T>(&mut self, read: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(fault) if fault.retry == Retry::Later => Err(fault),
            Err(fault) => {
                self.wrong(fault.what);
                Ok(None)
            }
        }
    }
}

/// Reads everything.
pub fn check(snapshot: &Snapshot) -> Result<Checked, Fault> {
    let mut checked = Checked::default();
    let mut known = Known::default();
    for kind in Kind::ALL {
        snapshot.each(kind, &mut |record| {
            if let Some(record) = checked.readable(record)? {
                *checked.records.entry(kind.name()).or_default() += 1;
                known.note(&mut checked, record);
            }
            Ok(())
        })?;
    }
    known.sets(&mut checked);
    snapshot.each(Kind::Job, &mut |record| {
        if let Ok(Record::Job(job)) = record {
            known.job(&mut checked, &job);
        }
        Ok(())
    })?;
    runs(snapshot, &known, &mut checked)?;
    Ok(checked)
}

/// What other records may speak of.
#[derive(Default)]
struct Known {
    media: BTreeMap<String, Option<(Uuid, u32)>>,
    sets: BTreeMap<Uuid, Vec<String>>,
    jobs: BTreeSet<JobId>,
    audit: Option<Audit>,
}

impl Known {
    fn note(&mut self, checked: &mut Checked, record: Record) {
        match record {
            Record::Medium(Medium { tag, set, .. }) => _ = self.media.insert(tag, set),
            Record::Set(Set { id, volumes, .. }) => _ = self.sets.insert(id, volumes),
            Record::Job(job) => _ = self.jobs.insert(job.id),
            Record::Audit(audit) => self.audit(checked, audit),
            _ => {}
        }
    }

    fn audit(&mut self, checked: &mut Checked, audit: Audit) {
        let (number, before) = match &self.audit {
            Some(before) => (before.number + 1, before.digest()),
            None => (1, [0; 32]),
        };
        if audit.number != number {
            checked.wrong(format!("audit {number} is missing"));
        } else if audit.before != before {
            checked.wrong(format!("audit {number} does not follow from the entry before it"));
        }
        self.audit = Some(audit);
    }

    fn sets(&self, checked: &mut Checked) {
        for (id, volumes) in &self.sets {
            for tag in volumes.iter().filter(|tag| !self.media.contains_key(*tag)) {
                checked.wrong(format!("set {id}: medium {tag:?} is not known"));
            }
        }
        for (tag, set) in &self.media {
            let Some((id, number)) = set else { continue };
            let there = self.sets.get(id).and_then(|v| v.get((*number as usize).checked_sub(1)?));
            match there {
                Some(named) if named == tag => {}
                Some(named) => checked.wrong(format!(
                    "medium {tag}: it is number {number} of set {id}, which names {named:?}"
                )),
                None => checked.wrong(format!(
                    "medium {tag}: set {id} has no number {number}, as far as is known"
                )),
            }
        }
    }

    fn job(&self, checked: &mut Checked, job: &Job) {
        let id = job.id;
        for kept in job.kept.iter().filter(|kept| !self.media.contains_key(&kept.medium)) {
            let (from, to, medium) = (kept.from, kept.to, &kept.medium);
            checked.wrong(format!(
                "job {id}: bytes {from} to {to} are on {medium:?}, which is not known"
            ));
        }
        let mut reached = 0;
        // Of several copies one may be gone.
        let mut kept: Vec<&Kept> = job.kept.iter().collect();
        kept.sort_by_key(|kept| kept.from);
        for kept in kept {
            if kept.from <= reached {
                reached = reached.max(kept.to);
            }
        }
        if reached < job.recorded {
            let recorded = job.recorded;
            checked
                .wrong(format!("job {id}: {recorded} bytes are recorded, and places of {reached}"));
        }
        let others = match &job.work {
            Work::Backup { level: Level::Since(other), .. } => std::slice::from_ref(other),
            Work::Restore { of, .. } => of,
            Work::Verify { of } | Work::Copy { of, .. } => std::slice::from_ref(of),
            Work::Backup { .. } | Work::Identify { .. } | Work::Erase { .. } => &[],
        };
        for other in others.iter().filter(|other| !self.jobs.contains(other)) {
            checked.wrong(format!("job {id}: it is about job {other}, which is not known"));
        }
    }
}

fn runs(snapshot: &Snapshot, known: &Known, checked: &mut Checked) -> Result<(), Fault> {
    let mut expected: BTreeMap<[u8; 12], usize> = BTreeMap::new();
    for job in snapshot.jobs_with_runs()? {
        if !known.jobs.contains(&job) {
            checked.wrong(format!("run {job}: there is no such job"));
        }
        let Some(Some(head)) = checked.readable(snapshot.run_head(job))? else { continue };
        for (number, from) in (0u32..).zip((0..head.bytes).step_by(SEGMENT_BYTES)) {
            let length = (head.bytes - from).min(SEGMENT_BYTES as u64) as usize;
            expected.insert(segment(job.0, number), length);
        }
        checked.runs += 1;
        checked.run_bytes += head.bytes;
        let Some(run) = checked.readable(Run::open(job, head, snapshot))? else { continue };
        let rows = pieces(&run, checked)?;
        checked.rows += rows;
        if rows != head.rows {
            checked.wrong(format!("run {job}: it has {rows} rows and should have {}", head.rows));
        }
    }
    snapshot.each_segment(&mut |key, length| {
        let fits = <[u8; 12]>::try_from(key).ok().and_then(|key| expected.remove(&key));
        if fits != Some(length) {
            let name = super::envelope::name("run data", key);
            checked.wrong(format!("{name}: {length} bytes that belong to no run"));
        }
    })?;
    for key in expected.keys() {
        checked.wrong(format!("{} is missing", super::envelope::name("run data", key)));
    }
    Ok(())
}

/// Opens every piece; returns how many rows there are.
fn pieces(run: &Run<'_>, checked: &mut Checked) -> Result<u64, Fault> {
    let (mut count, mut entries) = (0, 0);
    let mut before: Vec<u8> = Vec::new();
    for (at, block) in run.index.blocks.iter().enumerate() {
        let Some(rows) = checked.readable(run.rows(at))? else { continue };
        let in_order = rows.is_sorted_by(|a, b| (&a.key, a.rank()) <= (&b.key, b.rank()));
        let first = rows.first().map(|row| row.key.as_slice());
        if !in_order || first != Some(&block.first[..]) || block.first < before {
            checked.wrong(format!("run {}: block {at} is not in order", run.job));
        }
        if !rows.iter().all(|row| row.line().is_some()) {
            checked.wrong(format!("run {}: block {at} has keys that are none", run.job));
        }
        count += rows.len() as u64;
        entries += rows.iter().filter(|row| matches!(row.said, Said::Entry(_))).count() as u64;
        before = rows.into_iter().next_back().map(|row| row.key).unwrap_or_default();
    }
    if entries != run.head.entries {
        let expected = run.head.entries;
        checked
            .wrong(format!("run {}: it has {entries} entries and should have {expected}", run.job));
    }
    for piece in run.index.zones.iter().flatten() {
        checked.readable(run.piece(piece, "grams"))?;
    }
    for seeks in &run.index.seeks {
        checked.readable(run.seek_points(seeks))?;
    }
    checked.readable(run.aside())?;
    Ok(count)
}
