//! `library status` and `library inventory`: where every cartridge is.

use clap::Args;
use serde_json::{Value, json};
use smc::{Changer, Element};

use crate::cli::Done;
use crate::cli::table::{Table, print, print_json};
use crate::library::PlaceName;
use crate::library::device::open_changer;
use crate::library::fault::changer_fault;
use crate::stream::Fault;

#[derive(Args)]
pub(in crate::cli) struct Status {
    /// Media changer: /dev/sgN or virtual:DIR#changer
    #[arg(long, value_name = "DEV")]
    changer: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Inventory {
    #[command(flatten)]
    status: Status,
    /// Let the robot look at every element first: minutes
    #[arg(long)]
    scan: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut changer = open_changer(&self.changer)?;
        self.show(&mut changer)
    }

    fn show(&self, changer: &mut Changer) -> Result<Done, Fault> {
        let inventory = take(changer)?;
        match self.json {
            true => print_json(&as_json(changer, &inventory))?,
            false => print(|out| {
                use std::io::Write;
                writeln!(out, "{}", heading(changer, &inventory))?;
                as_table(&inventory).write(out)
            })?,
        }
        Ok(Done::Whole)
    }
}

impl Inventory {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut changer = open_changer(&self.status.changer)?;
        if self.scan {
            let scanned = changer.initialize();
            scanned.map_err(|e| changer_fault(&changer, "cannot take stock", &e))?;
        }
        self.status.show(&mut changer)
    }
}

pub(super) fn take(changer: &mut Changer) -> Result<smc::Inventory, Fault> {
    let taken = changer.inventory();
    taken.map_err(|e| changer_fault(changer, "cannot take the inventory", &e))
}

fn heading(changer: &Changer, inventory: &smc::Inventory) -> String {
    let identity = changer.identity();
    let serial = identity.serial.as_ref().map_or(String::new(), |s| format!(" serial {s}"));
    let full =
        |list: &[Element]| format!("{} of {}", list.iter().filter(|e| e.full).count(), list.len());
    format!(
        "{} {}{serial}: full are {} drives, {} slots, {} mail slots",
        identity.inquiry.vendor,
        identity.inquiry.product,
        full(&inventory.drives),
        full(&inventory.storage),
        full(&inventory.import_export)
    )
}

/// Drives, the hand when it holds something, slots, mail slots.
fn shown(inventory: &smc::Inventory) -> impl Iterator<Item = &Element> {
    let hands = inventory.transports.iter().filter(|hand| hand.full);
    inventory.drives.iter().chain(hands).chain(&inventory.storage).chain(&inventory.import_export)
}

fn as_table(inventory: &smc::Inventory) -> Table {
    let mut table =
        Table::new(&["PLACE", "ELEMENT", "STATE", "VOLUME", "FROM", "DRIVE SERIAL"], &[1]);
    for element in shown(inventory) {
        table.row([
            PlaceName::of(inventory, element.address).to_string(),
            element.address.to_string(),
            state(element),
            tag(element).unwrap_or_default(),
            source(inventory, element).unwrap_or_default(),
            serial(element).unwrap_or_default(),
        ]);
    }
    table
}

fn state(element: &Element) -> String {
    match (element.except, element.full) {
        (Some((asc, ascq)), _) => format!("abnormal {asc:02X}/{ascq:02X}"),
        (None, true) => "full".into(),
        (None, false) => "empty".into(),
    }
}

fn tag(element: &Element) -> Option<String> {
    match (&element.volume_tag, element.full) {
        (Some(tag), _) => Some(tag.to_string()),
        (None, true) => Some("(no barcode)".into()),
        (None, false) => None,
    }
}

fn source(inventory: &smc::Inventory, element: &Element) -> Option<String> {
    let source = element
        .source
        .filter(|_| element.full && element.kind != scsi::element::ElementKind::Storage)?;
    Some(PlaceName::of(inventory, source).to_string())
}

/// The last word of what the changer calls the drive.
fn serial(element: &Element) -> Option<String> {
    let name = element.device.as_ref()?.name.to_string();
    name.split_whitespace().next_back().map(str::to_owned)
}

fn as_json(changer: &Changer, inventory: &smc::Inventory) -> Value {
    let identity = changer.identity();
    let elements: Vec<Value> = shown(inventory)
        .map(|element| {
            json!({
                "place": PlaceName::of(inventory, element.address).to_string(),
                "kind": element.kind.to_string(),
                "element": element.address.0,
                "full": element.full,
                "volume": element.volume_tag.as_ref().map(ToString::to_string),
                "from": source(inventory, element),
                "accessible": element.accessible,
                "abnormal": element.except.map(|(asc, ascq)| format!("{asc:02X}/{ascq:02X}")),
                "drive_serial": serial(element),
            })
        })
        .collect();
    json!({
        "changer": changer.name(),
        "vendor": identity.inquiry.vendor,
        "product": identity.inquiry.product,
        "serial": identity.serial,
        "elements": elements,
        "elements_not_reported": inventory.missing,
    })
}
