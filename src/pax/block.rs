//! The header block: 512 bytes of fields at fixed places.
//!
//! Owns the layout (POSIX.1-2017 pax, "ustar Interchange Format") and its dialects: v7 without a
//! magic, old GNU with its sparse table in place of the prefix, star with a shorter prefix.
//!
//! ```text
//!   0 100 name       100 8 mode   108 8 uid    116 8 gid    124 12 size   136 12 mtime
//! 148   8 checksum   156 1 type   157 100 link name         257 8 magic and version
//! 265  32 user name  297 32 group name   329 8 major   337 8 minor   345 155 prefix
//! ```

use super::number::{field, natural};

/// Bytes of a header block; data is padded to a multiple of it.
pub const BLOCK: usize = 512;

/// Field places.
pub(super) mod at {
    use std::ops::Range;
    pub const NAME: Range<usize> = 0..100;
    pub const MODE: Range<usize> = 100..108;
    pub const UID: Range<usize> = 108..116;
    pub const GID: Range<usize> = 116..124;
    pub const SIZE: Range<usize> = 124..136;
    pub const MTIME: Range<usize> = 136..148;
    pub const CHECKSUM: Range<usize> = 148..156;
    pub const TYPE: usize = 156;
    pub const LINK: Range<usize> = 157..257;
    pub const MAGIC: Range<usize> = 257..265;
    pub const UNAME: Range<usize> = 265..297;
    pub const GNAME: Range<usize> = 297..329;
    pub const MAJOR: Range<usize> = 329..337;
    pub const MINOR: Range<usize> = 337..345;
    pub const PREFIX: Range<usize> = 345..500;
    pub const STAR_PREFIX: Range<usize> = 345..476;
    pub const STAR_MAGIC: Range<usize> = 508..512;
    pub const GNU_SPARSE: Range<usize> = 386..482;
    pub const GNU_EXTENDED: usize = 482;
    pub const GNU_REAL_SIZE: Range<usize> = 483..495;
}

/// Bytes to the next block border.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// The sum of the block's bytes, its checksum field counted as blanks.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    let all: u32 = block.iter().map(|&b| u32::from(b)).sum();
    let own: u32 = block[at::CHECKSUM].iter().map(|&b| u32::from(b)).sum();
    all - own + 8 * u32::from(b' ')
}

/// The same over signed bytes, as some old programs had it.
fn signed_checksum(block: &[u8; BLOCK]) -> i64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&b| i64::from(b as i8)).sum::<i64>();
    sum(block) - sum(&block[at::CHECKSUM]) + 8 * i64::from(b' ')
}

/// A header block whose checksum is right.
pub(super) struct HeaderBlock<'a>(&'a [u8; BLOCK]);

#[derive(PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl<'a> HeaderBlock<'a> {
    pub(super) fn checked(block: &'a [u8; BLOCK]) -> Option<HeaderBlock<'a>> {
        let said = field(&block[at::CHECKSUM])?;
        let right = said == i64::from(checksum(block)) || said == signed_checksum(block);
        right.then_some(HeaderBlock(block))
    }

    fn dialect(&self) -> Dialect {
        match &self.0[at::MAGIC] {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar") => match &self.0[at::STAR_MAGIC] {
                b"tar\0" => Dialect::Star,
                _ => Dialect::Ustar,
            },
            _ => Dialect::V7,
        }
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[at::TYPE]
    }

    fn text(&self, range: std::ops::Range<usize>) -> &'a [u8] {
        let field = &self.0[range];
        &field[..field.iter().position(|&b| b == 0).unwrap_or(field.len())]
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = match self.dialect() {
            Dialect::Ustar => self.text(at::PREFIX),
            Dialect::Star => self.text(at::STAR_PREFIX),
            Dialect::V7 | Dialect::Gnu => &[],
        };
        let name = self.text(at::NAME);
        if prefix.is_empty() { name.to_vec() } else { [prefix, name].join(&b'/') }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        self.text(at::LINK).to_vec()
    }

    /// User and group name; v7 has none.
    pub(super) fn names(&self) -> (&'a [u8], &'a [u8]) {
        match self.dialect() {
            Dialect::V7 => (&[], &[]),
            _ => (self.text(at::UNAME), self.text(at::GNAME)),
        }
    }

    pub(super) fn natural(&self, range: std::ops::Range<usize>) -> Option<u64> {
        natural(&self.0[range])
    }

    pub(super) fn mtime_s(&self) -> Option<i64> {
        field(&self.0[at::MTIME])
    }

    pub(super) fn bytes(&self, range: std::ops::Range<usize>) -> &'a [u8] {
        &self.0[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_reaches_the_next_border() {
        let cases = [(0, 0), (1, 511), (512, 0), (513, 511), (u64::MAX, 1)];
        assert!(cases.iter().all(|&(size, wanted)| padding(size) == wanted));
    }

    #[test]
    fn a_block_with_a_wrong_sum_is_no_header() {
        let mut block = [0u8; BLOCK];
        block[0] = 0xe4;
        block[at::CHECKSUM].copy_from_slice(b"0000744\0");
        assert!(HeaderBlock::checked(&block).is_some(), "0xe4 + 8 blanks");
        block[at::CHECKSUM].copy_from_slice(b"0000344\0");
        assert!(HeaderBlock::checked(&block).is_some(), "0xe4 as a signed byte");
        block[at::CHECKSUM].copy_from_slice(b"0000745\0");
        assert!(HeaderBlock::checked(&block).is_none());
    }
}
