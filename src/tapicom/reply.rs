//! What is answered, and what is told without being asked.
//!
//! Owns the shape of every answer and event. There is no field for a password, a hash or the secret half of
//! a ticket but one, in [`Reply::Login`], and that is said once. A variant is never moved, changed or
//! removed: new ones go to the end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::message::{CheckedBy, Notification, Severity};
use super::shown::{Condition, LostFile, Outlook, Quota};
use super::values::{Bytes, Secret};
use crate::catalogue::record::{
    Audit, Job, JobId, JobState, Kept, Level, Machine, Medium, MediumState, Pool, Right, Schedule,
    Seconds, Set, Ticket, Wish, Work,
};
use crate::stream::StreamId;

/// Part of a long answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paged<T> {
    /// This part.
    pub items: Vec<T>,
    /// What to ask for the next one with; none: this was the last.
    pub next: Option<String>,
}

/// A job, but for where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
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
    /// Stream bytes that are on tape and recorded.
    pub recorded: u64,
    /// Entries in its file list.
    pub entries: u64,
    /// Nothing it kept may be overwritten before.
    pub expires_s: Option<Seconds>,
    /// When each copy was proved last.
    pub verified_s: BTreeMap<u8, Seconds>,
    /// Why it does not run, if it should: `waits for a drive`.
    pub waits_for: Option<String>,
}

impl JobView {
    /// What may be seen of a job.
    pub fn of(job: &Job) -> JobView {
        JobView {
            id: job.id,
            work: job.work.clone(),
            machine: job.machine.clone(),
            user: job.user.clone(),
            priority: job.priority,
            state: job.state.clone(),
            created_s: job.created_s,
            started_s: job.started_s,
            ended_s: job.ended_s,
            attempts: job.attempts,
            recorded: job.recorded,
            entries: job.entries,
            expires_s: job.expires_s,
            verified_s: job.verified_s.clone(),
            waits_for: None,
        }
    }
}

/// A person, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// What they type.
    pub name: String,
    /// Who checks the password.
    pub checked_by: CheckedBy,
    /// Whether there is a password to check.
    pub has_password: bool,
    /// What they may do.
    pub rights: BTreeSet<Right>,
    /// Machines from which they may log in; empty: any that is enrolled.
    pub machines: BTreeSet<String>,
    /// May log in no more.
    pub disabled: bool,
}

/// A ticket, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketView {
    /// The public half.
    pub id: [u8; 16],
    /// Whose.
    pub user: String,
    /// The machine it is good on.
    pub machine: String,
    /// What it allows, as long as the user may that.
    pub rights: BTreeSet<Right>,
    /// When it was given.
    pub created_s: Seconds,
    /// When it ends, if it does.
    pub expires_s: Option<Seconds>,
}

impl TicketView {
    /// What may be seen of a ticket.
    pub fn of(ticket: &Ticket) -> TicketView {
        TicketView {
            id: ticket.id,
            user: ticket.user.clone(),
            machine: ticket.machine.clone(),
            rights: ticket.rights.clone(),
            created_s: ticket.created_s,
            expires_s: ticket.expires_s,
        }
    }
}

/// How things are, on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The appliance's clock.
    pub now_s: Seconds,
    /// Since when it is up.
    pub since_s: Seconds,
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs at work.
    pub running: u64,
    /// Jobs that came to no good end in the last day.
    pub bad: u64,
    /// What people are asked to do.
    pub requests: u64,
    /// Cartridges that can be written.
    pub writable: u64,
    /// What is wrong, worst first.
    pub alarms: Vec<String>,
    /// The drives.
    pub drives: Vec<DriveView>,
}

/// A drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveView {
    /// Its number, from 1.
    pub number: u32,
    /// What it is: vendor, product, serial number.
    pub what: String,
    /// Whether it may be used.
    pub used: bool,
    /// What it does, in words: `idle`, `writes job 17`.
    pub does: String,
    /// The cartridge in it.
    pub medium: Option<String>,
    /// Payload, bytes a second, lately.
    pub rate: u64,
    /// What it complains of, newest last.
    pub alerts: Vec<String>,
}

