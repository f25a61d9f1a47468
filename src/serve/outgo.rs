//! What is given back, on its way out.
//!
//! Owns the frames to whoever restores: for each job one stream, one after the other on one pipe. A
//! stream of which only some is wanted says first which ranges those are.

use std::collections::BTreeMap;
use std::io::PipeWriter;

use crate::catalogue::record::JobId;
use crate::stream::frame::FrameWriter;
use crate::stream::{Abort, Begin, Block, End, Fault, Item, Outlet};

/// Bytes of a mark at most: whole lines up to here.
const MARK_BYTES: usize = 256 * 1024;

/// Index lines that go with a stream.
#[derive(Debug, Default, Clone)]
pub struct Words {
    /// Only some of the stream is wanted.
    pub partial: bool,
    /// Lines before its data: which ranges those are.
    pub before: Vec<u8>,
    /// Lines behind it: what is in it.
    pub behind: Vec<u8>,
}

/// The way out of one job.
pub struct Outgo {
    out: Option<FrameWriter<PipeWriter>>,
    words: BTreeMap<JobId, Words>,
    /// Whose stream is under way, and its data bytes so far.
    now: Option<(JobId, u64)>,
    bytes: u64,
}

impl Outgo {
    /// Frames go to `pipe`.
    pub fn new(pipe: PipeWriter, words: BTreeMap<JobId, Words>) -> Outgo {
        Outgo { out: Some(FrameWriter::new(pipe)), words, now: None, bytes: 0 }
    }

    /// Whether the stream of this job is under way.
    pub fn is_in(&self, of: JobId) -> bool {
        self.now.is_some_and(|(now, _)| now == of)
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
        self.put(Item::Begin(Begin { partial: words.partial, ..begin }))?;
        self.now = Some((of, 0));
        self.lines(&words.before)
    }

    /// Some of its data.
    pub fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        if let Some((_, count)) = &mut self.now {
            *count += bytes.len() as u64;
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
        let Some((of, bytes)) = self.now.take() else { return Ok(()) };
        let behind = self.words.get(&of).map(|words| words.behind.clone()).unwrap_or_default();
        self.lines(&behind)?;
        self.put(Item::End(End { bytes, skipped: 0 }))
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
