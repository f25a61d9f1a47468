//! The drive, and the one path every command takes to it.
//!
//! Owns the state a host keeps about a drive (identity, capabilities, time limits, generation,
//! counted position) and [`Drive::issue`]: time limit, BUSY back-off, trace, and the sorting of what
//! is never an outcome (unit attention, deferred error, lost link) into errors.

use std::fmt;
use std::time::Duration;

use scsi::opcodes::command_name;
use scsi::trace::Trace;
use scsi::{Data, Outcome, Sense, SenseKey, Transport};

use crate::capability::Capabilities;
use crate::clock::Clock;
use crate::count::Count;
use crate::error::{DriveFault, Error, LinkFault, Need};
use crate::limits::Limits;

/// Longest time a command is offered again to a drive that says BUSY.
const BUSY_LIMIT: Duration = Duration::from_secs(60);
const BUSY_PAUSE_FIRST: Duration = Duration::from_millis(10);
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Who the drive says it is (INQUIRY, and vital product data page 80h).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// T10 vendor identification.
    pub vendor: String,
    /// Product identification.
    pub product: String,
    /// Product revision level: the firmware.
    pub revision: String,
    /// Unit serial number; empty when the drive has no page 80h.
    pub serial: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.vendor, self.product, self.revision)?;
        if self.serial.is_empty() { Ok(()) } else { write!(f, " serial {}", self.serial) }
    }
}

/// A tape drive.
///
/// Every method that talks to the drive blocks until the drive answers or the command's time limit
/// passes (minutes to hours, see [`Limits`]). One thread owns a drive and makes every call.
pub struct Drive {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    pub(crate) generation: u64,
    pub(crate) recovered: u64,
    pub(crate) count: Count,
    pub(crate) trace: Trace,
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .field("generation", &self.generation)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// An answer that is the caller's to understand.
#[derive(Debug)]
pub(crate) enum Answer {
    Good { residual: usize },
    Check { sense: Sense, residual: usize },
}

impl Drive {
    /// How an operator names it: `/dev/sg3`, `virtual:/srv/lib#drive0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who it says it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it can do, as far as known by now.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Time limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Advances with every unit attention, reset, medium change and reopen. What was known about
    /// position, modes and label holds only while this number stays the same.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Commands that succeeded only after the drive's own recovery (sense key 1) since `attach`.
    pub fn recovered(&self) -> u64 {
        self.recovered
    }

    /// The last commands and what became of them.
    pub fn last_commands(&self) -> &Trace {
        &self.trace
    }

    /// Sends one command. `Ok` is GOOD or a CHECK CONDITION about this command; everything that is
    /// never an outcome comes back as an error.
    pub(crate) fn issue(&mut self, cdb: &[u8], mut data: Data<'_>) -> Result<Answer, Error> {
        let limit = self.limits.of(cdb);
        let started = self.clock.now();
        let mut pause = BUSY_PAUSE_FIRST;
        loop {
            let outcome = self.once(cdb, again(&mut data), limit);
            // BUSY and TASK SET FULL took nothing (SAM-6 5.3), so offering again is safe.
            if outcome != Outcome::Busy || self.clock.now() - started >= BUSY_LIMIT {
                return self.sort(cdb, outcome);
            }
            self.clock.sleep(pause);
            pause = (pause * 2).min(BUSY_PAUSE_MAX);
        }
    }

    fn once(&mut self, cdb: &[u8], data: Data<'_>, limit: Duration) -> Outcome {
        let started = self.clock.now();
        let outcome = self.transport.execute(cdb, data, limit);
        let took = self.clock.now().saturating_sub(started);
        self.trace.record(cdb, &outcome, took);
        outcome
    }

    fn sort(&mut self, cdb: &[u8], outcome: Outcome) -> Result<Answer, Error> {
        let fault = match outcome {
            Outcome::Good { residual } => return Ok(Answer::Good { residual }),
            Outcome::Check { sense, residual } => return self.sort_check(cdb, sense, residual),
            Outcome::Busy => return Err(self.drive_fault(cdb, DriveFault::Busy)),
            Outcome::ReservationConflict => {
                return Err(Error::Operator {
                    device: self.name.clone(),
                    command: command_name(cdb),
                    need: Need::Reservation,
                    sense: None,
                });
            }
            Outcome::TaskAborted => LinkFault::Aborted,
            Outcome::Transport { host, driver } => LinkFault::Adapter { host, driver },
            Outcome::Timeout => LinkFault::Timeout,
            Outcome::Gone => LinkFault::Gone,
        };
        self.count = Count::UNKNOWN;
        Err(Error::Link { device: self.name.clone(), command: command_name(cdb), fault })
    }

    fn sort_check(&mut self, cdb: &[u8], sense: Sense, residual: usize) -> Result<Answer, Error> {
        if sense.deferred {
            self.count = Count::UNKNOWN;
            return Err(self.refuse(cdb, sense));
        }
        match sense.key {
            SenseKey::UnitAttention => {
                self.attention();
                Err(self.refuse(cdb, sense))
            }
            SenseKey::RecoveredError => {
                self.recovered += 1;
                Ok(Answer::Check { sense, residual })
            }
            _ => Ok(Answer::Check { sense, residual }),
        }
    }

    /// A unit attention was met: what was known is not known any more.
    pub(crate) fn attention(&mut self) {
        self.generation += 1;
        self.count = Count::UNKNOWN;
    }

    /// A command without outcomes of its own: keys 0, 1 and F count as done. Returns the residual.
    pub(crate) fn simple(&mut self, cdb: &[u8], data: Data<'_>) -> Result<usize, Error> {
        match self.issue(cdb, data)? {
            Answer::Good { residual } => Ok(residual),
            Answer::Check { sense, residual } if succeeded(&sense) => Ok(residual),
            Answer::Check { sense, .. } => Err(self.refuse(cdb, sense)),
        }
    }

    /// A command that brings data: returns the bytes that came.
    pub(crate) fn fetch(&mut self, cdb: &[u8], room: usize) -> Result<Vec<u8>, Error> {
        let mut buffer = vec![0; room];
        let residual = self.simple(cdb, Data::In(&mut buffer))?;
        buffer.truncate(room.saturating_sub(residual));
        Ok(buffer)
    }

    /// The error for sense data that is no outcome of the command.
    pub(crate) fn refuse(&self, cdb: &[u8], sense: Sense) -> Error {
        Error::from_sense(&self.name, command_name(cdb), sense)
    }

    pub(crate) fn drive_fault(&self, cdb: &[u8], fault: DriveFault) -> Error {
        Error::Drive { device: self.name.clone(), command: command_name(cdb), fault }
    }

    pub(crate) fn unsupported(&self, what: &'static str) -> Error {
        Error::Unsupported { device: self.name.clone(), what }
    }

    pub(crate) fn ours(&self, what: String) -> Error {
        Error::Ours { device: self.name.clone(), what }
    }
}

/// Key 1 is success with a warning, key F success with an extra word, key 0 nothing to report.
pub(crate) fn succeeded(sense: &Sense) -> bool {
    matches!(sense.key, SenseKey::NoSense | SenseKey::RecoveredError | SenseKey::Completed)
}

/// The same data phase once more.
fn again<'a>(data: &'a mut Data<'_>) -> Data<'a> {
    match data {
        Data::None => Data::None,
        Data::In(buffer) => Data::In(buffer),
        Data::Out(bytes) => Data::Out(bytes),
    }
}
