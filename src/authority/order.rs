//! What people and clients command.
//!
//! Owns the commands that change something, who gives them and the right each one takes. Looking at things
//! is no command of the authority: the shell reads its state.

use std::collections::BTreeSet;

use super::event::{DriveId, Element};
use crate::catalogue::record::{JobId, Machine, Pool, Receiver, Right, Schedule, Ticket, User};
use crate::stream::StreamId;

/// Who commands: a ticket, as it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The person.
    pub user: String,
    /// The machine they are at, by its certificate.
    pub machine: String,
    /// What the ticket allows.
    pub rights: BTreeSet<Right>,
}

impl Caller {
    /// Whether the ticket allows it.
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// `user@machine`, as the audit trail has it.
    pub fn name(&self) -> String {
        format!("{}@{}", self.user, self.machine)
    }
}

/// A command that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Keep a stream of the caller's machine. Answer: [`Backup`](super::Reply::Backup).
    Backup {
        /// What it is called.
        name: String,
        /// Only what changed since the last of the name, if there is one.
        incremental: bool,
        /// Where it goes.
        pool: String,
        /// Identity of the stream, never used before.
        stream: StreamId,
        /// Higher goes first.
        priority: i32,
    },
    /// Keep what is missing of a backup that was cut short, as another that builds on it. Answer:
    /// [`Backup`](super::Reply::Backup).
    Continue {
        /// Which was cut.
        job: JobId,
        /// Identity of the stream, never used before.
        stream: StreamId,
    },
    /// Give back what jobs kept. Answer: [`Job`](super::Reply::Job).
    Restore {
        /// Which, in the order they are to be laid over one another: the full one first.
        of: Vec<JobId>,
        /// Entries, by pattern; empty: all.
        only: Vec<String>,
        /// The machine that gets it.
        to: String,
        /// Higher goes first.
        priority: i32,
    },
    /// Read back all copies of what a job kept. Answer: [`Job`](super::Reply::Job).
    Verify {
        /// Which.
        of: JobId,
    },
    /// Write another copy of what a job kept. Answer: [`Job`](super::Reply::Job).
    Copy {
        /// Which.
        of: JobId,
        /// Where it goes.
        pool: String,
    },
    /// Look who a cartridge is. Answer: [`Job`](super::Reply::Job).
    Identify {
        /// Its tag.
        tag: String,
    },
    /// End a job, wherever it is. What it kept stays until it expires.
    Cancel {
        /// Which.
        job: JobId,
    },
    /// A queued job does not begin until it is let go.
    Hold {
        /// Which.
        job: JobId,
    },
    /// A held job goes back to the queue.
    LetGo {
        /// Which.
        job: JobId,
    },
    /// An interrupted backup goes on with the same stream, or says how it ended. Asking twice gives the same
    /// answer: [`Backup`](super::Reply::Backup).
    Resume {
        /// Which.
        job: JobId,
    },
    /// A job that did not begin is moved in the queue.
    Priority {
        /// Which.
        job: JobId,
        /// Higher goes first.
        priority: i32,
    },
    /// This cartridge serves this pool. A blank one is labelled when it is first written.
    Assign {
        /// Its tag.
        tag: String,
        /// The pool.
        pool: String,
    },
    /// This cartridge serves no pool any more, and what is on it has expired: it is as good as blank.
    Release {
        /// Its tag.
        tag: String,
    },
    /// Nothing more is written on this cartridge.
    Retire {
        /// Its tag.
        tag: String,
        /// Why.
        why: String,
    },
    /// Move a cartridge. Answered when it is done.
    Move {
        /// From here.
        from: Element,
        /// To there.
        to: Element,
    },
    /// Bring a cartridge to a mail slot and have a person take it out. Answered when it lies there.
    Export {
        /// Its tag.
        tag: String,
    },
    /// Take what lies in the mail slots in, each into a free slot.
    Import,
    /// Take the inventory again.
    Inventory,
    /// Clean a drive as soon as it is idle.
    Clean {
        /// Which.
        drive: DriveId,
    },
    /// Put back what is in a drive.
    Unload {
        /// Which.
        drive: DriveId,
    },
    /// Take a drive out of service, or back in. A session that runs goes on to its end.
    Use {
        /// Which.
        drive: DriveId,
        /// Whether it may be used.
        on: bool,
    },
    /// Ask that a cartridge with data that has not expired be erased. Answer: [`Wish`](super::Reply::Wish).
    Wish {
        /// Its tag.
        tag: String,
    },
    /// Agree to somebody else's wish.
    Agree {
        /// Its number.
        wish: u64,
    },
    /// Take back a wish, one's own or, as an administrator, anybody's.
    DropWish {
        /// Its number.
        wish: u64,
    },
    /// The clock is right although it jumped: what expired by it may be overwritten again.
    TrustClock,
    /// Make or change a person. A password arrives as its hash.
    PutUser(User),
    /// Remove a person, and their tickets.
    DropUser {
        /// The name.
        name: String,
    },
    /// A login was good: keep its ticket.
    PutTicket(Ticket),
    /// A ticket ends.
    DropTicket {
        /// Its id.
        id: [u8; 16],
    },
    /// Make or change a machine.
    PutMachine(Machine),
    /// Remove a machine, and its tickets. What it kept stays until it expires.
    DropMachine {
        /// The name.
        name: String,
    },
    /// Make or change a pool. Data that is kept stays as long as it was promised.
    PutPool(Pool),
    /// Remove a pool that no cartridge, job or schedule serves.
    DropPool {
        /// The name.
        name: String,
    },
    /// These are told things from now on, and nobody else but those of the configuration.
    PutReceivers(Vec<Receiver>),
    /// Make or change a schedule. How often it ran stays as it is.
    PutSchedule(Schedule),
    /// Remove a schedule.
    DropSchedule {
        /// The name.
        name: String,
    },
    /// Run a schedule's backup now. Answer: [`Job`](super::Reply::Job).
    RunSchedule {
        /// The name.
        name: String,
        /// Identity for the stream, never used before.
        stream: StreamId,
    },
}
