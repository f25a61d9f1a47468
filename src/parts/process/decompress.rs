//! `proc_decompress`: takes the outermost layer off, if it is one of compression.
//!
//! Owns the way from compressed bytes to plain ones, for whole streams and for partial ones, where a
//! jump leads to the start of a chunk. Wanted ranges of its output's depth are consumed and nothing
//! outside them is put. Trusts no length: a chunk is checked before memory is taken for it.

use super::codec::{ChunkHeader, Codec, HEADER_BYTES, codec};
use super::layer;
use super::translate::Translation;
use super::wants::Wants;
use crate::list::{lost, says_cut};
use crate::stream::block::{BLOCK_BYTES, Pool};
use crate::stream::{Begin, Blame, End, Fault, Item, Outlet, Process, Receipt, Upward};

/// Blocks in flight.
const POOL_BLOCKS: usize = 4;

/// Takes a layer of compression off.
pub struct Decompress {
    codec: Option<Box<dyn Codec>>,
    /// Depth of the output: the layers that are left.
    depth: u8,
    partial: bool,
    /// The chunk being gathered, header first.
    packed: Vec<u8>,
    plain: Vec<u8>,
    pool: Pool,
    /// Compressed offset of the next byte.
    input: u64,
    /// One past the last plain byte seen.
    output: u64,
    /// Plain bytes put.
    put: u64,
    /// Compressed bytes before this one are lost, or of no use any more.
    lost_to: u64,
    wants: Wants,
    translation: Translation,
}

impl Default for Decompress {
    fn default() -> Decompress {
        Decompress::new()
    }
}

impl Decompress {
    /// Learns from the stream's begin what to undo.
    pub fn new() -> Decompress {
        Decompress {
            codec: None,
            depth: 0,
            partial: false,
            packed: Vec::new(),
            plain: Vec::new(),
            pool: Pool::new(BLOCK_BYTES, POOL_BLOCKS),
            input: 0,
            output: 0,
            put: 0,
            lost_to: 0,
            wants: Wants::default(),
            translation: Translation::default(),
        }
    }

    /// Keeps what it takes to translate receipts if they are to come.
    pub fn expecting_receipts(self, receipts: bool) -> Decompress {
        Decompress { translation: Translation::expecting(receipts), ..self }
    }

    fn begin(&mut self, mut begin: Begin) -> Result<Item, Fault> {
        begin.refuse_mux("decompress")?;
        let wrong = |what: String| Fault::never(Blame::Operator, what);
        let Some(layer) = begin.layers.pop() else {
            return Err(wrong(format!("cannot decompress {}: it has no layers", begin.name)));
        };
        let unknown = || wrong(format!("cannot decompress: the outermost layer is {layer}"));
        self.codec = Some(codec(&layer, None).ok_or_else(unknown)??);
        self.depth = layer::depth(&begin)?;
        self.partial = begin.partial;
        Ok(Item::Begin(begin))
    }

    fn damaged(&self, what: &str) -> Fault {
        let at = self.input - self.packed.len() as u64;
        Fault::stream(format!("the compressed stream is damaged at byte {at}: {what}"))
    }

    /// Bytes are lost: the chunk that was begun is given up, and the next begins where the line says.
    fn mark(&mut self, lines: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        if says_cut(lines) {
            self.packed.clear();
            self.partial = true;
        }
        for (depth, to) in lost(lines)? {
            if depth == self.depth + 1 {
                self.packed.clear();
                self.partial = true;
                self.lost_to = self.lost_to.max(to);
            } else if depth == self.depth {
                self.wants.lose(to);
            }
        }
        let seen = self.partial.then_some(self.output);
        self.wants.mark(lines, self.depth, seen, out)
    }

    fn take(&mut self, at: u64, bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        let of_no_use = self.lost_to.saturating_sub(at).min(bytes.len() as u64);
        let (at, mut bytes) = (at + of_no_use, &bytes[of_no_use as usize..]);
        if at != self.input && !bytes.is_empty() {
            self.between_chunks()?;
            self.input = at;
        }
        while !bytes.is_empty() {
            let (some, rest) = bytes.split_at(bytes.len().min(self.missing()?));
            self.packed.extend_from_slice(some);
            self.input += some.len() as u64;
            bytes = rest;
            if self.packed.len() > HEADER_BYTES && self.missing()? == 0 {
                self.unpack(out)?;
            }
        }
        Ok(())
    }

    fn between_chunks(&self) -> Result<(), Fault> {
        match self.packed.is_empty() {
            true => Ok(()),
            false => Err(self.damaged("the chunk is cut")),
        }
    }

    /// Bytes that the header, or else the chunk, still lacks.
    fn missing(&self) -> Result<usize, Fault> {
        let have = self.packed.len();
        match have < HEADER_BYTES {
            true => Ok(HEADER_BYTES - have),
            false => Ok(HEADER_BYTES + self.header()?.packed as usize - have),
        }
    }

    fn header(&self) -> Result<ChunkHeader, Fault> {
        let bytes = self.packed.first_chunk().expect("called when the header is there");
        let header = ChunkHeader::decode(bytes).map_err(|what| self.damaged(what))?;
        let in_order = match self.partial {
            true => header.offset >= self.output,
            false => header.offset == self.output,
        };
        match in_order && header.packed > 0 {
            true => Ok(header),
            false => Err(self.damaged("a chunk comes out of order")),
        }
    }

    fn unpack(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let header = self.header()?;
        let end = header.offset + u64::from(header.plain);
        let mut plain = std::mem::take(&mut self.plain);
        plain.resize(header.plain as usize, 0);
        self.nothing_wanted_before(header.offset)?;
        let ranges = self.wants.within(header.offset..end);
        if !ranges.is_empty() {
            let codec = self.codec.as_mut().expect("a stream starts with its begin");
            let unpacked = codec.unpack(&self.packed[HEADER_BYTES..], &mut plain);
            unpacked.map_err(|what| self.damaged(&what))?;
        }
        for range in ranges {
            let local = |offset: u64| (offset - header.offset) as usize;
            self.send(range.start, &plain[local(range.start)..local(range.end)], out)?;
        }
        self.packed.clear();
        self.plain = plain;
        self.output = end;
        if !self.partial {
            self.translation.chunk(self.input, end);
        }
        Ok(())
    }

    /// A wanted byte between what was seen and `next` would be lost without a word.
    fn nothing_wanted_before(&self, next: u64) -> Result<(), Fault> {
        match self.wants.passed_over(self.output, next) {
            Some(byte) => {
                Err(self.damaged(&format!("byte {byte} of what it holds is wanted and missing")))
            }
            None => Ok(()),
        }
    }

    fn send(&mut self, mut offset: u64, bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        for piece in bytes.chunks(BLOCK_BYTES) {
            let mut block = self.pool.take();
            block.append(piece);
            self.put += piece.len() as u64;
            out.put(Item::Data { offset, block })?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.between_chunks()?;
        self.nothing_wanted_before(u64::MAX)?;
        out.put(Item::End(End { bytes: self.put, ..end }))
    }
}

impl Process for Decompress {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => out.put(self.begin(begin)?),
            Item::Data { offset, block } => self.take(offset, block.data(), out),
            Item::Mark(lines) => self.mark(&lines, out),
            Item::End(end) => self.end(end, out),
            item @ (Item::Abort(_) | Item::Turn(_)) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        self.translation.receipt(&receipt, up)
    }
}
