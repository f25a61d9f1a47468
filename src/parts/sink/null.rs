//! `sink_null`: checks a stream and forgets it.
//!
//! Keeps nothing, so it sends no receipt. What it is for: measuring a source, and checking that a
//! stream is whole (frames, order, end).

use crate::stream::{Fault, Item, Sink, Upward};

/// The sink that forgets.
pub struct Null;

impl Sink for Null {
    fn item(&mut self, _item: Item, _up: &mut dyn Upward) -> Result<(), Fault> {
        Ok(())
    }
}
