//! The making of a run: lines in any order go in, pieces in order of place come out.
//!
//! Owns what is kept of a list, and in how large blocks. Rows are sorted first ([`Sorter`]), so memory has a
//! bound whatever the length of the list; the pieces wait in a nameless file until a transaction takes
//! them. Lines that say where bytes lie are not kept: jobs have that.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use super::block::{self, ROWS_MAX, TEXT_BYTES};
use super::column::{join, put_difference};
use super::grams::{GramWriter, ZONE_BLOCKS};
use super::index::{BlockAt, Index, SeeksAt};
use super::piece::{Packer, PieceAt};
use super::read::Run;
use super::row::{Row, Said};
use super::sort::{HELD_BYTES, Sorter};
use crate::catalogue::record::JobId;
use crate::list::Line;
use crate::stream::{Blame, Fault};

/// Pieces up to so many bytes wait in memory.
const SPOOL_BYTES: usize = 16 << 20;
/// Bytes of a run that are copied at once.
const COPY_BYTES: u64 = 1 << 20;
/// Seek points of a piece.
const SEEKS_MAX: usize = 4096;
/// Bytes of sealed lines of a piece, about.
const ASIDE_BYTES: usize = 64 << 10;
/// A run with no more blocks is read whole by a search.
const BLOCKS_WITHOUT_GRAMS: usize = 4;

/// What is known of a run before any of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHead {
    /// Rows.
    pub rows: u64,
    /// Those of them that are entries.
    pub entries: u64,
    /// Where the first entry's header stands in the payload: behind other things if the archive goes on
    /// from others.
    pub first_offset: u64,
    /// Rows that say that something is gone.
    pub gone: u64,
    /// Layers of the stream; of one without seek points everything must be read.
    pub layers: u8,
    /// Its bytes.
    pub bytes: u64,
    /// The index, its last piece.
    pub index: PieceAt,
}

/// A run that was made and is in no catalogue yet.
#[derive(Debug)]
pub struct NewRun {
    /// Whose list it is.
    pub job: JobId,
    /// What is known of it.
    pub head: RunHead,
    /// Its bytes.
    spool: SpooledTempFile,
}

impl NewRun {
    /// The same list for another catalogue, made with files in `folder`.
    ///
    /// # Errors
    ///
    /// Bytes are missing, or this host has no room.
    pub fn of(run: &Run<'_>, folder: &Path) -> Result<NewRun, Fault> {
        let mut spool = tempfile::spooled_tempfile_in(SPOOL_BYTES, folder);
        let mut at = 0;
        while at < run.head.bytes {
            let bytes = run.bytes(at, COPY_BYTES)?;
            if bytes.is_empty() {
                let what = format!("catalogue: the run of job {} ends at byte {at}", run.job);
                return Err(Fault::never(Blame::Host, what));
            }
            spool.write_all(&bytes).map_err(|e| Fault::host("cannot spool a run", &e))?;
            at += bytes.len() as u64;
        }
        Ok(NewRun { job: run.job, head: run.head, spool })
    }

    /// Calls `each` with its bytes in stretches of `length`, the last one shorter.
    pub fn each(
        &mut self,
        length: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let failed = |e: std::io::Error| Fault::host("cannot read a spooled run", &e);
        self.spool.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut left = self.head.bytes;
        let mut stretch = vec![0; length];
        while left > 0 {
            let count = left.min(length as u64) as usize;
            self.spool.read_exact(&mut stretch[..count]).map_err(failed)?;
            each(&stretch[..count])?;
            left -= count as u64;
        }
        Ok(())
    }
}

/// Takes the lines of a job's list.
pub struct RunWriter {
    sorter: Sorter,
    pieces: Pieces,
    seeks: Vec<(u8, Vec<(u64, u64)>)>,
    aside: Vec<u8>,
    layers: u8,
}

/// Pieces on their way to the spool.
struct Pieces {
    job: JobId,
    packer: Packer,
    spool: SpooledTempFile,
    end: u64,
    index: Index,
}

