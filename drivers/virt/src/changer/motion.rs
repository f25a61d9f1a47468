//! MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT, INITIALIZE ELEMENT STATUS, and the doors.
//!
//! Owns what a robot may and may not do with media. Source: SMC-3 6.

use super::Changer;
use crate::drive::Drive;
use crate::error::Error;
use crate::reply::field;
use crate::robot::ElementType;
use crate::sense::*;
use crate::shape::{FIRST_DRIVE, TRANSPORT};

impl Changer {
    /// Refuses while something is jammed.
    pub(super) fn moving(&self) -> Result<(), Fail> {
        if self.jammed { Err(JAM.into()) } else { Ok(()) }
    }

    fn element(&self, address: u16) -> Result<ElementType, Fail> {
        ElementType::of(address, self.library.shape()).ok_or_else(|| BAD_ELEMENT.into())
    }

    fn transport(&self, address: u16) -> Result<(), Fail> {
        match address {
            0 | TRANSPORT => Ok(()), // 0: the default transport
            _ => Err(BAD_ELEMENT.into()),
        }
    }

    /// MOVE MEDIUM, opcode A5h.
    pub(super) fn move_medium(&mut self, cdb: &[u8]) -> Result<Done, Error> {
        let address = |at: usize| field(cdb, at, 2) as u16;
        let (transport, from, to) = (address(2), address(4), address(6));
        match self.may_move(transport, from, to, cdb[10]) {
            Ok(()) => {}
            Err(fail) => return Ok(Err(fail)),
        }
        if from == to {
            return Ok(Ok(0));
        }
        if let Err(condition) = self.take_out(from)? {
            return Ok(Err(condition.into()));
        }
        self.place(from, to);
        self.settle(&[to])?;
        Ok(Ok(0))
    }

    fn may_move(&self, transport: u16, from: u16, to: u16, flags: u8) -> Result<(), Fail> {
        self.transport(transport)?;
        self.element(from)?;
        self.element(to)?;
        if flags & 0x01 != 0 {
            return Err(bad_cdb(10, Some(0)).into()); // INVERT: one-sided media
        }
        if self.robot.at(from).is_none() {
            return Err(SOURCE_EMPTY.into());
        }
        if from != to && self.robot.at(to).is_some() {
            return Err(DESTINATION_FULL.into());
        }
        self.moving()
    }

    /// EXCHANGE MEDIUM, opcode A6h: source to first destination, what was there to the second.
    pub(super) fn exchange_medium(&mut self, cdb: &[u8]) -> Result<Done, Error> {
        let address = |at: usize| field(cdb, at, 2) as u16;
        let (from, to, then) = (address(4), address(6), address(8));
        if let Err(fail) = self.may_exchange(address(2), from, to, then, cdb[10]) {
            return Ok(Err(fail));
        }
        for element in [from, to] {
            if let Err(condition) = self.take_out(element)? {
                return Ok(Err(condition.into()));
            }
        }
        self.place(to, TRANSPORT);
        self.place(from, to);
        self.place(TRANSPORT, then);
        self.settle(&[to, then])?;
        Ok(Ok(0))
    }

    fn may_exchange(
        &self,
        transport: u16,
        from: u16,
        to: u16,
        then: u16,
        flags: u8,
    ) -> Result<(), Fail> {
        self.transport(transport)?;
        for address in [from, to, then] {
            self.element(address)?;
        }
        if flags & 0x03 != 0 {
            return Err(bad_cdb(10, Some(1)).into());
        }
        if self.robot.at(from).is_none() || self.robot.at(to).is_none() {
            return Err(SOURCE_EMPTY.into());
        }
        if from == to {
            return Err(bad_cdb(6, None).into());
        }
        if then != from && self.robot.at(then).is_some() {
            return Err(DESTINATION_FULL.into());
        }
        self.moving()
    }

    /// Makes a drive let go of its medium; other elements always do.
    fn take_out(&mut self, element: u16) -> Result<Result<(), Condition>, Error> {
        if self.element(element) != Ok(ElementType::Drive) {
            return Ok(Ok(()));
        }
        self.moved = true; // whoever has the drive open must look again
        let eject = !self.library.options().eject_before_move;
        Drive::for_robot(&self.library, element - FIRST_DRIVE)?.release(eject)
    }

    fn place(&mut self, from: u16, to: u16) {
        let kind = ElementType::of(from, self.library.shape());
        let Some(cartridge) = self.robot.at_mut(from) else { return };
        cartridge.element = to;
        cartridge.by_hand = false;
        if matches!(kind, Some(ElementType::Storage | ElementType::Mail)) {
            cartridge.source = Some(from);
        }
    }

    /// Writes the new places down, then tells drives what they have got.
    fn settle(&mut self, to: &[u16]) -> Result<(), Error> {
        crate::store::replace(
            &self.library.place.robot(),
            &self.robot,
            self.library.options().fsync,
        )?;
        self.saved = self.robot.clone();
        self.moved = true;
        for &element in to {
            if self.element(element) == Ok(ElementType::Drive) {
                Drive::for_robot(&self.library, element - FIRST_DRIVE)?.receive()?;
            }
        }
        Ok(())
    }

    /// POSITION TO ELEMENT, opcode 2Bh.
    pub(super) fn position_to_element(&mut self, cdb: &[u8]) -> Done {
        self.transport(field(cdb, 2, 2) as u16)?;
        self.element(field(cdb, 4, 2) as u16)?;
        if cdb[8] & 0x01 != 0 {
            return Err(bad_cdb(8, Some(0)).into());
        }
        self.moving().map(|()| 0)
    }

    /// INITIALIZE ELEMENT STATUS WITH RANGE, opcode 37h (E7h on older robots).
    pub(super) fn initialize_range(&mut self, cdb: &[u8]) -> Done {
        if cdb[1] & 0x01 != 0 {
            self.element(field(cdb, 2, 2) as u16)?;
        }
        self.moving().map(|()| 0)
    }

    /// OPEN/CLOSE IMPORT/EXPORT ELEMENT, opcode 1Bh: 0 opens, 1 closes.
    pub(super) fn open_close(&mut self, cdb: &[u8]) -> Done {
        if self.element(field(cdb, 2, 2) as u16)? != ElementType::Mail {
            return Err(BAD_ELEMENT.into());
        }
        match cdb[4] & 0x1f {
            0 if self.robot.mail_locked => return Err(REMOVAL_PREVENTED.into()),
            0 => self.robot.mail_open = true,
            1 => self.robot.mail_open = false,
            _ => return Err(bad_cdb(4, Some(4)).into()),
        }
        Ok(0)
    }

    /// PREVENT ALLOW MEDIUM REMOVAL, opcode 1Eh: locks the mail station.
    pub(super) fn prevent_allow(&mut self, cdb: &[u8]) -> Done {
        match cdb[4] & 0x03 {
            0 => self.robot.mail_locked = false,
            1 => self.robot.mail_locked = true,
            _ => return Err(bad_cdb(4, Some(1)).into()),
        }
        Ok(0)
    }
}
