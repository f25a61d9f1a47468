//! Modes: variable blocks, buffered writing, compression.
//!
//! Owns the little this crate changes with MODE SELECT(6) (15h): block length 0 and buffered mode 1
//! in header and block descriptor, and the DCE bit of the data compression page 0Fh. Everything else
//! goes back as the drive sent it. Source: SSC-5 8.4.

use scsi::cdb::{self, PageControl};
use scsi::mode::{BlockDescriptor, ModeParameters, select_6};
use scsi::mode_pages::Compression;
use scsi::{Data, U24};

use crate::capability::Support;
use crate::drive::Drive;
use crate::error::{DriveFault, Error};

const COMPRESSION_PAGE: u8 = 0x0f;
const BUFFERED: u8 = 1;
const REPLY_BYTES: u8 = 252;
const VARIABLE: U24 = U24::new(0).expect("0 fits 24 bits");

impl Drive {
    /// Sets variable block length and buffered mode. To be called after `attach`, and again after
    /// every [`Error::Reset`] and `reopen`. A drive without MODE SELECT is left as it is: every
    /// transfer says FIXED = 0 and so carries its own length.
    pub fn configure(&mut self) -> Result<(), Error> {
        let modes = match self.modes(0) {
            Ok(modes) => modes,
            Err(Error::Unsupported { .. } | Error::Drive { .. }) => {
                self.capabilities.mode_select = Support::No;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let done = buffered_and_variable(&modes);
        if done || self.capabilities.mode_select == Support::No {
            return Ok(());
        }
        let density = modes.block.map_or(0, |block| block.density);
        let block = BlockDescriptor { density, blocks: VARIABLE, block_length: VARIABLE };
        self.capabilities.mode_select =
            match self.mode_select(&select_6(BUFFERED, modes.speed, Some(block), &[])) {
                Ok(()) => Support::Yes,
                Err(Error::Unsupported { .. }) => Support::No,
                Err(error) => return Err(error),
            };
        Ok(())
    }

    /// Turns the drive's own compression on or off, for blocks written from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] when the drive has no compression that can be switched.
    pub fn compression(&mut self, on: bool) -> Result<(), Error> {
        let modes = self.modes(COMPRESSION_PAGE)?;
        let mut page = modes.page(COMPRESSION_PAGE, 0).map(|page| page.bytes.clone());
        let state = page.as_deref().and_then(|page| Compression::decode(page).ok());
        let (Some(page), Some(state)) = (&mut page, state.filter(|state| state.capable)) else {
            return Err(self.unsupported("switching its compression"));
        };
        if state.compress == on || Compression::set_compress(page, on).is_err() {
            return Ok(());
        }
        self.mode_select(&select_6(modes.buffered_mode, modes.speed, None, &[page]))
    }

    pub(crate) fn modes(&mut self, page: u8) -> Result<ModeParameters, Error> {
        let cdb = cdb::mode_sense_6(PageControl::Current, page, 0, REPLY_BYTES);
        let reply = self.fetch(&cdb, usize::from(REPLY_BYTES))?;
        ModeParameters::decode_6(&reply)
            .map_err(|_| self.drive_fault(&cdb, DriveFault::Nonsense("mode data without header")))
    }

    fn mode_select(&mut self, list: &[u8]) -> Result<(), Error> {
        let length = u8::try_from(list.len())
            .map_err(|_| self.ours("mode parameter list too long".to_owned()))?;
        self.simple(&cdb::mode_select_6(false, length), Data::Out(list)).map(drop)
    }
}

fn buffered_and_variable(modes: &ModeParameters) -> bool {
    modes.buffered_mode == BUFFERED
        && modes.block.is_some_and(|block| block.block_length == VARIABLE)
}
