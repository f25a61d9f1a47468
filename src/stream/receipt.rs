//! Receipts: a sink's word that a range of a stream is durable, and where it lies.
//!
//! Owns the one message that flows up. A component that changes offsets translates receipts from
//! its output's offsets to its input's before passing them on, so the record keeper nearest the
//! source learns where each file lies. Where a stream is kept more than once, each copy has receipts of
//! its own, which may cut it elsewhere. In a shell a receipt is one line of JSON on descriptor 3.

use serde::{Deserialize, Serialize};

use super::StreamId;

/// What keeps the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Volume tag of a cartridge, or path of a file.
    pub medium: String,
    /// Identity of the volume, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<uuid::Uuid>,
    /// Partition on the medium.
    #[serde(default)]
    pub partition: u8,
}

/// A run of stream bytes and the block that holds its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First stream byte.
    pub from: u64,
    /// One past the last stream byte.
    pub to: u64,
    /// Logical block address where reading must start to get `from`.
    pub block: u64,
    /// Stream bytes per block; byte `b` lies in block `block + (b - from) / stride`. 0: reading
    /// must start at `block` for every byte of the run.
    pub stride: u64,
}

impl Extent {
    /// The block from which stream byte `offset` is to be read. An extent from elsewhere may name
    /// one past the largest address; there is none then.
    pub fn block_of(&self, offset: u64) -> Option<u64> {
        if !(self.from..self.to).contains(&offset) {
            return None;
        }
        self.block.checked_add((offset - self.from).checked_div(self.stride).unwrap_or(0))
    }
}

/// A sink's word that `from..to` of a stream is durable.
///
/// Issued only after the sink's own proof: on tape, filemarks written without the immediate bit and
/// the position read back; in a file, `fsync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which stream.
    pub stream: StreamId,
    /// First byte that became durable with this receipt.
    pub from: u64,
    /// One past the last byte.
    pub to: u64,
    /// The rung of the durability ladder: `on tape` or `on disk`.
    pub grade: String,
    /// What keeps it.
    pub place: Place,
    /// Where in it. Covers `from..to` without gaps, in order.
    pub extents: Vec<Extent>,
    /// Which copy of the stream, where there are several: from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub copy: u8,
    /// How many copies there are to be.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub copies: u8,
    /// BLAKE3 over what the sink wrote for this range (on tape: over the block headers, which hold
    /// the blocks' checksums), hexadecimal.
    pub digest: String,
}

fn is_first(copy: &u8) -> bool {
    *copy == 0
}

fn is_one(copies: &u8) -> bool {
    *copies == 1
}

fn one() -> u8 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_in_its_block() {
        let extent = Extent { from: 100, to: 400, block: 7, stride: 100 };
        assert_eq!(extent.block_of(99), None);
        assert_eq!(extent.block_of(100), Some(7));
        assert_eq!(extent.block_of(399), Some(9));
        assert_eq!(extent.block_of(400), None);
        assert_eq!(Extent { stride: 0, ..extent }.block_of(399), Some(7));
        let last = Extent { block: u64::MAX, ..extent };
        assert_eq!((last.block_of(199), last.block_of(200)), (Some(u64::MAX), None));
    }
}
