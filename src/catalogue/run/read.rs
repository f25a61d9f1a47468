//! The reading of a run, piece by piece.
//!
//! Owns the way from a key or an offset to the rows or the seek point that it is about, with as few
//! pieces as may be. Knows nothing of where bytes come from but that there is a [`Shelf`]. Whatever is
//! damaged is named by its job and place, and nothing of it is given out.

use std::cell::RefCell;
use std::rc::Rc;

use super::block::{FactReader, Keys, decode};
use super::column;
use super::grams::{Asked, ZONE_BLOCKS, narrow};
use super::index::{Index, SeeksAt};
use super::piece::{self, Piece, PieceAt};
use super::row::Row;
use super::write::RunHead;
use crate::catalogue::record::JobId;
use crate::list::Line;
use crate::stream::{Blame, Fault};

/// Has the bytes of runs.
pub trait Shelf {
    /// So many bytes of a job's run, from `offset`; fewer where it ends.
    fn bytes(&self, job: JobId, offset: u64, length: usize) -> Result<Vec<u8>, Fault>;
}

/// Offsets before and after a layer, in order.
pub type Points = Rc<[(u64, u64)]>;

/// An open run.
pub struct Run<'a> {
    /// Whose list it is.
    pub job: JobId,
    /// What is known of it.
    pub head: RunHead,
    /// Its pieces.
    pub index: Index,
    shelf: &'a dyn Shelf,
    /// The seek points that were looked at last, and where they lie: neighbours ask for them, too.
    held: RefCell<Option<(u64, Points)>>,
}

impl<'a> Run<'a> {
    /// Opens the run of a job.
    pub fn open(job: JobId, head: RunHead, shelf: &'a dyn Shelf) -> Result<Run<'a>, Fault> {
        let held = RefCell::default();
        let mut run = Run { job, head, index: Index::default(), shelf, held };
        let piece = run.piece(&head.index, "index")?;
        let index: Index = postcard::from_bytes(&piece.plain)
            .map_err(|e| run.damaged(&head.index, "index", &e.to_string()))?;
        if let Some(why) = index.fault(head.index.offset) {
            return Err(run.damaged(&head.index, "index", why));
        }
        run.index = index;
        Ok(run)
    }

    /// Its bytes as they are kept, from `offset`, at most so many; none behind its end.
    pub(super) fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let left = self.head.bytes.saturating_sub(offset);
        let length = usize::try_from(length.min(left)).unwrap_or(usize::MAX);
        self.shelf.bytes(self.job, offset, length)
    }

    fn damaged(&self, at: &PieceAt, what: &str, why: &str) -> Fault {
        let what = format!(
            "catalogue: the {what} at byte {} of the run of job {}: {why}",
            at.offset, self.job
        );
        Fault::never(Blame::Host, what)
            .hint("catalogue check tells what else is damaged; catalogue rebuild makes it anew")
    }

    /// Opens a piece.
    pub fn piece(&self, at: &PieceAt, what: &str) -> Result<Piece, Fault> {
        let bytes = self.shelf.bytes(self.job, at.offset, at.length as usize)?;
        piece::open(self.job, at, bytes).map_err(|why| self.damaged(at, what, &why))
    }

    /// The keys of a block, unpacked.
    pub fn keys(&self, block: usize) -> Result<Vec<u8>, Fault> {
        Ok(self.piece(&self.index.blocks[block].keys, "keys")?.plain)
    }

    /// Goes through unpacked keys of a block; `each` says whether to go on.
    pub fn each_key(
        &self,
        block: usize,
        keys: &[u8],
        each: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let bad = |why: &str| self.damaged(&self.index.blocks[block].keys, "keys", why);
        let mut keys = Keys::of(keys).ok_or_else(|| bad("they are not in columns"))?;
        let mut at = 0;
        while let Some(key) = keys.next_key().map_err(|why| bad(&why))? {
            if !each(at, key) {
                break;
            }
            at += 1;
        }
        Ok(())
    }

    /// All rows of a block.
    pub fn rows(&self, block: usize) -> Result<Vec<Row>, Fault> {
        let keys = self.keys(block)?;
        self.rows_with(block, &keys)
    }

    /// All rows of a block of which the keys are unpacked.
    pub fn rows_with(&self, block: usize, keys: &[u8]) -> Result<Vec<Row>, Fault> {
        let at = &self.index.blocks[block].facts;
        let facts = self.piece(at, "facts")?;
        decode(keys, &facts.plain, &facts.raw).map_err(|why| self.damaged(at, "facts", &why))
    }

    /// The rows of a block at `wanted`, which are in order, each with its key.
    pub fn some_rows(
        &self,
        block: usize,
        wanted: Vec<(usize, Vec<u8>)>,
    ) -> Result<Vec<Row>, Fault> {
        let at = &self.index.blocks[block].facts;
        let piece = self.piece(at, "facts")?;
        let bad = || self.damaged(at, "facts", "they are not those of its keys");
        let mut facts = FactReader::of(&piece.plain, &piece.raw).ok_or_else(bad)?;
        let mut rows = Vec::with_capacity(wanted.len());
        let mut next = 0;
        for (number, key) in wanted {
            while next < number {
                facts.row(Vec::new()).ok_or_else(bad)?;
                next += 1;
            }
            rows.push(facts.row(key).ok_or_else(bad)?);
            next += 1;
        }
        Ok(rows)
    }

    /// The rows about one key.
    pub fn find(&self, key: &[u8]) -> Result<Vec<Row>, Fault> {
        let mut found = Vec::new();
        for block in self.index.block_of(key)..self.index.blocks.len() {
            if self.index.blocks[block].first.as_slice() > key {
                break;
            }
            let keys = self.keys(block)?;
            let mut wanted = Vec::new();
            self.each_key(block, &keys, &mut |at, there| {
                if there == key {
                    wanted.push((at, key.to_vec()));
                }
                there <= key
            })?;
            if !wanted.is_empty() {
                found.extend(self.some_rows(block, wanted)?);
            }
        }
        Ok(found)
    }

