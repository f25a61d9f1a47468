//! The SCSI vocabulary: commands out, replies in, bytes only.
//!
//! Owns the layout of command descriptor blocks and of everything a tape drive or media changer
//! answers. Does no I/O, has no unsafe code and knows nothing of backups. Sources are named at each
//! item: SPC-5, SSC-5, SMC-3 and, where a device differs, the device.
//!
//! Every decoder is `fn(&[u8]) -> Result<T, Error>` (sense data: `Option<Sense>`). None panics, none
//! reads past its input; a reply that ends early gives its whole fields and `truncated`.
//!
//! | Module | Commands and pages |
//! |---|---|
//! | [`cdb`] | every command sent: SPC-5 here, SSC-5 in [`cdb::tape`], SMC-3 in [`cdb::changer`] |
//! | [`sense`], [`sense_text`] | REQUEST SENSE (03h) and autosense, fixed and descriptor format, and words for it |
//! | [`inquiry`], [`vpd`] | INQUIRY (12h), pages 00h 80h 83h 86h B0h B1h B2h B3h B4h |
//! | [`mode`], [`mode_pages`] | MODE SENSE and SELECT (1Ah 5Ah 15h 55h), pages 0Ah 0A/F0h 0Fh 10h 10/01h 11h 1Ch 1Dh |
//! | [`log`], [`log_pages`], [`statistics`] | LOG SENSE (4Dh), any page as parameters; pages 00h 02h 03h 0Ch 11h 12h 14h 17h 2Eh 31h by name |
//! | [`alert`] | the 64 TapeAlert flags |
//! | [`attribute`] | READ and WRITE ATTRIBUTE (8Ch 8Dh): the cartridge memory |
//! | [`density`] | REPORT DENSITY SUPPORT (44h), densities and medium types |
//! | [`position`] | READ POSITION (34h) short, long, extended; READ BLOCK LIMITS (05h) |
//! | [`opcodes`] | REPORT SUPPORTED OPERATION CODES (A3/0Ch) with time limits; names of commands |
//! | [`element`] | READ ELEMENT STATUS (B8h) |
//! | [`transport`], [`trace`] | the door to a device, and the last commands that went through it |
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
pub mod statistics;
pub mod trace;
pub mod transport;
pub mod types;
pub mod vpd;

pub use error::Error;
pub use sense::{Sense, SenseKey};
pub use trace::Trace;
pub use transport::{Data, Outcome, Transport};
pub use types::{BlockAddress, ElementAddress, Partition, U24, VolumeTag};
