//! `sink_file`: keeps a stream in a file, frame by frame as the edge carried it.
//!
//! The file gets its name only when the stream is whole and synced; until then an existing one of
//! that name stays untouched. One receipt for each stream that is whole tells that all of it is on
//! disk; its blocks are the byte offsets of frames in the file, its digest is over the frames' headers.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::parts::whole_file::WholeFile;
use crate::stream::frame::FrameWriter;
use crate::stream::{Course, Fault, Item, Outlet, Place, Receipt, Runs, Sink, StreamId, Upward};

/// Bytes of a frame's header; each frame reaches us as one write.
const HEADER_BYTES: usize = 24;

/// Keeps one stream, or those that take turns on one edge.
pub struct StreamFile {
    path: PathBuf,
    draft: Option<Draft>,
}

impl StreamFile {
    /// Will keep a stream in `path`.
    pub fn new(path: PathBuf) -> StreamFile {
        StreamFile { path, draft: None }
    }
}

impl Sink for StreamFile {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        let draft = match (&item, &mut self.draft) {
            (Item::Abort(_), draft) if draft.as_ref().is_none_or(|d| d.course.turn().is_none()) => {
                self.draft = None;
                return Ok(());
            }
            (Item::Begin(_), draft @ None) => draft.insert(Draft::create(&self.path)?),
            (_, Some(draft)) => draft,
            (_, None) => return Err(Fault::stream("the stream does not start with its begin")),
        };
        draft.put(item)?;
        match self.draft.take_if(|draft| draft.course.is_over()) {
            Some(draft) => draft.publish()?.into_iter().try_for_each(|receipt| up.receipt(receipt)),
            None => Ok(()),
        }
    }
}

/// A stream in the file.
struct Kept {
    id: StreamId,
    runs: Runs,
    end: u64,
    whole: bool,
}

struct Draft {
    frames: FrameWriter<Pen>,
    course: Course,
    streams: Vec<Kept>,
    /// Which of them is written now.
    now: usize,
}

impl Draft {
    fn create(path: &Path) -> Result<Draft, Fault> {
        let file = WholeFile::create(path)?;
        let frames = FrameWriter::new(Pen { file, at: 0, headers: blake3::Hasher::new() });
        Ok(Draft { frames, course: Course::new(), streams: Vec::new(), now: 0 })
    }

    fn put(&mut self, item: Item) -> Result<(), Fault> {
        let is_the_edges = self.course.mux().is_some() && self.course.turn().is_none();
        self.course.note(&item);
        match &item {
            Item::Begin(begin) if self.course.mux() != Some(begin.stream) => {
                self.now = self.streams.len();
                let (id, runs) = (begin.stream, Runs::new());
                self.streams.push(Kept { id, runs, end: 0, whole: false });
            }
            Item::Turn(id) => {
                let known = self.streams.iter().position(|kept| kept.id == *id);
                self.now = known.unwrap_or(self.streams.len());
            }
            _ => {}
        }
        if let Some(kept) = self.streams.get_mut(self.now).filter(|_| !is_the_edges) {
            kept.note(&item, self.frames.inner().at);
        }
        self.frames.put(item).map_err(|fault| {
            let path = self.frames.inner().file.path().display();
            Fault { what: format!("{path}: {}", fault.what), ..fault }
        })
    }

    fn publish(self) -> Result<Vec<Receipt>, Fault> {
        let mut pen = self.frames.into_inner();
        pen.file.publish()?;
        let medium = pen.file.path().to_string_lossy().into_owned();
        let digest = pen.headers.finalize().to_hex().to_string();
        let receipt = |kept: Kept| {
            let extents = kept.runs.into_extents();
            Receipt {
                stream: kept.id,
                from: extents.first().map_or(0, |e| e.from),
                to: kept.end,
                grade: "on disk".into(),
                place: Place { medium: medium.clone(), volume: None, partition: 0 },
                extents,
                copy: 0,
                copies: 1,
                digest: digest.clone(),
            }
        };
        Ok(self.streams.into_iter().filter(|kept| kept.whole).map(receipt).collect())
    }
}

impl Kept {
    fn note(&mut self, item: &Item, at: u64) {
        match item {
            Item::Data { offset, block } => {
                self.end = *offset + block.len() as u64;
                self.runs.add(*offset, self.end, at);
            }
            Item::End(_) => self.whole = true,
            _ => {}
        }
    }
}

/// Writes frames, and keeps the digest over their headers and the place in the file.
struct Pen {
    file: WholeFile,
    at: u64,
    headers: blake3::Hasher,
}

impl Write for Pen {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.headers.update(&frame[..frame.len().min(HEADER_BYTES)]);
        self.file.write_all(frame)?;
        self.at += frame.len() as u64;
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
