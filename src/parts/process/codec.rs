//! Compressed chunks: what `proc_compress` writes and `proc_decompress` reads.
//!
//! Owns the chunk's header and the two codecs. A chunk is a skippable frame of ours, then one
//! independent standard frame with content size and checksum, so the payload is an ordinary `.zst`
//! (RFC 8878) or `.lz4` (LZ4 frame format 1.6) file. All numbers little-endian.
//!
//! ```text
//!  0  4  magic 184D2A5Dh, a skippable frame
//!  4  4  24, the bytes that follow in it
//!  8  8  offset of the chunk's bytes before compression
//! 16  4  their length
//! 20  4  length of the standard frame that follows
//! 24  4  CRC-32C over the 16 bytes before it
//! 28  4  zero
//! ```

use std::io::{Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::stream::{Blame, Fault};

/// Bytes of input in a chunk; the last one is shorter.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// Largest chunk that is read.
pub const CHUNK_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Bytes of a chunk's header.
pub const HEADER_BYTES: usize = 32;

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5D;
const BODY_BYTES: u32 = 24;
/// Default zstd level: on source text 1 costs a third less time than 3 for a tenth more bytes, and a
/// drive is kept streaming by the faster one.
pub const ZSTD_LEVEL: i32 = 1;

/// A chunk's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Offset of the chunk's bytes before compression.
    pub offset: u64,
    /// Their length.
    pub plain: u32,
    /// Length of the frame that follows.
    pub packed: u32,
}

impl ChunkHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&BODY_BYTES.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.plain.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.packed.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[8..24]);
        bytes[24..28].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a header; the error says what is wrong with it.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<ChunkHeader, &'static str> {
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let header = ChunkHeader {
            offset: u64::from_le_bytes(std::array::from_fn(|i| bytes[8 + i])),
            plain: word(16),
            packed: word(20),
        };
        // All that is not a field is fixed, so encoding again checks magic, checksum and zeros.
        if header.encode() != *bytes {
            return Err("no chunk starts here");
        }
        let bound = CHUNK_BYTES_MAX + CHUNK_BYTES_MAX / 64;
        if header.plain == 0 || header.plain > CHUNK_BYTES_MAX || header.packed > bound {
            return Err("a chunk of a size that is never written");
        }
        if header.offset.checked_add(header.plain.into()).is_none() {
            return Err("a chunk that ends past the largest offset");
        }
        Ok(header)
    }
}

/// One way to compress.
pub trait Codec: Send {
    /// Appends `plain` as one standard frame to `out`.
    fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Fills `plain` from one frame; the error says what is wrong. More or less than it is wrong.
    fn unpack(&mut self, packed: &[u8], plain: &mut [u8]) -> Result<(), String>;
}

/// The codec of a layer's name, `None` for a layer that is not compression.
pub fn codec(layer: &str, level: Option<i32>) -> Option<Result<Box<dyn Codec>, Fault>> {
    match layer {
        "zstd" => Some(Zstd::new(level.unwrap_or(ZSTD_LEVEL)).map(|c| Box::new(c) as _)),
        "lz4" if level.is_some() => Some(Err(Fault::usage("lz4 has no levels"))),
        "lz4" => Some(Ok(Box::new(Lz4))),
        _ => None,
    }
}

struct Zstd {
    packer: Compressor<'static>,
    unpacker: Decompressor<'static>,
}

impl Zstd {
    fn new(level: i32) -> Result<Zstd, Fault> {
        let known = zstd::compression_level_range();
        if !known.contains(&level) {
            let (low, high) = (known.start(), known.end());
            return Err(Fault::usage(format!("zstd has levels {low} to {high}, not {level}")));
        }
        let failed = |e: std::io::Error| Fault::host("cannot set up zstd", &e);
        let mut packer = Compressor::new(level).map_err(failed)?;
        packer.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
        Ok(Zstd { packer, unpacker: Decompressor::new().map_err(failed)? })
    }
}

impl Codec for Zstd {
    fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        out.resize(start + zstd::zstd_safe::compress_bound(plain.len()), 0);
        let count = self.packer.compress_to_buffer(plain, &mut out[start..]);
        let count = count.map_err(|e| Fault::host("cannot compress", &e))?;
        out.truncate(start + count);
        Ok(())
    }

    fn unpack(&mut self, packed: &[u8], plain: &mut [u8]) -> Result<(), String> {
        match self.unpacker.decompress_to_buffer(packed, plain) {
            Ok(count) if count == plain.len() => Ok(()),
            Ok(count) => Err(format!("it holds {count} bytes, not {}", plain.len())),
            Err(error) => Err(error.to_string()),
        }
    }
}

struct Lz4;

impl Codec for Lz4 {
    fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let info = FrameInfo::new()
            .content_size(Some(plain.len() as u64))
            .content_checksum(true)
            .block_mode(BlockMode::Independent)
            .block_size(BlockSize::Max1MB);
        let mut frame = FrameEncoder::with_frame_info(info, out);
        let written = frame.write_all(plain).map_err(|e| e.to_string());
        written
            .and_then(|()| frame.finish().map(|_| ()).map_err(|e| e.to_string()))
            .map_err(|e| Fault::never(Blame::Ours, format!("cannot compress: {e}")))
    }

    fn unpack(&mut self, packed: &[u8], plain: &mut [u8]) -> Result<(), String> {
        let mut frame = FrameDecoder::new(packed);
        frame.read_exact(plain).map_err(|e| e.to_string())?;
        // The read past the end is what makes the decoder check the frame's checksum.
        match frame.read(&mut [0]).map_err(|e| e.to_string())? {
            0 => Ok(()),
            _ => Err(format!("it holds more than {} bytes", plain.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_header_says_what_it_should() {
        let header = ChunkHeader { offset: 0x1122, plain: 0x100000, packed: 0x33 };
        let bytes = header.encode();
        assert_eq!(bytes[..8], [0x5d, 0x2a, 0x4d, 0x18, 24, 0, 0, 0]);
        assert_eq!(bytes[8..24], [0x22, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x33, 0, 0, 0]);
        assert_eq!(ChunkHeader::decode(&bytes), Ok(header));
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(ChunkHeader::decode(&bad).is_err(), "flip of bit {bit} went unnoticed");
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let fine = ChunkHeader { offset: 5, plain: 10, packed: 10 };
        for header in [
            ChunkHeader { plain: 0, ..fine },
            ChunkHeader { plain: CHUNK_BYTES_MAX + 1, ..fine },
            ChunkHeader { packed: u32::MAX, ..fine },
            ChunkHeader { offset: u64::MAX - 1, ..fine },
        ] {
            assert!(ChunkHeader::decode(&header.encode()).is_err(), "{header:?} was taken");
        }
    }

    #[test]
    fn a_frame_of_another_length_is_refused() {
        for layer in ["zstd", "lz4"] {
            let mut codec = codec(layer, None).unwrap().unwrap();
            let mut packed = Vec::new();
            codec.pack(&[7; 1000], &mut packed).unwrap();
            assert!(codec.unpack(&packed, &mut [0; 1000]).is_ok());
            assert!(codec.unpack(&packed, &mut [0; 999]).is_err());
            assert!(codec.unpack(&packed, &mut [0; 1001]).is_err());
            let last = packed.len() - 1;
            packed[last] ^= 1;
            assert!(codec.unpack(&packed, &mut [0; 1000]).is_err(), "{layer}: bad checksum taken");
        }
    }
}
