//! What a session sends.
//!
//! Owns the line's end as a session has it: bytes in pieces that a slow line takes one at a time, so that ^C is
//! heard between them. A line that takes nothing for so long is gone; nothing else waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::inbox::Inbox;
use crate::settings::Speed;

/// Bytes that are sent at once: a third of a second at 9600 baud.
const PIECE_BYTES: usize = 320;
/// How long a piece may take.
pub const STUCK: Duration = Duration::from_secs(30);

/// What is sent to the line: bytes, or another speed.
#[derive(Debug)]
pub enum Sent {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The next speed.
    NextSpeed,
    /// This speed.
    Speed(Speed),
}

/// The line is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// The line's end.
#[derive(Clone)]
pub struct Output {
    to: Sender<Sent>,
    inbox: Arc<Inbox>,
}

impl Output {
    /// To a line whose other end takes what is sent.
    pub fn new(to: Sender<Sent>, inbox: Arc<Inbox>) -> Output {
        Output { to, inbox }
    }

    /// Sends bytes as they are.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Gone> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.send(Sent::Bytes(piece.to_vec()))?;
        }
        Ok(())
    }

    /// Whoever takes what is sent closes the way when the line takes nothing any more.
    fn send(&self, sent: Sent) -> Result<(), Gone> {
        self.to.blocking_send(sent).map_err(|_| Gone)
    }

    /// Sends text whose lines end as lines of people do.
    pub fn text(&self, text: &str) -> Result<(), Gone> {
        // A control character in a name does nothing to the screen.
        let shown: String = text
            .chars()
            .filter(|c| !c.is_control() || *c == '\n')
            .flat_map(|c| if c == '\n' { vec!['\r', '\n'] } else { vec![c] })
            .collect();
        self.raw(shown.as_bytes())
    }

    /// Sends one line.
    pub fn line(&self, text: &str) -> Result<(), Gone> {
        self.text(&format!("{text}\n"))
    }

    /// The line is to be as fast as the next speed says.
    pub fn next_speed(&self) -> Result<(), Gone> {
        self.send(Sent::NextSpeed)
    }

    /// The line is to be so fast.
    pub fn speed(&self, speed: Speed) -> Result<(), Gone> {
        self.send(Sent::Speed(speed))
    }

    /// Whether somebody wants no more of it.
    pub fn interrupted(&self) -> bool {
        self.inbox.take_interrupt()
    }
}
