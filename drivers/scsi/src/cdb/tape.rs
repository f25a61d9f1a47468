//! Commands of sequential-access devices (SSC-5).
//!
//! Owns reading, writing, moving and formatting. Lengths of six-byte transfers are [`U24`]: bytes in
//! variable-block mode, blocks in fixed-block mode.

use crate::types::{BlockAddress, Partition, U24};

/// The transfer length of READ(6), WRITE(6) and VERIFY(6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// One block of this many bytes.
    Variable(U24),
    /// This many blocks of the length set by the mode block descriptor.
    Fixed(U24),
}

impl Transfer {
    fn fixed_bit(self) -> u8 {
        u8::from(matches!(self, Transfer::Fixed(_)))
    }

    fn bytes(self) -> [u8; 3] {
        match self {
            Transfer::Variable(n) | Transfer::Fixed(n) => n.to_be_bytes(),
        }
    }
}

/// What SPACE counts (SSC-5 table 57).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceCode {
    /// Blocks; stops at a filemark.
    Blocks = 0,
    /// Filemarks.
    Filemarks = 1,
    /// Sequential filemarks.
    SequentialFilemarks = 2,
    /// To the end of data; the count is ignored.
    EndOfData = 3,
}

/// What the LOGICAL IDENTIFIER of LOCATE(16) is (SSC-5 table 36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocateTo {
    /// A logical object number.
    Object(BlockAddress),
    /// A logical file identifier: the number of filemarks before it.
    File(u64),
    /// End of data of the partition.
    EndOfData,
}

/// READ(6) (08h). `sili` suppresses the report of a block shorter than asked for.
pub fn read_6(transfer: Transfer, sili: bool) -> [u8; 6] {
    let [a, b, c] = transfer.bytes();
    [0x08, u8::from(sili) << 1 | transfer.fixed_bit(), a, b, c, 0]
}

/// WRITE(6) (0Ah).
pub fn write_6(transfer: Transfer) -> [u8; 6] {
    let [a, b, c] = transfer.bytes();
    [0x0a, transfer.fixed_bit(), a, b, c, 0]
}

/// VERIFY(6) (13h) of one transfer without comparing bytes.
pub fn verify_6(transfer: Transfer, immediate: bool) -> [u8; 6] {
    let [a, b, c] = transfer.bytes();
    [0x13, u8::from(immediate) << 2 | transfer.fixed_bit(), a, b, c, 0]
}

/// VERIFY(6) (13h) of `count` filemarks' worth of data (VBF), or to end of data when `count` is 0
/// and the device has VTE.
pub fn verify_6_to_filemark(count: U24, immediate: bool) -> [u8; 6] {
    let [a, b, c] = count.to_be_bytes();
    let scope = if count.value() == 0 { 0x20 } else { 0x08 };
    [0x13, scope | u8::from(immediate) << 2, a, b, c, 0]
}

/// WRITE FILEMARKS(6) (10h). With `count` 0 and `immediate` false it only empties the buffer to the
/// medium: the synchronise of tapes. With `immediate` nothing is promised.
pub fn write_filemarks_6(count: U24, immediate: bool) -> [u8; 6] {
    let [a, b, c] = count.to_be_bytes();
    [0x10, u8::from(immediate), a, b, c, 0]
}

/// SPACE(6) (11h); `None` when `count` does not fit 24 bits with sign.
pub fn space_6(code: SpaceCode, count: i32) -> Option<[u8; 6]> {
    if !(-0x80_0000..0x80_0000).contains(&count) {
        return None;
    }
    let [_, a, b, c] = count.to_be_bytes();
    Some([0x11, code as u8, a, b, c, 0])
}

/// SPACE(16) (91h); negative counts go towards the beginning.
pub fn space_16(code: SpaceCode, count: i64) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x91;
    cdb[1] = code as u8;
    cdb[4..12].copy_from_slice(&count.to_be_bytes());
    cdb
}

/// LOCATE(10) (2Bh) to a block of the current partition, or of `partition`.
pub fn locate_10(block: u32, partition: Option<Partition>, immediate: bool) -> [u8; 10] {
    let [a, b, c, d] = block.to_be_bytes();
    let flags = u8::from(partition.is_some()) << 1 | u8::from(immediate);
    [0x2b, flags, 0, a, b, c, d, 0, partition.map_or(0, |p| p.0), 0]
}

