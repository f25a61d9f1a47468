//! Frames: items as bytes on a pipe.
//!
//! Owns the framing of an edge, a 24-byte header before each item. Little-endian.
//!
//! ```text
//!  0  4  magic      "tpf1"
//!  4  1  kind       1 begin, 2 data, 3 mark, 4 end, 5 abort, 6 turn
//!  5  3  zero
//!  8  8  offset     data: stream offset; end: data bytes it ends; otherwise 0
//! 16  4  length     bytes that follow, at most 1 MiB
//! 20  4  checksum   CRC-32C over the 20 bytes before it and the bytes that follow
//! ```
//!
//! A `turn` carries the 16 bytes of a stream's identity. An `end` carries, beside the count, a BLAKE3 digest over all headers before it; as each header
//! holds the checksum of its bytes, a frame lost, doubled or out of order is found.

use std::io::{ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};

use super::block::{BLOCK_BYTES, BLOCK_BYTES_MAX, Pool};
use super::{Abort, Begin, Course, End, Fault, Inlet, Item, Outlet, StreamId};

const MAGIC: [u8; 4] = *b"tpf1";
const HEADER_BYTES: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Begin = 1,
    Data = 2,
    Mark = 3,
    End = 4,
    Abort = 5,
    Turn = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Begin, Kind::Data, Kind::Mark, Kind::End, Kind::Abort, Kind::Turn]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

struct Header {
    kind: Kind,
    offset: u64,
    length: usize,
    checksum: u32,
    first: [u8; 20],
}

impl Header {
    fn encode(kind: Kind, offset: u64, payload: &[u8]) -> [u8; HEADER_BYTES] {
        let length = u32::try_from(payload.len()).expect("a frame holds at most 1 MiB");
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC);
        header[4] = kind as u8;
        header[8..16].copy_from_slice(&offset.to_le_bytes());
        header[16..20].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..20]), payload);
        header[20..].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, String> {
        let (first, rest) = bytes.split_first_chunk::<20>().expect("24 is more than 20");
        if first[..4] != MAGIC {
            return Err("not a tapioca stream here (no frame magic)".into());
        }
        let kind =
            Kind::from_byte(first[4]).ok_or_else(|| format!("unknown frame kind {}", first[4]))?;
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| first[at + i]));
        let length = (long(12) >> 32) as usize;
        if length > BLOCK_BYTES_MAX || first[5..8] != [0; 3] {
            return Err(format!("a frame header makes no sense (length {length})"));
        }
        let checksum = u32::from_le_bytes(std::array::from_fn(|i| rest[i]));
        Ok(Header { kind, offset: long(8), length, checksum, first: *first })
    }

    fn matches(&self, payload: &[u8]) -> bool {
        crc32c::crc32c_append(crc32c::crc32c(&self.first), payload) == self.checksum
    }
}

#[derive(Serialize, Deserialize)]
struct EndWire {
    skipped: u64,
    chain: [u8; 32],
}

/// Sends the bytes of a block as they are, without a copy.
pub type Give<W> = fn(&mut W, super::Block) -> std::io::Result<()>;
/// The next bytes, so many of them, as a block, if they are in one that can be had without a copy.
pub type Lend<R> = fn(&mut R, usize) -> Option<super::Block>;

/// Writes items as frames.
pub struct FrameWriter<W: Write> {
    to: W,
    /// Takes a whole block off our hands, where `to` can do that.
    give: Option<Give<W>>,
    chain: blake3::Hasher,
    course: Course,
}

impl<W: Write> FrameWriter<W> {
    /// Frames onto `to`, which should not buffer: each frame is one write.
    pub fn new(to: W) -> FrameWriter<W> {
        FrameWriter { to, give: None, chain: blake3::Hasher::new(), course: Course::new() }
    }

    /// Frames onto `to`, which takes blocks without a copy.
    pub fn giving(to: W, give: Give<W>) -> FrameWriter<W> {
        FrameWriter { give: Some(give), ..FrameWriter::new(to) }
    }

    /// What the frames go onto.
    pub fn inner(&self) -> &W {
        &self.to
    }

    /// Gives back what the frames went onto.
    pub fn into_inner(self) -> W {
        self.to
    }

    fn send(&mut self, kind: Kind, offset: u64, payload: &[u8]) -> Result<(), Fault> {
        let header = Header::encode(kind, offset, payload);
        self.chain.update(&header);
        let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
        frame.extend_from_slice(&header);
        frame.extend_from_slice(payload);
        self.write(&frame)
    }

    fn send_block(
        &mut self,
        mut block: super::Block,
        header: [u8; HEADER_BYTES],
    ) -> Result<(), Fault> {
        if !block.prepend(&header) {
            // It came from where nothing had to stand in front of it.
            block = super::Block::copy_of(block.data());
            block.prepend(&header);
        }
        match self.give {
            Some(give) => give(&mut self.to, block).map_err(|e| unwritten(&e)),
            None => write_all(&mut self.to, block.data()),
        }
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), Fault> {
        write_all(&mut self.to, frame)
    }

