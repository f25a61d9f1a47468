//! Sinks keep streams.

pub mod null;
pub mod tape;
