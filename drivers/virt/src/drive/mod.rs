//! A drive: from a command descriptor block to GOOD or sense data.
//!
//! Owns the order in which a drive thinks (SPC-5 5.x): unit attention first, then is there such a
//! command, then is the medium ready, then the command itself. Holds the state all commands share.
//! The commands are in the files beside this one, by subject.

pub(crate) mod state;

mod attribute;
mod density;
pub(crate) mod inquiry;
mod load;
mod log;
mod mode;
mod position;
mod read_write;

use std::fs::File;
use std::io;

use scsi::transport::Data;

use crate::device::Twist;
use crate::error::Error;
use crate::fault::Effect;
use crate::library::{Library, drive_serial};
use crate::medium::{ReadError, Tape};
use crate::memory::Memory;
use crate::opcodes;
use crate::reply::{Reply, field};
use crate::robot::Robot;
use crate::sense::*;
use crate::shape::{FIRST_DRIVE, Options, Shape};
use crate::store::{self, Lock, Place};
use state::{DriveState, Whereabouts};

/// The medium in the drive.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub(crate) number: u32,
    pub(crate) memory: Memory,
    pub(crate) tape: Tape,
}

/// One drive.
#[derive(Debug)]
pub(crate) struct Drive {
    place: Place,
    number: u16,
    serial: String,
    changer_serial: String,
    shape: Shape,
    options: Options,
    lock: Option<Lock>,
    /// Change counter of the library when the rest was last read; `None`: read it again.
    seen: Option<u64>,
    state: DriveState,
    /// As last saved, to save only changes.
    saved: (DriveState, Whereabouts),
    at: Whereabouts,
    position_file: File,
    mounted: Option<Mounted>,
    memory_changed: bool,
    twist: Option<Twist>,
    pub(crate) host_error: Option<String>,
}

impl Drive {
    pub(crate) fn open(library: &Library, number: u16) -> Result<Drive, Error> {
        let mut drive = Drive::detached(library, number)?;
        let lock = library.another_lock()?;
        let held = lock.shared()?;
        drive.refresh(held.changes()?)?;
        drop(held);
        drive.lock = Some(lock);
        Ok(drive)
    }

    /// A drive as the robot sees it, which holds the library-wide lock alone.
    pub(crate) fn for_robot(library: &Library, number: u16) -> Result<Drive, Error> {
        let mut drive = Drive::detached(library, number)?;
        drive.refresh(0)?;
        Ok(drive)
    }

    fn detached(library: &Library, number: u16) -> Result<Drive, Error> {
        let place = library.place.clone();
        Ok(Drive {
            position_file: Whereabouts::file(&place, number)?,
            place,
            number,
            serial: drive_serial(library.shape().seed, number),
            changer_serial: library.changer_serial(),
            shape: library.shape().clone(),
            options: library.options().clone(),
            lock: None,
            seen: None,
            state: DriveState::default(),
            saved: Default::default(),
            at: Whereabouts::default(),
            mounted: None,
            memory_changed: false,
            twist: None,
            host_error: None,
        })
    }

    /// Block address the drive stands at.
    pub(crate) fn block(&self) -> u64 {
        self.at.block
    }

    /// Reads everything again at the next command.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }

    /// Reads what others may have changed.
    fn refresh(&mut self, changes: u64) -> Result<(), Error> {
        if self.seen == Some(changes) {
            return Ok(());
        }
        self.state = DriveState::load(&self.place, self.number)?;
        self.at = Whereabouts::load(&self.position_file, &self.place, self.number)?;
        self.saved = (self.state.clone(), self.at);
        self.mounted = None;
        let robot: Robot = store::read(&self.place.robot())?;
        if let Some(cartridge) = robot.at(FIRST_DRIVE + self.number) {
            let dir = self.place.medium(cartridge.medium);
            let memory = store::read(&dir.join("memory.toml"))?;
            let tape = Tape::open(&dir).map_err(Error::io(&dir))?;
            self.at.block = self.at.block.min(tape.objects()); // the file may have lost some
            self.mounted = Some(Mounted { number: cartridge.medium, memory, tape });
        }
        self.memory_changed = false;
        self.seen = Some(changes);
        Ok(())
    }

