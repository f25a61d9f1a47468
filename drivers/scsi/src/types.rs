//! Names for numbers that must not be swapped.
//!
//! Owns element, block and partition addresses and the volume tag. A [`VolumeTag`] is safe to print
//! and to compare; it identifies nothing by itself: labels are for people, identity is on the tape.

use std::fmt;

use crate::reader;

/// Address of an element of a media changer: a slot, a drive, a mail slot or the picker (SMC-3 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementAddress(pub u16);

impl fmt::Display for ElementAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Logical object number within a partition: blocks and filemarks counted from 0 (SSC-5 4.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockAddress(pub u64);

impl fmt::Display for BlockAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Partition number; 0 is the default partition (SSC-5 4.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u8);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A 24-bit unsigned field: the transfer length of six-byte commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct U24(u32);

impl U24 {
    /// The largest value, 16 777 215.
    pub const MAX: U24 = U24(0x00ff_ffff);

    /// `None` when `value` needs more than 24 bits.
    pub const fn new(value: u32) -> Option<U24> {
        if value <= Self::MAX.0 { Some(U24(value)) } else { None }
    }

    /// The number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Three bytes, most significant first.
    pub const fn to_be_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

impl From<u16> for U24 {
    fn from(value: u16) -> U24 {
        U24(u32::from(value))
    }
}

/// The bar code of a volume as the changer read it: printable ASCII, no padding, never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeTag(String);

impl VolumeTag {
    /// From the 32-byte identification field of a volume tag (SMC-3 6.16.3) or what an operator
    /// typed. `None` when nothing is left without the padding. Bytes outside printable ASCII become
    /// `?`, so a tag can go to a terminal or a log as it is.
    pub fn new(identification: &[u8]) -> Option<VolumeTag> {
        let text = reader::text(identification);
        (!text.is_empty()).then_some(VolumeTag(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when the label says cleaning cartridge: `CLN` in front, as the LTO labels have it.
    /// A hint only; the cartridge memory and the drive know better.
    pub fn looks_like_cleaner(&self) -> bool {
        self.0.starts_with("CLN")
    }
}

impl fmt::Display for VolumeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_tags_are_trimmed_and_printable() {
        let mut field = *b"L00042L9                        ";
        assert_eq!(VolumeTag::new(&field).unwrap().as_str(), "L00042L9");
        field[3] = 0x07;
        assert_eq!(VolumeTag::new(&field).unwrap().as_str(), "L00?42L9");
        assert_eq!(VolumeTag::new(&[b' '; 32]), None);
        assert_eq!(VolumeTag::new(&[0; 32]), None);
        assert!(VolumeTag::new(b"CLN001L1").unwrap().looks_like_cleaner());
        assert_eq!(format!("{:>10}", VolumeTag::new(b"AB").unwrap()), "        AB");
    }

    #[test]
    fn u24_refuses_a_25th_bit() {
        assert_eq!(U24::new(0x0100_0000), None);
        assert_eq!(U24::new(0x0012_3456).unwrap().to_be_bytes(), [0x12, 0x34, 0x56]);
    }
}
