//! Blocks that prove themselves.
//!
//! Owns the 96-byte header of every block but block 0 (`docs/format.md` section 3) and its check.
//! A block is taken only whole: magic, version, checksum over every byte, and then, by
//! [`Header::belongs`], set and address.

use std::fmt;

use uuid::Uuid;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 96;
const MAGIC: [u8; 7] = *b"TAPIOCA";
const VERSION: u8 = b'1';
const CHECKSUM_AT: usize = 92;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// The volume's label.
    Label,
    /// A piece of the rescue kit.
    Kit,
    /// Starts a part.
    Begin,
    /// A piece of a stream.
    Data,
    /// A sync record.
    Sync,
    /// A piece of a part's index.
    Index,
    /// Ends a part.
    End,
}

impl BlockKind {
    const ALL: [(BlockKind, u8); 7] = [
        (BlockKind::Label, b'L'),
        (BlockKind::Kit, b'K'),
        (BlockKind::Begin, b'B'),
        (BlockKind::Data, b'D'),
        (BlockKind::Sync, b'S'),
        (BlockKind::Index, b'I'),
        (BlockKind::End, b'E'),
    ];

    /// The letter on the medium.
    pub fn letter(self) -> u8 {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or(b'?', |(_, letter)| *letter)
    }

    fn from_letter(letter: u8) -> Option<BlockKind> {
        Self::ALL.iter().find(|(_, l)| *l == letter).map(|(kind, _)| *kind)
    }
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the block holds.
    pub kind: BlockKind,
    /// Identity of the volume set.
    pub set: Uuid,
    /// Identity of the stream; nil in file 0.
    pub stream: Uuid,
    /// Logical block address.
    pub address: u64,
    /// Meaning depends on the kind.
    pub offset: u64,
    /// Number of the volume in its set, from 1.
    pub volume: u32,
    /// Number of the part on the volume, from 1; 0 in file 0.
    pub part: u32,
    /// Checksum of the block before this one in the same part.
    pub previous: u32,
}

/// Why a block is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// Its size is not a block's.
    Size(usize),
    /// It does not begin as a block of ours.
    Magic,
    /// Written by a later version of the format.
    Version(u8),
    /// Some bit of it is not what was written.
    Checksum {
        /// The one in the header.
        stored: u32,
        /// The one of the bytes.
        found: u32,
    },
    /// Checksum right, content senseless: written wrong.
    Nonsense(&'static str),
    /// A good block, of another set.
    Stranger(Uuid),
    /// A good block, of another place.
    Misplaced {
        /// The address it was written for.
        address: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Size(bytes) => write!(f, "{bytes} bytes long, which no block is"),
            Damage::Magic => f.write_str("not a tapioca block"),
            Damage::Version(v) => write!(f, "format version {:?} is not known here", *v as char),
            Damage::Checksum { stored, found } => {
                write!(f, "damaged: checksum {found:08x}, should be {stored:08x}")
            }
            Damage::Nonsense(what) => write!(f, "makes no sense: {what}"),
            Damage::Stranger(set) => write!(f, "belongs to set {set}"),
            Damage::Misplaced { address } => write!(f, "was written as block {address}"),
        }
    }
}

/// A good block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Its header.
    pub header: Header,
    /// Its checksum.
    pub checksum: u32,
    /// The payload bytes that count.
    pub payload: &'a [u8],
}

fn checksum(block: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&block[..CHECKSUM_AT]);
    crc.update(&block[HEADER_BYTES..]);
    crc.finalize()
}

/// Completes `block`, whose payload of `length` bytes stands at byte 96: zeros behind it, header in
/// front of it. Returns the checksum.
pub fn seal(block: &mut [u8], header: &Header, length: usize) -> u32 {
    assert!(HEADER_BYTES + length <= block.len(), "a payload larger than its block");
    let length_field = u32::try_from(length).expect("blocks are at most 1 MiB");
    block[HEADER_BYTES + length..].fill(0);
    let head = &mut block[..HEADER_BYTES];
    head.fill(0);
    head[..7].copy_from_slice(&MAGIC);
    head[7] = VERSION;
    head[8] = header.kind.letter();
    head[12..16].copy_from_slice(&length_field.to_le_bytes());
    head[16..32].copy_from_slice(header.set.as_bytes());
    head[32..48].copy_from_slice(header.stream.as_bytes());
    head[48..56].copy_from_slice(&header.address.to_le_bytes());
    head[56..64].copy_from_slice(&header.offset.to_le_bytes());
    head[64..68].copy_from_slice(&header.volume.to_le_bytes());
    head[68..72].copy_from_slice(&header.part.to_le_bytes());
    head[72..76].copy_from_slice(&header.previous.to_le_bytes());
    let sum = checksum(block);
    block[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    sum
}

/// Checks `block` and reads its header.
pub fn open(block: &[u8]) -> Result<Opened<'_>, Damage> {
    if block.len() < HEADER_BYTES || block.len() > super::BLOCK_BYTES_MAX {
        return Err(Damage::Size(block.len()));
    }
    if block[..7] != MAGIC {
        return Err(Damage::Magic);
    }
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| block[at + i]));
    let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| block[at + i]));
    let uuid = |at: usize| Uuid::from_bytes(std::array::from_fn(|i| block[at + i]));
    let (stored, found) = (word(CHECKSUM_AT), checksum(block));
    if stored != found {
        return Err(Damage::Checksum { stored, found });
    }
    if block[7] != VERSION {
        return Err(Damage::Version(block[7]));
    }
    let kind = BlockKind::from_letter(block[8]).ok_or(Damage::Nonsense("unknown kind"))?;
    let payload = block[HEADER_BYTES..]
        .get(..word(12) as usize)
        .ok_or(Damage::Nonsense("payload longer than the block"))?;
    let header = Header {
        kind,
        set: uuid(16),
        stream: uuid(32),
        address: long(48),
        offset: long(56),
        volume: word(64),
        part: word(68),
        previous: word(72),
    };
    Ok(Opened { header, checksum: stored, payload })
}

impl Header {
    /// Checks that a good block is one of `set`, read where it was written.
    pub fn belongs(&self, set: Uuid, address: u64) -> Result<(), Damage> {
        if self.set != set {
            return Err(Damage::Stranger(self.set));
        }
        if self.address != address {
            return Err(Damage::Misplaced { address: self.address });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: BlockKind::Data,
            set: Uuid::from_u128(1),
            stream: Uuid::from_u128(2),
            address: 77,
            offset: 1 << 40,
            volume: 3,
            part: 4,
            previous: 0xdead_beef,
        }
    }

    fn sealed() -> Vec<u8> {
        let mut block = vec![0xaa; 4096];
        block[HEADER_BYTES..HEADER_BYTES + 5].copy_from_slice(b"bytes");
        seal(&mut block, &header(), 5);
        block
    }

    #[test]
    fn what_is_sealed_opens() {
        let block = sealed();
        let opened = open(&block).unwrap();
        assert_eq!(opened.header, header());
        assert_eq!(opened.payload, b"bytes");
        assert!(block[HEADER_BYTES + 5..].iter().all(|&b| b == 0));
        assert_eq!(opened.header.belongs(Uuid::from_u128(1), 77), Ok(()));
        assert!(opened.header.belongs(Uuid::from_u128(9), 77).is_err());
        assert!(opened.header.belongs(Uuid::from_u128(1), 78).is_err());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let block = sealed();
        for bit in 0..block.len() * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&bad).is_err(), "flip of bit {bit} went unnoticed");
        }
    }
}
