//! `sink_tape`: keeps a stream on tape, or several that take turns.
//!
//! All of the care is in [`TapeWriter`]; this hands it the items. Receipts are grade `on tape`.

use std::time::Duration;

use crate::library::TapeWriter;
use crate::stream::{Fault, Item, Sink, Upward};

/// The sink over one drive.
pub struct Tape(pub TapeWriter);

impl Sink for Tape {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.0.begin(begin, up),
            Item::Data { block, .. } => self.0.data(block.data(), up),
            Item::Turn(id) => self.0.turn(id, up),
            Item::Mark(lines) => {
                self.0.lines(&lines);
                Ok(())
            }
            Item::End(end) => self.0.end(end, up),
            Item::Abort(abort) => self.0.abort(&abort, up),
        }
    }

    fn tick(&mut self, now: Duration, up: &mut dyn Upward) -> Result<(), Fault> {
        self.0.tick(now, up)
    }
}
