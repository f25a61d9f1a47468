//! How the drive and its medium are.
//!
//! Owns TapeAlert flags, cartridge memory attributes, capacities and what the mode data say of the
//! medium. All of it is advice: a drive may lack any of it, so every field is optional and nothing
//! here is needed to write or read. Sources: SSC-5 8.2.3 (page 12h), SPC-5 7.3.21 (page 2Eh) and
//! 7.4 (attributes), SSC-5 8.2.7 (page 31h).

use scsi::alert::Flag;
use scsi::attribute::{Attribute, Attributes, write_list};
use scsi::cdb::{self, AttributeAction};
use scsi::log::supported_pages;
use scsi::log_pages::{TapeAlerts, TapeCapacity, tape_alert_response};
use scsi::mode_pages::MediumConfiguration;
use scsi::{Data, Partition};

use crate::attach::is_news;
use crate::capability::Support;
use crate::drive::Drive;
use crate::error::{DriveFault, Error};

const ALERT_RESPONSE_PAGE: u8 = 0x12;
const ALERT_PAGE: u8 = 0x2e;
const CAPACITY_PAGE: u8 = 0x31;
const MEDIUM_CONFIGURATION_PAGE: u8 = 0x1d;
const LOG_BYTES: u16 = 4096;
const ATTRIBUTE_BYTES: u32 = 16 * 1024;
const MEDIUM_TYPE_CLEANING: u64 = 0x01;
const MEDIUM_TYPE_WORM: u64 = 0x80;

/// Where TapeAlert flags come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertSource {
    /// Log page 12h: reading leaves the flags up.
    Response,
    /// Log page 2Eh: reading clears them, so whoever reads must keep them.
    ClearedByReading,
    /// The drive has neither.
    None,
}

/// What is known about the medium in the drive. Everything may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediumInfo {
    /// The write-protect tab, or whatever else the drive counts as protection.
    pub write_protected: Option<bool>,
    /// Write once.
    pub worm: Option<bool>,
    /// A cleaning cartridge.
    pub cleaning: Option<bool>,
    /// Density code of the recording.
    pub density: Option<u8>,
    /// Barcode as an application stored it in the cartridge memory (attribute 0806h).
    pub barcode: Option<String>,
    /// Maker of the medium (0400h).
    pub manufacturer: Option<String>,
    /// Serial number of the medium (0401h): its identity, barcode or not.
    pub serial: Option<String>,
    /// Application that formatted it: vendor (0800h).
    pub application_vendor: Option<String>,
    /// Application that formatted it: name (0801h).
    pub application_name: Option<String>,
    /// Application that formatted it: version (0802h).
    pub application_version: Option<String>,
    /// Version of the application's format (080Bh).
    pub format_version: Option<String>,
    /// Label for people (0803h).
    pub label: Option<String>,
    /// Capacity left in the partition, MiB (0000h, else log page 31h).
    pub remaining_mib: Option<u64>,
    /// Whole capacity of the partition, MiB (0001h, else log page 31h).
    pub maximum_mib: Option<u64>,
    /// Times it was loaded (0003h).
    pub loads: Option<u64>,
}

impl Drive {
    /// The TapeAlert flags that are up: from page 12h, else page 2Eh, else none. See
    /// [`alert_source`](Drive::alert_source) for whether an empty answer means anything.
    pub fn alerts(&mut self) -> Result<Vec<Flag>, Error> {
        let source = self.alert_source();
        let page = match source {
            AlertSource::Response => ALERT_RESPONSE_PAGE,
            AlertSource::ClearedByReading => ALERT_PAGE,
            AlertSource::None => return Ok(Vec::new()),
        };
        let reply = self.log_page(page)?;
        let alerts = match source {
            AlertSource::Response => tape_alert_response(&reply),
            _ => TapeAlerts::decode(&reply).map(|page| page.alerts),
        };
        let alerts = alerts.map_err(|_| {
            let what = "a TapeAlert page without flags";
            self.drive_fault(&log_sense(page), DriveFault::Nonsense(what))
        })?;
        Ok(alerts.iter().collect())
    }

    /// Where [`alerts`](Drive::alerts) come from with this drive.
    pub fn alert_source(&self) -> AlertSource {
        let has = |page| self.capabilities.log_pages.contains(&page);
        if has(ALERT_RESPONSE_PAGE) {
            AlertSource::Response
        } else if has(ALERT_PAGE) {
            AlertSource::ClearedByReading
        } else {
            AlertSource::None
        }
    }

    /// What is known about the medium in the drive. What the drive lacks, or cannot tell without a
    /// medium, is `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] when the drive does not answer; [`Error::Reset`] and [`Error::Deferred`] when it
    /// has news of its own.
    pub fn medium(&mut self) -> Result<MediumInfo, Error> {
        let mut info = MediumInfo::default();
        self.medium_modes(&mut info)?;
        self.medium_attributes(&mut info)?;
        if info.remaining_mib.is_none() {
            self.medium_capacity(&mut info)?;
        }
        Ok(info)
    }

