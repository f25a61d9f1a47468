//! `sink_filesys`: restores a file tree below a directory.
//!
//! Owns the way from a stream whose payload is a pax archive to files. What it promises:
//!
//! * Nothing outside the target directory is written, whatever the archive says and whatever lies
//!   in the target ([`tree`], [`path`]). Leading `/` is dropped; `..` is refused.
//! * A name means a whole member: what is cut off leaves nothing, and what it would have replaced
//!   is still there ([`draft`]). Directories are removed only when the stream says that they are
//!   gone, and only when nothing is left in them ([`gone`]).
//! * Where bytes of the stream are lost, what is whole is restored all the same. A file of which only some
//!   is lost is restored as `NAME.incomplete`, with zeros for what is lost.
//! * What could not be restored is named and counted. Two things are by design and only noted: that
//!   owners stay ours where we are not root, and the set-user-ID and set-group-ID bits that are then
//!   dropped. Everything else that could not be set is a failure (exit status 1).
//!
//! It speaks of durability once, at the end: one `syncfs` of each file system written to, then, if the
//! whole stream is restored and nothing was left out, one receipt `on disk`. A restore of chosen
//! members is no copy of the stream and gets no receipt.
//!
//! Refuses streams with layers on them and payloads that are no file tree.

mod acl;
mod attrs;
mod draft;
mod gone;
mod owners;
mod path;
mod report;
mod restore;
mod tree;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::pax::Reader;
use crate::stream::{
    Abort, Begin, Blame, Block, End, Extent, Fault, Item, KIND_PAX, Place, Receipt, Sink, Upward,
};
use restore::Restore;

/// What to restore and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Paths or patterns of the members to restore; none: all. `*`, `?` and `[a-z]` match inside a
    /// component, `**` any number of components; a directory includes what is below.
    pub only: Vec<Vec<u8>>,
    /// Owners by number, even where their names are known.
    pub numeric_owner: bool,
    /// Leave everything ours.
    pub no_owner: bool,
    /// Make device nodes.
    pub devices: bool,
    /// Leave what is there already.
    pub keep_existing: bool,
    /// Name each attribute that could not be set.
    pub verbose: bool,
}

/// The sink that restores file trees.
pub struct Filesys {
    target: PathBuf,
    options: Options,
    running: Option<Running>,
    count: u64,
}

struct Running {
    begin: Begin,
    reader: Reader,
    restore: Restore,
    next: u64,
    /// Nothing before this payload byte comes any more.
    lost_to: Option<u64>,
    digest: blake3::Hasher,
}

impl Filesys {
    /// Restores below `target`, which is made if it is missing.
    pub fn new(target: impl Into<PathBuf>, options: Options) -> Filesys {
        Filesys { target: target.into(), options, running: None, count: 0 }
    }

    fn begin(&mut self, begin: Begin) -> Result<(), Fault> {
        check(&begin)?;
        let fd = open_target(&self.target)?;
        let restore = Restore::new(fd, &self.options, begin.partial);
        let (reader, digest) = (Reader::new(), blake3::Hasher::new());
        self.running = Some(Running { begin, reader, restore, next: 0, lost_to: None, digest });
        Ok(())
    }

    fn running(&mut self) -> Result<&mut Running, Fault> {
        self.running.as_mut().ok_or_else(|| {
            Fault::never(Blame::Ours, "the stream has no begin, or goes on after its end")
        })
    }

    /// The half member leaves nothing; the whole ones stay and their directories get their modes.
    fn abort(&mut self, _abort: &Abort) {
        if let Some(mut running) = self.running.take() {
            running.restore.close();
            self.count = running.restore.report.close();
        }
    }

    fn end(&mut self, end: End, up: &mut dyn Upward) -> Result<(), Fault> {
        let running = self.running()?;
        running.lost_at_the_end()?;
        running.reader.finish()?;
        running.restore.close();
        running.restore.name_unmatched();
        let count = running.restore.report.close();
        running
            .restore
            .sync()
            .map_err(|e| Fault::host("cannot sync the restored files to disk", &e.into()))?;
        let whole = running.restore.is_whole() && count == 0;
        let running = self.running.take();
        self.count = count;
        match running.filter(|_| whole) {
            Some(running) => up.receipt(running.receipt(end, &self.target)),
            None => Ok(()),
        }
    }
}

