//! Which commands a device has, how long they may take, and what they are called.
//!
//! Owns REPORT SUPPORTED OPERATION CODES (A3h/0Ch) with its timeouts descriptors and the names of
//! operation codes for people. Source: SPC-5 6.35; device time limits are advice, the caller sets
//! floors.

use std::time::Duration;

use crate::error::{Error, at_least};
use crate::reader::{be16, be32, bit, byte, slice};

/// Times a device states for one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// After this long it is worth asking; `None` when not stated.
    pub nominal: Option<Duration>,
    /// After this long the command may be given up; `None` when not stated.
    pub recommended: Option<Duration>,
}

impl Timeouts {
    const LENGTH: usize = 12;

    fn decode(bytes: &[u8]) -> Option<Timeouts> {
        let seconds = |at| {
            let s = be32(bytes, at)?;
            (s != 0).then(|| Duration::from_secs(u64::from(s)))
        };
        slice(bytes, 0, Self::LENGTH)?;
        Some(Timeouts { nominal: seconds(4), recommended: seconds(8) })
    }
}

/// One supported command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedCommand {
    /// Operation code.
    pub opcode: u8,
    /// Service action, for operation codes that have them.
    pub service_action: Option<u16>,
    /// Length of the command descriptor block in bytes.
    pub cdb_length: u16,
    /// Times, when asked for and known.
    pub timeouts: Option<Timeouts>,
}

/// The list of all commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedCommands {
    /// In the order the device sent them.
    pub commands: Vec<SupportedCommand>,
    /// The device had more to say than was received.
    pub truncated: bool,
}

impl SupportedCommands {
    /// Decodes the reply to [`OpcodeQuery::All`](crate::cdb::OpcodeQuery::All).
    pub fn decode(bytes: &[u8]) -> Result<SupportedCommands, Error> {
        let bytes = at_least("REPORT SUPPORTED OPERATION CODES", bytes, 4)?;
        let length = be32(bytes, 0).map_or(0, |n| n as usize);
        let mut rest = &bytes[4..bytes.len().min(length.saturating_add(4))];
        let mut truncated = bytes.len() - 4 < length;
        let mut commands = Vec::new();
        while let Some(command) = slice(rest, 0, 8) {
            let timed = bit(command, 5, 0x02);
            let size = if timed { 8 + Timeouts::LENGTH } else { 8 };
            commands.push(SupportedCommand {
                opcode: command[0],
                service_action: be16(command, 2).filter(|_| bit(command, 5, 0x01)),
                cdb_length: be16(command, 6).unwrap_or(0),
                timeouts: rest.get(8..).filter(|_| timed).and_then(Timeouts::decode),
            });
            truncated |= rest.len() < size;
            rest = rest.get(size..).unwrap_or(&[]);
        }
        Ok(SupportedCommands { commands, truncated: truncated || !rest.is_empty() })
    }

    /// The entry for an operation code, and service action if it has any.
    pub fn find(&self, opcode: u8, service_action: Option<u16>) -> Option<&SupportedCommand> {
        self.commands.iter().find(|c| c.opcode == opcode && c.service_action == service_action)
    }
}

/// Whether one command is supported (SPC-5 table 286).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The device cannot say at the moment.
    NotNow,
    /// Not supported.
    No,
    /// As the standard has it.
    Standard,
    /// In the vendor's way.
    Vendor,
    /// A value the standard does not define.
    Unknown(u8),
}

/// The answer about one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneCommand {
    /// Whether it is supported.
    pub support: Support,
    /// CDB USAGE DATA: the bits of the block the device looks at.
    pub usage: Vec<u8>,
    /// Times, when asked for and known.
    pub timeouts: Option<Timeouts>,
    /// The reply ended before its usage data or timeouts were whole.
    pub truncated: bool,
}

