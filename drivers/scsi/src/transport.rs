//! The one door to a device: a command goes in, an outcome comes out.
//!
//! Owns the [`Transport`] trait and the words for what can become of a command. Refuses to decide
//! what to do about it: retry, reposition or give up is the business of whoever knows the device
//! class (`ssc`, `smc`). Implemented by the sg node, by the virtual library, and by test doubles.

use std::fmt;
use std::time::Duration;

use crate::sense::Sense;
use crate::sense_text::sense_text;

/// The data phase of one command.
#[derive(Debug)]
pub enum Data<'a> {
    /// No data phase.
    None,
    /// The device sends; at most this many bytes are taken.
    In(&'a mut [u8]),
    /// The host sends exactly these bytes.
    Out(&'a [u8]),
}

impl Data<'_> {
    /// Bytes offered to the data phase.
    pub fn len(&self) -> usize {
        match self {
            Data::None => 0,
            Data::In(buffer) => buffer.len(),
            Data::Out(bytes) => bytes.len(),
        }
    }

    /// True when the command moves no data.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// GOOD status. `residual` is how many bytes of the data phase were *not* moved; on a write it
    /// must be 0 for the data to count as taken.
    Good {
        /// Bytes offered but not moved.
        residual: usize,
    },
    /// CHECK CONDITION with the sense data that came with it (autosense).
    Check {
        /// Decoded sense, raw bytes kept.
        sense: Sense,
        /// Bytes offered but not moved.
        residual: usize,
    },
    /// BUSY or TASK SET FULL: the device took nothing and may do so later.
    Busy,
    /// RESERVATION CONFLICT: another host holds the device.
    ReservationConflict,
    /// TASK ABORTED: somebody cleared our command; whether it took effect is unknown.
    TaskAborted,
    /// The path failed (host or driver status of the adapter); whether it took effect is unknown.
    Transport {
        /// Linux host byte (`DID_*`).
        host: u16,
        /// Linux driver byte.
        driver: u16,
    },
    /// The time limit passed; whether it took effect is unknown.
    Timeout,
    /// The device is not there any more.
    Gone,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Good { residual: 0 } => f.write_str("good"),
            Outcome::Good { residual } => write!(f, "good, {residual} bytes not moved"),
            Outcome::Check { sense, .. } => {
                let deferred = if sense.deferred { "deferred " } else { "" };
                write!(f, "{deferred}{sense} {}", sense_text(sense))?;
                let bits = [(sense.filemark, "FM"), (sense.eom, "EOM"), (sense.ili, "ILI")];
                bits.iter().filter(|(set, _)| *set).try_for_each(|(_, name)| write!(f, " {name}"))
            }
            Outcome::Busy => f.write_str("busy"),
            Outcome::ReservationConflict => f.write_str("reservation conflict"),
            Outcome::TaskAborted => f.write_str("task aborted"),
            Outcome::Transport { host, driver } => {
                write!(f, "transport failed (host {host:02x}h, driver {driver:02x}h)")
            }
            Outcome::Timeout => f.write_str("timed out"),
            Outcome::Gone => f.write_str("device gone"),
        }
    }
}

/// A device that executes one command at a time.
///
/// *Time*: [`execute`](Transport::execute) blocks for at most about `timeout`, longer only by what
/// the kernel needs to abort the command.
///
/// *Errors*: none; everything that can happen is an [`Outcome`].
pub trait Transport: Send {
    /// How an operator names the device: `/dev/sg3`, `virtual:/srv/lib#drive0`.
    fn name(&self) -> &str;

    /// Executes one command descriptor block (6, 10, 12 or 16 bytes).
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome;

    /// Opens the device anew after it went away. The caller must then check by serial number that
    /// it is the same one.
    fn reopen(&mut self) -> std::io::Result<()>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        (**self).execute(cdb, data, timeout)
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        (**self).reopen()
    }
}
