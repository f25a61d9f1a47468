//! `sink_stdout`: a stream becomes raw bytes.
//!
//! Writes the payload as it comes, layers and all. Plain bytes cannot say that they are whole, so
//! that word is the exit status alone; nothing is durable, so there is no receipt.

use std::io::{ErrorKind, Write};

use crate::stream::{Fault, Item, Sink, Upward};

/// Unwraps onto `W`.
pub struct Stdout<W> {
    to: W,
}

impl<W: Write> Stdout<W> {
    /// Writes the payload to `to`, which should not buffer.
    pub fn new(to: W) -> Stdout<W> {
        Stdout { to }
    }
}

impl<W: Write> Sink for Stdout<W> {
    fn item(&mut self, item: Item, _up: &mut dyn Upward) -> Result<(), Fault> {
        let written = match item {
            Item::Data { block, .. } => self.to.write_all(block.data()),
            Item::End(_) => self.to.flush(),
            Item::Begin(begin) => return begin.refuse_mux("print"),
            Item::Mark(_) | Item::Abort(_) | Item::Turn(_) => Ok(()),
        };
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Fault::stream("cannot write the data: its reader is gone"),
            _ => Fault::host("cannot write the data", &error),
        })
    }
}
