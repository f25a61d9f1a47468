//! Where the tape is: READ POSITION (34h) and READ BLOCK LIMITS (05h).
//!
//! Owns the three forms of the answer. A number the drive marks as unknown is `None`, whatever its
//! bytes say: one emulator sets LONU and a number at once. These replies have a fixed length, so a
//! short one is an error. Source: SSC-5 7.7 and 7.5.

use crate::error::{Error, at_least};
use crate::reader::{be16, be24, be32, be64, bit, byte};
use crate::types::{BlockAddress, Partition};

/// READ POSITION, long form (06h): 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongPosition {
    /// At the beginning of the partition.
    pub beginning: bool,
    /// Between early warning and end of partition.
    pub end: bool,
    /// Beyond the programmable early warning.
    pub beyond_early_warning: bool,
    /// The partition, unless LONU says the drive does not know.
    pub partition: Option<Partition>,
    /// The next block to read or write, unless LONU.
    pub block: Option<BlockAddress>,
    /// Filemarks before the position, unless MPU.
    pub file: Option<u64>,
    /// Logical set identifier (obsolete setmarks), unless MPU.
    pub set: Option<u64>,
}

impl LongPosition {
    /// Decodes the reply.
    pub fn decode(bytes: &[u8]) -> Result<LongPosition, Error> {
        let reply = "READ POSITION long form";
        let bytes = at_least(reply, bytes, 32)?;
        let unknown_file = bit(bytes, 0, 0x08);
        let unknown_block = bit(bytes, 0, 0x04);
        let partition = be32(bytes, 4).unwrap_or(0);
        let partition = if unknown_block {
            None
        } else {
            Some(Partition(u8::try_from(partition).map_err(|_| Error::BadField {
                reply,
                field: "PARTITION NUMBER",
                value: u64::from(partition),
            })?))
        };
        Ok(LongPosition {
            beginning: bit(bytes, 0, 0x80),
            end: bit(bytes, 0, 0x40),
            beyond_early_warning: bit(bytes, 0, 0x01),
            partition,
            block: be64(bytes, 8).filter(|_| !unknown_block).map(BlockAddress),
            file: be64(bytes, 16).filter(|_| !unknown_file),
            set: be64(bytes, 24).filter(|_| !unknown_file),
        })
    }
}

/// READ POSITION, short form (00h, 20 bytes) or extended form (08h, 32 bytes): with the contents of
/// the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferPosition {
    /// At the beginning of the partition.
    pub beginning: bool,
    /// Between early warning and end of partition.
    pub end: bool,
    /// Beyond the programmable early warning.
    pub beyond_early_warning: bool,
    /// A number did not fit its field (PERR); ask for the extended form.
    pub overflow: bool,
    /// The partition.
    pub partition: Partition,
    /// The next block the host will transfer, unless LOLU.
    pub first: Option<BlockAddress>,
    /// The next block the drive will move between buffer and medium, unless LOLU. Equal to `first`
    /// when the buffer is empty: everything written is on the medium.
    pub last: Option<BlockAddress>,
    /// Blocks and filemarks in the buffer, unless LOCU.
    pub objects_in_buffer: Option<u32>,
    /// Bytes in the buffer, unless BYCU.
    pub bytes_in_buffer: Option<u64>,
}

impl BufferPosition {
    /// Decodes the short form.
    pub fn decode_short(bytes: &[u8]) -> Result<BufferPosition, Error> {
        let bytes = at_least("READ POSITION short form", bytes, 20)?;
        Ok(Self::with(
            bytes,
            be32(bytes, 4).map(u64::from),
            be32(bytes, 8).map(u64::from),
            be24(bytes, 13),
            be32(bytes, 16).map(u64::from),
        ))
    }

    /// Decodes the extended form.
    pub fn decode_extended(bytes: &[u8]) -> Result<BufferPosition, Error> {
        let bytes = at_least("READ POSITION extended form", bytes, 32)?;
        Ok(Self::with(bytes, be64(bytes, 8), be64(bytes, 16), be24(bytes, 5), be64(bytes, 24)))
    }

    fn with(
        bytes: &[u8],
        first: Option<u64>,
        last: Option<u64>,
        objects: Option<u32>,
        buffered: Option<u64>,
    ) -> BufferPosition {
        let located = !bit(bytes, 0, 0x04);
        BufferPosition {
            beginning: bit(bytes, 0, 0x80),
            end: bit(bytes, 0, 0x40),
            beyond_early_warning: bit(bytes, 0, 0x01),
            overflow: bit(bytes, 0, 0x02),
            partition: Partition(byte(bytes, 1).unwrap_or(0)),
            first: first.filter(|_| located).map(BlockAddress),
            last: last.filter(|_| located).map(BlockAddress),
            objects_in_buffer: objects.filter(|_| !bit(bytes, 0, 0x20)),
            bytes_in_buffer: buffered.filter(|_| !bit(bytes, 0, 0x10)),
        }
    }
}

/// READ BLOCK LIMITS: 6 bytes. A hint: emulators answer with sizes no path can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// Shortest block, bytes.
    pub minimum_bytes: u16,
    /// Longest block, bytes; 0 when the drive states none.
    pub maximum_bytes: u32,
    /// Block lengths are multiples of 2 to this power.
    pub granularity: u8,
}

impl BlockLimits {
    /// Decodes the reply.
    pub fn decode(bytes: &[u8]) -> Result<BlockLimits, Error> {
        let bytes = at_least("READ BLOCK LIMITS", bytes, 6)?;
        Ok(BlockLimits {
            granularity: byte(bytes, 0).unwrap_or(0) & 0x1f,
            maximum_bytes: be24(bytes, 1).unwrap_or(0),
            minimum_bytes: be16(bytes, 4).unwrap_or(0),
        })
    }
}
