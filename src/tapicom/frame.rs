//! How messages travel: a header of 16 bytes, then postcard.
//!
//! Owns the header, what may come at which end, and the reading of bytes that anybody may have sent: a
//! length is judged before room is made for it, and no message is half understood. Whatever was read is
//! wiped, as there may be passwords in it. Numbers are little-endian.
//!
//! ```text
//!  0      4      5     8        12       16
//!  | tpc1 | kind | 000 | number | length | length bytes
//! ```

use std::io::{ErrorKind, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use zeroize::{Zeroize, Zeroizing};

use super::limits::{MESSAGE_BYTES_MAX, size_of, within};
use super::message::{Ended, Event, Greeting, Reply, Request};
use crate::stream::{Blame, Fault};

const MAGIC: &[u8; 4] = b"tpc1";
/// Bytes before those of a message.
pub const HEADER_BYTES: usize = 16;
/// The longest frame, bytes.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES + MESSAGE_BYTES_MAX;

/// Most frames are no longer.
const SHORT_BYTES: usize = 4096;

const GREETING: u8 = 1;
const COMMAND: u8 = 2;
const REPLY: u8 = 3;
const EVENT: u8 = 4;
const ENOUGH: u8 = 5;
const ENDED: u8 = 6;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// First, by both, with number 0.
    Greeting(Greeting),
    /// A command of the client.
    Command(Box<Request>),
    /// The one answer to it.
    Reply(Box<Reply>),
    /// Something a subscriber is told, numbered from 1; what a slow one loses takes numbers, too.
    Event(u64, Box<Event>),
    /// The client ends its subscription.
    Enough,
    /// A subscription has ended, and nothing follows.
    Ended(Box<Ended>),
}

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which command it belongs to: the client numbers them, from 1 upwards.
    pub number: u32,
    /// What is said.
    pub body: Body,
}

/// Which end reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The authority's.
    Authority,
    /// The other.
    Client,
}

/// What cannot be understood, and ends the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::stream(format!("tapicom cannot be understood: {}", malformed.0))
    }
}

impl Frame {
    /// As bytes, which are wiped after use.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match &self.body {
            Body::Greeting(greeting) => self.encoded(GREETING, greeting),
            Body::Command(request) => self.encoded(COMMAND, request),
            Body::Reply(reply) => self.encoded(REPLY, reply),
            Body::Event(number, event) => self.encoded(EVENT, &(number, event)),
            Body::Enough => self.encoded(ENOUGH, &()),
            Body::Ended(ended) => self.encoded(ENDED, ended),
        }
    }

    fn encoded(&self, kind: u8, message: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let never = |what: String| Fault::never(Blame::Ours, format!("cannot be said: {what}"));
        within(message).map_err(|too_much| never(too_much.to_string()))?;
        let length = size_of(message).filter(|length| *length <= MESSAGE_BYTES_MAX);
        let too_long = || never(format!("a message of more than {MESSAGE_BYTES_MAX} bytes"));
        let length = length.ok_or_else(too_long)?;
        // Room for all of it at once: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; HEADER_BYTES + length]);
        postcard::to_slice(message, &mut bytes[HEADER_BYTES..])
            .map_err(|e| never(e.to_string()))?;
        let size = u32::try_from(length).map_err(|e| never(e.to_string()))?;
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = kind;
        bytes[8..12].copy_from_slice(&self.number.to_le_bytes());
        bytes[12..16].copy_from_slice(&size.to_le_bytes());
        Ok(bytes)
    }
}

#[derive(Clone, Copy)]
struct Header {
    kind: u8,
    number: u32,
    length: usize,
}

impl Side {
    fn takes(self, kind: u8) -> bool {
        match self {
            Side::Authority => matches!(kind, GREETING | COMMAND | ENOUGH),
            Side::Client => matches!(kind, GREETING | REPLY | EVENT | ENDED),
        }
    }

    fn header(self, bytes: &[u8; HEADER_BYTES]) -> Result<Header, Malformed> {
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|n| bytes[at + n]));
        let (kind, number) = (bytes[4], word(8));
        if bytes[..4] != *MAGIC || bytes[5..8] != [0; 3] {
            return Err(Malformed("no frame begins there"));
        }
        if !self.takes(kind) {
            return Err(Malformed("that is not for this end to hear"));
        }
        if (kind == GREETING) != (number == 0) {
            return Err(Malformed("greetings have number 0, and nothing else has"));
        }
        match usize::try_from(word(12)) {
            Ok(length) if length <= MESSAGE_BYTES_MAX => Ok(Header { kind, number, length }),
            _ => Err(Malformed("a message that is too long")),
        }
    }
}

