//! Getting to know a drive.
//!
//! Owns the sequence by which a drive is opened (identify it, absorb what it has to announce, ask
//! what it can do and how long that may take) and by which it is opened anew after it vanished.
//! Only INQUIRY must succeed; everything else a drive may lack. Source: SPC-5 6.7, 6.35 and 7.7,
//! SSC-5 7.5.

use scsi::cdb::{self, OpcodeQuery};
use scsi::inquiry::{DeviceType, Inquiry};
use scsi::opcodes::SupportedCommands;
use scsi::position::BlockLimits;
use scsi::trace::Trace;
use scsi::{Transport, vpd};

use crate::capability::{Capabilities, Support};
use crate::clock::{Clock, SystemClock};
use crate::count::Count;
use crate::drive::{Drive, Identity};
use crate::error::{DriveFault, Error, LinkFault};
use crate::limits::Limits;
use crate::outcome::Readiness;

/// Commands kept for a fault report.
const TRACE_COMMANDS: usize = 64;
/// Unit attentions in the middle of getting to know a drive before it is given up.
const RESETS_MAX: u32 = 4;
const INQUIRY_BYTES: u16 = 96;
const PAGE_BYTES: u16 = 252;
const OPCODE_LIST_BYTES: u32 = 16 * 1024;
const SERIAL_PAGE: u8 = 0x80;
const TAPE_PAGE: u8 = 0xb0;

impl Drive {
    /// Opens a drive: identity, pending unit attentions, commands with time limits, block limits,
    /// log pages, and, when a medium is mounted, whether it can tell its position. Moves nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Ours`] when the device is not a tape drive; [`Error::Link`] when it does not answer.
    pub fn attach(transport: Box<dyn Transport>) -> Result<Drive, Error> {
        Drive::attach_with(transport, Box::new(SystemClock::default()))
    }

    /// As [`attach`](Drive::attach), with a clock of the caller's.
    pub fn attach_with(
        transport: Box<dyn Transport>,
        clock: Box<dyn Clock>,
    ) -> Result<Drive, Error> {
        let mut drive = Drive {
            name: transport.name().to_owned(),
            transport,
            clock,
            identity: Identity::default(),
            capabilities: Capabilities::default(),
            limits: Limits::default(),
            generation: 0,
            recovered: 0,
            count: Count::UNKNOWN,
            trace: Trace::new(TRACE_COMMANDS),
        };
        drive.identity = drive.identify()?;
        drive.past_resets(Drive::meet)?;
        Ok(drive)
    }

    fn meet(&mut self) -> Result<(), Error> {
        let readiness = self.ready()?;
        self.probe()?;
        if readiness == Readiness::Ready {
            self.optional(Drive::position_by_drive)?;
        }
        Ok(())
    }

    /// What is done again from its start when a unit attention comes between.
    fn past_resets(
        &mut self,
        mut work: impl FnMut(&mut Drive) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for _ in 0..RESETS_MAX {
            match work(self) {
                Err(Error::Reset { .. }) => {}
                result => return result,
            }
        }
        work(self)
    }

    /// Opens the device anew after it vanished and makes sure that it is the same drive. Position,
    /// modes and everything not synchronised are in doubt afterwards; call
    /// [`configure`](Drive::configure).
    pub fn reopen(&mut self) -> Result<(), Error> {
        self.attention();
        self.transport
            .reopen()
            .map_err(|error| self.link_fault("open", LinkFault::Open(error.to_string())))?;
        let found = self.identify()?;
        if !same_drive(&self.identity, &found) {
            let (wanted, found) = (self.identity.serial.clone(), found.serial);
            return Err(self.link_fault("INQUIRY", LinkFault::Stranger { wanted, found }));
        }
        self.identity = found;
        self.ready().map(drop)
    }

    fn link_fault(&self, command: &'static str, fault: LinkFault) -> Error {
        Error::Link { device: self.name.clone(), command, fault }
    }

