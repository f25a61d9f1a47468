//! One message on a local socket: a length (4 bytes, little-endian), then postcard.
//!
//! Owns the limit and the reading of all of it or nothing. Knows no message.

use std::io::{ErrorKind, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::stream::{Blame, Fault};

/// The longest message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

fn lost(e: std::io::Error) -> Fault {
    match e.kind() {
        // What a socket's time limit looks like.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Fault::later(Blame::Link, "another process does not answer in time")
        }
        _ => Fault { blame: Blame::Link, ..Fault::host("cannot speak with another process", &e) },
    }
}

/// Says one message.
///
/// # Errors
///
/// It is too long, or the other end is gone.
pub fn write(message: &impl Serialize, to: &mut impl Write) -> Result<(), Fault> {
    let never = |what: String| Fault::never(Blame::Ours, format!("cannot be said: {what}"));
    let bytes = Zeroizing::new(postcard::to_stdvec(message).map_err(|e| never(e.to_string()))?);
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MESSAGE_BYTES_MAX);
    let length = length.ok_or_else(|| never(format!("more than {MESSAGE_BYTES_MAX} bytes")))?;
    let mut frame = Zeroizing::new(Vec::with_capacity(bytes.len() + 4));
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&bytes);
    to.write_all(&frame).and_then(|()| to.flush()).map_err(lost)
}

/// Hears one message; none: the other end left between two.
///
/// # Errors
///
/// A length beyond the limit, what cannot be understood, or an end in the middle.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, Fault> {
    let mut length = [0; 4];
    let mut have = 0;
    while have < length.len() {
        match from.read(&mut length[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(lost(ErrorKind::UnexpectedEof.into())),
            Ok(count) => have += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(lost(e)),
        }
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(Fault::stream(format!("a message of {length} bytes is too long")));
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    from.read_exact(&mut bytes).map_err(lost)?;
    decode(&bytes).map(Some)
}

/// What `bytes` say, all of them.
///
/// # Errors
///
/// They say nothing, or more follows.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(Fault::stream("more follows a message than belongs to it")),
        Err(e) => Err(Fault::stream(format!("a message cannot be understood: {e}"))),
    }
}
