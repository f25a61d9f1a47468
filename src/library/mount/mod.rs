//! Cartridges into drives and back.
//!
//! Owns one drive and, when there is one, the changer that serves it: loads by volume tag, tries
//! unknown cartridges, checks the label on the tape against the barcode, labels blank ones. Never
//! writes to a cartridge that is neither blank nor recognised.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use scsi::{ElementAddress, VolumeTag};
use smc::{Changer, Element, Inventory};
use ssc::{Drive, Readiness};

use crate::library::device::{open_changer, open_drive};
use crate::library::fault::{changer_fault, drive_fault};
use crate::library::reader::VolumeReader;
use crate::library::reel::{Found, Reel, identify};
use crate::library::writer::{Scribe, Shelf};
use crate::stream::{Blame, Fault};
use crate::volume::{BLOCK_BYTES, Label};

mod decided;

/// A new LTO-9 cartridge is calibrated at its first load, which takes up to two hours.
const READY_LIMIT: Duration = Duration::from_secs(2 * 3600 + 300);

/// A drive, and the changer that serves it.
pub struct Mount {
    drive: Option<Drive>,
    changer: Option<Changer>,
    scribe: Scribe,
    block_bytes: usize,
    volume: Option<String>,
    set: Option<uuid::Uuid>,
    /// The changer's element that is our drive, once known.
    bay: Option<ElementAddress>,
    /// Storage elements whose cartridge turned out to be of no use in this run.
    tried: BTreeSet<u16>,
    /// Tags of cartridges that are looked at before all others.
    expected: VecDeque<String>,
}

impl Mount {
    /// Opens the drive and, if named, the changer.
    pub fn open(drive: &str, changer: Option<&str>, scribe: Scribe) -> Result<Mount, Fault> {
        let changer = changer.map(open_changer).transpose()?;
        Ok(Mount::new(open_drive(drive)?, changer, scribe))
    }

    /// Over devices that are open already.
    pub fn new(drive: Drive, changer: Option<Changer>, scribe: Scribe) -> Mount {
        Mount {
            drive: Some(drive),
            changer,
            scribe,
            block_bytes: BLOCK_BYTES,
            volume: None,
            set: None,
            bay: None,
            tried: BTreeSet::new(),
            expected: VecDeque::new(),
        }
    }

    /// Starts on the volume with this tag.
    #[must_use]
    pub fn volume(mut self, tag: Option<String>) -> Mount {
        self.volume = tag;
        self
    }

    /// Gives volumes that are labelled from now on this block size.
    #[must_use]
    pub fn block_bytes(mut self, bytes: usize) -> Mount {
        self.block_bytes = bytes;
        self
    }

    /// Puts blank cartridges into this set instead of a new one.
    #[must_use]
    pub fn set(mut self, set: Option<uuid::Uuid>) -> Mount {
        self.set = set;
        self
    }

    /// Looks for volumes of a set on these first, in this order.
    #[must_use]
    pub fn expect(mut self, tags: Vec<String>) -> Mount {
        self.expected = tags.into();
        self
    }

    /// Says which bay of the changer the drive is in, for changers that do not tell.
    #[must_use]
    pub fn in_bay(mut self, bay: Option<ElementAddress>) -> Mount {
        self.bay = bay;
        self
    }

    /// Whether cartridges can be fetched.
    pub fn has_changer(&self) -> bool {
        self.changer.is_some()
    }

    fn drive(&mut self) -> &mut Drive {
        self.drive.as_mut().expect("the drive is here unless lent to a reel")
    }

    fn inventory(&mut self) -> Result<Option<Inventory>, Fault> {
        let Some(changer) = &mut self.changer else { return Ok(None) };
        let taken = changer.inventory();
        taken.map(Some).map_err(|e| changer_fault(changer, "cannot take the inventory", &e))
    }

