//! Streams that take turns on one tape.
//!
//! Owns what is known of a stream while others are written. A turn is a part: when another stream's
//! turn comes the open part is closed with its index and a filemark, so all of it is durable and
//! receipted before anything of the other stream is written, and nothing of two streams is ever
//! unconfirmed at the same time. On the medium each is an ordinary stream, between whose parts lie those
//! of others.

use std::collections::BTreeMap;

use super::TapeWriter;
use crate::stream::{Begin, Fault, KIND_MUX, StreamId, Upward};
use crate::volume::part::PartState;

/// A stream that waits for its turn.
struct Waiting {
    stream: Begin,
    stream_part: u32,
    offset: u64,
}

/// Who waits, and whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    /// The identity of the edge, where streams take turns.
    edge: Option<StreamId>,
    /// Whose turn it is; none's outside of turns.
    turn: Option<StreamId>,
    /// Whether the stream that is being written was begun and is not over.
    running: bool,
    waiting: BTreeMap<StreamId, Waiting>,
}

impl Turns {
    /// Whether this begins the edge on which streams take turns, and not a stream.
    pub(super) fn is_edge(&mut self, begin: &Begin) -> bool {
        let is_edge = begin.kind == KIND_MUX;
        if is_edge {
            self.edge = Some(begin.stream);
        }
        is_edge
    }

    /// A stream begins.
    pub(super) fn begun(&mut self) {
        self.running = true;
    }

    /// The stream that was being written is over.
    pub(super) fn over(&mut self) {
        self.running = false;
        self.turn = None;
    }

    /// Whether streams took turns and all of them are over.
    pub(super) fn are_all_over(&self) -> bool {
        self.edge.is_some() && !self.running && self.waiting.is_empty()
    }
}

impl TapeWriter {
    /// From here on the stream `id` is written, or none if that names the edge.
    pub fn turn(&mut self, id: StreamId, up: &mut dyn Upward) -> Result<(), Fault> {
        self.turns.turn = Some(id).filter(|_| self.turns.edge != Some(id));
        let goes_on = self.turns.running && self.stream.stream == id;
        if goes_on || self.turns.turn.is_none() {
            return Ok(());
        }
        self.latched(|writer| {
            writer.rest(up)?;
            writer.resume(id);
            Ok(())
        })
    }

    /// Lets the present stream wait, everything of it on tape.
    fn rest(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if !std::mem::take(&mut self.turns.running) {
            return Ok(());
        }
        if self.open || self.index.raw_bytes() > 0 {
            self.open_part(up)?;
            self.flush_fill(up)?;
            self.close(&PartState::Continued, 0, up)?;
        }
        let stream = std::mem::take(&mut self.stream);
        let id = stream.stream;
        let waiting = Waiting { stream, stream_part: self.stream_part, offset: self.offset };
        self.turns.waiting.insert(id, waiting);
        Ok(())
    }

    /// Takes up a stream where it was left; its next part begins with its next item. One that is not
    /// known begins at its beginning.
    fn resume(&mut self, id: StreamId) {
        let known = self.turns.waiting.remove(&id);
        self.turns.running = known.is_some();
        let unknown = || Waiting { stream: Begin::default(), stream_part: 0, offset: 0 };
        let Waiting { stream, stream_part, offset } = known.unwrap_or_else(unknown);
        (self.stream, self.stream_part, self.offset) = (stream, stream_part, offset);
        // What rests is on tape to its last byte.
        self.receipted = offset;
    }

    /// Gives up on the stream whose turn it is, or on all that are not over if it is none's.
    pub(super) fn abort_turns(
        &mut self,
        state: &PartState,
        up: &mut dyn Upward,
    ) -> Result<(), Fault> {
        if std::mem::take(&mut self.turns.running) {
            self.abort_stream(state, up)?;
        }
        // Where one stream is all there is, none waits.
        if self.turns.turn.take().is_some() {
            return Ok(());
        }
        let waiting: Vec<StreamId> = self.turns.waiting.keys().copied().collect();
        for id in waiting {
            self.resume(id);
            self.turns.running = false;
            self.abort_stream(state, up)?;
        }
        Ok(())
    }
}
