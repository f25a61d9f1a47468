//! Log pages as they come: LOG SENSE (4Dh).
//!
//! Owns the page header and the parameter walker. Every parameter is kept, known or not; what a
//! page means is in [`log_pages`](crate::log_pages). Source: SPC-5 7.3.

use crate::error::{Error, at_least};
use crate::reader::{be16, byte, number, slice, text};

/// One log parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogParameter {
    /// PARAMETER CODE.
    pub code: u16,
    /// The control byte: DU, TSD, ETC, TMC, FORMAT AND LINKING.
    pub control: u8,
    /// PARAMETER VALUE.
    pub value: Vec<u8>,
}

impl LogParameter {
    /// The value as one number, when it has one to eight bytes.
    pub fn number(&self) -> Option<u64> {
        number(&self.value)
    }

    /// [`number`](LogParameter::number), unless all bits are set, which drives send for "unknown" in
    /// fields of four bytes and more.
    pub fn known_number(&self) -> Option<u64> {
        known(&self.value)
    }

    /// The value as printable text.
    pub fn text(&self) -> String {
        text(&self.value)
    }
}

/// A number, unless it has four bytes or more and all bits set.
pub(crate) fn known(value: &[u8]) -> Option<u64> {
    let unknown = value.len() >= 4 && value.iter().all(|&b| b == 0xff);
    number(value).filter(|_| !unknown)
}

/// Walks parameters that follow a header. Gives the whole ones and whether the last was cut.
pub fn walk(bytes: &[u8]) -> (Vec<LogParameter>, bool) {
    let mut parameters = Vec::new();
    let mut rest = bytes;
    while let (Some(code), Some(control), Some(length)) =
        (be16(rest, 0), byte(rest, 2), byte(rest, 3))
    {
        let Some(value) = slice(rest, 4, usize::from(length)) else { return (parameters, true) };
        parameters.push(LogParameter { code, control, value: value.to_vec() });
        rest = &rest[4 + usize::from(length)..];
    }
    (parameters, !rest.is_empty())
}

/// The header of a log page and what follows it.
struct Body<'a> {
    page: u8,
    subpage: u8,
    disable_save: bool,
    bytes: &'a [u8],
    truncated: bool,
}

fn body(bytes: &[u8]) -> Result<Body<'_>, Error> {
    let bytes = at_least("LOG SENSE", bytes, 4)?;
    let length = usize::from(be16(bytes, 2).unwrap_or(0));
    let end = bytes.len().min(4 + length);
    let subpage_format = bytes[0] & 0x40 != 0;
    Ok(Body {
        page: bytes[0] & 0x3f,
        subpage: if subpage_format { bytes[1] } else { 0 },
        disable_save: bytes[0] & 0x80 != 0,
        bytes: &bytes[4..end],
        truncated: end < 4 + length,
    })
}

/// A log page that consists of parameters: all but the lists of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// PAGE CODE.
    pub page: u8,
    /// SUBPAGE CODE, 0 for none.
    pub subpage: u8,
    /// DS: the drive does not save it.
    pub disable_save: bool,
    /// The whole parameters in the order sent.
    pub parameters: Vec<LogParameter>,
    /// The reply ended before all it announced.
    pub truncated: bool,
}

impl LogPage {
    /// Decodes the reply.
    pub fn decode(bytes: &[u8]) -> Result<LogPage, Error> {
        let body = body(bytes)?;
        let (parameters, cut) = walk(body.bytes);
        Ok(LogPage {
            page: body.page,
            subpage: body.subpage,
            disable_save: body.disable_save,
            parameters,
            truncated: body.truncated || cut,
        })
    }

    /// Decodes the reply and checks that it is the page asked for.
    pub fn expect(bytes: &[u8], page: u8, subpage: u8) -> Result<LogPage, Error> {
        let decoded = Self::decode(bytes)?;
        let wrong = |expected, found| Error::WrongPage { reply: "LOG SENSE", expected, found };
        if decoded.page != page {
            return Err(wrong(page, decoded.page));
        }
        if decoded.subpage != subpage {
            return Err(wrong(subpage, decoded.subpage));
        }
        Ok(decoded)
    }

    /// The first parameter with this code.
    pub fn parameter(&self, code: u16) -> Option<&LogParameter> {
        self.parameters.iter().find(|p| p.code == code)
    }

    /// The number of a parameter, `None` when it is absent, unknown or no number.
    pub fn number(&self, code: u16) -> Option<u64> {
        self.parameter(code)?.known_number()
    }

    /// The text of a parameter, `None` when it is absent or blank.
    pub fn text(&self, code: u16) -> Option<String> {
        self.parameter(code).map(LogParameter::text).filter(|t| !t.is_empty())
    }
}

/// Page 00h: the pages the device has, as (page, subpage); with subpage FFh asked for, the subpages
/// too. A trailing odd byte of a pair list is dropped.
pub fn supported_pages(bytes: &[u8]) -> Result<Vec<(u8, u8)>, Error> {
    let body = body(bytes)?;
    if body.page != 0 {
        return Err(Error::WrongPage { reply: "LOG SENSE", expected: 0, found: body.page });
    }
    Ok(match body.subpage {
        0xff => body.bytes.chunks_exact(2).map(|pair| (pair[0] & 0x3f, pair[1])).collect(),
        _ => body.bytes.iter().map(|&page| (page & 0x3f, 0)).collect(),
    })
}