    /// The changer's element that is our drive: the one with its serial number, or the only one.
    fn told_bay(&mut self, inventory: &Inventory) -> Option<Element> {
        let serial = self.drive().identity().serial.clone();
        let by_serial = inventory.drive_by_serial(&serial);
        let found = match (by_serial, self.bay, inventory.drives.as_slice()) {
            (Some(bay), _, _) => Some(bay),
            (None, Some(known), _) => inventory.at(known),
            (None, None, [only]) => Some(only),
            (None, None, _) => None,
        };
        found.cloned()
    }

    /// As [`told_bay`](Mount::told_bay); where the changer does not tell, the drive does, when it and
    /// only one bay hold a cartridge.
    fn bay(&mut self, inventory: &Inventory) -> Result<Element, Fault> {
        if let Some(bay) = self.told_bay(inventory) {
            return Ok(bay);
        }
        let full: Vec<&Element> = inventory.drives.iter().filter(|bay| bay.full).collect();
        if let [only] = full.as_slice()
            && self.is_loaded()?
        {
            self.bay = Some(only.address);
            return Ok((*only).clone());
        }
        let (name, serial) =
            (self.drive().name().to_owned(), self.drive().identity().serial.clone());
        Err(Fault::never(
            Blame::Operator,
            format!(
                "the changer does not tell which of its drives is {name} (serial number {serial})"
            ),
        )
        .hint(
            "check that --drive and --changer name devices of one library; unload its other drives",
        ))
    }

    /// Moves a cartridge into our drive. Where the changer does not tell which bay that is, the empty
    /// ones are tried, and the one that makes the drive see a cartridge is remembered.
    fn move_in(&mut self, inventory: &Inventory, from: ElementAddress) -> Result<(), Fault> {
        let bays: Vec<ElementAddress> = match self.told_bay(inventory) {
            Some(bay) => vec![bay.address],
            None => {
                inventory.drives.iter().filter(|bay| bay.is_free()).map(|bay| bay.address).collect()
            }
        };
        for &bay in &bays {
            self.move_medium(from, bay)?;
            if self.is_loaded()? {
                self.bay = Some(bay);
                return Ok(());
            }
            if bays.len() > 1 {
                self.move_medium(bay, from)?;
            }
        }
        Err(Fault::later(
            Blame::Changer,
            "the cartridge was moved into the drive and the drive sees none",
        )
        .hint("check that --drive and --changer name devices of one library"))
    }

    /// The barcode of the cartridge in the drive, when the changer can tell.
    pub fn tag_in_drive(&mut self) -> Result<Option<String>, Fault> {
        let Some(inventory) = self.inventory()? else { return Ok(None) };
        if !inventory.drives.iter().any(|bay| bay.full) {
            return Ok(None);
        }
        let bay = self.bay(&inventory)?;
        Ok(bay.volume_tag.map(|tag| tag.to_string()))
    }

    /// Barcodes of the cartridges in other drives of the library, as far as they have any.
    pub fn in_other_drives(&mut self) -> Result<Vec<String>, Fault> {
        let Some(inventory) = self.inventory()? else { return Ok(Vec::new()) };
        let ours = self.told_bay(&inventory).map(|bay| bay.address).or(self.bay);
        let others = inventory.drives.iter().filter(|bay| bay.full && Some(bay.address) != ours);
        let name = |bay: &Element| match &bay.volume_tag {
            Some(tag) => tag.to_string(),
            None => format!("the cartridge in element {}", bay.address.0),
        };
        Ok(others.map(name).collect())
    }

    fn is_loaded(&mut self) -> Result<bool, Fault> {
        let drive = self.drive();
        let mut readiness = drive
            .wait_ready(READY_LIMIT)
            .map_err(|e| drive_fault(drive, "cannot ask the drive", &e))?;
        if readiness == Readiness::NeedsLoad {
            drive.load().map_err(|e| drive_fault(drive, "cannot load the medium", &e))?;
            readiness = Readiness::Ready;
        }
        match readiness {
            Readiness::Ready => Ok(true),
            Readiness::NoMedium => Ok(false),
            other => Err(Fault::later(
                Blame::Drive,
                format!("{} is not ready: {}", drive.name(), word(&other)),
            )),
        }
    }

