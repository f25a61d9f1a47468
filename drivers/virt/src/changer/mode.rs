//! MODE SENSE and MODE SELECT of the changer.
//!
//! Owns pages 1D element address assignment, 1E transport geometry and 1F device capabilities.
//! Nothing in them can be changed. Source: SMC-3 7.3.

use scsi::transport::Data;

use super::Changer;
use crate::reply::{Reply, field};
use crate::robot::ElementType;
use crate::sense::{Done, bad_cdb, bad_parameter};

impl Changer {
    /// MODE SENSE(6) and (10), opcodes 1Ah and 5Ah; `header` is 4 or 8.
    pub(super) fn mode_sense(&mut self, cdb: &[u8], data: &mut Data<'_>, header: usize) -> Done {
        let changeable = cdb[2] >> 6 == 1;
        if cdb[3] != 0 && !(cdb[2] & 0x3f == 0x3f && cdb[3] == 0xff) {
            return Err(bad_cdb(3, None).into());
        }
        let mut reply = Reply::new();
        reply.zeros(header);
        let wanted = cdb[2] & 0x3f;
        for (code, page) in [(0x1d, self.addresses()), (0x1e, transport()), (0x1f, capabilities())]
        {
            if wanted == code || wanted == 0x3f {
                reply.u8(code).u8(page.len() as u8);
                if changeable {
                    reply.zeros(page.len())
                } else {
                    reply.bytes(&page.0)
                };
            }
        }
        if reply.len() == header {
            return Err(bad_cdb(2, Some(5)).into());
        }
        let allocation = if header == 4 {
            let length = (reply.len() - 1) as u8;
            reply.patch(0, &[length]);
            usize::from(cdb[4])
        } else {
            let length = (reply.len() - 2) as u16;
            reply.patch(0, &length.to_be_bytes());
            field(cdb, 7, 2) as usize
        };
        reply.send(data, allocation)
    }

    /// MODE SELECT(6) and (10): accepts what is so already.
    pub(super) fn mode_select(&mut self, cdb: &[u8], data: &mut Data<'_>, header: usize) -> Done {
        if cdb[1] & 0x10 == 0 {
            return Err(bad_cdb(1, Some(4)).into());
        }
        let Data::Out(list) = data else { return Ok(0) };
        match list.get(header) {
            None => Ok(list.len()),
            Some(_) => Err(bad_parameter(header as u8, None).into()),
        }
    }

    fn addresses(&self) -> Reply {
        let shape = self.library.shape();
        let mut page = Reply::new();
        for kind in
            [ElementType::Transport, ElementType::Storage, ElementType::Mail, ElementType::Drive]
        {
            let (first, count) = kind.range(shape);
            page.u16(if count == 0 { 0 } else { first }).u16(count);
        }
        page.zeros(2);
        page
    }
}

/// One transport that cannot turn media over.
fn transport() -> Reply {
    let mut page = Reply::new();
    page.u8(0).u8(0);
    page
}

/// What can hold media, and what can be moved and exchanged from where to where: storage, mail and
/// drives among each other, nothing rests in the transport.
fn capabilities() -> Reply {
    let (stores, moves) = (0x0e, [0x00, 0x0e, 0x0e, 0x0e]);
    let mut page = Reply::new();
    page.u8(stores).u8(0);
    page.bytes(&moves).zeros(4);
    page.bytes(&moves).zeros(4);
    page
}