    /// Writes down what the last command changed.
    fn save(&mut self) -> Result<(), Error> {
        if self.state != self.saved.0 {
            self.state.save(&self.place, self.number)?;
            self.saved.0 = self.state.clone();
        }
        if self.at != self.saved.1 {
            self.at.save(&self.position_file, &self.place, self.number)?;
            self.saved.1 = self.at;
        }
        if let Some(mounted) = &self.mounted
            && self.memory_changed
        {
            let path = self.place.medium(mounted.number).join("memory.toml");
            store::replace(&path, &mounted.memory, false)?;
            self.memory_changed = false;
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
        let lock = self.lock.take();
        let done = self.locked(lock.as_ref(), cdb, data, fault);
        self.lock = lock;
        done
    }

    fn locked(
        &mut self,
        lock: Option<&Lock>,
        cdb: &[u8],
        data: &mut Data<'_>,
        fault: Option<Effect>,
    ) -> Result<Done, Error> {
        let held = lock.map(Lock::shared).transpose()?;
        if let Some(held) = &held {
            self.refresh(held.changes()?)?;
        }
        self.prepare(fault)?;
        let done = self.attend_or_execute(cdb, data);
        self.twist = None;
        self.save()?;
        Ok(done)
    }

    fn prepare(&mut self, fault: Option<Effect>) -> Result<(), Error> {
        self.twist = match fault {
            Some(Effect::DropBlock) => Some(Twist::Drop),
            Some(Effect::DuplicateBlock) => Some(Twist::Duplicate),
            Some(Effect::FlipBit { byte, bit }) => Some(Twist::Flip { byte, bit }),
            Some(Effect::ShortResidual(bytes)) => Some(Twist::Short(bytes)),
            Some(Effect::LocateOff(delta)) => Some(Twist::LocateOff(delta)),
            _ => None,
        };
        match fault {
            Some(Effect::AlertFlag(flag)) => self.state.alert(flag),
            Some(Effect::Reset) => self.reset()?,
            _ => {}
        }
        Ok(())
    }

    /// What a reset does: buffer lost, position at the beginning, mode as after power on.
    fn reset(&mut self) -> Result<(), Error> {
        self.drop_buffer()?;
        self.at.block = 0;
        self.state.restart();
        Ok(())
    }

    /// The unsynced buffer is gone; the drive stands where its medium now ends at the latest.
    pub(crate) fn lose_buffer(&mut self) -> Result<(), Error> {
        self.drop_buffer()?;
        self.save()
    }

    fn drop_buffer(&mut self) -> Result<(), Error> {
        let limit = self.options.buffer_bytes;
        let Some(mounted) = &mut self.mounted else { return Ok(()) };
        let dir = self.place.medium(mounted.number);
        mounted.tape.lose_buffer(limit, 0).map_err(Error::io(&dir))?;
        self.at.block = self.at.block.min(mounted.tape.objects());
        Ok(())
    }

    fn attend_or_execute(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let op = cdb.first().copied().unwrap_or(0);
        // INQUIRY, REPORT LUNS and REQUEST SENSE leave unit attentions pending (SAM-5 5.14).
        if !matches!(op, 0x03 | 0x12 | 0xa0) && !self.state.attentions.is_empty() {
            let [asc, ascq] = self.state.attentions.remove(0);
            return Err(Condition::new(6, asc, ascq).into());
        }
        let service_action = opcodes::service_action(cdb);
        let known = opcodes::DRIVE.iter().find(|c| c.is(op, service_action));
        let Some(known) = known else { return Err(self.unknown(op)) };
        if cdb.len() < usize::from(known.length()) {
            return Err(bad_cdb(0, None).into());
        }
        self.execute(op, cdb, data)
    }

    fn unknown(&self, op: u8) -> Fail {
        if opcodes::DRIVE.iter().any(|c| c.op == op) {
            bad_cdb(1, Some(4)).into()
        } else {
            UNSUPPORTED_OPCODE.into()
        }
    }

    fn execute(&mut self, op: u8, cdb: &[u8], data: &mut Data<'_>) -> Done {
        match op {
            0x00 => self.ready().map(|_| 0),
            0x01 => self.rewind(),
            0x03 => self.request_sense(cdb, data),
            0x04 => self.format_medium(cdb),
            0x05 => self.read_block_limits(data),
            0x08 => self.read(cdb, data),
            0x0a => self.write(cdb, data),
            0x10 => self.write_filemarks(cdb),
            0x11 => self.space6(cdb),
            0x12 => self.inquiry(cdb, data),
            0x13 => self.verify(cdb),
            0x15 => self.mode_select(cdb, data, 4),
            0x19 => self.erase(cdb),
            0x1a => self.mode_sense(cdb, data, 4),
            0x1b => self.load_unload(cdb),
            0x1e => self.prevent_allow(cdb),
            0x2b => self.locate10(cdb),
            0x34 => self.read_position(cdb, data),
            0x44 => self.report_density(cdb, data),
            0x4d => self.log_sense(cdb, data),
            0x55 => self.mode_select(cdb, data, 8),
            0x5a => self.mode_sense(cdb, data, 8),
            0x8c => self.read_attribute(cdb, data),
            0x8d => self.write_attribute(cdb, data),
            0x91 => self.space16(cdb),
            0x92 => self.locate16(cdb),
            0xa0 => report_luns(cdb, data),
            0xa3 => opcodes::report(&opcodes::DRIVE, cdb, data),
            _ => Err(UNSUPPORTED_OPCODE.into()),
        }
    }

    /// The medium, when it can be worked with.
    fn ready(&mut self) -> Result<&mut Mounted, Fail> {
        let Some(mounted) = &mut self.mounted else { return Err(NO_MEDIUM.into()) };
        if !self.state.loaded {
            return Err(NEEDS_LOAD.into());
        }
        if mounted.memory.is_cleaning() {
            return Err(CLEANING_INSTALLED.into());
        }
        if self.state.becoming_ready > 0 {
            self.state.becoming_ready -= 1;
            if self.state.becoming_ready == 0 {
                self.state.attend(attention::MEDIUM_CHANGED);
            }
            return Err(BECOMING_READY.into());
        }
        Ok(mounted)
    }

    /// Moves the write buffer to the medium, and the medium to the host's disk when so wished.
    fn flush(&mut self) -> Result<(), Fail> {
        let fsync = self.options.fsync;
        let Some(mounted) = &mut self.mounted else { return Ok(()) };
        match mounted.tape.flush(fsync) {
            Ok(_) => Ok(()),
            Err(why) => Err(self.write_failed(&why)),
        }
    }

    fn write_failed(&mut self, why: &io::Error) -> Fail {
        self.at.write_errors += 1;
        self.at.mount_write_errors += 1;
        self.host_error = Some(why.to_string());
        WRITE_ERROR.into()
    }

    fn read_failed(&mut self, why: &ReadError) -> Condition {
        self.at.read_errors += 1;
        self.at.mount_read_errors += 1;
        if let ReadError::Host(why) = why {
            self.host_error = Some(why.to_string());
        }
        READ_ERROR
    }

    /// REQUEST SENSE, SPC-5 6.39: the oldest unit attention, or why the drive is not ready.
    fn request_sense(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        if cdb[1] & 1 != 0 {
            return Err(bad_cdb(1, Some(0)).into()); // descriptor format: not offered
        }
        let condition = if self.state.attentions.is_empty() {
            self.ready().err().map_or(Condition::new(0, 0, 0), |fail| fail.condition)
        } else {
            let [asc, ascq] = self.state.attentions.remove(0);
            Condition::new(6, asc, ascq)
        };
        let mut reply = Reply::new();
        reply.bytes(&condition.bytes()).send(data, usize::from(cdb[4]))
    }
}

/// REPORT LUNS, SPC-5 6.33: LUN 0 only.
pub(crate) fn report_luns(cdb: &[u8], data: &mut Data<'_>) -> Done {
    let mut reply = Reply::new();
    reply.u32(8).zeros(4).u64(0);
    reply.send(data, field(cdb, 6, 4) as usize)
}
