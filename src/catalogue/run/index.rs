//! The index of a run: what pieces it has and what may be in them.
//!
//! Owns the search for blocks by key and for seek points by offset. Fits in memory whole: about sixty
//! bytes for each block of rows. Believes nothing that it reads: pieces must follow each other and keys
//! must be in order.

use serde::{Deserialize, Serialize};

use super::grams::{GROUPS, ZONE_BLOCKS};
use super::piece::PieceAt;

/// A block of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockAt {
    /// Its first key.
    pub first: Vec<u8>,
    /// Its keys.
    pub keys: PieceAt,
    /// What is said about them.
    pub facts: PieceAt,
}

/// Seek points of one layer that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeeksAt {
    /// Which layer, 1 = innermost.
    pub depth: u8,
    /// The smallest, before and after the layer.
    pub first: (u64, u64),
    /// The largest.
    pub last: (u64, u64),
    /// All of them.
    pub piece: PieceAt,
}

/// All pieces of a run but the index itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Index {
    /// Rows, in order.
    pub blocks: Vec<BlockAt>,
    /// Grams of so many blocks each, from the first. Without any, a search reads all blocks.
    pub zones: Vec<Vec<PieceAt>>,
    /// Seek points.
    pub seeks: Vec<SeeksAt>,
    /// Sealed lines and what opens them, as text, in the order in which they came.
    pub aside: Vec<PieceAt>,
}

impl Index {
    /// Every piece, in order of place.
    pub fn pieces(&self) -> Vec<&PieceAt> {
        let blocks = self.blocks.iter().flat_map(|block| [&block.keys, &block.facts]);
        let zones = self.zones.iter().flatten();
        let seeks = self.seeks.iter().map(|seeks| &seeks.piece);
        let mut all: Vec<&PieceAt> = blocks.chain(zones).chain(seeks).chain(&self.aside).collect();
        all.sort_by_key(|piece| piece.offset);
        all
    }

    /// What is wrong with it, for a run whose pieces end at `end`.
    pub fn fault(&self, end: u64) -> Option<&'static str> {
        let mut next = 0;
        for piece in self.pieces() {
            if piece.offset != next {
                return Some("its pieces do not follow each other");
            }
            next = piece.end();
        }
        let zones = self.blocks.len().div_ceil(ZONE_BLOCKS as usize);
        let whole = |zone: &Vec<PieceAt>| zone.len() == GROUPS;
        if next != end {
            Some("its pieces are not all of it")
        } else if !self.blocks.is_sorted_by(|a, b| a.first <= b.first) {
            Some("its keys are not in order")
        } else if !self.zones.is_empty() && self.zones.len() != zones {
            Some("its grams are not of all blocks")
        } else if !self.zones.iter().all(whole) {
            Some("its grams have not all groups")
        } else {
            None
        }
    }

    /// The block in which the first row with a key from `key` on is, if there is one: there or at the
    /// start of the next.
    pub fn block_of(&self, key: &[u8]) -> usize {
        // Rows of one key may begin in the block before one that begins with it.
        self.blocks.partition_point(|block| block.first.as_slice() < key).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, length: u32) -> PieceAt {
        PieceAt { offset, length, raw: 0, plain: 0, seal: [0; 16] }
    }

    fn block(first: &str, offset: u64) -> BlockAt {
        BlockAt { first: first.into(), keys: piece(offset, 2), facts: piece(offset + 2, 3) }
    }

    #[test]
    fn pieces_must_be_all_of_the_run() {
        let index = Index { blocks: vec![block("a", 0), block("b", 5)], ..Index::default() };
        assert_eq!(index.fault(10), None);
        assert!(index.fault(11).is_some());
        let twice = Index { blocks: vec![block("a", 0), block("b", 4)], ..Index::default() };
        assert!(twice.fault(9).is_some());
        let turned = Index { blocks: vec![block("b", 0), block("a", 5)], ..Index::default() };
        assert!(turned.fault(10).is_some());
    }

    #[test]
    fn a_key_is_looked_for_where_it_can_first_be() {
        let first = ["b", "d", "d", "f"];
        let blocks = first.iter().zip(0..).map(|(key, n)| block(key, n * 5)).collect();
        let index = Index { blocks, ..Index::default() };
        for (key, at) in [("a", 0), ("b", 0), ("c", 0), ("d", 0), ("e", 2), ("f", 2), ("g", 3)] {
            assert_eq!(index.block_of(key.as_bytes()), at, "{key}");
        }
        assert_eq!(Index::default().block_of(b"a"), 0);
    }
}
