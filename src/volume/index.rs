//! The index of a part: index lines, compressed.
//!
//! Owns the zlib stream that the `I` blocks hold (`docs/format.md` section 6). Compresses as lines
//! arrive, so memory holds only the compressed form, and that has a ceiling: a part whose index
//! grows past it is closed and the stream goes on in a new part.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// Compressed bytes after which a part should be closed.
pub const INDEX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Unpacked bytes that a reader accepts of one part.
pub const INDEX_RAW_BYTES_MAX: u64 = 4 << 30;

/// Gathers the lines of a part.
pub struct IndexWriter {
    packed: ZlibEncoder<Vec<u8>>,
    raw_bytes: u64,
}

impl Default for IndexWriter {
    fn default() -> Self {
        IndexWriter { packed: ZlibEncoder::new(Vec::new(), Compression::fast()), raw_bytes: 0 }
    }
}

impl IndexWriter {
    /// Adds whole lines.
    pub fn add(&mut self, lines: &[u8]) {
        self.raw_bytes += lines.len() as u64;
        self.packed.write_all(lines).expect("compressing into memory does not fail");
    }

    /// Bytes of lines so far.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// True once the part should be closed.
    pub fn is_full(&self) -> bool {
        self.packed.get_ref().len() > INDEX_BYTES_MAX
    }

    /// The compressed index.
    pub fn finish(self) -> Vec<u8> {
        self.packed.finish().expect("compressing into memory does not fail")
    }
}

/// Unpacks an index; the error says what is wrong.
pub fn unpack(packed: &[u8], raw_bytes: u64) -> Result<Vec<u8>, String> {
    if raw_bytes > INDEX_RAW_BYTES_MAX {
        return Err(format!("an index of {raw_bytes} bytes is larger than is accepted"));
    }
    let mut lines = Vec::new();
    let read = ZlibDecoder::new(packed).take(raw_bytes + 1).read_to_end(&mut lines);
    read.map_err(|error| format!("it cannot be unpacked: {error}"))?;
    match lines.len() as u64 == raw_bytes {
        true => Ok(lines),
        false => Err(format!("it should have {raw_bytes} bytes and has {}", lines.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() {
        let mut index = IndexWriter::default();
        index.add(b"~ 1 0 0\n");
        index.add(b"~ 1 5 9\n");
        let raw = index.raw_bytes();
        let packed = index.finish();
        assert_eq!(unpack(&packed, raw).unwrap(), b"~ 1 0 0\n~ 1 5 9\n");
        assert!(unpack(&packed, raw - 1).is_err());
        assert!(unpack(&packed, raw + 1).is_err());
        assert!(unpack(&packed[..packed.len() - 5], raw).is_err());
        assert!(unpack(&packed, u64::MAX).is_err());
    }
}
