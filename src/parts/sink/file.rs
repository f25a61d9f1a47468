//! `sink_file`: keeps a stream in a file, frame by frame as the edge carried it.
//!
//! The file gets its name only when the stream is whole and synced; until then an existing one of
//! that name stays untouched. One receipt tells that all of it is on disk; its blocks are the byte
//! offsets of frames in the file, its digest is over the frames' headers.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::parts::whole_file::WholeFile;
use crate::stream::frame::FrameWriter;
use crate::stream::{Fault, Item, Outlet, Place, Receipt, Runs, Sink, StreamId, Upward};

/// Bytes of a frame's header; each frame reaches us as one write.
const HEADER_BYTES: usize = 24;

/// Keeps one stream.
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
            (Item::Abort(_), _) => {
                self.draft = None;
                return Ok(());
            }
            (Item::Begin(begin), draft) => draft.insert(Draft::create(&self.path, begin.stream)?),
            (_, Some(draft)) => draft,
            (_, None) => return Err(Fault::stream("the stream does not start with its begin")),
        };
        let whole = matches!(item, Item::End(_));
        draft.put(item)?;
        match self.draft.take_if(|_| whole) {
            Some(draft) => up.receipt(draft.publish()?),
            None => Ok(()),
        }
    }
}

struct Draft {
    stream: StreamId,
    frames: FrameWriter<Pen>,
    runs: Runs,
    end: u64,
}

impl Draft {
    fn create(path: &Path, stream: StreamId) -> Result<Draft, Fault> {
        let file = WholeFile::create(path)?;
        let frames = FrameWriter::new(Pen { file, at: 0, headers: blake3::Hasher::new() });
        Ok(Draft { stream, frames, runs: Runs::new(), end: 0 })
    }

    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Data { offset, block } = &item {
            self.end = *offset + block.len() as u64;
            self.runs.add(*offset, self.end, self.frames.inner().at);
        }
        self.frames.put(item).map_err(|fault| {
            let path = self.frames.inner().file.path().display();
            Fault { what: format!("{path}: {}", fault.what), ..fault }
        })
    }

    fn publish(self) -> Result<Receipt, Fault> {
        let mut pen = self.frames.into_inner();
        pen.file.publish()?;
        let medium = pen.file.path().to_string_lossy().into_owned();
        let extents = self.runs.into_extents();
        Ok(Receipt {
            stream: self.stream,
            from: extents.first().map_or(0, |e| e.from),
            to: self.end,
            grade: "on disk".into(),
            place: Place { medium, volume: None, partition: 0 },
            extents,
            digest: pen.headers.finalize().to_hex().to_string(),
        })
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
