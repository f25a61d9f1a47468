//! Sorting of more rows than memory holds.
//!
//! Owns the spills: rows are gathered up to a bound, sorted and put into a file without a name; in the end
//! all spills are merged. When there are many they are merged into one, so that files open at once
//! have a bound, too. Rows in order cost no comparison more than one each.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::row::Row;
use crate::stream::{Blame, Fault};

/// Bytes of rows that are held before they are spilled.
pub const HELD_BYTES: usize = 64 << 20;
/// Spills that are open at once.
const SPILLS_MAX: usize = 64;
const BUFFER_BYTES: usize = 128 << 10;
/// Lines about one path that are put in order at once.
const SAID_MAX: usize = 4;

/// Takes rows in any order.
pub struct Sorter {
    folder: PathBuf,
    held_max: usize,
    held: Vec<Row>,
    held_bytes: usize,
    spills: Vec<File>,
}

impl Sorter {
    /// One that spills into `folder` what is more than `held_max` bytes.
    pub fn new(folder: &Path, held_max: usize) -> Sorter {
        let (held, spills) = (Vec::new(), Vec::new());
        Sorter { folder: folder.to_owned(), held_max, held, held_bytes: 0, spills }
    }

    /// Takes a row.
    pub fn push(&mut self, row: Row) -> Result<(), Fault> {
        self.held_bytes += row.weight();
        self.hold(row);
        match self.held_bytes > self.held_max {
            true => self.spill(),
            false => Ok(()),
        }
    }

    /// Lists come nearly in order: only what is said about one path is not as it ranks. Put right here, it
    /// leaves nothing to be sorted.
    fn hold(&mut self, row: Row) {
        let ranks_before = |held: &&Row| held.key == row.key && row.rank() < held.rank();
        let behind = self.held.iter().rev().take(SAID_MAX).take_while(ranks_before).count();
        match behind {
            // Strange; sorting has a bound that this has not.
            SAID_MAX => self.held.push(row),
            behind => self.held.insert(self.held.len() - behind, row),
        }
    }

    fn spill(&mut self) -> Result<(), Fault> {
        let rows = sorted(std::mem::take(&mut self.held)).into_iter().map(Ok);
        self.held_bytes = 0;
        self.write(rows)?;
        if self.spills.len() == SPILLS_MAX {
            let merged = Merge::of(std::mem::take(&mut self.spills))?;
            self.write(merged)?;
        }
        Ok(())
    }

    fn write(&mut self, rows: impl Iterator<Item = Result<Row, Fault>>) -> Result<(), Fault> {
        let failed = |e: std::io::Error| Fault::host("cannot spill rows", &e);
        let file = tempfile::tempfile_in(&self.folder).map_err(failed)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        for row in rows {
            let bytes = postcard::to_stdvec(&row?).map_err(|e| ours(&e))?;
            out.write_all(&(bytes.len() as u32).to_le_bytes()).map_err(failed)?;
            out.write_all(&bytes).map_err(failed)?;
        }
        let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        self.spills.push(file);
        Ok(())
    }

    /// All rows in order.
    pub fn finish(mut self) -> Result<Sorted, Fault> {
        let held = sorted(std::mem::take(&mut self.held));
        if self.spills.is_empty() {
            return Ok(Sorted::Held(held.into_iter()));
        }
        let mut merge = Merge::of(self.spills)?;
        merge.add_held(held);
        Ok(Sorted::Merged(merge))
    }
}

/// Rows in order.
pub enum Sorted {
    /// They were few.
    Held(std::vec::IntoIter<Row>),
    /// They were many.
    Merged(Merge),
}

impl Iterator for Sorted {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Sorted::Held(rows) => rows.next().map(Ok),
            Sorted::Merged(merge) => merge.next(),
        }
    }
}

fn ours(error: &postcard::Error) -> Fault {
    Fault::never(Blame::Ours, format!("a spilled row makes no sense: {error}"))
}

fn order(a: &Row, b: &Row) -> Ordering {
    a.key.cmp(&b.key).then_with(|| a.rank().cmp(&b.rank()))
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(order);
    rows
}

enum From {
    Spill(BufReader<File>),
    Held(std::vec::IntoIter<Row>),
}

impl From {
    fn next_row(&mut self) -> Result<Option<Row>, Fault> {
        let file = match self {
            From::Held(rows) => return Ok(rows.next()),
            From::Spill(file) => file,
        };
        let failed = |e: std::io::Error| Fault::host("cannot read spilled rows", &e);
        let mut length = [0; 4];
        match file.read_exact(&mut length) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read.map_err(failed)?,
        }
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut bytes).map_err(failed)?;
        postcard::from_bytes(&bytes).map(Some).map_err(|e| ours(&e))
    }
}

/// The next row of one of several; the least is the greatest to a heap.
struct Next {
    row: Row,
    from: usize,
}

impl Ord for Next {
    fn cmp(&self, other: &Next) -> Ordering {
        order(&other.row, &self.row).then_with(|| other.from.cmp(&self.from))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Next) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Next) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}

/// Several sorted files as one; rows that are equal come in the order in which they were spilled.
pub struct Merge {
    sources: Vec<From>,
    heap: BinaryHeap<Next>,
    fault: Option<Fault>,
}

impl Merge {
    fn of(spills: Vec<File>) -> Result<Merge, Fault> {
        let mut merge = Merge { sources: Vec::new(), heap: BinaryHeap::new(), fault: None };
        for mut file in spills {
            file.rewind().map_err(|e| Fault::host("cannot read spilled rows", &e))?;
            merge.sources.push(From::Spill(BufReader::with_capacity(BUFFER_BYTES, file)));
            merge.advance(merge.sources.len() - 1);
        }
        Ok(merge)
    }

    fn add_held(&mut self, rows: Vec<Row>) {
        self.sources.push(From::Held(rows.into_iter()));
        self.advance(self.sources.len() - 1);
    }

    fn advance(&mut self, from: usize) {
        match self.sources[from].next_row() {
            Ok(Some(row)) => self.heap.push(Next { row, from }),
            Ok(None) => {}
            Err(fault) => self.fault = Some(fault),
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(fault) = self.fault.take() {
            self.heap.clear();
            return Some(Err(fault));
        }
        let Next { row, from } = self.heap.pop()?;
        self.advance(from);
        Some(Ok(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::run::row::Said;

    fn row(number: u64, said: u64) -> Row {
        Row { key: format!("{number:05}").into_bytes(), stored: None, said: Said::Inode(said) }
    }

    #[test]
    fn rows_come_out_in_order_however_often_they_were_spilled() {
        let folder = tempfile::tempdir().unwrap();
        // 80 spills: some are merged before the end.
        let mut sorter = Sorter::new(folder.path(), 25 * row(0, 0).weight());
        let mut expected = Vec::new();
        for n in 0..2080u64 {
            let row = row(n * 7919 % 1040, n);
            expected.push(row.clone());
            sorter.push(row).unwrap();
        }
        assert!(sorter.spills.len() < SPILLS_MAX);
        expected.sort_by(order);
        let found: Vec<Row> = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert_eq!(found, expected);
    }
}
