//! The commands each unit has, and REPORT SUPPORTED OPERATION CODES.
//!
//! Owns one table per unit: opcode, service action, which bits of the command are looked at, and
//! how long it may take. Source: SPC-5 6.35 (A3h/0Ch); times are those of full-height LTO drives,
//! rounded.

use scsi::transport::Data;

use crate::reply::{Reply, field};
use crate::sense::{Done, bad_cdb};

/// One command of a unit.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) op: u8,
    pub(crate) service_action: Option<u8>,
    /// CDB usage data after the operation code.
    usage: &'static [u8],
    nominal_s: u32,
    recommended_s: u32,
}

impl Command {
    pub(crate) fn is(&self, op: u8, service_action: Option<u8>) -> bool {
        self.op == op && self.service_action == service_action
    }

    /// CDB length, by the group of the operation code (SAM-5 5.2).
    pub(crate) fn length(&self) -> u16 {
        self.usage.len() as u16 + 1
    }
}

/// The service action a command names, for operation codes that have them here.
pub(crate) fn service_action(cdb: &[u8]) -> Option<u8> {
    match cdb {
        [0xa3, action, ..] => Some(action & 0x1f),
        _ => None,
    }
}

const fn command(op: u8, usage: &'static [u8], nominal_s: u32, recommended_s: u32) -> Command {
    Command { op, service_action: None, usage, nominal_s, recommended_s }
}

const REPORT_OPCODES: Command = Command {
    op: 0xa3,
    service_action: Some(0x0c),
    usage: &[0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    nominal_s: 1,
    recommended_s: 60,
};

/// The drive's commands, by operation code.
#[rustfmt::skip]
pub(crate) static DRIVE: [Command; 28] = [
    command(0x00, &[0, 0, 0, 0, 0], 1, 60),
    command(0x01, &[0x01, 0, 0, 0, 0], 60, 600),
    command(0x03, &[0x01, 0, 0, 0xff, 0], 1, 60),
    command(0x04, &[0x01, 0x0f, 0xff, 0xff, 0], 120, 3120),
    command(0x05, &[0, 0, 0, 0, 0], 1, 60),
    command(0x08, &[0x03, 0xff, 0xff, 0xff, 0], 1, 2340),
    command(0x0a, &[0x01, 0xff, 0xff, 0xff, 0], 1, 1500),
    command(0x10, &[0x03, 0xff, 0xff, 0xff, 0], 5, 1620),
    command(0x11, &[0x0f, 0xff, 0xff, 0xff, 0], 60, 2940),
    command(0x12, &[0x01, 0xff, 0xff, 0xff, 0], 1, 60),
    command(0x13, &[0x03, 0xff, 0xff, 0xff, 0], 1, 2340),
    command(0x15, &[0x11, 0, 0, 0xff, 0], 1, 60),
    command(0x19, &[0x03, 0, 0, 0, 0], 60, 74341),
    command(0x1a, &[0x08, 0xff, 0xff, 0xff, 0], 1, 60),
    command(0x1b, &[0x01, 0, 0, 0x0f, 0], 60, 960),
    command(0x1e, &[0, 0, 0, 0x03, 0], 1, 60),
    command(0x2b, &[0x07, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0], 60, 2940),
    command(0x34, &[0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 1, 60),
    command(0x44, &[0x03, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 1, 60),
    command(0x4d, &[0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0], 1, 60),
    command(0x55, &[0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 1, 60),
    command(0x5a, &[0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0], 1, 60),
    command(0x8c, &[0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0], 1, 60),
    command(0x8d, &[0x01, 0, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0], 1, 60),
    command(0x91, &[0x0f, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0], 60, 2940),
    command(0x92, &[0x3b, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 60, 2940),
    command(0xa0, &[0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0], 1, 60),
    REPORT_OPCODES,
];

/// The changer's commands, by operation code.
#[rustfmt::skip]
pub(crate) static CHANGER: [Command; 19] = [
    command(0x00, &[0, 0, 0, 0, 0], 1, 60),
    command(0x03, &[0x01, 0, 0, 0xff, 0], 1, 60),
    command(0x07, &[0, 0, 0, 0, 0], 60, 3000),
    command(0x12, &[0x01, 0xff, 0xff, 0xff, 0], 1, 60),
    command(0x15, &[0x11, 0, 0, 0xff, 0], 1, 60),
    command(0x1a, &[0x08, 0xff, 0xff, 0xff, 0], 1, 60),
    command(0x1b, &[0, 0xff, 0xff, 0x1f, 0], 10, 600),
    command(0x1e, &[0, 0, 0, 0x03, 0], 1, 60),
    command(0x2b, &[0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x01, 0], 30, 3000),
    command(0x37, &[0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0], 60, 3000),
    command(0x4d, &[0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0], 1, 60),
    command(0x55, &[0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 1, 60),
    command(0x5a, &[0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0], 1, 60),
    command(0xa0, &[0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0], 1, 60),
    REPORT_OPCODES,
    command(0xa5, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x01, 0], 60, 3000),
    command(0xa6, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03, 0], 120, 3000),
    command(0xb8, &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff, 0, 0], 1, 600),
    command(0xe7, &[0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0], 60, 3000),
];

/// REPORT SUPPORTED OPERATION CODES.
pub(crate) fn report(table: &[Command], cdb: &[u8], data: &mut Data<'_>) -> Done {
    let timeouts = cdb[2] & 0x80 != 0;
    let (op, action) = (cdb[3], field(cdb, 4, 2));
    let reply = match cdb[2] & 0x07 {
        0 => all(table, timeouts),
        kind @ 1..=3 => {
            let has_actions = table.iter().any(|c| c.op == op && c.service_action.is_some());
            match kind {
                1 if has_actions => return Err(bad_cdb(2, Some(2)).into()),
                2 if !has_actions => return Err(bad_cdb(2, Some(2)).into()),
                _ => {}
            }
            let wanted = has_actions.then_some(action as u8);
            one(table.iter().find(|c| c.is(op, wanted)), timeouts)
        }
        _ => return Err(bad_cdb(2, Some(2)).into()),
    };
    reply.send(data, field(cdb, 6, 4) as usize)
}

fn all(table: &[Command], timeouts: bool) -> Reply {
    let mut reply = Reply::new();
    reply.u32(0);
    for command in table {
        let flags = u8::from(timeouts) << 1 | u8::from(command.service_action.is_some());
        reply.u8(command.op).u8(0).u16(command.service_action.unwrap_or(0).into());
        reply.u8(0).u8(flags).u16(command.length());
        if timeouts {
            times(&mut reply, command);
        }
    }
    let length = reply.len() as u32 - 4;
    reply.patch(0, &length.to_be_bytes());
    reply
}

fn one(command: Option<&Command>, timeouts: bool) -> Reply {
    let mut reply = Reply::new();
    match command {
        None => {
            reply.u8(0).u8(0x01).u16(0);
        }
        Some(command) => {
            reply.u8(0).u8(u8::from(timeouts) << 7 | 0x03).u16(command.length());
            reply.u8(command.op).bytes(command.usage);
            if timeouts {
                times(&mut reply, command);
            }
        }
    }
    reply
}

fn times(reply: &mut Reply, command: &Command) {
    reply.u16(0x000a).u16(0).u32(command.nominal_s).u32(command.recommended_s);
}
