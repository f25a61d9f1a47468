//! How a component meets its edges.
//!
//! Owns the traits between a component and its plumber. A component is a plain value: it holds no
//! descriptor, thread or clock. Sources push; processors and sinks are fed one item at a time, so
//! any split of the input must give the same output. A funnel is fed from several berths and says which
//! one it wants; a tee puts to several sides.

use std::time::Duration;

use super::{Fault, Item, Receipt, StreamId};

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

/// What lies at one berth of a funnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Items.
    pub items: usize,
    /// Data bytes in them.
    pub bytes: u64,
    /// Its writer waits for us: no more fits.
    pub is_full: bool,
    /// The end of a stream lies there: no more of it will come.
    pub has_end: bool,
}

/// Where the items for a funnel lie until it takes them.
pub trait Berths {
    /// Tells what lies at each, into `waiting`; blocks for at most `limit` while there is nothing.
    /// False once nothing will come any more.
    fn look(&mut self, limit: Duration, waiting: &mut Vec<Waiting>) -> Result<bool, Fault>;

    /// The next item of a berth where one lies. A fault is the end of its stream, not of the funnel.
    fn take(&mut self, berth: usize) -> Result<Item, Fault>;
}

/// Joins streams. Makes one edge of them, as a source does.
pub trait Funnel {
    /// The edge begins; so many berths there are.
    fn begin(&mut self, berths: usize, out: &mut dyn Outlet) -> Result<(), Fault>;

    /// From which berth to take now; none if nothing lies at any.
    fn choose(&mut self, waiting: &[Waiting]) -> Option<usize>;

    /// Takes an item of a berth, or hears why its stream broke off.
    fn item(
        &mut self,
        berth: usize,
        item: Result<Item, Fault>,
        out: &mut dyn Outlet,
    ) -> Result<(), Fault>;

    /// The berth a stream came from: its receipts go there.
    fn berth_of(&self, stream: StreamId) -> Option<usize>;

    /// Nothing will come any more: the edge ends. Returns how many streams were left out (each named
    /// on stderr).
    fn end(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault>;
}

/// Where the items of a tee go.
pub trait Sides {
    /// Hands an item to one side; blocks while that is full. A fault is the end of the side, which is
    /// not to be used again.
    fn put(&mut self, side: usize, item: Item) -> Result<(), Fault>;

    /// Waits until a side has taken all that was put to it. Where that is a pipe, it may still lie there.
    fn settle(&mut self, side: usize) -> Result<(), Fault>;
}

/// Parts or doubles what comes on one edge.
pub trait Tee {
    /// Takes one item. As a processor does, sees `Begin` first and `End` last or never.
    fn item(&mut self, item: Item, sides: &mut dyn Sides) -> Result<(), Fault>;

    /// Takes a receipt from below one side.
    fn receipt(&mut self, side: usize, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault>;

    /// Hears that a side ended with a fault after all was put. The fault it returns ends the tee.
    fn lost(&mut self, side: usize, fault: Fault) -> Result<(), Fault>;

    /// Called once when all sides have taken everything and every receipt has arrived. Returns how
    /// many things were left out (each named on stderr).
    fn finish(&mut self) -> Result<u64, Fault>;
}
