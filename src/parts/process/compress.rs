//! `proc_compress`: chunks of the stream, each compressed on its own.
//!
//! Owns the cutting into chunks and the seek point of each, told downstream so that one file can be
//! read back without what lies before it. Chunks depend on the bytes alone, not on how they were
//! split. Passes marks on as they are and translates receipts. Refuses partial streams.

use super::codec::{CHUNK_BYTES, ChunkHeader, Codec, HEADER_BYTES, codec};
use super::layer::{self, Outgoing};
use super::translate::Translation;
use crate::stream::block::BLOCK_BYTES;
use crate::stream::{Begin, End, Fault, Item, Outlet, Process, Receipt, Upward};

/// Adds a layer of compression.
pub struct Compress {
    layer: String,
    codec: Box<dyn Codec>,
    chunk: Vec<u8>,
    packed: Vec<u8>,
    outgoing: Option<Outgoing>,
    /// Offset of the chunk's first byte.
    input: u64,
    /// Compressed bytes made.
    made: u64,
    translation: Translation,
}

impl Compress {
    /// Compresses with `layer`, `zstd` or `lz4`; only zstd has levels. Keeps what it takes to
    /// translate receipts if they are to come.
    pub fn new(layer: &str, level: Option<i32>, expects_receipts: bool) -> Result<Compress, Fault> {
        let unknown = || Fault::usage(format!("no codec {layer}: there are zstd and lz4"));
        Ok(Compress {
            layer: layer.to_owned(),
            codec: codec(layer, level).ok_or_else(unknown)??,
            chunk: Vec::with_capacity(CHUNK_BYTES),
            packed: Vec::new(),
            outgoing: None,
            input: 0,
            made: 0,
            translation: Translation::expecting(expects_receipts),
        })
    }

    fn begin(&mut self, mut begin: Begin) -> Result<Item, Fault> {
        let depth = layer::add(&mut begin, &self.layer, "compress")?;
        self.outgoing = Some(Outgoing::of_layer(depth));
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
        let (from, at) = (self.input, self.made);
        self.chunk.clear();
        self.input += u64::from(plain);
        self.made += self.packed.len() as u64;
        self.translation.chunk(self.input, self.made);
        self.send(out)?;
        self.outgoing()?.seek_point(from, at, out)
    }

    fn outgoing(&mut self) -> Result<&mut Outgoing, Fault> {
        self.outgoing.as_mut().ok_or_else(layer::no_begin)
    }

    /// Moves the packed chunk into blocks and puts those that are full.
    fn send(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let outgoing = self.outgoing.as_mut().ok_or_else(layer::no_begin)?;
        let mut rest = &self.packed[..];
        while !rest.is_empty() {
            let block = outgoing.block();
            let (some, more) = rest.split_at(rest.len().min(BLOCK_BYTES - block.len()));
            block.append(some);
            rest = more;
            if block.len() == BLOCK_BYTES {
                outgoing.put(out)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        if !self.chunk.is_empty() {
            self.pack(out)?;
        }
        let (input, made) = (self.input, self.made);
        let outgoing = self.outgoing()?;
        outgoing.put(out)?;
        // Where everything ends, so that the last chunk's end is known without its data.
        outgoing.seek_point(input, made, out)?;
        outgoing.end(end, out)
    }
}

impl Process for Compress {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => out.put(self.begin(begin)?),
            Item::Data { block, .. } => self.take(block.data(), out),
            Item::End(end) => self.end(end, out),
            item @ (Item::Mark(_) | Item::Abort(_) | Item::Turn(_)) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        self.translation.receipt(&receipt, up)
    }
}
