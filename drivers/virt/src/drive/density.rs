//! REPORT DENSITY SUPPORT: which recordings the drive, or the medium in it, can have.
//!
//! Owns opcode 44h in its four forms (SSC-5, REPORT DENSITY SUPPORT): density descriptors of 52
//! bytes and medium type descriptors of 56, for the drive or for the loaded medium.

use scsi::transport::Data;

use super::Drive;
use super::mode::DENSITY;
use crate::reply::{Reply, field};
use crate::sense::Done;
use crate::shape::MediumKind;

/// Nominal capacity of the density, in units of 10^6 bytes.
const NOMINAL_MB: u64 = 18_000_000;

impl Drive {
    /// REPORT DENSITY SUPPORT.
    pub(super) fn report_density(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let (media, medium_type) = (cdb[1] & 0x01 != 0, cdb[1] & 0x02 != 0);
        let mut reply = Reply::new();
        reply.u32(0);
        let spec = if media { Some(self.ready()?.memory.spec.clone()) } else { None };
        match (&spec, medium_type) {
            (None, false) => density(&mut reply, NOMINAL_MB),
            (Some(spec), false) => density(&mut reply, spec.capacity_bytes / 1_000_000),
            (None, true) => {
                of_type(&mut reply, false);
                of_type(&mut reply, true);
            }
            (Some(spec), true) => of_type(&mut reply, spec.kind == MediumKind::Worm),
        }
        let length = reply.len() as u16 - 2;
        reply.patch(0, &length.to_be_bytes());
        reply.send(data, field(cdb, 7, 2) as usize)
    }
}

fn density(reply: &mut Reply, capacity_mb: u64) {
    // WRTOK and DEFLT; no length, DLV is clear.
    reply.u8(DENSITY).u8(DENSITY).u8(0xa0).u16(0);
    reply.u24(21_460).u16(127).u16(8_960).wide(capacity_mb, 4);
    reply.ascii("LTO-CVE", 8).ascii("U-932", 8).ascii("Ultrium 9/32T", 20);
}

fn of_type(reply: &mut Reply, worm: bool) {
    reply.u8(worm.into()).u8(0).u16(52).u8(1).u8(DENSITY).zeros(8);
    reply.u16(127).u16(1035).u16(0).ascii(super::inquiry::VENDOR, 8);
    let (name, description) = if worm {
        ("LTO9WORM", "Ultrium 9 WORM Tape")
    } else {
        ("LTO9Data", "Ultrium 9 Data Tape")
    };
    reply.ascii(name, 8).ascii(description, 20);
}
