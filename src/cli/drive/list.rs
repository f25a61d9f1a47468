//! `drive list`: which devices there are.

use std::path::PathBuf;

use clap::Args;
use discover::{Device, Kind};
use serde_json::json;

use super::print_rows;
use crate::cli::Done;
use crate::cli::table::print_json;
use crate::library::device::attached;
use crate::stream::{Blame, Fault};

#[derive(Args)]
pub(in crate::cli) struct List {
    /// Show the devices of this virtual library too
    #[arg(long, value_name = "DIR")]
    r#virtual: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut rows = real()?;
        if let Some(dir) = &self.r#virtual {
            rows.extend(of_library(dir)?);
        }
        if self.json {
            let one = |row: &Vec<String>| json!({"device": row[0], "kind": row[1], "vendor": row[2], "product": row[3], "serial": row[4], "key": row[5]});
            print_json(&rows.iter().map(one).collect())?;
            return Ok(Done::Whole);
        }
        print_rows(&["DEVICE", "KIND", "VENDOR", "PRODUCT", "SERIAL", "KEY"], &[], rows)
    }
}

fn real() -> Result<Vec<Vec<String>>, Fault> {
    let row = |device: Device| {
        let kind = match device.identity.kind {
            Kind::Drive => "tape drive",
            Kind::Changer => "changer",
        };
        let serial = device.identity.serial.unwrap_or_default();
        let (node, key) = (device.node.display().to_string(), device.key.to_string());
        vec![node, kind.into(), device.vendor, device.product, serial, key]
    };
    Ok(attached()?.into_iter().map(row).collect())
}

fn of_library(dir: &std::path::Path) -> Result<Vec<Vec<String>>, Fault> {
    let library = virt::Library::open(dir)
        .map_err(|e| Fault::never(Blame::Operator, format!("cannot open the library: {e}")))?;
    let row = |name, kind: &str, serial| {
        vec![name, kind.to_owned(), "-".to_owned(), "virtual".to_owned(), serial, String::new()]
    };
    let drives = library.drives().into_iter().zip(library.drive_serials());
    let drives = drives.map(|(name, serial)| row(name, "tape drive", serial));
    let changer = row(library.changer_name(), "changer", library.changer_serial());
    Ok(drives.chain([changer]).collect())
}