    /// Takes the cartridge in the drive back to where it came from.
    pub fn put_away(&mut self) -> Result<(), Fault> {
        let Some(inventory) = self.inventory()? else {
            return Err(no_changer("the cartridge cannot be changed"));
        };
        if !inventory.drives.iter().any(|bay| bay.full) || !self.is_loaded()? {
            return Ok(());
        }
        let bay = self.bay(&inventory)?;
        let home = bay.source.filter(|&home| inventory.at(home).is_some_and(|e| !e.full));
        let home = home.or_else(|| inventory.first_free_storage().map(|e| e.address)).ok_or_else(
            || {
                Fault::later(
                    Blame::Operator,
                    "the library has no free slot for the cartridge in the drive",
                )
            },
        )?;
        let drive = self.drive();
        drive.unload().map_err(|e| drive_fault(drive, "cannot unload the medium", &e))?;
        self.move_medium(bay.address, home)
    }

    fn move_medium(&mut self, from: ElementAddress, to: ElementAddress) -> Result<(), Fault> {
        let Some(changer) = &mut self.changer else {
            return Err(no_changer("nothing can be moved"));
        };
        let what = format!("cannot move the cartridge from element {} to {}", from.0, to.0);
        changer.move_medium(from, to).map_err(|e| changer_fault(changer, &what, &e))
    }

    /// Brings the cartridge of a storage element into the drive, putting another one away first.
    pub fn fetch(&mut self, from: ElementAddress) -> Result<(), Fault> {
        self.put_away()?;
        let inventory = self.inventory()?.ok_or_else(|| no_changer("nothing can be fetched"))?;
        self.move_in(&inventory, from)
    }

    /// Brings the cartridge with this barcode into the drive.
    pub fn fetch_tag(&mut self, tag: &str) -> Result<(), Fault> {
        if self.tag_in_drive()?.as_deref() == Some(tag) && self.is_loaded()? {
            return Ok(());
        }
        let inventory =
            self.inventory()?.ok_or_else(|| no_changer(&format!("{tag} cannot be fetched")))?;
        let wanted = VolumeTag::new(tag.as_bytes())
            .ok_or_else(|| Fault::usage("an empty volume tag names no cartridge"))?;
        match inventory.with_volume_tag(&wanted).as_slice() {
            [one] => self.fetch(one.address),
            [] => Err(Fault::later(Blame::Operator, format!("the library has no cartridge {tag}"))
                .hint("see `library inventory`; put it into the mail slot or a free slot")),
            _ => {
                Err(Fault::never(Blame::Operator, format!("the library has two cartridges {tag}"))
                    .hint("take one of them out: they cannot be told apart"))
            }
        }
    }

    /// What the cartridge in the drive is, its label checked against the barcode.
    pub fn identify(&mut self) -> Result<Found, Fault> {
        let drive = self.drive();
        let found = identify(drive).map_err(|e| drive_fault(drive, "cannot read the label", &e))?;
        let tag = self.tag_in_drive()?;
        if let (Found::Ours { label, damage }, Some(tag)) = (&found, tag) {
            if !label.volume_tag.is_empty() && label.volume_tag != tag {
                return Err(Fault::never(
                    Blame::Operator,
                    format!(
                        "the cartridge with barcode {tag} says on tape that it is {}",
                        label.volume_tag
                    ),
                )
                .hint("somebody changed barcodes; nothing is written until they agree"));
            }
            if let Some(damage) = damage {
                tracing::warn!(volume = label.name(), "{damage}");
            }
        }
        Ok(found)
    }

    /// Lends the drive out.
    pub fn lend(&mut self) -> Drive {
        self.drive.take().expect("the drive is here unless lent to a reel")
    }

    /// Takes the drive back.
    pub fn give_back(&mut self, drive: Drive) {
        self.drive = Some(drive);
    }

