//! `library create`: a virtual library in a directory.

use std::io::Write;
use std::path::PathBuf;

use board::{Board, VirtualLibrary};
use clap::Args;
use virt::{MediumKind, MediumSpec, Shape};

use crate::cli::Done;
use crate::cli::table::{self, print};
use crate::stream::{Blame, Fault};

#[derive(Args)]
pub(in crate::cli) struct Create {
    /// Directory to make it in
    dir: PathBuf,
    /// The machine whose library to make, for all that is not given here (see `board`)
    #[arg(long, value_name = "NAME|FILE", default_value = "dev-host")]
    board: String,
    /// Tape drives
    #[arg(long, value_name = "N")]
    drives: Option<u16>,
    /// Slots
    #[arg(long, value_name = "N")]
    slots: Option<u16>,
    /// Mail slots
    #[arg(long, value_name = "N")]
    mail_slots: Option<u16>,
    /// Cartridges, with barcodes made from the prefix
    #[arg(long, value_name = "N", conflicts_with = "volumes")]
    media: Option<u16>,
    /// Cartridges with these barcodes; one that begins with CLN cleans drives
    #[arg(long, value_name = "TAG", num_args = 1..)]
    volumes: Vec<String>,
    /// What one cartridge holds: bytes, or with a unit: 500MB, 2GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    capacity: Option<u64>,
    /// First letters of the barcodes that are made
    #[arg(long, value_name = "TEXT", default_value = "TAP", conflicts_with = "volumes")]
    prefix: String,
}

impl Create {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let board = virtual_library(&self.board)?;
        let capacity = self.capacity.unwrap_or(board.cartridge_mib << 20);
        let shape = Shape {
            drives: self.drives.unwrap_or(board.drives),
            slots: self.slots.unwrap_or(board.slots),
            mail_slots: self.mail_slots.unwrap_or(board.mail_slots),
            media: self.tags(board.cartridges).iter().map(|tag| medium(tag, capacity)).collect(),
            ..Shape::default()
        };
        let library = virt::Library::create(&self.dir, &shape).map_err(|error| {
            let what = format!("cannot make the library: {error}");
            match error {
                virt::Error::BadShape(_) => Fault::usage(what),
                virt::Error::Exists(_) => Fault::never(Blame::Operator, what)
                    .hint("name another directory; this one was not touched"),
                _ => Fault::later(Blame::Host, what),
            }
        })?;
        print(|out| tell(&library, &shape, capacity, out))?;
        Ok(Done::Whole)
    }

    fn tags(&self, usual: u16) -> Vec<String> {
        let numbered = |n| format!("{}{n:03}L9", self.prefix);
        match self.volumes.is_empty() {
            true => (1..=self.media.unwrap_or(usual)).map(numbered).collect(),
            false => self.volumes.clone(),
        }
    }
}

fn virtual_library(board: &str) -> Result<VirtualLibrary, Fault> {
    let found = Board::load(board).map_err(|e| Fault::usage(e.to_string()))?;
    let none = || Fault::usage(format!("{board}: this machine has no virtual library"));
    found.virtual_library.ok_or_else(none)
}

fn tell(
    library: &virt::Library,
    shape: &Shape,
    capacity: u64,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let (changer, drives) = (library.changer_name(), library.drives());
    writeln!(
        out,
        "made a virtual library: {} drives, {} slots, {} mail slots, {} cartridges of {}",
        shape.drives,
        shape.slots,
        shape.mail_slots,
        shape.media.len(),
        table::bytes(capacity),
    )?;
    writeln!(out, "  {changer}")?;
    drives.iter().try_for_each(|drive| writeln!(out, "  {drive}"))?;
    let drive = drives.first().map_or("", String::as_str);
    writeln!(out, "\ntry next:")?;
    writeln!(out, "  tapioca library status --changer '{changer}'")?;
    writeln!(
        out,
        "  tapioca src_filesys /etc | tapioca proc_record | tapioca sink_tape --drive '{drive}' --changer '{changer}'"
    )?;
    writeln!(out, "  tapioca library list --drive '{drive}' --changer '{changer}' --files")
}

/// A medium whose early warning leaves room for what is on its way then and for an index, however
/// small the medium is.
fn medium(tag: &str, capacity: u64) -> MediumSpec {
    const ROOM: u64 = 8 << 20;
    let early_warning_bytes = (capacity / 16).max(ROOM.min(capacity / 4));
    let kind = if tag.starts_with("CLN") { MediumKind::Cleaning } else { MediumKind::Data };
    MediumSpec { early_warning_bytes, kind, ..MediumSpec::data(tag, capacity) }
}

/// A number of bytes with an optional unit, binary (`GiB`) or decimal (`GB`).
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 11] = [
        ("", 1),
        ("B", 1),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("PiB", 1 << 50),
    ];
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
    let bytes = number.parse::<u64>().ok().zip(scale).and_then(|(n, (_, s))| n.checked_mul(*s));
    bytes.filter(|&bytes| bytes > 0).ok_or_else(|| "want a size such as 2GiB or 500MB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("500 MB"), Ok(500_000_000));
        assert_eq!(size("4096"), Ok(4096));
        for bad in ["", "0", "GiB", "2XB", "-1", "99999999TiB"] {
            assert!(size(bad).is_err(), "{bad} was taken");
        }
    }
}
