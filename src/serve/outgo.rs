//! What is given back, on its way out.
//!
//! Owns the frames to whoever restores: for each job one stream, one after the other on one pipe. A
//! stream of which only some is wanted says first which ranges those are. Where bytes are lost it says so, and
//! goes on where something of use begins again.

use std::collections::BTreeMap;
use std::io::PipeWriter;

use crate::catalogue::Reader;
use crate::catalogue::record::JobId;
use crate::list::Line;
use crate::serve::gap::{self, GoOn};
use crate::stream::frame::FrameWriter;
use crate::stream::{Abort, Begin, Block, End, Fault, Item, Outlet};

/// Bytes of a mark at most: whole lines up to here.
const MARK_BYTES: usize = 256 * 1024;

/// Index lines that go with a stream.
#[derive(Debug, Default, Clone)]
pub struct Words {
    /// Only some of the stream is wanted.
    pub partial: bool,
    /// The stream was cut when it was backed up.
    pub cut: bool,
    /// Lines before its data: which ranges those are.
    pub before: Vec<u8>,
    /// Lines behind it: what is in it.
    pub behind: Vec<u8>,
}

/// The way out of one job.
pub struct Outgo {
    out: Option<FrameWriter<PipeWriter>>,
    words: BTreeMap<JobId, Words>,
    /// The file lists, to find out where to go on behind a gap.
    lists: Reader,
    now: Option<Now>,
    gap: Option<Gap>,
    bytes: u64,
}

/// The stream under way.
struct Now {
    of: JobId,
    layers: u8,
    /// Data bytes so far.
    bytes: u64,
    /// Ranges that were lost.
    lost: u64,
}

/// Bytes that are lost, and nothing of use came since.
struct Gap {
    of: JobId,
    from: u64,
    to: u64,
    go_on: Option<GoOn>,
}

impl Outgo {
    /// Frames go to `pipe`.
    pub fn new(pipe: PipeWriter, words: BTreeMap<JobId, Words>, lists: Reader) -> Outgo {
        let out = Some(FrameWriter::new(pipe));
        Outgo { out, words, lists, now: None, gap: None, bytes: 0 }
    }

    /// Whether the stream of this job is under way.
    pub fn is_in(&self, of: JobId) -> bool {
        self.now.as_ref().is_some_and(|now| now.of == of)
    }

    /// Data bytes so far, of all streams.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn put(&mut self, item: Item) -> Result<(), Fault> {
        let out = self.out.as_mut();
        out.ok_or_else(|| Fault::neighbour("whoever restores is gone"))?.put(item)
    }

    /// Begins the stream of a job; the one before it ends.
    pub fn begin(&mut self, of: JobId, begin: Begin) -> Result<(), Fault> {
        self.end_stream()?;
        // Each stream is by itself, from its magic to its digest.
        self.out = self.out.take().map(|out| FrameWriter::new(out.into_inner()));
        let words = self.words.get(&of).cloned().unwrap_or_default();
        let layers = u8::try_from(begin.layers.len()).unwrap_or(u8::MAX);
        self.put(Item::Begin(Begin { partial: words.partial, ..begin }))?;
        self.now = Some(Now { of, layers, bytes: 0, lost: 0 });
        self.lines(&words.before)
    }

    /// Goes without these bytes of a job's stream.
    pub fn gap(&mut self, of: JobId, from: u64, to: u64) {
        match self.gap.as_mut().filter(|gap| gap.of == of) {
            Some(gap) => (gap.to, gap.go_on) = (to, None),
            None => self.gap = Some(Gap { of, from, to, go_on: None }),
        }
    }

    /// Where the stream goes on behind a gap; none: there was none.
    fn go_on(&mut self) -> Result<Option<GoOn>, Fault> {
        let Some(now) = &self.now else { return Ok(None) };
        let Some(gap) = self.gap.as_mut().filter(|gap| gap.of == now.of) else { return Ok(None) };
        if gap.go_on.is_none() {
            let range = (gap.from, gap.to);
            let words = self.words.get(&now.of);
            gap.go_on = Some(gap::go_on(&self.lists, now.of, words, range, now.layers)?);
        }
        Ok(gap.go_on.clone())
    }

    fn tell_lost(&mut self, go_on: &GoOn) -> Result<(), Fault> {
        self.gap = None;
        if let Some(now) = &mut self.now {
            now.lost += 1;
        }
        self.put(Item::Mark(go_on.lines()))
    }

    /// Some of its data.
    pub fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let (mut offset, mut bytes) = (offset, bytes);
        if let Some(go_on) = self.go_on()? {
            let of_no_use = go_on.stream_byte().saturating_sub(offset).min(bytes.len() as u64);
            offset += of_no_use;
            bytes = &bytes[of_no_use as usize..];
            if bytes.is_empty() {
                return Ok(());
            }
            self.tell_lost(&go_on)?;
        }
        if let Some(now) = &mut self.now {
            now.bytes += bytes.len() as u64;
        }
        self.bytes += bytes.len() as u64;
        self.put(Item::Data { offset, block: Block::copy_of(bytes) })
    }

    fn lines(&mut self, mut lines: &[u8]) -> Result<(), Fault> {
        while !lines.is_empty() {
            let most = lines.len().min(MARK_BYTES);
            let end =
                lines[..most].iter().rposition(|&b| b == b'\n').map_or(lines.len(), |at| at + 1);
            self.put(Item::Mark(lines[..end].to_vec()))?;
            lines = &lines[end..];
        }
        Ok(())
    }

    fn end_stream(&mut self) -> Result<(), Fault> {
        if self.go_on()?.is_some() {
            let layers = self.now.as_ref().map_or(0, |now| now.layers);
            self.tell_lost(&GoOn::nowhere(layers))?;
        }
        let Some(Now { of, bytes, lost, .. }) = self.now.take() else { return Ok(()) };
        if self.words.get(&of).is_some_and(|words| words.cut) {
            let mut line = Vec::new();
            Line::Cut.write(&mut line);
            self.put(Item::Mark(line))?;
        }
        let behind = self.words.get(&of).map(|words| words.behind.clone()).unwrap_or_default();
        self.lines(&behind)?;
        self.put(Item::End(End { bytes, skipped: lost }))
    }

    /// Nothing more comes.
    pub fn end(&mut self) -> Result<(), Fault> {
        let ended = self.end_stream();
        self.out = None;
        ended
    }

    /// Nothing more comes, and not all of it did: why.
    pub fn give_up(&mut self, why: &str) {
        let abort = Abort { who: "tapioca".into(), why: why.into() };
        if self.now.take().is_some()
            && let Err(error) = self.put(Item::Abort(abort))
        {
            tracing::debug!(%error, "nobody reads our abort");
        }
        self.out = None;
    }
}
