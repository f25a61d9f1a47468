//! `sink_file`: keeps a stream in a file, frame by frame as the edge carried it.
//!
//! Owns the file under construction, `FILE.partial`, made anew and never shared. It gets its final
//! name only when the stream is whole and synced; until then an existing FILE stays untouched. One
//! receipt tells that all of it is on disk; its blocks are byte offsets in the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::stream::frame::FrameWriter;
use crate::stream::{Blame, Extent, Fault, Item, Outlet, Place, Receipt, Sink, StreamId, Upward};

/// Bytes of a frame's header; each frame reaches us as one write.
const HEADER_BYTES: usize = 24;
/// Extents a receipt holds at most.
const EXTENTS_MAX: usize = 1024;
/// Stream bytes an extent covers at least, before there are too many.
const GRAIN_BYTES: u64 = 1024 * 1024;

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
    extents: Extents,
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
        Ok(Draft { stream, path, frames, extents: Extents::new(), published: false })
    }

    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Data { offset, block } = &item {
            self.extents.add(*offset, block.len() as u64, self.frames.inner().at);
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
        let extents = std::mem::take(&mut self.extents.runs);
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

/// Runs of stream bytes and the file offsets of their first frames, in bounded memory: when there
/// are too many, neighbours are joined and runs become coarser.
struct Extents {
    runs: Vec<Extent>,
    grain: u64,
}

impl Extents {
    fn new() -> Extents {
        Extents { runs: Vec::new(), grain: GRAIN_BYTES }
    }

    fn add(&mut self, from: u64, length: u64, block: u64) {
        let extent = Extent { from, to: from + length, block, stride: 0 };
        self.push(extent);
        while self.runs.len() > EXTENTS_MAX {
            self.grain *= 2;
            for run in std::mem::take(&mut self.runs) {
                self.push(run);
            }
        }
    }

    fn push(&mut self, extent: Extent) {
        match self.runs.last_mut() {
            Some(last) if extent.to - last.from <= self.grain => last.to = extent.to,
            _ => self.runs.push(extent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_stay_few_and_cover_everything() {
        let mut extents = Extents::new();
        let length = 256 * 1024;
        for frame in 0..20_000 {
            extents.add(frame * length, length, frame * (length + 24));
        }
        let runs = &extents.runs;
        assert!(runs.len() <= EXTENTS_MAX && runs.len() > EXTENTS_MAX / 4, "{}", runs.len());
        assert!(runs.windows(2).all(|w| w[0].to == w[1].from));
        assert!(runs.iter().all(|r| r.block == r.from / length * (length + 24)));
        assert_eq!((runs[0].from, runs[runs.len() - 1].to), (0, 20_000 * length));
    }
}
