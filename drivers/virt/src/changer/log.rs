//! LOG SENSE of the changer.
//!
//! Owns pages 00 and 2E (TapeAlert; reading it clears it). Source: SPC-5 7.3, SMC-3 7.

use scsi::transport::Data;

use super::Changer;
use crate::reply::{Reply, field};
use crate::sense::{Done, bad_cdb};

impl Changer {
    /// LOG SENSE, opcode 4Dh.
    pub(super) fn log_sense(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        if cdb[3] != 0 {
            return Err(bad_cdb(3, None).into());
        }
        let mut body = Reply::new();
        let code = cdb[2] & 0x3f;
        match code {
            0x00 => {
                body.bytes(&[0x00, 0x2e]);
            }
            0x2e => {
                for flag in 1..=64u8 {
                    let set = self.robot.alerts.contains(&flag);
                    body.u16(flag.into()).u8(0x40).u8(1).u8(set.into());
                }
                self.robot.alerts.clear();
            }
            _ => return Err(bad_cdb(2, Some(5)).into()),
        }
        let mut reply = Reply::new();
        reply.u8(code).u8(0).u16(body.len() as u16).bytes(&body.0);
        reply.send(data, field(cdb, 7, 2) as usize)
    }
}
