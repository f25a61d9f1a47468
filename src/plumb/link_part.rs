//! The ends of a link as parts of a chain: what comes over it is a source here, what is sent over it a sink.
//!
//! Owns frames in handles instead of pipes, and receipts the other way. Both machines use them: the one that
//! asked for a component, and the one that runs a chain for another.

use std::time::Duration;

use super::pipe::listen;
use super::run::Below;
use crate::stream::frame::{FrameReader, FrameWriter};
use crate::stream::{Course, Fault, Inlet, Item, Outlet, Patience, Sink, Source, Upward};
use crate::wire::link::{HandleReader, HandleWriter};

/// Frames from a handle, waited for no longer than asked.
pub struct LinkInlet(FrameReader<HandleReader>);

impl LinkInlet {
    /// Of what a handle brings.
    pub fn new(from: HandleReader) -> LinkInlet {
        LinkInlet(FrameReader::lending(from, HandleReader::lend))
    }
}

impl Inlet for LinkInlet {
    fn take(&mut self) -> Result<Item, Fault> {
        self.0.take()
    }
}

impl Patience for LinkInlet {
    fn take_within(&mut self, limit: Duration) -> Result<Option<Item>, Fault> {
        match self.0.inner_mut().wait(Some(limit))? {
            true => self.take().map(Some),
            false => Ok(None),
        }
    }
}

/// Frames for a handle.
pub fn link_outlet(to: HandleWriter) -> FrameWriter<HandleWriter> {
    FrameWriter::giving(to, HandleWriter::give)
}

/// The stream that a handle brings.
pub struct LinkSource(LinkInlet);

impl LinkSource {
    /// Of what `from` brings.
    pub fn new(from: HandleReader) -> LinkSource {
        LinkSource(LinkInlet::new(from))
    }
}

impl Source for LinkSource {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let mut course = Course::new();
        while !course.is_over() {
            let item = self.0.take()?;
            course.note(&item);
            match item {
                Item::Abort(abort) if course.is_over() => {
                    let what = format!("{} gave up: {}", abort.who, abort.why);
                    return Err(Fault::neighbour(what));
                }
                item => out.put(item)?,
            }
        }
        Ok(0)
    }
}

/// Sends a stream over a link and waits for its receipts.
pub struct LinkSink {
    out: Option<FrameWriter<HandleWriter>>,
    receipts: Below,
    course: Course,
}

impl LinkSink {
    /// To `to`; receipts come by `receipts`, if any do.
    pub fn new(to: HandleWriter, receipts: Option<HandleReader>) -> LinkSink {
        let (out, receipts) = (Some(link_outlet(to)), listen(receipts));
        LinkSink { out, receipts, course: Course::new() }
    }

    /// Whether the stream came to its end or abort.
    pub fn is_over(&self) -> bool {
        self.course.is_over()
    }
}

impl Sink for LinkSink {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        let over = || Fault::stream("the stream goes on behind its end");
        self.course.note(&item);
        self.out.as_mut().ok_or_else(over)?.put(item)?;
        self.tick(Duration::ZERO, up)?;
        if self.is_over() {
            self.out = None;
            while let Some(receipt) = self.receipts.last_ones()? {
                up.receipt(receipt)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, _now: Duration, up: &mut dyn Upward) -> Result<(), Fault> {
        while let Some(receipt) = self.receipts.waiting()? {
            up.receipt(receipt)?;
        }
        Ok(())
    }
}
