//! Runs: the file list of a job, sorted, compressed and never changed.
//!
//! Owns the format of a run ([the page](../../../docs/catalogue.md) draws it): blocks of rows in the order of
//! a walk, an index of blocks, grams for searches, seek points, sealed lines. A lookup reads the index
//! and a block or two. Knows nothing of the store that keeps its bytes.

pub mod block;
pub mod column;
pub mod grams;
pub mod index;
pub mod key;
pub mod piece;
pub mod read;
pub mod row;
pub mod sort;
pub mod write;

pub use read::{Run, Shelf};
pub use row::{Row, Said};
pub use write::{NewRun, RunHead, RunWriter};

#[cfg(test)]
mod tests;
