//! Encryption at rest: the layer `age`.
//!
//! Owns both processors and what they share. An encrypted stream is a file of the age format, version 1
//! (age-encryption.org/v1), byte for byte, so the `age` tool opens what is on tape. Recipients and
//! identities are the age crate's; the payload is sealed and opened here, chunk by chunk, so that
//! reading can start in the middle. What the stream says about itself, index lines and name, is sealed
//! under keys that come of the same file key.

pub mod decrypt;
pub mod encrypt;
pub mod header;
mod lines;
mod name;
mod piece;
pub mod unseal;

pub use decrypt::Decrypt;
pub use encrypt::Encrypt;

/// What opens what is sealed.
pub type Identities = std::sync::Arc<Vec<Box<dyn age::Identity + Send + Sync>>>;

/// Name of the layer.
pub const LAYER: &str = "age";
/// Plain bytes of a chunk; only the last one may be shorter.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of a chunk's authentication tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a sealed chunk.
pub const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
