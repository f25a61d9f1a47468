//! Who the device is: standard INQUIRY data (12h).
//!
//! Owns the standard data; the vital product data pages are in [`vpd`](crate::vpd). Text is made
//! printable; a field the reply does not reach is empty and `truncated` says so. Source: SPC-5 6.7.2.

use std::fmt;

use crate::error::{Error, at_least};
use crate::reader::{be16, bit, byte, text_at};

/// Peripheral device type: what kind of device it is (SPC-5 table 148).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceType {
    /// 00h.
    Disk,
    /// 01h, SSC.
    Tape,
    /// 08h, SMC.
    Changer,
    /// 1Fh or a logical unit that is not there.
    Absent,
    /// Any other.
    Other(u8),
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceType::Disk => f.write_str("disk"),
            DeviceType::Tape => f.write_str("tape drive"),
            DeviceType::Changer => f.write_str("media changer"),
            DeviceType::Absent => f.write_str("no device"),
            DeviceType::Other(code) => write!(f, "device type {code:02X}h"),
        }
    }
}

/// Standard INQUIRY data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// What it is; [`DeviceType::Absent`] when the qualifier says nothing is connected.
    pub device_type: DeviceType,
    /// PERIPHERAL QUALIFIER; 0 is the ordinary case.
    pub qualifier: u8,
    /// RMB: the medium can be taken out.
    pub removable: bool,
    /// VERSION of the standard claimed.
    pub version: u8,
    /// RESPONSE DATA FORMAT.
    pub format: u8,
    /// T10 VENDOR IDENTIFICATION.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION.
    pub product: String,
    /// PRODUCT REVISION LEVEL: the firmware.
    pub revision: String,
    /// HISUP.
    pub hierarchical: bool,
    /// PROTECT.
    pub protect: bool,
    /// MULTIP: more than one port.
    pub multi_port: bool,
    /// CMDQUE.
    pub command_queueing: bool,
    /// ADDR16, WBUS16 and SYNC of parallel SCSI.
    pub parallel: Parallel,
    /// Bytes 36 to 55, the vendor's.
    pub vendor_specific: Vec<u8>,
    /// VERSION DESCRIPTORs that are not 0.
    pub version_descriptors: Vec<u16>,
    /// ADDITIONAL LENGTH + 5: how long the device says the data are.
    pub announced: usize,
    /// Fewer bytes were received than announced.
    pub truncated: bool,
}

/// What a parallel SCSI device says about its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallel {
    /// Sixteen addresses.
    pub addr16: bool,
    /// Sixteen data lines.
    pub wbus16: bool,
    /// Synchronous transfers.
    pub sync: bool,
    /// CLOCKING field.
    pub clocking: u8,
}

impl Inquiry {
    /// Decodes the reply.
    pub fn decode(bytes: &[u8]) -> Result<Inquiry, Error> {
        let bytes = at_least("INQUIRY", bytes, 5)?;
        let announced = 5 + usize::from(bytes[4]);
        let truncated = bytes.len() < announced;
        let bytes = &bytes[..bytes.len().min(announced)];
        let qualifier = bytes[0] >> 5;
        Ok(Inquiry {
            device_type: device_type(qualifier, bytes[0] & 0x1f),
            qualifier,
            removable: bit(bytes, 1, 0x80),
            version: bytes[2],
            format: bytes[3] & 0x0f,
            hierarchical: bit(bytes, 3, 0x10),
            protect: bit(bytes, 5, 0x01),
            multi_port: bit(bytes, 6, 0x10),
            command_queueing: bit(bytes, 7, 0x02),
            parallel: Parallel {
                addr16: bit(bytes, 6, 0x01),
                wbus16: bit(bytes, 7, 0x20),
                sync: bit(bytes, 7, 0x10),
                clocking: byte(bytes, 56).unwrap_or(0) >> 2 & 0x03,
            },
            vendor: text_at(bytes, 8, 8),
            product: text_at(bytes, 16, 16),
            revision: text_at(bytes, 32, 4),
            vendor_specific: bytes.get(36..bytes.len().min(56)).unwrap_or(&[]).to_vec(),
            version_descriptors: (58..74)
                .step_by(2)
                .filter_map(|at| be16(bytes, at))
                .filter(|&v| v != 0)
                .collect(),
            announced,
            truncated,
        })
    }

    /// True when vendor and product are whole and not blank.
    pub fn has_identity(&self) -> bool {
        !self.vendor.is_empty() && !self.product.is_empty()
    }
}

impl fmt::Display for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.vendor, self.product, self.revision)
    }
}

fn device_type(qualifier: u8, code: u8) -> DeviceType {
    match (qualifier, code) {
        (1..=3, _) | (_, 0x1f) => DeviceType::Absent,
        (_, 0x00) => DeviceType::Disk,
        (_, 0x01) => DeviceType::Tape,
        (_, 0x08) => DeviceType::Changer,
        (_, other) => DeviceType::Other(other),
    }
}
