//! What a drive keeps while nobody talks to it.
//!
//! Owns `state.toml` (mode, attentions, alerts: replaced when it changes) and `position` (block
//! address and counters: one small write in place after each command that moves). Both survive the
//! end of a process, as a drive survives the end of a host program.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crc32c::crc32c;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sense::attention;
use crate::store::{self, Place};

/// The slow part of a drive's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DriveState {
    /// The medium in the drive is threaded.
    pub(crate) loaded: bool,
    /// Commands still to be answered with "becoming ready".
    pub(crate) becoming_ready: u32,
    /// PREVENT ALLOW MEDIUM REMOVAL is in force.
    pub(crate) prevent: bool,
    /// Unit attentions not reported yet, oldest first.
    pub(crate) attentions: Vec<[u8; 2]>,
    /// Active TapeAlert flags, by number.
    pub(crate) alerts: Vec<u8>,
    /// Of these, the ones log page 2E has not reported yet.
    pub(crate) unread_alerts: Vec<u8>,
    /// The medium was written since it was loaded.
    pub(crate) written: bool,
    pub(crate) mode: Mode,
}

impl Default for DriveState {
    fn default() -> DriveState {
        DriveState {
            loaded: false,
            becoming_ready: 0,
            prevent: false,
            attentions: vec![attention::POWER_ON],
            alerts: Vec::new(),
            unread_alerts: Vec::new(),
            written: false,
            mode: Mode::default(),
        }
    }
}

/// Changeable mode parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Mode {
    /// Block descriptor: 0 is variable.
    pub(crate) block_length: u32,
    /// BUFFERED MODE of the mode parameter header.
    pub(crate) buffered_mode: u8,
    /// DCE, page 0F.
    pub(crate) compression: bool,
    /// PEWS, page 10/01, units of 10^6 bytes.
    pub(crate) early_warning_mb: u16,
}

impl Default for Mode {
    fn default() -> Mode {
        Mode { block_length: 0, buffered_mode: 1, compression: true, early_warning_mb: 0 }
    }
}

impl DriveState {
    fn path(place: &Place, number: u16) -> PathBuf {
        place.drive(number).join("state.toml")
    }

    pub(crate) fn create(place: &Place, number: u16) -> Result<(), Error> {
        let dir = place.drive(number);
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        DriveState::default().save(place, number)?;
        Whereabouts::default().save(&Whereabouts::file(place, number)?, place, number)
    }

    pub(crate) fn load(place: &Place, number: u16) -> Result<DriveState, Error> {
        store::read(&DriveState::path(place, number))
    }

    pub(crate) fn save(&self, place: &Place, number: u16) -> Result<(), Error> {
        store::replace(&DriveState::path(place, number), self, false)
    }

    pub(crate) fn attend(&mut self, code: [u8; 2]) {
        if !self.attentions.contains(&code) {
            self.attentions.push(code);
        }
    }

    pub(crate) fn alert(&mut self, flag: u8) {
        if !self.alerts.contains(&flag) {
            self.alerts.push(flag);
            self.unread_alerts.push(flag);
        }
    }

    /// What remains after the power was gone: the medium, threaded and at its beginning.
    pub(crate) fn restart(&mut self) {
        self.mode = Mode::default();
        self.prevent = false;
        self.attentions = vec![attention::POWER_ON];
    }

    pub(crate) fn power_on(place: &Place, number: u16) -> Result<(), Error> {
        let mut state = DriveState::load(place, number)?;
        state.restart();
        state.save(place, number)?;
        let file = Whereabouts::file(place, number)?;
        let mut whereabouts = Whereabouts::load(&file, place, number)?;
        whereabouts.block = 0;
        whereabouts.power_cycles += 1;
        whereabouts.save(&file, place, number)
    }
}

/// The quick part: where the drive stands and what it has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) block: u64,
    pub(crate) loads: u64,
    pub(crate) cleanings: u64,
    pub(crate) power_cycles: u64,
    pub(crate) written_bytes: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_blocks: u64,
    pub(crate) read_blocks: u64,
    pub(crate) write_errors: u64,
    pub(crate) read_errors: u64,
    /// Since the medium was loaded.
    pub(crate) mount_written_bytes: u64,
    pub(crate) mount_read_bytes: u64,
    pub(crate) mount_write_errors: u64,
    pub(crate) mount_read_errors: u64,
}

const WORDS: usize = 14;
const SIZE: usize = WORDS * 8 + 4;

impl Whereabouts {
    pub(crate) fn file(place: &Place, number: u16) -> Result<File, Error> {
        let path = place.drive(number).join("position");
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(&path))
    }

    fn words(&mut self) -> [&mut u64; WORDS] {
        [
            &mut self.block,
            &mut self.loads,
            &mut self.cleanings,
            &mut self.power_cycles,
            &mut self.written_bytes,
            &mut self.read_bytes,
            &mut self.written_blocks,
            &mut self.read_blocks,
            &mut self.write_errors,
            &mut self.read_errors,
            &mut self.mount_written_bytes,
            &mut self.mount_read_bytes,
            &mut self.mount_write_errors,
            &mut self.mount_read_errors,
        ]
    }

    pub(crate) fn load(file: &File, place: &Place, number: u16) -> Result<Whereabouts, Error> {
        let path = place.drive(number).join("position");
        let mut raw = [0; SIZE];
        file.read_exact_at(&mut raw, 0).map_err(Error::io(&path))?;
        let (words, crc) = raw.split_at(WORDS * 8);
        if crc32c(words).to_le_bytes() != crc {
            return Err(Error::damaged(&path, "checksum"));
        }
        let mut whereabouts = Whereabouts::default();
        for (word, raw) in whereabouts.words().into_iter().zip(words.chunks_exact(8)) {
            *word = raw.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        }
        Ok(whereabouts)
    }

    pub(crate) fn save(mut self, file: &File, place: &Place, number: u16) -> Result<(), Error> {
        let mut raw = [0; SIZE];
        for (word, raw) in self.words().into_iter().zip(raw.chunks_exact_mut(8)) {
            raw.copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32c(&raw[..WORDS * 8]);
        raw[WORDS * 8..].copy_from_slice(&crc.to_le_bytes());
        let path = place.drive(number).join("position");
        file.write_all_at(&raw, 0).map_err(Error::io(&path))
    }
}
