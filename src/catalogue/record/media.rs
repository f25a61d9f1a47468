//! Cartridges: what is known of each, the pools they serve and the sets they make.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Seconds;

/// When a pool begins a new set of media instead of appending to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewSet {
    /// Never, as long as the last one can be appended to.
    Never,
    /// With every session of a drive.
    Always,
    /// When the last one is so old, seconds.
    After(Seconds),
}

/// Media that are used alike. Its key is the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How long what is written stays safe from being overwritten, seconds from a job's end.
    pub retention_s: Seconds,
    /// When a new set is begun.
    pub new_set: NewSet,
    /// Whether blank media are labelled for it without being asked.
    pub takes_blank: bool,
    /// The pool that second copies go to.
    pub copy_to: Option<String>,
}

/// What may be done with a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediumState {
    /// Not looked at since it came.
    Unknown,
    /// Nothing is on it.
    Blank,
    /// Ours, and there is room.
    Appendable,
    /// Ours, and full.
    Full,
    /// Ours, and nothing more is written, whatever is free: why.
    ReadOnly(String),
    /// Ours, and it lost what was promised, or cannot be read: why.
    Damaged(String),
    /// Not ours: what it seems to be.
    Foreign(String),
    /// Cleans drives; so many times more, if known.
    Cleaning(Option<u32>),
}

/// A cartridge. Its key is the volume tag (or the volume's identity where it has none).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// Volume tag.
    pub tag: String,
    /// Identity of the volume on it.
    pub volume: Option<Uuid>,
    /// The set that volume belongs to, and its number there.
    pub set: Option<(Uuid, u32)>,
    /// Which pool it serves.
    pub pool: Option<String>,
    /// What may be done with it.
    pub state: MediumState,
    /// Block before which everything is recorded here: the tape may be ahead, never behind.
    pub valid_to: u64,
    /// Stream bytes on it.
    pub bytes: u64,
    /// Nothing on it may be overwritten before; none: nothing on it is worth keeping.
    pub expires_s: Option<Seconds>,
    /// Times it was loaded here.
    pub loads: u32,
    /// What a drive said about it, in words, newest last.
    pub health: Vec<String>,
    /// Where it was seen last: `slot 3`, `drive 1`, `mail slot 1`, or where somebody took it.
    pub location: String,
    /// Barcode of a cartridge that is write-protected by its switch.
    pub write_protected: bool,
    /// Can be written once only.
    pub worm: bool,
    /// When it was read through last without a fault.
    pub verified_s: Option<Seconds>,
}

impl Medium {
    /// A cartridge nothing else is known of.
    pub fn new(tag: &str, state: MediumState, location: impl Into<String>) -> Medium {
        Medium {
            tag: tag.to_owned(),
            volume: None,
            set: None,
            pool: None,
            state,
            valid_to: 0,
            bytes: 0,
            expires_s: None,
            loads: 0,
            health: Vec::new(),
            location: location.into(),
            write_protected: false,
            worm: false,
            verified_s: None,
        }
    }
}

/// Volumes written one after the other. Its key is `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Its identity, which is on every block.
    pub id: Uuid,
    /// Whose.
    pub pool: String,
    /// When it was begun.
    pub created_s: Seconds,
    /// Tags of its volumes, by number from 1.
    pub volumes: Vec<String>,
    /// Nothing more is appended.
    pub closed: bool,
}
