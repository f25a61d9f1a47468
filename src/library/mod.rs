//! Volumes in drives: the tape format meets real commands.
//!
//! Owns everything between a stream and an [`ssc::Drive`]: who a cartridge is and whether it may be
//! written, writing parts so that what is acknowledged survives, reading them back with every block
//! checked, and fetching cartridges through a changer. Knows no stream's meaning.

pub mod check;
pub mod contents;
pub mod device;
pub mod dump;
pub(crate) mod fault;
pub mod mount;
pub mod place;
pub mod reader;
pub mod reel;
pub mod writer;

pub use mount::Mount;
pub use place::PlaceName;
pub use reader::{Part, Step, Survey, VolumeReader};
pub use reel::{Found, Reel, erase, identify};
pub use writer::{Scribe, Shelf, SyncEvery, TapeWriter};