impl Sink for Filesys {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.begin(begin),
            Item::Data { offset, block } => self.running()?.data(offset, &block),
            Item::Mark(lines) => self.running()?.mark(&lines),
            Item::Turn(_) => Ok(()),
            Item::End(end) => self.end(end, up),
            Item::Abort(abort) => {
                self.abort(&abort);
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        Ok(self.count)
    }
}

impl Running {
    fn data(&mut self, offset: u64, block: &Block) -> Result<(), Fault> {
        let (mut at, mut bytes) = (offset, block.data());
        if let Some(to) = self.lost_to {
            let of_no_use = to.saturating_sub(at).min(bytes.len() as u64);
            at += of_no_use;
            bytes = &bytes[of_no_use as usize..];
            if bytes.is_empty() {
                return Ok(());
            }
            self.lost_to = None;
            self.go_on_behind(at)?;
        } else if at != self.next {
            // Partial streams jump, and only between members.
            self.reader.finish()?;
            self.reader = Reader::at(at);
        }
        self.next = at + bytes.len() as u64;
        self.digest.update(bytes);
        let restore = &mut self.restore;
        self.reader.feed(bytes, &mut |event| restore.event(event))
    }

    fn mark(&mut self, lines: &[u8]) -> Result<(), Fault> {
        if crate::list::says_cut(lines) {
            self.restore.cut();
            self.reader = Reader::at(self.next);
        }
        let lost = crate::list::lost(lines)?;
        let to = lost.into_iter().filter(|(depth, _)| *depth == 0).map(|(_, to)| to).max();
        self.lost_to = self.lost_to.max(to);
        Ok(())
    }

    /// Bytes from the last that came to `at` are lost: in a file that was begun they leave a hole, to its end if
    /// need be; behind that the next member begins.
    fn go_on_behind(&mut self, at: u64) -> Result<(), Fault> {
        let count = at.saturating_sub(self.next);
        self.restore.lost(self.next, at);
        let left = self.reader.left_in_member();
        if let Some(left) = left {
            self.restore.is_incomplete();
            let restore = &mut self.restore;
            self.reader.lose(count.min(left), &mut |event| restore.event(event))?;
        }
        if left.is_none_or(|left| count > left) {
            self.restore.give_up_member();
            self.reader = Reader::at(at);
        }
        Ok(())
    }

    /// Nothing came behind what is lost.
    fn lost_at_the_end(&mut self) -> Result<(), Fault> {
        self.lost_to.take().map_or(Ok(()), |to| self.go_on_behind(to))
    }

    /// The digest is over the payload, as a file system has no bytes of its own to be hashed.
    fn receipt(self, end: End, target: &Path) -> Receipt {
        let (from, to) = (0, end.bytes);
        Receipt {
            stream: self.begin.stream,
            from,
            to,
            grade: "on disk".into(),
            place: Place {
                medium: target.to_string_lossy().into_owned(),
                volume: None,
                partition: 0,
            },
            extents: vec![Extent { from, to, block: 0, stride: 0 }],
            copy: 0,
            copies: 1,
            digest: self.digest.finalize().to_hex().to_string(),
        }
    }
}

fn check(begin: &Begin) -> Result<(), Fault> {
    begin.refuse_mux("restore")?;
    if let Some(layer) = begin.layers.last() {
        let (still, undo) = match layer.as_str() {
            "zstd" | "lz4" => ("compressed", "proc_decompress"),
            "age" => ("encrypted", "proc_decrypt"),
            _ => ("wrapped", "what undoes it"),
        };
        let what = format!("the stream is still {still} ({layer}): put {undo} before sink_filesys");
        return Err(Fault::never(Blame::Operator, what));
    }
    if begin.kind != KIND_PAX {
        let what = format!("the stream is no file tree (its kind is {})", begin.kind);
        return Err(Fault::never(Blame::Operator, what)
            .hint("sink_file or sink_stdout keeps it as it is; src_stdin --kind pax says a tar archive is one"));
    }
    Ok(())
}

fn open_target(target: &Path) -> Result<OwnedFd, Fault> {
    let fault = |e: std::io::Error| Fault::host(format!("cannot open {}", target.display()), &e);
    std::fs::create_dir_all(target).map_err(fault)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(target, flags, Mode::empty()).map_err(|e| fault(e.into()))
}
