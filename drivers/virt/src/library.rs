//! A library as a directory.
//!
//! ```text
//! library.toml        shape and habits, written once, editable
//! robot.toml          where every medium is, replaced whole
//! lock, lock.gate     library-wide lock and change counter
//! faults.toml         faults to play, optional, read when a device is opened
//! drive0/ …           state.toml, position (binary), lock
//! changer/            lock
//! media/00001/ …      data, index, memory.toml
//! ```
//!
//! Owns creating and opening it, and what happens to it from outside: people at the mail slot,
//! power cuts, media that rot. Refuses commands: those go to [`Device`](crate::Device).

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::drive::state::DriveState;
use crate::error::Error;
use crate::medium::{ReadError, Tape};
use crate::memory::Memory;
use crate::robot::{Cartridge, Robot};
use crate::sense::attention;
use crate::shape::{
    FIRST_DRIVE, FIRST_MAIL, FIRST_STORAGE, MediumKind, MediumSpec, Options, Shape,
};
use crate::store::{self, Held, Lock, Place};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Config {
    format: u32,
    #[serde(default)]
    options: Options,
    shape: Shape,
}

/// Layout of the directory this code reads and writes.
const FORMAT: u32 = 1;

/// How much of the unsynced data a power cut spares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared {
    /// Nothing: each medium ends at its last flush, or where the full buffer had drained to.
    Nothing,
    /// A prefix whose length follows from this seed.
    Prefix(u64),
}

/// A library: a directory.
#[derive(Debug)]
pub struct Library {
    pub(crate) place: Place,
    shape: Shape,
    options: Options,
    lock: Lock,
}

impl Library {
    /// Makes a library in `dir`, which is created when missing.
    ///
    /// *Errors*: [`Error::Exists`] when `dir` already holds one, [`Error::BadShape`].
    pub fn create(dir: &Path, shape: &Shape) -> Result<Library, Error> {
        Library::create_with(dir, shape, Options::default())
    }

    /// As [`create`](Library::create), with habits other than the usual.
    pub fn create_with(dir: &Path, shape: &Shape, options: Options) -> Result<Library, Error> {
        shape.check()?;
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let place = Place { dir: absolute(dir)? };
        let lock = Lock::open(&place.lock())?;
        let held = lock.alone()?;
        if place.config().exists() {
            return Err(Error::Exists(place.dir));
        }
        let mut robot = Robot { next_medium: 1, ..Robot::default() };
        for (address, spec) in (FIRST_STORAGE..).zip(&shape.media) {
            let cartridge = new_cartridge(&place, shape, &options, &mut robot, spec, address)?;
            robot.cartridges.push(cartridge);
        }
        for number in 0..shape.drives {
            DriveState::create(&place, number)?;
        }
        fs::create_dir_all(place.changer()).map_err(Error::io(&place.dir))?;
        robot.attend(attention::POWER_ON);
        store::replace(&place.robot(), &robot, true)?;
        held.changed()?;
        let config = Config {
            format: FORMAT,
            options: options.clone(),
            shape: Shape { media: Vec::new(), ..shape.clone() },
        };
        store::replace(&place.config(), &config, true)?;
        drop(held);
        Ok(Library { place, shape: config.shape, options, lock })
    }

    /// Opens the library in `dir`.
    ///
    /// *Errors*: [`Error::Missing`] when there is none.
    pub fn open(dir: &Path) -> Result<Library, Error> {
        let place = Place { dir: absolute(dir)? };
        if !place.config().exists() {
            return Err(Error::Missing(place.dir));
        }
        let config: Config = store::read(&place.config())?;
        if config.format != FORMAT {
            return Err(Error::damaged(&place.config(), "made by another version"));
        }
        config.shape.check()?;
        let lock = Lock::open(&place.lock())?;
        Ok(Library { place, shape: config.shape, options: config.options, lock })
    }

    /// Changes habits. Devices opened from now on have them.
    pub fn set_options(&mut self, options: Options) -> Result<(), Error> {
        let config = Config { format: FORMAT, options: options.clone(), shape: self.shape.clone() };
        store::replace(&self.place.config(), &config, true)?;
        self.options = options;
        Ok(())
    }

    /// Habits.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Shape, without the media it was born with.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// Device name of the changer.
    pub fn changer_name(&self) -> String {
        format!("virtual:{}#changer", self.place.dir.display())
    }

