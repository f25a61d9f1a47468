//! What is said: commands.
//!
//! Owns the list of all commands. What they are made of is in [`wanted`](super::wanted), answers and events are
//! in [`reply`](super::reply), and all of it may be used from here. Every command is flat: identities, names and numbers, never a path on the appliance. Knows neither
//! who may say what ([`rights`](super::rights)) nor how it travels ([`frame`](super::frame)). A variant is
//! never moved, changed or removed: new ones go to the end, as the number of a variant is what travels.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use super::reply::*;
pub use super::shown::*;
pub use super::values::{Bytes, Secret};
pub use super::wanted::*;
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

    // What came later.
    /// What a restore could not give back. [`Reply::LostFiles`]
    RestoreGaps {
        /// The restore.
        job: JobId,
        /// Which part of it.
        page: Page,
    },
    /// What a restore would take, where that is, and how long it would be at it. [`Reply::Outlook`]
    RestoreOutlook(RestoreWanted),
    /// A backup that was cut short goes on, with what is not recorded of it. [`Reply::Backup`]
    BackupResume {
        /// Which.
        job: JobId,
    },
    /// How a cartridge is, or how drives are. [`Reply::Conditions`]
    Conditions {
        /// The cartridge; none: the drives.
        medium: Option<String>,
    },
    /// What machines may give, and gave, today. [`Reply::Quotas`]
    Quotas {
        /// Which part of them.
        page: Page,
    },
    /// What the appliance runs, and what it is to run next. [`Reply::Update`]
    Update(UpdateWanted),
}
