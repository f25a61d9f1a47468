//! Where the cartridges are: READ ELEMENT STATUS (B8h).
//!
//! Owns the pages and descriptors of the reply. Lengths in the reply are trusted only as far as the
//! bytes reach; a cut descriptor is left out and `truncated` says so. Known devices that contradict
//! themselves: headers that count 0 elements and send four, and headers whose first address is not
//! that of any descriptor; what is there counts. Source: SMC-3 6.12.

use std::fmt;

use crate::error::{Error, at_least};
use crate::reader::{be16, be24, bit, slice};
use crate::types::{ElementAddress, VolumeTag};
use crate::vpd::Designator;

/// What an element is (ELEMENT TYPE CODE, SMC-3 table 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementKind {
    /// 1h: a hand that carries cartridges.
    Transport,
    /// 2h: a slot.
    Storage,
    /// 3h: a mail slot.
    ImportExport,
    /// 4h: a drive.
    DataTransfer,
}

impl ElementKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [ElementKind; 4] = [
        ElementKind::Transport,
        ElementKind::Storage,
        ElementKind::ImportExport,
        ElementKind::DataTransfer,
    ];

    /// The element type code.
    pub fn code(self) -> u8 {
        match self {
            ElementKind::Transport => 1,
            ElementKind::Storage => 2,
            ElementKind::ImportExport => 3,
            ElementKind::DataTransfer => 4,
        }
    }

    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<ElementKind> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for ElementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ElementKind::Transport => "transport",
            ElementKind::Storage => "slot",
            ElementKind::ImportExport => "mail slot",
            ElementKind::DataTransfer => "drive",
        })
    }
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementDescriptor {
    /// Its address.
    pub address: ElementAddress,
    /// FULL: a cartridge is in it. Some libraries clear this when asked for device identifiers.
    pub full: bool,
    /// ACCESS: a hand can reach it.
    pub access: bool,
    /// IMPEXP: an operator put the cartridge there.
    pub operator_placed: bool,
    /// EXENAB and INENAB of a mail slot.
    pub export_enabled: bool,
    /// INENAB of a mail slot.
    pub import_enabled: bool,
    /// ASC and ASCQ when EXCEPT says the element is in an abnormal state.
    pub except: Option<(u8, u8)>,
    /// Where the cartridge came from, when SVALID.
    pub source: Option<ElementAddress>,
    /// The cartridge is upside down, when SVALID.
    pub inverted: bool,
    /// ED: the element is disabled.
    pub disabled: bool,
    /// MEDIUM TYPE: 0 unknown, 1 data, 2 cleaning, 3 diagnostics, 4 WORM, 5 microcode.
    pub medium_type: u8,
    /// Primary volume tag, when sent and readable.
    pub volume_tag: Option<VolumeTag>,
    /// Alternate volume tag (the other side), when sent and readable.
    pub alternate_volume_tag: Option<VolumeTag>,
    /// Who the drive is, when asked for and known.
    pub device: Option<Designator>,
    /// Whatever followed in the descriptor.
    pub rest: Vec<u8>,
}

/// The elements of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementPage {
    /// ELEMENT TYPE CODE as sent; see [`ElementKind::from_code`].
    pub kind_code: u8,
    /// ELEMENT DESCRIPTOR LENGTH in bytes.
    pub descriptor_length: u16,
    /// Its elements.
    pub elements: Vec<ElementDescriptor>,
}

/// The reply to READ ELEMENT STATUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementStatus {
    /// FIRST ELEMENT ADDRESS REPORTED; not to be trusted.
    pub first: ElementAddress,
    /// NUMBER OF ELEMENTS AVAILABLE; not to be trusted.
    pub available: u16,
    /// BYTE COUNT OF REPORT AVAILABLE: bytes after the 8-byte header.
    pub report_bytes: u32,
    /// Pages in the order sent.
    pub pages: Vec<ElementPage>,
    /// The reply ended before all it announced.
    pub truncated: bool,
    /// A page's lengths cannot be right: no descriptor has room for its own fields, or the
    /// descriptors do not fill the page.
    pub inconsistent: bool,
}

const HEADER: usize = 8;
const SHORTEST: usize = 12;

