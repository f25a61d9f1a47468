//! Mode parameters as they come: MODE SENSE (1Ah, 5Ah) and MODE SELECT (15h, 55h).
//!
//! Owns both headers, the block descriptor and the split into pages; what the pages mean is in
//! [`mode_pages`](crate::mode_pages). Source: SPC-5 7.5, SSC-5 8.4 for the device-specific byte.

use crate::error::{Error, at_least};
use crate::reader::{be16, be24, bit, byte, slice};
use crate::types::U24;

/// The block descriptor of a tape drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockDescriptor {
    /// DENSITY CODE; 7Fh in MODE SELECT means "leave it".
    pub density: u8,
    /// NUMBER OF BLOCKS; 0 means all.
    pub blocks: U24,
    /// BLOCK LENGTH in bytes; 0 is variable-block mode.
    pub block_length: U24,
}

/// One mode page, header included, so that offsets are those of the standard's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModePage {
    /// PS: the page can be saved.
    pub saveable: bool,
    /// PAGE CODE.
    pub page: u8,
    /// SUBPAGE CODE, 0 for none.
    pub subpage: u8,
    /// All its bytes, as far as they were received.
    pub bytes: Vec<u8>,
    /// Its last bytes were not received.
    pub truncated: bool,
}

/// The reply to MODE SENSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeParameters {
    /// MODE DATA LENGTH as sent.
    pub data_length: u16,
    /// MEDIUM TYPE.
    pub medium_type: u8,
    /// WP: the medium is write-protected (tape).
    pub write_protected: bool,
    /// BUFFERED MODE (tape): 0 unbuffered, 1 buffered.
    pub buffered_mode: u8,
    /// SPEED (tape); 0 is the default.
    pub speed: u8,
    /// The first block descriptor, if any.
    pub block: Option<BlockDescriptor>,
    /// Pages in the order sent.
    pub pages: Vec<ModePage>,
    /// The reply ended before all it announced.
    pub truncated: bool,
}

impl ModeParameters {
    /// Decodes the reply to MODE SENSE(6).
    pub fn decode_6(bytes: &[u8]) -> Result<ModeParameters, Error> {
        let bytes = at_least("MODE SENSE(6)", bytes, 4)?;
        let announced = 1 + usize::from(bytes[0]);
        Ok(Self::with(bytes, u16::from(bytes[0]), announced, [bytes[1], bytes[2]], 4, bytes[3]))
    }

    /// Decodes the reply to MODE SENSE(10).
    pub fn decode_10(bytes: &[u8]) -> Result<ModeParameters, Error> {
        let bytes = at_least("MODE SENSE(10)", bytes, 8)?;
        let length = be16(bytes, 0).unwrap_or(0);
        let descriptors = be16(bytes, 6).unwrap_or(0);
        let announced = 2 + usize::from(length);
        Ok(Self::with(bytes, length, announced, [bytes[2], bytes[3]], 8, descriptors))
    }

    /// The page with this code.
    pub fn page(&self, page: u8, subpage: u8) -> Option<&ModePage> {
        self.pages.iter().find(|p| p.page == page && p.subpage == subpage)
    }

    fn with(
        bytes: &[u8],
        data_length: u16,
        announced: usize,
        [medium_type, specific]: [u8; 2],
        header: usize,
        descriptors: impl Into<usize>,
    ) -> ModeParameters {
        let end = bytes.len().min(announced).max(header);
        let after = header + descriptors.into();
        let (pages, cut) = split(bytes.get(after..end).unwrap_or(&[]));
        ModeParameters {
            data_length,
            medium_type,
            write_protected: specific & 0x80 != 0,
            buffered_mode: specific >> 4 & 0x07,
            speed: specific & 0x0f,
            block: slice(&bytes[..end.min(after)], header, 8).map(block_descriptor),
            pages,
            truncated: bytes.len() < announced || end < after || cut,
        }
    }
}

fn block_descriptor(bytes: &[u8]) -> BlockDescriptor {
    let field = |at| be24(bytes, at).and_then(U24::new).unwrap_or(U24::MAX);
    BlockDescriptor { density: bytes[0], blocks: field(1), block_length: field(5) }
}

/// Splits bytes into pages; the last one may be cut.
fn split(bytes: &[u8]) -> (Vec<ModePage>, bool) {
    let mut pages = Vec::new();
    let mut rest = bytes;
    while let Some(first) = byte(rest, 0) {
        let subpages = bit(rest, 0, 0x40);
        let size = if subpages {
            be16(rest, 2).map(|n| 4 + usize::from(n))
        } else {
            byte(rest, 1).map(|n| 2 + usize::from(n))
        };
        let Some(size) = size else { return (pages, true) };
        let end = rest.len().min(size);
        pages.push(ModePage {
            saveable: first & 0x80 != 0,
            page: first & 0x3f,
            subpage: if subpages { rest[1] } else { 0 },
            bytes: rest[..end].to_vec(),
            truncated: end < size,
        });
        rest = &rest[end..];
    }
    let cut = pages.last().is_some_and(|page| page.truncated);
    (pages, cut)
}

/// The device-specific byte of a tape drive for MODE SELECT.
fn tape_specific(buffered_mode: u8, speed: u8) -> u8 {
    (buffered_mode & 0x07) << 4 | speed & 0x0f
}

/// The parameter list of MODE SELECT(6). MODE DATA LENGTH is zero and PS cleared, as the standard
/// asks; pages come with their headers, as [`ModePage::bytes`] has them.
pub fn select_6(
    buffered_mode: u8,
    speed: u8,
    block: Option<BlockDescriptor>,
    pages: &[&[u8]],
) -> Vec<u8> {
    let descriptors = if block.is_some() { 8 } else { 0 };
    let header = vec![0, 0, tape_specific(buffered_mode, speed), descriptors];
    select(header, block, pages)
}

/// The parameter list of MODE SELECT(10); see [`select_6`].
pub fn select_10(
    buffered_mode: u8,
    speed: u8,
    block: Option<BlockDescriptor>,
    pages: &[&[u8]],
) -> Vec<u8> {
    let descriptors = if block.is_some() { 8 } else { 0 };
    let specific = tape_specific(buffered_mode, speed);
    select(vec![0, 0, 0, specific, 0, 0, 0, descriptors], block, pages)
}

fn select(mut list: Vec<u8>, block: Option<BlockDescriptor>, pages: &[&[u8]]) -> Vec<u8> {
    if let Some(block) = block {
        list.push(block.density);
        list.extend_from_slice(&block.blocks.to_be_bytes());
        list.push(0);
        list.extend_from_slice(&block.block_length.to_be_bytes());
    }
    for page in pages {
        if let [first, rest @ ..] = page {
            list.push(first & 0x7f);
            list.extend_from_slice(rest);
        }
    }
    list
}
