//! Sinks keep streams.

pub mod null;
