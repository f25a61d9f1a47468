//! Processors change or watch streams.

pub mod codec;
pub mod compress;
pub mod decompress;
mod translate;
