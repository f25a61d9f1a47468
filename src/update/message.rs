//! The messages. A variant is never moved, changed or removed: new ones go to the end.

use serde::{Deserialize, Serialize};

/// Where the updater listens.
pub const SOCKET: &str = "/run/tapioca/updater/socket";
/// The longest piece of a bundle or of records, bytes.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;
/// How many things that happened are told.
pub const TOLD_MAX: usize = 16;

/// What people want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// How updates stand.
    Show,
    /// A piece of a bundle; the first begins at 0 and forgets what came before.
    Piece {
        /// Where it begins.
        offset: u64,
        /// At most [`PIECE_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// The bundle is whole: it is read, tested and put in place. How that goes is in [`State::doing`].
    Take,
    /// The same with the bundle of a USB stick.
    Stick,
    /// The version before is what is started next.
    Rollback,
    /// The machine starts anew.
    Reboot,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// For an administrator. [`Answer::State`]
    Wish(Wish),
    /// Of the service, every few seconds while it serves. [`Answer::Noted`]
    Seen(Seen),
    /// Of the service: a piece of its records as text, the first of them or a later one; an empty one ends them.
    /// [`Answer::Noted`]
    Records {
        /// Whether it is the first.
        first: bool,
        /// The piece.
        bytes: Vec<u8>,
    },
}

/// What the service sees: that it says so means that it read its settings and its catalogue, and listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Drives and changer that answer, each by what and who it is: `drive HU1234`.
    pub devices: Vec<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// How updates stand, once what was wanted was done or begun.
    State(State),
    /// It was heard.
    Noted {
        /// Whether the service is to give its records.
        records: bool,
    },
    /// It was not done.
    Refused {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// How updates stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What runs.
    pub version: String,
    /// The board it is made for.
    pub board: String,
    /// Bundles with a smaller number are refused.
    pub security_floor: u32,
    /// What is still missing for this version to be accepted; none: it is.
    pub waits_for: Option<String>,
    /// Seconds until the box goes back, while it waits.
    pub left_s: u32,
    /// Versions that the box has.
    pub images: Vec<Image>,
    /// What the updater does now; empty: nothing.
    pub doing: String,
    /// What happened, newest first.
    pub told: Vec<Told>,
}

/// A version that the box has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Which.
    pub version: String,
    /// In words: `runs`, `tried next`, `good`.
    pub standing: String,
    /// Bytes of its bootable file.
    pub bytes: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When, seconds since the epoch.
    pub at_s: i64,
    /// What.
    pub words: String,
}
