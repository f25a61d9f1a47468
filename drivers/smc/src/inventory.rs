//! Where the cartridges are, at one moment.
//!
//! Owns the element lists and the questions asked of them. A list is as good as the
//! [generation](crate::Changer::generation) it was taken in.

use std::collections::BTreeSet;

use scsi::element::{ElementDescriptor, ElementKind};
use scsi::vpd::{Designator, Name};
use scsi::{ElementAddress, VolumeTag, reader};

/// One element of a changer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its address.
    pub address: ElementAddress,
    /// What it is.
    pub kind: ElementKind,
    /// A cartridge is in it.
    pub full: bool,
    /// The bar code read there, if any could be.
    pub volume_tag: Option<VolumeTag>,
    /// The slot the cartridge came from, when the changer knows.
    pub source: Option<ElementAddress>,
    /// ASC and ASCQ when the element is in an abnormal state: do not use it.
    pub except: Option<(u8, u8)>,
    /// A hand can reach it.
    pub accessible: bool,
    /// MEDIUM TYPE: 0 unknown, 1 data, 2 cleaning, 4 WORM.
    pub medium_type: u8,
    /// Which drive it is, when the changer tells.
    pub device: Option<Designator>,
}

impl Element {
    pub(crate) fn new(kind: ElementKind, descriptor: &ElementDescriptor) -> Element {
        Element {
            address: descriptor.address,
            kind,
            full: descriptor.full,
            volume_tag: descriptor.volume_tag.clone(),
            source: descriptor.source,
            except: descriptor.except,
            accessible: descriptor.access,
            medium_type: descriptor.medium_type,
            device: descriptor.device.clone(),
        }
    }

    /// Empty and in a normal state. Slots of most libraries set ACCESS; it is not asked for here,
    /// because drives holding a threaded tape clear it while they are the right destination later.
    pub fn is_free(&self) -> bool {
        !self.full && self.except.is_none()
    }

    /// False when the changer names another drive than the one with this serial number. The name's end may be missing.
    fn may_be(&self, serial: &str) -> bool {
        match self.device.as_ref().map(|device| &device.name) {
            None => true,
            Some(Name::T10 { id, .. }) => {
                id.split(' ').next_back().is_some_and(|begin| serial.trim().starts_with(begin))
            }
            Some(_) => false,
        }
    }

    /// True when the changer says the drive here has this serial number (or world-wide name).
    pub fn is_device(&self, serial: &str) -> bool {
        let Some(Designator { name, .. }) = &self.device else { return false };
        let serial = serial.trim();
        let last_word = |text: &str| text == serial || text.split(' ').next_back() == Some(serial);
        match name {
            Name::T10 { id, .. } => last_word(id),
            Name::ScsiName(text) => last_word(text),
            Name::Other { bytes, .. } => last_word(&reader::text(bytes)),
            Name::Naa(_) | Name::Eui64(_) => {
                let text = name.to_string();
                text.split('.').next_back().is_some_and(|hex| hex.eq_ignore_ascii_case(serial))
            }
            Name::RelativePort(_) => false,
        }
    }
}

/// All elements of a changer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Hands. A full one after a power cut holds a cartridge that must be put away first.
    pub transports: Vec<Element>,
    /// Slots.
    pub storage: Vec<Element>,
    /// Mail slots.
    pub import_export: Vec<Element>,
    /// Drives.
    pub drives: Vec<Element>,
    /// Elements the changer claims to have (mode page 1Dh) but did not report; 0 in a sound library.
    pub missing: u32,
    /// The changer generation this belongs to.
    pub generation: u64,
}

impl Inventory {
    /// All elements: hands, slots, mail slots, drives.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        [&self.transports, &self.storage, &self.import_export, &self.drives].into_iter().flatten()
    }

    pub(crate) fn list_mut(&mut self, kind: ElementKind) -> &mut Vec<Element> {
        match kind {
            ElementKind::Transport => &mut self.transports,
            ElementKind::Storage => &mut self.storage,
            ElementKind::ImportExport => &mut self.import_export,
            ElementKind::DataTransfer => &mut self.drives,
        }
    }

    /// The element at an address.
    pub fn at(&self, address: ElementAddress) -> Option<&Element> {
        self.elements().find(|element| element.address == address)
    }

    /// Every element that shows this bar code. More than one is a duplicate label: neither may be
    /// written until a person has sorted it out.
    pub fn with_volume_tag(&self, tag: &VolumeTag) -> Vec<&Element> {
        self.elements().filter(|element| element.volume_tag.as_ref() == Some(tag)).collect()
    }

    /// The drive with this serial number, when the changer tells serial numbers and exactly one
    /// drive has it.
    pub fn drive_by_serial(&self, serial: &str) -> Option<&Element> {
        let mut found = self.drives.iter().filter(|drive| drive.is_device(serial));
        match (found.next(), found.next()) {
            (Some(drive), None) => Some(drive),
            _ => None,
        }
    }

    /// In which bay each of these drives is, by their serial numbers. Where as many bays as drives are there, and one of
    /// each is left, they belong together unless the changer names another drive: some cut the last name of their
    /// answer short.
    pub fn bays_of(&self, serials: &[Option<String>]) -> Vec<Option<&Element>> {
        let told = |serial: &Option<String>| self.drive_by_serial(serial.as_ref()?);
        let mut bays: Vec<Option<&Element>> = serials.iter().map(told).collect();
        let taken: BTreeSet<u16> = bays.iter().flatten().map(|bay| bay.address.0).collect();
        let left = self.drives.iter().filter(|bay| !taken.contains(&bay.address.0));
        let left: Vec<&Element> = left.collect();
        let mut alone = bays.iter_mut().zip(serials).filter(|(bay, _)| bay.is_none());
        if let (Some((drive, Some(serial))), None, [bay]) =
            (alone.next(), alone.next(), left.as_slice())
            && serials.len() == self.drives.len()
            && bay.may_be(serial)
        {
            *drive = Some(bay);
        }
        bays
    }

    /// The slot with the lowest address that is free.
    pub fn first_free_storage(&self) -> Option<&Element> {
        self.storage.iter().filter(|slot| slot.is_free()).min_by_key(|slot| slot.address)
    }
}
