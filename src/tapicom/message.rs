//! What is said: commands, and what they are made of.
//!
//! Owns the shape of every command; answers and events are in [`reply`](super::reply) and may be used from
//! here. Every command is flat: identities, names and numbers, never a path on the appliance. Knows neither
//! who may say what ([`rights`](super::rights)) nor how it travels ([`frame`](super::frame)). A variant is
//! never moved, changed or removed: new ones go to the end, as the number of a variant is what travels.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use super::reply::*;
pub use super::values::{Bytes, Secret};
use crate::catalogue::record::{JobId, Machine, Pool, Right, Schedule, Seconds};

/// The version of all messages.
pub const VERSION: u16 = 1;

/// Says first, at both ends: what can be spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The oldest version that is understood.
    pub from: u16,
    /// The newest.
    pub to: u16,
    /// What speaks, in words: `tapicli 0.1.0`.
    pub software: String,
}

/// One command, and by what right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The text of a ticket; none: for [`Command::Version`] and [`Command::Login`].
    pub ticket: Option<Secret>,
    /// What is wanted.
    pub command: Command,
}

/// Which part of a long answer is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What [`Paged::next`](super::reply::Paged::next) of the part before said; none: the first part.
    pub after: Option<String>,
    /// At most so many; 0: as many as fit, and never more than 1,000.
    pub most: u32,
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

