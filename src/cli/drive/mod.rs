//! `drive`: what an operator asks of one tape drive.

mod dump;
mod erase;
mod list;
mod status;

use clap::{Args, Subcommand};
use ssc::Readiness;

use super::Done;
use super::table::{Table, print};
use crate::library::device::open_drive;
use crate::library::fault::drive_fault;
use crate::stream::{Blame, Fault};

/// Look at and work one tape drive
#[derive(Subcommand)]
pub(super) enum Drive {
    /// Show who the drive is, what is in it and how both are
    Status(status::Status),
    /// Show the TapeAlert flags that are up
    Alerts(status::Alerts),
    /// Show the parameters of a log page as they come
    Log(status::Log),
    /// Show the cartridge memory
    Attributes(status::Attributes),
    /// Show drives and changers of this machine, or of a virtual library
    List(list::List),
    /// Go to a block
    Locate(Locate),
    /// Go to the beginning
    Rewind(Named),
    /// Mount the cartridge that is in the drive
    Load(Named),
    /// Let go of the cartridge
    Unload(Named),
    /// Release a cartridge: everything on it is lost
    Erase(erase::Erase),
    /// Copy the raw blocks of a cartridge to files, one for each tape file, for reader.py
    Dump(dump::Dump),
}

/// A drive.
#[derive(Args)]
pub(in crate::cli) struct Named {
    /// Tape drive: /dev/sgN or virtual:DIR#drive0
    #[arg(long, value_name = "DEV")]
    drive: String,
}

#[derive(Args)]
pub(in crate::cli) struct Locate {
    #[command(flatten)]
    named: Named,
    /// Block address, from 0
    #[arg(long, value_name = "N")]
    block: u64,
}

impl Named {
    fn open(&self) -> Result<ssc::Drive, Fault> {
        open_drive(&self.drive)
    }

    /// Opens it and makes sure that a cartridge is mounted.
    fn open_ready(&self) -> Result<ssc::Drive, Fault> {
        let mut drive = self.open()?;
        let ready = drive.ready();
        match ready.map_err(|e| drive_fault(&drive, "cannot ask the drive", &e))? {
            Readiness::Ready => Ok(drive),
            other => Err(Fault::later(
                Blame::Operator,
                format!("{} is not ready: {}", self.drive, readiness(&other)),
            )
            .hint("load a cartridge, or mount the one in it with `tapioca drive load`")),
        }
    }

    /// Opens it and does one thing.
    fn work(
        &self,
        what: &str,
        step: impl FnOnce(&mut ssc::Drive) -> Result<(), ssc::Error>,
    ) -> Result<Done, Fault> {
        let mut drive = self.open()?;
        let done = step(&mut drive);
        done.map_err(|e| drive_fault(&drive, &format!("cannot {what}"), &e))?;
        Ok(Done::Whole)
    }
}

impl Drive {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Drive::Status(_) => "drive status",
            Drive::Alerts(_) => "drive alerts",
            Drive::Log(_) => "drive log",
            Drive::Attributes(_) => "drive attributes",
            Drive::List(_) => "drive list",
            Drive::Locate(_) => "drive locate",
            Drive::Rewind(_) => "drive rewind",
            Drive::Load(_) => "drive load",
            Drive::Unload(_) => "drive unload",
            Drive::Erase(_) => "drive erase",
            Drive::Dump(_) => "drive dump",
        }
    }

    pub(super) fn run(self) -> Result<Done, Fault> {
        match self {
            Drive::Status(args) => args.run(),
            Drive::Alerts(args) => args.run(),
            Drive::Log(args) => args.run(),
            Drive::Attributes(args) => args.run(),
            Drive::List(args) => args.run(),
            Drive::Locate(Locate { named, block }) => named
                .work(&format!("locate block {block}"), |d| d.locate(scsi::BlockAddress(block))),
            Drive::Rewind(named) => named.work("rewind", ssc::Drive::rewind),
            Drive::Load(named) => named.work("load the medium", ssc::Drive::load),
            Drive::Unload(named) => named.work("unload the medium", ssc::Drive::unload),
            Drive::Erase(args) => args.run(),
            Drive::Dump(args) => args.run(),
        }
    }
}

fn readiness(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Ready => "ready".into(),
        Readiness::BecomingReady => "becoming ready".into(),
        Readiness::NoMedium => "no medium".into(),
        Readiness::NeedsLoad => "the medium is not mounted".into(),
        Readiness::Cleaning => "a cleaning cartridge is in it, or it is being cleaned".into(),
        Readiness::Other(sense) => format!("sense {sense}"),
    }
}

/// Prints rows under heads, as a table.
fn print_rows(
    heads: &[&str],
    right: &'static [usize],
    rows: Vec<Vec<String>>,
) -> Result<Done, Fault> {
    let mut table = Table::new(heads, right);
    rows.into_iter().for_each(|row| table.row(row));
    print(|out| table.write(out))?;
    Ok(Done::Whole)
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
