//! What components that add a layer share.
//!
//! Owns the block being filled, the offset at which it goes out, and the seek points that are told
//! along the way. Knows nothing of what a layer does to bytes.

use crate::list::Line;
use crate::stream::block::{BLOCK_BYTES, Pool};
use crate::stream::{Begin, Blame, Block, End, Fault, Item, Outlet};

/// Blocks in flight.
const POOL_BLOCKS: usize = 4;
/// Bytes of seek lines after which a mark is put.
const SEEKS_BYTES: usize = 256;

/// How many layers a stream has.
pub(super) fn depth(begin: &Begin) -> Result<u8, Fault> {
    let deep = |_| Fault::never(Blame::Operator, "the stream has too many layers");
    u8::try_from(begin.layers.len()).map_err(deep)
}

/// Adds a layer to a stream that is about to begin; what it does is called `verb`.
pub(super) fn add(begin: &mut Begin, layer: &str, verb: &str) -> Result<u8, Fault> {
    begin.refuse_mux(verb)?;
    if begin.partial {
        return Err(Fault::never(Blame::Operator, format!("cannot {verb} a partial stream")));
    }
    begin.layers.push(layer.to_owned());
    depth(begin)
}

/// Data before the stream's begin.
pub(super) fn no_begin() -> Fault {
    Fault::stream("the stream does not start with its begin")
}

/// The outgoing bytes and seek points of a layer.
pub(super) struct Outgoing {
    depth: u8,
    pool: Pool,
    block: Option<Block>,
    put: u64,
    seeks: Vec<u8>,
}

impl Outgoing {
    /// For the layer of this number, from 1.
    pub(super) fn of_layer(depth: u8) -> Outgoing {
        let pool = Pool::new(BLOCK_BYTES, POOL_BLOCKS);
        Outgoing { depth, pool, block: None, put: 0, seeks: Vec::new() }
    }

    /// The block to fill, an empty one if the last was put.
    pub(super) fn block(&mut self) -> &mut Block {
        self.block.get_or_insert_with(|| self.pool.take())
    }

    /// Puts the block.
    pub(super) fn put(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let Some(block) = self.block.take() else { return Ok(()) };
        let offset = self.put;
        self.put += block.len() as u64;
        out.put(Item::Data { offset, block })
    }

    /// What came before byte `input` of the input came before byte `output` of the output.
    pub(super) fn seek_point(
        &mut self,
        input: u64,
        output: u64,
        out: &mut dyn Outlet,
    ) -> Result<(), Fault> {
        Line::Seek { depth: self.depth, input, output }.write(&mut self.seeks);
        match self.seeks.len() < SEEKS_BYTES {
            true => Ok(()),
            false => self.tell(out),
        }
    }

    fn tell(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        match self.seeks.is_empty() {
            true => Ok(()),
            false => out.put(Item::Mark(std::mem::take(&mut self.seeks))),
        }
    }

    /// Puts what is left, and the end.
    pub(super) fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.put(out)?;
        self.tell(out)?;
        out.put(Item::End(End { bytes: self.put, ..end }))
    }
}
