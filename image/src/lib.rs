//! Pieces of the bootable image.
//!
//! Owns the archive a kernel unpacks as its first file system: [`cpio`], the format, and [`tree`],
//! a directory made into one. Lays out no image yet.

pub mod cpio;
pub mod error;
pub mod tree;

pub use error::Error;
