//! A backup's stream on its way in.
//!
//! Owns what is between a pipe and a place in a session: the stream must be the one that the job is for,
//! its index lines are kept for the catalogue, and somebody knows how far it has come.

use std::io::PipeReader;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::record::JobId;
use crate::catalogue::run::{NewRun, RunWriter};
use crate::list::ENTRY_TYPES;
use crate::plumb::berths::Filler;
use crate::plumb::ring::Meter;
use crate::serve::held::Held;
use crate::stream::frame::FrameReader;
use crate::stream::{Begin, Blame, Fault, Inlet, Item, StreamId};

/// What a job expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The stream's identity.
    pub stream: StreamId,
    /// Its name there: `MACHINE/BACKUP`.
    pub name: String,
    /// Payload bytes it may have.
    pub bytes_max: Option<u64>,
}

/// How a stream came in: how many bytes its end counts, or why there was no end.
pub type CameIn = Result<u64, Fault>;

/// How a stream is to come in.
pub struct Way {
    /// What it must be.
    pub expected: Expected,
    /// The job whose file list its index lines are; none: they are not kept.
    pub list_of: Option<JobId>,
    /// Where the list is made.
    pub spool: PathBuf,
    /// Counts bytes.
    pub meter: Meter,
    /// Counts entries.
    pub entries: Meter,
    /// Keeps what is recorded, should the stream be cut.
    pub held: Option<Arc<Mutex<Held>>>,
}

/// A stream that comes in.
struct Watched {
    from: FrameReader<PipeReader>,
    way: Way,
    list: Option<RunWriter>,
    came: Option<CameIn>,
}

impl Watched {
    fn judge(&mut self, item: &Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => {
                self.check(begin)?;
                self.held(|held| held.begin(begin.layers.len()))
            }
            Item::Data { block, .. } => {
                self.way.meter.add(block.len() as u64);
                match self.way.expected.bytes_max {
                    Some(most) if self.way.meter.bytes() > most => Err(Fault::never(
                        Blame::Operator,
                        format!("the machine's quota is used up: {most} bytes were left of it"),
                    )
                    .hint("an administrator can raise it")),
                    _ => Ok(()),
                }
            }
            Item::Mark(lines) => self.keep(lines),
            Item::End(_) | Item::Abort(_) | Item::Turn(_) => Ok(()),
        }
    }

    fn keep(&mut self, lines: &[u8]) -> Result<(), Fault> {
        let Some(list) = &mut self.list else { return Ok(()) };
        let entries = lines.split(|&b| b == b'\n');
        let entries = entries.filter(|line| {
            line.get(1) == Some(&b' ') && line.first().is_some_and(|b| ENTRY_TYPES.contains(b))
        });
        self.way.entries.add(entries.count() as u64);
        list.lines(lines)?;
        self.held(|held| held.lines(lines))
    }

    fn held(&self, what: impl FnOnce(&mut Held) -> Result<(), Fault>) -> Result<(), Fault> {
        let held = self.way.held.as_ref();
        held.map_or(Ok(()), |held| what(&mut held.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn check(&self, begin: &Begin) -> Result<(), Fault> {
        let Expected { stream, name, .. } = &self.way.expected;
        begin.refuse_mux("backs up")?;
        // What opens a sealed stream stands behind the name that everybody may read.
        let called = begin.name.split_once(" age:").map_or(&*begin.name, |(clear, _)| clear);
        if begin.stream != *stream || called != name {
            return Err(Fault::stream(format!(
                "this is stream {} called {:?}; the job is for {stream} called {name:?}",
                begin.stream, begin.name
            )));
        }
        match begin.partial {
            true => Err(Fault::stream("a stream of chosen ranges cannot be stored as a backup")),
            false => Ok(()),
        }
    }
}

impl Inlet for Watched {
    fn take(&mut self) -> Result<Item, Fault> {
        let taken = self.from.take().and_then(|item| {
            self.judge(&item)?;
            Ok(item)
        });
        match &taken {
            Ok(Item::End(end)) => self.came = Some(Ok(end.bytes)),
            Ok(Item::Abort(abort)) => {
                let why = format!("{} gave up: {}", abort.who, abort.why);
                self.came = Some(Err(Fault::later(Blame::Peer, why)));
            }
            Ok(_) => {}
            Err(fault) => self.came = Some(Err(fault.clone())),
        }
        taken
    }
}

/// Takes a stream from `from` to its place, on a thread; `over` is told how that went, with the file list of
/// what came, and gets the place back.
///
/// # Errors
///
/// This host: no thread, no room for the list.
pub fn start(
    from: PipeReader,
    way: Way,
    place: Filler,
    over: impl FnOnce(CameIn, Option<NewRun>, Filler) + Send + 'static,
) -> Result<(), Fault> {
    let list = way.list_of.map(|job| RunWriter::new(job, &way.spool)).transpose()?;
    let mut watched = Watched { from: FrameReader::new(from), way, list, came: None };
    let run = move || {
        let taken = place.fill(&mut watched);
        let came = watched.came.take().filter(|came| taken || came.is_err());
        let refused = || Err(Fault::neighbour("the drive takes no more"));
        let came = came.unwrap_or_else(refused);
        // Of a stream that was cut, only what is recorded is listed.
        let list = watched.list.filter(|_| came.is_ok());
        match list.map(RunWriter::finish).transpose() {
            Ok(list) => over(came, list, place),
            Err(fault) => over(Err(fault), None, place),
        }
    };
    let thread = std::thread::Builder::new().name("stream in".into());
    thread.spawn(run).map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}
