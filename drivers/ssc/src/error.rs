//! What went wrong, sorted by whose fault it is.
//!
//! Owns [`Error`] and the table from sense data to it (SPC-5 4.4 and annex D, SSC-5 annex). Every
//! error knows one thing a writer must ask: is the object of the failed command on the medium?

use std::fmt;

use scsi::sense_text::sense_text;
use scsi::{Sense, SenseKey};

/// END-OF-DATA NOT FOUND: the medium was never finished after its last write, perhaps because the
/// power failed. Never an ordinary end, whatever the key.
pub(crate) const END_OF_DATA_MISSING: (u8, u8) = (0x14, 0x03);

/// Whether the object of a failed command reached the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// It did.
    Yes,
    /// It did not, and the command may be given again once the cause is gone.
    No,
    /// Nobody knows: ask for the position before anything else, and never repeat blindly.
    Unknown,
}

/// What is wrong with the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriveFault {
    /// The drive says so itself.
    Sense(Box<Sense>),
    /// Good status, but this many bytes were not moved.
    Short {
        /// Bytes offered but not moved.
        residual: usize,
    },
    /// It stayed BUSY (or TASK SET FULL) beyond the back-off limit.
    Busy,
    /// After LOCATE it stands somewhere else.
    WrongPlace {
        /// Where it was sent.
        wanted: u64,
        /// Where it says it is.
        found: u64,
    },
    /// An answer that cannot be what the standard says it is.
    Nonsense(&'static str),
}

/// What is wrong with the way to the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkFault {
    /// The time limit passed.
    Timeout,
    /// Another initiator or the adapter cleared the command.
    Aborted,
    /// The adapter failed it: Linux host and driver bytes.
    Adapter {
        /// `DID_*`.
        host: u16,
        /// Driver byte.
        driver: u16,
    },
    /// The device is not there any more.
    Gone,
    /// It came back with another serial number.
    Stranger {
        /// The serial number it should have.
        wanted: String,
        /// The serial number it has.
        found: String,
    },
    /// It could not be opened again.
    Open(String),
}

/// What somebody must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Put a medium in.
    Medium,
    /// Mount the medium (LOAD).
    Load,
    /// Wait: the drive is becoming ready, cleaning, or cooling down.
    Patience,
    /// Take the cleaning cartridge out, or a good one.
    Cleaning,
    /// Slide the write-protect tab, or use another medium.
    Unprotected,
    /// Write-once medium: it can only be appended to.
    Appending,
    /// A medium this drive can use.
    SuitableMedium,
    /// The right encryption key.
    Key,
    /// Whoever holds the reservation must let go.
    Reservation,
    /// Look at the drive.
    Attention,
}

/// Anything that keeps a command from doing its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The medium: unreadable, unwritable, format damaged.
    Medium {
        /// Device name.
        device: String,
        /// Command by its standard name.
        command: &'static str,
        /// What the drive said.
        sense: Box<Sense>,
    },
    /// The drive itself.
    Drive {
        /// Device name.
        device: String,
        /// Command by its standard name.
        command: &'static str,
        /// What is wrong.
        fault: DriveFault,
    },
    /// The way to the drive.
    Link {
        /// Device name.
        device: String,
        /// Command by its standard name.
        command: &'static str,
        /// What is wrong.
        fault: LinkFault,
    },
    /// Something a person (or a robot) must change.
    Operator {
        /// Device name.
        device: String,
        /// Command by its standard name.
        command: &'static str,
        /// What is needed.
        need: Need,
        /// What the drive said, when it spoke.
        sense: Option<Box<Sense>>,
    },
    /// Unit attention: the drive was reset, its medium or its modes changed. This command was not
    /// executed; the position, the modes and everything not yet synchronised are in doubt. The
    /// drive's [`generation`](crate::Drive::generation) has advanced.
    Reset {
        /// Device name.
        device: String,
        /// Command that met it.
        command: &'static str,
        /// What the drive said.
        sense: Box<Sense>,
    },
    /// Deferred error: it belongs to *earlier* commands, so everything since the last
    /// non-immediate WRITE FILEMARKS is in doubt.
    Deferred {
        /// Device name.
        device: String,
        /// Command that carried the news.
        command: &'static str,
        /// What the drive said.
        sense: Box<Sense>,
    },
    /// The drive does not have this.
    Unsupported {
        /// Device name.
        device: String,
        /// What was asked for.
        what: &'static str,
    },
    /// We asked for something that makes no sense.
    Ours {
        /// Device name.
        device: String,
        /// What.
        what: String,
    },
}