fn message<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    let Ok((message, [])) = postcard::take_from_bytes(bytes) else {
        return Err(Malformed("a message that is none, or more than one"));
    };
    within(&message).map_err(|too_much| Malformed(too_much.0))?;
    Ok(message)
}

fn body(kind: u8, bytes: &[u8]) -> Result<Body, Malformed> {
    Ok(match kind {
        GREETING => Body::Greeting(message(bytes)?),
        COMMAND => Body::Command(Box::new(message(bytes)?)),
        REPLY => Body::Reply(Box::new(message(bytes)?)),
        EVENT => {
            let (number, event) = message(bytes)?;
            Body::Event(number, event)
        }
        ENDED => Body::Ended(Box::new(message(bytes)?)),
        ENOUGH if bytes.is_empty() => Body::Enough,
        _ => return Err(Malformed("a kind that does not exist")),
    })
}

/// Makes frames of bytes as they come.
pub struct Decoder {
    side: Side,
    /// Room for a short frame, or for any when a longer one was announced; all zeros behind what is filled.
    room: Zeroizing<Vec<u8>>,
    filled: usize,
    failed: Option<Malformed>,
}

impl Decoder {
    /// For one end.
    pub fn new(side: Side) -> Decoder {
        let room = Zeroizing::new(vec![0; SHORT_BYTES]);
        Decoder { side, room, filled: 0, failed: None }
    }

    /// Takes what comes first, as much as there is room for, and says how many bytes; 0: nothing follows. There is
    /// room whenever [`frame`](Decoder::frame) had none to give.
    ///
    /// # Errors
    ///
    /// As `from`.
    pub fn fill(&mut self, from: &mut impl Read) -> std::io::Result<usize> {
        let count = from.read(&mut self.room[self.filled..])?;
        self.filled += count;
        Ok(count)
    }

    /// The next frame, if all of it is there. After a violation there is none ever more.
    pub fn frame(&mut self) -> Result<Option<Frame>, Malformed> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let frame = self.whole();
        if let Err(malformed) = &frame {
            self.failed = Some(malformed.clone());
            self.forget(self.filled);
        }
        frame
    }

    fn whole(&mut self) -> Result<Option<Frame>, Malformed> {
        let bytes = &self.room[..self.filled];
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = self.side.header(header)?;
        let end = HEADER_BYTES + header.length;
        let Some(bytes) = bytes.get(HEADER_BYTES..end) else {
            self.make_room(end);
            return Ok(None);
        };
        let body = body(header.kind, bytes)?;
        self.forget(end);
        Ok(Some(Frame { number: header.number, body }))
    }

    /// What was read so far moves, and where it lay is wiped.
    fn make_room(&mut self, bytes: usize) {
        if bytes > self.room.len() {
            let mut room = Zeroizing::new(vec![0; FRAME_BYTES_MAX]);
            room[..self.filled].copy_from_slice(&self.room[..self.filled]);
            self.room = room;
        }
    }

    /// Whether bytes of a frame are there that is not whole.
    pub fn is_within_a_frame(&self) -> bool {
        self.filled > 0
    }

    /// What lies behind moves to the front, and where it lay is wiped.
    fn forget(&mut self, count: usize) {
        let left = self.filled - count;
        self.room.copy_within(count..self.filled, 0);
        self.room[left..self.filled].zeroize();
        self.filled = left;
    }
}

/// Reads the next frame, waiting for it; none: the other end closed between two frames.
pub fn read(decoder: &mut Decoder, from: &mut impl Read) -> Result<Option<Frame>, Fault> {
    loop {
        if let Some(frame) = decoder.frame()? {
            return Ok(Some(frame));
        }
        match decoder.fill(from) {
            Ok(0) if decoder.is_within_a_frame() => {
                return Err(Fault::later(Blame::Link, "tapicom was cut within a message"));
            }
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::host("cannot hear the authority", &error)),
        }
    }
}

