//! What happened, as the authority is told.
//!
//! Owns the events and the words in them. Whatever was asked for comes back as an event, sooner or later:
//! the shell answers every errand, in the end with [`Said::Lost`]. Events may come late or twice.

use std::fmt;

use uuid::Uuid;

use super::order::{Caller, Order};
use crate::catalogue::record::{Counted, JobId, Kept};
use crate::stream::StreamId;

/// A drive: `drive 1` is the first. Who of the world's drives it is, by serial number, knows the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriveId(pub u16);

impl DriveId {
    /// The drive at an index, from 0.
    pub fn of(index: usize) -> DriveId {
        DriveId(u16::try_from(index + 1).unwrap_or(u16::MAX))
    }

    /// Its index, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0).saturating_sub(1)
    }
}

impl fmt::Display for DriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drive {}", self.0)
    }
}

/// Number of an errand, from 1 at each start. What a drive says without having been sent has 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrandId(pub u64);

/// Number of a command that waits for its answer, given by the shell; 0: nobody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CallId(pub u64);

/// Number of something that a person is asked for, from 1 at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A place in the library where a cartridge can be. Slots and mail slots have the changer's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// A storage element.
    Slot(u16),
    /// An import/export element.
    MailSlot(u16),
    /// A drive.
    Drive(DriveId),
    /// The robot's gripper.
    Hand(u16),
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Slot(n) => write!(f, "slot {n}"),
            Element::MailSlot(n) => write!(f, "mail slot {n}"),
            Element::Drive(drive) => drive.fmt(f),
            Element::Hand(n) => write!(f, "hand {n}"),
        }
    }
}

/// What the changer says of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing is in it.
    Empty,
    /// A cartridge with this volume tag.
    Tag(String),
    /// A cartridge whose barcode cannot be read, or has none.
    Untagged,
}

/// A drive the shell has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveAtHand {
    /// Which.
    pub drive: DriveId,
    /// Whether a robot serves it; else people put cartridges in by hand.
    pub has_changer: bool,
}

/// What is in a drive, as its first blocks and its end of data tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No medium.
    Nothing,
    /// Nothing was ever written on it.
    Blank {
        /// By its switch.
        write_protected: bool,
        /// Can be written once only.
        worm: bool,
    },
    /// A volume of ours.
    Ours(Volume),
    /// Something else: what it seems to be.
    Foreign(String),
    /// A cleaning cartridge.
    Cleaning,
    /// Its first blocks or its end of data cannot be read: why.
    Unreadable(String),
}

/// A volume of ours, as it lies in a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Volume tag in its label.
    pub tag: String,
    /// Its identity.
    pub volume: Uuid,
    /// The set it belongs to.
    pub set: Uuid,
    /// Its number there, from 1.
    pub number: u32,
    /// Where its data ends: the block that is written next.
    pub end: u64,
    /// Whether nothing lies behind its first file (text page, label, kit).
    pub is_empty: bool,
    /// By its switch.
    pub write_protected: bool,
    /// Can be written once only.
    pub worm: bool,
    /// What is wrong with its first file, when something is.
    pub damage: Option<String>,
    /// What is whole and confirmed behind the block that the mount was told is the last recorded one, as
    /// far as it could be read; in order. None is always a true answer.
    pub ahead: Vec<Ahead>,
}

/// A piece of a stream that lies on the medium and is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// Which stream.
    pub stream: StreamId,
    /// First stream byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// Where they are. The tag in them is the medium's; covers `from..to` in order, without gaps.
    pub kept: Vec<Kept>,
}

/// How the stream of a job ended at the drive. Everything that was confirmed was said by
/// [`Said::Synced`] before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It came to its end, whole: count and digest are right.
    Whole {
        /// Stream bytes.
        bytes: u64,
        /// Entries that were left out at the source.
        left_out: u64,
    },
    /// It was cut, aborted, damaged, or could not be written: why.
    Cut(String),
}

/// Where reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The job whose stream it is.
    pub of: JobId,
    /// Which copy of it.
    pub copy: u8,
    /// First stream byte that cannot be read here; all before it was delivered.
    pub from: u64,
    /// One past the last byte known to be unreadable here.
    pub to: u64,
    /// Why, in words.
    pub why: String,
}

