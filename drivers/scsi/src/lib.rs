//! The SCSI vocabulary: commands out, replies in, bytes only.
//!
//! Owns the layout of command descriptor blocks and of everything a tape drive or media changer
//! answers. Does no I/O, has no unsafe code and knows nothing of backups. Sources are named at each
//! item: SPC-5, SSC-5, SMC-3 and, where a device differs, the device.
#![forbid(unsafe_code)]

pub mod sense;
pub mod transport;

pub use sense::{Sense, SenseKey};
pub use transport::{Data, Outcome, Transport};
