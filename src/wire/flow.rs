//! What may be sent when: handles, credit, ends.
//!
//! Owns the state of all handles of one end of a link, and does no I/O: it is told what arrived, what a
//! writer offers and what a reader took, and says which frame goes next. A handle's writer sends only what
//! its reader has room for, so whoever reads the link never has to wait, and no handle can stop another.
//! Nothing here grows: credit, ends and pings are flags until they are sent.

use std::collections::VecDeque;

use super::frame::{HANDLES, Header, Kind, PAYLOAD_BYTES_MAX, Packet};
use crate::stream::{Block, Fault};

/// Bytes of data all handles of a link may have on their way.
const WINDOW_BYTES_ALL: usize = 32 * 1024 * 1024;
/// The least and the most for one.
const WINDOW_BYTES: (usize, usize) = (64 * 1024, 2 * 1024 * 1024);

/// Pieces that wait to be taken are put together up to this length, bytes: a window of single bytes would
/// cost fifty times its memory.
const SMALL_BYTES: usize = 4096;

/// Messages that wait to be sent; a link has few in all.
const MESSAGES_MAX: usize = 64;

/// Bytes each of `handles` handles may have on its way.
pub fn window_bytes(handles: usize) -> usize {
    (WINDOW_BYTES_ALL / handles.max(1)).clamp(WINDOW_BYTES.0, WINDOW_BYTES.1)
}

/// What we send on a handle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Writer {
    queue: VecDeque<Packet>,
    queued: usize,
    credit: usize,
    /// Nothing more will be offered.
    closing: bool,
    closed: bool,
    /// The other end does not read any more.
    stopped: bool,
}

/// What we receive on a handle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Reader {
    queue: VecDeque<Block>,
    /// Bytes that count against the window: received and not yet given back as credit.
    held: usize,
    /// Of those, the ones that were taken.
    freed: usize,
    closed: bool,
    /// We do not read any more; whether that was said.
    stopped: Option<bool>,
}

/// All handles of one end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    writers: Vec<Writer>,
    readers: Vec<Reader>,
    window: usize,
    messages: VecDeque<Packet>,
    control: u8,
    ping: bool,
    pong: bool,
    /// The handle that has the next turn.
    turn: usize,
}

/// What came in that somebody has to act on.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Something about this handle changed.
    Handle(u8),
    /// A message.
    Message(Block),
    /// Nothing to act on.
    Nothing,
}

fn violation(what: impl Into<String>) -> Fault {
    Fault::stream(format!("the other plumber breaks the rules: {}", what.into()))
}

impl Flow {
    /// For an end that talks on `control`, with `handles` handles of `window` bytes.
    pub fn new(control: u8, handles: usize, window: usize) -> Flow {
        assert!(handles <= HANDLES && window > 0);
        let writer = Writer { credit: window, ..Writer::default() };
        Flow {
            writers: vec![writer; handles],
            readers: vec![Reader::default(); handles],
            window,
            messages: VecDeque::new(),
            control,
            ping: false,
            pong: false,
            turn: 0,
        }
    }

    /// The most a data frame may carry: half a window, as less than half may be taken without having
    /// been given back.
    pub fn payload_bytes_max(&self) -> usize {
        self.window.div_ceil(2).min(PAYLOAD_BYTES_MAX)
    }

    /// Whether a writer may offer a frame now: what waits is bounded by a window.
    pub fn has_room(&self, handle: u8) -> bool {
        let writer = &self.writers[usize::from(handle)];
        writer.stopped || writer.queued < self.window
    }

    /// Takes a data frame; gives it back as an error if nobody reads that handle.
    pub fn offer(&mut self, handle: u8, mut packet: Packet) -> Result<(), Packet> {
        debug_assert!((1..=self.payload_bytes_max()).contains(&packet.payload_bytes()));
        let writer = &mut self.writers[usize::from(handle)];
        if writer.stopped || writer.closing {
            return Err(packet);
        }
        packet.seal_as_data(handle);
        writer.queued += packet.payload_bytes();
        writer.queue.push_back(packet);
        Ok(())
    }

    /// Whether the other end still reads a handle.
    pub fn is_read(&self, handle: u8) -> bool {
        !self.writers[usize::from(handle)].stopped
    }

    /// Nothing more will be offered on a handle.
    pub fn close(&mut self, handle: u8) {
        self.writers[usize::from(handle)].closing = true;
    }

    /// Nobody reads a handle here any more; what comes is dropped.
    pub fn stop(&mut self, handle: u8) {
        let reader = &mut self.readers[usize::from(handle)];
        reader.queue.clear();
        reader.freed = reader.held;
        if !reader.closed {
            reader.stopped.get_or_insert(false);
        }
    }

    /// The next bytes of a handle: some, none yet, or none any more.
    pub fn take(&mut self, handle: u8) -> Taken {
        let reader = &mut self.readers[usize::from(handle)];
        match reader.queue.pop_front() {
            Some(bytes) => {
                reader.freed += bytes.len();
                Taken::Bytes(bytes)
            }
            None if reader.closed => Taken::End,
            None => Taken::NothingYet,
        }
    }

    /// Sends a message. There is room for some.
    pub fn say(&mut self, message: &[u8]) -> Result<(), Fault> {
        if self.messages.len() >= MESSAGES_MAX {
            return Err(violation("it takes no messages"));
        }
        self.messages.push_back(Packet::new(Kind::Message, self.control, message));
        Ok(())
    }

