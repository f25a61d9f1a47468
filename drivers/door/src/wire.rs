//! What goes through a door, byte by byte.
//!
//! Owns the shapes and their limits; numbers are little-endian. Both ends are the same executable, so there
//! is no version to agree on, but neither end believes a length.
//!
//! | who | bytes |
//! |---|---|
//! | keeper, at once | 0: come in; 1: somebody stands here already |
//! | commander | what 1 · CDB length 1 · direction 1 · zero 1 · time limit in ms 4 · data length 4 · CDB 16 · data, if they go out |
//! | keeper | what 1 · zero 1 · host 2 · driver 2 · length of words 2 · residual 4 · data length 4 · words · data, if they come in |
//!
//! Words are sense data as they came, or the reason why a device cannot be opened anew.

use std::io::{self, Read, Write};
use std::time::Duration;

use scsi::{Data, Outcome, Sense};

/// The most a command may carry, bytes: twice the largest block that any LTO drive takes.
pub const DATA_BYTES_MAX: usize = 16 << 20;
/// The most words an answer may carry: sense data are at most 252 bytes (SPC-5 4.4.1).
const WORDS_BYTES_MAX: usize = 1024;
const REQUEST_BYTES: usize = 28;
const REPLY_BYTES: usize = 16;

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn length_at(bytes: &[u8], at: usize) -> usize {
    u32_at(bytes, at).try_into().unwrap_or(usize::MAX)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn length(bytes: usize, most: usize, of: &str) -> io::Result<u32> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= most => Ok(length),
        _ => Err(invalid(format!("{of} of {bytes} bytes, the most is {most}"))),
    }
}

/// Which way data go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    None,
    In,
    Out,
}

/// What a commander asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// One command.
    Command(Command),
    /// Open the device anew.
    Reopen,
}

/// One command, its data apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    cdb: [u8; 16],
    cdb_length: usize,
    pub(crate) way: Way,
    pub(crate) timeout: Duration,
    pub(crate) length: usize,
}

impl Command {
    pub(crate) fn cdb(&self) -> &[u8] {
        &self.cdb[..self.cdb_length]
    }
}

impl Request {
    /// A command as it is sent; the data of [`Data::Out`] follow it.
    pub(crate) fn command(
        cdb: &[u8],
        data: &Data<'_>,
        timeout: Duration,
    ) -> io::Result<[u8; REQUEST_BYTES]> {
        let mut bytes = [0; REQUEST_BYTES];
        bytes[0] = 1;
        bytes[1] = match cdb.len() {
            6 | 10 | 12 | 16 => cdb.len().to_le_bytes()[0],
            other => return Err(invalid(format!("a command descriptor block of {other} bytes"))),
        };
        bytes[2] = match data {
            Data::None => 0,
            Data::In(_) => 1,
            Data::Out(_) => 2,
        };
        let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        bytes[4..8].copy_from_slice(&ms.to_le_bytes());
        bytes[8..12].copy_from_slice(&length(data.len(), DATA_BYTES_MAX, "data")?.to_le_bytes());
        bytes[12..12 + cdb.len()].copy_from_slice(cdb);
        Ok(bytes)
    }

    pub(crate) fn reopen() -> [u8; REQUEST_BYTES] {
        let mut bytes = [0; REQUEST_BYTES];
        bytes[0] = 2;
        bytes
    }

    /// Reads what is asked for, without the data; `None` when the commander has left.
    ///
    /// # Errors
    ///
    /// `InvalidData` for what no commander says, and those of reading.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Request>> {
        let mut bytes = [0; REQUEST_BYTES];
        if from.read(&mut bytes[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut bytes[1..])?;
        match bytes[0] {
            1 => Self::read_command(&bytes).map(Some),
            2 => Ok(Some(Request::Reopen)),
            other => Err(invalid(format!("nothing that can be asked of a device: {other}"))),
        }
    }

    fn read_command(bytes: &[u8; REQUEST_BYTES]) -> io::Result<Request> {
        let cdb_length = usize::from(bytes[1]);
        if !matches!(cdb_length, 6 | 10 | 12 | 16) {
            return Err(invalid(format!("a command descriptor block of {cdb_length} bytes")));
        }
        let way = match bytes[2] {
            0 => Way::None,
            1 => Way::In,
            2 => Way::Out,
            other => return Err(invalid(format!("data that go neither in nor out: {other}"))),
        };
        let data = length_at(bytes, 8);
        length(data, DATA_BYTES_MAX, "data")?;
        if way == Way::None && data != 0 {
            return Err(invalid("data that go nowhere"));
        }
        let mut cdb = [0; 16];
        cdb.copy_from_slice(&bytes[12..28]);
        let timeout = Duration::from_millis(u32_at(bytes, 4).into());
        Ok(Request::Command(Command { cdb, cdb_length, way, timeout, length: data }))
    }
}