impl Pieces {
    fn put(&mut self, plain: &[u8], raw: &[u8]) -> Result<PieceAt, Fault> {
        let (at, bytes) = self.packer.pack(self.job, self.end, plain, raw)?;
        self.spool.write_all(&bytes).map_err(|e| Fault::host("cannot spool a run", &e))?;
        self.end = at.end();
        Ok(at)
    }

    fn put_seeks(&mut self, depth: u8, mut points: Vec<(u64, u64)>) -> Result<(), Fault> {
        points.sort_unstable();
        points.dedup();
        let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return Ok(()) };
        let (mut inputs, mut outputs, mut before) = (Vec::new(), Vec::new(), (0, 0));
        for point in points {
            put_difference(&mut inputs, point.0, before.0);
            put_difference(&mut outputs, point.1, before.1);
            before = point;
        }
        let piece = self.put(&join(&[&inputs, &outputs]), &[])?;
        self.index.seeks.push(SeeksAt { depth, first, last, piece });
        Ok(())
    }

    fn put_zone(&mut self, grams: &mut GramWriter) -> Result<(), Fault> {
        let groups = grams.finish();
        let zone: Result<Vec<PieceAt>, Fault> =
            groups.iter().map(|group| self.put(group, &[])).collect();
        self.index.zones.push(zone?);
        Ok(())
    }

    fn put_block(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let first = rows.first().map(|row| row.key.clone()).unwrap_or_default();
        let keys = self.put(&block::encode_keys(rows), &[])?;
        let (facts, digests) = block::encode_facts(rows);
        let facts = self.put(&facts, &digests)?;
        self.index.blocks.push(BlockAt { first, keys, facts });
        Ok(())
    }
}

impl RunWriter {
    /// The list of a job, made with files in `folder`.
    pub fn new(job: JobId, folder: &Path) -> Result<RunWriter, Fault> {
        RunWriter::holding(job, folder, HELD_BYTES)
    }

    /// The same, with another bound for rows in memory.
    pub fn holding(job: JobId, folder: &Path, held_bytes: usize) -> Result<RunWriter, Fault> {
        let spool = tempfile::spooled_tempfile_in(SPOOL_BYTES, folder);
        let pieces = Pieces { job, packer: Packer::new()?, spool, end: 0, index: Index::default() };
        let sorter = Sorter::new(folder, held_bytes);
        Ok(RunWriter { sorter, pieces, seeks: Vec::new(), aside: Vec::new(), layers: 0 })
    }

    /// Says how many layers the stream has; without, as many as there are seek points of.
    #[must_use]
    pub fn layers(self, layers: u8) -> RunWriter {
        RunWriter { layers, ..self }
    }

    /// Takes lines as they come in a mark or stand in an index.
    pub fn lines(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for line in crate::list::lines(bytes) {
            let bad = |why| Fault::never(Blame::Peer, format!("job {}: {why}", self.pieces.job));
            let line = line.map_err(bad)?;
            self.line(line)?;
        }
        Ok(())
    }

    /// Takes a line.
    pub fn line(&mut self, line: Line) -> Result<(), Fault> {
        match Row::of(line) {
            Ok(row) => self.sorter.push(row),
            Err(Line::Seek { depth, input, output }) => self.seek(depth, (input, output)),
            Err(line @ (Line::Sealed(_) | Line::LayerHead { .. })) => self.sealed(&line),
            // Where bytes lie is in the job; heads and tails are a file's.
            Err(_) => Ok(()),
        }
    }

    fn seek(&mut self, depth: u8, point: (u64, u64)) -> Result<(), Fault> {
        let at = self.seeks.iter().position(|(of, _)| *of == depth).unwrap_or_else(|| {
            self.seeks.push((depth, Vec::new()));
            self.seeks.len() - 1
        });
        let points = &mut self.seeks[at].1;
        points.push(point);
        match points.len() == SEEKS_MAX {
            true => {
                let points = std::mem::take(points);
                self.pieces.put_seeks(depth, points)
            }
            false => Ok(()),
        }
    }

