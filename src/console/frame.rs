//! The dialect of machines on the same line: COBS, postcard, CRC-32.
//!
//! Owns the frames and what is said in them. A program sends `^A record on` and Enter; from then on each side
//! sends frames that end with a zero byte: postcard, then the CRC-32 (IEEE) of that, little-endian, all of it COBS
//! encoded. An answer bears the number of its question. A frame that arrives damaged is told as such, and nothing
//! of it is done.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::stream::{Blame, Fault};
use crate::tapicom::message::Secret;

/// The longest frame, bytes as they travel, without the zero.
pub const FRAME_BYTES_MAX: usize = 8 * 1024;
/// Bytes of an answer's text in one frame.
pub const PIECE_BYTES: usize = 4 * 1024;
/// Version of what is said.
pub const VERSION: u16 = 1;

/// What a program says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its number, for the answer.
    pub number: u32,
    /// What it wants.
    pub want: Want,
}

/// What a program wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// Who is there. [`Told::Hello`]
    Hello,
    /// To be the administrator. [`Told::Done`]
    Login {
        /// The proof.
        password: Secret,
    },
    /// The first administrator's password. [`Told::Done`]
    Claim {
        /// The password.
        password: Secret,
    },
    /// A command, as people type it. [`Told::Part`]s
    Line(String),
    /// The dialect of people again. [`Told::Done`], and then no frame follows.
    Off,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Number of the question; 0: it could not be read.
    pub number: u32,
    /// What is said.
    pub told: Told,
}

/// What is said to a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Who is here.
    Hello {
        /// Version of what is said.
        version: u16,
        /// The box's serial number.
        serial: String,
    },
    /// It was done.
    Done,
    /// A piece of the answer's text, JSON where there is some.
    Part {
        /// The text.
        text: String,
        /// Whether it is the last.
        last: bool,
    },
    /// It was not done.
    Refused {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A frame arrived damaged: ask again.
    Damaged,
}

/// A message as it travels, with its zero at the end.
///
/// # Errors
///
/// It is too long.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, Fault> {
    let never = |what: String| Fault::never(Blame::Ours, format!("no frame: {what}"));
    let mut bytes = postcard::to_stdvec(message).map_err(|e| never(e.to_string()))?;
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let mut frame = cobs::encode_vec(&bytes);
    if frame.len() > FRAME_BYTES_MAX {
        return Err(never(format!("more than {FRAME_BYTES_MAX} bytes")));
    }
    frame.push(0);
    Ok(frame)
}

/// Frames of bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    too_long: bool,
}

/// What cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl Decoder {
    /// Takes a byte; with the last of a frame what it says.
    pub fn byte<T: DeserializeOwned>(&mut self, byte: u8) -> Option<Result<T, Damaged>> {
        if byte != 0 {
            self.too_long |= self.bytes.len() == FRAME_BYTES_MAX;
            if !self.too_long {
                self.bytes.push(byte);
            }
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        if std::mem::take(&mut self.too_long) {
            return Some(Err(Damaged));
        }
        // Zeros between frames are how a program makes sure that one begins.
        (!bytes.is_empty()).then(|| decode(&bytes))
    }
}

fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, Damaged> {
    let bytes = cobs::decode_vec(frame).map_err(|_| Damaged)?;
    let (message, crc) = bytes.split_last_chunk::<4>().ok_or(Damaged)?;
    if crc32fast::hash(message).to_le_bytes() != *crc {
        return Err(Damaged);
    }
    match postcard::take_from_bytes(message) {
        Ok((message, [])) => Ok(message),
        _ => Err(Damaged),
    }
}
