//! Processors change or watch streams.

pub mod age;
pub mod codec;
pub mod compress;
pub mod decompress;
pub(crate) mod entries;
mod layer;
pub mod record;
mod translate;
pub mod verify;
mod wants;
