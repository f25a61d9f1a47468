//! Vital product data: INQUIRY (12h) with EVPD.
//!
//! Owns pages 00h, 80h, 83h, 86h (SPC-5 7.7) and the tape pages B0h, B1h, B2h, B3h, B4h
//! (SSC-5 8.5). Unknown designators are kept as bytes.

use std::fmt;

use crate::error::{Error, at_least};
use crate::reader::{be16, bit, byte, number, slice, text};
use crate::types::ElementAddress;

/// The body of any page: what follows the four-byte header, as far as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Page code.
    pub page: u8,
    /// Body.
    pub body: Vec<u8>,
    /// Fewer bytes were received than the header says.
    pub truncated: bool,
}

impl Page {
    /// Decodes the header.
    pub fn decode(bytes: &[u8]) -> Result<Page, Error> {
        let bytes = at_least("vital product data", bytes, 4)?;
        let length = usize::from(be16(bytes, 2).unwrap_or(0));
        let end = bytes.len().min(4 + length);
        Ok(Page { page: bytes[1], body: bytes[4..end].to_vec(), truncated: end < 4 + length })
    }

    fn expect(bytes: &[u8], page: u8) -> Result<Page, Error> {
        let decoded = Self::decode(bytes)?;
        if decoded.page != page {
            return Err(Error::WrongPage {
                reply: "vital product data",
                expected: page,
                found: decoded.page,
            });
        }
        Ok(decoded)
    }
}

/// Page 00h: the pages there are.
pub fn supported_pages(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    Page::expect(bytes, 0x00).map(|page| page.body)
}

/// Page 80h: the unit serial number.
pub fn unit_serial_number(bytes: &[u8]) -> Result<String, Error> {
    Page::expect(bytes, 0x80).map(|page| text(&page.body))
}

/// Page B1h: the serial number the maker gave the drive, not changed by a library's logical naming.
pub fn manufacturer_serial_number(bytes: &[u8]) -> Result<String, Error> {
    Page::expect(bytes, 0xb1).map(|page| text(&page.body))
}

/// Page B3h: the serial number of the automation the drive sits in; empty when it sits in none.
pub fn automation_serial_number(bytes: &[u8]) -> Result<String, Error> {
    Page::expect(bytes, 0xb3).map(|page| text(&page.body))
}

/// Page B0h: what a sequential-access device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TapeCapabilities {
    /// WORM media are supported.
    pub worm: bool,
    /// TSMC: TapeAlert supported mode control.
    pub tape_alert_mode_control: bool,
}

impl TapeCapabilities {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<TapeCapabilities, Error> {
        let page = Page::expect(bytes, 0xb0)?;
        at_least("vital product data page B0h", &page.body, 1)?;
        Ok(TapeCapabilities {
            worm: bit(&page.body, 0, 0x01),
            tape_alert_mode_control: bit(&page.body, 0, 0x02),
        })
    }
}

/// Page B2h: the TapeAlert flags the drive can raise; bit 63 is flag 1.
pub fn tape_alert_supported(bytes: &[u8]) -> Result<crate::alert::Alerts, Error> {
    let page = Page::expect(bytes, 0xb2)?;
    let body = at_least("vital product data page B2h", &page.body, 8)?;
    Ok(crate::alert::Alerts::from_bits(number(&body[..8]).unwrap_or(0)))
}

/// Page B4h: the element address of this drive in its changer, `None` when it does not know. The
/// body is read as one number: devices send two or four bytes.
pub fn data_transfer_element_address(bytes: &[u8]) -> Result<Option<ElementAddress>, Error> {
    let reply = "vital product data page B4h";
    let page = Page::expect(bytes, 0xb4)?;
    let Some(value) = number(&page.body) else { return Ok(None) };
    match u16::try_from(value) {
        Ok(address) => Ok(Some(ElementAddress(address))),
        Err(_) => Err(Error::BadField { reply, field: "ELEMENT ADDRESS", value }),
    }
}

/// Page 86h: extended INQUIRY data, what concerns a backup host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedInquiry {
    /// GRD_CHK: the block guard is checked.
    pub guard_check: bool,
    /// LUICLR: an I_T nexus loss clears unit attentions of that nexus only.
    pub luiclr: bool,
    /// UASK_SUP: unit attentions carry sense-key-specific data.
    pub unit_attention_specific: bool,
    /// Longest sense data the device returns, bytes; 0 when not stated.
    pub maximum_sense_length: u8,
    /// EXTENDED SELF-TEST COMPLETION MINUTES; 0 when not stated.
    pub self_test_minutes: u16,
    /// The page ended before the last of these fields, which then read as 0.
    pub truncated: bool,
}