    /// Brings the next cartridge that was not tried in this run into the drive. `None`: there is no
    /// other.
    pub fn fetch_untried(&mut self) -> Result<Option<ElementAddress>, Fault> {
        let Some(inventory) = self.inventory()? else { return Ok(None) };
        let is_cleaning =
            |e: &Element| e.volume_tag.as_ref().is_some_and(VolumeTag::looks_like_cleaner);
        // A changer that never sets ACCESS does not mean it.
        let tells_access = inventory.storage.iter().any(|e| e.accessible);
        let usable = |e: &&Element| {
            e.full && e.except.is_none() && (e.accessible || !tells_access) && !is_cleaning(e)
        };
        let mut candidates = inventory.storage.iter().filter(usable);
        let next = candidates.find(|e| !self.tried.contains(&e.address.0)).map(|e| e.address);
        let Some(address) = next else { return Ok(None) };
        self.tried.insert(address.0);
        self.fetch(address)?;
        Ok(Some(address))
    }

    /// Brings a blank cartridge into the drive; tells the highest number of a volume of `set` that it
    /// met on the way.
    fn fetch_blank(&mut self, set: Option<uuid::Uuid>) -> Result<u32, Fault> {
        let mut highest = 0;
        while let Some(element) = self.fetch_untried()? {
            match self.identify()? {
                Found::Blank => return Ok(highest),
                Found::Ours { label, .. } => {
                    if set == Some(label.set_id) {
                        highest = highest.max(label.volume_number);
                    }
                    tracing::info!(element = element.0, volume = label.name(), "not blank");
                }
                Found::Foreign { why } => {
                    tracing::info!(element = element.0, why, "not blank, not ours")
                }
            }
        }
        Err(Fault::later(Blame::Operator, "there is no blank cartridge left").hint(
            "put blank cartridges into the library, or release one with `tapioca drive erase`",
        ))
    }

    /// Labels the blank cartridge in the drive. Where no changer tells its barcode, it is `tag`.
    fn label_blank(
        &mut self,
        set: uuid::Uuid,
        number: u32,
        tag: Option<String>,
    ) -> Result<Reel, Fault> {
        let label = Label {
            volume_tag: self.tag_in_drive()?.or(tag).unwrap_or_default(),
            volume_id: (self.scribe.new_id)(),
            set_id: set,
            volume_number: number,
            block_bytes: self.block_bytes,
            created_s: (self.scribe.now_s)(),
        };
        let drive = self.lend();
        Reel::initialise(drive, label)
    }
}

/// Reading.
impl Mount {
    /// The volume that was asked for, or the one in the drive.
    pub fn first_to_read(&mut self) -> Result<VolumeReader, Fault> {
        match self.volume.clone() {
            Some(tag) => self.fetch_tag(&tag)?,
            None if self.is_loaded()? => {}
            None => {
                return Err(Fault::later(Blame::Operator, "there is no cartridge in the drive")
                    .hint("put one in, or name it with --changer and --volume"));
            }
        }
        self.reader()
    }

    /// The cartridge with this barcode.
    pub fn read_tag(&mut self, tag: &str) -> Result<VolumeReader, Fault> {
        self.fetch_tag(tag)?;
        self.reader()
    }

    /// The cartridge in the drive, which must be a volume of ours.
    pub fn reader(&mut self) -> Result<VolumeReader, Fault> {
        let found = self.identify()?;
        let drive = self.drive().name().to_owned();
        match found {
            Found::Ours { label, .. } => Ok(VolumeReader::new(self.lend(), label)),
            Found::Blank => {
                Err(Fault::never(Blame::Operator, format!("the cartridge in {drive} is blank")))
            }
            Found::Foreign { why } => Err(Fault::never(
                Blame::Operator,
                format!("the cartridge in {drive} is not ours: {why}"),
            )),
        }
    }