impl Error {
    /// Whether the object of the failed command is on the medium. Earlier objects that were not
    /// synchronised are a question of their own after [`Error::Reset`] and [`Error::Deferred`].
    pub fn did_it_land(&self) -> Landed {
        match self {
            // A unit attention is reported instead of executing the command (SPC-5 5.15).
            Error::Reset { .. } | Error::Unsupported { .. } | Error::Ours { .. } => Landed::No,
            Error::Operator { .. } => Landed::No,
            Error::Drive { fault: DriveFault::Busy, .. } => Landed::No,
            Error::Link { fault: LinkFault::Stranger { .. } | LinkFault::Open(_), .. } => {
                Landed::No
            }
            // With a buffer in the drive, a failed write may still come out, in part or whole.
            Error::Medium { .. }
            | Error::Drive { .. }
            | Error::Link { .. }
            | Error::Deferred { .. } => Landed::Unknown,
        }
    }

    /// The sense data behind it, when the drive spoke.
    pub fn sense(&self) -> Option<&Sense> {
        match self {
            Error::Medium { sense, .. }
            | Error::Reset { sense, .. }
            | Error::Deferred { sense, .. }
            | Error::Drive { fault: DriveFault::Sense(sense), .. } => Some(sense),
            Error::Operator { sense, .. } => sense.as_deref(),
            _ => None,
        }
    }

    /// True when the drive or its adapter is not reachable and [`reopen`](crate::Drive::reopen) is
    /// the next thing to try.
    pub fn is_gone(&self) -> bool {
        matches!(self, Error::Link { fault: LinkFault::Gone | LinkFault::Open(_), .. })
    }

    /// Sorts sense data that is not an outcome of `command`.
    pub(crate) fn from_sense(device: &str, command: &'static str, sense: Sense) -> Error {
        let device = device.to_owned();
        let code = sense.code.unwrap_or((0, 0));
        if sense.deferred {
            return Error::Deferred { device, command, sense: Box::new(sense) };
        }
        if let Some(need) = need(sense.key, code) {
            return Error::Operator { device, command, need, sense: Some(Box::new(sense)) };
        }
        match (sense.key, code) {
            (SenseKey::UnitAttention, _) => {
                Error::Reset { device, command, sense: Box::new(sense) }
            }
            (SenseKey::IllegalRequest, (0x20 | 0x24 | 0x25 | 0x26, _)) => {
                Error::Unsupported { device, what: command }
            }
            (SenseKey::IllegalRequest, _) => {
                Error::Ours { device, what: format!("{command} refused ({sense})") }
            }
            (SenseKey::MediumError | SenseKey::BlankCheck | SenseKey::VolumeOverflow, _) => {
                Error::Medium { device, command, sense: Box::new(sense) }
            }
            _ => Error::Drive { device, command, fault: DriveFault::Sense(Box::new(sense)) },
        }
    }
}