    fn sealed(&mut self, line: &Line) -> Result<(), Fault> {
        line.write(&mut self.aside);
        match self.aside.len() >= ASIDE_BYTES {
            true => self.end_aside(),
            false => Ok(()),
        }
    }

    fn end_aside(&mut self) -> Result<(), Fault> {
        if !self.aside.is_empty() {
            let piece = self.pieces.put(&std::mem::take(&mut self.aside), &[])?;
            self.pieces.index.aside.push(piece);
        }
        Ok(())
    }

    /// The run of all that was taken.
    pub fn finish(mut self) -> Result<NewRun, Fault> {
        for (depth, points) in std::mem::take(&mut self.seeks) {
            self.pieces.put_seeks(depth, points)?;
        }
        self.end_aside()?;
        let told = self.pieces.index.seeks.iter().map(|seeks| seeks.depth).max();
        let layers = self.layers.max(told.unwrap_or(0));
        let mut rows = Rows::new(self.pieces, layers);
        let sorter = self.sorter;
        for row in sorter.finish()? {
            rows.row(row?)?;
        }
        rows.finish()
    }
}

/// Sorted rows on their way into blocks.
struct Rows {
    pieces: Pieces,
    grams: GramWriter,
    held: Vec<Row>,
    held_bytes: usize,
    /// The last row of the block before.
    before: Option<Row>,
    head: RunHead,
}

impl Rows {
    fn new(pieces: Pieces, layers: u8) -> Rows {
        let index = PieceAt { offset: 0, length: 0, raw: 0, plain: 0, seal: [0; 16] };
        let head = RunHead {
            rows: 0,
            entries: 0,
            first_offset: u64::MAX,
            gone: 0,
            layers,
            bytes: 0,
            index,
        };
        let (grams, held, before) = (GramWriter::default(), Vec::new(), None);
        Rows { pieces, grams, held, held_bytes: 0, before, head }
    }

    fn row(&mut self, row: Row) -> Result<(), Fault> {
        let before = self.held.last().or(self.before.as_ref());
        // A part that could not be confirmed is told again by the next.
        if before == Some(&row) {
            return Ok(());
        }
        self.head.rows += 1;
        match &row.said {
            Said::Entry(facts) => {
                self.head.entries += 1;
                self.head.first_offset = self.head.first_offset.min(facts.offset);
            }
            Said::Gone => self.head.gone += 1,
            Said::Inode(_) | Said::Missing(_) => {}
        }
        let above = self.held.last().map_or(&[][..], |last| &last.key);
        let known = row.key.iter().zip(above).take_while(|(a, b)| a == b).count();
        self.grams.key(&row.key, known);
        self.held_bytes += row.weight() - size_of::<Row>();
        self.held.push(row);
        match self.held.len() == ROWS_MAX || self.held_bytes >= TEXT_BYTES {
            true => self.end_block(),
            false => Ok(()),
        }
    }

    fn end_block(&mut self) -> Result<(), Fault> {
        self.pieces.put_block(&self.held)?;
        self.before = self.held.pop();
        self.held.clear();
        self.held_bytes = 0;
        self.grams.end_block();
        match self.grams.blocks() == ZONE_BLOCKS {
            true => self.pieces.put_zone(&mut self.grams),
            false => Ok(()),
        }
    }

    fn finish(mut self) -> Result<NewRun, Fault> {
        if !self.held.is_empty() {
            self.end_block()?;
        }
        let few = self.pieces.index.blocks.len() <= BLOCKS_WITHOUT_GRAMS;
        if self.grams.blocks() > 0 && !few {
            self.pieces.put_zone(&mut self.grams)?;
        }
        let index = std::mem::take(&mut self.pieces.index);
        let bytes = postcard::to_stdvec(&index)
            .map_err(|e| Fault::never(Blame::Ours, format!("cannot write an index: {e}")))?;
        self.head.index = self.pieces.put(&bytes, &[])?;
        self.head.bytes = self.pieces.end;
        let Pieces { job, spool, .. } = self.pieces;
        Ok(NewRun { job, head: self.head, spool })
    }
}