    fn send_coded<T: Serialize>(
        &mut self,
        kind: Kind,
        offset: u64,
        value: &T,
    ) -> Result<(), Fault> {
        let payload = postcard::to_stdvec(value)
            .map_err(|e| Fault::never(super::Blame::Ours, format!("cannot encode a frame: {e}")))?;
        if payload.len() > BLOCK_BYTES_MAX {
            return Err(Fault::usage("the name of the stream is longer than 1 MiB"));
        }
        self.send(kind, offset, &payload)
    }
}

fn write_all(to: &mut impl Write, frame: &[u8]) -> Result<(), Fault> {
    to.write_all(frame).and_then(|()| to.flush()).map_err(|e| unwritten(&e))
}

fn unwritten(error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::BrokenPipe => Fault::neighbour("cannot write the stream: its reader is gone"),
        _ => Fault::host("cannot write the stream", error),
    }
}

impl<W: Write> Outlet for FrameWriter<W> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        let ended_bytes = self.course.bytes();
        self.course.note(&item);
        match item {
            Item::Begin(begin) if begin.heads.is_empty() => self.send_coded(Kind::Begin, 0, &begin),
            Item::Begin(begin) => self.send_coded(Kind::Begin, 0, &(&begin, &begin.heads)),
            Item::Data { offset, block } => {
                let header = Header::encode(Kind::Data, offset, block.data());
                self.chain.update(&header);
                self.send_block(block, header)
            }
            Item::Mark(lines) => {
                lines_in_frames(&lines).try_for_each(|l| self.send(Kind::Mark, 0, l))
            }
            Item::End(end) => {
                let chain = *self.chain.finalize().as_bytes();
                self.send_coded(Kind::End, ended_bytes, &EndWire { skipped: end.skipped, chain })
            }
            Item::Abort(abort) => self.send_coded(Kind::Abort, 0, &abort),
            Item::Turn(id) => self.send(Kind::Turn, 0, id.0.as_bytes()),
        }
    }
}

/// Cuts index lines into pieces of whole lines that fit a frame.
fn lines_in_frames(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let window = &rest[..rest.len().min(BLOCK_BYTES_MAX)];
        let cut = window.iter().rposition(|&b| b == b'\n').map_or(window.len(), |at| at + 1);
        let (piece, left) = rest.split_at(cut);
        rest = left;
        Some(piece)
    })
}

/// Reads items from frames and checks that they make a stream.
pub struct FrameReader<R: Read> {
    from: R,
    lend: Option<Lend<R>>,
    pool: Pool,
    chain: blake3::Hasher,
    course: Course,
}

impl<R: Read> FrameReader<R> {
    /// Frames from `from`.
    pub fn new(from: R) -> FrameReader<R> {
        FrameReader::with_pool(from, Pool::new(BLOCK_BYTES, 64))
    }

    /// Frames from `from`, their data in blocks of `pool` (larger frames in blocks of their own).
    pub fn with_pool(from: R, pool: Pool) -> FrameReader<R> {
        let (chain, course) = (blake3::Hasher::new(), Course::new());
        FrameReader { from, lend: None, pool, chain, course }
    }

    /// Frames from `from`, which may have their bytes in blocks already.
    pub fn lending(from: R, lend: Lend<R>) -> FrameReader<R> {
        FrameReader { lend: Some(lend), ..FrameReader::new(from) }
    }

    fn header(&mut self) -> Result<Header, Fault> {
        let mut bytes = [0; HEADER_BYTES];
        read_whole(&mut self.from, &mut bytes, self.course.next())?;
        Header::decode(&bytes).map_err(|e| self.damaged(&e))
    }

    fn damaged(&self, what: &str) -> Fault {
        Fault::stream(format!("the stream is damaged after byte {}: {what}", self.course.next()))
    }

    fn payload(&mut self, header: &Header) -> Result<super::Block, Fault> {
        let block = self.bytes_of(header)?;
        match header.matches(block.data()) {
            true => Ok(block),
            false => Err(self.damaged("a frame's checksum is wrong")),
        }
    }

    fn bytes_of(&mut self, header: &Header) -> Result<super::Block, Fault> {
        if let Some(block) = self.lend.and_then(|lend| lend(&mut self.from, header.length)) {
            return Ok(block);
        }
        let mut block = match header.length <= self.pool.capacity() {
            true => self.pool.take(),
            false => super::Block::with_capacity(header.length),
        };
        read_whole(&mut self.from, &mut block.spare()[..header.length], self.course.next())?;
        block.grow(header.length);
        Ok(block)
    }

