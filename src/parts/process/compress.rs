//! `proc_compress`: chunks of the stream, each compressed on its own.
//!
//! Owns the cutting into chunks and the seek point of each, told downstream so that one file can be
//! read back without what lies before it. Chunks depend on the bytes alone, not on how they were
//! split. Passes marks on as they are and translates receipts. Refuses partial streams.

use super::codec::{CHUNK_BYTES, ChunkHeader, Codec, HEADER_BYTES, codec};
use super::translate::Translation;
use crate::list::Line;
use crate::stream::block::{BLOCK_BYTES, Pool};
use crate::stream::{Begin, Blame, Block, End, Fault, Item, Outlet, Process, Receipt, Upward};

/// Blocks in flight.
const POOL_BLOCKS: usize = 4;
/// Bytes of seek lines after which a mark is put.
const SEEKS_BYTES: usize = 2048;

/// Adds a layer of compression.
pub struct Compress {
    layer: String,
    codec: Box<dyn Codec>,
    depth: u8,
    chunk: Vec<u8>,
    packed: Vec<u8>,
    pool: Pool,
    block: Option<Block>,
    /// Offset of the chunk's first byte.
    input: u64,
    /// Compressed bytes made.
    made: u64,
    /// Compressed bytes put.
    put: u64,
    seeks: Vec<u8>,
    translation: Option<Translation>,
}

impl Compress {
    /// Compresses with `layer`, `zstd` or `lz4`; only zstd has levels. Keeps what it takes to
    /// translate receipts if they are to come.
    pub fn new(layer: &str, level: Option<i32>, expects_receipts: bool) -> Result<Compress, Fault> {
        let unknown = || Fault::usage(format!("no codec {layer}: there are zstd and lz4"));
        Ok(Compress {
            layer: layer.to_owned(),
            codec: codec(layer, level).ok_or_else(unknown)??,
            depth: 0,
            chunk: Vec::with_capacity(CHUNK_BYTES),
            packed: Vec::new(),
            pool: Pool::new(BLOCK_BYTES, POOL_BLOCKS),
            block: None,
            input: 0,
            made: 0,
            put: 0,
            seeks: Vec::new(),
            translation: expects_receipts.then(Translation::default),
        })
    }

    fn begin(&mut self, mut begin: Begin) -> Result<Item, Fault> {
        if begin.partial {
            return Err(Fault::never(Blame::Operator, "cannot compress a partial stream"));
        }
        begin.layers.push(self.layer.clone());
        self.depth = u8::try_from(begin.layers.len())
            .map_err(|_| Fault::never(Blame::Operator, "the stream has too many layers"))?;
        Ok(Item::Begin(begin))
    }

    fn take(&mut self, mut bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let (some, rest) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(some);
            if self.chunk.len() == CHUNK_BYTES {
                self.pack(out)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn pack(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.packed.clear();
        self.packed.resize(HEADER_BYTES, 0);
        self.codec.pack(&self.chunk, &mut self.packed)?;
        let small = |length: usize| u32::try_from(length).expect("a chunk is about a MiB");
        let plain = small(self.chunk.len());
        let packed = small(self.packed.len() - HEADER_BYTES);
        let header = ChunkHeader { offset: self.input, plain, packed };
        self.packed[..HEADER_BYTES].copy_from_slice(&header.encode());
        let seek = Line::Seek { depth: self.depth, input: self.input, output: self.made };
        self.chunk.clear();
        self.input += u64::from(plain);
        self.made += self.packed.len() as u64;
        if let Some(translation) = &mut self.translation {
            translation.chunk(self.input, self.made);
        }
        self.send(out)?;
        self.tell(&seek, out)
    }

    /// Moves the packed chunk into blocks and puts those that are full.
    fn send(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let packed = std::mem::take(&mut self.packed);
        let mut rest = &packed[..];
        while !rest.is_empty() {
            let block = self.block.get_or_insert_with(|| self.pool.take());
            let (some, more) = rest.split_at(rest.len().min(BLOCK_BYTES - block.len()));
            block.append(some);
            rest = more;
            if block.len() == BLOCK_BYTES {
                self.put_block(out)?;
            }
        }
        self.packed = packed;
        Ok(())
    }

    fn put_block(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let Some(block) = self.block.take() else { return Ok(()) };
        let offset = self.put;
        self.put += block.len() as u64;
        out.put(Item::Data { offset, block })
    }

    fn tell(&mut self, seek: &Line, out: &mut dyn Outlet) -> Result<(), Fault> {
        seek.write(&mut self.seeks);
        match self.seeks.len() < SEEKS_BYTES {
            true => Ok(()),
            false => self.put_seeks(out),
        }
    }

    fn put_seeks(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        match self.seeks.is_empty() {
            true => Ok(()),
            false => out.put(Item::Mark(std::mem::take(&mut self.seeks))),
        }
    }

    fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        if !self.chunk.is_empty() {
            self.pack(out)?;
        }
        self.put_block(out)?;
        // Where everything ends, so that the last chunk's end is known without its data.
        let seek = Line::Seek { depth: self.depth, input: self.input, output: self.made };
        self.tell(&seek, out)?;
        self.put_seeks(out)?;
        out.put(Item::End(End { bytes: self.put, ..end }))
    }
}

impl Process for Compress {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => out.put(self.begin(begin)?),
            Item::Data { block, .. } => self.take(block.data(), out),
            Item::End(end) => self.end(end, out),
            item @ (Item::Mark(_) | Item::Abort(_)) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        match &mut self.translation {
            Some(translation) => translation.receipt(&receipt, up),
            None => Ok(()),
        }
    }
}
