//! `drive list`: which devices there are.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::print_rows;
use crate::cli::Done;
use crate::cli::table::print_json;
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
            let one = |row: &Vec<String>| json!({"device": row[0], "kind": row[1], "vendor": row[2], "product": row[3], "serial": row[4]});
            print_json(&rows.iter().map(one).collect())?;
            return Ok(Done::Whole);
        }
        print_rows(&["DEVICE", "KIND", "VENDOR", "PRODUCT", "SERIAL"], &[], rows)
    }
}

fn real() -> Result<Vec<Vec<String>>, Fault> {
    let found = sg::discover().map_err(|e| Fault::host("cannot look for devices", &e))?;
    let row = |found: sg::Found| {
        let kind = match found.kind {
            sg::Kind::Tape => "tape drive",
            sg::Kind::Changer => "changer",
        };
        let (node, serial) = (found.node.display().to_string(), found.serial.unwrap_or_default());
        vec![node, kind.into(), found.vendor, found.product, serial]
    };
    Ok(found.into_iter().map(row).collect())
}

fn of_library(dir: &std::path::Path) -> Result<Vec<Vec<String>>, Fault> {
    let library = virt::Library::open(dir)
        .map_err(|e| Fault::never(Blame::Operator, format!("cannot open the library: {e}")))?;
    let row = |name, kind: &str, serial| {
        vec![name, kind.to_owned(), "-".to_owned(), "virtual".to_owned(), serial]
    };
    let drives = library.drives().into_iter().zip(library.drive_serials());
    let drives = drives.map(|(name, serial)| row(name, "tape drive", serial));
    let changer = row(library.changer_name(), "changer", library.changer_serial());
    Ok(drives.chain([changer]).collect())
}