/// What lies somewhere in the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where: `slot 3`, `drive 1`, `mail slot 1`.
    pub place: String,
    /// The cartridge there.
    pub tag: Option<String>,
    /// What is wrong with the place.
    pub trouble: Option<String>,
}

/// Whom a backup follows, and how its stream is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupGiven {
    /// The job.
    pub job: JobId,
    /// Identity the stream has to have.
    pub stream: StreamId,
    /// How much is to be taken.
    pub level: Level,
    /// Jobs whose file lists say what is known already, the full one first; empty for a full one.
    pub base: Vec<JobId>,
    /// What to run behind the wire for the stream: `plumb BOX -- WORDS`; empty: the machine is asked.
    pub words: Vec<String>,
}

/// A version of an entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The job that kept it.
    pub job: JobId,
    /// Its kind, as index lines have it: `f`, `d`, `l`, and `-` for one that was gone.
    pub kind: char,
    /// Its path.
    pub path: Bytes,
    /// Its size.
    pub bytes: u64,
    /// When it was changed.
    pub modified_s: Seconds,
    /// BLAKE3 of its content.
    pub digest: Option<[u8; 32]>,
}

/// A cartridge that a restore wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumNeeded {
    /// Its volume tag.
    pub tag: String,
    /// Where it is.
    pub location: String,
    /// Bytes to be read from it.
    pub bytes: u64,
}

/// What a restore would take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which backups, in the order they are laid over one another.
    pub jobs: Vec<JobId>,
    /// On which media, in the order they are read.
    pub media: Vec<MediumNeeded>,
    /// How many entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What cannot be had, and why.
    pub missing: Vec<String>,
}

/// What will be written to a pool, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolForecast {
    /// Which pool.
    pub pool: String,
    /// Bytes that will come.
    pub coming: u64,
    /// Bytes that there is room for.
    pub room: u64,
    /// Blank cartridges it will want.
    pub wants: u64,
    /// Cartridges on which nothing will be worth keeping.
    pub expiring: Vec<String>,
}

/// Something that somebody is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToDo {
    /// Its number.
    pub number: u64,
    /// Since when.
    pub asked_s: Seconds,
    /// What, in words: `put TAP007L9 into a mail slot`.
    pub what: String,
    /// The job that waits for it.
    pub job: Option<JobId>,
}

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wellness {
    /// What: `catalogue`, `drive 1`, `clock`.
    pub what: String,
    /// How bad; none: well.
    pub severity: Option<Severity>,
    /// In words.
    pub words: String,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Of what sort.
    pub why: Why,
    /// In words, one line.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Sorts of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Nobody knows that ticket, or it is good no more, or not here: log in.
    NoTicket,
    /// Machine, login and password do not belong together.
    NoLogin,
    /// The ticket does not allow it.
    NoRight,
    /// Too much at once: later.
    Busy,
    /// There is no such thing.
    NotFound,
    /// It cannot be, as things are.
    Conflict,
    /// It makes no sense.
    Malformed,
    /// It may work later.
    Later,
    /// The appliance cannot: somebody must look at it.
    Failed,
}

