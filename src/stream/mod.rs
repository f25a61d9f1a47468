//! The stream contract: what travels along an edge, and how a component meets it.
//!
//! Owns [`Item`], the one thing an edge carries; [`Block`], the bytes; [`Fault`], why a component
//! gave up; [`Receipt`], the word that data became durable; and the traits a component implements.
//! Does no I/O of its own: a plumber moves items. End of file is not success: a stream is whole only
//! after [`Item::End`], and a reader that meets the end of its edge without one reports it.

pub mod block;
pub mod course;
pub mod fault;
pub mod flow;
pub mod frame;
pub mod receipt;
pub mod runs;

pub use block::{Block, Pool};
pub use course::Course;
pub use fault::{Blame, Fault, Retry};
pub use flow::{
    Berths, Funnel, Inlet, Outlet, Patience, Process, Sides, Sink, Source, Tee, Upward, Waiting,
};
pub use receipt::{Extent, Place, Receipt};
pub use runs::Runs;

use serde::{Deserialize, Serialize};

/// Identity of one backup stream, made once at its source and kept through every component.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
pub struct StreamId(pub uuid::Uuid);

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a stream's payload is once all layers are taken off.
pub const KIND_PAX: &str = "pax";
/// Bytes that mean nothing to us.
pub const KIND_RAW: &str = "raw";
/// No stream, but an edge on which streams take turns ([`course`]).
pub const KIND_MUX: &str = "mux";

/// The first item of every stream: what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Begin {
    /// Identity, kept through every component.
    pub stream: StreamId,
    /// What an operator calls it: a host and path, a database, a file name.
    pub name: String,
    /// [`KIND_PAX`], [`KIND_RAW`], [`KIND_MUX`], or a word the operator chose.
    pub kind: String,
    /// Transformations applied, innermost first: `["zstd"]`. Empty: the payload itself.
    pub layers: Vec<String>,
    /// What a reader of any piece of the stream needs to take a layer off, where the layer has such a
    /// thing: the layer's number from 1, and the bytes. In a frame they follow the rest, if there are any.
    #[serde(skip)]
    pub heads: Vec<(u8, Vec<u8>)>,
    /// When the source started, seconds since the epoch, told by the plumber.
    pub created_s: i64,
    /// True when only chosen ranges of the stream follow, so that offsets may jump forward.
    pub partial: bool,
}

impl Begin {
    /// Refuses an edge on which streams take turns, for a component that cannot `verb` several.
    pub fn refuse_mux(&self, verb: &str) -> Result<(), Fault> {
        if self.kind != KIND_MUX {
            return Ok(());
        }
        let what = format!("cannot {verb} streams that take turns on one edge");
        Err(Fault::never(Blame::Operator, what)
            .hint("put it before fun_mux, or behind fun_demux: there each stream is alone"))
    }
}

/// The last item of a stream that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Data bytes carried on this edge.
    pub bytes: u64,
    /// How many things the source had to leave out; each was named on its stderr.
    pub skipped: u64,
}

/// The last item of a stream that is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// The component that gave up.
    pub who: String,
    /// Why, in one line.
    pub why: String,
}

/// One thing that travels along an edge.
#[derive(Debug)]
pub enum Item {
    /// Starts the stream; exactly one, first.
    Begin(Begin),
    /// Bytes of the stream at `offset`. Offsets are contiguous from 0 unless the stream is partial, or a mark
    /// said that bytes are lost, and then only grow.
    Data {
        /// Where in the stream (in this edge's own coordinates) the bytes belong.
        offset: u64,
        /// The bytes, never empty.
        block: Block,
    },
    /// Lines for the index of the stream ([`crate::list`]): entries, seek points, wanted ranges.
    /// Whole lines, each ended by a newline.
    Mark(Vec<u8>),
    /// On a multiplexed edge: the items that follow are this stream's ([`course`]).
    Turn(StreamId),
    /// Ends the stream: it is whole.
    End(End),
    /// Ends the stream: it is not whole and must not be taken for a backup.
    Abort(Abort),
}
