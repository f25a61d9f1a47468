//! Grams: which blocks may hold a path with some bytes in it.
//!
//! Owns an index over every three bytes that follow each other in a key, which has a separator before and
//! behind it here, so that a gram can tell where a name begins or ends. They are hashed into buckets, and
//! each bucket has the blocks in which one of its grams occurs. A search reads the buckets of what it
//! looks for, and then only blocks that are in all of them. Says *may*: whoever asks compares.

use super::column::{Column, put};
use super::key::SEPARATOR;

/// Blocks that one zone of the index covers, so that memory has a bound while it is made.
pub const ZONE_BLOCKS: u32 = 1024;
/// Groups of a zone; each is a piece.
pub const GROUPS: usize = 128;
const BUCKETS: usize = 1 << 16;
const GROUP_BUCKETS: usize = BUCKETS / GROUPS;
/// Grams of a text that are asked for: more seldom rule out what these do not.
const ASKED_MAX: usize = 12;

fn bucket(gram: &[u8]) -> u16 {
    let number = u32::from_le_bytes([gram[0], gram[1], gram[2], 0]);
    (number.wrapping_mul(0x9e37_79b1) >> 16) as u16
}

/// Gathers the grams of a zone.
pub struct GramWriter {
    /// Bucket and block, in order of blocks.
    pairs: Vec<u32>,
    /// For each bucket the block that has it, plus one.
    last: Vec<u32>,
    block: u32,
}

impl Default for GramWriter {
    fn default() -> GramWriter {
        GramWriter { pairs: Vec::new(), last: vec![0; BUCKETS], block: 0 }
    }
}

impl GramWriter {
    /// Takes a key of the block at hand, of which the first `known` bytes are those of the key before it.
    pub fn key(&mut self, key: &[u8], known: usize) {
        for gram in key[known.saturating_sub(2)..].windows(3) {
            self.gram(gram);
        }
        if let [first, second, ..] = *key
            && known < 2
        {
            self.gram(&[SEPARATOR, first, second]);
        }
        if let [.., before, last] = *key {
            self.gram(&[before, last, SEPARATOR]);
        }
    }

    fn gram(&mut self, gram: &[u8]) {
        let bucket = usize::from(bucket(gram));
        if self.last[bucket] != self.block + 1 {
            self.last[bucket] = self.block + 1;
            self.pairs.push((bucket as u32) << 16 | self.block);
        }
    }

    /// The block at hand is over.
    pub fn end_block(&mut self) {
        self.block += 1;
    }

    /// Blocks so far.
    pub fn blocks(&self) -> u32 {
        self.block
    }

    /// The zone's groups, to be packed; begins another zone.
    pub fn finish(&mut self) -> Vec<Vec<u8>> {
        self.pairs.sort_unstable();
        let mut groups = Vec::with_capacity(GROUPS);
        let mut rest = &self.pairs[..];
        for group in 0..GROUPS {
            let mut out = Vec::new();
            for bucket in group * GROUP_BUCKETS..(group + 1) * GROUP_BUCKETS {
                let count = rest.partition_point(|pair| (*pair >> 16) as usize <= bucket);
                put_blocks(&mut out, &rest[..count]);
                rest = &rest[count..];
            }
            groups.push(out);
        }
        *self = GramWriter::default();
        groups
    }
}

fn put_blocks(out: &mut Vec<u8>, pairs: &[u32]) {
    put(out, pairs.len() as u64);
    let mut next = 0;
    for pair in pairs {
        let block = pair & 0xffff;
        put(out, u64::from(block - next));
        next = block + 1;
    }
}

/// What is asked of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked(Vec<u16>);

impl Asked {
    /// For keys that hold all of these texts.
    pub fn of(texts: &[Vec<u8>]) -> Asked {
        let mut buckets: Vec<u16> =
            texts.iter().flat_map(|text| text.windows(3)).map(bucket).collect();
        buckets.sort_unstable();
        buckets.dedup();
        let step = buckets.len().div_ceil(ASKED_MAX).max(1);
        Asked(buckets.into_iter().step_by(step).collect())
    }

    /// Whether nothing can be ruled out.
    pub fn is_anything(&self) -> bool {
        self.0.is_empty()
    }

    /// Groups that are to be read, each with the buckets in it.
    pub fn groups(&self) -> impl Iterator<Item = (usize, &[u16])> {
        let group = |bucket: &u16| usize::from(*bucket) / GROUP_BUCKETS;
        self.0.chunk_by(move |a, b| group(a) == group(b)).map(move |same| (group(&same[0]), same))
    }
}

/// Takes out of `blocks`, which are in order, those that a group says do not have all of `buckets`.
/// `None` if it is no group.
pub fn narrow(group: &[u8], buckets: &[u16], blocks: &mut Vec<u32>) -> Option<()> {
    let mut column = Column(group);
    let mut buckets = buckets.iter().map(|bucket| usize::from(*bucket) % GROUP_BUCKETS).peekable();
    for bucket in 0..GROUP_BUCKETS {
        let wanted = buckets.next_if_eq(&bucket).is_some();
        let count = column.number().filter(|count| *count <= u64::from(ZONE_BLOCKS))?;
        let mut next = 0u32;
        let mut kept = Vec::new();
        for _ in 0..count {
            let step = u32::try_from(column.number()?).ok()?;
            let block = next.checked_add(step).filter(|block| *block < ZONE_BLOCKS)?;
            next = block + 1;
            if wanted && blocks.binary_search(&block).is_ok() {
                kept.push(block);
            }
        }
        if wanted {
            *blocks = kept;
        }
        if buckets.peek().is_none() {
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(blocks: &[&[&str]]) -> Vec<Vec<u8>> {
        let mut grams = GramWriter::default();
        for block in blocks {
            block.iter().for_each(|key| grams.key(key.as_bytes(), 0));
            grams.end_block();
        }
        grams.finish()
    }

    fn found(zone: &[Vec<u8>], blocks: u32, texts: &[&str]) -> Vec<u32> {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let mut left: Vec<u32> = (0..blocks).collect();
        for (group, buckets) in Asked::of(&texts).groups() {
            narrow(&zone[group], buckets, &mut left).unwrap();
        }
        left
    }

    #[test]
    fn only_blocks_that_may_hold_it_are_left() {
        let zone = zone(&[&["etc\0passwd", "etc\0shadow"], &["srv\0www"], &["etc\0hosts", "x"]]);
        assert_eq!(found(&zone, 3, &["passwd"]), [0]);
        assert_eq!(found(&zone, 3, &["etc"]), [0, 2]);
        assert_eq!(found(&zone, 3, &["etc", "hosts"]), [2]);
        assert_eq!(found(&zone, 3, &["xyzzy"]), [0; 0]);
        assert_eq!(found(&zone, 3, &["ab"]), [0, 1, 2]);
        assert_eq!(found(&zone, 3, &["\0etc\0", "\0host", "sts\0"]), [2]);
        assert_eq!(found(&zone, 3, &["\0ost"]), [0; 0]);
        let long = "etc\0passwd".repeat(20);
        assert!(Asked::of(&[long.into_bytes()]).0.len() <= ASKED_MAX);
    }

    #[test]
    fn what_is_no_group_is_refused() {
        let mut blocks = vec![0];
        assert!(narrow(&[], &[511], &mut blocks).is_none());
        assert!(narrow(&[0xff; 600], &[511], &mut blocks).is_none());
        assert!(narrow(&[1; 1024], &[511], &mut blocks).is_some());
    }
}