/// The one answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It was not done.
    Refused(Refusal),
    /// It was done.
    Done,
    /// It will be done, by this job.
    Accepted {
        /// Which.
        job: JobId,
    },
    /// What runs there.
    Version {
        /// Version of the software.
        software: String,
        /// Version of the messages.
        messages: u16,
    },
    /// A ticket. Its text is said here and never again.
    Login {
        /// Its text.
        ticket: Secret,
        /// What it is good for.
        view: TicketView,
    },
    /// Whose ticket.
    Ticket(TicketView),
    /// How things are.
    Status(Status),
    /// A backup may come.
    Backup(BackupGiven),
    /// A job.
    Job(JobView),
    /// Jobs.
    Jobs(Paged<JobView>),
    /// All about a job.
    JobReport {
        /// The job.
        job: JobView,
        /// Where its bytes are, some of it.
        kept: Vec<Kept>,
        /// Number of the first run not told; none: that was all.
        kept_next: Option<u32>,
        /// What happened, in words, oldest first.
        words: Vec<String>,
    },
    /// A piece of a file.
    Chunk {
        /// The bytes.
        bytes: Bytes,
        /// First byte of the next piece; none: this was the last.
        next: Option<u64>,
    },
    /// Entries.
    Entries(Paged<Entry>),
    /// What a restore would take.
    Plan(Plan),
    /// A restore will be given.
    Restore {
        /// The job.
        job: JobId,
        /// What to run behind the wire to get the stream; empty: the machine is sent it.
        words: Vec<String>,
    },
    /// Media.
    Media(Paged<Medium>),
    /// A medium.
    Medium(Medium),
    /// What is where.
    Inventory(Paged<Place>),
    /// The drives.
    Drives(Vec<DriveView>),
    /// Pools.
    Pools(Paged<Pool>),
    /// Sets.
    Sets(Paged<Set>),
    /// What will be.
    Forecast(Vec<PoolForecast>),
    /// Schedules, each with when it makes its next job.
    Schedules(Paged<(Schedule, Option<Seconds>)>),
    /// People.
    Users(Paged<UserView>),
    /// Machines.
    Machines(Paged<Machine>),
    /// What to type on the machine that enrols.
    EnrolCode {
        /// The code, good once.
        code: Secret,
        /// Until when.
        until_s: Seconds,
    },
    /// Tickets.
    Tickets(Paged<TicketView>),
    /// Wishes.
    Wishes(Paged<Wish>),
    /// A wish.
    Wish(Wish),
    /// What somebody is asked to do.
    Requests(Paged<ToDo>),
    /// Events follow.
    Subscribed,
    /// Entries of the audit trail.
    Audit {
        /// Some of them.
        entries: Vec<Audit>,
        /// Whether more follow.
        more: bool,
    },
    /// What is well and what is not.
    Health(Vec<Wellness>),
    /// Numbers: name, with labels as Prometheus has them, and value.
    Metrics(Vec<(String, u64)>),
    /// What was found in the catalogue.
    Check {
        /// Records that were read.
        records: u64,
        /// What is wrong, in words.
        wrong: Vec<String>,
    },
    /// What to run behind the wire to get it.
    Send {
        /// `plumb BOX -- WORDS`.
        words: Vec<String>,
    },
    /// Whom to tell what.
    Notifications(Vec<Notification>),
    /// What a restore could not give back.
    LostFiles(Paged<LostFile>),
    /// What a restore would do.
    Outlook(Outlook),
    /// How cartridges or drives are.
    Conditions(Vec<Condition>),
    /// What machines may give.
    Quotas(Paged<Quota>),
    /// How updates stand.
    Update(crate::update::State),
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which.
    pub job: JobId,
    /// Stream bytes that came.
    pub received: u64,
    /// Of those, on tape.
    pub on_tape: u64,
    /// Of those, recorded.
    pub recorded: u64,
    /// About how many there will be.
    pub expected: Option<u64>,
    /// Bytes a second, lately.
    pub rate: u64,
    /// In words: `writes TAP007L9 in drive 1`.
    pub does: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The subscriber was too slow, and so many events before this one are gone.
    Lost {
        /// How many.
        count: u64,
    },
    /// A job is in another state.
    Job {
        /// Which.
        job: JobId,
        /// Whose.
        machine: String,
        /// The state.
        state: JobState,
    },
    /// How far a job is.
    Progress(Progress),
    /// A cartridge is in another state, or elsewhere.
    Medium {
        /// Its volume tag.
        tag: String,
        /// The state.
        state: MediumState,
        /// Where.
        location: String,
    },
    /// A drive does something else.
    Drive(DriveView),
    /// Somebody is asked to do something.
    Asked(ToDo),
    /// Nobody is asked for it any more.
    Answered {
        /// Number of what was asked.
        number: u64,
    },
    /// News.
    News {
        /// How bad.
        severity: Severity,
        /// In words.
        what: String,
    },
}

/// What ends a subscription from the side of the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why; none: the client wanted it.
    pub refusal: Option<Refusal>,
}
