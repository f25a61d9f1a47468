//! `proc_decompress`: takes the outermost layer off, if it is one of compression.
//!
//! Owns the way from compressed bytes to plain ones, for whole streams and for partial ones, where a
//! jump leads to the start of a chunk. Wanted ranges of its output's depth are consumed and nothing
//! outside them is put. Trusts no length: a chunk is checked before memory is taken for it.

use std::collections::VecDeque;
use std::ops::Range;

use super::codec::{ChunkHeader, Codec, HEADER_BYTES, codec};
use super::translate::Translation;
use crate::list::Line;
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
    wanted: Option<VecDeque<Range<u64>>>,
    translation: Option<Translation>,
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
            wanted: None,
            translation: None,
        }
    }

    /// Keeps what it takes to translate receipts if they are to come.
    pub fn expecting_receipts(self, receipts: bool) -> Decompress {
        Decompress { translation: receipts.then(Translation::default), ..self }
    }

    fn begin(&mut self, mut begin: Begin) -> Result<Item, Fault> {
        let wrong = |what: String| Fault::never(Blame::Operator, what);
        let Some(layer) = begin.layers.pop() else {
            return Err(wrong(format!("cannot decompress {}: it has no layers", begin.name)));
        };
        let unknown = || wrong(format!("cannot decompress: the outermost layer is {layer}"));
        self.codec = Some(codec(&layer, None).ok_or_else(unknown)??);
        self.depth = u8::try_from(begin.layers.len())
            .map_err(|_| wrong("the stream has too many layers".into()))?;
        self.partial = begin.partial;
        Ok(Item::Begin(begin))
    }

    fn damaged(&self, what: &str) -> Fault {
        let at = self.input - self.packed.len() as u64;
        Fault::stream(format!("the compressed stream is damaged at byte {at}: {what}"))
    }

    fn take(&mut self, at: u64, mut bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        if at != self.input {
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
        let ranges = self.wanted_in(header.offset..end);
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
        if let Some(translation) = self.translation.as_mut().filter(|_| !self.partial) {
            translation.chunk(self.input, end);
        }
        Ok(())
    }

    /// A wanted byte between what was seen and `next` would be lost without a word.
    fn nothing_wanted_before(&self, next: u64) -> Result<(), Fault> {
        let first = self.wanted.as_ref().and_then(VecDeque::front);
        match first.map(|range| range.start.max(self.output)) {
            Some(byte) if byte < next => {
                Err(self.damaged(&format!("byte {byte} of what it holds is wanted and missing")))
            }
            _ => Ok(()),
        }
    }

    /// The parts of `chunk` that are wanted. Ranges that end in it are forgotten.
    fn wanted_in(&mut self, chunk: Range<u64>) -> Vec<Range<u64>> {
        let Some(wanted) = &mut self.wanted else { return vec![chunk] };
        let mut parts = Vec::new();
        while let Some(range) = wanted.front().filter(|r| r.start < chunk.end) {
            let part = range.start.max(chunk.start)..range.end.min(chunk.end);
            let lasts = range.end > chunk.end;
            if part.start < part.end {
                parts.push(part);
            }
            if lasts {
                break;
            }
            wanted.pop_front();
        }
        parts
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

    /// Takes the wants of our depth out of a mark and puts the rest.
    fn mark(&mut self, lines: Vec<u8>, out: &mut dyn Outlet) -> Result<(), Fault> {
        let mut rest = Vec::with_capacity(lines.len());
        for line in lines.split_inclusive(|&b| b == b'\n') {
            match want(line)? {
                Some((depth, range)) if depth == self.depth => self.want(range)?,
                _ => rest.extend_from_slice(line),
            }
        }
        match rest.is_empty() {
            true => Ok(()),
            false => out.put(Item::Mark(rest)),
        }
    }

    /// Wanted ranges come in order; those that touch or overlap become one.
    fn want(&mut self, range: Range<u64>) -> Result<(), Fault> {
        if !self.partial {
            return Err(Fault::stream("a range is wanted of a stream that is not partial"));
        }
        if range.start < self.output || range.start >= range.end {
            let (from, to) = (range.start, range.end);
            return Err(Fault::stream(format!(
                "bytes {from} to {to} are wanted too late or empty"
            )));
        }
        let wanted = self.wanted.get_or_insert_default();
        match wanted.back_mut() {
            Some(last) if range.start < last.start => {
                Err(Fault::stream(format!("wanted ranges are out of order at {}", range.start)))
            }
            Some(last) if range.start <= last.end => {
                last.end = last.end.max(range.end);
                Ok(())
            }
            _ => {
                wanted.push_back(range);
                Ok(())
            }
        }
    }

    fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.between_chunks()?;
        self.nothing_wanted_before(u64::MAX)?;
        out.put(Item::End(End { bytes: self.put, ..end }))
    }
}

fn want(line: &[u8]) -> Result<Option<(u8, Range<u64>)>, Fault> {
    if line.first() != Some(&b'?') {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match Line::parse(line).map_err(Fault::stream)? {
        Line::Want { depth, from, to } => Ok(Some((depth, from..to))),
        _ => Ok(None),
    }
}

impl Process for Decompress {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => out.put(self.begin(begin)?),
            Item::Data { offset, block } => self.take(offset, block.data(), out),
            Item::Mark(lines) => self.mark(lines, out),
            Item::End(end) => self.end(end, out),
            item @ Item::Abort(_) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        match &mut self.translation {
            Some(translation) => translation.receipt(&receipt, up),
            None => Ok(()),
        }
    }
}
