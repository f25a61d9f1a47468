//! `sink_file`: keeps a stream in a file, frame by frame as the edge carried it.
//!
//! Owns the file under construction, `FILE.partial`, made anew and never shared. It gets its final
//! name only when the stream is whole and synced; until then an existing FILE stays untouched. One
//! receipt tells that all of it is on disk; its blocks are byte offsets in the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::stream::frame::FrameWriter;
use crate::stream::{Blame, Fault, Item, Outlet, Place, Receipt, Runs, Sink, StreamId, Upward};

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

    fn begin(&mut self, stream: StreamId) -> Result<&mut Draft, Fault> {
        if let Ok(there) = fs::metadata(&self.path)
            && !there.is_file()
        {
            let what = format!("cannot replace {}: it is not a file", self.path.display());
            return Err(Fault::never(Blame::Operator, what));
        }
        Ok(self.draft.insert(Draft::create(&self.path, stream)?))
    }
}

impl Sink for StreamFile {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        let draft = match (&item, &mut self.draft) {
            (Item::Abort(_), _) => {
                self.draft = None;
                return Ok(());
            }
            (Item::Begin(begin), _) => self.begin(begin.stream)?,
            (_, Some(draft)) => draft,
            (_, None) => return Err(Fault::stream("the stream does not start with its begin")),
        };
        let whole = matches!(item, Item::End(_));
        draft.put(item)?;
        match self.draft.take_if(|_| whole) {
            Some(draft) => up.receipt(draft.publish(&self.path)?),
            None => Ok(()),
        }
    }
}

/// The file under construction; removed when dropped before it was published.
struct Draft {
    stream: StreamId,
    path: PathBuf,
    frames: FrameWriter<Pen>,
    extents: Runs,
    published: bool,
}

impl Draft {
    fn create(last: &Path, stream: StreamId) -> Result<Draft, Fault> {
        let mut path = last.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| {
            let fault = Fault::host(format_args!("cannot create {}", path.display()), &error);
            match error.kind() {
                ErrorKind::AlreadyExists => fault
                    .hint("another sink_file writes it, or one was stopped and it can be removed"),
                _ => fault,
            }
        })?;
        let pen = Pen { file, at: 0, headers: blake3::Hasher::new() };
        let frames = FrameWriter::new(pen);
        Ok(Draft { stream, path, frames, extents: Runs::new(), published: false })
    }

    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Data { offset, block } = &item {
            let to = *offset + block.len() as u64;
            self.extents.add(*offset, to, self.frames.inner().at);
        }
        self.frames.put(item).map_err(|fault| Fault {
            what: format!("{}: {}", self.path.display(), fault.what),
            ..fault
        })
    }

    /// Syncs the file, gives it its name, syncs the name. Nothing is left if it fails before that.
    fn publish(mut self, last: &Path) -> Result<Receipt, Fault> {
        let pen = self.frames.inner();
        let failed = |what: &str| {
            let what = format!("cannot {what} {}", last.display());
            move |error: io::Error| Fault::host(what, &error)
        };
        pen.file.sync_all().map_err(failed("sync"))?;
        fs::rename(&self.path, last).map_err(failed("name"))?;
        self.published = true;
        let folder = match last.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder).and_then(|f| f.sync_all()).map_err(failed("sync the folder of"))?;
        Ok(self.receipt(last))
    }

    fn receipt(&mut self, last: &Path) -> Receipt {
        let extents = std::mem::take(&mut self.extents).into_extents();
        Receipt {
            stream: self.stream,
            from: extents.first().map_or(0, |e| e.from),
            to: extents.last().map_or(0, |e| e.to),
            grade: "on disk".into(),
            place: Place {
                medium: last.to_string_lossy().into_owned(),
                volume: None,
                partition: 0,
            },
            extents,
            digest: self.frames.inner().headers.finalize().to_hex().to_string(),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove");
        }
    }
}

/// Writes frames, and keeps the digest over their headers and the place in the file.
struct Pen {
    file: File,
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
