//! What lost bytes of a stream come to: where a restore goes on behind them, and which files they were in.
//!
//! Owns the way from stream bytes to entries and back, through all layers, by the seek points and offsets of the
//! file list. What is said to whoever restores and what is shown to people later comes from the same place, so
//! that they agree.

use crate::catalogue::Reader;
use crate::catalogue::record::{Gaps, Job, JobId, Lost, Work};
use crate::catalogue::run::Run;
use crate::list::{Entry, Line};
use crate::serve::outgo::Words;
use crate::serve::plan;
use crate::stream::Fault;
use crate::tapicom::message::{Bytes, LostFile};

/// Bytes of a tar block, to which contents are padded.
const BLOCK: u64 = 512;

/// Where a restore goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoOn {
    /// The next byte of use, behind all layers first and of the payload last: depth and byte.
    pub at: Vec<(u8, u64)>,
    /// The first payload byte that did not come.
    pub lost_from: u64,
}

impl GoOn {
    /// Nothing behind is of use.
    pub fn nowhere(layers: u8) -> GoOn {
        GoOn { at: (0..=layers).rev().map(|depth| (depth, u64::MAX)).collect(), lost_from: 0 }
    }

    /// The first stream byte of use.
    pub fn stream_byte(&self) -> u64 {
        self.at.first().map_or(u64::MAX, |(_, at)| *at)
    }

    /// The first payload byte of use.
    fn payload_byte(&self) -> u64 {
        self.at.last().map_or(u64::MAX, |(_, at)| *at)
    }

    /// The lines that say so.
    pub fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (depth, to) in &self.at {
            Line::Lost { depth: *depth, to: *to }.write(&mut lines);
        }
        lines
    }
}

/// Where reading goes on when stream bytes `from` to `to` of a job are lost.
///
/// # Errors
///
/// The catalogue.
pub fn go_on(
    reader: &Reader,
    job: JobId,
    words: Option<&Words>,
    (from, to): (u64, u64),
    layers: u8,
) -> Result<GoOn, Fault> {
    let snapshot = reader.snapshot()?;
    match snapshot.run(job)? {
        // Names that are sealed do not tell where one begins.
        Some(run) if run.index.aside.is_empty() => behind(&run, words, (from, to)),
        _ => Ok(GoOn::nowhere(layers)),
    }
}

fn behind(run: &Run<'_>, words: Option<&Words>, (from, to): (u64, u64)) -> Result<GoOn, Fault> {
    let layers = run.head.layers;
    let (mut lost_from, mut next) = (from, Some(to));
    for depth in (1..=layers).rev() {
        lost_from = chunk_of(run, depth, lost_from)?;
        next = match next {
            Some(at) => chunk_behind(run, depth, at)?,
            None => None,
        };
    }
    let start = match next {
        Some(next) => first_of_use(run, words, (lost_from, next))?,
        None => u64::MAX,
    };
    let mut at = vec![(0, start)];
    let mut byte = start;
    for depth in 1..=layers {
        if byte != u64::MAX {
            byte = run.seek(depth, byte)?.unwrap_or(u64::MAX);
        }
        at.push((depth, byte));
    }
    at.reverse();
    Ok(GoOn { at, lost_from })
}

/// Where, in front of a layer, the chunk begins that holds a byte behind it.
fn chunk_of(run: &Run<'_>, depth: u8, byte: u64) -> Result<u64, Fault> {
    let mut best = (0, 0);
    for at in run.index.seeks.iter().filter(|at| at.depth == depth) {
        for point in run.seek_points(at)?.iter().filter(|point| point.1 <= byte) {
            best = best.max((point.1, point.0));
        }
    }
    Ok(best.1)
}

/// Where, in front of a layer, the first chunk begins that lies wholly at or behind a byte behind it.
fn chunk_behind(run: &Run<'_>, depth: u8, byte: u64) -> Result<Option<u64>, Fault> {
    let mut best: Option<(u64, u64)> = None;
    for at in run.index.seeks.iter().filter(|at| at.depth == depth) {
        for point in run.seek_points(at)?.iter().filter(|point| point.1 >= byte) {
            best = best.into_iter().chain([(point.1, point.0)]).min();
        }
    }
    Ok(best.map(|(_, input)| input))
}

/// The first wanted payload byte from `next` on at which an entry begins, or goes on whose beginning came.
fn first_of_use(
    run: &Run<'_>,
    words: Option<&Words>,
    (lost_from, next): (u64, u64),
) -> Result<u64, Fault> {
    let mut first = u64::MAX;
    each_wanted(run, words, &mut |entry| {
        let goes_on = content(entry).is_some_and(|from| from <= lost_from)
            && next < entry.offset.saturating_add(entry.span);
        if goes_on {
            first = first.min(next);
        } else if entry.offset >= next {
            first = first.min(entry.offset);
        }
    })?;
    Ok(first)
}

