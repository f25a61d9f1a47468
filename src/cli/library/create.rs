//! `library create`: a virtual library in a directory.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use virt::{MediumSpec, Shape};

use crate::cli::Done;
use crate::cli::table::{self, print};
use crate::stream::{Blame, Fault};

#[derive(Args)]
pub(in crate::cli) struct Create {
    /// Directory to make it in
    dir: PathBuf,
    /// Tape drives
    #[arg(long, value_name = "N", default_value_t = 2)]
    drives: u16,
    /// Slots
    #[arg(long, value_name = "N", default_value_t = 24)]
    slots: u16,
    /// Mail slots
    #[arg(long, value_name = "N", default_value_t = 2)]
    mail_slots: u16,
    /// Cartridges, with barcodes made from the prefix
    #[arg(long, value_name = "N", default_value_t = 8, conflicts_with = "volumes")]
    media: u16,
    /// Cartridges with these barcodes
    #[arg(long, value_name = "TAG", num_args = 1..)]
    volumes: Vec<String>,
    /// What one cartridge holds: bytes, or with a unit: 500MB, 2GiB
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = size)]
    capacity: u64,
    /// First letters of the barcodes that are made
    #[arg(long, value_name = "TEXT", default_value = "TAP", conflicts_with = "volumes")]
    prefix: String,
}

impl Create {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let numbered = || (1..=self.media).map(|n| format!("{}{n:03}L9", self.prefix)).collect();
        let tags: Vec<String> =
            if self.volumes.is_empty() { numbered() } else { self.volumes.clone() };
        let shape = Shape {
            drives: self.drives,
            slots: self.slots,
            mail_slots: self.mail_slots,
            media: tags.iter().map(|tag| medium(tag, self.capacity)).collect(),
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
        print(|out| self.tell(&library, tags.len(), out))?;
        Ok(Done::Whole)
    }

    fn tell(
        &self,
        library: &virt::Library,
        media: usize,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let (changer, drives) = (library.changer_name(), library.drives());
        writeln!(
            out,
            "made a virtual library: {} drives, {} slots, {} mail slots, {media} cartridges of {}",
            self.drives,
            self.slots,
            self.mail_slots,
            table::bytes(self.capacity),
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
}

/// A medium whose early warning leaves room for what is on its way then and for an index, however
/// small the medium is.
fn medium(tag: &str, capacity: u64) -> MediumSpec {
    const ROOM: u64 = 8 << 20;
    let early_warning_bytes = (capacity / 16).max(ROOM.min(capacity / 4));
    MediumSpec { early_warning_bytes, ..MediumSpec::data(tag, capacity) }
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
