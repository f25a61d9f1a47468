//! Sense data as a device writes it.
//!
//! Owns the fixed format (SPC-5 4.4.3), byte by byte, so that nothing here can share a
//! misunderstanding with the decoder it is read by. Sense keys and codes are SPC-5 annex F.

use scsi::Sense;

/// Length of the sense data sent: 8 bytes and the 10 that follow.
const LENGTH: usize = 18;

/// A condition to report: key, code and what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) key: u8,
    pub(crate) asc: u8,
    pub(crate) ascq: u8,
    pub(crate) deferred: bool,
    pub(crate) filemark: bool,
    pub(crate) eom: bool,
    pub(crate) ili: bool,
    pub(crate) information: Option<i64>,
    pub(crate) pointer: Option<[u8; 3]>,
}

impl Condition {
    pub(crate) const fn new(key: u8, asc: u8, ascq: u8) -> Condition {
        Condition {
            key,
            asc,
            ascq,
            deferred: false,
            filemark: false,
            eom: false,
            ili: false,
            information: None,
            pointer: None,
        }
    }

    pub(crate) const fn eom(mut self) -> Condition {
        self.eom = true;
        self
    }

    pub(crate) const fn filemark(mut self) -> Condition {
        self.filemark = true;
        self
    }

    pub(crate) const fn ili(mut self) -> Condition {
        self.ili = true;
        self
    }

    /// INFORMATION: four bytes, two's complement. VALID is left clear when it does not fit.
    pub(crate) fn information(mut self, value: i64) -> Condition {
        self.information = Some(value);
        self
    }

    /// The command moved this many bytes before it ended so.
    pub(crate) fn after(self, moved: usize) -> Fail {
        Fail { condition: self, moved }
    }

    pub(crate) fn bytes(&self) -> [u8; LENGTH] {
        let mut raw = [0; LENGTH];
        raw[0] = if self.deferred { 0x71 } else { 0x70 };
        if let Some(word) = self.information.and_then(four_bytes) {
            raw[0] |= 0x80;
            raw[3..7].copy_from_slice(&word);
        }
        raw[2] = self.key & 0x0f
            | u8::from(self.filemark) << 7
            | u8::from(self.eom) << 6
            | u8::from(self.ili) << 5;
        raw[7] = (LENGTH - 8) as u8;
        raw[12] = self.asc;
        raw[13] = self.ascq;
        if let Some(pointer) = self.pointer {
            raw[15..18].copy_from_slice(&pointer);
        }
        raw
    }

    pub(crate) fn sense(&self) -> Sense {
        Sense::decode(&self.bytes()).expect("70h and 71h are sense data")
    }
}

fn four_bytes(value: i64) -> Option<[u8; 4]> {
    let fits = (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&value);
    fits.then(|| (value as u32).to_be_bytes())
}

/// A command that ended with CHECK CONDITION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fail {
    pub(crate) condition: Condition,
    pub(crate) moved: usize,
}

impl From<Condition> for Fail {
    fn from(condition: Condition) -> Fail {
        condition.after(0)
    }
}

/// Bytes moved, or why not.
pub(crate) type Done = Result<usize, Fail>;

/// INVALID FIELD IN CDB, with a pointer to `byte`, and to `bit` when one is to blame.
pub(crate) fn bad_cdb(byte: u8, bit: Option<u8>) -> Condition {
    Condition { pointer: Some(pointer(0xc0, byte, bit)), ..Condition::new(5, 0x24, 0x00) }
}

/// INVALID FIELD IN PARAMETER LIST.
pub(crate) fn bad_parameter(byte: u8, bit: Option<u8>) -> Condition {
    Condition { pointer: Some(pointer(0x80, byte, bit)), ..Condition::new(5, 0x26, 0x00) }
}

fn pointer(flags: u8, byte: u8, bit: Option<u8>) -> [u8; 3] {
    [flags | bit.map_or(0, |bit| 0x08 | bit & 7), 0, byte]
}

pub(crate) const UNSUPPORTED_OPCODE: Condition =
    Condition { pointer: Some([0xc0, 0, 0]), ..Condition::new(5, 0x20, 0x00) };
pub(crate) const NO_MEDIUM: Condition = Condition::new(2, 0x3a, 0x00);
pub(crate) const BECOMING_READY: Condition = Condition::new(2, 0x04, 0x01);
pub(crate) const NEEDS_LOAD: Condition = Condition::new(2, 0x04, 0x02);
pub(crate) const CLEANING_INSTALLED: Condition = Condition::new(2, 0x30, 0x03);
pub(crate) const WRITE_ERROR: Condition = Condition::new(3, 0x0c, 0x00);
pub(crate) const READ_ERROR: Condition = Condition::new(3, 0x11, 0x00);
pub(crate) const NO_END_OF_DATA: Condition = Condition::new(3, 0x14, 0x03);
pub(crate) const BROKEN_INSIDE: Condition = Condition::new(4, 0x44, 0x00);
pub(crate) const JAM: Condition = Condition::new(4, 0x15, 0x01);
pub(crate) const EJECT_FAILED: Condition = Condition::new(4, 0x53, 0x01);
pub(crate) const BAD_ELEMENT: Condition = Condition::new(5, 0x21, 0x01);
pub(crate) const DESTINATION_FULL: Condition = Condition::new(5, 0x3b, 0x0d);
pub(crate) const SOURCE_EMPTY: Condition = Condition::new(5, 0x3b, 0x0e);
pub(crate) const REMOVAL_PREVENTED: Condition = Condition::new(5, 0x53, 0x02);
pub(crate) const WRITE_PROTECTED: Condition = Condition::new(7, 0x27, 0x00);
pub(crate) const WORM_OVERWRITE: Condition = Condition::new(7, 0x30, 0x0c);
pub(crate) const BLANK: Condition = Condition::new(8, 0x00, 0x00);
pub(crate) const END_OF_DATA: Condition = Condition::new(8, 0x00, 0x05);
pub(crate) const VOLUME_OVERFLOW: Condition = Condition::new(13, 0x00, 0x02).eom();
pub(crate) const FILEMARK: Condition = Condition::new(0, 0x00, 0x01).filemark();
pub(crate) const BEGINNING: Condition = Condition::new(0, 0x00, 0x04).eom();

/// Unit attentions, as ASC and ASCQ under key 6.
pub(crate) mod attention {
    pub(crate) const MEDIUM_CHANGED: [u8; 2] = [0x28, 0x00];
    pub(crate) const MAIL_ACCESSED: [u8; 2] = [0x28, 0x01];
    pub(crate) const POWER_ON: [u8; 2] = [0x29, 0x00];
}
