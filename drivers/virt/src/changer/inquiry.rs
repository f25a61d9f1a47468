//! INQUIRY of the changer.
//!
//! Owns standard INQUIRY data and the pages 00, 80 and 83. Source: SPC-5 6.7 and 7.7.

use scsi::transport::Data;

use super::Changer;
use crate::drive::inquiry::{identification, page, standard};
use crate::reply::{Reply, field};
use crate::sense::{Done, bad_cdb};

const PRODUCT: &str = "VIRTUAL-ROBOT";
const CHANGER: u8 = 0x08;

impl Changer {
    /// INQUIRY, opcode 12h.
    pub(super) fn inquiry(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let serial = self.library.changer_serial();
        let mut body = Reply::new();
        let reply = match (cdb[1] & 0x01, cdb[2]) {
            // SAM-5, SMC-3, SPC-4: version descriptors.
            (0, 0) => standard(CHANGER, PRODUCT, &[0x00a0, 0x0480, 0x0460]),
            (0, _) => return Err(bad_cdb(2, None).into()),
            (_, 0x00) => page(CHANGER, 0x00, body.bytes(&[0x00, 0x80, 0x83])),
            (_, 0x80) => page(CHANGER, 0x80, body.ascii(&serial, serial.len())),
            (_, 0x83) => page(CHANGER, 0x83, &identification(PRODUCT, &serial)),
            _ => return Err(bad_cdb(2, None).into()),
        };
        reply.send(data, field(cdb, 3, 2) as usize)
    }
}
