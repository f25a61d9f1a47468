//! Sense data: why a command did not simply succeed.
//!
//! Owns the decoding of fixed (70h, 71h) and descriptor (72h, 73h) sense to one [`Sense`], once.
//! Keeps the raw bytes. Never reads past what was transferred, never guesses a field that is not
//! there. Source: SPC-5 4.4, SSC-5 4.2 (FILEMARK, EOM, ILI and INFORMATION on tape).

use std::fmt;

/// Sense key, SPC-5 table 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum SenseKey {
    NoSense,
    RecoveredError,
    NotReady,
    MediumError,
    HardwareError,
    IllegalRequest,
    UnitAttention,
    DataProtect,
    BlankCheck,
    VendorSpecific,
    CopyAborted,
    AbortedCommand,
    Reserved,
    VolumeOverflow,
    Miscompare,
    Completed,
}

impl SenseKey {
    const ALL: [SenseKey; 16] = [
        SenseKey::NoSense,
        SenseKey::RecoveredError,
        SenseKey::NotReady,
        SenseKey::MediumError,
        SenseKey::HardwareError,
        SenseKey::IllegalRequest,
        SenseKey::UnitAttention,
        SenseKey::DataProtect,
        SenseKey::BlankCheck,
        SenseKey::VendorSpecific,
        SenseKey::CopyAborted,
        SenseKey::AbortedCommand,
        SenseKey::Reserved,
        SenseKey::VolumeOverflow,
        SenseKey::Miscompare,
        SenseKey::Completed,
    ];

    /// The key in the low four bits of `byte`.
    pub fn from_bits(byte: u8) -> SenseKey {
        Self::ALL[usize::from(byte & 0x0f)]
    }

    /// The four-bit code.
    pub fn bits(self) -> u8 {
        self as u8
    }
}

/// Decoded sense data.
#[derive(Clone, PartialEq, Eq)]
pub struct Sense {
    /// True for 71h and 73h: the error belongs to an *earlier* command.
    pub deferred: bool,
    /// Sense key.
    pub key: SenseKey,
    /// ASC and ASCQ; `None` when the device sent too few bytes to hold them.
    pub code: Option<(u8, u8)>,
    /// INFORMATION, when the device says it is valid. On a short read of a tape block: requested
    /// minus actual length, negative (two's complement) when the block was longer.
    pub information: Option<i64>,
    /// A filemark was met.
    pub filemark: bool,
    /// End of medium (early warning while writing, end or beginning of partition while moving).
    pub eom: bool,
    /// Incorrect length indicator.
    pub ili: bool,
    /// COMMAND-SPECIFIC INFORMATION.
    pub command_specific: Option<u64>,
    /// The three sense-key-specific bytes, when SKSV is set.
    pub key_specific: Option<[u8; 3]>,
    /// Field replaceable unit code, when not zero.
    pub fru: Option<u8>,
    /// All bytes as they came.
    pub raw: Vec<u8>,
}

/// Which field of a rejected command or parameter list is meant (SPC-5 4.4.2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldPointer {
    /// True for the command descriptor block, false for the parameter list.
    pub in_cdb: bool,
    /// Byte in it.
    pub byte: u16,
    /// Most significant bit of the field, when the device says.
    pub bit: Option<u8>,
}

impl fmt::Display for Sense {
    /// `05/3B/0D`: key, ASC, ASCQ; dashes for a code the device did not send.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some((asc, ascq)) => write!(f, "{:02X}/{asc:02X}/{ascq:02X}", self.key.bits()),
            None => write!(f, "{:02X}/--/--", self.key.bits()),
        }
    }
}

impl fmt::Debug for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sense({self} {:02x?})", self.raw)
    }
}

impl Sense {
    /// Decodes what the device sent; `None` when it is not sense data at all (empty or another
    /// response code).
    pub fn decode(raw: &[u8]) -> Option<Sense> {
        match raw.first()? & 0x7f {
            0x70 | 0x71 => Some(Self::fixed(raw)),
            0x72 | 0x73 => Some(Self::descriptor(raw)),
            _ => None,
        }
    }

    /// True when key, ASC and ASCQ are these.
    pub fn is(&self, key: SenseKey, asc: u8, ascq: u8) -> bool {
        self.key == key && self.code == Some((asc, ascq))
    }

