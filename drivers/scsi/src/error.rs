//! Why a reply could not be decoded.
//!
//! Owns the one error of all decoders. Only what makes a reply useless is an error; a reply that
//! merely ends early decodes to its whole fields and says so in `truncated`.

use std::fmt;

/// A reply that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Fewer bytes than the fixed part of the reply has.
    TooShort {
        /// Which reply.
        reply: &'static str,
        /// Bytes the fixed part needs.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The device answered with another page than the one asked for.
    WrongPage {
        /// Which reply.
        reply: &'static str,
        /// Page code asked for.
        expected: u8,
        /// Page code received.
        found: u8,
    },
    /// A field holds a value the standard does not allow and that no reading would be safe for.
    BadField {
        /// Which reply.
        reply: &'static str,
        /// Which field.
        field: &'static str,
        /// The value received.
        value: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooShort { reply, need, have } => {
                write!(f, "{reply}: {have} bytes received, {need} needed")
            }
            Error::WrongPage { reply, expected, found } => {
                write!(f, "{reply}: page {found:02X}h received, {expected:02X}h asked for")
            }
            Error::BadField { reply, field, value } => {
                write!(f, "{reply}: {field} cannot be {value:X}h")
            }
        }
    }
}

impl std::error::Error for Error {}

/// `bytes`, if there are at least `need`.
pub(crate) fn at_least<'a>(
    reply: &'static str,
    bytes: &'a [u8],
    need: usize,
) -> Result<&'a [u8], Error> {
    if bytes.len() < need {
        return Err(Error::TooShort { reply, need, have: bytes.len() });
    }
    Ok(bytes)
}