    fn identify(&mut self) -> Result<Identity, Error> {
        let cdb = cdb::inquiry(INQUIRY_BYTES);
        let reply = self.fetch(&cdb, usize::from(INQUIRY_BYTES))?;
        let inquiry = Inquiry::decode(&reply).map_err(|_| {
            self.drive_fault(&cdb, DriveFault::Nonsense("it cannot say what it is"))
        })?;
        if inquiry.device_type != DeviceType::Tape {
            return Err(self.ours(format!("is a {}, not a tape drive", inquiry.device_type)));
        }
        Ok(Identity {
            vendor: inquiry.vendor,
            product: inquiry.product,
            revision: inquiry.revision,
            serial: self.serial()?,
        })
    }

    fn serial(&mut self) -> Result<String, Error> {
        let cdb = cdb::inquiry_vpd(SERIAL_PAGE, PAGE_BYTES);
        let page = self.optional(|drive| drive.fetch(&cdb, usize::from(PAGE_BYTES)))?;
        Ok(page.and_then(|page| vpd::unit_serial_number(&page).ok()).unwrap_or_default())
    }

    fn probe_worm(&mut self) -> Result<(), Error> {
        let cdb = cdb::inquiry_vpd(TAPE_PAGE, PAGE_BYTES);
        let page = self.optional(|drive| drive.fetch(&cdb, usize::from(PAGE_BYTES)))?;
        let known = page.and_then(|page| vpd::TapeCapabilities::decode(&page).ok());
        let worm = known.is_some_and(|known| known.worm);
        self.capabilities.worm = if worm { Support::Yes } else { Support::No };
        Ok(())
    }

    fn probe(&mut self) -> Result<(), Error> {
        self.probe_worm()?;
        self.probe_commands()?;
        let limits = self.optional(|drive| drive.fetch(&cdb::read_block_limits(), 6))?;
        self.capabilities.block_limits = limits
            .and_then(|reply| BlockLimits::decode(&reply).ok())
            .map(|limits| (u32::from(limits.minimum_bytes), limits.maximum_bytes));
        self.probe_logs()
    }

    fn probe_commands(&mut self) -> Result<(), Error> {
        let room = OPCODE_LIST_BYTES as usize;
        let ask = |timeouts| {
            cdb::report_supported_operation_codes(OpcodeQuery::All, timeouts, OPCODE_LIST_BYTES)
        };
        let mut reply = self.optional(|drive| drive.fetch(&ask(true), room))?;
        if reply.is_none() {
            reply = self.optional(|drive| drive.fetch(&ask(false), room))?;
        }
        let list = reply.and_then(|reply| SupportedCommands::decode(&reply).ok());
        let Some(list) = list.filter(|list| !list.commands.is_empty()) else {
            self.capabilities.operation_codes = Support::No;
            return Ok(());
        };
        self.capabilities.operation_codes = Support::Yes;
        self.limits.learn(&list);
        self.note_listed(&list);
        Ok(())
    }

    /// What is listed is there. What is not listed may be there all the same: it is tried.
    fn note_listed(&mut self, list: &SupportedCommands) {
        let known = &mut self.capabilities;
        for (opcode, feature) in [
            (0x92, &mut known.locate_16),
            (0x2b, &mut known.locate_10),
            (0x4d, &mut known.logs),
            (0x8c, &mut known.attributes),
            (0x8d, &mut known.write_attributes),
            (0x15, &mut known.mode_select),
            (0x1e, &mut known.prevent_removal),
            (0x19, &mut known.erase),
        ] {
            if list.commands.iter().any(|command| command.opcode == opcode) {
                *feature = Support::Yes;
            }
        }
    }

    /// Something a drive may lack or refuse just now. News of its own (a reset, an error of earlier
    /// commands) and a lost link stay errors.
    pub(crate) fn optional<T>(
        &mut self,
        ask: impl FnOnce(&mut Drive) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match ask(self) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_news(&error) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// What must not be taken for a missing feature.
pub(crate) fn is_news(error: &Error) -> bool {
    matches!(error, Error::Link { .. } | Error::Reset { .. } | Error::Deferred { .. })
}

/// By serial number; by name where there is none. Firmware may have changed.
fn same_drive(was: &Identity, is: &Identity) -> bool {
    was.serial == is.serial && was.vendor == is.vendor && was.product == is.product
}
