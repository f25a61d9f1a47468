//! What can go wrong with a changer, by whose fault.
//!
//! Owns the translation of an outcome to an [`Error`]. *Changer*: out of service until looked at;
//! nothing is retried. *Operator*: a hand is needed or was there; take the inventory anew. *Link*:
//! the path; whether a move took place may be unknown. *Ours*: a wrong request.

use std::fmt;

use scsi::sense_text::sense_text;
use scsi::{Outcome, Sense, SenseKey};

/// The robot itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangerFault {
    /// 4/15/01, 4/3B/xx: the mechanism is stuck or lost its place.
    Jam,
    /// Any other hardware or medium error, vendor codes included.
    Hardware,
    /// 2/04/01, 2/04/07: taking stock after a door was closed or power came on; ask again later.
    Initialising,
    /// Not ready for another reason.
    NotReady,
    /// 6/29/xx: it was reset; the command did not run.
    Reset,
    /// Another unit attention, or more of them than make sense; the command did not run.
    Attention,
    /// The sense data belong to an earlier command; this one did not run.
    Deferred,
    /// CHECK CONDITION without sense data, or with a key a changer does not send.
    Unexplained,
    /// A reply that cannot be used.
    BadReply(scsi::Error),
    /// A reply that ends before its first element, or whose lengths contradict each other.
    NoElements,
    /// After the device was opened anew another one answered.
    Replaced,
}

/// A person's doing, or work for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorFault {
    /// 5/3B/0D: something is where the cartridge should go.
    DestinationFull,
    /// 5/3B/0E: the cartridge is not where it was thought to be.
    SourceEmpty,
    /// 5/53/02, 5/53/03: a lock holds the cartridge or the mail slot.
    RemovalPrevented,
    /// 4/53/01, 5/53/01, 4/53/00, 5/53/00: the drive did not let go of the cartridge.
    NotEjected,
    /// 6/28/01: the mail slot was opened; the command did not run.
    MailSlotAccessed,
    /// 6/28/00: the door was opened; the command did not run.
    DoorOpened,
    /// 3B/11, 3B/12 and their like: a magazine is out, or was put in.
    Magazine,
    /// 2/04/03, 2/04/12: somebody switched it offline or it wants a hand.
    Offline,
    /// Another host holds the changer.
    Reserved,
}

/// The path to the robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// It took nothing and may do so later.
    Busy,
    /// Somebody cleared our command.
    TaskAborted,
    /// The adapter failed; an aborted command (key B) counts here too.
    Transport,
    /// The time limit passed.
    Timeout,
    /// It is not there any more.
    Gone,
}

/// A request that was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OurFault {
    /// 5/21/01: no element has this address.
    BadElement,
    /// 5/20/00, 5/24/00 and other refusals.
    Refused,
    /// The device at this path is not a media changer.
    NotAChanger,
}

/// Where it went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// How an operator names the device.
    pub device: String,
    /// What was being done.
    pub doing: String,
    /// What the changer said.
    pub sense: Option<Box<Sense>>,
}

/// A changer operation that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The robot's fault.
    Changer(ChangerFault, Context),
    /// A person's.
    Operator(OperatorFault, Context),
    /// The path's.
    Link(LinkFault, Context),
    /// Ours.
    Ours(OurFault, Context),
}

impl Error {
    /// Where it went wrong.
    pub fn context(&self) -> &Context {
        match self {
            Error::Changer(_, context)
            | Error::Operator(_, context)
            | Error::Link(_, context)
            | Error::Ours(_, context) => context,
        }
    }

    /// True when the command may have taken effect: look before doing anything else.
    pub fn effect_unknown(&self) -> bool {
        match self {
            Error::Link(fault, _) => *fault != LinkFault::Busy,
            Error::Changer(fault, _) => matches!(
                fault,
                ChangerFault::Jam | ChangerFault::Hardware | ChangerFault::Unexplained
            ),
            Error::Operator(..) | Error::Ours(..) => false,
        }
    }

    /// True for a unit attention: the command did not run and the inventory is void.
    pub fn is_attention(&self) -> bool {
        self.context().sense.as_ref().is_some_and(|s| s.key == SenseKey::UnitAttention)
    }

    /// True when the changer does not know the command or a field of it.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Error::Ours(OurFault::Refused, _))
    }
}

impl fmt::Display for Error {
    /// One line: `/dev/sg3: cannot move 1001 to 500: destination is full (05/3B/0D medium
    /// destination element full); take the inventory anew`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Context { device, doing, sense } = self.context();
        let (what, advice) = words(self);
        write!(f, "{device}: cannot {doing}: {what}")?;
        if let Error::Changer(ChangerFault::BadReply(reply), _) = self {
            write!(f, ": {reply}")?;
        }
        if let Some(sense) = sense {
            write!(f, " ({sense} {})", sense_text(sense))?;
        }
        write!(f, "; {advice}")
    }
}

impl std::error::Error for Error {}

