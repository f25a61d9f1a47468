//! One unit of the library, opened: what a host talks to.
//!
//! Owns names (`virtual:DIR#drive0`), exclusive use across processes, the library-wide lock around
//! each command, and what a scripted fault does to one. The commands themselves are executed by
//! the drive and the changer.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Signal, getpid, kill_process};
use scsi::transport::{Data, Outcome, Transport};

use crate::changer::Changer;
use crate::drive::Drive;
use crate::error::Error;
use crate::fault::{Effect, Faults, Injector, Moment};
use crate::library::Library;
use crate::sense::{BROKEN_INSIDE, Done};

/// Commands that this process gave to any unit.
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// Opens `virtual:DIR#driveN` or `virtual:DIR#changer`.
///
/// *Errors*: [`Error::BadName`], [`Error::Missing`], [`Error::InUse`] with the other's pid.
pub fn open(name: &str) -> Result<Box<dyn Transport>, Error> {
    let parts = name.strip_prefix("virtual:").and_then(|rest| rest.rsplit_once('#'));
    let (dir, unit) = parts.ok_or_else(|| Error::BadName(name.to_owned()))?;
    Ok(Box::new(Device::open(Path::new(dir), unit)?))
}

/// One unit, held for exclusive use until dropped.
#[derive(Debug)]
pub struct Device {
    name: String,
    library: Library,
    unit: Unit,
    /// Holds the unit's own lock.
    lock: File,
    injector: Injector,
    commands: u64,
    gone: Absence,
    host_error: Option<String>,
}

#[derive(Debug)]
enum Unit {
    Drive(Box<Drive>),
    Changer(Box<Changer>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    Here,
    For(u32),
    UntilReopened,
}

/// What a fault makes of the command inside the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    Drop,
    Duplicate,
    Flip { byte: u64, bit: u8 },
    Short(u64),
    LocateOff(i64),
}

impl Device {
    /// Opens unit `drive0`, `drive1`, … or `changer` of the library in `dir`.
    ///
    /// *Errors*: as [`open`].
    pub fn open(dir: &Path, unit: &str) -> Result<Device, Error> {
        let library = Library::open(dir)?;
        let name = format!("virtual:{}#{unit}", library.dir().display());
        let number = unit_number(unit, library.shape().drives);
        let number = number.ok_or_else(|| Error::BadName(name.clone()))?;
        let home = match number {
            Some(number) => library.place.drive(number),
            None => library.place.changer(),
        };
        let lock = claim(&home.join("lock"), &name)?;
        let faults = Faults::load(&library.place.faults())?;
        let engine = match number {
            Some(number) => Unit::Drive(Box::new(Drive::open(&library, number)?)),
            None => Unit::Changer(Box::new(Changer::open(&library)?)),
        };
        Ok(Device {
            injector: Injector::new(unit, faults),
            name,
            library,
            unit: engine,
            lock,
            commands: 0,
            gone: Absence::Here,
            host_error: None,
        })
    }

    /// Plays these faults instead of those in `faults.toml`; counting starts at the next command.
    pub fn script(&mut self, faults: Faults) {
        self.injector.replace(faults);
    }

    /// Commands received since the device was opened.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// What the host said when a file of the library last failed. The command that met it was
    /// answered as a drive would: 3/0C/00, 3/11/00 or 4/44/00.
    pub fn host_error(&self) -> Option<&str> {
        let inner = match &self.unit {
            Unit::Drive(drive) => drive.host_error.as_deref(),
            Unit::Changer(_) => None,
        };
        self.host_error.as_deref().or(inner)
    }

    fn block(&self) -> u64 {
        match &self.unit {
            Unit::Drive(drive) => drive.block(),
            Unit::Changer(_) => 0,
        }
    }

    /// Executes a command as the unit does, behind the library-wide lock.
    fn run(&mut self, cdb: &[u8], data: &mut Data<'_>, fault: Option<Effect>) -> Done {
        let done = match &mut self.unit {
            Unit::Drive(drive) => drive.command(cdb, data, fault),
            Unit::Changer(changer) => changer.command(cdb, data, fault),
        };
        done.unwrap_or_else(|why| {
            self.host_error = Some(why.to_string());
            Err(BROKEN_INSIDE.into())
        })
    }

    fn answer(&mut self, cdb: &[u8], mut data: Data<'_>, fault: Option<Effect>) -> Outcome {
        let offered = data.len();
        match self.run(cdb, &mut data, fault) {
            Ok(moved) => Outcome::Good { residual: offered - moved },
            Err(fail) => Outcome::Check {
                sense: fail.condition.sense(),
                residual: offered - fail.moved.min(offered),
            },
        }
    }

