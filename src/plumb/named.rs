//! Funnels and tees on named pipes.
//!
//! Owns the opening of what an operator named: a named pipe blocks whoever opens it until somebody is at
//! its other end, so each is opened by a thread of its own, and none waits for another. `/dev/fd/N` is
//! the inherited descriptor itself. What nobody ever opens holds up nothing that does not need it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};

use super::berths::{Filler, Hold, hold};
use super::descriptors::{enlarge, inherited_path};
use super::edge::{Meter, RingInlet, RingOutlet, edge};
use super::meeting::{BelowSides, Side, Up};
use super::pipe::{receipt_line, receipts_in};
use super::run::{Inputs, Outputs};
use crate::stream::frame::{FrameReader, FrameWriter};
use crate::stream::{Course, Fault, Inlet, Item, Outlet, Receipt, Upward};

/// The least that may wait at one input or output.
const QUEUE_BYTES_MIN: usize = 4 * 1024 * 1024;

/// What was named, opened or to be opened.
enum Way {
    Inherited(File),
    Named(PathBuf),
}

impl Way {
    fn of(path: &Path, writable: bool) -> Way {
        match inherited_path(path, writable) {
            Some(file) => Way::Inherited(file),
            None => Way::Named(path.to_owned()),
        }
    }

    fn open(self, writable: bool) -> Result<File, Fault> {
        match self {
            Way::Inherited(file) => Ok(file),
            Way::Named(path) if writable => {
                let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
                file.map_err(|e| Fault::host(format!("cannot open {}", path.display()), &e))
            }
            Way::Named(path) => File::open(&path)
                .map_err(|e| Fault::host(format!("cannot open {}", path.display()), &e)),
        }
    }
}

/// The berths of a funnel, each filled by a thread.
pub fn berths(inputs: &Inputs) -> Result<(Hold, Vec<Up>), Fault> {
    let count = inputs.from.len();
    if count == 0 {
        return Err(Fault::usage("name at least one input"));
    }
    if !inputs.up.is_empty() && inputs.up.len() != count {
        return Err(Fault::usage("--up needs as many names as there are inputs"));
    }
    let limit = (inputs.memory_bytes / count).max(QUEUE_BYTES_MIN);
    let (hold, fillers) = hold(count, limit, inputs.streams.unwrap_or(count));
    let ups: Vec<Way> = inputs.up.iter().map(|path| Way::of(path, true)).collect();
    let ways: Vec<Way> = inputs.from.iter().map(|path| Way::of(path, false)).collect();
    for (filler, way) in fillers.into_iter().zip(ways) {
        let again = inputs.streams.is_some();
        std::thread::spawn(move || fill(&filler, way, again));
    }
    Ok((hold, ups.into_iter().map(|way| Box::new(UpLine::new(way)) as Up).collect()))
}

/// Streams from one input: one, or from a named pipe one after the other.
fn fill(filler: &Filler, way: Way, again: bool) {
    let path = if let Way::Named(path) = &way { Some(path.clone()) } else { None };
    let mut opened = way.open(false);
    loop {
        let file = match opened {
            Ok(file) => file,
            Err(fault) => return filler.cannot(fault),
        };
        enlarge(&file);
        let is_pipe = file.metadata().is_ok_and(|about| about.file_type().is_fifo());
        let wanted = filler.fill(&mut FrameReader::new(&file));
        match path.as_ref().filter(|_| wanted && again && is_pipe) {
            None => return,
            Some(path) => opened = next_writer(path, file),
        }
    }
}

/// Waits for the next writer of a named pipe. It may have come already: the pipe is opened once more
/// before it is let go, so that nothing it wrote is lost.
fn next_writer(path: &Path, mut before: File) -> Result<File, Fault> {
    let cannot = |e: std::io::Error| Fault::host(format!("cannot open {}", path.display()), &e);
    loop {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let next = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| cannot(e.into()))?;
        drop(std::mem::replace(&mut before, File::from(next)));
        let mut fds = [PollFd::new(&before, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(cannot(error.into())),
        }
        // One that came and left without a word is none.
        if fds[0].revents().contains(PollFlags::IN) {
            rustix::fs::fcntl_setfl(&before, OFlags::empty()).map_err(|e| cannot(e.into()))?;
            return Ok(before);
        }
    }
}

/// Receipts to one input, written by a thread that may wait for whoever is to read them.
struct UpLine {
    lines: Option<Sender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    /// The named pipe, as long as it may not be open.
    path: Option<PathBuf>,
}