/// The conditions somebody can do something about.
fn need(key: SenseKey, code: (u8, u8)) -> Option<Need> {
    Some(match (key, code) {
        (SenseKey::NotReady, (0x3a, _)) => Need::Medium,
        (SenseKey::NotReady, (0x04, 0x02)) => Need::Load,
        (SenseKey::NotReady, (0x04, 0x03 | 0x12)) => Need::Attention,
        (SenseKey::NotReady, (0x04 | 0x0b, _)) => Need::Patience,
        (SenseKey::NotReady | SenseKey::MediumError, (0x30, 0x03 | 0x07)) => Need::Cleaning,
        (SenseKey::NotReady | SenseKey::MediumError | SenseKey::IllegalRequest, (0x30, _)) => {
            Need::SuitableMedium
        }
        (SenseKey::NotReady, _) => Need::Attention,
        (SenseKey::DataProtect, (0x74, _) | (0x26, 0x10) | (0x2a, 0x13)) => Need::Key,
        (SenseKey::DataProtect, (0x30, 0x0c) | (0x50, 0x01) | (0x5a, 0x02)) => Need::Appending,
        (SenseKey::DataProtect, (0x30, _)) => Need::SuitableMedium,
        (SenseKey::DataProtect, _) => Need::Unprotected,
        _ => return None,
    })
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Medium => "no medium; insert one",
            Need::Load => "the medium is not mounted; load it",
            Need::Patience => "not ready yet; wait",
            Need::Cleaning => "a cleaning cartridge is in the drive; take it out",
            Need::Unprotected => "the medium is write protected; slide its tab or use another",
            Need::Appending => "a write-once medium can only be appended to; use another",
            Need::SuitableMedium => "this drive cannot use this medium; use another",
            Need::Key => "the encryption key is missing or wrong; set the right one",
            Need::Reservation => "another host has reserved the drive; release it there",
            Need::Attention => "the drive needs somebody to look at it",
        })
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkFault::Timeout => f.write_str("no answer within its time limit"),
            LinkFault::Aborted => f.write_str("aborted by somebody else"),
            LinkFault::Adapter { host, driver } => {
                write!(f, "adapter failure (host {host:02X}h, driver {driver:02X}h)")
            }
            LinkFault::Gone => f.write_str("the device is gone"),
            LinkFault::Stranger { wanted, found } => {
                write!(f, "another drive answers (serial {found}, expected {wanted})")
            }
            LinkFault::Open(why) => write!(f, "cannot be opened: {why}"),
        }
    }
}

impl fmt::Display for DriveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DriveFault::Sense(sense) => write!(f, "{} ({sense})", sense_text(sense)),
            DriveFault::Short { residual } => {
                write!(f, "good status, but {residual} bytes were not moved")
            }
            DriveFault::Busy => f.write_str("stayed busy"),
            DriveFault::WrongPlace { wanted, found } => {
                write!(f, "sent to block {wanted}, stands at block {found}")
            }
            DriveFault::Nonsense(what) => write!(f, "nonsense: {what}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Medium { device, command, sense } => {
                write!(f, "{device}: {command}: medium: {} ({sense})", sense_text(sense))
            }
            Error::Drive { device, command, fault } => {
                write!(f, "{device}: {command}: drive: {fault}")
            }
            Error::Link { device, command, fault } => {
                write!(f, "{device}: {command}: link: {fault}")
            }
            Error::Operator { device, command, need, sense: Some(sense) } => {
                write!(f, "{device}: {command}: {need} ({sense})")
            }
            Error::Operator { device, command, need, sense: None } => {
                write!(f, "{device}: {command}: {need}")
            }
            Error::Reset { device, command, sense } => write!(
                f,
                "{device}: {command}: unit attention, position and modes unknown: {} ({sense})",
                sense_text(sense)
            ),
            Error::Deferred { device, command, sense } => write!(
                f,
                "{device}: {command}: deferred error of an earlier command: {} ({sense})",
                sense_text(sense)
            ),
            Error::Unsupported { device, what } => write!(f, "{device}: does not support {what}"),
            Error::Ours { device, what } => write!(f, "{device}: {what}"),
        }
    }
}

impl std::error::Error for Error {}
