//! Sinks keep streams.

pub mod file;
pub mod null;
pub mod stdout;
