//! `proc_record`: watches a stream and keeps the list of what is in it, and where that lies.
//!
//! Owns the entries of the stream: tells them downstream in marks, so that a tape can keep its own
//! index, and writes them with the places that receipts name to a file. The file gets its name when
//! the stream is whole and, where receipts are expected, all of it was receipted. Changes no byte.
//! Holds no list in memory. A stream that brings its entries along is not recorded twice.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::entries::{Entries, Fact};
use crate::list::file::ListWriter;
use crate::list::{ENTRY_TYPES, LINE_BYTES_MAX, Line};
use crate::parts::whole_file::WholeFile;
use crate::stream::{Begin, Blame, Fault, Item, Outlet, Process, Receipt, Upward};

/// Bytes of entry lines after which a mark is put.
const MARK_BYTES: usize = 32 * 1024;

/// Payload bytes after which the lines so far are told: what is recorded of a stream that is cut is listed as
/// far as this.
const TOLD_BYTES: u64 = 4 << 20;

/// Records one stream.
pub struct Record {
    entries: Option<Entries>,
    /// Lines whose bytes were all passed on.
    lines: Vec<u8>,
    list: Option<List>,
    expects_receipts: bool,
    /// Payload bytes passed on, and how many of them are known to be durable, for each copy.
    passed: u64,
    /// As many were passed on when lines were told last.
    told: u64,
    durable: BTreeMap<u8, u64>,
}

impl Record {
    /// Records, into `list` if there is one; with `expects_receipts` that becomes final only after
    /// receipts for everything.
    pub fn new(list: Option<&Path>, expects_receipts: bool) -> Result<Record, Fault> {
        let list = list.map(List::create).transpose()?;
        Ok(Record {
            entries: None,
            lines: Vec::new(),
            list,
            expects_receipts,
            passed: 0,
            told: 0,
            durable: BTreeMap::new(),
        })
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), Fault> {
        if begin.partial {
            return Err(Fault::never(Blame::Operator, "cannot record a partial stream"));
        }
        self.entries = Some(Entries::of(begin, "record")?);
        self.list.as_mut().map_or(Ok(()), |list| list.begin(begin))
    }

    fn watch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.passed = offset + bytes.len() as u64;
        let lines = &mut self.lines;
        match &mut self.entries {
            Some(entries) => entries.feed(offset, bytes, &mut |fact| {
                write_fact(fact, lines);
                Ok(())
            }),
            None => Ok(()),
        }
    }

    /// Tells the lines gathered. Only when the next item is known not to bring the same ones.
    fn tell(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.told = self.passed;
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        self.keep(&lines)?;
        out.put(Item::Mark(lines))
    }

    fn keep(&mut self, lines: &[u8]) -> Result<(), Fault> {
        self.list.as_mut().map_or(Ok(()), |list| list.write(lines))
    }

    fn mark(&mut self, lines: &[u8]) -> Result<(), Fault> {
        let each = || lines.split_inclusive(|&b| b == b'\n');
        let is_fact = |kind: &u8| ENTRY_TYPES.contains(kind) || *kind == b'-';
        if each().any(|line| line.first().is_some_and(is_fact)) {
            self.entries = None;
            self.lines.clear();
        }
        let is_kept = |line: &&[u8]| !matches!(line.first(), Some(b'?' | b'#' | b'='));
        each().filter(is_kept).try_for_each(|line| self.keep(line))
    }

    fn end(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let lines = &mut self.lines;
        if let Some(entries) = &mut self.entries {
            entries.finish(&mut |fact| {
                write_fact(fact, lines);
                Ok(())
            })?;
        }
        self.tell(out)
    }
}

/// Bytes of a name that are shown where all of it would not fit.
const NAME_BYTES_SHOWN: usize = 1024;

/// Appends the line of what was found. An archive may have names longer than any line that can be read
/// again; such an entry is told as missing, by the beginning of its name. What is gone and so long
/// was in no list, so nobody misses its line.
fn write_fact(fact: Fact, lines: &mut Vec<u8>) {
    let start = lines.len();
    let line = fact.line();
    line.write(lines);
    if lines.len() - start > LINE_BYTES_MAX {
        lines.truncate(start);
        if let Line::Entry(mut entry) = line {
            entry.path.truncate(NAME_BYTES_SHOWN);
            Line::Missing { why: "long-name".into(), path: entry.path }.write(lines);
        }
    }
}

impl Process for Record {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match &item {
            Item::Begin(begin) => self.begin(begin)?,
            Item::Data { offset, block } => {
                if self.lines.len() >= MARK_BYTES || self.passed - self.told >= TOLD_BYTES {
                    self.tell(out)?;
                }
                self.watch(*offset, block.data())?;
            }
            Item::Mark(lines) => self.mark(lines)?,
            Item::End(_) => self.end(out)?,
            Item::Abort(_) | Item::Turn(_) => {}
        }
        out.put(item)
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        let durable = self.durable.entry(receipt.copy).or_default();
        if receipt.from <= *durable {
            *durable = (*durable).max(receipt.to);
        }
        let mut lines = Vec::new();
        for &extent in &receipt.extents {
            let (place, grade) = (receipt.place.clone(), receipt.grade.clone());
            Line::Place { extent, place, grade }.write(&mut lines);
        }
        self.keep(&lines)?;
        up.receipt(receipt)
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        let Some(list) = self.list.take() else { return Ok(0) };
        // Whether every copy is whole is for who makes copies to say; one is enough to be a backup.
        let durable = self.durable.values().copied().max().unwrap_or(0);
        if self.expects_receipts && durable < self.passed {
            return Err(Fault::stream(format!(
                "the list is not kept: of {} bytes {} were receipted",
                self.passed, durable
            )));
        }
        list.publish()?;
        Ok(0)
    }
}

/// The list under construction.
struct List(ListWriter<BufWriter<WholeFile>>);

impl List {
    fn create(path: &Path) -> Result<List, Fault> {
        Ok(List(ListWriter::new(BufWriter::new(WholeFile::create(path)?))))
    }

    fn failed(&self, error: &std::io::Error) -> Fault {
        failed(self.0.out().get_ref().path(), error)
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), Fault> {
        self.0.head(begin).map_err(|e| self.failed(&e))
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Fault> {
        self.0.write_all(lines).map_err(|e| self.failed(&e))
    }

    fn publish(self) -> Result<(), Fault> {
        let path = self.0.out().get_ref().path().to_owned();
        let mut out = self.0.finish().map_err(|e| failed(&path, &e))?;
        out.get_mut().publish()
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    Fault::host(format_args!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Entry;

    #[test]
    fn a_name_longer_than_a_line_is_told_as_missing() {
        let mut entry = Entry {
            kind: b'f',
            offset: 0,
            span: 512,
            size: 0,
            mtime: (0, 0),
            digest: None,
            path: vec![1; 20_000],
            link: None,
        };
        let mut lines = b"~ 1 0 0\n".to_vec();
        write_fact(Fact::Entry(entry.clone()), &mut lines);
        entry.path = b"short".to_vec();
        write_fact(Fact::Entry(entry.clone()), &mut lines);
        write_fact(Fact::Gone(vec![1; 20_000]), &mut lines);
        let lines: Vec<Line> = crate::list::lines(&lines).collect::<Result<_, _>>().unwrap();
        let missing = Line::Missing { why: "long-name".into(), path: vec![1; 1024] };
        assert_eq!(lines[1..], [missing, Line::Entry(entry)]);
    }
}