    /// Rows in order, from the first with a key that is not before `key`.
    pub fn rows_from(&self, key: &[u8]) -> Rows<'_> {
        Rows {
            run: self,
            block: self.index.block_of(key),
            from: key.to_vec(),
            held: Vec::new().into_iter(),
        }
    }

    /// Blocks that may have keys with what is asked for in them.
    pub fn blocks_with(&self, asked: &Asked) -> Result<Vec<usize>, Fault> {
        let count = self.index.blocks.len();
        if self.index.zones.is_empty() || asked.is_anything() {
            return Ok((0..count).collect());
        }
        let mut found = Vec::new();
        for (zone, first) in self.index.zones.iter().zip((0..count).step_by(ZONE_BLOCKS as usize)) {
            let mut left: Vec<u32> = (0..ZONE_BLOCKS.min((count - first) as u32)).collect();
            for (group, buckets) in asked.groups() {
                let piece = self.piece(&zone[group], "grams")?;
                narrow(&piece.plain, buckets, &mut left).ok_or_else(|| {
                    self.damaged(&zone[group], "grams", "they are not in columns")
                })?;
                if left.is_empty() {
                    break;
                }
            }
            found.extend(left.into_iter().map(|block| first + block as usize));
        }
        Ok(found)
    }

    /// All seek points of a piece, in order.
    pub fn seek_points(&self, at: &SeeksAt) -> Result<Points, Fault> {
        let held = self.held.borrow().clone().filter(|(offset, _)| *offset == at.piece.offset);
        if let Some((_, points)) = held {
            return Ok(points);
        }
        let plain = self.piece(&at.piece, "seek points")?.plain;
        let points = seek_points(&plain)
            .ok_or_else(|| self.damaged(&at.piece, "seek points", "they are not in columns"))?;
        self.held.replace(Some((at.piece.offset, Rc::clone(&points))));
        Ok(points)
    }

    /// Where reading must start behind a layer to get at byte `input` before it.
    pub fn seek(&self, depth: u8, input: u64) -> Result<Option<u64>, Fault> {
        let mut best: Option<(u64, u64)> = None;
        for at in self.index.seeks.iter().filter(|at| at.depth == depth && at.first.0 <= input) {
            if best.is_some_and(|best| at.last.0 <= best.0) {
                continue;
            }
            let found = match at.last.0 <= input {
                true => Some(at.last),
                false => {
                    let points = self.seek_points(at)?;
                    let after = points.partition_point(|point| point.0 <= input);
                    points[..after].last().copied()
                }
            };
            best = best.max(found);
        }
        Ok(best.map(|point| point.1))
    }

    /// The first seek point behind a layer whose byte before it is not before `input`.
    pub fn seek_after(&self, depth: u8, input: u64) -> Result<Option<u64>, Fault> {
        let mut best: Option<(u64, u64)> = None;
        for at in self.index.seeks.iter().filter(|at| at.depth == depth && at.last.0 >= input) {
            let found = match at.first.0 >= input {
                true => Some(at.first),
                false => self.seek_points(at)?.iter().copied().find(|point| point.0 >= input),
            };
            best = best.into_iter().chain(found).min();
        }
        Ok(best.map(|point| point.1))
    }

    /// Sealed lines and what opens them, as they came.
    pub fn aside(&self) -> Result<Vec<Line>, Fault> {
        let mut all = Vec::new();
        for at in &self.index.aside {
            let text = self.piece(at, "sealed lines")?.plain;
            for line in crate::list::lines(&text) {
                all.push(line.map_err(|why| self.damaged(at, "sealed lines", &why))?);
            }
        }
        Ok(all)
    }

    /// The line of a row.
    pub fn line(&self, row: &Row) -> Result<Line, Fault> {
        row.line().ok_or_else(|| {
            let what = format!("catalogue: the run of job {} has a key that is none", self.job);
            Fault::never(Blame::Host, what)
        })
    }
}

/// The points of a piece; `None` if it is none.
pub fn seek_points(plain: &[u8]) -> Option<Points> {
    let [mut inputs, mut outputs] = column::split(plain)?;
    let (mut points, mut before) = (Vec::new(), (0, 0));
    while !inputs.is_empty() {
        before = (inputs.difference(before.0)?, outputs.difference(before.1)?);
        points.push(before);
    }
    outputs.is_empty().then(|| points.into())
}

/// Rows of a run, one after the other; holds a block.
pub struct Rows<'a> {
    run: &'a Run<'a>,
    block: usize,
    from: Vec<u8>,
    held: std::vec::IntoIter<Row>,
}

impl Rows<'_> {
    /// Goes on with the first row whose key is not before `key`, if that is farther.
    pub fn skip_to(&mut self, key: &[u8]) {
        let first = |block: usize| self.run.index.blocks.get(block).map(|at| at.first.as_slice());
        self.from = key.to_vec();
        // All of what is held is before the block that would come next.
        if first(self.block).is_some_and(|first| first < key) {
            self.held = Vec::new().into_iter();
            self.block = self.block.max(self.run.index.block_of(key));
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let from = &self.from;
            if let Some(row) = self.held.by_ref().find(|row| &row.key >= from) {
                return Some(Ok(row));
            }
            if self.block >= self.run.index.blocks.len() {
                return None;
            }
            let rows = self.run.rows(self.block);
            self.block += 1;
            match rows {
                Ok(rows) => self.held = rows.into_iter(),
                Err(fault) => return Some(Err(fault)),
            }
        }
    }
}