    /// True when the device announced more sense bytes than were transferred.
    pub fn truncated(&self) -> bool {
        self.raw.get(7).is_none_or(|&more| self.raw.len() < 8 + usize::from(more))
    }

    /// The field an ILLEGAL REQUEST complains about, when the device says.
    pub fn field_pointer(&self) -> Option<FieldPointer> {
        let [flags, high, low] =
            self.key_specific.filter(|_| self.key == SenseKey::IllegalRequest)?;
        Some(FieldPointer {
            in_cdb: flags & 0x40 != 0,
            byte: u16::from_be_bytes([high, low]),
            bit: (flags & 0x08 != 0).then_some(flags & 0x07),
        })
    }

    /// How far a long operation is, in 65 536ths, when the device says (keys NO SENSE and NOT READY).
    pub fn progress(&self) -> Option<u16> {
        let told = matches!(self.key, SenseKey::NoSense | SenseKey::NotReady);
        let [_, high, low] = self.key_specific.filter(|_| told)?;
        Some(u16::from_be_bytes([high, low]))
    }

    /// How often the device tried, when it says (keys RECOVERED, MEDIUM and HARDWARE ERROR).
    pub fn retries(&self) -> Option<u16> {
        use SenseKey::{HardwareError, MediumError, RecoveredError};
        let told = matches!(self.key, RecoveredError | MediumError | HardwareError);
        let [_, high, low] = self.key_specific.filter(|_| told)?;
        Some(u16::from_be_bytes([high, low]))
    }

    fn fixed(raw: &[u8]) -> Sense {
        let end = raw.len().min(8 + usize::from(raw.get(7).copied().unwrap_or(0)));
        let raw_at = |i: usize| raw[..end].get(i).copied();
        let flags = raw_at(2).unwrap_or(0);
        let word = |i: usize| Some(u32::from_be_bytes(raw[..end].get(i..i + 4)?.try_into().ok()?));
        Sense {
            deferred: raw[0] & 0x7f == 0x71,
            key: SenseKey::from_bits(flags),
            code: raw_at(12).zip(raw_at(13)),
            information: if raw[0] & 0x80 != 0 {
                word(3).map(|w| i64::from(w as i32))
            } else {
                None
            },
            filemark: flags & 0x80 != 0,
            eom: flags & 0x40 != 0,
            ili: flags & 0x20 != 0,
            command_specific: word(8).map(u64::from).filter(|&w| w != 0),
            key_specific: raw[..end]
                .get(15..18)
                .filter(|b| b[0] & 0x80 != 0)
                .and_then(|b| b.try_into().ok()),
            fru: raw_at(14).filter(|&b| b != 0),
            raw: raw.to_vec(),
        }
    }

    fn descriptor(raw: &[u8]) -> Sense {
        let mut sense = Sense {
            deferred: raw[0] & 0x7f == 0x73,
            key: SenseKey::from_bits(raw.get(1).copied().unwrap_or(0)),
            code: raw.get(2).copied().zip(raw.get(3).copied()),
            information: None,
            filemark: false,
            eom: false,
            ili: false,
            command_specific: None,
            key_specific: None,
            fru: None,
            raw: raw.to_vec(),
        };
        let end = raw.len().min(8 + usize::from(raw.get(7).copied().unwrap_or(0)));
        let mut rest = raw.get(8..end).unwrap_or(&[]);
        while let [kind, length, ..] = *rest {
            let whole = (2 + usize::from(length)).min(rest.len());
            sense.absorb(kind, &rest[..whole]);
            rest = &rest[whole..];
        }
        sense
    }

    fn absorb(&mut self, kind: u8, bytes: &[u8]) {
        let long = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        match kind {
            0x00 if bytes.get(2).is_some_and(|b| b & 0x80 != 0) => {
                self.information = long(4).map(|w| w as i64);
            }
            0x01 => self.command_specific = long(4),
            0x02 => {
                self.key_specific =
                    bytes.get(4..7).filter(|b| b[0] & 0x80 != 0).and_then(|b| b.try_into().ok());
            }
            0x03 => self.fru = bytes.get(3).copied().filter(|&b| b != 0),
            0x04 => {
                let flags = bytes.get(3).copied().unwrap_or(0);
                self.filemark = flags & 0x80 != 0;
                self.eom = flags & 0x40 != 0;
                self.ili = flags & 0x20 != 0;
            }
            _ => {}
        }
    }
}
