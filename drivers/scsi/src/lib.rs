//! The SCSI vocabulary: commands out, replies in, bytes only.
//!
//! Owns the layout of command descriptor blocks and of everything a tape drive or media changer
//! answers. Does no I/O, has no unsafe code and knows nothing of backups. Sources are named at each
//! item: SPC-5, SSC-5, SMC-3 and, where a device differs, the device.
//!
//! Every decoder is `fn(&[u8]) -> Result<T, Error>` (sense data: `Option<Sense>`). None panics, none
//! reads past its input; a reply that ends early gives its whole fields and `truncated`.
#![forbid(unsafe_code)]
#![warn(clippy::cast_possible_truncation)]

pub mod alert;
pub mod attribute;
pub mod cdb;
pub mod density;
pub mod element;
pub mod error;
pub mod inquiry;
pub mod log;
pub mod log_pages;
pub mod mode;
pub mod mode_pages;
pub mod opcodes;
pub mod position;
pub mod reader;
pub mod sense;
pub mod sense_text;
pub mod trace;
pub mod transport;
pub mod types;
pub mod vpd;

pub use error::Error;
pub use sense::{Sense, SenseKey};
pub use trace::Trace;
pub use transport::{Data, Outcome, Transport};
pub use types::{BlockAddress, ElementAddress, Partition, U24, VolumeTag};
