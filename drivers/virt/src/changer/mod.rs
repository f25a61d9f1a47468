//! The robot: from a command descriptor block to GOOD or sense data.
//!
//! Owns the order in which a changer thinks. Holds the library-wide lock alone for each command:
//! while it moves something, nothing else moves. Source: SMC-3.

mod inquiry;
mod log;
mod mode;
mod motion;
mod status;

use scsi::transport::Data;

use crate::error::Error;
use crate::fault::Effect;
use crate::library::Library;
use crate::opcodes;
use crate::reply::Reply;
use crate::robot::Robot;
use crate::sense::*;
use crate::store::{self, Held, Lock};

/// The medium changer.
#[derive(Debug)]
pub(crate) struct Changer {
    library: Library,
    lock: Option<Lock>,
    seen: Option<u64>,
    robot: Robot,
    saved: Robot,
    /// A jam stays until the power is cut or the device reopened.
    jammed: bool,
    /// The last command changed what others must look at again.
    moved: bool,
}

impl Changer {
    pub(crate) fn open(library: &Library) -> Result<Changer, Error> {
        let library = Library::open(library.dir())?;
        let lock = library.another_lock()?;
        let mut changer = Changer {
            library,
            lock: None,
            seen: None,
            robot: Robot::default(),
            saved: Robot::default(),
            jammed: false,
            moved: false,
        };
        let changes = lock.shared()?.changes()?;
        changer.refresh(changes)?;
        changer.lock = Some(lock);
        Ok(changer)
    }

    /// Starts again: the jam is cleared, everything is read anew.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
        self.jammed = false;
    }

    fn refresh(&mut self, changes: u64) -> Result<(), Error> {
        if self.seen != Some(changes) {
            self.robot = store::read(&self.library.place.robot())?;
            self.saved = self.robot.clone();
            self.seen = Some(changes);
        }
        if self.robot.attentions.contains(&attention::POWER_ON) {
            self.jammed = false;
        }
        Ok(())
    }

    fn save(&mut self, held: &Held<'_>) -> Result<(), Error> {
        if self.robot != self.saved {
            store::replace(&self.library.place.robot(), &self.robot, false)?;
            self.saved = self.robot.clone();
            self.moved = true;
        }
        if std::mem::take(&mut self.moved) {
            self.seen = Some(held.changed()?);
        }
        Ok(())
    }

    /// Executes one command behind the library-wide lock.
    pub(crate) fn command(
        &mut self,
        cdb: &[u8],
        data: &mut Data<'_>,
        fault: Option<Effect>,
    ) -> Result<Done, Error> {
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => self.library.another_lock()?,
        };
        let done = self.locked(&lock, cdb, data, fault);
        self.lock = Some(lock);
        done
    }

    fn locked(
        &mut self,
        lock: &Lock,
        cdb: &[u8],
        data: &mut Data<'_>,
        fault: Option<Effect>,
    ) -> Result<Done, Error> {
        let held = lock.alone()?;
        self.refresh(held.changes()?)?;
        match fault {
            Some(Effect::Jam) => self.jammed = true,
            Some(Effect::Reset) => self.robot.attend(attention::POWER_ON),
            Some(Effect::AlertFlag(flag)) if !self.robot.alerts.contains(&flag) => {
                self.robot.alerts.push(flag);
            }
            _ => {}
        }
        let done = self.attend_or_execute(cdb, data)?;
        self.save(&held)?;
        Ok(done)
    }

    fn attend_or_execute(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Result<Done, Error> {
        let op = cdb.first().copied().unwrap_or(0);
        if !matches!(op, 0x03 | 0x12 | 0xa0) && !self.robot.attentions.is_empty() {
            let [asc, ascq] = self.robot.attentions.remove(0);
            return Ok(Err(Condition::new(6, asc, ascq).into()));
        }
        let known = opcodes::CHANGER.iter().find(|c| c.is(op, opcodes::service_action(cdb)));
        let Some(known) = known else {
            let half = opcodes::CHANGER.iter().any(|c| c.op == op);
            let why = if half { bad_cdb(1, Some(4)) } else { UNSUPPORTED_OPCODE };
            return Ok(Err(why.into()));
        };
        if cdb.len() < usize::from(known.length()) {
            return Ok(Err(bad_cdb(0, None).into()));
        }
        match op {
            0xa5 => self.move_medium(cdb),
            0xa6 => self.exchange_medium(cdb),
            _ => Ok(self.execute(op, cdb, data)),
        }
    }

    fn execute(&mut self, op: u8, cdb: &[u8], data: &mut Data<'_>) -> Done {
        match op {
            0x00 => Ok(0),
            0x03 => self.request_sense(cdb, data),
            0x07 => self.moving().map(|()| 0),
            0x37 | 0xe7 => self.initialize_range(cdb),
            0x12 => self.inquiry(cdb, data),
            0x15 => self.mode_select(cdb, data, 4),
            0x55 => self.mode_select(cdb, data, 8),
            0x1a => self.mode_sense(cdb, data, 4),
            0x5a => self.mode_sense(cdb, data, 8),
            0x1b => self.open_close(cdb),
            0x1e => self.prevent_allow(cdb),
            0x2b => self.position_to_element(cdb),
            0x4d => self.log_sense(cdb, data),
            0xa0 => crate::drive::report_luns(cdb, data),
            0xa3 => opcodes::report(&opcodes::CHANGER, cdb, data),
            0xb8 => self.read_element_status(cdb, data),
            _ => Err(UNSUPPORTED_OPCODE.into()),
        }
    }

    /// REQUEST SENSE: the oldest unit attention, or nothing.
    fn request_sense(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        if cdb[1] & 1 != 0 {
            return Err(bad_cdb(1, Some(0)).into());
        }
        let condition = if self.robot.attentions.is_empty() {
            Condition::new(0, 0, 0)
        } else {
            let [asc, ascq] = self.robot.attentions.remove(0);
            Condition::new(6, asc, ascq)
        };
        let mut reply = Reply::new();
        reply.bytes(&condition.bytes()).send(data, usize::from(cdb[4]))
    }
}