/// What is wanted. Behind each: the answer when it is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    // Anybody.
    /// What runs there. [`Reply::Version`]
    Version,
    /// A ticket for machine, login and password; the machine is the one that asks. [`Reply::Login`]
    Login {
        /// Who.
        user: String,
        /// The proof.
        password: Secret,
        /// What the ticket is wanted for; less is given when the user may less.
        rights: BTreeSet<Right>,
        /// How long it is wanted, seconds; none: until it is logged out.
        life_s: Option<Seconds>,
    },

    // Whoever has a ticket.
    /// The ticket is good no more. [`Reply::Done`]
    Logout,
    /// Whose ticket it is, and what for. [`Reply::Ticket`]
    WhoAmI,
    /// How things are, on a page. [`Reply::Status`]
    Status,

    // Backups, jobs.
    /// A backup. [`Reply::Backup`]
    Backup(BackupWanted),
    /// How a job is. [`Reply::Job`]
    JobState {
        /// Which.
        job: JobId,
    },
    /// A job comes to an end; what has receipts stays. [`Reply::Done`]
    JobCancel {
        /// Which.
        job: JobId,
    },
    /// A job that has not begun waits until it is resumed. [`Reply::Done`]
    JobHold {
        /// Which.
        job: JobId,
    },
    /// A job that is held, or was interrupted, goes on. [`Reply::Done`]
    JobResume {
        /// Which.
        job: JobId,
    },
    /// Whether a job goes before others. [`Reply::Done`]
    JobPriority {
        /// Which.
        job: JobId,
        /// Higher goes first.
        priority: i32,
    },
    /// Jobs, newest first. [`Reply::Jobs`]
    Jobs {
        /// Which.
        filter: JobFilter,
        /// Which part of them.
        page: Page,
    },
    /// All about a job. [`Reply::JobReport`]
    JobReport {
        /// Which.
        job: JobId,
        /// Where its bytes are is told from this run on, 0 first.
        kept_from: u32,
    },
    /// The file list of a job, as `proc_record` writes it, a piece at a time. [`Reply::Chunk`]
    FileList {
        /// Which.
        job: JobId,
        /// First byte of the piece.
        offset: u64,
    },

    // Browsing, restores.
    /// What is in a folder. [`Reply::Entries`]
    List {
        /// Of what.
        tree: Tree,
        /// The folder; empty: the top.
        path: Bytes,
        /// Which part of it.
        page: Page,
    },
    /// Entries by pattern. [`Reply::Entries`]
    Find {
        /// In what.
        tree: Tree,
        /// As `--only` has it.
        pattern: String,
        /// Which part of them.
        page: Page,
    },
    /// Every version of a path that is kept, newest first. [`Reply::Entries`]
    Versions {
        /// Whose; none: of the machine that asks.
        machine: Option<String>,
        /// The path.
        path: Bytes,
        /// Which part of them.
        page: Page,
    },
    /// What a restore would take. [`Reply::Plan`]
    RestorePlan(RestoreWanted),
    /// A restore. [`Reply::Restore`]
    Restore(RestoreWanted),

    // Media.
    /// Cartridges that are known. [`Reply::Media`]
    Media {
        /// Which.
        filter: MediumFilter,
        /// Which part of them.
        page: Page,
    },
    /// All about a cartridge. [`Reply::Medium`]
    Medium {
        /// Its volume tag.
        tag: String,
    },
    /// A cartridge serves a pool from now on; nothing that is kept may be on it. [`Reply::Done`]
    MediumAssign {
        /// Its volume tag.
        tag: String,
        /// Which pool; none: none.
        pool: Option<String>,
    },
    /// Nothing more is written on a cartridge. [`Reply::Done`]
    MediumRetire {
        /// Its volume tag.
        tag: String,
        /// Why.
        why: String,
    },
    /// A cartridge on which nothing is worth keeping any more may be used again. [`Reply::Done`]
    MediumRelease {
        /// Its volume tag.
        tag: String,
    },

    // The library.
    /// What is where. [`Reply::Inventory`]
    Inventory {
        /// Whether the robot looks again first.
        again: bool,
        /// Which part of it.
        page: Page,
    },
    /// A cartridge goes elsewhere. [`Reply::Accepted`]
    Move {
        /// From where: `slot 3`, `drive 1`, `mail slot 1`.
        from: String,
        /// To where.
        to: String,
    },
    /// What lies in the mail slots is taken in. [`Reply::Accepted`]
    Import,
    /// A cartridge goes to a mail slot. [`Reply::Accepted`]
    Export {
        /// Its volume tag.
        tag: String,
    },
    /// A blank cartridge gets a label. [`Reply::Accepted`]
    Label {
        /// Its volume tag.
        tag: String,
        /// For which pool.
        pool: String,
    },
    /// Somebody looks who a cartridge is. [`Reply::Accepted`]
    Identify {
        /// Its volume tag.
        tag: String,
    },
    /// A drive is cleaned. [`Reply::Accepted`]
    Clean {
        /// Its number, from 1.
        drive: u32,
    },
    /// The drives. [`Reply::Drives`]
    Drives,
    /// A drive is used, or is not. [`Reply::Done`]
    DriveUse {
        /// Its number, from 1.
        drive: u32,
        /// Whether.
        used: bool,
    },

    // Pools and sets.
    /// The pools. [`Reply::Pools`]
    Pools {
        /// Which part of them.
        page: Page,
    },
    /// A pool is made or changed. [`Reply::Done`]
    PoolPut(Pool),
    /// A pool that keeps nothing is forgotten. [`Reply::Done`]
    PoolDrop {
        /// Its name.
        name: String,
    },
    /// The sets, newest first. [`Reply::Sets`]
    Sets {
        /// Of which pool; none: of all.
        pool: Option<String>,
        /// Which part of them.
        page: Page,
    },
    /// What will be written, and on what. [`Reply::Forecast`]
    Forecast {
        /// How far ahead.
        days: u32,
    },

    // Proof.
    /// What a job kept is read through. [`Reply::Accepted`]
    Verify {
        /// Which.
        of: JobId,
        /// Which copy, from 0; none: the one that was proved longest ago.
        copy: Option<u8>,
    },
    /// What a job kept is written once more. [`Reply::Accepted`]
    Copy {
        /// Which.
        of: JobId,
        /// Where the copy goes.
        pool: String,
    },

    // What happens by itself.
    /// The schedules. [`Reply::Schedules`]
    Schedules {
        /// Which part of them.
        page: Page,
    },
    /// A schedule is made or changed. [`Reply::Done`]
    SchedulePut(Schedule),
    /// A schedule is forgotten; what it made stays. [`Reply::Done`]
    ScheduleDrop {
        /// Its name.
        name: String,
    },
    /// A schedule makes jobs, or makes none. [`Reply::Done`]
    ScheduleEnable {
        /// Its name.
        name: String,
        /// Whether.
        enabled: bool,
    },
    /// A schedule makes a job now. [`Reply::Accepted`]
    ScheduleRun {
        /// Its name.
        name: String,
    },

    // People.
    /// The people. [`Reply::Users`]
    Users {
        /// Which part of them.
        page: Page,
    },
    /// Somebody is made known, or changed. [`Reply::Done`]
    UserPut(UserWanted),
    /// Somebody is forgotten, and all tickets of theirs. [`Reply::Done`]
    UserDrop {
        /// Who.
        name: String,
    },
    /// A password that tapioca checks. [`Reply::Done`]
    Password {
        /// Whose; none: of whoever asks.
        user: Option<String>,
        /// The one before; wanted of whoever changes their own.
        old: Option<Secret>,
        /// The one from now on.
        new: Secret,
    },

    // Machines.
    /// The machines. [`Reply::Machines`]
    Machines {
        /// Which part of them.
        page: Page,
    },
    /// A machine is made known, or changed. [`Reply::Done`]
    MachinePut(Machine),
    /// A machine of which nothing is kept is forgotten. [`Reply::Done`]
    MachineDrop {
        /// Its name.
        name: String,
    },
    /// A code with which a machine may enrol, once. [`Reply::EnrolCode`]
    EnrolCode {
        /// Its name.
        machine: String,
    },
    /// The certificate of a machine is good no more, nor any ticket on it. [`Reply::Done`]
    MachineRevoke {
        /// Its name.
        name: String,
    },

    // Tickets.
    /// Tickets that are good. [`Reply::Tickets`]
    Tickets {
        /// Whose; none: of whoever asks.
        user: Option<String>,
        /// Which part of them.
        page: Page,
    },
    /// A ticket is good no more. [`Reply::Done`]
    TicketRevoke {
        /// Its public half.
        id: [u8; 16],
    },

    // What destroys takes two.
    /// What is to be destroyed, and who asked. [`Reply::Wishes`]
    Wishes {
        /// Which part of them.
        page: Page,
    },
    /// Asks that a cartridge be erased. [`Reply::Wish`]
    WishErase {
        /// Its volume tag.
        tag: String,
        /// Why.
        why: String,
    },
    /// A second person agrees. [`Reply::Wish`]
    WishAgree {
        /// To which.
        number: u64,
    },
    /// It is not done. [`Reply::Done`]
    WishCancel {
        /// Which.
        number: u64,
    },

    // What people are asked to do.
    /// What somebody is asked to do. [`Reply::Requests`]
    Requests {
        /// Which part of it.
        page: Page,
    },
    /// It was done, or will not be. [`Reply::Done`]
    RequestAnswer {
        /// Which.
        number: u64,
        /// Whether it was done.
        done: bool,
        /// What there is to say.
        words: String,
    },

    // Watching.
    /// Events from now on, until the client has enough. [`Reply::Subscribed`]
    Events(EventFilter),
    /// The audit trail, oldest first. [`Reply::Audit`]
    Audit {
        /// Entries after this number; 0: from the first.
        after: u64,
        /// At most so many; 0: as many as fit.
        most: u32,
    },
    /// What is well and what is not. [`Reply::Health`]
    Health,
    /// Numbers for those who draw curves. [`Reply::Metrics`]
    Metrics,
    /// The catalogue is read through. [`Reply::Check`]
    CatalogueCheck,
    /// The catalogue, sealed for those who keep its key. [`Reply::Send`]
    CatalogueExport,
    /// Whom to tell what. [`Reply::Notifications`]
    Notifications,
    /// Whom to tell what from now on. [`Reply::Done`]
    NotificationsPut {
        /// All of it.
        all: Vec<Notification>,
    },
}
