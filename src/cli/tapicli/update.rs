//! Updates of the appliance, from here.
//!
//! Owns the way of a bundle: in pieces, no faster than the authority takes requests, and then the wait for what came of
//! it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::{Done, Here, said, unexpected};
use crate::stream::{Blame, Fault};
use crate::tapicom::client::Client;
use crate::tapicom::message::{Bytes, Command, Reply, UpdateWanted};
use crate::update::State;

/// Bytes of a piece: as much as a message holds.
const PIECE_BYTES: usize = 48 * 1024;
/// Between two pieces; more than 50 requests in a second are refused.
const PAUSE: Duration = Duration::from_millis(25);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What becomes of what the appliance runs
#[derive(Subcommand)]
pub(super) enum Update {
    /// What runs, what could, and what happened
    Show,
    /// Have the appliance take a bundle; it is tried at the next start
    Apply {
        /// The bundle; `-` is standard input, so that one that was backed up can come from a restore
        #[arg(value_name = "FILE", required_unless_present = "usb")]
        bundle: Option<PathBuf>,
        /// The bundle is on a USB stick in the appliance
        #[arg(long, conflicts_with = "bundle")]
        usb: bool,
        /// Start the appliance anew once it is in its place
        #[arg(long)]
        reboot: bool,
    },
    /// Start the version before next
    Rollback {
        /// Start the appliance anew at once
        #[arg(long)]
        reboot: bool,
    },
}

impl Update {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let mut client = here.connect()?;
        let reboot = match self {
            Update::Show => return here.show(Command::Update(UpdateWanted::Show)),
            Update::Apply { bundle, usb: _, reboot } => {
                match bundle {
                    Some(path) => {
                        send(&mut client, &path)?;
                        outcome(&mut client, UpdateWanted::Take)?;
                    }
                    None => outcome(&mut client, UpdateWanted::Stick)?,
                }
                reboot
            }
            Update::Rollback { reboot } => {
                outcome(&mut client, UpdateWanted::Rollback)?;
                reboot
            }
        };
        if reboot {
            ask(&mut client, UpdateWanted::Reboot)?;
        }
        Ok(Done::Whole)
    }
}

fn ask(client: &mut Client, wanted: UpdateWanted) -> Result<State, Fault> {
    match said(client.call(Command::Update(wanted))?)? {
        Reply::Update(state) => Ok(state),
        _ => Err(unexpected()),
    }
}

fn send(client: &mut Client, path: &std::path::Path) -> Result<(), Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot read {}", path.display()), &e);
    let mut from: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(File::open(path).map_err(failed)?),
    };
    let mut offset = 0;
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        (&mut from).take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(failed)?;
        let count = piece.len() as u64;
        if count == 0 && offset > 0 {
            return Ok(());
        }
        ask(client, UpdateWanted::Piece { offset, bytes: Bytes(piece) })?;
        if count == 0 {
            return Ok(());
        }
        offset += count;
        std::thread::sleep(PAUSE);
    }
}

/// Has something done that takes its time, and says what came of it.
fn outcome(client: &mut Client, wanted: UpdateWanted) -> Result<(), Fault> {
    let newest = |state: &State| state.told.first().cloned();
    let before = newest(&ask(client, UpdateWanted::Show)?);
    let mut state = ask(client, wanted)?;
    let mut doing = String::new();
    while !state.doing.is_empty() {
        if state.doing != doing {
            doing.clone_from(&state.doing);
            eprintln!("{doing}");
        }
        std::thread::sleep(LOOK);
        state = ask(client, UpdateWanted::Show)?;
    }
    let told = newest(&state).filter(|_| newest(&state) != before);
    match told {
        Some(told) if told.words.starts_with("no update: ") => {
            Err(Fault::never(Blame::Operator, told.words))
        }
        Some(told) => {
            eprintln!("{}", told.words);
            Ok(())
        }
        None => Err(Fault::later(Blame::Peer, "the updater does not say what came of it")),
    }
}
