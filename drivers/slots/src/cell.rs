//! One cell's bytes.
//!
//! Owns the header and the checksum; pure. What is not right in every field is not a record.

use crate::Kind;

pub(crate) const HEADER_BYTES: usize = 32;
/// What is written is a multiple of this, so that no device has to read before it writes.
pub(crate) const BLOCK_BYTES: usize = 4096;

const MAGIC: &[u8; 8] = b"TAPISLOT";
const VERSION: u8 = 1;
const CHECKSUM: std::ops::Range<usize> = 28..HEADER_BYTES;

/// What a copy of a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing was written, or it was erased.
    Blank,
    /// A record.
    Valid(Head),
    /// Something that is no record of this place.
    Unreadable,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) generation: u64,
    pub(crate) length: usize,
}

fn checksum(header: &[u8], payload: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(&header[..CHECKSUM.start]), payload).to_le_bytes()
}

/// Header and payload, filled up with zeros to whole blocks.
pub(crate) fn encode(kind: Kind, generation: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8] = VERSION;
    bytes[9] = kind as u8;
    let length = u32::try_from(payload.len()).expect("no cell is that large");
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes[16..24].copy_from_slice(&generation.to_le_bytes());
    let sum = checksum(&bytes, payload);
    bytes[CHECKSUM].copy_from_slice(&sum);
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

/// How many bytes the cell has to have, going by its first block; none: it is no record anyway.
pub(crate) fn needed(block: &[u8]) -> Option<usize> {
    let length = block.get(12..16).filter(|_| block.starts_with(MAGIC))?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    usize::try_from(length).ok()?.checked_add(HEADER_BYTES)
}

/// Takes a copy of the cell with this number apart. `bytes` must be a block, and reach as far as
/// [`needed`] says.
pub(crate) fn decode(kind: Kind, cell: usize, bytes: &[u8]) -> Cell {
    if bytes[..HEADER_BYTES].iter().all(|byte| *byte == 0) {
        return Cell::Blank;
    }
    let (header, rest) = bytes.split_at(HEADER_BYTES);
    let length = needed(bytes).map_or(usize::MAX, |needed| needed - HEADER_BYTES);
    let generation = header[16..24].try_into().map_or(0, u64::from_le_bytes);
    let fits = length <= kind.payload_bytes_max() && length <= rest.len();
    let is_here = generation > 0 && kind.cell_of(generation) == cell;
    let is_known = header[8] == VERSION && header[9] == kind as u8;
    let zeros = header[10..12].iter().chain(&header[24..28]).all(|byte| *byte == 0);
    if fits && is_here && is_known && zeros && header[CHECKSUM] == checksum(header, &rest[..length])
    {
        return Cell::Valid(Head { generation, length });
    }
    Cell::Unreadable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_cell_do_not_change() {
        let bytes = encode(Kind::Boot, 7, b"hello");
        assert_eq!(bytes.len(), BLOCK_BYTES);
        let hex: String = bytes[..40].iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "54415049534c4f540104000005000000070000000000000000000000";
        assert_eq!(hex[..56], *expected);
        assert_eq!(hex[64..], *"68656c6c6f000000");
        let head = Head { generation: 7, length: 5 };
        assert_eq!(decode(Kind::Boot, 3, &bytes), Cell::Valid(head));
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_seen() {
        let good = encode(Kind::Reset, 2, b"some payload");
        for bit in 0..(HEADER_BYTES + 12) * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(Kind::Reset, 0, &bytes), Cell::Unreadable, "bit {bit}");
        }
    }

    #[test]
    fn a_record_counts_in_its_own_place_only() {
        let bytes = encode(Kind::Reset, 2, b"x");
        assert_eq!(decode(Kind::Reset, 1, &bytes), Cell::Unreadable);
        assert_eq!(decode(Kind::Identity, 0, &bytes), Cell::Unreadable);
        assert_eq!(decode(Kind::Reset, 0, &encode(Kind::Reset, 0, b"x")), Cell::Unreadable);
        assert_eq!(decode(Kind::Reset, 0, &[0; BLOCK_BYTES]), Cell::Blank);
    }
}
