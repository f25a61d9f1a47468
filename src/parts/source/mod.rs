//! Sources make streams.

pub mod filesys;