/// What a drive (its thread in the shell) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// [`Mount`](super::Errand::Mount) is done: what is in the drive now.
    Mounted(Found),
    /// [`Label`](super::Errand::Label) is done, and confirmed on the medium.
    Labelled(Volume),
    /// A session met the end of its medium. Everything confirmed on it was said; what was not is kept in
    /// memory. Wants mounts and labels, then [`GoOn`](super::Errand::GoOn) or
    /// [`NoMedium`](super::Errand::NoMedium). Has the session's errand number.
    NeedsMedium {
        /// The medium cannot be written any more for another reason than being full: why.
        fault: Option<String>,
    },
    /// Bytes of a job's stream are confirmed on the medium. Has the session's errand number.
    Synced {
        /// Whose.
        job: JobId,
        /// First stream byte.
        from: u64,
        /// One past the last.
        to: u64,
        /// Where they are; covers `from..to` in order, without gaps. The copy in them is ignored.
        kept: Vec<Kept>,
        /// The block that is written next: all before it is on the medium.
        valid_to: u64,
        /// Entries of the job's file list so far.
        entries: u64,
    },
    /// The stream of a job left the session. Has the session's errand number.
    JobEnded {
        /// Whose.
        job: JobId,
        /// How.
        how: Ending,
    },
    /// The session is over and the drive idle, the medium still in it. Jobs that were in it and did not end
    /// are cut. Has the session's errand number.
    SessionOver {
        /// The fault that ended it; none when it was told to end.
        fault: Option<String>,
        /// The block that is written next, all before it confirmed; void with a fault.
        end: u64,
    },
    /// [`Read`](super::Errand::Read) or [`Verify`](super::Errand::Verify) is done.
    HasRead {
        /// Where it stopped before the last of its pieces.
        stop: Option<Stop>,
    },
    /// [`Clean`](super::Errand::Clean) is done, the cleaning cartridge put back.
    Cleaned {
        /// Uses the cartridge has left, if it tells.
        left: Option<u32>,
    },
    /// [`Erase`](super::Errand::Erase) is done: the medium is blank.
    Erased,
    /// [`Unload`](super::Errand::Unload) is done.
    Unloaded,
    /// The errand could not be done, the drive is idle: why, in words. Where cartridges are is unknown now
    /// (an inventory is asked for).
    Failed(String),
    /// What was counted since the last time. Unasked; said before a cartridge is taken out.
    Counted(Count),
    /// TapeAlert flags, in words. Unasked.
    Alerts(Vec<String>),
    /// The drive wants to be cleaned. Unasked.
    WantsCleaning,
    /// The medium may have been changed (unit attention, a hand). Unasked, and in no session: there the
    /// writer recovers by itself or the session is over.
    Changed,
    /// The drive cannot be reached or does not answer: whatever it did is cut. Unasked.
    Lost(String),
    /// A lost drive is there again, idle. Unasked.
    Back,
}

/// What a drive counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// The drive's serial number.
    pub serial: String,
    /// While it wrote.
    pub written: Counted,
    /// While it read.
    pub read: Counted,
    /// TapeAlert flags that were up, by number.
    pub alerts: Vec<u8>,
    /// Whether the cartridge is taken out now.
    pub ends: bool,
    /// Whether it was cleaned; then nothing else counts.
    pub cleaned: bool,
}

/// What the client's side of a job's stream does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSide {
    /// It is connected, and ready to give (backup) or take (restore).
    Came {
        /// The stream it gives; a restore's is ignored.
        stream: StreamId,
        /// First byte it can give.
        from: u64,
    },
    /// It is gone: why.
    Gone(String),
}

/// How a person answered a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It is done.
    Done,
    /// It cannot be done (the cartridge is lost; there is no other): why.
    No(String),
}

/// A range of what a job kept, that a restore wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The job.
    pub of: JobId,
    /// First stream byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The shell runs, with these drives. Once, and first.
    Started {
        /// Drives that answer.
        drives: Vec<DriveAtHand>,
    },
    /// A drive is at hand that was not, or is again, or a robot serves it now.
    Came(DriveAtHand),
    /// Nothing; time passed. At least once a minute.
    Tick,
    /// What the changer found in its elements: all of them.
    Library(Vec<(Element, Content)>),
    /// The changer cannot say, or does not answer: why.
    LibraryTrouble(String),
    /// [`Move`](super::Action::Move) was done, or not: why.
    Moved {
        /// From here.
        from: Element,
        /// To there.
        to: Element,
        /// Why not.
        trouble: Option<String>,
    },
    /// Somebody commands something. Whether the ticket is good was checked.
    Asked {
        /// What the answer goes to.
        call: CallId,
        /// Who.
        by: Caller,
        /// What.
        order: Order,
    },
    /// The client's side of a job's stream.
    Client {
        /// Which job.
        job: JobId,
        /// What it does.
        side: ClientSide,
    },
    /// A drive says something.
    Drive {
        /// Which.
        drive: DriveId,
        /// The errand it is about.
        errand: ErrandId,
        /// What.
        said: Said,
    },
    /// The answer to [`Plan`](super::Action::Plan): what of which jobs is needed, in the order it is to be
    /// given; or why there is no plan.
    Planned {
        /// The restore.
        job: JobId,
        /// The ranges.
        wanted: Result<Vec<Wanted>, String>,
    },
    /// A person answers a request.
    Answer {
        /// Which.
        request: RequestId,
        /// Who: needs the right to operate.
        by: Caller,
        /// How.
        how: Answered,
    },
    /// Something to be kept in the audit trail that was decided before it came here: a login, a refusal.
    Noted {
        /// `user@machine`.
        who: String,
        /// What, in words; never a secret.
        what: String,
    },
    /// The time of a schedule has come.
    Due {
        /// Its name.
        schedule: String,
        /// Identity for the stream of the job, never used before.
        stream: StreamId,
    },
}
