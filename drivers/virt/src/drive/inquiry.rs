//! INQUIRY of a drive: who it is.
//!
//! Owns standard INQUIRY data and the vital product data pages 00, 80, 83, 86 and, for sequential
//! access, B0, B1, B3 and B4. Source: SPC-5 6.7 and 7.7, SSC-5 8.5.

use scsi::transport::Data;

use super::Drive;
use crate::reply::{Reply, field};
use crate::sense::{Done, bad_cdb};
use crate::shape::FIRST_DRIVE;

pub(crate) const VENDOR: &str = "TAPIOCA";
const PRODUCT: &str = "VIRTUAL-LTO9";
pub(crate) const REVISION: &str = "0001";
const SEQUENTIAL: u8 = 0x01;

/// Standard INQUIRY data, 70 bytes as LTO drives send.
pub(crate) fn standard(device_type: u8, product: &str, descriptors: &[u16]) -> Reply {
    let mut reply = Reply::new();
    // RMB; SPC-4; HISUP, response format 2; length; PROTECT off; MULTIP; CMDQUE.
    reply.bytes(&[device_type, 0x80, 0x06, 0x12, 0x00, 0x00, 0x10, 0x02]);
    reply.ascii(VENDOR, 8).ascii(product, 16).ascii(REVISION, 4).zeros(22);
    for descriptor in descriptors {
        reply.u16(*descriptor);
    }
    reply.0.resize(70, 0);
    reply.patch(4, &[70 - 5]);
    reply
}

/// Header of a vital product data page around `body`.
pub(crate) fn page(device_type: u8, code: u8, body: &Reply) -> Reply {
    let mut reply = Reply::new();
    reply.u8(device_type).u8(code).u16(body.len() as u16).bytes(&body.0);
    reply
}

/// T10 vendor identification designator: vendor, product, serial number.
pub(crate) fn t10_designator(product: &str, serial: &str) -> Reply {
    let mut reply = Reply::new();
    reply.u8(0x02).u8(0x01).u8(0).u8((24 + serial.len()) as u8);
    reply.ascii(VENDOR, 8).ascii(product, 16).ascii(serial, serial.len());
    reply
}

/// NAA locally assigned designator (3h) from a serial number.
pub(crate) fn naa(serial: &str) -> u64 {
    let noise =
        serial.bytes().fold(0, |sum: u64, byte| crate::library::scramble(sum ^ u64::from(byte)));
    noise >> 4 | 0x3 << 60
}

/// Device identification page body: T10, NAA, relative target port, NAA of the port.
pub(crate) fn identification(product: &str, serial: &str) -> Reply {
    let mut reply = t10_designator(product, serial);
    reply.bytes(&[0x01, 0x03, 0x00, 0x08]).u64(naa(serial));
    reply.bytes(&[0x01, 0x94, 0x00, 0x04]).u32(1);
    reply.bytes(&[0x01, 0x93, 0x00, 0x08]).u64(naa(serial) ^ 1);
    reply
}

/// Designator of drive `serial`, as the robot knows it too.
pub(crate) fn drive_designator(serial: &str) -> Reply {
    t10_designator(PRODUCT, serial)
}

impl Drive {
    /// INQUIRY, opcode 12h. Answers with or without a medium and with attentions pending.
    pub(super) fn inquiry(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let allocation = field(cdb, 3, 2) as usize;
        let reply = match (cdb[1] & 0x01, cdb[2]) {
            // SAM-5, SSC-4, SPC-5: version descriptors.
            (0, 0) => standard(SEQUENTIAL, PRODUCT, &[0x00a0, 0x0520, 0x05c0]),
            (0, _) => return Err(bad_cdb(2, None).into()),
            (_, code) => page(SEQUENTIAL, code, &self.page_body(code)?),
        };
        reply.send(data, allocation)
    }

    fn page_body(&self, code: u8) -> Result<Reply, crate::sense::Fail> {
        let mut body = Reply::new();
        match code {
            0x00 => body.bytes(&[0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb3, 0xb4]),
            0x80 | 0xb1 => body.ascii(&self.serial, self.serial.len()),
            0x83 => return Ok(identification(PRODUCT, &self.serial)),
            0x86 => body.zeros(60),
            // Sequential-access device capabilities: WORM.
            0xb0 => body.bytes(&[0x01, 0x00]),
            // Automation device serial number: the robot's.
            0xb3 => body.ascii(&self.changer_serial, self.changer_serial.len()),
            // Data transfer device element address.
            0xb4 => body.u16(0).u16(FIRST_DRIVE + self.number),
            _ => return Err(bad_cdb(2, None).into()),
        };
        Ok(body)
    }
}
