//! How a component meets its edges.
//!
//! Owns the traits between a component and its plumber. A component is a plain value: it holds no
//! descriptor, thread or clock. Sources push; processors and sinks are fed one item at a time, so
//! any split of the input must give the same output.

use std::time::Duration;

use super::{Fault, Item, Receipt};

/// Where items come from. An edge that closes without `End` or `Abort` is a fault.
pub trait Inlet {
    /// The next item; blocks until there is one. After `End` or `Abort` it must not be called.
    fn take(&mut self) -> Result<Item, Fault>;
}

/// An inlet that does not wait for ever.
pub trait Patience: Inlet {
    /// As [`take`](Inlet::take), but gives `None` if nothing came within `limit`.
    fn take_within(&mut self, limit: Duration) -> Result<Option<Item>, Fault>;
}

/// Where items go.
pub trait Outlet {
    /// Hands one item on; blocks while the edge is full. A reader that left is a fault: nothing
    /// may be called a backup that nobody took.
    fn put(&mut self, item: Item) -> Result<(), Fault>;
}

/// Where receipts go.
pub trait Upward {
    /// Sends one receipt towards the source. Where nobody listens it is dropped.
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault>;
}

/// Makes a stream: `Begin`, data and marks, `End`. On a fault it returns; the plumber sends `Abort`.
pub trait Source {
    /// Runs to the end. Returns how many things had to be left out (each named on stderr).
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault>;

    /// Takes a receipt from below, and passes it on.
    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        up.receipt(receipt)
    }

    /// Called once after the last receipt. Returns how many more things were left out.
    fn finish(&mut self) -> Result<u64, Fault> {
        Ok(0)
    }
}

/// Changes or watches a stream.
pub trait Process {
    /// Takes one item and puts what comes of it. Sees `Begin` first; sees `End` last or never: when
    /// the stream is aborted the plumber passes `Abort` on and drops the component.
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault>;

    /// Translates a receipt from the offsets of its output to those of its input, and passes on
    /// what comes of it: nothing yet, one receipt, or one for each medium.
    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        up.receipt(receipt)
    }

    /// Called once after `End` was passed and every receipt below has arrived (their channel
    /// closed). Returns how many things were found wanting.
    fn finish(&mut self) -> Result<u64, Fault> {
        Ok(0)
    }
}

/// Keeps a stream.
pub trait Sink {
    /// Takes one item. `End` returns only when everything is durable and receipted; on `Abort`
    /// nothing may stay under its final name.
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault>;

    /// Tells the time since the start, about once a second, also while nothing comes.
    fn tick(&mut self, _now: Duration, _up: &mut dyn Upward) -> Result<(), Fault> {
        Ok(())
    }

    /// Called once after `End`. Returns how many things could not be kept (each named on stderr).
    fn finish(&mut self) -> Result<u64, Fault> {
        Ok(0)
    }
}
