//! Protocol data units: a header of 48 bytes and a data segment padded to four.
//!
//! Owns reading and writing them, and where their fields are (RFC 7143 section 11). Knows no order in which they come.

use std::io::{self, Read, Write};

/// Length of the basic header segment.
pub(crate) const HEADER: usize = 48;
/// The longest data segment we declare to take (MaxRecvDataSegmentLength), in bytes.
pub(crate) const SEGMENT_MAX: usize = 256 << 10;
/// A tag that names nothing.
pub(crate) const NO_TAG: u32 = 0xffff_ffff;

/// Operation codes, RFC 7143 11.2.1.2.
pub(crate) mod op {
    pub(crate) const NOP_OUT: u8 = 0x00;
    pub(crate) const COMMAND: u8 = 0x01;
    pub(crate) const TASK: u8 = 0x02;
    pub(crate) const LOGIN: u8 = 0x03;
    pub(crate) const TEXT: u8 = 0x04;
    pub(crate) const DATA_OUT: u8 = 0x05;
    pub(crate) const LOGOUT: u8 = 0x06;
    pub(crate) const NOP_IN: u8 = 0x20;
    pub(crate) const RESPONSE: u8 = 0x21;
    pub(crate) const TASK_RESPONSE: u8 = 0x22;
    pub(crate) const LOGIN_RESPONSE: u8 = 0x23;
    pub(crate) const TEXT_RESPONSE: u8 = 0x24;
    pub(crate) const DATA_IN: u8 = 0x25;
    pub(crate) const LOGOUT_RESPONSE: u8 = 0x26;
    pub(crate) const R2T: u8 = 0x31;
    pub(crate) const REJECT: u8 = 0x3f;
}

/// The last of a sequence (byte 1).
pub(crate) const FINAL: u8 = 0x80;

/// One unit.
#[derive(Debug, Clone)]
pub(crate) struct Pdu {
    header: [u8; HEADER],
    pub(crate) data: Vec<u8>,
}

impl Pdu {
    /// A unit of ours: operation code, flags of byte 1, the tag of what it answers.
    pub(crate) fn new(op: u8, flags: u8, tag: u32) -> Pdu {
        let mut header = [0; HEADER];
        header[0] = op;
        header[1] = flags;
        Pdu { header, data: Vec::new() }.word(16, tag)
    }

    /// The same with four bytes at `at`, big-endian.
    pub(crate) fn word(mut self, at: usize, value: u32) -> Pdu {
        self.header[at..at + 4].copy_from_slice(&value.to_be_bytes());
        self
    }

    /// The same with one byte at `at`.
    pub(crate) fn byte(mut self, at: usize, value: u8) -> Pdu {
        self.header[at] = value;
        self
    }

    /// The same with these bytes at `at`.
    pub(crate) fn bytes(mut self, at: usize, bytes: &[u8]) -> Pdu {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The same with this data segment.
    pub(crate) fn with(mut self, data: Vec<u8>) -> Pdu {
        self.data = data;
        self
    }

    pub(crate) fn op(&self) -> u8 {
        self.header[0] & 0x3f
    }

    /// To be carried out at once, beside the order of commands: it does not count.
    pub(crate) fn immediate(&self) -> bool {
        self.header[0] & 0x40 != 0
    }

    pub(crate) fn flags(&self) -> u8 {
        self.header[1]
    }

    /// Initiator task tag.
    pub(crate) fn tag(&self) -> u32 {
        self.get(16)
    }

    pub(crate) fn get(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.header[at..at + 4]);
        u32::from_be_bytes(word)
    }

    pub(crate) fn header(&self) -> &[u8; HEADER] {
        &self.header
    }

    /// Logical unit number: one level, peripheral or flat addressing (SAM-5 4.7). `None` is a deeper one.
    pub(crate) fn lun(&self) -> Option<u16> {
        let lun = &self.header[8..16];
        let number = u16::from_be_bytes([lun[0] & 0x3f, lun[1]]);
        let flat = matches!(lun[0] >> 6, 0 | 1) && lun[2..].iter().all(|byte| *byte == 0);
        flat.then_some(number)
    }

    /// Reads one; `None` at the end of the connection.
    ///
    /// # Errors
    ///
    /// `InvalidData` for additional headers, which nothing here asks for, and for more data than [`SEGMENT_MAX`];
    /// `UnexpectedEof` in its middle.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Pdu>> {
        let mut header = [0; HEADER];
        let first = loop {
            match from.read(&mut header) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if first == 0 {
            return Ok(None);
        }
        from.read_exact(&mut header[first..])?;
        let length = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
        if header[4] != 0 || length > SEGMENT_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut data = vec![0; length.next_multiple_of(4)];
        from.read_exact(&mut data)?;
        data.truncate(length);
        Ok(Some(Pdu { header, data }))
    }

    /// Writes it whole.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut whole = Vec::with_capacity(HEADER + self.data.len() + 3);
        whole.extend_from_slice(&self.header);
        let length = u32::try_from(self.data.len()).map_err(io::Error::other)?;
        whole[5..8].copy_from_slice(&length.to_be_bytes()[1..]);
        whole.extend_from_slice(&self.data);
        whole.resize(whole.len().next_multiple_of(4), 0);
        to.write_all(&whole)
    }
}
