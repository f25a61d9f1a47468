//! What is to be done, as the authority says.
//!
//! Owns the actions. The shell carries them out strictly in their order. An errand is begun in its place and
//! may take its time; what comes of it is an [`Event`](super::Event).

use uuid::Uuid;

use super::event::{CallId, DriveId, Element, ErrandId, RequestId};
use crate::catalogue::record::{Change, JobId, Level};
use crate::stream::StreamId;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Commit these, all or none. A barrier: what follows waits for it, and never happens if it fails. At most
    /// one a step, and the first of its actions.
    Record(Vec<Change>),
    /// Answer a command.
    Answer {
        /// Which.
        call: CallId,
        /// What.
        reply: Reply,
    },
    /// The client may be told that its stream is recorded up to here.
    Confirm {
        /// Whose.
        job: JobId,
        /// One past the last byte.
        to: u64,
    },
    /// End the client's side of a job's stream, if it is there. A restore's stream, or a copy's to the
    /// session it joined, gets its end by this.
    EndStream {
        /// Whose.
        job: JobId,
        /// What cut it; none: it is whole.
        cut: Option<String>,
    },
    /// Send a drive.
    Drive {
        /// Which.
        drive: DriveId,
        /// Number that its answers have.
        errand: ErrandId,
        /// What it is to do.
        what: Errand,
    },
    /// Move a cartridge that is in no drive. Event: [`Moved`](super::Event::Moved).
    Move {
        /// From here.
        from: Element,
        /// To there.
        to: Element,
    },
    /// Have the changer look what is where. Event: [`Library`](super::Event::Library) or its trouble. Without a
    /// changer: a library of no elements.
    TakeInventory,
    /// Have a machine's netplumber begin the client's side of a job. Event:
    /// [`Client`](super::Event::Client), `Gone` if it cannot be had.
    Pull {
        /// Which job; its record says what.
        job: JobId,
        /// The machine.
        machine: String,
    },
    /// Look up in the file lists what a restore needs. Event: [`Planned`](super::Event::Planned).
    Plan {
        /// Which; its record says of which jobs and what.
        job: JobId,
    },
    /// A restore goes without these bytes: tell whoever gets it.
    Gap {
        /// The restore.
        job: JobId,
        /// Whose stream.
        of: JobId,
        /// First byte.
        from: u64,
        /// One past the last.
        to: u64,
        /// Why, in words.
        why: String,
    },
    /// A person is wanted. Stays until answered or withdrawn.
    Ask {
        /// Number of the request.
        request: RequestId,
        /// What they should do: barcode, slot, mail slot, and which jobs wait for it.
        words: String,
    },
    /// A request that needs no answer any more.
    Withdraw(RequestId),
    /// A line for whoever listens.
    Tell {
        /// The job it is about.
        job: Option<JobId>,
        /// One line.
        line: String,
    },
    /// Reach people who do not listen (mail, a lamp).
    Notify {
        /// How bad.
        grade: Grade,
        /// One line.
        words: String,
    },
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Good to know.
    Note,
    /// Somebody should look.
    Warning,
    /// Something that was promised is lost or in danger.
    Alarm,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is so.
    Done,
    /// A backup is accepted, resumed, or was over already: its record says how it stands.
    Backup {
        /// Its number.
        job: JobId,
        /// The stream it is to give.
        stream: StreamId,
        /// What to take.
        level: Level,
        /// Recorded so far: it goes on from here.
        recorded: u64,
        /// Whether nothing more is wanted: it is done, failed or cancelled.
        over: bool,
    },
    /// The job that will do it.
    Job(JobId),
    /// The wish, and when it can be fulfilled once agreed to.
    Wish {
        /// Its number.
        number: u64,
        /// From when on.
        not_before_s: i64,
    },
    /// No.
    Refused {
        /// Why, in words.
        why: String,
        /// What to do about it; may be empty.
        hint: String,
    },
}

/// A piece of a stream, and where it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The job that kept it.
    pub of: JobId,
    /// Its stream.
    pub stream: StreamId,
    /// Which copy.
    pub copy: u8,
    /// First stream byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// The run it is part of begins with this stream byte …
    pub run_from: u64,
    /// … in this block.
    pub block: u64,
    /// Stream bytes a block; 0: reading starts at `block` for all of it.
    pub stride: u64,
}

/// What a drive is sent for. One at a time, but for what is said to go into a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Put back what is in the drive, fetch a cartridge, load it, and find out who it is. Writes nothing.
    /// Said: `Mounted`.
    Mount {
        /// Where what is in the drive now goes first; none: the drive is empty, or it is already the one.
        put_back: Option<Element>,
        /// Where the cartridge is; none: in the drive, or whatever a person put in.
        from: Option<Element>,
        /// What the barcode should be, if it is known: for the log, nothing is decided by it here.
        tag: Option<String>,
        /// Block before which everything is recorded: what lies behind is told as `ahead`.
        known_to: Option<u64>,
    },
    /// Make what is in the drive a volume, and confirm it. Said: `Labelled`.
    Label {
        /// Volume tag.
        tag: String,
        /// The set; none: a new one.
        set: Option<Uuid>,
        /// Number in the set.
        number: u32,
        /// The volume whose expired data may be overwritten; none: must be blank, or hold nothing but a
        /// first file. Anything else fails.
        over: Option<Uuid>,
    },
    /// Get ready to append to the volume in the drive, whose data ends at `end`. Until `SessionOver`, streams
    /// take turns there.
    Begin {
        /// Volume tag.
        tag: String,
        /// Identity of the volume; anything else fails.
        volume: Uuid,
        /// The block that is written next.
        end: u64,
    },
    /// In a session: a stream joins. Said: `Synced` … `JobEnded`.
    Join {
        /// Whose: the client's side, or for a copy what another drive reads.
        job: JobId,
        /// First stream byte that is wanted.
        from: u64,
    },
    /// In a session that said `NeedsMedium`: go on with the volume that is in the drive now.
    GoOn,
    /// In a session that said `NeedsMedium`: there is none, end the streams. Said: `SessionOver`.
    NoMedium(String),
    /// In a session: end it when the streams in it have ended. Said: `SessionOver`.
    EndSession,
    /// Read pieces in their order and give them to the client's side of the job (a copy: to the session it
    /// joins). Stops at the first that cannot be read. Said: `HasRead`.
    Read {
        /// For which job.
        job: JobId,
        /// What; all on the medium in the drive. More may follow, until `EndStream`.
        pieces: Vec<Piece>,
    },
    /// Read pieces and compare them with their checksums. Said: `HasRead`.
    Verify {
        /// For which job.
        job: JobId,
        /// What.
        pieces: Vec<Piece>,
    },
    /// Put back what is in the drive, fetch a cleaning cartridge, wait, put it back. Said: `Cleaned`.
    Clean {
        /// Where what is in the drive goes first.
        put_back: Option<Element>,
        /// The cleaning cartridge.
        tag: String,
        /// Where it is.
        from: Element,
    },
    /// Destroy what is on the volume in the drive. Said: `Erased`.
    Erase {
        /// Volume tag.
        tag: String,
        /// Identity of the volume; anything else fails.
        volume: Uuid,
    },
    /// Put back what is in the drive. Said: `Unloaded`.
    Unload {
        /// Where; none: eject it for a person.
        to: Option<Element>,
    },
    /// Give up the `Read` or `Verify` that is under way. Said: `Failed`, with the number of what was given up.
    Stop,
}