/// Writes a frame.
pub fn write(frame: &Frame, to: &mut impl Write) -> Result<(), Fault> {
    let bytes = frame.encode()?;
    let written = to.write_all(&bytes).and_then(|()| to.flush());
    written.map_err(|e| Fault::host("cannot speak to the authority", &e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tapicom::message::{Command, Secret};

    fn login(password: &str) -> Frame {
        let command = Command::Login {
            user: "alice".into(),
            password: Secret::new(password),
            rights: Default::default(),
            life_s: None,
        };
        Frame { number: 1, body: Body::Command(Box::new(Request { ticket: None, command })) }
    }

    fn status(number: u32) -> Frame {
        let request = Request { ticket: Some(Secret::new("tap1-x")), command: Command::Status };
        Frame { number, body: Body::Command(Box::new(request)) }
    }

    #[test]
    fn frames_come_out_however_their_bytes_came() {
        let frames = [login("p"), status(2), Frame { number: 2, body: Body::Enough }, status(3)];
        let bytes: Vec<u8> = frames.iter().flat_map(|f| f.encode().unwrap().to_vec()).collect();
        for size in 1..bytes.len() {
            let mut decoder = Decoder::new(Side::Authority);
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                assert_eq!(decoder.fill(&mut &*piece).unwrap(), piece.len());
                while let Some(frame) = decoder.frame().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames);
            assert!(!decoder.is_within_a_frame());
        }
    }

    #[test]
    fn headers_are_judged_before_what_follows() {
        let good = status(2).encode().unwrap().to_vec();
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes.truncate(HEADER_BYTES);
            bytes
        };
        for (at, byte) in
            [(0, b'T'), (4, 0), (4, 3), (4, 4), (4, 6), (4, 7), (5, 1), (7, 1), (8, 0), (14, 2)]
        {
            let mut decoder = Decoder::new(Side::Authority);
            decoder.fill(&mut &changed(at, byte)[..]).unwrap();
            assert!(decoder.frame().is_err(), "{at} {byte}");
            decoder.fill(&mut &good[..]).unwrap();
            assert!(decoder.frame().is_err(), "it goes on after a violation");
        }
        let mut decoder = Decoder::new(Side::Client);
        decoder.fill(&mut &good[..]).unwrap();
        assert!(decoder.frame().is_err(), "a client hears a command");
    }

    #[test]
    fn bytes_behind_a_message_are_a_violation() {
        let mut bytes = status(2).encode().unwrap().to_vec();
        bytes.push(0);
        bytes[12] += 1;
        let mut decoder = Decoder::new(Side::Authority);
        decoder.fill(&mut &bytes[..]).unwrap();
        assert!(decoder.frame().is_err());
    }

    #[test]
    fn nothing_of_a_password_stays_in_the_decoder() {
        let mut decoder = Decoder::new(Side::Authority);
        decoder.fill(&mut &login("correct horse").encode().unwrap()[..]).unwrap();
        decoder.fill(&mut &status(2).encode().unwrap()[..7]).unwrap();
        assert!(decoder.frame().unwrap().is_some());
        assert_eq!(decoder.filled, 7);
        assert!(decoder.room[7..].iter().all(|byte| *byte == 0), "something stays");
    }

    #[test]
    fn room_is_made_for_what_was_announced_and_no_more() {
        let command = Command::Find {
            tree: crate::tapicom::message::Tree {
                machine: None,
                backup: None,
                at: crate::tapicom::message::At::Latest,
            },
            pattern: "x".repeat(4096),
            page: Default::default(),
        };
        let long =
            Frame { number: 3, body: Body::Command(Box::new(Request { ticket: None, command })) };
        let bytes =
            [status(2).encode().unwrap().to_vec(), long.encode().unwrap().to_vec()].concat();
        let mut decoder = Decoder::new(Side::Authority);
        let mut rest = &bytes[..];
        assert_eq!(decoder.fill(&mut rest).unwrap(), SHORT_BYTES);
        assert_eq!(decoder.frame().unwrap(), Some(status(2)));
        assert!(decoder.fill(&mut rest).unwrap() > 0);
        assert_eq!(decoder.frame().unwrap(), None);
        assert!(decoder.fill(&mut rest).unwrap() > 0);
        assert_eq!(decoder.frame().unwrap(), Some(long));
        assert_eq!((decoder.room.len(), decoder.filled), (FRAME_BYTES_MAX, 0));
    }

    #[test]
    fn what_is_too_much_is_not_said() {
        let long = Frame { number: 1, ..login(&"x".repeat(5000)) };
        assert!(long.encode().is_err());
    }
}
