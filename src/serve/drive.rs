//! The errands of one drive, on a thread of its own.
//!
//! Owns every command that a drive gets, one errand after the other, and tells what came of each. Which
//! cartridge, and what for, is decided elsewhere; the checks of the library layer, label against barcode
//! and no writing on what is not ours, come on top of that.

use std::io::PipeWriter;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use uuid::Uuid;

use super::devices::Devices;
use super::session::{Gate, Room, Tell, Writing, session};
use crate::library::{Found, Reel, Shelf, SyncEvery, TapeWriter};
use crate::parts::source::tape::{TapeSource, What};
use crate::stream::frame::FrameWriter;
use crate::stream::{Abort, Blame, Fault, Item, Outlet, Source, StreamId};
use crate::volume::Label;

/// A new volume's place in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh {
    /// The set.
    pub set: Uuid,
    /// The volume's number there, from 1.
    pub number: u32,
}

/// What is to be read, and where it goes.
#[derive(Debug)]
pub struct Reading {
    /// Tags of the cartridges with the stream's parts, in order.
    pub tags: Vec<String>,
    /// Which stream.
    pub stream: StreamId,
    /// Entries, by pattern; empty: all.
    pub only: Vec<Vec<u8>>,
    /// Give what is whole and name the rest, instead of stopping at the first gap.
    pub salvage: bool,
    /// Where its frames go; nowhere if it is only to be read.
    pub out: Option<PipeWriter>,
}

/// What a drive is to do.
pub enum Errand {
    /// Bring a cartridge and say what it is.
    Mount(String),
    /// Say what is in the drive.
    Look,
    /// Write.
    Write(Box<Writing>),
    /// Read a stream.
    Read(Box<Reading>),
    /// Make the cartridge in the drive, which must have this tag, blank.
    Erase(String),
    /// Bring a cleaning cartridge, wait, and take it away.
    Clean(String),
    /// Take the cartridge away.
    Unload,
}

/// What came of an errand, or is wanted to go on with it.
#[derive(Debug)]
pub enum Report {
    /// What is in the drive; none: nothing.
    Mounted(Result<Option<Found>, Fault>),
    /// The volume is full (or bad): the session waits for the next of its set.
    Full(Label),
    /// No streams any more, or the drive gave up.
    Written(Result<(), Fault>),
    /// The reading is over: stream bytes that were read, and how many things are missing.
    ReadOver(Result<(u64, u64), Fault>),
    /// Anything else is done.
    Done(Result<(), Fault>),
}

/// The answer to [`Report::Full`].
#[derive(Debug)]
pub enum Next {
    /// Bring the cartridge with this tag; it is blank.
    Tag(String),
    /// There is none: why.
    None(String),
}

/// A drive's thread, seen from outside.
pub struct Owner {
    errands: Sender<Errand>,
    next: Option<Sender<Next>>,
    devices: Arc<Devices>,
    drive: usize,
    report: Arc<dyn Fn(Report) + Send + Sync>,
}

impl Owner {
    /// Starts the thread of a drive.
    pub fn start(
        devices: Arc<Devices>,
        drive: usize,
        report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<Owner, Fault> {
        let (errands, todo) = channel();
        let report: Arc<dyn Fn(Report) + Send + Sync> = Arc::new(report);
        let own = Own { devices: devices.clone(), drive, report: report.clone() };
        let thread = std::thread::Builder::new().name(format!("drive {}", drive + 1));
        thread
            .spawn(move || own.run(&todo))
            .map_err(|e| Fault::host("cannot start a thread", &e))?;
        Ok(Owner { errands, next: None, devices, drive, report })
    }

    /// Gives it an errand. It has one at a time.
    pub fn go(&self, errand: Errand) {
        if self.errands.send(errand).is_err() {
            (self.report)(Report::Done(Err(Fault::never(Blame::Ours, "the drive's thread died"))));
        }
    }

    /// Begins to write on the cartridge in the drive: after its data, or as a new volume.
    pub fn write(&mut self, fresh: Option<Fresh>, sync: SyncEvery, room: Room, tell: Tell) -> Gate {
        let (next, wanted) = channel();
        self.next = Some(next);
        let desk = Desk {
            devices: self.devices.clone(),
            drive: self.drive,
            fresh,
            next: wanted,
            report: self.report.clone(),
        };
        let id = StreamId((self.devices.scribe().new_id)());
        let (gate, writing) = session(TapeWriter::new(Box::new(desk), sync), id, room, tell);
        self.go(Errand::Write(Box::new(writing)));
        gate
    }

    /// Answers [`Report::Full`].
    pub fn next(&self, next: Next) {
        let sent = self.next.as_ref().map(|wanted| wanted.send(next));
        if !matches!(sent, Some(Ok(()))) {
            tracing::warn!(drive = self.drive + 1, "no session waits for a medium");
        }
    }
}

/// Where a session's volumes come from: whoever decides is asked.
struct Desk {
    devices: Arc<Devices>,
    drive: usize,
    fresh: Option<Fresh>,
    next: Receiver<Next>,
    report: Arc<dyn Fn(Report) + Send + Sync>,
}

impl Shelf for Desk {
    fn first(&mut self) -> Result<Reel, Fault> {
        let mount = self.devices.mount(self.drive)?;
        match self.fresh.take() {
            Some(Fresh { set, number }) => mount.label_new(set, number),
            None => mount.append(),
        }
    }

