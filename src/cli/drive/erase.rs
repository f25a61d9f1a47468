//! `drive erase`: a cartridge is released, after its name was typed and found on it.

use std::io::Write;

use clap::Args;

use super::Named;
use crate::cli::Done;
use crate::cli::table::print;
use crate::library::fault::drive_fault;
use crate::library::{Found, erase, identify};
use crate::stream::{Blame, Fault};

#[derive(Args)]
pub(in crate::cli) struct Erase {
    #[command(flatten)]
    named: Named,
    /// The volume tag or volume identity on the tape's label, whole; of a foreign cartridge, the
    /// barcode or the serial number in its memory
    #[arg(long, value_name = "TAG-OR-ID")]
    volume: String,
    /// Allow it for a cartridge that is not ours
    #[arg(long)]
    foreign: bool,
}

fn refused(what: String) -> Fault {
    Fault::never(Blame::Operator, format!("{what}; nothing was erased"))
}

impl Erase {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut drive = self.named.open_ready()?;
        let found = identify(&mut drive);
        let found = found.map_err(|e| drive_fault(&drive, "cannot read the label", &e))?;
        match &found {
            Found::Blank => {
                print(|out| writeln!(out, "the cartridge is blank already"))?;
                return Ok(Done::Whole);
            }
            Found::Ours { label, .. } => {
                let names = [label.volume_tag.clone(), label.volume_id.to_string()];
                self.check_names(&names)?;
            }
            Found::Foreign { why } => self.check_foreign(&mut drive, why)?,
        }
        erase(&mut drive)?;
        print(|out| writeln!(out, "{} is erased and blank", self.volume))?;
        Ok(Done::Whole)
    }

    fn check_names(&self, names: &[String]) -> Result<(), Fault> {
        if names.iter().any(|name| !name.is_empty() && *name == self.volume) {
            return Ok(());
        }
        let named: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        Err(refused(format!(
            "the cartridge in {} is {}, not {}",
            self.named.drive,
            named.join(" or "),
            self.volume
        )))
    }

    fn check_foreign(&self, drive: &mut ssc::Drive, why: &str) -> Result<(), Fault> {
        if !self.foreign {
            return Err(refused(format!("the cartridge is not ours: {why}"))
                .hint("if nothing on it is needed, say --foreign"));
        }
        let medium = drive.medium();
        let medium = medium.map_err(|e| drive_fault(drive, "cannot ask for the medium", &e))?;
        let names: Vec<String> = [medium.barcode, medium.serial].into_iter().flatten().collect();
        match names.is_empty() {
            true => Err(refused(
                "a foreign cartridge without a memory cannot be told from another".into(),
            )),
            false => self.check_names(&names),
        }
    }
}