impl OneCommand {
    /// Decodes the reply to a query about one command.
    pub fn decode(bytes: &[u8]) -> Result<OneCommand, Error> {
        let bytes = at_least("REPORT SUPPORTED OPERATION CODES one command", bytes, 4)?;
        let support = match byte(bytes, 1).unwrap_or(0) & 0x07 {
            0 => Support::NotNow,
            1 => Support::No,
            3 => Support::Standard,
            5 => Support::Vendor,
            other => Support::Unknown(other),
        };
        let size = usize::from(be16(bytes, 2).unwrap_or(0));
        let end = bytes.len().min(4 + size);
        let timed = bit(bytes, 1, 0x80);
        let timeouts = bytes.get(4 + size..).filter(|_| timed).and_then(Timeouts::decode);
        Ok(OneCommand {
            support,
            usage: bytes[4..end].to_vec(),
            timeouts,
            truncated: end < 4 + size || timed && timeouts.is_none(),
        })
    }
}

/// The standard's name of a command. Codes that tapes and changers use differently are told by
/// their length or named both ways.
pub fn command_name(cdb: &[u8]) -> &'static str {
    match cdb.first() {
        Some(0x00) => "TEST UNIT READY",
        Some(0x01) => "REWIND",
        Some(0x03) => "REQUEST SENSE",
        Some(0x04) => "FORMAT MEDIUM",
        Some(0x05) => "READ BLOCK LIMITS",
        Some(0x07) => "INITIALIZE ELEMENT STATUS",
        Some(0x08) => "READ(6)",
        Some(0x0a) => "WRITE(6)",
        Some(0x0b) => "SET CAPACITY",
        Some(0x10) => "WRITE FILEMARKS(6)",
        Some(0x11) => "SPACE(6)",
        Some(0x12) => "INQUIRY",
        Some(0x13) => "VERIFY(6)",
        Some(0x15) => "MODE SELECT(6)",
        Some(0x16) => "RESERVE(6)",
        Some(0x17) => "RELEASE(6)",
        Some(0x19) => "ERASE(6)",
        Some(0x1a) => "MODE SENSE(6)",
        Some(0x1b) => "LOAD UNLOAD or OPEN/CLOSE IMPORT/EXPORT",
        Some(0x1c) => "RECEIVE DIAGNOSTIC RESULTS",
        Some(0x1d) => "SEND DIAGNOSTIC",
        Some(0x1e) => "PREVENT ALLOW MEDIUM REMOVAL",
        Some(0x2b) => "LOCATE(10) or POSITION TO ELEMENT",
        Some(0x34) => "READ POSITION",
        Some(0x37) => "INITIALIZE ELEMENT STATUS WITH RANGE",
        Some(0x3b) => "WRITE BUFFER",
        Some(0x3c) => "READ BUFFER",
        Some(0x44) => "REPORT DENSITY SUPPORT",
        Some(0x4c) => "LOG SELECT",
        Some(0x4d) => "LOG SENSE",
        Some(0x55) => "MODE SELECT(10)",
        Some(0x5a) => "MODE SENSE(10)",
        Some(0x5e) => "PERSISTENT RESERVE IN",
        Some(0x5f) => "PERSISTENT RESERVE OUT",
        Some(0x82) => "ALLOW OVERWRITE",
        Some(0x88) => "READ(16)",
        Some(0x8a) => "WRITE(16)",
        Some(0x8c) => "READ ATTRIBUTE",
        Some(0x8d) => "WRITE ATTRIBUTE",
        Some(0x91) => "SPACE(16)",
        Some(0x92) => "LOCATE(16)",
        Some(0xa0) => "REPORT LUNS",
        Some(0xa2) => "SECURITY PROTOCOL IN",
        Some(0xa3) if cdb.get(1).is_some_and(|b| b & 0x1f == 0x0c) => {
            "REPORT SUPPORTED OPERATION CODES"
        }
        Some(0xa3) => "MAINTENANCE IN",
        Some(0xa4) => "MAINTENANCE OUT",
        Some(0xa5) => "MOVE MEDIUM",
        Some(0xa6) => "EXCHANGE MEDIUM",
        Some(0xb5) => "SECURITY PROTOCOL OUT",
        Some(0xb8) => "READ ELEMENT STATUS",
        Some(_) => "unknown command",
        None => "no command",
    }
}