    /// Tries every cartridge of the library for volumes of a set; by number.
    pub fn volumes_of(&mut self, set: uuid::Uuid) -> Result<Vec<(u32, ElementAddress)>, Fault> {
        self.start_search();
        let mut volumes = Vec::new();
        while let Some(element) = self.fetch_untried()? {
            if let Found::Ours { label, .. } = self.identify()?
                && label.set_id == set
            {
                volumes.push((label.volume_number, element));
            }
        }
        volumes.sort_unstable();
        Ok(volumes)
    }

    /// The volume whose cartridge belongs into this storage element.
    pub fn read_element(&mut self, element: ElementAddress) -> Result<VolumeReader, Fault> {
        self.put_away()?;
        self.fetch(element)?;
        self.reader()
    }

    /// Starts a search through the cartridges of the library.
    pub fn start_search(&mut self) {
        self.tried.clear();
    }

    /// The next volume of a set that this search has not seen; `None` when there is no other.
    pub fn next_of_set(&mut self, set: uuid::Uuid) -> Result<Option<VolumeReader>, Fault> {
        while let Some(tag) = self.expected.pop_front() {
            // One that is not there may still be found under another barcode.
            let fetched = self.fetch_tag(&tag);
            if let Err(fault) = fetched {
                tracing::warn!(%fault, tag, "an expected cartridge cannot be fetched");
                continue;
            }
            if let Found::Ours { label, .. } = self.identify()?
                && label.set_id == set
            {
                return Ok(Some(VolumeReader::new(self.lend(), label)));
            }
        }
        while self.changer.is_some() && self.fetch_untried()?.is_some() {
            match self.identify()? {
                Found::Ours { label, .. } if label.set_id == set => {
                    return Ok(Some(VolumeReader::new(self.lend(), label)));
                }
                Found::Ours { .. } | Found::Blank | Found::Foreign { .. } => {}
            }
        }
        Ok(None)
    }
}

impl Mount {
    fn foreign(&mut self, why: &str) -> Fault {
        let name = self.drive().name();
        Fault::never(
            Blame::Operator,
            format!("the cartridge in {name} is not ours and not blank ({why}); it is not overwritten"),
        )
        .hint("use another cartridge, or erase this one with `tapioca drive erase` if nothing on it is needed")
    }
}

impl Shelf for Mount {
    fn first(&mut self) -> Result<Reel, Fault> {
        match self.volume.clone() {
            Some(tag) => self.fetch_tag(&tag)?,
            None if self.is_loaded()? => {}
            None if self.changer.is_some() => {
                self.fetch_blank(None)?;
            }
            None => {
                return Err(Fault::later(Blame::Operator, "there is no cartridge in the drive")
                    .hint("put one in, or name the changer with --changer"));
            }
        }
        match self.identify()? {
            Found::Blank => {
                let set = self.set.unwrap_or_else(|| (self.scribe.new_id)());
                self.label_blank(set, 1, None)
            }
            Found::Ours { label, .. } => {
                let drive = self.lend();
                Reel::append(drive, label)
            }
            Found::Foreign { why } => Err(self.foreign(&why)),
        }
    }

    fn next(&mut self, full: Reel) -> Result<Reel, Fault> {
        let Reel { drive, label, .. } = full;
        self.give_back(drive);
        if self.changer.is_none() {
            return Err(no_changer(&format!(
                "{} is full and the backup needs another cartridge",
                label.name()
            )));
        }
        self.put_away()?;
        let highest = self.fetch_blank(Some(label.set_id))?;
        self.block_bytes = label.block_bytes;
        self.label_blank(label.set_id, label.volume_number.max(highest) + 1, None)
    }
}

fn no_changer(what: &str) -> Fault {
    Fault::later(Blame::Operator, format!("{what}: no changer was named"))
        .hint("name it with --changer")
}

fn word(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Ready => "ready".into(),
        Readiness::BecomingReady => "still becoming ready".into(),
        Readiness::NoMedium => "no medium".into(),
        Readiness::NeedsLoad => "the medium is not mounted".into(),
        Readiness::Cleaning => "a cleaning cartridge is in it, or it is being cleaned".into(),
        Readiness::Other(sense) => format!("sense {sense}"),
    }
}
