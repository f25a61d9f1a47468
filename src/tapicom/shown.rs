//! What is shown of restores, health and quotas.
//!
//! Owns shapes that answers have beside those in [`reply`](super::reply). A field is never moved, changed or
//! removed.

use serde::{Deserialize, Serialize};

use super::message::{Plan, Severity};
use super::values::Bytes;
use crate::catalogue::record::{Health, JobId, Seconds};

/// A file that a restore could not give back, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostFile {
    /// Its path; empty: the names are sealed, and the bytes are those of the stream.
    pub path: Bytes,
    /// Bytes it has.
    pub size: u64,
    /// The first byte that is lost.
    pub from: u64,
    /// One past the last: all of it is lost if that is all from 0, and if it has no bytes.
    pub to: u64,
    /// The backup.
    pub of: JobId,
    /// The cartridge that should have them.
    pub medium: String,
    /// The block in which the first of them lies there.
    pub block: u64,
    /// Why they cannot be had.
    pub why: String,
}

/// A cartridge of a restore, at its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Its volume tag.
    pub medium: String,
    /// Where it is: `slot 3`, `drive 1`, or where it was seen last.
    pub place: String,
    /// Whether the library can have it without a person.
    pub inside: bool,
    /// Which copy is read there, from 0.
    pub copy: u8,
    /// Stream bytes that are read.
    pub bytes: u64,
    /// Places on the tape that are looked for.
    pub locates: u64,
    /// How long it takes, about, seconds.
    pub seconds: u64,
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// What it would take.
    pub plan: Plan,
    /// The cartridges, in the order in which they are read.
    pub stops: Vec<Stop>,
    /// Drives that may read them, from 1.
    pub drives: Vec<u32>,
    /// How long it takes, about, without waiting for people and other jobs, seconds.
    pub seconds: u64,
    /// Bytes a second that this counts on.
    pub rate: u64,
    /// Whether that was measured here; else it is an assumption.
    pub measured: bool,
}

/// How a cartridge or a drive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What was counted.
    pub health: Health,
    /// A drive's number, from 1; none: a cartridge, or a drive that is not here.
    pub drive: Option<u32>,
    /// What that means, in words.
    pub words: Vec<String>,
    /// How bad that is; none: it is well.
    pub severity: Option<Severity>,
}

/// What a machine may give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The machine.
    pub machine: String,
    /// Bytes a day; none: any number.
    pub quota: Option<u64>,
    /// Bytes it gave today.
    pub used: u64,
    /// What is left of it today.
    pub left: Option<u64>,
    /// When the day is over.
    pub renews_s: Seconds,
}
