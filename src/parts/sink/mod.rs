//! Sinks keep streams.

pub mod filesys;
pub mod null;
pub mod tape;
