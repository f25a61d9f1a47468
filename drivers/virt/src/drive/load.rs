//! LOAD UNLOAD, PREVENT ALLOW, and a medium coming and going by robot.
//!
//! Owns the life of a mount: what is counted, flushed and attended when a medium is threaded and
//! unthreaded. Source: SSC-5 LOAD UNLOAD, SPC-5 PREVENT ALLOW MEDIUM REMOVAL.

use super::Drive;
use crate::error::Error;
use crate::sense::*;

/// TapeAlert flags a cleaning medium has to do with (SSC-5 annex A).
const CLEAN_NOW: u8 = 20;
const CLEAN_PERIODIC: u8 = 21;
const CLEANER_EXPIRED: u8 = 22;

impl Drive {
    /// LOAD UNLOAD, opcode 1Bh. HOLD and RETEN change nothing here; EOT with unload is refused.
    pub(super) fn load_unload(&mut self, cdb: &[u8]) -> Done {
        let (load, eot) = (cdb[4] & 0x01 != 0, cdb[4] & 0x04 != 0);
        if eot {
            return Err(bad_cdb(4, Some(2)).into());
        }
        if self.mounted.is_none() {
            return Err(NO_MEDIUM.into());
        }
        match (load, self.state.loaded) {
            (true, false) => self.thread(),
            (true, true) => return self.rewind(),
            (false, true) if self.state.prevent => return Err(REMOVAL_PREVENTED.into()),
            (false, true) => self.unthread()?,
            (false, false) => {}
        }
        Ok(0)
    }

    /// PREVENT ALLOW MEDIUM REMOVAL, opcode 1Eh.
    pub(super) fn prevent_allow(&mut self, cdb: &[u8]) -> Done {
        match cdb[4] & 0x03 {
            0 => self.state.prevent = false,
            1 => self.state.prevent = true,
            _ => return Err(bad_cdb(4, Some(1)).into()),
        }
        Ok(0)
    }

    fn thread(&mut self) {
        let Some(mounted) = &mut self.mounted else { return };
        mounted.memory.loads += 1;
        mounted.memory.drives.insert(0, self.serial.clone());
        mounted.memory.drives.truncate(4);
        self.memory_changed = true;
        self.at.loads += 1;
        self.at.block = 0;
        self.at.mount_written_bytes = 0;
        self.at.mount_read_bytes = 0;
        self.at.mount_write_errors = 0;
        self.at.mount_read_errors = 0;
        self.state.loaded = true;
        self.state.written = false;
        if mounted.memory.is_cleaning() {
            self.clean();
            return;
        }
        self.state.becoming_ready = self.options.becoming_ready;
        if self.state.becoming_ready == 0 {
            self.state.attend(attention::MEDIUM_CHANGED);
        }
    }

    /// One cleaning cycle, unless the cleaning medium is used up.
    fn clean(&mut self) {
        let Some(mounted) = &mut self.mounted else { return };
        match mounted.memory.cleanings_left.checked_sub(1) {
            Some(left) => {
                mounted.memory.cleanings_left = left;
                self.at.cleanings += 1;
                self.state.alerts.retain(|flag| !matches!(*flag, CLEAN_NOW | CLEAN_PERIODIC));
            }
            None => self.state.alert(CLEANER_EXPIRED),
        }
    }

    fn unthread(&mut self) -> Result<(), Fail> {
        self.flush()?;
        let Some(mounted) = &mut self.mounted else { return Err(NO_MEDIUM.into()) };
        mounted.memory.written_bytes += self.at.mount_written_bytes;
        mounted.memory.read_bytes += self.at.mount_read_bytes;
        mounted.memory.changes += u64::from(self.state.written);
        self.memory_changed = true;
        self.at.mount_written_bytes = 0;
        self.at.mount_read_bytes = 0;
        self.at.block = 0;
        self.state.loaded = false;
        self.state.becoming_ready = 0;
        self.state.written = false;
        // The other flags speak of the medium and go with it.
        self.state.alerts.retain(|flag| (CLEAN_NOW..=CLEANER_EXPIRED).contains(flag));
        Ok(())
    }

    /// The robot is about to take the medium out. `eject`: it may make the drive unload it.
    pub(crate) fn release(&mut self, eject: bool) -> Result<Result<(), Condition>, Error> {
        if self.state.loaded {
            if self.state.prevent {
                return Ok(Err(REMOVAL_PREVENTED));
            }
            if !eject {
                return Ok(Err(EJECT_FAILED));
            }
            if let Err(fail) = self.unthread() {
                return Ok(Err(fail.condition));
            }
        }
        self.save()?;
        Ok(Ok(()))
    }

    /// The robot has put a medium in.
    pub(crate) fn receive(&mut self) -> Result<(), Error> {
        self.state.loaded = false;
        if self.options.auto_load {
            self.thread();
        }
        self.save()
    }
}
