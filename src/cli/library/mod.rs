//! `library`: what an operator does with a library and with sets of media.

mod create;
mod list;
mod motion;
mod rebuild;
mod status;

use clap::Subcommand;

pub(super) use list::Cartridges;

use super::Done;
use crate::stream::Fault;

/// See and move cartridges; list what is on them
#[derive(Subcommand)]
pub(super) enum Library {
    /// Make a virtual library: drives, robot and cartridges that live in a directory
    Create(create::Create),
    /// Show where every cartridge is
    Status(status::Status),
    /// Take stock: as status, and with --scan the robot reads every barcode anew
    Inventory(status::Inventory),
    /// Bring a cartridge into a drive
    Load(motion::Load),
    /// Take the cartridge out of a drive, to where it came from
    Unload(motion::Unload),
    /// Move a cartridge from one place to another
    Move(motion::Move),
    /// List what is on cartridges, from the cartridges alone
    List(list::List),
    /// Write the list of every stream on cartridges to files, from the cartridges alone
    Rebuild(rebuild::Rebuild),
}

impl Library {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Library::Create(_) => "library create",
            Library::Status(_) => "library status",
            Library::Inventory(_) => "library inventory",
            Library::Load(_) => "library load",
            Library::Unload(_) => "library unload",
            Library::Move(_) => "library move",
            Library::List(_) => "library list",
            Library::Rebuild(_) => "library rebuild",
        }
    }

    pub(super) fn run(self) -> Result<Done, Fault> {
        match self {
            Library::Create(args) => args.run(),
            Library::Status(args) => args.run(),
            Library::Inventory(args) => args.run(),
            Library::Load(args) => args.run(),
            Library::Unload(args) => args.run(),
            Library::Move(args) => args.run(),
            Library::List(args) => args.run(),
            Library::Rebuild(args) => args.run(),
        }
    }
}
