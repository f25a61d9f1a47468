//! `proc_since`: of the names that a walk met, those that changed since some backups.
//!
//! Owns the comparison. Taken is what is new or may differ from what the newest list holds of it
//! ([`Known`]); all that is in a directory that is another one than it was; every name of a file of
//! which one name is taken, so that links stay links; and the directory that holds what is taken,
//! because restoring that changes its times. What the lists hold, the walk passed by and nobody
//! left unlooked at is gone.
//!
//! What is gone has to be told first and is known last: what is taken waits in a file. Memory: the
//! lists', and some 200 bytes and the path for each name of a file with several.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::rc::Rc;

use super::known::At;
use super::read::take_record;
use super::{Entry, NameReader, NameWriter, Record, SOCKET, is_in, known::Known};
use crate::stream::Fault;

/// What the comparison came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names that were compared.
    pub names: u64,
    /// Names that are taken.
    pub taken: u64,
    /// Names that are gone.
    pub gone: u64,
    /// Things that the walk left out.
    pub left_out: u64,
}

/// A directory on the way from the root to here.
struct Directory {
    path: Vec<u8>,
    record: Vec<u8>,
    taken: Cell<bool>,
    /// What is in it is taken whatever it looks like.
    is_another: bool,
}

/// The names of one file that has several.
#[derive(Default)]
struct Names {
    taken: bool,
    /// Those that did not change, with what holds them.
    waiting: Vec<(Vec<u8>, Option<Rc<Directory>>)>,
}

/// A comparison under way.
pub struct Since {
    known: Known,
    roots: Vec<Vec<u8>>,
    above: Vec<Rc<Directory>>,
    files: HashMap<(u64, u64), Names>,
    taken: BufWriter<File>,
    counts: Counts,
}

impl Since {
    /// Compares with what is `known`; `room` is an empty file to use.
    pub fn new(known: Known, room: File) -> Since {
        Since {
            known,
            roots: Vec::new(),
            above: Vec::new(),
            files: HashMap::new(),
            taken: BufWriter::new(room),
            counts: Counts::default(),
        }
    }

    /// Reads the names and writes what changed.
    pub fn run(
        mut self,
        names: &mut NameReader<impl BufRead>,
        out: impl Write,
    ) -> Result<Counts, Fault> {
        // Whoever reads us knows from the start what this is, also if it never comes to its end.
        let out = NameWriter::begin(out, names.began()).map_err(|e| unwritten(&e))?;
        while let Some(record) = names.next_record()? {
            self.record(record, names.bytes())?;
        }
        self.counts.left_out = names.left_out();
        self.write(out)
    }

    fn record(&mut self, record: Record, bytes: &[u8]) -> Result<(), Fault> {
        match record {
            Record::Root { path } => {
                self.above.clear();
                self.roots.push(path);
                Ok(())
            }
            Record::Missing { why, path } => {
                // A socket is known to be no longer what a list may hold.
                if why != SOCKET {
                    self.known.see_below(&path);
                }
                self.keep(bytes)
            }
            Record::Gone { .. } => {
                Err(Fault::stream("the names were compared with lists before: give all at once"))
            }
            Record::Entry(entry) => self.entry(&entry, bytes),
        }
    }

    fn entry(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), Fault> {
        self.counts.names += 1;
        while self.above.pop_if(|last| !is_in(&entry.path, &last.path)).is_some() {}
        let was = self.known.find(&entry.path);
        let was_directory = was.is_some_and(|at| self.known.was_directory(at));
        // A directory that became something else is gone, and then something new is there.
        if let Some(at) = was.filter(|_| entry.kind == b'd' || !was_directory) {
            self.known.see(at);
        }
        let is_moved = self.above.last().is_some_and(|above| above.is_another);
        let changed = is_moved || was.is_none_or(|at| self.known.differs(at, entry));
        match entry.kind {
            b'd' => self.directory(entry, bytes, was.filter(|_| !is_moved), changed),
            _ => self.other(entry, bytes, changed),
        }
    }

    fn directory(
        &mut self,
        entry: &Entry,
        bytes: &[u8],
        was: Option<At>,
        changed: bool,
    ) -> Result<(), Fault> {
        let is_another = was.is_none_or(|at| self.known.is_another(at, entry));
        let directory = Rc::new(Directory {
            path: entry.path.clone(),
            record: bytes.to_vec(),
            taken: Cell::new(false),
            is_another,
        });
        if changed || is_another {
            self.take_directory(&directory)?;
        }
        self.above.push(directory);
        Ok(())
    }

    fn other(&mut self, entry: &Entry, bytes: &[u8], changed: bool) -> Result<(), Fault> {
        let above = self.above.last().cloned();
        if entry.links < 2 {
            return if changed { self.take(bytes, above) } else { Ok(()) };
        }
        let names = self.files.entry(entry.inode).or_default();
        names.waiting.push((bytes.to_vec(), above));
        names.taken |= changed;
        if names.taken {
            let waiting = std::mem::take(&mut names.waiting);
            return waiting.into_iter().try_for_each(|(bytes, above)| self.take(&bytes, above));
        }
        // All names are here and none has changed.
        if names.waiting.len() as u64 >= entry.links {
            self.files.remove(&entry.inode);
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], above: Option<Rc<Directory>>) -> Result<(), Fault> {
        if let Some(above) = above {
            self.take_directory(&above)?;
        }
        self.counts.taken += 1;
        self.keep(bytes)
    }

    fn take_directory(&mut self, directory: &Directory) -> Result<(), Fault> {
        if directory.taken.replace(true) {
            return Ok(());
        }
        self.counts.taken += 1;
        self.keep(&directory.record)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.taken.write_all(bytes).map_err(|e| unkept(&e))
    }

    fn write(mut self, mut out: NameWriter<impl Write>) -> Result<Counts, Fault> {
        for path in self.known.gone(&self.roots) {
            out.gone(path).map_err(|e| unwritten(&e))?;
            self.counts.gone += 1;
        }
        let mut taken = self.taken.into_inner().map_err(|e| unkept(e.error()))?;
        taken.rewind().map_err(|e| unkept(&e))?;
        let (mut taken, mut record) = (BufReader::new(taken), Vec::new());
        loop {
            take_record(&mut taken, &mut record)?;
            if record.is_empty() {
                break;
            }
            out.again(&record).map_err(|e| unwritten(&e))?;
        }
        out.finish(self.counts.left_out).map_err(|e| unwritten(&e))?;
        Ok(self.counts)
    }
}

fn unkept(error: &io::Error) -> Fault {
    Fault::host("cannot keep the names that changed in a file", error)
}

/// What keeps names from being printed.
pub(crate) fn unwritten(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::BrokenPipe => {
            Fault::neighbour("cannot print the names: their reader is gone")
        }
        _ => Fault::host("cannot print the names", error),
    }
}