/// What happened and what to do about it.
fn words(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::Changer(fault, _) => match fault {
            ChangerFault::Jam => ("the mechanism is stuck", "look into the library"),
            ChangerFault::Hardware => ("changer fault", "see the library's display"),
            ChangerFault::Initialising => ("it is taking stock", "try again in a minute"),
            ChangerFault::NotReady => ("it is not ready", "see the library's display"),
            ChangerFault::Reset => ("it was reset", "take the inventory anew"),
            ChangerFault::Attention => ("its state changed", "take the inventory anew"),
            ChangerFault::Deferred => ("an earlier command failed", "take the inventory anew"),
            ChangerFault::Unexplained => ("it gave no usable reason", "see the library's display"),
            ChangerFault::BadReply(_) => ("unusable reply", "report this changer's firmware"),
            ChangerFault::NoElements => {
                ("reply without whole elements", "report this changer's firmware")
            }
            ChangerFault::Replaced => ("another device answers there", "check the configuration"),
        },
        Error::Operator(fault, _) => match fault {
            OperatorFault::DestinationFull => ("destination is full", "take the inventory anew"),
            OperatorFault::SourceEmpty => ("source is empty", "take the inventory anew"),
            OperatorFault::RemovalPrevented => ("removal is prevented", "unlock the drive or door"),
            OperatorFault::NotEjected => ("the drive did not eject", "unload the drive"),
            OperatorFault::MailSlotAccessed => ("mail slot was opened", "take the inventory anew"),
            OperatorFault::DoorOpened => ("the door was opened", "take the inventory anew"),
            OperatorFault::Magazine => ("a magazine is out or was changed", "put the magazine in"),
            OperatorFault::Offline => ("it is offline", "set the library online at its panel"),
            OperatorFault::Reserved => ("another host holds it", "release it there"),
        },
        Error::Link(fault, _) => match fault {
            LinkFault::Busy => ("it is busy", "try again"),
            LinkFault::TaskAborted => ("the command was aborted", "take the inventory anew"),
            LinkFault::Transport => ("the link failed", "check the cable; take the inventory anew"),
            LinkFault::Timeout => ("no answer in time", "see the library; take the inventory anew"),
            LinkFault::Gone => ("the device is gone", "check power and cable"),
        },
        Error::Ours(fault, _) => match fault {
            OurFault::BadElement => ("no such element", "check the address"),
            OurFault::Refused => ("the changer refuses the command", "report this changer's model"),
            OurFault::NotAChanger => ("not a media changer", "check the device path"),
        },
    }
}

/// The error an unsuccessful outcome is; `None` for success. Recovered errors are success.
pub(crate) fn from_outcome(
    outcome: Outcome,
    context: impl FnOnce(Option<Sense>) -> Context,
) -> Option<Error> {
    let link = match outcome {
        Outcome::Good { .. } => return None,
        Outcome::Check { sense, .. } => return from_sense(sense, context),
        Outcome::ReservationConflict => {
            return Some(Error::Operator(OperatorFault::Reserved, context(None)));
        }
        Outcome::Busy => LinkFault::Busy,
        Outcome::TaskAborted => LinkFault::TaskAborted,
        Outcome::Transport { .. } => LinkFault::Transport,
        Outcome::Timeout => LinkFault::Timeout,
        Outcome::Gone => LinkFault::Gone,
    };
    Some(Error::Link(link, context(None)))
}

fn from_sense(sense: Sense, context: impl FnOnce(Option<Sense>) -> Context) -> Option<Error> {
    let (key, code, deferred) = (sense.key, sense.code, sense.deferred);
    let (asc, ascq) = code.unwrap_or((0, 0));
    let succeeded =
        matches!(key, SenseKey::NoSense | SenseKey::RecoveredError | SenseKey::Completed);
    if succeeded && !deferred && code.is_some() {
        return None;
    }
    let context = context(Some(sense));
    Some(if deferred && key != SenseKey::UnitAttention {
        Error::Changer(ChangerFault::Deferred, context)
    } else if let Some(fault) = operator_fault(key, asc, ascq) {
        Error::Operator(fault, context)
    } else if key == SenseKey::IllegalRequest {
        let bad_element = (asc, ascq) == (0x21, 0x01);
        Error::Ours(if bad_element { OurFault::BadElement } else { OurFault::Refused }, context)
    } else if key == SenseKey::AbortedCommand {
        Error::Link(LinkFault::Transport, context)
    } else {
        Error::Changer(changer_fault(key, asc, ascq), context)
    })
}

fn changer_fault(key: SenseKey, asc: u8, ascq: u8) -> ChangerFault {
    use SenseKey::{HardwareError, MediumError, NotReady, UnitAttention};
    match (key, asc, ascq) {
        (HardwareError, 0x15, 0x01) | (HardwareError, 0x3b, _) => ChangerFault::Jam,
        (HardwareError | MediumError, ..) => ChangerFault::Hardware,
        (NotReady, 0x04, 0x01 | 0x07) => ChangerFault::Initialising,
        (NotReady, ..) => ChangerFault::NotReady,
        (UnitAttention, 0x29, _) => ChangerFault::Reset,
        (UnitAttention, ..) => ChangerFault::Attention,
        _ => ChangerFault::Unexplained,
    }
}

fn operator_fault(key: SenseKey, asc: u8, ascq: u8) -> Option<OperatorFault> {
    use SenseKey::{HardwareError, IllegalRequest, NotReady, UnitAttention};
    Some(match (key, asc, ascq) {
        (IllegalRequest, 0x3b, 0x0d) => OperatorFault::DestinationFull,
        (IllegalRequest, 0x3b, 0x0e) => OperatorFault::SourceEmpty,
        (IllegalRequest | NotReady, 0x53, 0x02 | 0x03) => OperatorFault::RemovalPrevented,
        (HardwareError | IllegalRequest, 0x53, 0x00 | 0x01) => OperatorFault::NotEjected,
        (UnitAttention, 0x28, 0x01) => OperatorFault::MailSlotAccessed,
        (UnitAttention, 0x28, 0x00) => OperatorFault::DoorOpened,
        (IllegalRequest | NotReady | UnitAttention, 0x3b, 0x11..=0x15) => OperatorFault::Magazine,
        (NotReady, 0x04, 0x03 | 0x12) => OperatorFault::Offline,
        _ => return None,
    })
}
