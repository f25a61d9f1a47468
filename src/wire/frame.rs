//! Frames on the wire between two plumbers.
//!
//! Owns the 8-byte header. Little-endian.
//!
//! ```text
//!  0  1  kind       1 data, 2 credit, 3 end of file, 4 stop, 5 ping, 6 pong, 7 message
//!  1  1  handle     0 to 253; 254 control of the client, 255 control of the server
//!  2  2  zero
//!  4  4  length     bytes that follow, at most 266,240
//! ```

use crate::stream::{Block, Pool};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 8;
/// The most that follows a header: a block of an edge with its own header fits.
pub const PAYLOAD_BYTES_MAX: usize = 260 * 1024;
/// A frame from here on is put together in a block that is used again.
const LARGE_BYTES: usize = 64 * 1024;
/// So many of those. More are on their way only when readers are slow.
const POOL_BLOCKS: usize = 16;
/// Handles for data.
pub const HANDLES: usize = 254;
/// The handle on which the client talks about the connection itself.
pub const CLIENT_CONTROL: u8 = 254;
/// The same for the server.
pub const SERVER_CONTROL: u8 = 255;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes of a handle.
    Data = 1,
    /// So many bytes more may be sent on a handle: 4 bytes.
    Credit = 2,
    /// No more bytes follow on a handle.
    Eof = 3,
    /// Nobody reads a handle any more.
    Stop = 4,
    /// Are you there?
    Ping = 5,
    /// Yes.
    Pong = 6,
    /// A [`message`](super::message).
    Message = 7,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        let all = [
            Kind::Data,
            Kind::Credit,
            Kind::Eof,
            Kind::Stop,
            Kind::Ping,
            Kind::Pong,
            Kind::Message,
        ];
        all.into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// A header that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// On which handle.
    pub handle: u8,
    /// Bytes that follow.
    pub length: usize,
}

impl Header {
    /// The header as bytes.
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1] = self.handle;
        let length = u32::try_from(self.length).expect("a frame holds at most 260 KiB");
        bytes[4..].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Reads a header; the error says what is wrong with it.
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Header, String> {
        let [kind, handle, 0, 0, length @ ..] = bytes else {
            return Err("a frame header makes no sense".into());
        };
        let kind = Kind::of(kind).ok_or_else(|| format!("unknown kind of frame {kind}"))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > PAYLOAD_BYTES_MAX {
            return Err(format!("a frame of {length} bytes is too long"));
        }
        let fits = match kind {
            Kind::Data => length > 0 && usize::from(handle) < HANDLES,
            Kind::Credit => length == 4 && usize::from(handle) < HANDLES,
            Kind::Eof | Kind::Stop => length == 0 && usize::from(handle) < HANDLES,
            Kind::Ping | Kind::Pong => length == 0 && usize::from(handle) >= HANDLES,
            Kind::Message => length > 0 && usize::from(handle) >= HANDLES,
        };
        match fits {
            true => Ok(Header { kind, handle, length }),
            false => Err(format!("a frame of kind {kind:?} does not look like that")),
        }
    }
}

/// A frame ready to be sent: header and payload in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Packet {
    block: Block,
    has_header: bool,
}

impl Packet {
    /// A frame with a short payload.
    pub fn new(kind: Kind, handle: u8, payload: &[u8]) -> Packet {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend_from_slice(&Header { kind, handle, length: payload.len() }.encode());
        bytes.extend_from_slice(payload);
        Packet { block: Block::of_vec(bytes), has_header: true }
    }

    /// A data frame with the bytes of a block.
    pub fn data(block: Block) -> Packet {
        Packet { block, has_header: false }
    }

    /// A data frame with a copy of some bytes.
    pub fn data_of(payload: &[u8]) -> Packet {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(payload);
        let mut block = Block::of_vec(bytes);
        block.advance(HEADER_BYTES);
        Packet::data(block)
    }

    /// Bytes of payload.
    pub fn payload_bytes(&self) -> usize {
        self.block.len() - if self.has_header { HEADER_BYTES } else { 0 }
    }

