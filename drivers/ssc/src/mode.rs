//! Modes: variable blocks, buffered writing, compression.
//!
//! Owns the little this crate changes with MODE SELECT(6) (15h): block length 0 and buffered mode 1
//! in header and block descriptor, and the DCE bit of the data compression page 0Fh. Everything it
//! does not change goes back as the drive sent it, with the fields a MODE SELECT must leave zero set
//! to zero. Source: SSC-5 8.3, SPC-5 7.5.5.

use scsi::Data;
use scsi::cdb::{self, PageControl};

use crate::capability::Support;
use crate::drive::Drive;
use crate::error::{DriveFault, Error};

const HEADER: usize = 4;
const DESCRIPTOR: usize = 8;
const COMPRESSION_PAGE: u8 = 0x0f;
const BUFFERED: u8 = 0x10;
const BUFFERED_MASK: u8 = 0x70;
const WRITE_PROTECT: u8 = 0x80;
const REPLY_BYTES: u8 = 252;

/// A MODE SENSE(6) reply taken apart.
pub(crate) struct Modes {
    /// Bit 7 of the device-specific parameter.
    pub write_protected: bool,
    /// Density code of the medium, when there is a block descriptor.
    pub density: Option<u8>,
    device_specific: u8,
    block_length: Option<u32>,
    /// The first page, header included; empty when none came.
    pub page: Vec<u8>,
}

impl Modes {
    fn decode(reply: &[u8]) -> Option<Modes> {
        let header = reply.get(..HEADER)?;
        let end = reply.len().min(usize::from(header[0]) + 1);
        let after = HEADER + usize::from(header[3]);
        let descriptor =
            (usize::from(header[3]) >= DESCRIPTOR).then(|| reply.get(HEADER..HEADER + DESCRIPTOR));
        let descriptor = descriptor.flatten();
        Some(Modes {
            write_protected: header[2] & WRITE_PROTECT != 0,
            density: descriptor.map(|d| d[0]),
            device_specific: header[2],
            block_length: descriptor.map(|d| u32::from_be_bytes([0, d[5], d[6], d[7]])),
            page: reply.get(after..end).unwrap_or(&[]).to_vec(),
        })
    }

    fn buffered_and_variable(&self) -> bool {
        self.device_specific & BUFFERED_MASK == BUFFERED && self.block_length == Some(0)
    }
}

impl Drive {
    /// Sets variable block length and buffered mode. To be called after `attach`, and again after
    /// every [`Error::Reset`] and `reopen`. A drive without MODE SELECT is left as it is: every
    /// transfer says FIXED = 0 and so carries its own length.
    pub fn configure(&mut self) -> Result<(), Error> {
        let Some(modes) = self.optional(|drive| drive.modes(0))? else {
            self.capabilities.mode_select = Support::No;
            return Ok(());
        };
        if modes.buffered_and_variable() || self.capabilities.mode_select == Support::No {
            return Ok(());
        }
        let speed = modes.device_specific & 0x0f;
        let density = modes.density.unwrap_or(0);
        let list = [0, 0, BUFFERED | speed, DESCRIPTOR as u8, density, 0, 0, 0, 0, 0, 0, 0];
        match self.mode_select(&list) {
            Err(Error::Unsupported { .. }) => {
                self.capabilities.mode_select = Support::No;
                Ok(())
            }
            result => result,
        }
    }

    /// Turns the drive's own compression on or off, for blocks written from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] when the drive has no compression that can be switched.
    pub fn compression(&mut self, on: bool) -> Result<(), Error> {
        const ENABLE: u8 = 0x80;
        const CAPABLE: u8 = 0x40;
        let mut page = self.modes(COMPRESSION_PAGE)?.page;
        let Some(flags) = page.get(2).copied().filter(|flags| flags & CAPABLE != 0) else {
            return Err(self.unsupported("switching its compression"));
        };
        if (flags & ENABLE != 0) == on {
            return Ok(());
        }
        page[2] = if on { flags | ENABLE } else { flags & !ENABLE };
        // PS is reserved in MODE SELECT.
        page[0] &= 0x7f;
        let mut list = vec![0, 0, BUFFERED, 0];
        list.extend_from_slice(&page);
        self.mode_select(&list)
    }

    pub(crate) fn modes(&mut self, page: u8) -> Result<Modes, Error> {
        let cdb = cdb::mode_sense_6(PageControl::Current, page, 0, REPLY_BYTES);
        let reply = self.fetch(&cdb, usize::from(REPLY_BYTES))?;
        Modes::decode(&reply)
            .ok_or_else(|| self.drive_fault(&cdb, DriveFault::Nonsense("mode data without header")))
    }

    fn mode_select(&mut self, list: &[u8]) -> Result<(), Error> {
        let length = u8::try_from(list.len())
            .map_err(|_| self.ours("mode parameter list too long".to_owned()))?;
        self.simple(&cdb::mode_select_6(false, length), Data::Out(list)).map(drop)
    }
}
