//! `library load`, `unload` and `move`: one cartridge from here to there.

use std::io::Write;

use clap::Args;
use scsi::VolumeTag;
use scsi::element::ElementKind;
use smc::{Changer, Element, Inventory};

use super::status::take;
use crate::cli::Done;
use crate::cli::table::print;
use crate::library::PlaceName;
use crate::library::device::{find_drive, open_changer, open_drive};
use crate::library::fault::{changer_fault, drive_fault};
use crate::stream::{Blame, Fault};

#[derive(Args)]
pub(in crate::cli) struct Load {
    /// Media changer: /dev/sgN or virtual:DIR#changer
    #[arg(long, value_name = "DEV")]
    changer: String,
    /// Barcode of the cartridge
    #[arg(long, value_name = "TAG", required_unless_present = "slot")]
    volume: Option<String>,
    /// The slot it lies in, from 1
    #[arg(long, value_name = "N", conflicts_with = "volume")]
    slot: Option<u16>,
    /// The drive to load, from 0 (default: the first empty one)
    #[arg(long, value_name = "N")]
    drive_bay: Option<u16>,
}

#[derive(Args)]
pub(in crate::cli) struct Unload {
    /// Media changer: /dev/sgN or virtual:DIR#changer
    #[arg(long, value_name = "DEV")]
    changer: String,
    /// The drive to empty, from 0 (default: the only full one)
    #[arg(long, value_name = "N")]
    drive_bay: Option<u16>,
    /// The slot to put the cartridge into, from 1 (default: where it came from)
    #[arg(long, value_name = "N")]
    to_slot: Option<u16>,
    /// The drive's own device, to make it eject first (default: found by its serial number)
    #[arg(long, value_name = "DEV")]
    drive: Option<String>,
}

#[derive(Args)]
pub(in crate::cli) struct Move {
    /// Media changer: /dev/sgN or virtual:DIR#changer
    #[arg(long, value_name = "DEV")]
    changer: String,
    /// slot:N, drive:N, mail:N or element:ADDRESS
    #[arg(long, value_name = "PLACE")]
    from: PlaceName,
    /// slot:N, drive:N, mail:N or element:ADDRESS
    #[arg(long, value_name = "PLACE")]
    to: PlaceName,
}

fn refused(why: impl Into<String>) -> Fault {
    Fault::never(Blame::Operator, why).hint("see `tapioca library status` for what is where")
}

fn drive_bay(number: u16) -> PlaceName {
    PlaceName::Nth(ElementKind::DataTransfer, number)
}

fn slot(number: u16) -> PlaceName {
    PlaceName::Nth(ElementKind::Storage, number)
}

impl Load {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut changer = open_changer(&self.changer)?;
        let inventory = take(&mut changer)?;
        let from = self.from(&inventory)?;
        let to = match self.drive_bay {
            Some(number) => drive_bay(number).find(&inventory).map_err(refused)?,
            None => inventory
                .drives
                .iter()
                .find(|drive| drive.is_free())
                .ok_or_else(|| refused("no drive is empty"))?,
        };
        move_checked(&mut changer, &inventory, from, to)
    }

    fn from<'a>(&self, inventory: &'a Inventory) -> Result<&'a Element, Fault> {
        let Some(tag) = &self.volume else {
            let number = self.slot.unwrap_or_default();
            return slot(number).find(inventory).map_err(refused);
        };
        let wanted = VolumeTag::new(tag.as_bytes())
            .ok_or_else(|| Fault::usage("an empty volume tag names no cartridge"))?;
        match inventory.with_volume_tag(&wanted).as_slice() {
            [one] => Ok(one),
            [] => Err(refused(format!("the library has no cartridge {tag}"))),
            _ => Err(refused(format!("the library has more than one cartridge {tag}"))),
        }
    }
}

impl Unload {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut changer = open_changer(&self.changer)?;
        let inventory = take(&mut changer)?;
        let from = self.bay(&inventory)?;
        let to = self.home(&inventory, from)?;
        if !to.is_free() {
            return Err(refused(format!("{} is not free", PlaceName::of(&inventory, to.address))));
        }
        match self.drive.clone().map_or_else(|| find_drive(&self.changer, from), |d| Ok(Some(d)))? {
            Some(device) => eject(&device, from)?,
            None => {
                tracing::warn!("the drive's device is not known: it is not made to eject first")
            }
        }
        move_checked(&mut changer, &inventory, from, to)
    }

    fn bay<'a>(&self, inventory: &'a Inventory) -> Result<&'a Element, Fault> {
        if let Some(number) = self.drive_bay {
            return drive_bay(number).find(inventory).map_err(refused);
        }
        let full: Vec<&Element> = inventory.drives.iter().filter(|drive| drive.full).collect();
        match full.as_slice() {
            [one] => Ok(one),
            [] => Err(refused("no drive holds a cartridge")),
            _ => Err(refused("more than one drive holds a cartridge: say which with --drive-bay")),
        }
    }

    fn home<'a>(&self, inventory: &'a Inventory, from: &Element) -> Result<&'a Element, Fault> {
        if let Some(number) = self.to_slot {
            return slot(number).find(inventory).map_err(refused);
        }
        let source = from.source.and_then(|source| inventory.at(source));
        let home = source.filter(|home| home.is_free()).or_else(|| inventory.first_free_storage());
        home.ok_or_else(|| refused("there is no free slot"))
    }
}

/// Makes the drive let go of its medium. The device must be the drive in that bay.
fn eject(device: &str, bay: &Element) -> Result<(), Fault> {
    let mut drive = open_drive(device)?;
    let serial = drive.identity().serial.clone();
    if bay.device.is_some() && !serial.is_empty() && !bay.is_device(&serial) {
        return Err(refused(format!(
            "{device} (serial {serial}) is not the drive at element {}",
            bay.address
        )));
    }
    let unloaded = drive.unload();
    unloaded.map_err(|e| drive_fault(&drive, "cannot unload the medium", &e))
}

impl Move {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut changer = open_changer(&self.changer)?;
        let inventory = take(&mut changer)?;
        let from = self.from.find(&inventory).map_err(refused)?;
        let to = self.to.find(&inventory).map_err(refused)?;
        move_checked(&mut changer, &inventory, from, to)
    }
}

/// Moves what the inventory says can be moved, and says what was moved.
fn move_checked(
    changer: &mut Changer,
    inventory: &Inventory,
    from: &Element,
    to: &Element,
) -> Result<Done, Fault> {
    let name = |element: &Element| PlaceName::of(inventory, element.address).to_string();
    if !from.full {
        return Err(refused(format!("{} is empty", name(from))));
    }
    if to.full {
        return Err(refused(format!("{} is full", name(to))));
    }
    let what = format!("cannot move the cartridge from {} to {}", name(from), name(to));
    let moved = changer.move_medium(from.address, to.address);
    moved.map_err(|e| changer_fault(changer, &what, &e))?;
    let tag = from.volume_tag.as_ref().map_or("a cartridge".into(), ToString::to_string);
    print(|out| writeln!(out, "{tag}: {} -> {}", name(from), name(to)))?;
    Ok(Done::Whole)
}
