//! Sources make streams.

pub mod filesys;
pub mod tape;
