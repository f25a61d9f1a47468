//! A running link: two threads that move frames, and handles that block as pipes do.
//!
//! Owns waiting, and what a broken link means: everybody who waits for it is told the same fault. A thread
//! sends what [`Flow`](super::flow::Flow) says comes next; another receives, and never waits for a reader.
//! A link that hears nothing for too long is cut, so nobody waits for a machine that is gone.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::channel::{Frame, Received, Receiver, Sender};
use super::flow::{Arrived, Flow, Taken};
use super::frame::Packet;
use super::message;
use crate::stream::{Blame, Block, Fault};

/// Bytes given to the sender at once.
const BATCH_BYTES: usize = 512 * 1024;
/// Messages that wait to be heard.
const MESSAGES_MAX: usize = 64;

/// When a silent link counts as cut.
#[derive(Debug, Clone, Copy)]
pub struct Alive {
    /// How often we ask when there is nothing else to say.
    pub ask: Duration,
    /// How long the other end may say nothing at all.
    pub dead: Duration,
}

impl Alive {
    /// Asks four times before giving up after `dead`.
    pub fn dead_after(dead: Duration) -> Alive {
        Alive { ask: dead / 4, dead }
    }
}

struct State {
    flow: Flow,
    messages: VecDeque<Block>,
    failed: Option<Fault>,
    /// Why no data is moved any more, while messages still are.
    stopped: Option<Fault>,
    /// The other end may close: everything was said and heard.
    may_close: bool,
    /// We close as soon as there is nothing more to send.
    closing: bool,
    closed: bool,
    /// The sender has sent its last.
    sent: bool,
    heard: Instant,
}

struct Inner {
    state: Mutex<State>,
    sendable: Condvar,
    message: Condvar,
    handles: Vec<Condvar>,
}

/// A running link. Clones are the same link.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

/// What [`Link::read`] came back with.
pub enum ReadOut {
    /// Some bytes of the handle.
    Bytes(Block),
    /// None came in time.
    Nothing,
    /// None will come any more.
    End,
}

