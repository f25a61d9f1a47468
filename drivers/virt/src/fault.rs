//! Faults by script: when a device lies, and how.
//!
//! Owns [`Faults`], their form in `faults.toml`, and the count of commands that sets them off.
//! Everything is deterministic: the same commands meet the same faults. What an effect does to a
//! command is up to [`Device`](crate::Device).
//!
//! ```toml
//! [[fault]]
//! unit = "drive0"                       # absent: every unit
//! when = { opcode = { op = 0x0a, nth = 3 } }
//! effect = { check = { key = 3, asc = 0x0c, ascq = 0x00, moment = "after" } }
//! times = 1
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sense::Condition;
use crate::store;

/// A list of faults; of those that fit a command the first one is played.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// The list.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `drive0`, `changer`; `None` is every unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// What sets it off.
    pub when: When,
    /// What happens.
    pub effect: Effect,
    /// For how many commands that fit.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// A fault on every unit, once.
    pub fn new(when: When, effect: Effect) -> Fault {
        Fault { unit: None, when, effect, times: 1 }
    }

    /// The same, for `times` commands that fit.
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }
}

/// What sets a fault off. Counting starts at 1 when the device is opened or given a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The n-th command and those after it.
    NthCommand(u64),
    /// The n-th command that this process gives to any unit, since its start, and those after it.
    NthOfProcess(u64),
    /// The n-th command with this operation code and those after it.
    Opcode {
        /// Operation code.
        op: u8,
        /// Which one.
        nth: u64,
    },
    /// READ, WRITE, WRITE FILEMARKS or VERIFY while the drive stands at this block address.
    AtBlock(u64),
}

/// Did the command take place?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// No: the fault came before.
    #[default]
    Before,
    /// Yes, and only the answer was replaced.
    After,
}

/// CHECK CONDITION with any sense data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub struct CheckSpec {
    pub key: u8,
    pub asc: u8,
    pub ascq: u8,
    pub deferred: bool,
    pub filemark: bool,
    pub eom: bool,
    pub ili: bool,
    pub information: Option<i64>,
    pub moment: Moment,
    /// The drive's unsynced buffer is lost with it.
    pub loses_buffer: bool,
}

impl CheckSpec {
    /// Key, ASC, ASCQ; the command does not take place.
    pub fn new(key: u8, asc: u8, ascq: u8) -> CheckSpec {
        CheckSpec { key, asc, ascq, ..CheckSpec::default() }
    }

    pub(crate) fn condition(&self) -> Condition {
        Condition {
            deferred: self.deferred,
            filemark: self.filemark,
            eom: self.eom,
            ili: self.ili,
            information: self.information,
            ..Condition::new(self.key, self.asc, self.ascq)
        }
    }
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// CHECK CONDITION.
    Check(CheckSpec),
    /// The answer never comes.
    Timeout(Moment),
    /// The device vanishes: for this many commands, or until reopened.
    Gone {
        /// `None`: until reopened.
        #[serde(default)]
        commands: Option<u32>,
        /// For the first of them.
        #[serde(default)]
        moment: Moment,
    },
    /// BUSY.
    Busy,
    /// RESERVATION CONFLICT.
    ReservationConflict,
    /// TASK ABORTED.
    TaskAborted(Moment),
    /// The path fails.
    Transport {
        /// Linux host byte.
        host: u16,
        /// Linux driver byte.
        #[serde(default)]
        driver: u16,
        /// Did the command take place?
        #[serde(default)]
        moment: Moment,
    },
    /// The device was reset: a drive loses its buffer and stands at the beginning. The command
    /// meets unit attention 29/00.
    Reset,
    /// WRITE or WRITE FILEMARKS: GOOD, but nothing is stored and the position stays.
    DropBlock,
    /// WRITE: stored twice.
    DuplicateBlock,
    /// READ: the block handed over differs in one bit. WRITE: the block stored does.
    FlipBit {
        /// Byte in the block; beyond its end nothing happens.
        byte: u64,
        /// Bit in the byte, 0 is the lowest.
        bit: u8,
    },
    /// GOOD, with this many bytes of the data phase not moved: on WRITE the block stored is that
    /// much shorter, on READ the end of the block is not handed over.
    ShortResidual(u64),
    /// LOCATE: lands this many objects away.
    LocateOff(i64),
    /// Robot: 4/15/01, nothing moved. From then on every move fails so until the power is cut
    /// or the device reopened.
    Jam,
    /// TapeAlert flag 1 to 64 is raised; the command is executed.
    AlertFlag(u8),
    /// The process that gave the command is killed (SIGKILL), and the script is removed from the library's
    /// directory: the next process lives.
    Kill(Moment),
    /// Nothing: a place for what real devices take their time over.
    Slow,
}

impl Faults {
    /// Reads a script; one that is not there is empty.
    ///
    /// *Errors*: [`Error::Damaged`] and those of reading.
    pub fn load(path: &Path) -> Result<Faults, Error> {
        if path.exists() { store::read(path) } else { Ok(Faults::default()) }
    }

    /// Writes the script into a library directory, for devices opened from now on.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        store::replace(&dir.join("faults.toml"), self, false)
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Faults {
        Faults { faults }
    }
}

/// Counts commands and says which fault is due.
#[derive(Debug)]
pub(crate) struct Injector {
    unit: String,
    faults: Vec<(Fault, u32)>,
    commands: u64,
    by_opcode: [u64; 256],
}

impl Injector {
    pub(crate) fn new(unit: &str, faults: Faults) -> Injector {
        let faults = faults.faults.into_iter().map(|fault| (fault, 0)).collect();
        Injector { unit: unit.to_owned(), faults, commands: 0, by_opcode: [0; 256] }
    }

    /// A new script; counting starts again.
    pub(crate) fn replace(&mut self, faults: Faults) {
        *self = Injector::new(&self.unit, faults);
    }

    /// Counts this command; the fault it meets, if any. `block` is where the drive stands, `given`
    /// the number of commands of this process.
    pub(crate) fn next(&mut self, op: u8, block: u64, given: u64) -> Option<Effect> {
        self.commands += 1;
        self.by_opcode[usize::from(op)] += 1;
        let (commands, of_op) = (self.commands, self.by_opcode[usize::from(op)]);
        let unit = &self.unit;
        let due = self.faults.iter_mut().find(|(fault, played)| {
            let here = fault.unit.as_deref().is_none_or(|name| name == unit);
            let now = match fault.when {
                When::NthCommand(nth) => commands >= nth,
                When::NthOfProcess(nth) => given >= nth,
                When::Opcode { op: wanted, nth } => op == wanted && of_op >= nth,
                When::AtBlock(address) => touches_block(op) && address == block,
            };
            here && now && *played < fault.times
        })?;
        due.1 += 1;
        Some(due.0.effect)
    }
}

fn touches_block(op: u8) -> bool {
    matches!(op, 0x08 | 0x0a | 0x10 | 0x13)
}
