//! The first process: what has to be there before anything else, and what keeps it there.
//!
//! Owns mounts, modules, the disk, the children and their end. Small and synchronous: no network, no TLS, no
//! runtime, and after the start no file is read but what sysfs says of drives and changers that come ([`doors`]). Its main thread ([`keeper`]) only waits for children, signals and
//! [`message`]s, from the first moment on; the steps of the start ([`start`]) are taken beside it, each with a
//! deadline, and none of them failing keeps the console from coming up. The watchdog is fed ([`feed`]) by a third,
//! as long as those who owe a sign of life give it.

pub mod child;
pub mod client;
mod control;
mod data;
mod doors;
mod feed;
mod keeper;
pub mod message;
mod meta;
mod mounts;
mod sandbox;
mod seat;
mod start;
mod stick;
mod stop;

use std::sync::mpsc;

use board::Board;

pub use seat::take as take_seat;

use crate::stream::{Blame, Fault};

/// The merged manifest of the machine.
pub const BOARD: &str = "/board.toml";
/// Folder of everything that is of this start only.
pub const RUN: &str = "/run/tapioca";
/// Where the raw partition is found under a name that does not change.
pub const META: &str = "/run/tapioca/meta";
/// Folder of the sockets by which drives and changers are reached, each under its name.
pub const DOORS: &str = "/run/tapioca/doors";

/// The process of which there is one for each drive and changer.
pub const DOOR_PROCESS: &str = "scsi_door";

/// Where the file system of a USB stick is.
pub const STICK: &str = "/run/tapioca/stick";

/// Says one line to whoever looks at the machine's console.
pub(crate) fn say(line: &str) {
    // Whoever reads it may have made the line raw.
    crate::say::say(format_args!("init: {line}\r"));
}

fn board() -> Result<Board, Fault> {
    Board::load(BOARD).map_err(|e| Fault::never(Blame::Operator, e.to_string()))
}

fn machine() -> Result<(board::machine::Machine, board::Tape), Fault> {
    let board = board()?;
    let machine = board.machine.ok_or_else(|| {
        Fault::never(Blame::Operator, format!("{BOARD}: this machine boots no image"))
    })?;
    Ok((machine, board.tape))
}

/// Runs the machine until it stops.
///
/// # Errors
///
/// Only before the start: this is not the first process, or there is no manifest. Then the kernel starts the
/// machine anew after a while, as its command line says.
pub fn run() -> Result<(), Fault> {
    if std::process::id() != 1 {
        return Err(Fault::usage("init is the first process of a machine, and no other"));
    }
    let (machine, _) = machine()?;
    let signals = keeper::block_signals()?;
    let (to, from) = mpsc::channel();
    let keeper = keeper::Keeper::new(&machine, signals);
    let shared = keeper.shared();
    start::begin(machine, shared, to)?;
    keeper.run(&from)
}
