//! A backup's stream on its way in.
//!
//! Owns what is between a pipe and a place in a session: the stream must be the one that the job is for,
//! its index lines are kept for the catalogue, and somebody knows how far it has come.

use std::fs::File;
use std::io::{BufWriter, PipeReader, Write};
use std::path::{Path, PathBuf};

use crate::plumb::berths::Filler;
use crate::plumb::ring::Meter;
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

/// Where index lines wait for the catalogue.
pub fn lines_file(spool: &Path, job: u64) -> PathBuf {
    spool.join(format!("job-{job}.lines"))
}

/// How a stream came in: how many bytes its end counts, or why there was no end.
pub type CameIn = Result<u64, Fault>;

/// A stream that comes in.
struct Watched {
    from: FrameReader<PipeReader>,
    expected: Expected,
    lines: BufWriter<File>,
    meter: Meter,
    came: Option<CameIn>,
}

impl Watched {
    fn judge(&mut self, item: &Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.check(begin),
            Item::Data { block, .. } => {
                self.meter.add(block.len() as u64);
                match self.expected.bytes_max {
                    Some(most) if self.meter.bytes() > most => Err(Fault::never(
                        Blame::Operator,
                        format!("the machine's quota is used up: {most} bytes more were left"),
                    )
                    .hint("an administrator can raise it: tapicli machines")),
                    _ => Ok(()),
                }
            }
            Item::Mark(lines) => self
                .lines
                .write_all(lines)
                .map_err(|e| Fault::host("cannot keep the index lines of a stream", &e)),
            Item::End(_) => self
                .lines
                .flush()
                .map_err(|e| Fault::host("cannot keep the index lines of a stream", &e)),
            Item::Abort(_) | Item::Turn(_) => Ok(()),
        }
    }

    fn check(&self, begin: &Begin) -> Result<(), Fault> {
        let Expected { stream, name, .. } = &self.expected;
        begin.refuse_mux("backs up")?;
        if begin.stream != *stream || begin.name != *name {
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

/// Takes a stream from `from` to its place, on a thread; `over` is told how that went, and gets the place
/// back.
///
/// # Errors
///
/// This host: no thread, no room for the lines.
pub fn start(
    from: PipeReader,
    expected: Expected,
    lines: &Path,
    meter: Meter,
    place: Filler,
    over: impl FnOnce(CameIn, Filler) + Send + 'static,
) -> Result<(), Fault> {
    let what = format!("cannot create {}", lines.display());
    let lines = File::create(lines).map_err(|e| Fault::host(what, &e))?;
    let mut watched = Watched {
        from: FrameReader::new(from),
        expected,
        lines: BufWriter::new(lines),
        meter,
        came: None,
    };
    let thread = std::thread::Builder::new().name("stream in".into());
    let run = move || {
        let taken = place.fill(&mut watched);
        let came = watched.came.take().filter(|came| taken || came.is_err());
        let refused = || Err(Fault::neighbour("the drive takes no more"));
        over(came.unwrap_or_else(refused), place);
    };
    thread.spawn(run).map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}