    /// Asks whether the other end is there.
    pub fn ping(&mut self) {
        self.ping = true;
    }

    /// Whether everything offered has been given to [`Flow::next_packet`].
    pub fn is_drained(&self) -> bool {
        self.messages.is_empty()
            && self.writers.iter().all(|w| w.stopped || w.queue.is_empty() && w.closing == w.closed)
    }

    /// The frame that goes next: control first, then a data frame of one handle after the other.
    pub fn next_packet(&mut self) -> Option<Packet> {
        if let Some(message) = self.messages.pop_front() {
            return Some(message);
        }
        if std::mem::take(&mut self.pong) {
            return Some(Packet::new(Kind::Pong, self.control, b""));
        }
        if std::mem::take(&mut self.ping) {
            return Some(Packet::new(Kind::Ping, self.control, b""));
        }
        let count = self.writers.len();
        (0..count).find_map(|at| self.news_of_reader(at)).or_else(|| {
            (0..count).find_map(|step| {
                let at = (self.turn + step) % count;
                let packet = self.next_of_writer(at)?;
                self.turn = (at + 1) % count;
                Some(packet)
            })
        })
    }

    fn news_of_reader(&mut self, at: usize) -> Option<Packet> {
        let handle = u8::try_from(at).ok()?;
        let reader = &mut self.readers[at];
        if reader.stopped == Some(false) {
            reader.stopped = Some(true);
            return Some(Packet::new(Kind::Stop, handle, b""));
        }
        let is_much = reader.freed >= self.window.div_ceil(2);
        if !is_much || reader.closed || reader.stopped.is_some() {
            return None;
        }
        let freed = u32::try_from(std::mem::take(&mut reader.freed)).expect("windows are small");
        reader.held -= freed as usize;
        Some(Packet::new(Kind::Credit, handle, &freed.to_le_bytes()))
    }

    fn next_of_writer(&mut self, at: usize) -> Option<Packet> {
        let writer = &mut self.writers[at];
        let handle = u8::try_from(at).ok()?;
        if writer.stopped {
            writer.queue.clear();
            writer.queued = 0;
        }
        if let Some(packet) = writer.queue.pop_front_if(|p| p.payload_bytes() <= writer.credit) {
            writer.credit -= packet.payload_bytes();
            writer.queued -= packet.payload_bytes();
            return Some(packet);
        }
        if writer.queue.is_empty() && writer.closing && !writer.closed {
            writer.closed = true;
            return Some(Packet::new(Kind::Eof, handle, b""));
        }
        None
    }

    /// Takes a frame that arrived.
    pub fn receive(&mut self, header: Header, payload: Block) -> Result<Arrived, Fault> {
        let handle = header.handle;
        let at = usize::from(handle);
        let is_data = at < HANDLES;
        if is_data && at >= self.writers.len() {
            return Err(violation(format!("handle {handle} was never opened")));
        }
        if !is_data && handle == self.control {
            return Err(violation("it talks on our control handle"));
        }
        match header.kind {
            Kind::Data => self.receive_data(at, payload)?,
            Kind::Credit => self.receive_credit(at, payload.data())?,
            Kind::Eof if self.readers[at].closed => {
                return Err(violation(format!("handle {handle} ends twice")));
            }
            Kind::Eof => self.readers[at].closed = true,
            Kind::Stop => {
                let writer = &mut self.writers[at];
                writer.stopped = true;
                writer.queue.clear();
                writer.queued = 0;
            }
            Kind::Ping => self.pong = true,
            Kind::Pong => {}
            Kind::Message => return Ok(Arrived::Message(payload)),
        }
        Ok(if is_data { Arrived::Handle(handle) } else { Arrived::Nothing })
    }

    fn receive_data(&mut self, at: usize, payload: Block) -> Result<(), Fault> {
        let reader = &mut self.readers[at];
        if reader.closed {
            return Err(violation(format!("data on handle {at} behind its end")));
        }
        if reader.stopped.is_some() {
            return Ok(());
        }
        reader.held += payload.len();
        if reader.held > self.window {
            return Err(violation(format!("handle {at} sends more than its window")));
        }
        match reader.queue.back_mut() {
            Some(last) if last.len() + payload.len() <= SMALL_BYTES => join(last, payload.data()),
            _ => reader.queue.push_back(payload),
        }
        Ok(())
    }

    fn receive_credit(&mut self, at: usize, payload: &[u8]) -> Result<(), Fault> {
        let bytes: [u8; 4] = payload.try_into().map_err(|_| violation("a credit of no size"))?;
        let writer = &mut self.writers[at];
        let credit = writer.credit.saturating_add(u32::from_le_bytes(bytes) as usize);
        if credit > self.window {
            return Err(violation(format!("handle {at} gets more credit than its window")));
        }
        writer.credit = credit;
        Ok(())
    }
}

/// Puts a small piece behind another.
fn join(last: &mut Block, bytes: &[u8]) {
    if last.room() < bytes.len() {
        let mut roomy = Block::with_capacity(SMALL_BYTES);
        roomy.append(last.data());
        *last = roomy;
    }
    last.append(bytes);
}

/// What [`Flow::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Some bytes.
    Bytes(Block),
    /// None yet.
    NothingYet,
    /// None any more.
    End,
}

#[cfg(test)]
#[path = "flow_model.rs"]
mod model;
