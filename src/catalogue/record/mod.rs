//! What the authority remembers: plain records.
//!
//! Owns the shapes of everything durable but file lists: who people and machines are, which media there
//! are, what jobs came to. Knows neither how records are kept nor what is decided from them. Times are
//! seconds since the epoch, by the authority's clock.

mod media;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use media::{Medium, MediumState, NewSet, Pool, Set};

use crate::stream::StreamId;

/// Seconds since the epoch.
pub type Seconds = i64;

/// Number of a job, from 1, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Something a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Right {
    /// Look at jobs, media and the library, and at names of files of one's own machine.
    Look,
    /// Add backups of one's own machine.
    BackUp,
    /// Restore what one's own machine backed up, onto it.
    Restore,
    /// See and restore what any machine backed up, onto any.
    RestoreElsewhere,
    /// Move, load, label and clean media, answer requests, cancel and hold jobs of anybody.
    Operate,
    /// Users, machines, pools, schedules.
    Administer,
    /// Ask for, and agree to, the destruction of data that has not expired. Never together with
    /// [`BackUp`](Right::BackUp) in one ticket.
    Erase,
}

impl Right {
    /// Every right.
    pub const ALL: [Right; 7] = [
        Right::Look,
        Right::BackUp,
        Right::Restore,
        Right::RestoreElsewhere,
        Right::Operate,
        Right::Administer,
        Right::Erase,
    ];
}

/// Who checks a person's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// Tapioca itself: an argon2id hash in the PHC string format.
    Here(String),
    /// The machine that the login names, by its own accounts.
    Machine,
}

/// A person. Its key is the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What they type.
    pub name: String,
    /// Who checks the password.
    pub credential: Credential,
    /// What they may do.
    pub rights: BTreeSet<Right>,
    /// Machines from which they may log in; empty: any that is enrolled.
    pub machines: BTreeSet<String>,
    /// May log in no more.
    pub disabled: bool,
}

/// What stands for a login. Its key is `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The public half, which a ticket's text begins with.
    pub id: [u8; 16],
    /// BLAKE3 of the secret half.
    pub hash: [u8; 32],
    /// Whose.
    pub user: String,
    /// The machine it is good on.
    pub machine: String,
    /// What it allows: some of the user's rights.
    pub rights: BTreeSet<Right>,
    /// When it was given.
    pub created_s: Seconds,
    /// When it ends, if it does.
    pub expires_s: Option<Seconds>,
}

/// A machine whose backups are kept. Its key is the name, the one in its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Where its own netplumber is, for backups that the authority asks for: `HOST:PORT`.
    pub address: Option<String>,
    /// Payload bytes it may give in a day; none: any number.
    pub quota_bytes: Option<u64>,
    /// Backups of it that may run at once.
    pub jobs_max: u32,
}

/// How much of a tree a backup takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// All of it.
    Full,
    /// What changed since another job.
    Since(JobId),
}

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Keep a stream of a machine.
    Backup {
        /// What it is called; incrementals follow others of the name.
        name: String,
        /// How much.
        level: Level,
        /// Where it goes.
        pool: String,
        /// Identity of the stream.
        stream: StreamId,
    },
    /// Give back, wholly or some of it, what jobs kept: the full one first.
    Restore {
        /// Which backups, in the order they are to be laid over one another.
        of: Vec<JobId>,
        /// Entries, by pattern; empty: all.
        only: Vec<String>,
        /// The machine that gets it.
        to: String,
    },
    /// Read back what a job kept.
    Verify {
        /// Which.
        of: JobId,
    },
    /// Write a second copy of what a job kept.
    Copy {
        /// Which.
        of: JobId,
        /// Where the copy goes.
        pool: String,
    },
    /// Look who a cartridge is.
    Identify {
        /// Its tag.
        tag: String,
    },
    /// Destroy what is on a cartridge and make it blank.
    Erase {
        /// Its tag.
        tag: String,
    },
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Held by a person.
    Held,
    /// At work.
    Running,
    /// Done, and durable: for a backup all of it is on tape and recorded here.
    Done,
    /// Done, and some things were left out: how many.
    DoneBut(u64),
    /// Cut short; what has receipts is there, and the rest may follow: why.
    Interrupted(String),
    /// Came to nothing: why.
    Failed(String),
    /// Ended by a person: who.
    Cancelled(String),
    /// Some of what was promised is lost: why.
    Damaged(String),
}