    /// Device names of the drives, in order of their element addresses.
    pub fn drives(&self) -> Vec<String> {
        let dir = self.place.dir.display();
        (0..self.shape.drives).map(|n| format!("virtual:{dir}#drive{n}")).collect()
    }

    /// Unit serial numbers of the drives, in the same order.
    pub fn drive_serials(&self) -> Vec<String> {
        (0..self.shape.drives).map(|n| drive_serial(self.shape.seed, n)).collect()
    }

    /// Unit serial number of the changer.
    pub fn changer_serial(&self) -> String {
        changer_serial(self.shape.seed)
    }

    /// A person puts a new medium into mail slot `slot` (from 0).
    pub fn insert_mail(&self, slot: u16, spec: MediumSpec) -> Result<(), Error> {
        spec.check()?;
        let element = self.mail_element(slot)?;
        let held = self.lock.alone()?;
        let mut robot = self.robot()?;
        free(&robot, element)?;
        let mut fresh =
            new_cartridge(&self.place, &self.shape, &self.options, &mut robot, &spec, element)?;
        fresh.by_hand = true;
        robot.cartridges.push(fresh);
        self.mail_used(robot, &held)
    }

    /// A person takes what is in mail slot `slot`; its number and volume tag, for
    /// [`put_back`](Library::put_back).
    pub fn take_mail(&self, slot: u16) -> Result<(u32, String), Error> {
        let element = self.mail_element(slot)?;
        let held = self.lock.alone()?;
        let mut robot = self.robot()?;
        if robot.mail_locked {
            return Err(Error::BadPlace("the mail station is locked".to_owned()));
        }
        let found = robot.cartridges.iter().position(|c| c.element == element);
        let taken = match found {
            Some(i) => robot.cartridges.remove(i),
            None => return Err(Error::BadPlace(format!("mail slot {slot} is empty"))),
        };
        self.mail_used(robot, &held)?;
        Ok((taken.medium, taken.volume_tag))
    }

    /// A person puts medium `number`, taken before, into mail slot `slot`.
    pub fn put_back(&self, slot: u16, number: u32) -> Result<(), Error> {
        let element = self.mail_element(slot)?;
        let held = self.lock.alone()?;
        let mut robot = self.robot()?;
        free(&robot, element)?;
        if robot.cartridges.iter().any(|c| c.medium == number) {
            return Err(Error::BadPlace(format!("medium {number} is in the library already")));
        }
        let memory: Memory = store::read(&self.place.medium(number).join("memory.toml"))?;
        robot.cartridges.push(cartridge(element, number, &memory.spec, true));
        self.mail_used(robot, &held)
    }

    fn mail_used(&self, mut robot: Robot, held: &Held<'_>) -> Result<(), Error> {
        robot.attend(attention::MAIL_ACCESSED);
        store::replace(&self.place.robot(), &robot, false)?;
        held.changed().map(|_| ())
    }

    fn mail_element(&self, slot: u16) -> Result<u16, Error> {
        if slot < self.shape.mail_slots {
            Ok(FIRST_MAIL + slot)
        } else {
            Err(Error::BadPlace(format!("no mail slot {slot}")))
        }
    }

    /// Power fails and returns: every drive loses its unsynced buffer and stands at the beginning,
    /// unit attention 29/00 waits everywhere.
    pub fn power_cut(&self) -> Result<(), Error> {
        self.power_cut_sparing(Spared::Nothing).map(|_| ())
    }

    /// As [`power_cut`](Library::power_cut), but part of what the buffers held may have reached
    /// the media. Returns the number of logical objects lost.
    pub fn power_cut_sparing(&self, spared: Spared) -> Result<u64, Error> {
        let held = self.lock.alone()?;
        let mut robot = self.robot()?;
        let mut lost = 0;
        for number in 0..self.shape.drives {
            let medium = robot.at(FIRST_DRIVE + number).map(|c| c.medium);
            lost += match medium {
                Some(medium) => self.lose_buffer(medium, number, spared)?,
                None => 0,
            };
            DriveState::power_on(&self.place, number)?;
        }
        robot.attentions.clear();
        robot.attend(attention::POWER_ON);
        store::replace(&self.place.robot(), &robot, false)?;
        held.changed()?;
        Ok(lost)
    }