impl UpLine {
    fn new(way: Way) -> UpLine {
        let (lines, to_write) = channel::<Vec<u8>>();
        let path = if let Way::Named(path) = &way { Some(path.clone()) } else { None };
        let write = move || {
            let mut file = match way.open(true) {
                Ok(file) => file,
                Err(error) => return tracing::warn!(%error, "an input's receipts are lost"),
            };
            while let Ok(line) = to_write.recv() {
                if let Err(error) = file.write_all(&line) {
                    return tracing::debug!(%error, "nobody reads an input's receipts");
                }
            }
        };
        let writer = Some(std::thread::spawn(write));
        UpLine { lines: Some(lines), writer, path }
    }

    /// Whether somebody is at the other end, or was: then the writer does not wait to open it.
    fn has_reader(&self) -> bool {
        let Some(path) = &self.path else { return true };
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).is_ok()
    }
}

impl Upward for UpLine {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        let gone = || Fault::neighbour("cannot send a receipt up: its reader is gone");
        let line = receipt_line(&receipt)?;
        let Some(lines) = &self.lines else { return Err(gone()) };
        lines.send(line).map_err(|_| gone())
    }
}

impl Drop for UpLine {
    /// The last lines are written; one that nobody ever opened is left alone.
    fn drop(&mut self) {
        self.lines = None;
        let has_reader = self.has_reader();
        if let Some(writer) = self.writer.take().filter(|writer| has_reader || writer.is_finished())
            && writer.join().is_err()
        {
            tracing::debug!("a writer of receipts panicked");
        }
    }
}

/// A side behind a queue that a thread empties into what was named.
struct NamedSide {
    queue: RingOutlet,
    writer: JoinHandle<Result<(), Fault>>,
}

impl Outlet for NamedSide {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        self.queue.put(item)
    }
}

impl Side for NamedSide {
    fn settle(&mut self) -> Result<(), Fault> {
        self.queue.settle()
    }

    fn close(self: Box<Self>) -> Result<(), Fault> {
        let NamedSide { queue, writer } = *self;
        drop(queue);
        let panicked = |_| Fault::never(crate::stream::Blame::Ours, "a writer panicked");
        writer.join().map_err(panicked)?
    }
}

/// The sides of a tee and the receipts from below them.
pub fn sides(outputs: &Outputs) -> Result<(Vec<Box<dyn Side>>, BelowSides), Fault> {
    let count = outputs.to.len();
    if count == 0 {
        return Err(Fault::usage("name at least one output"));
    }
    if !outputs.below.is_empty() && outputs.below.len() != count {
        return Err(Fault::usage("--below needs as many names as there are outputs"));
    }
    let limit = (outputs.memory_bytes / count).max(QUEUE_BYTES_MIN);
    let below: Vec<Way> = outputs.below.iter().map(|path| Way::of(path, false)).collect();
    let ways: Vec<Way> = outputs.to.iter().map(|path| Way::of(path, true)).collect();
    let (sender, receipts) = channel();
    for (side, way) in below.into_iter().enumerate() {
        let sender = sender.clone();
        std::thread::spawn(move || listen(side, way, &sender));
    }
    let side = |way| {
        let (queue, inlet) = edge(limit, Meter::default());
        let writer = std::thread::spawn(move || write_side(way, inlet));
        Box::new(NamedSide { queue, writer }) as Box<dyn Side>
    };
    Ok((ways.into_iter().map(side).collect(), receipts))
}

fn listen(side: usize, way: Way, to: &Sender<(usize, Result<Receipt, Fault>)>) {
    let file = match way.open(false) {
        Ok(file) => file,
        // Without receipts of its own a side is not believed; that is for the tee to say.
        Err(fault) => return drop(to.send((side, Err(fault)))),
    };
    for receipt in receipts_in(file) {
        let last = receipt.is_err();
        if to.send((side, receipt)).is_err() || last {
            return;
        }
    }
}

fn write_side(way: Way, mut inlet: RingInlet) -> Result<(), Fault> {
    let file = way.open(true)?;
    enlarge(&file);
    let mut out = FrameWriter::new(file);
    let mut course = Course::new();
    while !course.is_over() {
        // The tee left: whoever reads us sees the edge cut.
        let Ok(item) = inlet.take() else { return Ok(()) };
        course.note(&item);
        out.put(item)?;
    }
    Ok(())
}
