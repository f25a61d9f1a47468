//! A tape drive over any transport.
//!
//! Owns what the words of SSC-5 *mean* for somebody who writes and reads a medium: a block that was
//! taken, an early warning, a filemark, a position. Knows nothing of backups, labels or changers;
//! moves no data but through [`scsi::Transport`]. Every command has a time limit from the drive
//! itself with a table as floor, every answer is sorted into an outcome or an error by whose fault
//! it is, and nothing whose effect is unknown is ever repeated blindly.
#![forbid(unsafe_code)]

mod attach;
mod capability;
mod clock;
mod count;
mod drive;
mod error;
mod health;
mod limits;
mod mode;
mod motion;
mod outcome;
mod position;
mod readiness;
mod transfer;

pub use capability::{Capabilities, Support};
pub use clock::{Clock, SystemClock};
pub use drive::{Drive, Identity};
pub use error::{DriveFault, Error, Landed, LinkFault, Need};
pub use health::{AlertSource, MediumInfo};
pub use limits::Limits;
pub use outcome::{Immediate, ReadOut, Readiness, Spaced, Written};
pub use position::{Confirmed, Position};
pub use scsi::alert::Flag as TapeAlert;
pub use scsi::trace::Trace;
pub use scsi::{BlockAddress, Partition};

/// Largest block one READ(6) or WRITE(6) can carry: its length field has 24 bits.
pub const BLOCK_BYTES_MAX: usize = 0xff_ffff;
