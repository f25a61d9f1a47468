//! What is said to the steward, and what it answers: a length, then postcard.
//!
//! Owns the shapes and their limits. One connection says one thing at a time. A variant is never moved, changed
//! or removed: new ones go to the end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::packet::{MESSAGE_BYTES_MAX, decode, read, write};
use crate::settings::Speed;
use crate::stream::Fault;
use crate::tapicom::message::Secret;
use crate::update;

/// Where the steward listens.
pub const SOCKET: &str = "/run/tapioca/steward.sock";
/// Links that are reported at most.
pub const LINKS_MAX: usize = 64;
/// The longest wait for a confirmation, seconds.
pub const CONFIRM_S_MAX: u32 = 3600;

/// Which settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// Those in force.
    Current,
    /// Those that are being written.
    Candidate,
    /// Those of so many generations before the newest.
    Back(u32),
}

/// What a reset makes of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reset {
    /// Settings, password and data are gone; only who it is stays.
    Everything,
    /// The settings are gone.
    Settings,
}

/// What is wanted. Those below the first few want the administrator, logged in on the same connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// How things are. [`Answer::State`]
    State,
    /// The first password, once. [`Answer::Done`]; the connection is the administrator's then.
    Claim {
        /// The password.
        password: Secret,
        /// A name for the box.
        name: Option<String>,
    },
    /// [`Answer::Done`]; the connection is the administrator's then.
    Login {
        /// The proof.
        password: Secret,
    },
    /// The connection is nobody's any more. [`Answer::Done`]
    Logout,
    /// Of `net`: settings newer than a change, waited for at most a while. [`Answer::Settings`]
    Watch {
        /// The change that is known; 0: none.
        after: u64,
        /// How long, milliseconds; at most a minute.
        wait_ms: u32,
    },
    /// Of `net`: how the links are. [`Answer::Done`]
    Links(Vec<LinkState>),
    /// Of `init`: the box has started. [`Answer::Done`]
    Booted(Boot),
    /// A lost password is forgotten; soon after the power came, by who can read the serial number. [`Answer::Done`]
    Recover {
        /// The serial number, typed.
        serial: String,
    },

    /// Another password. [`Answer::Done`]
    Password {
        /// The one before.
        old: Secret,
        /// The one from now on.
        new: Secret,
    },
    /// Some settings. [`Answer::Settings`]
    Settings(Which),
    /// Changes the candidate. [`Answer::Done`]
    Set {
        /// Words and values.
        words: Vec<String>,
    },
    /// Takes something out of the candidate. [`Answer::Done`]
    Delete {
        /// Its words.
        words: Vec<String>,
    },
    /// The candidate is as what is in force. [`Answer::Done`]
    Discard,
    /// What differs. [`Answer::Lines`]
    Diff {
        /// From these.
        from: Which,
        /// To those.
        to: Which,
    },
    /// Whether the candidate could be committed. [`Answer::Done`]
    Check,
    /// The candidate is in force. [`Answer::Committed`]
    Commit {
        /// Where it was typed.
        by: String,
        /// Why, in words; may be empty.
        words: String,
        /// It goes back by itself unless it is confirmed within so many seconds.
        confirm_s: Option<u32>,
    },
    /// What was committed stays. [`Answer::Done`]
    Confirm,
    /// The candidate is as some generations ago. [`Answer::Done`]
    Rollback {
        /// How many.
        back: u32,
    },
    /// What was in force. [`Answer::History`]
    History,
    /// How the box started. [`Answer::Boots`]
    Boots,
    /// At the next start the box is reset. [`Answer::Done`]
    Reset {
        /// The serial number, typed.
        serial: String,
        /// What is reset.
        what: Reset,
    },
    /// [`Answer::Done`]
    Reboot,
    /// [`Answer::Done`]
    PowerOff,
    /// Something of the updater. What it answers, as [`Answer::Update`]
    Update(update::Wish),
    /// Of the updater: something that whoever comes next has to know. [`Answer::Done`]
    Note(String),
    /// The service makes its catalogue anew of what lies on cartridges. [`Answer::Done`]
    Rebuild,
}

/// A link, as `net` sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Its place: `0000:00:02.0`, or another name if it is on no bus.
    pub place: String,
    /// Its hardware address.
    pub mac: String,
    /// The kernel's name.
    pub name: String,
    /// Whether a cable is in.
    pub carrier: bool,
    /// Its addresses, with their prefixes.
    pub addresses: Vec<String>,
    /// The way out.
    pub gateway: Option<String>,
    /// In words: `dhcp, lease 3600 s`, `static`, `off`.
    pub how: String,
}

/// A start of the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Which, from 1; what is reported says 0.
    pub number: u64,
    /// When, by the clock there was.
    pub at_s: i64,
    /// What runs.
    pub version: String,
    /// Why it started, in words: `power`, `watchdog`, `reboot asked for`.
    pub why: String,
    /// What it went without, in words; empty: nothing.
    pub without: Vec<String>,
}

/// How things are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The name of the box.
    pub name: String,
    /// Its serial number.
    pub serial: String,
    /// Digest of its public key, in words of four hexadecimal digits.
    pub key: String,
    /// What runs.
    pub version: String,
    /// Whether it has an administrator.
    pub claimed: bool,
    /// Generation of the settings in force.
    pub generation: u64,
    /// How long until they go back, milliseconds, if they are not confirmed.
    pub back_in_ms: Option<u64>,
    /// Whether the candidate differs.
    pub edited: bool,
    /// How long whoever logs in has to wait, milliseconds.
    pub wait_ms: u64,
    /// The links.
    pub links: Vec<LinkState>,
    /// Speeds that are set, of lines by their names.
    pub speeds: BTreeMap<String, Speed>,
    /// What is wrong.
    pub alarms: Vec<String>,
}

/// One generation of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// How many before the newest.
    pub back: u32,
    /// Its number.
    pub generation: u64,
    /// When it was committed.
    pub at_s: i64,
    /// Where it was typed.
    pub by: String,
    /// Why.
    pub words: String,
    /// Whether it was never confirmed.
    pub trial: bool,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was not.
    Refused {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// How things are.
    State(State),
    /// Settings.
    Settings {
        /// Number of the change they came by, for the next [`Ask::Watch`].
        change: u64,
        /// Their text form; secrets are left out unless `net` or `init` asks.
        text: String,
        /// The same as lines to be typed.
        lines: Vec<String>,
    },
    /// Lines.
    Lines(Vec<String>),
    /// It is in force.
    Committed {
        /// As this generation.
        generation: u64,
        /// Until so many seconds from now, if it is not confirmed.
        confirm_s: Option<u32>,
    },
    /// What was in force, newest first.
    History(Vec<Past>),
    /// Starts, newest first.
    Boots(Vec<Boot>),
    /// How updates stand.
    Update(update::State),
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Answer {
        Answer::Refused { what: fault.what, hint: fault.hint }
    }
}