impl ElementStatus {
    /// Decodes the reply.
    pub fn decode(bytes: &[u8]) -> Result<ElementStatus, Error> {
        let bytes = at_least("READ ELEMENT STATUS", bytes, HEADER)?;
        let report_bytes = be24(bytes, 5).unwrap_or(0);
        let announced = HEADER.saturating_add(report_bytes as usize);
        let mut status = ElementStatus {
            first: ElementAddress(be16(bytes, 0).unwrap_or(0)),
            available: be16(bytes, 2).unwrap_or(0),
            report_bytes,
            pages: Vec::new(),
            truncated: bytes.len() < announced,
            inconsistent: false,
        };
        let mut rest = &bytes[HEADER..bytes.len().min(announced)];
        while !rest.is_empty() {
            let Some(used) = status.take_page(rest) else { break };
            rest = &rest[used.min(rest.len())..];
        }
        Ok(status)
    }

    /// All elements of one kind.
    pub fn of_kind(&self, kind: ElementKind) -> impl Iterator<Item = &ElementDescriptor> {
        self.pages.iter().filter(move |p| p.kind_code == kind.code()).flat_map(|p| &p.elements)
    }

    /// Decodes the page at the start of `bytes`; gives the length it claims. `None` ends the reply.
    fn take_page(&mut self, bytes: &[u8]) -> Option<usize> {
        let Some(header) = slice(bytes, 0, HEADER) else {
            self.truncated = true;
            return None;
        };
        let length = be16(header, 2)?;
        let page_bytes = be24(header, 5)? as usize;
        let body = &bytes[HEADER..bytes.len().min(HEADER + page_bytes)];
        let tags = (header[1] & 0x80 != 0, header[1] & 0x40 != 0);
        let size = usize::from(length);
        self.truncated |= body.len() < page_bytes;
        self.inconsistent |=
            page_bytes > 0 && (size < SHORTEST || !page_bytes.is_multiple_of(size));
        let whole = if size < SHORTEST { &[] } else { &body[..body.len() / size * size] };
        self.pages.push(ElementPage {
            kind_code: header[0] & 0x0f,
            descriptor_length: length,
            elements: whole.chunks_exact(size.max(1)).map(|d| descriptor(d, tags)).collect(),
        });
        Some(HEADER + page_bytes)
    }
}

/// Decodes one whole descriptor of at least 12 bytes.
fn descriptor(bytes: &[u8], (primary, alternate): (bool, bool)) -> ElementDescriptor {
    let source_valid = bit(bytes, 9, 0x80);
    let mut at = SHORTEST;
    let mut volume_tag = |sent: bool| {
        let field = slice(bytes, at, 36).filter(|_| sent)?;
        at += 36;
        VolumeTag::new(&field[..32])
    };
    let volume_tag_primary = volume_tag(primary);
    let volume_tag_alternate = volume_tag(alternate);
    let tail = bytes.get(at..).unwrap_or(&[]);
    let (device, rest) = device_identifier(tail);
    ElementDescriptor {
        address: ElementAddress(be16(bytes, 0).unwrap_or(0)),
        full: bit(bytes, 2, 0x01),
        operator_placed: bit(bytes, 2, 0x02),
        access: bit(bytes, 2, 0x08),
        export_enabled: bit(bytes, 2, 0x10),
        import_enabled: bit(bytes, 2, 0x20),
        except: bit(bytes, 2, 0x04).then(|| (bytes[4], bytes[5])),
        source: be16(bytes, 10).filter(|_| source_valid).map(ElementAddress),
        inverted: source_valid && bit(bytes, 9, 0x40),
        disabled: bit(bytes, 9, 0x08),
        medium_type: bytes[9] & 0x07,
        volume_tag: volume_tag_primary,
        alternate_volume_tag: volume_tag_alternate,
        device,
        rest: rest.to_vec(),
    }
}

/// The device identifier at the start of what follows the volume tags, and what follows it. Vendors
/// put other things in the same place, so only a proper code set with zero reserved bits counts.
fn device_identifier(tail: &[u8]) -> (Option<Designator>, &[u8]) {
    match (tail, Designator::decode_one(tail)) {
        ([0, 0, 0, 0, rest @ ..], _) => (None, rest),
        ([1..=3, kind, 0, 1..=255, ..], Some((device, length))) if *kind < 0x10 => {
            (Some(device), &tail[length..])
        }
        _ => (None, tail),
    }
}