impl ExtendedInquiry {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<ExtendedInquiry, Error> {
        let page = Page::expect(bytes, 0x86)?;
        let body = at_least("vital product data page 86h", &page.body, 4)?;
        Ok(ExtendedInquiry {
            guard_check: bit(body, 0, 0x04),
            unit_attention_specific: bit(body, 1, 0x20),
            luiclr: bit(body, 3, 0x01),
            self_test_minutes: be16(body, 6).unwrap_or(0),
            maximum_sense_length: byte(body, 9).unwrap_or(0),
            truncated: page.truncated || body.len() < 10,
        })
    }
}

/// Whom a designator names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Association {
    /// The logical unit.
    LogicalUnit,
    /// The port the command came through.
    TargetPort,
    /// The device that holds the logical unit.
    TargetDevice,
    /// Not defined by the standard.
    Reserved,
}

/// What a designator says (SPC-5 table 489).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Type 1: vendor, and a text that is unique for it.
    T10 {
        /// T10 vendor identification.
        vendor: String,
        /// The vendor's own identifier, often product and serial number.
        id: String,
    },
    /// Type 2.
    Eui64(Vec<u8>),
    /// Type 3.
    Naa(Vec<u8>),
    /// Type 4.
    RelativePort(u16),
    /// Type 8.
    ScsiName(String),
    /// Any other type, or a known one of a length it cannot have.
    Other {
        /// Designator type.
        kind: u8,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, prefix: &str, bytes: &[u8]| {
            f.write_str(prefix)?;
            bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
        };
        match self {
            Name::T10 { vendor, id } => write!(f, "t10.{vendor} {id}"),
            Name::Eui64(bytes) => hex(f, "eui.", bytes),
            Name::Naa(bytes) => hex(f, "naa.", bytes),
            Name::RelativePort(port) => write!(f, "port {port}"),
            Name::ScsiName(name) => f.write_str(name),
            Name::Other { kind, bytes } => hex(f, &format!("type{kind}."), bytes),
        }
    }
}

/// One designation descriptor. READ ELEMENT STATUS carries the same thing for drives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designator {
    /// Whom it names.
    pub association: Association,
    /// What it says.
    pub name: Name,
}

impl Designator {
    /// Decodes one descriptor at the start of `bytes`; gives its length too. `None` when it is not
    /// whole.
    pub fn decode_one(bytes: &[u8]) -> Option<(Designator, usize)> {
        let flags = byte(bytes, 1)?;
        let length = usize::from(byte(bytes, 3)?);
        let id = slice(bytes, 4, length)?;
        let association = match flags >> 4 & 0x03 {
            0 => Association::LogicalUnit,
            1 => Association::TargetPort,
            2 => Association::TargetDevice,
            _ => Association::Reserved,
        };
        Some((Designator { association, name: designator_name(flags & 0x0f, id) }, 4 + length))
    }
}

fn designator_name(kind: u8, id: &[u8]) -> Name {
    match (kind, id.len()) {
        (1, 8..) => Name::T10 { vendor: text(&id[..8]), id: text(&id[8..]) },
        (2, 8 | 12 | 16) => Name::Eui64(id.to_vec()),
        (3, 8 | 16) => Name::Naa(id.to_vec()),
        (4, 4) => Name::RelativePort(be16(id, 2).unwrap_or(0)),
        (8, 1..) => Name::ScsiName(text(id)),
        _ => Name::Other { kind, bytes: id.to_vec() },
    }
}

/// Page 83h: device identification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdentification {
    /// The whole designators, in order.
    pub designators: Vec<Designator>,
    /// The page or a designator in it was cut.
    pub truncated: bool,
}

impl DeviceIdentification {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<DeviceIdentification, Error> {
        let page = Page::expect(bytes, 0x83)?;
        let mut rest = page.body.as_slice();
        let mut designators = Vec::new();
        while let Some((designator, length)) = Designator::decode_one(rest) {
            designators.push(designator);
            rest = &rest[length..];
        }
        Ok(DeviceIdentification { designators, truncated: page.truncated || !rest.is_empty() })
    }

    /// The first designator of the logical unit that names it world-wide (NAA, else EUI-64).
    pub fn world_wide_name(&self) -> Option<&Name> {
        self.designators
            .iter()
            .filter(|d| d.association == Association::LogicalUnit)
            .map(|d| &d.name)
            .find(|n| matches!(n, Name::Naa(_) | Name::Eui64(_)))
    }
}
