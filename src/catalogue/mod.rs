//! The catalogue: what the authority remembers, durably.
//!
//! Owns one file ([the page](../../docs/catalogue.md) draws it): the [records](record) of the authority and
//! the file list of every job as a [run]. Everything in it has a checksum that binds it to its place; a
//! damaged piece is named and never given out. Decides nothing.

pub mod check;
pub mod envelope;
pub mod export;
pub mod find;
mod keeper;
mod last;
mod migrate;
mod pattern;
pub mod plan;
pub mod rebuild;
pub mod record;
pub mod run;
mod snapshot;
mod store;
mod tables;

pub use keeper::Keeper;
pub use snapshot::Snapshot;
pub use store::{Catalogue, Commit, Reader, SEGMENT_BYTES, sync_folder_of};
pub use tables::Kind;