/// What the keeper answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What became of the command.
    Outcome(Outcome),
    /// The device was opened anew.
    Reopened,
    /// It cannot be opened, for this reason.
    Closed(String),
}

impl Reply {
    /// Writes it, with the data that came in.
    ///
    /// # Errors
    ///
    /// More data than a command may carry, and those of writing.
    pub fn write(&self, to: &mut impl Write, data: &[u8]) -> io::Result<()> {
        let mut bytes = [0; REPLY_BYTES];
        let mut words: &[u8] = &[];
        let mut residual = 0;
        match self {
            Reply::Outcome(Outcome::Good { residual: left }) => residual = *left,
            Reply::Outcome(Outcome::Check { sense, residual: left }) => {
                (bytes[0], residual, words) = (1, *left, &sense.raw);
            }
            Reply::Outcome(Outcome::Busy) => bytes[0] = 2,
            Reply::Outcome(Outcome::ReservationConflict) => bytes[0] = 3,
            Reply::Outcome(Outcome::TaskAborted) => bytes[0] = 4,
            Reply::Outcome(Outcome::Transport { host, driver }) => {
                bytes[0] = 5;
                bytes[2..4].copy_from_slice(&host.to_le_bytes());
                bytes[4..6].copy_from_slice(&driver.to_le_bytes());
            }
            Reply::Outcome(Outcome::Timeout) => bytes[0] = 6,
            Reply::Outcome(Outcome::Gone) => bytes[0] = 7,
            Reply::Reopened => bytes[0] = 8,
            Reply::Closed(why) => (bytes[0], words) = (9, why.as_bytes()),
        }
        let words = &words[..words.len().min(WORDS_BYTES_MAX)];
        bytes[6..8]
            .copy_from_slice(&length(words.len(), WORDS_BYTES_MAX, "words")?.to_le_bytes()[..2]);
        bytes[8..12].copy_from_slice(&length(residual, DATA_BYTES_MAX, "residual")?.to_le_bytes());
        bytes[12..16].copy_from_slice(&length(data.len(), DATA_BYTES_MAX, "data")?.to_le_bytes());
        to.write_all(&[&bytes, words].concat())?;
        to.write_all(data)
    }

    /// Reads an answer; data that came in go into `into`, and no more than it holds.
    ///
    /// # Errors
    ///
    /// `InvalidData` for what no keeper says, and those of reading.
    pub fn read(from: &mut impl Read, into: &mut [u8]) -> io::Result<Reply> {
        let mut bytes = [0; REPLY_BYTES];
        from.read_exact(&mut bytes)?;
        let mut words = vec![0; usize::from(u16_at(&bytes, 6))];
        length(words.len(), WORDS_BYTES_MAX, "words")?;
        from.read_exact(&mut words)?;
        let (residual, data) = (length_at(&bytes, 8), length_at(&bytes, 12));
        length(residual, DATA_BYTES_MAX, "residual")?;
        let room = into.get_mut(..data);
        from.read_exact(room.ok_or_else(|| invalid(format!("{data} bytes nobody asked for")))?)?;
        Ok(match bytes[0] {
            0 => Reply::Outcome(Outcome::Good { residual }),
            1 => {
                let sense = Sense::decode(&words).ok_or_else(|| invalid("sense that is none"))?;
                Reply::Outcome(Outcome::Check { sense, residual })
            }
            2 => Reply::Outcome(Outcome::Busy),
            3 => Reply::Outcome(Outcome::ReservationConflict),
            4 => Reply::Outcome(Outcome::TaskAborted),
            5 => {
                let (host, driver) = (u16_at(&bytes, 2), u16_at(&bytes, 4));
                Reply::Outcome(Outcome::Transport { host, driver })
            }
            6 => Reply::Outcome(Outcome::Timeout),
            7 => Reply::Outcome(Outcome::Gone),
            8 => Reply::Reopened,
            9 => Reply::Closed(String::from_utf8_lossy(&words).into_owned()),
            other => return Err(invalid(format!("nothing that becomes of a command: {other}"))),
        })
    }
}

/// Lets a commander in, or tells that somebody stands here already.
pub(crate) fn greet(to: &mut impl Write, free: bool) -> io::Result<()> {
    to.write_all(&[u8::from(!free)])
}

/// Reads whether one may come in.
pub(crate) fn greeted(from: &mut impl Read) -> io::Result<()> {
    let mut word = [0];
    from.read_exact(&mut word)?;
    match word {
        [0] => Ok(()),
        [1] => Err(io::Error::new(io::ErrorKind::ResourceBusy, "in use")),
        [other] => Err(invalid(format!("no greeting: {other}"))),
    }
}