/// LOCATE(16) (92h) in the current partition, or changing to `partition`.
pub fn locate_16(to: LocateTo, partition: Option<Partition>, immediate: bool) -> [u8; 16] {
    let (kind, identifier) = match to {
        LocateTo::Object(block) => (0, block.0),
        LocateTo::File(file) => (1, file),
        LocateTo::EndOfData => (3, 0),
    };
    let mut cdb = [0; 16];
    cdb[0] = 0x92;
    cdb[1] = kind << 3 | u8::from(partition.is_some()) << 1 | u8::from(immediate);
    cdb[3] = partition.map_or(0, |p| p.0);
    cdb[4..12].copy_from_slice(&identifier.to_be_bytes());
    cdb
}

/// REWIND (01h).
pub fn rewind(immediate: bool) -> [u8; 6] {
    [0x01, u8::from(immediate), 0, 0, 0, 0]
}

/// ERASE(6) (19h) from the position on. Without `long` only an end-of-data mark is written; with it
/// the rest of the medium is overwritten, which takes hours.
pub fn erase_6(long: bool, immediate: bool) -> [u8; 6] {
    [0x19, u8::from(immediate) << 1 | u8::from(long), 0, 0, 0, 0]
}

/// LOAD UNLOAD (1Bh): thread the medium.
pub fn load(immediate: bool) -> [u8; 6] {
    [0x1b, u8::from(immediate), 0, 0, 0x01, 0]
}

/// LOAD UNLOAD (1Bh): rewind, unthread and eject.
pub fn unload(immediate: bool) -> [u8; 6] {
    [0x1b, u8::from(immediate), 0, 0, 0, 0]
}

/// LOAD UNLOAD (1Bh) with HOLD: the cartridge is seated but not threaded, its memory readable.
pub fn load_hold(immediate: bool) -> [u8; 6] {
    [0x1b, u8::from(immediate), 0, 0, 0x09, 0]
}

/// READ BLOCK LIMITS (05h); the reply is 6 bytes.
pub fn read_block_limits() -> [u8; 6] {
    [0x05, 0, 0, 0, 0, 0]
}

/// The forms of READ POSITION (SSC-5 table 44).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionForm {
    /// 20 bytes, 32-bit block numbers.
    Short = 0x00,
    /// 32 bytes, with the file number.
    Long = 0x06,
    /// 32 bytes, with what is still in the buffer.
    Extended = 0x08,
}

/// READ POSITION (34h). Only the extended form takes an allocation length; it is always 32.
pub fn read_position(form: PositionForm) -> [u8; 10] {
    let allocation = if form == PositionForm::Extended { 32 } else { 0 };
    [0x34, form as u8, 0, 0, 0, 0, 0, 0, allocation, 0]
}

/// REPORT DENSITY SUPPORT (44h). `medium` restricts it to the loaded medium, `types` asks for medium
/// types instead of densities.
pub fn report_density_support(medium: bool, types: bool, allocation: u16) -> [u8; 10] {
    let [high, low] = allocation.to_be_bytes();
    [0x44, u8::from(types) << 1 | u8::from(medium), 0, 0, 0, 0, 0, high, low, 0]
}

/// What FORMAT MEDIUM makes (SSC-5 table 29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The drive's default: one partition.
    Default = 0,
    /// Partitions as the medium partition mode page says.
    Partition = 1,
    /// Default format, then partitions.
    DefaultThenPartition = 2,
}

/// FORMAT MEDIUM (04h). Destroys everything on the medium; may take hours on LTO-9.
pub fn format_medium(format: Format, verify: bool, immediate: bool) -> [u8; 6] {
    [0x04, u8::from(verify) << 1 | u8::from(immediate), format as u8, 0, 0, 0]
}

/// SET CAPACITY (0Bh): the usable part of the medium in 65 535ths. Destroys everything on it.
pub fn set_capacity(proportion: u16, immediate: bool) -> [u8; 6] {
    let [high, low] = proportion.to_be_bytes();
    [0x0b, u8::from(immediate), 0, high, low, 0]
}

/// What an append-only drive may overwrite (SSC-5 table 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Nothing: takes back an earlier permission.
    Nothing,
    /// From this position of this partition on.
    At(Partition, BlockAddress),
    /// The whole medium, by FORMAT MEDIUM.
    Format,
}

/// ALLOW OVERWRITE (82h): permission for the next write of a drive in append-only mode.
pub fn allow_overwrite(what: Overwrite) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x82;
    match what {
        Overwrite::Nothing => {}
        Overwrite::At(partition, block) => {
            cdb[2] = 1;
            cdb[3] = partition.0;
            cdb[4..12].copy_from_slice(&block.0.to_be_bytes());
        }
        Overwrite::Format => cdb[2] = 2,
    }
    cdb
}