    /// Puts the header before a data frame.
    pub(super) fn seal_as_data(&mut self, handle: u8) {
        let header = Header { kind: Kind::Data, handle, length: self.payload_bytes() }.encode();
        if !self.block.prepend(&header) {
            self.block = Block::copy_of(self.block.data());
            self.block.prepend(&header);
        }
        self.has_header = true;
    }

    /// Header and payload.
    pub fn bytes(&self) -> &[u8] {
        self.block.data()
    }
}

/// Puts frames together from pieces of any size.
pub struct Assembler {
    head: [u8; HEADER_BYTES],
    headed: usize,
    header: Option<(Header, Block)>,
    /// Blocks for large frames: memory that is used again costs less than new one.
    pool: Pool,
    /// Bytes that follow each payload and belong to it.
    tail: usize,
}

impl Default for Assembler {
    fn default() -> Assembler {
        Assembler::with_tail(0)
    }
}

impl Assembler {
    /// For frames that have `tail` more bytes behind their payload; they are given along with it.
    pub fn with_tail(tail: usize) -> Assembler {
        let pool = Pool::new(PAYLOAD_BYTES_MAX + tail, POOL_BLOCKS);
        Assembler { head: [0; HEADER_BYTES], headed: 0, header: None, pool, tail }
    }

    fn room_for(&self, bytes: usize) -> Block {
        let pooled = (bytes >= LARGE_BYTES).then(|| self.pool.try_take()).flatten();
        pooled.unwrap_or_else(|| Block::with_capacity(bytes))
    }

    /// Takes bytes as they come and calls `each` for every frame that is complete with them.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(Header, Block) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            if self.header.is_none() {
                let count = bytes.len().min(HEADER_BYTES - self.headed);
                self.head[self.headed..self.headed + count].copy_from_slice(&bytes[..count]);
                self.headed += count;
                bytes = &bytes[count..];
                if self.headed < HEADER_BYTES {
                    return Ok(());
                }
                let header = Header::decode(self.head)?;
                self.header = Some((header, self.room_for(header.length + self.tail)));
            }
            let Some((header, mut payload)) = self.header.take() else { return Ok(()) };
            let missing = header.length + self.tail - payload.len();
            let count = payload.append(&bytes[..bytes.len().min(missing)]);
            bytes = &bytes[count..];
            if count < missing {
                self.header = Some((header, payload));
                return Ok(());
            }
            self.headed = 0;
            each(header, payload)?;
        }
    }

    /// True between two frames.
    pub fn is_empty(&self) -> bool {
        self.headed == 0 && self.header.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_together_from_any_pieces() {
        let packets = [
            Packet::new(Kind::Data, 3, b"hello"),
            Packet::new(Kind::Eof, 3, b""),
            Packet::new(Kind::Credit, 253, &7u32.to_le_bytes()),
            Packet::new(Kind::Message, SERVER_CONTROL, b"x"),
        ];
        let all: Vec<u8> = packets.iter().flat_map(|p| p.bytes().to_vec()).collect();
        for size in 1..all.len() {
            let (mut assembler, mut found) = (Assembler::default(), Vec::new());
            for piece in all.chunks(size) {
                let mut each = |header: Header, payload: Block| {
                    found.push(Packet::new(header.kind, header.handle, payload.data()));
                    Ok(())
                };
                assembler.take(piece, &mut each).unwrap();
            }
            assert!(assembler.is_empty());
            assert_eq!(found, packets, "in pieces of {size}");
        }
    }

    #[test]
    fn headers_that_make_no_sense_are_refused() {
        let good = Header { kind: Kind::Data, handle: 1, length: 5 }.encode();
        assert!(Header::decode(good).is_ok());
        for (at, byte) in [(0, 0), (0, 8), (1, 254), (2, 1), (3, 1), (4, 0), (7, 1)] {
            let mut bad = good;
            bad[at] = byte;
            assert!(Header::decode(bad).is_err(), "byte {at} = {byte}");
        }
    }
}
