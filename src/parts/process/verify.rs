//! `proc_verify`: compares a stream with the entries recorded of it.
//!
//! Owns the comparison: type, path, link, size, time and digest, entry by entry in stream order, and
//! the paths that are gone, likewise. The
//! recorded entries come in the stream's own marks or from a list. Every difference is named. Of a
//! partial stream only what is there is compared. Changes no byte and keeps no list in memory.

use std::collections::VecDeque;
use std::io::BufRead;

use super::entries::{Entries, Fact};
use crate::list::{Entry, Line};
use crate::stream::{Begin, Blame, Fault, Item, Outlet, Process};

/// Entries that wait for the mark which describes them, at most.
const WAITING_MAX: usize = 1 << 16;

/// Paths that are gone and wait, likewise: they are shorter.
const GONE_WAITING_MAX: usize = 1 << 20;

/// Compares one stream.
pub struct Verify<'a> {
    entries: Option<Entries>,
    partial: bool,
    seen: VecDeque<Entry>,
    recorded: VecDeque<Entry>,
    gone: Gone,
    list: Option<Box<dyn BufRead + Send + 'a>>,
    say: Box<dyn FnMut(&str) + Send + 'a>,
    counts: Counts,
}

/// Paths that are gone and were not compared yet: one side is always empty.
#[derive(Default)]
struct Gone {
    seen: VecDeque<Vec<u8>>,
    recorded: VecDeque<Vec<u8>>,
}

#[derive(Default)]
struct Counts {
    same: u64,
    different: u64,
    missing: u64,
    unknown: u64,
}