    /// `outcome` takes the place of the answer; the command takes place or not.
    fn replaced(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        moment: Moment,
        outcome: Outcome,
    ) -> Outcome {
        if moment == Moment::After {
            self.answer(cdb, data, None);
        }
        outcome
    }

    fn absent(&mut self) -> bool {
        match self.gone {
            Absence::Here => return false,
            Absence::UntilReopened => {}
            Absence::For(1) => self.gone = Absence::Here,
            Absence::For(left) => self.gone = Absence::For(left - 1),
        }
        true
    }

    fn vanish(&mut self, commands: Option<u32>) {
        self.gone = match commands {
            None => Absence::UntilReopened,
            Some(0 | 1) => Absence::Here,
            Some(more) => Absence::For(more - 1),
        };
    }
}

impl Transport for Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, _timeout: Duration) -> Outcome {
        self.commands += 1;
        let offered = data.len();
        if self.absent() {
            return Outcome::Gone;
        }
        let op = cdb.first().copied().unwrap_or(0);
        let given = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
        let fault = self.injector.next(op, self.block(), given);
        match fault {
            Some(Effect::Check(spec)) => {
                let answer = Outcome::Check { sense: spec.condition().sense(), residual: offered };
                let answer = self.replaced(cdb, data, spec.moment, answer);
                if spec.loses_buffer {
                    self.lose_buffer();
                }
                answer
            }
            Some(Effect::Timeout(moment)) => self.replaced(cdb, data, moment, Outcome::Timeout),
            Some(Effect::TaskAborted(moment)) => {
                self.replaced(cdb, data, moment, Outcome::TaskAborted)
            }
            Some(Effect::Transport { host, driver, moment }) => {
                self.replaced(cdb, data, moment, Outcome::Transport { host, driver })
            }
            Some(Effect::Gone { commands, moment }) => {
                self.vanish(commands);
                self.replaced(cdb, data, moment, Outcome::Gone)
            }
            Some(Effect::Kill(moment)) => {
                let answer = self.replaced(cdb, data, moment, Outcome::Gone);
                self.kill();
                answer
            }
            Some(Effect::Busy) => Outcome::Busy,
            Some(Effect::ReservationConflict) => Outcome::ReservationConflict,
            other => self.answer(cdb, data, other),
        }
    }

    /// Looks at the library again. The unit stayed ours all the time.
    fn reopen(&mut self) -> io::Result<()> {
        self.gone = Absence::Here;
        match &mut self.unit {
            Unit::Drive(drive) => drive.forget(),
            Unit::Changer(changer) => changer.forget(),
        }
        Library::open(self.library.dir()).map(|_| ()).map_err(io::Error::from)
    }
}

impl Device {
    /// Kills this process. The script goes first: who comes back shall live.
    fn kill(&mut self) {
        let script = self.library.place.faults();
        if let Err(why) = std::fs::remove_file(&script) {
            self.host_error = Some(Error::io(&script)(why).to_string());
            return;
        }
        // A process may always kill itself, and nothing of it runs on.
        if let Err(errno) = kill_process(getpid(), Signal::KILL) {
            self.host_error = Some(io::Error::from(errno).to_string());
        }
    }

    fn lose_buffer(&mut self) {
        if let Unit::Drive(drive) = &mut self.unit
            && let Err(why) = drive.lose_buffer()
        {
            self.host_error = Some(why.to_string());
        }
    }
}

impl Drop for Device {
    /// Gives the unit back, also when a process that was started this moment still has a copy of the descriptor.
    fn drop(&mut self) {
        // Unlocking a descriptor we own cannot fail.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// `Some(None)` is the changer, `Some(Some(n))` drive n, `None` no unit.
fn unit_number(unit: &str, drives: u16) -> Option<Option<u16>> {
    if unit == "changer" {
        return Some(None);
    }
    let digits = unit.strip_prefix("drive")?;
    let number: u16 = digits.parse().ok()?;
    (number < drives && number.to_string() == digits).then_some(Some(number))
}

/// Takes a unit for this process, or says who has it.
fn claim(path: &Path, name: &str) -> Result<File, Error> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io(path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let pid = std::fs::read_to_string(path).ok().and_then(|s| s.trim().parse().ok());
            return Err(Error::InUse { name: name.to_owned(), pid });
        }
        Err(errno) => return Err(Error::io(path)(errno.into())),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(Error::io(path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_unit_is_free_once_dropped_though_a_child_still_has_the_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        Library::create(folder.path(), &crate::Shape::default()).unwrap();
        let device = Device::open(folder.path(), "drive0").unwrap();
        // What a process has between its start and its own program.
        let inherited = device.lock.try_clone().unwrap();
        assert!(matches!(Device::open(folder.path(), "drive0"), Err(Error::InUse { .. })));
        drop(device);
        Device::open(folder.path(), "drive0").unwrap();
        drop(inherited);
    }
}
