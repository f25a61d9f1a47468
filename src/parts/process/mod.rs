//! Processors change or watch streams.

pub mod codec;
pub mod compress;
pub mod decompress;
mod entries;
pub mod record;
mod translate;
pub mod verify;
