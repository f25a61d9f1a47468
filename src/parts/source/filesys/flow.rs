//! The outgoing bytes.
//!
//! Owns the block being filled: headers are copied into it, files are read straight into it, and it
//! leaves when it is full, so many small files share a frame.

use crate::stream::block::BLOCK_BYTES;
use crate::stream::{Block, End, Fault, Item, Outlet, Pool};

/// Blocks that may be on their way at once.
const BLOCKS: usize = 16;

pub(super) struct Flow<'a> {
    out: &'a mut dyn Outlet,
    pool: Pool,
    block: Block,
    sent: u64,
}

impl<'a> Flow<'a> {
    pub(super) fn new(out: &'a mut dyn Outlet) -> Flow<'a> {
        let pool = Pool::new(BLOCK_BYTES, BLOCKS);
        Flow { out, block: pool.take(), pool, sent: 0 }
    }

    /// Free space to fill, at least one byte and at most `most`, which is not 0; say with
    /// [`Flow::filled`] how much was.
    pub(super) fn space(&mut self, most: u64) -> Result<&mut [u8], Fault> {
        if self.block.len() >= BLOCK_BYTES {
            self.send()?;
        }
        let room = BLOCK_BYTES - self.block.len();
        let room = usize::try_from(most).map_or(room, |most| most.min(room));
        Ok(&mut self.block.spare()[..room])
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.block.grow(count);
    }

    pub(super) fn put(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let space = self.space(bytes.len() as u64)?;
            let count = space.len();
            space.copy_from_slice(&bytes[..count]);
            self.filled(count);
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub(super) fn zeros(&mut self, mut count: u64) -> Result<(), Fault> {
        while count > 0 {
            let space = self.space(count)?;
            space.fill(0);
            let filled = space.len();
            self.filled(filled);
            count -= filled as u64;
        }
        Ok(())
    }

    /// Sends lines of the index, ahead of what the block holds.
    pub(super) fn mark(&mut self, lines: Vec<u8>) -> Result<(), Fault> {
        self.out.put(Item::Mark(lines))
    }

    fn send(&mut self) -> Result<(), Fault> {
        if self.block.is_empty() {
            return Ok(());
        }
        // An edge keeps a block until it is taken; ours goes first, so one block makes progress.
        let block = std::mem::replace(&mut self.block, Block::with_capacity(0));
        let offset = self.sent;
        self.sent += block.len() as u64;
        self.out.put(Item::Data { offset, block })?;
        self.block = self.pool.take();
        Ok(())
    }

    pub(super) fn end(mut self, skipped: u64) -> Result<(), Fault> {
        self.send()?;
        self.out.put(Item::End(End { bytes: self.sent, skipped }))
    }
}