impl JobState {
    /// Whether nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        !matches!(self, JobState::Queued | JobState::Held | JobState::Running)
    }
}

/// A run of a job's stream on a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which copy, from 0.
    pub copy: u8,
    /// First stream byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// Tag of the medium.
    pub medium: String,
    /// Identity of the volume.
    pub volume: Option<Uuid>,
    /// Block from which reading starts.
    pub block: u64,
    /// Stream bytes a block; 0: reading starts at `block` for all of it.
    pub stride: u64,
}

/// A piece of work. Its key is `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What is to be done.
    pub work: Work,
    /// Whose machine.
    pub machine: String,
    /// Who asked, or `schedule NAME`.
    pub user: String,
    /// Higher goes first.
    pub priority: i32,
    /// How far it has come.
    pub state: JobState,
    /// When it was asked for.
    pub created_s: Seconds,
    /// When it began.
    pub started_s: Option<Seconds>,
    /// When it was over.
    pub ended_s: Option<Seconds>,
    /// Attempts so far.
    pub attempts: u32,
    /// Stream bytes that are on tape and recorded, in one piece from 0.
    pub recorded: u64,
    /// Where they are, in order of copy and offset.
    pub kept: Vec<Kept>,
    /// Entries in its file list.
    pub entries: u64,
    /// Nothing it kept may be overwritten before.
    pub expires_s: Option<Seconds>,
    /// How far it is proved by reading back: when, and which copies.
    pub verified_s: BTreeMap<u8, Seconds>,
}

/// A job that runs again and again. Its key is the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When: a cron expression, or plain words.
    pub when: String,
    /// The machine whose gluepot is asked.
    pub machine: String,
    /// What its backups are called.
    pub backup: String,
    /// What to take there.
    pub paths: Vec<String>,
    /// Which pool.
    pub pool: String,
    /// Full ones every so many times; 1: always.
    pub full_every: u32,
    /// Priority of its jobs.
    pub priority: i32,
    /// A job not begun so long after its time is left out, seconds.
    pub window_s: Seconds,
    /// How often one that failed is tried again.
    pub retries: u32,
    /// Makes no jobs while it is off.
    pub enabled: bool,
    /// Times it made a job.
    pub runs: u64,
    /// When it last made one.
    pub last_s: Option<Seconds>,
}

/// A wish to destroy something, which needs a second person. Its key is `number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Its number.
    pub number: u64,
    /// Tag of the medium to be erased.
    pub tag: String,
    /// Who asked.
    pub first: String,
    /// When.
    pub asked_s: Seconds,
    /// Who agreed.
    pub second: Option<String>,
    /// From when on it may be done, once agreed.
    pub not_before_s: Seconds,
}

/// Something that happened and must stay known. Its key is `number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Its number, from 1 without gaps.
    pub number: u64,
    /// When.
    pub at_s: Seconds,
    /// Who: `user@machine`, or a part of tapioca.
    pub who: String,
    /// What, in words; never a secret.
    pub what: String,
    /// BLAKE3 over the entry before (its own hash and all fields); zeros for the first.
    pub before: [u8; 32],
}

impl Audit {
    /// What the entry after it has for `before`: BLAKE3 over number, time and `before` as they are, and
    /// length and bytes of both texts; numbers as eight bytes, little-endian.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.number.to_le_bytes());
        hasher.update(&self.at_s.to_le_bytes());
        hasher.update(&self.before);
        for text in [&self.who, &self.what] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// Bytes that a restore went without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Whose stream.
    pub of: JobId,
    /// First stream byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// Tag of the medium that should have them.
    pub medium: String,
    /// Block in which the first of them lies there.
    pub block: u64,
    /// Why they cannot be had, in words.
    pub why: String,
}

