//! READ ELEMENT STATUS: what the robot knows of each element.
//!
//! Owns the reply of opcode B8h (SMC-3 6.11): header, one page per element type, descriptors of
//! 16 bytes, with 36 more for a volume tag and the drive's identifier when asked for.

use scsi::transport::Data;

use super::Changer;
use crate::drive::inquiry::drive_designator;
use crate::reply::{Reply, field};
use crate::robot::{Cartridge, ElementType};
use crate::sense::{Done, bad_cdb};
use crate::shape::FIRST_DRIVE;

/// What was asked for.
struct Wanted {
    voltag: bool,
    dvcid: bool,
}

/// Room for a device identifier: all drives of one library have serials of one length.
fn identifier_length(library: &crate::Library) -> usize {
    drive_designator(&library.drive_serials()[0]).len()
}

impl Changer {
    /// READ ELEMENT STATUS. CURDATA is taken as said: the robot never needs to look.
    pub(super) fn read_element_status(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let wanted = Wanted { voltag: cdb[1] & 0x10 != 0, dvcid: cdb[6] & 0x01 != 0 };
        if wanted.voltag && wanted.dvcid && self.library.options().refuse_voltag_with_dvcid {
            return Err(bad_cdb(6, Some(0)).into());
        }
        let kind = cdb[1] & 0x0f;
        if kind > 4 {
            return Err(bad_cdb(1, Some(3)).into());
        }
        let (start, count) = (field(cdb, 2, 2) as u16, field(cdb, 4, 2) as usize);
        let found = self.select(kind, start, count);
        let reply = self.report(&found, &wanted);
        reply.send(data, field(cdb, 7, 3) as usize)
    }

    /// The first `count` elements from `start` on, in order of address.
    fn select(&self, kind: u8, start: u16, count: usize) -> Vec<(ElementType, u16)> {
        let shape = self.library.shape();
        let mut found: Vec<(ElementType, u16)> = ElementType::ALL
            .into_iter()
            .filter(|each| kind == 0 || *each as u8 == kind)
            .flat_map(|each| {
                let (first, count) = each.range(shape);
                (0..count).map(move |i| (each, first + i))
            })
            .filter(|(_, address)| *address >= start)
            .collect();
        found.sort_by_key(|(_, address)| *address);
        found.truncate(count);
        found
    }

    fn report(&self, found: &[(ElementType, u16)], wanted: &Wanted) -> Reply {
        let mut reply = Reply::new();
        reply.u16(found.first().map_or(0, |(_, address)| *address));
        reply.u16(found.len() as u16).u32(0);
        for page in found.chunk_by(|a, b| a.0 == b.0) {
            self.page(&mut reply, page, wanted);
        }
        let bytes = reply.len() as u32 - 8;
        reply.patch(5, &bytes.to_be_bytes()[1..]);
        reply
    }

    fn page(&self, reply: &mut Reply, elements: &[(ElementType, u16)], wanted: &Wanted) {
        let kind = elements[0].0;
        let identifier = match (wanted.dvcid, kind) {
            (true, ElementType::Drive) => identifier_length(&self.library),
            (true, _) => 4,
            (false, _) => 0,
        };
        let each = 12 + 36 * usize::from(wanted.voltag) + identifier.max(4);
        reply.u8(kind as u8).u8(u8::from(wanted.voltag) << 7).u16(each as u16);
        reply.u8(0).u24((each * elements.len()) as u32);
        for &(kind, address) in elements {
            let before = reply.len();
            self.descriptor(reply, kind, address, wanted);
            reply.0.resize(before + each, 0);
        }
    }

    fn descriptor(&self, reply: &mut Reply, kind: ElementType, address: u16, wanted: &Wanted) {
        let cartridge = self.robot.at(address);
        reply.u16(address).u8(self.flags(kind, address, cartridge, wanted)).zeros(3);
        reply.zeros(3); // byte 6 and 7: SCSI bus address, obsolete
        // SVALID, and the medium type: 1 data, 2 cleaning (SMC-3 table 32).
        let source = cartridge.and_then(|c| c.source);
        let medium_type = cartridge.map_or(0, |c| if c.cleaning { 2 } else { 1 });
        reply.u8(u8::from(source.is_some()) << 7 | medium_type).u16(source.unwrap_or(0));
        if wanted.voltag {
            self.volume_tag(reply, cartridge);
        }
        match (wanted.dvcid, kind) {
            (true, ElementType::Drive) => {
                let serial = &self.library.drive_serials()[usize::from(address - FIRST_DRIVE)];
                reply.bytes(&drive_designator(serial).0);
            }
            _ => {
                reply.zeros(4);
            }
        }
    }

    /// Byte 2: FULL, and per type IMPEXP, ACCESS, EXENAB, INENAB.
    fn flags(
        &self,
        kind: ElementType,
        address: u16,
        cartridge: Option<&Cartridge>,
        wanted: &Wanted,
    ) -> u8 {
        let full = u8::from(cartridge.is_some());
        match kind {
            ElementType::Transport => full,
            ElementType::Storage => full | 0x08,
            ElementType::Mail => {
                let by_hand = cartridge.is_some_and(|c| c.by_hand);
                full | u8::from(by_hand) << 1 | u8::from(!self.robot.mail_open) << 3 | 0x30
            }
            ElementType::Drive => {
                let quirk = wanted.dvcid && self.library.options().dvcid_clears_full;
                let full = if quirk { 0 } else { full };
                full | u8::from(self.reachable(address)) << 3
            }
        }
    }

    /// ACCESS of a drive: is its medium, if any, ejected and within the robot's reach? A robot
    /// that ejects by itself reaches it always.
    fn reachable(&self, address: u16) -> bool {
        !self.library.options().eject_before_move
            || crate::drive::state::DriveState::load(&self.library.place, address - FIRST_DRIVE)
                .is_ok_and(|state| !state.loaded)
    }

    /// Primary volume tag: 32 characters and a sequence number. All zero without a cartridge or a
    /// readable label.
    fn volume_tag(&self, reply: &mut Reply, cartridge: Option<&Cartridge>) {
        match cartridge {
            Some(c) if !c.volume_tag.is_empty() => reply.ascii(&c.volume_tag, 32).zeros(4),
            _ => reply.zeros(36),
        };
    }
}