impl Link {
    /// Starts the two threads.
    pub fn start(
        sender: Sender,
        receiver: Receiver,
        flow: Flow,
        handles: usize,
        alive: Alive,
    ) -> Result<Link, Fault> {
        let state = State {
            flow,
            messages: VecDeque::new(),
            failed: None,
            stopped: None,
            may_close: false,
            closing: false,
            closed: false,
            sent: false,
            heard: Instant::now(),
        };
        let link = Link(Arc::new(Inner {
            state: Mutex::new(state),
            sendable: Condvar::new(),
            message: Condvar::new(),
            handles: (0..handles).map(|_| Condvar::new()).collect(),
        }));
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into()).spawn(work);
            thread.map_err(|e| Fault::host("cannot start a thread", &e))
        };
        let (sends, receives) = (link.clone(), link.clone());
        spawn("link-send", Box::new(move || sends.send_all(sender, alive)))?;
        spawn("link-receive", Box::new(move || receives.receive_all(receiver, alive)))?;
        Ok(link)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the link for this reason. The first reason counts.
    pub fn fail(&self, fault: Fault) {
        self.lock().failed.get_or_insert(fault);
        self.wake_all();
    }

    /// Lets no more data through, for this reason; messages still pass.
    pub fn stop(&self, fault: &Fault) {
        self.lock().stopped.get_or_insert_with(|| fault.clone());
        self.wake_all();
    }

    fn wake_all(&self) {
        self.0.sendable.notify_all();
        self.0.message.notify_all();
        self.0.handles.iter().for_each(Condvar::notify_all);
    }

    fn send_all(&self, mut sender: Sender, alive: Alive) {
        let mut batch = Vec::new();
        let end = loop {
            match self.next_batch(&mut batch, alive) {
                Next::Batch => {}
                Next::Close => break sender.close(),
                Next::Failed => {
                    sender.cut();
                    break Ok(());
                }
            }
            if let Err(fault) = sender.send(&batch) {
                sender.cut();
                break Err(fault);
            }
            for packet in batch.drain(..) {
                if let Some(room) = self.0.handles.get(usize::from(packet.bytes()[1])) {
                    room.notify_all();
                }
            }
        };
        self.lock().sent = true;
        match end {
            Ok(()) => self.wake_all(),
            Err(fault) => self.fail(fault),
        }
    }

    fn next_batch(&self, batch: &mut Vec<Packet>, alive: Alive) -> Next {
        let mut state = self.lock();
        // Whatever wakes us meanwhile: at this time the other end hears from us.
        let mut ask_at = Instant::now() + alive.ask;
        loop {
            if state.failed.is_some() {
                return Next::Failed;
            }
            let mut bytes = 0;
            while let Some(packet) =
                (bytes < BATCH_BYTES).then(|| state.flow.next_packet()).flatten()
            {
                bytes += packet.bytes().len();
                batch.push(packet);
            }
            if !batch.is_empty() {
                return Next::Batch;
            }
            if state.closing {
                return Next::Close;
            }
            let left = ask_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.flow.ping();
                ask_at = Instant::now() + alive.ask;
                continue;
            }
            let waited = self.0.sendable.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn receive_all(&self, mut receiver: Receiver, alive: Alive) {
        let mut frames = Vec::new();
        loop {
            let received = receiver.receive(&mut frames);
            match received.and_then(|received| self.received(received, &mut frames, alive)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => return self.fail(fault),
            }
        }
    }

    /// Returns whether to go on.
    fn received(
        &self,
        received: Received,
        frames: &mut Vec<Frame>,
        alive: Alive,
    ) -> Result<bool, Fault> {
        let mut state = self.lock();
        if received != Received::Nothing {
            state.heard = Instant::now();
        }
        for (header, payload) in frames.drain(..) {
            match state.flow.receive(header, payload)? {
                Arrived::Handle(handle) => self.0.handles[usize::from(handle)].notify_all(),
                Arrived::Message(_) if state.messages.len() >= MESSAGES_MAX => {
                    return Err(Fault::stream("the other plumber talks too much"));
                }
                Arrived::Message(message) => {
                    state.messages.push_back(message);
                    self.0.message.notify_all();
                }
                Arrived::Nothing => {}
            }
        }
        self.0.sendable.notify_all();
        if received == Received::Closed {
            state.closed = true;
            self.0.message.notify_all();
            return match state.may_close {
                true => Ok(false),
                false => Err(Fault::later(Blame::Link, "the other plumber left in the middle")),
            };
        }
        let silent = state.heard.elapsed();
        if silent > alive.dead {
            let what = format!("the link is cut: nothing was heard for {} s", silent.as_secs());
            return Err(Fault::later(Blame::Link, what));
        }
        Ok(state.failed.is_none())
    }

    /// Sends a data frame; waits while the handle is full.
    fn write(&self, handle: u8, packet: Packet) -> Result<(), Fault> {
        let mut state = self.lock();
        loop {
            if let Some(fault) = state.failed.as_ref().or(state.stopped.as_ref()) {
                return Err(fault.clone());
            }
            if state.flow.has_room(handle) {
                break;
            }
            let room = &self.0.handles[usize::from(handle)];
            state = room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let offered = state.flow.offer(handle, packet);
        self.0.sendable.notify_all();
        offered.map_err(|_| Fault::neighbour("nobody reads the other end"))
    }

    /// Waits until a reader has something to act on: bytes, an end, a broken link.
    fn read(&self, handle: u8, limit: Option<Duration>) -> Result<ReadOut, Fault> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut state = self.lock();
        loop {
            if let Some(fault) = &state.stopped {
                return Err(fault.clone());
            }
            match state.flow.take(handle) {
                Taken::Bytes(bytes) => {
                    // It may have become worth giving back.
                    self.0.sendable.notify_all();
                    return Ok(ReadOut::Bytes(bytes));
                }
                Taken::End => return Ok(ReadOut::End),
                Taken::NothingYet => {}
            }
            if let Some(fault) = &state.failed {
                return Err(fault.clone());
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(ReadOut::Nothing);
            }
            let some = &self.0.handles[usize::from(handle)];
            let waited = some.wait_timeout(state, left.unwrap_or(Duration::MAX));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The end of a handle that is written here.
    pub fn writer(&self, handle: u8) -> HandleWriter {
        HandleWriter { link: self.clone(), handle }
    }

    /// The end of a handle that is read here.
    pub fn reader(&self, handle: u8) -> HandleReader {
        HandleReader { link: self.clone(), handle, chunk: Block::of_vec(Vec::new()), ended: false }
    }

    /// Sends a message.
    pub fn say<T: Serialize>(&self, message: &T) -> Result<(), Fault> {
        let bytes = message::encode(message)?;
        let said = self.lock().flow.say(&bytes);
        self.0.sendable.notify_all();
        said
    }

    /// The next message; none if there was none within `limit`.
    pub fn hear<T: DeserializeOwned>(&self, limit: Option<Duration>) -> Result<Option<T>, Fault> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut state = self.lock();
        loop {
            if let Some(bytes) = state.messages.pop_front() {
                return message::decode(bytes.data()).map(Some);
            }
            if let Some(fault) = &state.failed {
                return Err(fault.clone());
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let waited = self.0.message.wait_timeout(state, left.unwrap_or(Duration::MAX));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until everything that was written is on its way, no longer than the link lives.
    pub fn drain(&self) -> Result<(), Fault> {
        let mut state = self.lock();
        while !state.flow.is_drained() {
            if let Some(fault) = &state.failed {
                return Err(fault.clone());
            }
            // Whatever lets a writer go on wakes the sender; looking now and then is enough here.
            let waited = self.0.message.wait_timeout(state, Duration::from_millis(20));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Closes the link and waits, no longer than `limit`, until the other end has done so, too: only then
    /// is it sure that everything arrived.
    pub fn finish(&self, limit: Duration) -> Result<(), Fault> {
        self.lock().closing = true;
        self.let_close(limit)
    }

    /// From now on the other end may close the link. Say so before you say anything that makes it do so.
    pub fn allow_close(&self) {
        self.lock().may_close = true;
    }

    /// Waits until the other end closes the link, no longer than `limit`, and then does so, too.
    pub fn let_finish(&self, limit: Duration) -> Result<(), Fault> {
        self.let_close(limit)?;
        self.lock().closing = true;
        self.wake_all();
        let mut state = self.lock();
        while !state.sent {
            let waited = self.0.message.wait_timeout(state, limit);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                break;
            }
            state = again;
        }
        Ok(())
    }

    fn let_close(&self, limit: Duration) -> Result<(), Fault> {
        self.allow_close();
        self.wake_all();
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while !state.closed {
            if let Some(fault) = &state.failed {
                return Err(fault.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::later(Blame::Link, "the other plumber does not close the link"));
            }
            let waited = self.0.message.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

enum Next {
    Batch,
    Close,
    Failed,
}

/// Writes to a handle as to a pipe. Dropping it ends the handle.
pub struct HandleWriter {
    link: Link,
    handle: u8,
}

impl HandleWriter {
    /// Whether somebody still reads the other end, as far as is known.
    pub fn is_read(&self) -> bool {
        let state = self.link.lock();
        state.failed.is_none() && state.stopped.is_none() && state.flow.is_read(self.handle)
    }
}

impl HandleWriter {
    /// Sends a block without a copy, if it fits a frame.
    pub fn give(&mut self, block: Block) -> io::Result<()> {
        let most = self.link.lock().flow.payload_bytes_max();
        match block.len() <= most {
            true => self.send(Packet::data(block)),
            false => self.write_all(block.data()),
        }
    }

    fn send(&mut self, packet: Packet) -> io::Result<()> {
        self.link.write(self.handle, packet).map_err(|fault| match fault.blame {
            Blame::Neighbour => io::Error::new(io::ErrorKind::BrokenPipe, fault),
            _ => io::Error::other(fault),
        })
    }
}

impl Write for HandleWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.link.lock().flow.payload_bytes_max();
        let some = &bytes[..bytes.len().min(most)];
        if some.is_empty() {
            return Ok(0);
        }
        self.send(Packet::data_of(some))?;
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for HandleWriter {
    fn drop(&mut self) {
        self.link.lock().flow.close(self.handle);
        self.link.0.sendable.notify_all();
    }
}

/// Reads a handle as a pipe. Dropping it tells the writer that nobody reads any more.
pub struct HandleReader {
    link: Link,
    handle: u8,
    chunk: Block,
    ended: bool,
}

impl HandleReader {
    /// Waits for bytes or an end, no longer than `limit`. Returns whether there is one.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<bool, Fault> {
        if !self.chunk.is_empty() || self.ended {
            return Ok(true);
        }
        match self.link.read(self.handle, limit)? {
            ReadOut::Bytes(bytes) => self.chunk = bytes,
            ReadOut::End => self.ended = true,
            ReadOut::Nothing => return Ok(false),
        }
        Ok(true)
    }

    /// Everything that is there as one piece, waiting for some; empty at the end.
    pub fn next_piece(&mut self) -> Result<Block, Fault> {
        self.wait(None)?;
        Ok(std::mem::replace(&mut self.chunk, Block::of_vec(Vec::new())))
    }

    /// The next bytes as they are, if there are just so many in one piece.
    pub fn lend(&mut self, length: usize) -> Option<Block> {
        // What is there is never empty; an empty block would be the end.
        let is_it = length > 0 && self.wait(None).is_ok() && self.chunk.len() == length;
        is_it.then(|| std::mem::replace(&mut self.chunk, Block::of_vec(Vec::new())))
    }
}

impl Read for HandleReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(None).map_err(io::Error::other)?;
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk.data()[..count]);
        self.chunk.advance(count);
        Ok(count)
    }
}

impl Drop for HandleReader {
    fn drop(&mut self) {
        if !self.ended {
            self.link.lock().flow.stop(self.handle);
            self.link.0.sendable.notify_all();
        }
    }
}
