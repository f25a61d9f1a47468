//! What a tape looks like: bytes to types and back, nothing else.
//!
//! Owns the format that `docs/format.md` draws: blocks that prove themselves, the label and text
//! page, parts and their index, the rescue kit. Opens nothing and knows no drive. The page is the
//! law: where this code and the page differ, the code is wrong.

pub mod block;
pub mod index;
pub mod kit;
pub mod label;
pub mod part;
pub mod text;

pub use block::{BlockKind, Damage, Header};
pub use label::Label;

/// Bytes of a block on a volume, unless its label says otherwise.
pub const BLOCK_BYTES: usize = 512 * 1024;
/// Smallest block of a volume.
pub const BLOCK_BYTES_MIN: usize = 64 * 1024;
/// Largest block of a volume; reading starts with a buffer of this size.
pub const BLOCK_BYTES_MAX: usize = 1024 * 1024;

/// Says whether `bytes` can be the block size of a volume.
pub fn is_block_size(bytes: usize) -> bool {
    (BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(4096)
}