/// What a restore could not give back. Its key is `job`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// The restore.
    pub job: JobId,
    /// In the order of its streams.
    pub lost: Vec<Lost>,
}

/// What a health record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Patient {
    /// A cartridge, by its tag.
    Medium(String),
    /// A drive, by its serial number.
    Drive(String),
}

/// What a drive counted while it wrote or read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Bytes that went over the bus.
    pub bytes: u64,
    /// Milliseconds in which they did.
    pub ms: u64,
    /// Errors that it corrected.
    pub corrected: u64,
    /// Errors that it could not correct.
    pub hard: u64,
}

/// How often a TapeAlert flag was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerted {
    /// Mounts in which it was.
    pub times: u64,
    /// When it was last.
    pub last_s: Seconds,
}

/// What drives said of a cartridge, or of themselves, mount after mount. Its key is `of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Of what.
    pub of: Patient,
    /// Mounts that were counted.
    pub mounts: u64,
    /// When the last one was.
    pub last_s: Seconds,
    /// Writing, in all.
    pub written: Counted,
    /// Reading, in all.
    pub read: Counted,
    /// Writing in the last mount in which something was written.
    pub last_written: Counted,
    /// Reading in the last mount in which something was read.
    pub last_read: Counted,
    /// TapeAlert flags that were up, by number.
    pub alerts: BTreeMap<u8, Alerted>,
    /// Times a drive was cleaned; 0 of a cartridge.
    pub cleaned: u64,
}

/// Somebody who is told things, made known by command. Its key is `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// What people call it.
    pub name: String,
    /// Where: `mailto:…`, or `https://…`.
    pub to: String,
    /// From how bad on: 0 everything, 1 what came to less than it should, 2 alarms.
    pub from: u8,
    /// Whether people are asked for things there, too.
    pub requests: bool,
}

/// Any record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A person.
    User(User),
    /// A login.
    Ticket(Ticket),
    /// A client.
    Machine(Machine),
    /// A pool.
    Pool(Pool),
    /// A cartridge.
    Medium(Medium),
    /// A set.
    Set(Set),
    /// A job.
    Job(Job),
    /// A schedule.
    Schedule(Schedule),
    /// A wish.
    Wish(Wish),
    /// An entry of the audit trail.
    Audit(Audit),
    /// What a restore could not give back.
    Gaps(Gaps),
    /// How a cartridge or a drive is.
    Health(Health),
    /// Somebody who is told things.
    Receiver(Receiver),
}

/// What is to be different once it is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// This record is kept instead of the one with its key. Audit entries are never replaced.
    Put(Box<Record>),
    /// No user with this name.
    DropUser(String),
    /// No ticket with this id.
    DropTicket([u8; 16]),
    /// No machine with this name.
    DropMachine(String),
    /// No pool with this name.
    DropPool(String),
    /// No schedule with this name.
    DropSchedule(String),
    /// No wish with this number.
    DropWish(u64),
    /// No receiver with this name.
    DropReceiver(String),
}

#[cfg(test)]
mod tests {
    use super::Audit;

    #[test]
    fn every_field_of_an_audit_entry_counts() {
        let one = Audit { number: 1, at_s: 2, who: "ab".into(), what: "c".into(), before: [0; 32] };
        let others = [
            Audit { number: 2, ..one.clone() },
            Audit { at_s: 3, ..one.clone() },
            Audit { who: "a".into(), what: "bc".into(), ..one.clone() },
            Audit { before: [1; 32], ..one.clone() },
        ];
        for other in others {
            assert_ne!(one.digest(), other.digest(), "{other:?}");
        }
    }
}
