//! Sources make streams.

pub mod tape;
