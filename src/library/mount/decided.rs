//! Cartridges for whoever decides on them itself.
//!
//! Owns the steps of which another picks the cartridge: label this one, append to that one, clean with
//! that. The checks are those of everybody: what is neither blank nor recognised is never written to.

use std::time::Duration;

use scsi::{ElementAddress, VolumeTag};
use smc::Inventory;
use ssc::{MediumInfo, Readiness};

use super::{Mount, no_changer};
use crate::library::fault::drive_fault;
use crate::library::reader::VolumeReader;
use crate::library::reel::{self, Found, Reel};
use crate::stream::{Blame, Fault};

/// A cleaning takes two minutes; worn drives take longer.
const CLEANING_LIMIT: Duration = Duration::from_secs(15 * 60);

impl Mount {
    /// Whether there is a cartridge in the drive.
    pub fn has_medium(&mut self) -> Result<bool, Fault> {
        self.is_loaded()
    }

    /// Makes the blank cartridge in the drive a volume of `set`.
    ///
    /// # Errors
    ///
    /// It is not blank; then nothing is written.
    pub fn label_new(
        mut self,
        set: uuid::Uuid,
        number: u32,
        tag: Option<String>,
    ) -> Result<Reel, Fault> {
        match self.identify()? {
            Found::Blank => self.label_blank(set, number, tag),
            Found::Ours { label, .. } => {
                let what = format!("the cartridge is not blank: it is {}", label.name());
                Err(Fault::never(Blame::Operator, format!("{what}; it is not overwritten")))
            }
            Found::Foreign { why } => Err(self.foreign(&why)),
        }
    }

    /// The volume in the drive, to write behind its data.
    pub fn append(mut self) -> Result<Reel, Fault> {
        match self.identify()? {
            Found::Blank => {
                Err(Fault::never(Blame::Operator, "the cartridge is blank; it has no volume"))
            }
            Found::Ours { label, .. } => Reel::append(self.lend(), label),
            Found::Foreign { why } => Err(self.foreign(&why)),
        }
    }

    /// Makes blank what may be written over: a volume of ours on which nothing ever was, or the one
    /// that is `over`.
    pub fn erase_if_expired(&mut self, over: Option<uuid::Uuid>) -> Result<(), Fault> {
        let Found::Ours { label, .. } = self.identify()? else { return Ok(()) };
        if over == Some(label.volume_id) {
            return self.erase();
        }
        let mut reader = VolumeReader::new(self.lend(), label);
        let (first, end) = (reader.first_part()?, reader.end()?);
        reader.lend_back(self);
        match first.is_none_or(|first| first >= end) {
            true => self.erase(),
            false => Ok(()),
        }
    }

    /// What is known about the medium in the drive.
    pub fn medium(&mut self) -> Result<MediumInfo, Fault> {
        let drive = self.drive();
        let asked = drive.medium();
        asked.map_err(|e| drive_fault(drive, "cannot ask for the medium", &e))
    }

    /// Takes the cartridge in the drive to the element `home`.
    pub fn put_to(&mut self, home: ElementAddress) -> Result<(), Fault> {
        let inventory = self.inventory()?.ok_or_else(|| no_changer("nothing can be put away"))?;
        let bay = self.bay(&inventory)?;
        if !bay.full {
            return Ok(());
        }
        self.eject()?;
        self.move_medium(bay.address, home)
    }

    /// Brings the cartridge of an element into the drive, which is empty.
    pub fn fetch_from(&mut self, from: ElementAddress) -> Result<(), Fault> {
        let inventory = self.inventory()?.ok_or_else(|| no_changer("nothing can be fetched"))?;
        self.move_in(&inventory, from)
    }

    /// Lets go of the cartridge in the drive.
    pub fn eject(&mut self) -> Result<(), Fault> {
        let drive = self.drive();
        drive.unload().map_err(|e| drive_fault(drive, "cannot unload the medium", &e))
    }

    /// Makes the cartridge in the drive blank, and looks whether it is.
    pub fn erase(&mut self) -> Result<(), Fault> {
        reel::erase(self.drive())
    }

    /// Brings a cleaning cartridge into the drive, waits until the drive is clean and takes it back.
    pub fn clean_with(&mut self, tag: &str) -> Result<(), Fault> {
        self.put_away()?;
        let inventory = self.inventory()?.ok_or_else(|| no_changer("nothing can be fetched"))?;
        let wanted = VolumeTag::new(tag.as_bytes())
            .ok_or_else(|| Fault::usage("an empty volume tag names no cartridge"))?;
        let found = inventory.with_volume_tag(&wanted);
        let home = found.first().map(|element| element.address);
        let home = home.ok_or_else(|| {
            Fault::later(Blame::Operator, format!("the library has no cartridge {tag}"))
        })?;
        let bay = self.bay_of_empty(&inventory)?;
        self.move_medium(home, bay)?;
        let readiness = self.drive().wait_ready(CLEANING_LIMIT);
        let drive = self.drive();
        let readiness =
            readiness.map_err(|e| drive_fault(drive, "cannot wait for the cleaning", &e))?;
        if matches!(readiness, Readiness::Cleaning | Readiness::BecomingReady) {
            let what = format!("{} is still being cleaned after a long time", drive.name());
            return Err(Fault::later(Blame::Drive, what).hint("leave the cleaning cartridge in it"));
        }
        self.move_medium(bay, home)
    }

    /// The changer's element that is our drive, which is empty.
    fn bay_of_empty(&mut self, inventory: &Inventory) -> Result<ElementAddress, Fault> {
        let told = self.told_bay(inventory).map(|bay| bay.address);
        told.ok_or_else(|| {
            let name = self.drive().name().to_owned();
            let what = format!("the changer does not tell which of its drives is {name}");
            Fault::never(Blame::Operator, what)
        })
    }
}
