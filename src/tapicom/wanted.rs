//! What commands are made of.
//!
//! Owns the shapes of what is asked for: backups, restores, filters, people as they shall be. All of them are
//! flat, and a field is never moved, changed or removed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::values::Bytes;
use crate::catalogue::record::{JobId, Right, Seconds};

/// Which part of a long answer is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What [`Paged::next`](super::reply::Paged::next) of the part before said; none: the first part.
    pub after: Option<String>,
    /// At most so many; 0: as many as fit, and never more than 1,000.
    pub most: u32,
}

/// What is wanted of what the appliance runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateWanted {
    /// How updates stand.
    Show,
    /// A piece of an update; the first begins at 0 and forgets what came before.
    Piece {
        /// Where it begins.
        offset: u64,
        /// The piece.
        bytes: Bytes,
    },
    /// The update is whole: it is read, tested and put in its place.
    Take,
    /// The same with the update on a USB stick.
    Stick,
    /// The version before is what is started next.
    Rollback,
    /// The machine starts anew.
    Reboot,
}

/// How much of a tree is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LevelWanted {
    /// All of it.
    Full,
    /// What changed since the last backup of the name; all of it when there is none.
    Incremental,
    /// What changed since a certain job.
    Since(JobId),
}

/// A backup that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupWanted {
    /// Whose; none: of the machine that asks, which then sends the stream. Another machine is asked for it.
    pub machine: Option<String>,
    /// What it is called; incremental ones follow others of the name.
    pub name: String,
    /// How much.
    pub level: LevelWanted,
    /// What is taken there. Kept for people to read, and for the machine that is asked.
    pub paths: Vec<Bytes>,
    /// Where it goes.
    pub pool: String,
    /// Whether its stream comes encrypted.
    pub sealed: bool,
    /// Whether its stream comes compressed.
    pub compressed: bool,
    /// Higher goes first.
    pub priority: i32,
    /// About how many bytes, when that is known.
    pub bytes: Option<u64>,
}

/// Which state of a tree is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// The newest that is kept.
    Latest,
    /// As a certain job found it.
    Job(JobId),
    /// As it was last seen at or before a time.
    Time(Seconds),
}

/// Something that was kept: a state of the tree of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Whose; none: of the machine that asks.
    pub machine: Option<String>,
    /// What the backup was called; none: any.
    pub backup: Option<String>,
    /// When.
    pub at: At,
}

/// What is to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreWanted {
    /// Out of what.
    pub tree: Tree,
    /// Entries, by pattern; empty: all.
    pub only: Vec<String>,
    /// The machine that gets it; none: the one that asks.
    pub to: Option<String>,
    /// Higher goes first.
    pub priority: i32,
}

/// Which jobs are meant; what is none says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFilter {
    /// Whose machine.
    pub machine: Option<String>,
    /// Who asked.
    pub user: Option<String>,
    /// What the backup is called.
    pub name: Option<String>,
    /// What is to be done.
    pub kind: Option<WorkKind>,
    /// Whether it is over.
    pub over: Option<bool>,
    /// Whether it did not come to a good end.
    pub bad: Option<bool>,
    /// Asked for at or after.
    pub since_s: Option<Seconds>,
    /// Asked for before.
    pub before_s: Option<Seconds>,
}

/// What a job does, without the particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkKind {
    /// Keeps a stream.
    Backup,
    /// Gives one back.
    Restore,
    /// Reads one through.
    Verify,
    /// Writes a second copy.
    Copy,
    /// Looks who a cartridge is.
    Identify,
    /// Makes a cartridge blank.
    Erase,
}

/// Which media are meant; what is none says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumFilter {
    /// Of this pool.
    pub pool: Option<String>,
    /// In the library, or out of it.
    pub inside: Option<bool>,
    /// Whether something is wrong with it.
    pub bad: Option<bool>,
}

/// Who checks a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckedBy {
    /// Tapioca, once [`Command::Password`] gave one.
    Here,
    /// The machine that the login comes from.
    Machine,
}

/// A person as it shall be. A password that is known stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserWanted {
    /// What they type.
    pub name: String,
    /// Who checks the password.
    pub checked_by: CheckedBy,
    /// What they may do.
    pub rights: BTreeSet<Right>,
    /// Machines from which they may log in; empty: any that is enrolled.
    pub machines: BTreeSet<String>,
    /// May log in no more, and no ticket of theirs is good.
    pub disabled: bool,
}

/// How bad news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Nothing has to be done.
    Note,
    /// Somebody should look.
    Warning,
    /// Something that was promised is in danger.
    Alarm,
}

/// Whom to tell what, outside tapicom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its name.
    pub name: String,
    /// Where: `mailto:…`, `syslog:HOST`, `https:…`. Holds no secret.
    pub to: String,
    /// From how bad on.
    pub from: Severity,
    /// Whether somebody is wanted by requests, too.
    pub requests: bool,
}

/// Which events a subscriber wants; what is none says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Of this job, and then also how far it is, now and then.
    pub job: Option<JobId>,
    /// About this machine.
    pub machine: Option<String>,
    /// From how bad on.
    pub from: Option<Severity>,
}
