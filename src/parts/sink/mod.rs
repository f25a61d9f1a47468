//! Sinks keep streams.

pub mod file;
pub mod filesys;
pub mod null;
pub mod stdout;
pub mod tape;
