//! What is said to init, and what it answers: one packet each, postcard, of bounded size.
//!
//! Owns the shapes. A variant is never moved, changed or removed: new ones go to the end. Nothing of it is on the
//! heap, so nobody who speaks with the first process can make it grow.

use serde::{Deserialize, Serialize};

/// Where init listens: a Unix socket of sequenced packets.
pub const SOCKET: &str = "/run/tapioca/init.sock";
/// The longest packet, bytes.
pub const PACKET_BYTES_MAX: usize = 8192;
/// Children that are kept at most.
pub const CHILDREN_MAX: usize = 64;
/// Steps of the start at most.
pub const STEPS_MAX: usize = 16;

/// The name of a child: `serve`, `console/ttyS0`, `scsi_door/drive-HU1234ABCD`.
pub type Name = heapless::String<64>;
/// Words, cut where they do not fit.
pub type Words = heapless::String<80>;

/// As much of a text as fits.
pub fn cut<const N: usize>(text: &str) -> heapless::String<N> {
    let mut short = heapless::String::new();
    for letter in text.chars() {
        if short.push(letter).is_err() {
            break;
        }
    }
    short
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// How things are. Anybody may ask. [`Reply::Status`]
    Status,
    /// A sign of life of the child that says it. [`Reply::Done`]
    Alive,
    /// A child is to run. [`Reply::Done`]
    Start(Name),
    /// A child is not to run. [`Reply::Done`] as soon as it was told to end.
    Stop(Name),
    /// A child is to run, anew if it did. [`Reply::Done`] as soon as it was told to end.
    Restart(Name),
    /// The machine starts anew. [`Reply::Done`]
    Reboot,
    /// The machine stops. [`Reply::Done`]
    PowerOff,
    /// The file system of a USB stick is to be there to be read, or not any more. [`Reply::Done`] as soon as that is
    /// begun.
    Stick(bool),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "it is a packet's worth, on a stack")]
pub enum Reply {
    /// It was done, or begun.
    Done,
    /// It was not.
    Refused(Words),
    /// How things are.
    Status(Status),
}

/// How things are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Milliseconds since init began.
    pub up_ms: u64,
    /// Whether the box lacks something it should have.
    pub degraded: bool,
    /// Whether a watchdog is armed.
    pub watchdog: bool,
    /// Whether it was the watchdog that started the machine.
    pub watchdog_reset: bool,
    /// Steps of the start, in order.
    pub steps: heapless::Vec<Step, STEPS_MAX>,
    /// The children.
    pub children: heapless::Vec<Child, CHILDREN_MAX>,
}

/// A step of the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is called.
    pub name: heapless::String<16>,
    /// How long it took, milliseconds.
    pub ms: u32,
    /// What went wrong; empty: nothing.
    pub wrong: Words,
}

/// A child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its name.
    pub name: Name,
    /// Its process; 0: none now.
    pub pid: u32,
    /// How often it was started again in the last ten minutes.
    pub restarts: u32,
    /// Whether that is too often.
    pub degraded: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_status_fits_into_a_packet() {
        let step = Step { name: cut(&"x".repeat(99)), ms: u32::MAX, wrong: cut(&"y".repeat(99)) };
        let child =
            Child { name: cut(&"z".repeat(99)), pid: u32::MAX, restarts: u32::MAX, degraded: true };
        let status = Status {
            up_ms: u64::MAX,
            steps: std::iter::repeat_n(step, STEPS_MAX).collect(),
            children: std::iter::repeat_n(child, CHILDREN_MAX).collect(),
            ..Status::default()
        };
        let mut packet = [0; PACKET_BYTES_MAX];
        let reply = Reply::Status(status);
        let bytes = postcard::to_slice(&reply, &mut packet).unwrap();
        assert_eq!(postcard::from_bytes::<Reply>(bytes).unwrap(), reply);
    }

    #[test]
    fn what_does_not_fit_is_cut_between_letters() {
        assert_eq!(cut::<4>("äöü").as_str(), "äö");
        assert_eq!(cut::<5>("äöü").as_str(), "äö");
    }
}