    fn next(&mut self, full: Reel) -> Result<Reel, Fault> {
        let Reel { drive, label, .. } = full;
        drop(drive);
        (self.report)(Report::Full(label.clone()));
        let gone = || Fault::neighbour("the service ends");
        let tag = match self.next.recv().map_err(|_| gone())? {
            Next::Tag(tag) => tag,
            Next::None(why) => return Err(Fault::later(Blame::Operator, why)),
        };
        let mut mount = self.devices.mount(self.drive)?.block_bytes(label.block_bytes);
        {
            let _hand = self.devices.robot.hand();
            mount.fetch_tag(&tag)?;
        }
        mount.label_new(label.set_id, label.volume_number + 1)
    }
}

/// The thread.
struct Own {
    devices: Arc<Devices>,
    drive: usize,
    report: Arc<dyn Fn(Report) + Send + Sync>,
}

impl Own {
    fn run(&self, todo: &Receiver<Errand>) {
        while let Ok(errand) = todo.recv() {
            let report = match errand {
                Errand::Mount(tag) => Report::Mounted(self.mount(&tag)),
                Errand::Look => Report::Mounted(self.look()),
                Errand::Write(writing) => Report::Written(writing.run()),
                Errand::Read(reading) => Report::ReadOver(self.read(*reading)),
                Errand::Erase(tag) => Report::Done(self.erase(&tag)),
                Errand::Clean(tag) => Report::Done(self.clean(&tag)),
                Errand::Unload => Report::Done(self.unload()),
            };
            (self.report)(report);
        }
    }

    fn mount(&self, tag: &str) -> Result<Option<Found>, Fault> {
        let mut mount = self.devices.mount(self.drive)?;
        {
            let _hand = self.devices.robot.hand();
            mount.fetch_tag(tag)?;
        }
        mount.identify().map(Some)
    }

    fn look(&self) -> Result<Option<Found>, Fault> {
        let mut mount = self.devices.mount(self.drive)?;
        match mount.has_medium()? {
            true => mount.identify().map(Some),
            false => Ok(None),
        }
    }

    fn read(&self, reading: Reading) -> Result<(u64, u64), Fault> {
        let Reading { mut tags, stream, only, salvage, out } = reading;
        let mut mount = self.devices.mount(self.drive)?;
        let first = (!tags.is_empty()).then(|| tags.remove(0));
        if let Some(tag) = &first {
            let _hand = self.devices.robot.hand();
            mount.fetch_tag(tag)?;
        }
        let what = What::Stream(stream.to_string());
        let mount = mount.volume(first).expect(tags);
        let source = TapeSource::new(mount, what).only(only).salvage(salvage);
        match out {
            Some(pipe) => count(source, FrameWriter::new(pipe)),
            None => count(source, Nowhere),
        }
    }

    fn erase(&self, tag: &str) -> Result<(), Fault> {
        let mut mount = self.devices.mount(self.drive)?;
        match mount.tag_in_drive()? {
            Some(there) if there == tag => mount.erase(),
            there => Err(Fault::never(
                Blame::Operator,
                format!(
                    "{} is in {}, not {tag}; nothing was erased",
                    there.as_deref().unwrap_or("nothing"),
                    self.devices.name(self.drive)
                ),
            )),
        }
    }

    fn clean(&self, tag: &str) -> Result<(), Fault> {
        let mut mount = self.devices.mount(self.drive)?;
        let _hand = self.devices.robot.hand();
        mount.clean_with(tag)
    }

    fn unload(&self) -> Result<(), Fault> {
        let mut mount = self.devices.mount(self.drive)?;
        let _hand = self.devices.robot.hand();
        mount.put_away()
    }
}

/// An outlet that counts.
struct Counted<O> {
    out: O,
    bytes: u64,
    missing: u64,
}

fn count(mut source: TapeSource, out: impl Outlet) -> Result<(u64, u64), Fault> {
    let mut counted = Counted { out, bytes: 0, missing: 0 };
    let run = source.run(&mut counted);
    let left_out = run.inspect_err(|fault| counted.give_up(fault))?;
    Ok((counted.bytes, counted.missing.max(left_out)))
}

impl<O: Outlet> Counted<O> {
    /// Tells the reader why no more comes.
    fn give_up(&mut self, fault: &Fault) {
        let abort = Abort { who: "src_tape".into(), why: fault.to_string() };
        if let Err(error) = self.out.put(Item::Abort(abort)) {
            tracing::debug!(%error, "nobody reads our abort");
        }
    }
}

impl<O: Outlet> Outlet for Counted<O> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match &item {
            Item::Data { block, .. } => self.bytes += block.len() as u64,
            Item::End(end) => self.missing = end.skipped,
            _ => {}
        }
        self.out.put(item)
    }
}

/// Where what was read in vain goes: its reading was all.
struct Nowhere;

impl Outlet for Nowhere {
    fn put(&mut self, _item: Item) -> Result<(), Fault> {
        Ok(())
    }
}