    fn medium_modes(&mut self, info: &mut MediumInfo) -> Result<(), Error> {
        let mut modes = self.optional(|drive| drive.modes(MEDIUM_CONFIGURATION_PAGE))?;
        if modes.is_none() {
            modes = self.optional(|drive| drive.modes(0))?;
        }
        let Some(modes) = modes else { return Ok(()) };
        info.write_protected = Some(modes.write_protected);
        info.density = modes.block.map(|block| block.density);
        let page = modes.page(MEDIUM_CONFIGURATION_PAGE, 0);
        let page = page.and_then(|page| MediumConfiguration::decode(&page.bytes).ok());
        // One emulator sets WORMM for every medium. A drive that has write-once media says so in
        // its inquiry data; of any other the bit means nothing.
        info.worm = match (page, self.capabilities.worm) {
            (Some(page), Support::Yes) => Some(page.worm),
            _ => None,
        };
        Ok(())
    }

    fn medium_attributes(&mut self, info: &mut MediumInfo) -> Result<(), Error> {
        if self.capabilities.attributes == Support::No {
            return Ok(());
        }
        let attributes = match self.read_attributes_from(0) {
            Ok(attributes) => attributes,
            Err(Error::Unsupported { .. }) => {
                self.capabilities.attributes = Support::No;
                return Ok(());
            }
            Err(error) if is_news(&error) => return Err(error),
            Err(_) => return Ok(()),
        };
        attributes.attributes.iter().for_each(|attribute| info.absorb(attribute));
        Ok(())
    }

    /// Log page 31h, partition 0.
    fn medium_capacity(&mut self, info: &mut MediumInfo) -> Result<(), Error> {
        if !self.capabilities.log_pages.contains(&CAPACITY_PAGE) {
            return Ok(());
        }
        let reply = self.optional(|drive| drive.log_page(CAPACITY_PAGE))?;
        if let Some(capacity) = reply.and_then(|reply| TapeCapacity::decode(&reply).ok()) {
            info.remaining_mib = capacity.remaining[0];
            info.maximum_mib = info.maximum_mib.or(capacity.maximum[0]);
        }
        Ok(())
    }

    /// One attribute of the cartridge memory; `None` when the medium does not have it.
    pub fn read_attribute(&mut self, id: u16) -> Result<Option<Attribute>, Error> {
        Ok(self.read_attributes_from(id)?.find(id).cloned())
    }

    /// All attributes of the cartridge memory.
    pub fn attributes(&mut self) -> Result<Attributes, Error> {
        self.read_attributes_from(0)
    }

    fn read_attributes_from(&mut self, first: u16) -> Result<Attributes, Error> {
        let action = AttributeAction::Values;
        let cdb = cdb::read_attribute(action, Partition(0), first, ATTRIBUTE_BYTES);
        let reply = self.fetch(&cdb, ATTRIBUTE_BYTES as usize)?;
        self.capabilities.attributes = Support::Yes;
        Attributes::decode(&reply)
            .map_err(|_| self.drive_fault(&cdb, DriveFault::Nonsense("attributes without header")))
    }

    /// Writes one attribute through to the cartridge memory. An empty value removes it. Never
    /// depend on it: odd media and old drives refuse.
    pub fn write_attribute(&mut self, attribute: &Attribute) -> Result<(), Error> {
        let Some(list) = write_list(std::slice::from_ref(attribute)) else {
            return Err(self.ours(format!("attribute {:04X}h is too long", attribute.id)));
        };
        let length = u32::try_from(list.len()).expect("write_list keeps to its length field");
        self.simple(&cdb::write_attribute(Partition(0), length), Data::Out(&list)).map(drop)
    }

    /// Writes an end-of-data mark here: everything behind is gone. The medium is not run over.
    pub fn erase_short(&mut self) -> Result<(), Error> {
        self.moving(&cdb::erase_6(false, false))
    }

    pub(crate) fn probe_logs(&mut self) -> Result<(), Error> {
        let reply = self.optional(|drive| drive.log_page(0))?;
        let pages = reply.and_then(|reply| supported_pages(&reply).ok());
        self.capabilities.logs = if pages.is_some() { Support::Yes } else { Support::No };
        let pages = pages.unwrap_or_default().into_iter();
        self.capabilities.log_pages = pages.filter(|page| page.1 == 0).map(|page| page.0).collect();
        Ok(())
    }

    /// A log page as it comes (LOG SENSE, current cumulative values), at most 4096 bytes. Reading
    /// some pages clears what they tell.
    pub fn log_page(&mut self, page: u8) -> Result<Vec<u8>, Error> {
        self.fetch(&log_sense(page), usize::from(LOG_BYTES))
    }
}

fn log_sense(page: u8) -> [u8; 10] {
    cdb::log_sense(page, 0, 0, LOG_BYTES)
}

impl MediumInfo {
    fn absorb(&mut self, attribute: &Attribute) {
        let words = || Some(attribute.text()).filter(|words| !words.is_empty());
        match attribute.id {
            0x0000 => self.remaining_mib = attribute.number(),
            0x0001 => self.maximum_mib = attribute.number(),
            0x0003 => self.loads = attribute.number(),
            0x0400 => self.manufacturer = words(),
            0x0401 => self.serial = words(),
            0x0408 => {
                let kind = attribute.number();
                self.cleaning = kind.map(|kind| kind == MEDIUM_TYPE_CLEANING);
                self.worm = self.worm.or(kind.map(|kind| kind == MEDIUM_TYPE_WORM));
            }
            0x0800 => self.application_vendor = words(),
            0x0801 => self.application_name = words(),
            0x0802 => self.application_version = words(),
            0x0803 => self.label = words(),
            0x0806 => self.barcode = words(),
            0x080b => self.format_version = words(),
            _ => {}
        }
    }
}