    /// The digest in an end is over the headers before its own.
    fn end(&self, counted: u64, payload: &[u8]) -> Result<Item, Fault> {
        let wire: EndWire = self.decode(payload)?;
        let bytes = self.course.bytes();
        if counted != bytes || wire.chain != *self.chain.finalize().as_bytes() {
            return Err(self.damaged("its end does not agree with what came before"));
        }
        Ok(Item::End(End { bytes, skipped: wire.skipped }))
    }

    fn begin(&self, payload: &[u8]) -> Result<Begin, Fault> {
        match postcard::take_from_bytes::<Begin>(payload) {
            Ok((begin, [])) => Ok(begin),
            Ok((begin, heads)) => Ok(Begin { heads: self.decode(heads)?, ..begin }),
            Err(_) => Err(self.damaged("a frame cannot be decoded")),
        }
    }

    fn decode<'a, T: Deserialize<'a>>(&self, payload: &'a [u8]) -> Result<T, Fault> {
        match postcard::take_from_bytes(payload) {
            Ok((value, [])) => Ok(value),
            _ => Err(self.damaged("a frame cannot be decoded")),
        }
    }

    fn turn(&self, payload: &[u8]) -> Result<Item, Fault> {
        let id = uuid::Uuid::from_slice(payload);
        let id = id.map_err(|_| self.damaged("a turn names no stream"))?;
        Ok(Item::Turn(StreamId(id)))
    }

    fn item(&self, header: &Header, block: super::Block) -> Result<Item, Fault> {
        let payload = block.data();
        Ok(match header.kind {
            Kind::Begin => Item::Begin(self.begin(payload)?),
            Kind::Data => Item::Data { offset: header.offset, block },
            Kind::Mark => Item::Mark(payload.to_vec()),
            Kind::End => self.end(header.offset, payload)?,
            Kind::Abort => Item::Abort(self.decode::<Abort>(payload)?),
            Kind::Turn => self.turn(payload)?,
        })
    }
}

impl<R: Read> FrameReader<R> {
    /// What the frames come from.
    pub fn inner_mut(&mut self) -> &mut R {
        &mut self.from
    }
}

impl<R: Read> Inlet for FrameReader<R> {
    fn take(&mut self) -> Result<Item, Fault> {
        let header = self.header()?;
        let block = self.payload(&header)?;
        let item = self.item(&header, block)?;
        self.chain.update(&header.first).update(&header.checksum.to_le_bytes());
        self.course.check(&item).map_err(|why| self.damaged(&why))?;
        Ok(item)
    }
}

fn read_whole(from: &mut impl Read, buffer: &mut [u8], at: u64) -> Result<(), Fault> {
    from.read_exact(buffer).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Fault::neighbour(format!(
            "the stream is cut after byte {at}: it closed without an end, so its writer died or was stopped"
        )),
        _ => Fault::host("cannot read the stream", &error),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Block;
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = FrameWriter::new(&mut bytes);
        let heads = vec![(1, b"head".to_vec())];
        let begin = Begin { name: "n".into(), kind: "raw".into(), heads, ..Begin::default() };
        out.put(Item::Begin(begin)).unwrap();
        out.put(Item::Data { offset: 0, block: Block::copy_of(b"hello ") }).unwrap();
        out.put(Item::Mark(b"~ 1 0 0\n".to_vec())).unwrap();
        out.put(Item::Data { offset: 6, block: Block::copy_of(b"tape") }).unwrap();
        out.put(Item::End(End { bytes: 10, skipped: 3 })).unwrap();
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<(Vec<u8>, End), Fault> {
        let mut inlet = FrameReader::new(bytes);
        let mut data = Vec::new();
        loop {
            match inlet.take()? {
                Item::Data { block, .. } => data.extend_from_slice(block.data()),
                Item::End(end) => return Ok((data, end)),
                Item::Abort(abort) => return Err(Fault::stream(abort.why)),
                Item::Begin(_) | Item::Mark(_) | Item::Turn(_) => {}
            }
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (data, end) = read_all(&sample()).unwrap();
        assert_eq!(data, b"hello tape");
        assert_eq!(end, End { bytes: 10, skipped: 3 });
    }

    #[test]
    fn every_cut_is_found() {
        let whole = sample();
        for cut in 0..whole.len() {
            assert!(read_all(&whole[..cut]).is_err(), "cut at {cut} went unnoticed");
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = sample();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read_all(&bytes).is_err(), "flip of bit {bit} went unnoticed");
        }
    }

    #[test]
    fn long_marks_are_cut_between_lines() {
        let line = b"~ 1 100 100\n";
        let lines = line.repeat(300_000);
        let pieces: Vec<&[u8]> = lines_in_frames(&lines).collect();
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|p| p.len() <= BLOCK_BYTES_MAX && p.ends_with(b"\n")));
        assert_eq!(pieces.concat(), lines);
    }
}