/// Where the content of an entry begins, if all of it lies there in one piece.
fn content(entry: &Entry) -> Option<u64> {
    let padded = entry.size.checked_next_multiple_of(BLOCK)?;
    let headers = entry.span.checked_sub(padded).filter(|headers| *headers >= BLOCK)?;
    (entry.kind == b'f').then_some(entry.offset + headers)
}

/// Entries that are to be given back: those that are named behind a stream of chosen ones, or all.
fn each_wanted(
    run: &Run<'_>,
    words: Option<&Words>,
    each: &mut dyn FnMut(&Entry),
) -> Result<(), Fault> {
    if let Some(words) = words.filter(|words| words.partial) {
        for line in crate::list::lines(&words.behind) {
            if let Line::Entry(entry) = line.map_err(Fault::stream)? {
                each(&entry);
            }
        }
        return Ok(());
    }
    for row in run.rows_from(&[]) {
        if let Line::Entry(entry) = run.line(&row?)? {
            each(&entry);
        }
    }
    Ok(())
}

/// Bytes that are lost together: nothing between them was of use.
struct Region<'a> {
    first: &'a Lost,
    from: u64,
    to: u64,
}

/// Which files a restore could not give back, or not all of them: in order of its jobs, then of place. Of
/// streams whose names are sealed the bytes are all that is known.
///
/// # Errors
///
/// The catalogue.
pub fn files(
    reader: &Reader,
    restore: &Job,
    of: &[Job],
    gaps: &Gaps,
) -> Result<Vec<LostFile>, Fault> {
    let Work::Restore { only, .. } = &restore.work else { return Ok(Vec::new()) };
    let planned = plan::plan(reader, of, only, false)?;
    let mut regions: Vec<Region<'_>> = Vec::new();
    for job in of {
        add_regions(reader, job.id, planned.words.get(&job.id), gaps, &mut regions)?;
    }
    let snapshot = reader.snapshot()?;
    let mut files = Vec::new();
    for region in &regions {
        let run = snapshot.run(region.first.of)?;
        if run.is_none_or(|run| !run.index.aside.is_empty()) {
            files.push(lost_file(region, b"", 0, (region.first.from, region.first.to)));
        }
    }
    let ids: Vec<JobId> = of.iter().map(|job| job.id).collect();
    let patterns: Vec<Vec<u8>> = only.iter().map(|text| text.clone().into_bytes()).collect();
    // What a later job has, or says is gone, nobody misses of an earlier one.
    crate::catalogue::plan::plan(&snapshot, &ids, &patterns, &mut |job, entry| {
        let hit = |region: &&Region<'_>| region.first.of == job && hits(region, entry);
        for region in regions.iter().filter(hit) {
            let (from, to) = within(region, entry);
            files.push(lost_file(region, &entry.path, entry.size, (from, to)));
        }
        Ok(())
    })?;
    Ok(files)
}

fn add_regions<'a>(
    reader: &Reader,
    job: JobId,
    words: Option<&Words>,
    gaps: &'a Gaps,
    regions: &mut Vec<Region<'a>>,
) -> Result<(), Fault> {
    let mut lost = gaps.lost.iter().filter(|lost| lost.of == job).peekable();
    while let Some(first) = lost.next() {
        let mut to = first.to;
        let mut found = go_on(reader, job, words, (first.from, to), 0)?;
        while let Some(next) = lost.next_if(|next| next.from <= found.stream_byte()) {
            to = next.to;
            found = go_on(reader, job, words, (first.from, to), 0)?;
        }
        regions.push(Region { first, from: found.lost_from, to: found.payload_byte() });
    }
    Ok(())
}

fn hits(region: &Region<'_>, entry: &Entry) -> bool {
    let end = entry.offset.saturating_add(entry.span);
    entry.offset < region.to && region.from < end
}

/// Which bytes of a file are lost.
fn within(region: &Region<'_>, entry: &Entry) -> (u64, u64) {
    match content(entry) {
        Some(start) if start <= region.from => {
            let from = (region.from - start).min(entry.size);
            (from, region.to.saturating_sub(start).min(entry.size))
        }
        _ => (0, entry.size),
    }
}

fn lost_file(region: &Region<'_>, path: &[u8], size: u64, (from, to): (u64, u64)) -> LostFile {
    let Lost { of, medium, block, why, .. } = region.first.clone();
    LostFile { path: Bytes(path.to_vec()), size, from, to, of, medium, block, why }
}
