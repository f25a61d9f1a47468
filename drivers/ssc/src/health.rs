//! How the drive and its medium are.
//!
//! Owns TapeAlert flags, cartridge memory attributes, capacities and what the mode data say of the
//! medium. All of it is advice: a drive may lack any of it, so every field is optional and nothing
//! here is needed to write or read. Sources: SSC-5 8.2.3 (page 12h), SPC-5 7.3.21 (page 2Eh) and
//! 7.4 (attributes), SSC-5 8.2.7 (page 31h).

use scsi::alert::{Alerts, Flag};
use scsi::cdb::{self, AttributeAction};
use scsi::reader::{be16, be32, number, text};
use scsi::{Data, Partition};

use crate::capability::Support;
use crate::drive::Drive;
use crate::error::Error;

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
        let flags = match self.alert_source() {
            AlertSource::Response => self.alerts_response()?,
            AlertSource::ClearedByReading => self.alerts_cleared()?,
            AlertSource::None => None,
        };
        Ok(flags.unwrap_or_default().iter().collect())
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

    fn alerts_response(&mut self) -> Result<Option<Alerts>, Error> {
        let parameters = self.log_page(ALERT_RESPONSE_PAGE)?;
        let bits = parameters.iter().find(|(code, _)| *code == 0);
        Ok(bits.and_then(|(_, value)| number(value)).map(Alerts::from_bits))
    }

    fn alerts_cleared(&mut self) -> Result<Option<Alerts>, Error> {
        let mut alerts = Alerts::default();
        for (code, value) in self.log_page(ALERT_PAGE)? {
            if value.first().is_some_and(|b| b & 0x01 != 0) {
                alerts.raise(code);
            }
        }
        Ok(Some(alerts))
    }

    /// What is known about the medium in the drive.
    ///
    /// # Errors
    ///
    /// [`Error::Operator`] when there is no medium; what the drive merely lacks is `None`.
    pub fn medium(&mut self) -> Result<MediumInfo, Error> {
        let mut info = MediumInfo::default();
        if let Some(modes) = self.optional(|drive| drive.modes(MEDIUM_CONFIGURATION_PAGE))? {
            info.write_protected = Some(modes.write_protected);
            info.density = modes.density;
            info.worm = modes.page.get(2).map(|flags| flags & 0x01 != 0);
        } else if let Some(modes) = self.optional(|drive| drive.modes(0))? {
            info.write_protected = Some(modes.write_protected);
            info.density = modes.density;
        }
        self.medium_attributes(&mut info)?;
        if info.remaining_mib.is_none() {
            self.medium_capacity(&mut info)?;
        }
        Ok(info)
    }

    fn medium_attributes(&mut self, info: &mut MediumInfo) -> Result<(), Error> {
        for (id, value) in self.attributes()? {
            let words = || Some(text(&value)).filter(|words| !words.is_empty());
            match id {
                0x0000 => info.remaining_mib = number(&value),
                0x0001 => info.maximum_mib = number(&value),
                0x0003 => info.loads = number(&value),
                0x0400 => info.manufacturer = words(),
                0x0401 => info.serial = words(),
                0x0408 => {
                    let kind = number(&value);
                    info.cleaning = kind.map(|kind| kind == MEDIUM_TYPE_CLEANING);
                    info.worm = info.worm.or(kind.map(|kind| kind == MEDIUM_TYPE_WORM));
                }
                0x0800 => info.application_vendor = words(),
                0x0801 => info.application_name = words(),
                0x0802 => info.application_version = words(),
                0x0803 => info.label = words(),
                0x0806 => info.barcode = words(),
                0x080b => info.format_version = words(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Page 31h, partition 0: parameter 1 remaining, parameter 3 maximum, in MiB.
    fn medium_capacity(&mut self, info: &mut MediumInfo) -> Result<(), Error> {
        if !self.capabilities.log_pages.contains(&CAPACITY_PAGE) {
            return Ok(());
        }
        let parameters = self.optional(|drive| drive.log_page(CAPACITY_PAGE))?;
        for (code, value) in parameters.unwrap_or_default() {
            match code {
                1 => info.remaining_mib = number(&value),
                3 => info.maximum_mib = number(&value),
                _ => {}
            }
        }
        Ok(())
    }

    /// Every attribute of the cartridge memory; none on a drive that cannot tell.
    fn attributes(&mut self) -> Result<Vec<(u16, Vec<u8>)>, Error> {
        if self.capabilities.attributes == Support::No {
            return Ok(Vec::new());
        }
        let reply = match self.read_attributes_from(0) {
            Err(Error::Unsupported { .. }) => {
                self.capabilities.attributes = Support::No;
                return Ok(Vec::new());
            }
            reply => self.optional(|_| reply)?,
        };
        Ok(reply.unwrap_or_default())
    }

    /// One attribute of the cartridge memory; `None` when the medium does not have it.
    pub fn read_attribute(&mut self, id: u16) -> Result<Option<Vec<u8>>, Error> {
        let found = self.read_attributes_from(id)?;
        Ok(found.into_iter().find(|(found, _)| *found == id).map(|(_, value)| value))
    }

    fn read_attributes_from(&mut self, first: u16) -> Result<Vec<(u16, Vec<u8>)>, Error> {
        let action = AttributeAction::Values;
        let cdb = cdb::read_attribute(action, Partition(0), first, ATTRIBUTE_BYTES);
        let reply = self.fetch(&cdb, ATTRIBUTE_BYTES as usize)?;
        self.capabilities.attributes = Support::Yes;
        Ok(attribute_list(&reply))
    }

    /// Writes one attribute: `format` 0 binary, 1 ASCII, 2 text. An empty value removes it.
    pub fn write_attribute(&mut self, id: u16, format: u8, value: &[u8]) -> Result<(), Error> {
        let length = u16::try_from(value.len())
            .map_err(|_| self.ours("attribute value too long".to_owned()))?;
        let mut list = (u32::from(length) + 5).to_be_bytes().to_vec();
        list.extend_from_slice(&id.to_be_bytes());
        list.push(format & 0x03);
        list.extend_from_slice(&length.to_be_bytes());
        list.extend_from_slice(value);
        let cdb = cdb::write_attribute(Partition(0), list.len() as u32);
        self.simple(&cdb, Data::Out(&list)).map(drop)
    }

    /// Writes an end-of-data mark here: everything behind is gone. The medium is not run over.
    pub fn erase_short(&mut self) -> Result<(), Error> {
        self.moving(&cdb::erase_6(false, false))
    }

    pub(crate) fn probe_logs(&mut self) -> Result<(), Error> {
        let cdb = cdb::log_sense(0, 0, 0, LOG_BYTES);
        let reply = self.optional(|drive| drive.fetch(&cdb, usize::from(LOG_BYTES)))?;
        let pages = reply.as_deref().and_then(log_body).map(<[u8]>::to_vec);
        self.capabilities.logs = if pages.is_some() { Support::Yes } else { Support::No };
        self.capabilities.log_pages = pages.unwrap_or_default();
        Ok(())
    }

    fn log_page(&mut self, page: u8) -> Result<Vec<(u16, Vec<u8>)>, Error> {
        let cdb = cdb::log_sense(page, 0, 0, LOG_BYTES);
        let reply = self.fetch(&cdb, usize::from(LOG_BYTES))?;
        Ok(log_body(&reply).map(log_parameters).unwrap_or_default())
    }
}

/// A log page without its header, as far as it came.
fn log_body(reply: &[u8]) -> Option<&[u8]> {
    let length = usize::from(be16(reply, 2)?);
    reply.get(4..reply.len().min(4 + length))
}

/// Log parameters: code, control byte, length, value (SPC-5 7.3.2).
fn log_parameters(mut body: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut parameters = Vec::new();
    while let [a, b, _, length, ..] = *body {
        let end = 4 + usize::from(length);
        let Some(value) = body.get(4..end) else { break };
        parameters.push((u16::from_be_bytes([a, b]), value.to_vec()));
        body = &body[end..];
    }
    parameters
}

/// Attributes: identifier, format byte, length, value (SPC-5 7.4.1), behind a 4-byte length.
fn attribute_list(reply: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let announced = be32(reply, 0).map_or(0, |n| n as usize).saturating_add(4);
    let mut rest = reply.get(4..reply.len().min(announced)).unwrap_or(&[]);
    let mut attributes = Vec::new();
    while let [a, b, _, high, low, ..] = *rest {
        let end = 5 + usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = rest.get(5..end) else { break };
        attributes.push((u16::from_be_bytes([a, b]), value.to_vec()));
        rest = &rest[end..];
    }
    attributes
}
