//! The library's devices by logical unit number: 0 is the changer, n the n-th drive.
//!
//! Owns what a target says where no device answers: REPORT LUNS, and numbers that name nothing. Reads `faults.toml`
//! again when it was replaced, so that a test can have its next fault without a new session.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use scsi::{Data, Outcome, Transport};
use virt::{Device, Faults, Library};

/// What the initiator is told of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// SCSI status (SAM-5 5.3.1), sense data, and how many bytes of those offered were not moved.
    Status { status: u8, sense: Vec<u8>, residual: usize },
    /// The path to the device failed: a response code of the target.
    Failed,
    /// Nothing, ever.
    Silent,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Answer {
        let bare = |status| Answer::Status { status, sense: Vec::new(), residual: 0 };
        match outcome {
            Outcome::Good { residual } => Answer::good(residual),
            Outcome::Check { sense, residual } => {
                Answer::Status { status: 0x02, sense: sense.raw, residual }
            }
            Outcome::Busy => bare(0x08),
            Outcome::ReservationConflict => bare(0x18),
            Outcome::TaskAborted => bare(0x40),
            Outcome::Transport { .. } | Outcome::Gone => Answer::Failed,
            Outcome::Timeout => Answer::Silent,
        }
    }
}

impl Answer {
    fn good(residual: usize) -> Answer {
        Answer::Status { status: 0, sense: Vec::new(), residual }
    }

    /// ILLEGAL REQUEST with this additional sense code, in fixed format.
    fn illegal(residual: usize, asc: u8) -> Answer {
        let mut sense = vec![0; 18];
        (sense[0], sense[2], sense[7], sense[12]) = (0x70, 0x05, 10, asc);
        Answer::Status { status: 0x02, sense, residual }
    }
}

/// The virtual devices answer from files and keep no time.
const NO_LIMIT: Duration = Duration::MAX;

/// All units of one library, held for exclusive use.
#[derive(Debug)]
pub struct Units {
    faults: PathBuf,
    units: Vec<Mutex<Unit>>,
}

#[derive(Debug)]
struct Unit {
    device: Device,
    script: Option<SystemTime>,
}

impl Units {
    /// Opens every device of the library in `dir`.
    ///
    /// # Errors
    ///
    /// Those of opening a library and its devices: missing, damaged, in use.
    pub fn open(dir: &Path) -> Result<Units, virt::Error> {
        let library = Library::open(dir)?;
        let faults = library.dir().join("faults.toml");
        let drives = (0..library.shape().drives).map(|number| format!("drive{number}"));
        let units = std::iter::once("changer".to_owned()).chain(drives).map(|name| {
            let device = Device::open(dir, &name)?;
            Ok(Mutex::new(Unit { device, script: written(&faults) }))
        });
        Ok(Units { units: units.collect::<Result<_, virt::Error>>()?, faults })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.units.len()
    }

    /// Executes one command at `lun`.
    pub(crate) fn execute(&self, lun: Option<u16>, cdb: &[u8], data: Data<'_>) -> Answer {
        let unit = lun.and_then(|lun| self.units.get(usize::from(lun)));
        match (cdb.first(), unit) {
            (Some(&REPORT_LUNS), _) => self.report_luns(cdb, data),
            (_, Some(unit)) => {
                // A command that panicked left files behind, and those are read again by the next.
                let mut unit = unit.lock().unwrap_or_else(PoisonError::into_inner);
                unit.follow_script(&self.faults);
                unit.device.execute(cdb, data, NO_LIMIT).into()
            }
            (Some(&INQUIRY), None) => fill(data, &NO_UNIT),
            (_, None) => Answer::illegal(data.len(), LUN_NOT_SUPPORTED),
        }
    }

    /// SPC-5 6.33: eight bytes a number behind a header of eight.
    fn report_luns(&self, cdb: &[u8], data: Data<'_>) -> Answer {
        let Some(allocation) = cdb.get(6..10) else {
            return Answer::illegal(data.len(), INVALID_FIELD);
        };
        let allocation = allocation.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let count = self.units.len() as u32;
        let mut reply = (count * 8).to_be_bytes().to_vec();
        reply.extend([0; 4]);
        for lun in 0..self.units.len() as u16 {
            reply.extend(lun.to_be_bytes());
            reply.extend([0; 6]);
        }
        reply.truncate(allocation);
        fill(data, &reply)
    }
}

const INQUIRY: u8 = 0x12;
const REPORT_LUNS: u8 = 0xa0;
/// Additional sense codes, SPC-5 annex F.
const INVALID_FIELD: u8 = 0x24;
const LUN_NOT_SUPPORTED: u8 = 0x25;

/// INQUIRY data where no unit is: peripheral qualifier 3, type 1Fh (SPC-5 6.6.2).
const NO_UNIT: [u8; 36] = {
    let mut reply = [0; 36];
    reply[0] = 0x7f;
    reply[2] = 6;
    reply[3] = 2;
    reply[4] = 31;
    reply
};

impl Unit {
    /// Plays what is in the script now, should it have been replaced. A script that cannot be read is told and changes
    /// nothing.
    fn follow_script(&mut self, path: &Path) {
        let now = written(path);
        if now == self.script {
            return;
        }
        self.script = now;
        // Opening it anew ends what an earlier script began: a jam, an absence.
        let played = Faults::load(path).and_then(|faults| {
            let failed = |source| virt::Error::Io { path: path.to_owned(), source };
            self.device.reopen().map_err(failed)?;
            self.device.script(faults);
            Ok(())
        });
        if let Err(error) = played {
            eprintln!("iscsi: {error}");
        }
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// As much of `reply` as there is room for.
fn fill(data: Data<'_>, reply: &[u8]) -> Answer {
    match data {
        Data::In(buffer) => {
            let moved = buffer.len().min(reply.len());
            buffer[..moved].copy_from_slice(&reply[..moved]);
            Answer::good(buffer.len() - moved)
        }
        other => Answer::good(other.len()),
    }
}