    fn lose_buffer(&self, medium: u32, drive: u16, spared: Spared) -> Result<u64, Error> {
        let dir = self.place.medium(medium);
        let lose = || -> std::io::Result<u64> {
            let mut tape = Tape::open(&dir)?;
            let limit = self.options.buffer_bytes;
            let buffered = tape.objects() - tape.first_buffered(limit);
            let keep = match spared {
                Spared::Prefix(seed) => scramble(seed ^ u64::from(drive)) % (buffered + 1),
                Spared::Nothing => 0,
            };
            let lost = tape.lose_buffer(limit, keep)?;
            if lost > 0 && self.options.power_cut_loses_eod {
                tape.lose_end()?;
            }
            Ok(lost)
        };
        lose().map_err(Error::io(&dir))
    }

    /// Silent corruption: flips `bit` of `byte` in the stored block at block address `block`, and
    /// mends the check so that the drive hands the block over as good.
    pub fn flip(&self, volume_tag: &str, block: u64, byte: u64, bit: u8) -> Result<(), Error> {
        let held = self.lock.alone()?;
        let dir = self.medium_dir(volume_tag)?;
        let mut tape = Tape::open(&dir).map_err(Error::io(&dir))?;
        tape.flip(block, byte, bit).map_err(|why| match why {
            ReadError::Damaged => {
                Error::BadPlace(format!("{volume_tag}: no byte {byte} in a block at {block}"))
            }
            ReadError::Host(source) => Error::Io { path: dir.clone(), source },
        })?;
        held.changed().map(|_| ())
    }

    /// Directory of the first medium with this volume tag, wherever it is.
    pub fn medium_dir(&self, volume_tag: &str) -> Result<PathBuf, Error> {
        let robot = self.robot()?;
        let found = robot.cartridges.iter().find(|c| c.volume_tag == volume_tag);
        match found {
            Some(cartridge) => Ok(self.place.medium(cartridge.medium)),
            None => Err(Error::BadPlace(format!("no medium labelled {volume_tag:?}"))),
        }
    }

    /// The library-wide lock, for one more holder.
    pub(crate) fn another_lock(&self) -> Result<Lock, Error> {
        Lock::open(&self.place.lock())
    }

    fn robot(&self) -> Result<Robot, Error> {
        store::read(&self.place.robot())
    }
}

fn absolute(dir: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(dir).map_err(Error::io(dir))
}

fn free(robot: &Robot, element: u16) -> Result<(), Error> {
    if robot.mail_locked {
        return Err(Error::BadPlace("the mail station is locked".to_owned()));
    }
    match robot.at(element) {
        Some(there) => Err(Error::BadPlace(format!("{:?} is there already", there.volume_tag))),
        None => Ok(()),
    }
}

fn cartridge(element: u16, medium: u32, spec: &MediumSpec, by_hand: bool) -> Cartridge {
    Cartridge {
        element,
        medium,
        source: None,
        volume_tag: spec.volume_tag.clone(),
        cleaning: spec.kind == MediumKind::Cleaning,
        by_hand,
    }
}

fn new_cartridge(
    place: &Place,
    shape: &Shape,
    options: &Options,
    robot: &mut Robot,
    spec: &MediumSpec,
    element: u16,
) -> Result<Cartridge, Error> {
    let number = robot.next_medium;
    robot.next_medium += 1;
    let dir = place.medium(number);
    Tape::create(&dir).map_err(Error::io(&dir))?;
    let memory = Memory::new(spec, serial(shape.seed, 'M', number), options.cleaning_uses);
    store::replace(&dir.join("memory.toml"), &memory, false)?;
    Ok(cartridge(element, number, spec, false))
}

/// Unit serial number of drive `number`: 10 characters, as LTO drives have.
pub(crate) fn drive_serial(seed: u64, number: u16) -> String {
    serial(seed, 'D', u32::from(number))
}

/// Unit serial number of the changer.
pub(crate) fn changer_serial(seed: u64) -> String {
    serial(seed, 'R', 0)
}

fn serial(seed: u64, what: char, number: u32) -> String {
    let noise = scramble(seed ^ u64::from(u32::from(what)) << 32 ^ u64::from(number));
    format!("V{what}{:05X}{:03X}", noise & 0xf_ffff, number & 0xfff)
}

/// SplitMix64: one well mixed number from another (Steele, Lea and Flood, 2014).
pub(crate) fn scramble(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