impl<'a> Verify<'a> {
    /// Compares with the entries of `list`, or without one with those in the stream's marks. What
    /// differs is given to `say`, a line each.
    pub fn new(
        list: Option<Box<dyn BufRead + Send + 'a>>,
        say: Box<dyn FnMut(&str) + Send + 'a>,
    ) -> Verify<'a> {
        Verify {
            entries: None,
            partial: false,
            seen: VecDeque::new(),
            recorded: VecDeque::new(),
            gone: Gone::default(),
            list,
            say,
            counts: Counts::default(),
        }
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), Fault> {
        self.entries = Some(Entries::of(begin, "verify")?);
        self.partial = begin.partial;
        Ok(())
    }

    fn watch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let (seen, gone) = (&mut self.seen, &mut self.gone.seen);
        if let Some(entries) = &mut self.entries {
            entries.feed(offset, bytes, &mut |fact| {
                match fact {
                    Fact::Entry(entry) => seen.push_back(entry),
                    Fact::Gone(path) => gone.push_back(path),
                }
                Ok(())
            })?;
        }
        self.compare()?;
        self.compare_gone();
        match self.seen.len() > WAITING_MAX || self.gone.seen.len() > GONE_WAITING_MAX {
            true => Err(nothing_recorded()),
            false => Ok(()),
        }
    }

    fn mark(&mut self, lines: &[u8]) -> Result<(), Fault> {
        if self.list.is_some() {
            return Ok(());
        }
        for line in crate::list::lines(lines) {
            match line.map_err(Fault::stream)? {
                Line::Entry(entry) => self.recorded.push_back(entry),
                Line::Gone { path } => self.gone.recorded.push_back(path),
                _ => {}
            }
        }
        self.compare_gone();
        self.compare()
    }

    fn end(&mut self) -> Result<(), Fault> {
        let seen = &mut self.seen;
        if let Some(entries) = &mut self.entries {
            entries.finish(&mut |fact| {
                if let Fact::Entry(entry) = fact {
                    seen.push_back(entry);
                }
                Ok(())
            })?;
        }
        self.compare()?;
        if self.list.is_none() && self.counts.total() == 0 && !self.seen.is_empty() {
            return Err(nothing_recorded());
        }
        while let Some(entry) = self.seen.pop_front() {
            self.unknown(&entry);
        }
        while self.more_recorded()? {
            let entry = self.recorded.pop_front();
            entry.iter().for_each(|entry| self.missing(entry));
        }
        self.end_gone();
        Ok(())
    }

    fn compare_gone(&mut self) {
        while !self.gone.seen.is_empty() && !self.gone.recorded.is_empty() {
            let (seen, recorded) = (self.gone.seen.pop_front(), self.gone.recorded.pop_front());
            match seen == recorded {
                true => self.counts.same += 1,
                false => seen.iter().chain(&recorded).for_each(|path| self.other_gone(path)),
            }
        }
    }

    /// Of a partial stream the paths that are gone are no part.
    fn end_gone(&mut self) {
        self.compare_gone();
        let Gone { seen, recorded } = std::mem::take(&mut self.gone);
        let recorded = if self.partial { VecDeque::new() } else { recorded };
        seen.iter().chain(&recorded).for_each(|path| self.other_gone(path));
    }

    fn other_gone(&mut self, path: &[u8]) {
        self.counts.different += 1;
        (self.say)(&format!("{}: gone in the stream or the list, not in both", shown(path)));
    }

    /// Joins both sides by offset as far as both are known.
    fn compare(&mut self) -> Result<(), Fault> {
        while !self.seen.is_empty() && self.more_recorded()? {
            let offset_of = |side: &VecDeque<Entry>| side.front().map(|e| e.offset);
            let (here, there) = (offset_of(&self.seen), offset_of(&self.recorded));
            let seen = if here <= there { self.seen.pop_front() } else { None };
            let recorded = if there <= here { self.recorded.pop_front() } else { None };
            match (seen, recorded) {
                (Some(seen), Some(recorded)) => self.pair(&seen, &recorded),
                (Some(seen), None) => self.unknown(&seen),
                (None, Some(recorded)) => self.missing(&recorded),
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// True when a recorded entry waits; reads on in the list for one.
    fn more_recorded(&mut self) -> Result<bool, Fault> {
        while self.recorded.is_empty() {
            let Some(list) = &mut self.list else { return Ok(false) };
            match crate::list::read_line(list)? {
                Some(Line::Entry(entry)) => self.recorded.push_back(entry),
                Some(Line::Gone { path }) => self.gone.recorded.push_back(path),
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn pair(&mut self, seen: &Entry, recorded: &Entry) {
        let differences = differences(seen, recorded);
        match differences.is_empty() {
            true => self.counts.same += 1,
            false => {
                self.counts.different += 1;
                (self.say)(&format!("{}: {}", name(recorded), differences.join(", ")));
            }
        }
    }

    fn missing(&mut self, recorded: &Entry) {
        if !self.partial {
            self.counts.missing += 1;
            (self.say)(&format!("{}: recorded, but not in the stream", name(recorded)));
        }
    }

    fn unknown(&mut self, seen: &Entry) {
        self.counts.unknown += 1;
        (self.say)(&format!("{}: in the stream, but not recorded", name(seen)));
    }
}

impl Counts {
    fn wrong(&self) -> u64 {
        self.different + self.missing + self.unknown
    }

    fn total(&self) -> u64 {
        self.same + self.wrong()
    }
}

fn nothing_recorded() -> Fault {
    Fault::never(Blame::Operator, "cannot verify: the stream brings no entries to compare with")
        .hint("give the list that proc_record wrote: --list FILE")
}

fn name(entry: &Entry) -> String {
    shown(&entry.path)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&crate::list::escape(path)).into_owned()
}

fn differences(seen: &Entry, recorded: &Entry) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |same: bool, what: &dyn Fn() -> String| {
        if !same {
            found.push(what());
        }
    };
    check(seen.path == recorded.path, &|| format!("its path is now {}", name(seen)));
    check(seen.kind == recorded.kind, &|| "its type differs".into());
    check(seen.link == recorded.link, &|| "its link target differs".into());
    check(seen.size == recorded.size, &|| {
        format!("its size is {}, not {}", seen.size, recorded.size)
    });
    check(seen.mtime == recorded.mtime, &|| "its time differs".into());
    match (seen.digest, recorded.digest) {
        (Some(_), None) => check(false, &|| "no digest was recorded".into()),
        (here, there) => check(here == there, &|| "its content differs".into()),
    }
    found
}

impl Process for Verify<'_> {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match &item {
            Item::Begin(begin) => self.begin(begin)?,
            Item::Data { offset, block } => self.watch(*offset, block.data())?,
            Item::Mark(lines) => self.mark(lines)?,
            Item::End(_) => self.end()?,
            Item::Abort(_) | Item::Turn(_) => {}
        }
        out.put(item)
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        let Counts { same, different, missing, unknown } = self.counts;
        if self.counts.wrong() > 0 {
            (self.say)(&format!(
                "{same} agree, {different} differ, {missing} missing, {unknown} not recorded"
            ));
        }
        Ok(self.counts.wrong())
    }
}
