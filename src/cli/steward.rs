//! `steward`: the process that owns who the box is and what it is set to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Done;
use crate::init::client;
use crate::init::message::{Request, cut};
use crate::steward::message::SOCKET;
use crate::steward::serve::{Init, NoInit, Others, Part, Places, Steward};
use crate::stream::{Blame, Fault};

/// Time between two signs of life.
const ALIVE: Duration = Duration::from_secs(5);

/// Keep the appliance's identity, administrator and settings
///
/// Answers the console, the network and init on its socket, and writes the configuration of serve.
#[derive(Args)]
pub(super) struct StewardArgs {
    /// The raw partition of all that, or a file in its place
    #[arg(long, value_name = "PATH")]
    meta: PathBuf,
    /// Lay it out first, if nothing is there yet: a file is made
    #[arg(long)]
    format: bool,
    /// Where to listen
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Folder for what serve reads at its start
    #[arg(long, value_name = "DIR", default_value = "/run/tapioca")]
    run: PathBuf,
    /// Folder of everything serve keeps
    #[arg(long, value_name = "DIR", default_value = "/data/tapioca")]
    state: PathBuf,
    /// Folder of the sockets by which devices are reached, one for each key
    #[arg(long, value_name = "DIR", default_value = "/run/tapioca/doors")]
    doors: PathBuf,
    /// Have serve take what is attached, where settings say nothing, instead of a virtual library
    #[arg(long)]
    attached: bool,
    /// MiB that a drive keeps in memory, on this board, if nothing is set
    #[arg(long, value_name = "MIB")]
    sync_mib: Option<u32>,
    /// A user that may speak with the steward beside root, by number. May be given again
    #[arg(long = "peer", value_name = "UID")]
    peers: Vec<u32>,
    /// A user whose processes are consoles, by number: people are there. May be given again
    #[arg(long = "console", value_name = "UID")]
    consoles: Vec<u32>,
    /// The user of the process that sees the links, by number
    #[arg(long, value_name = "UID")]
    net: Option<u32>,
    /// The user of the process that sees which system runs, by number
    #[arg(long, value_name = "UID")]
    updater: Option<u32>,
}

impl StewardArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let failed = |e: slots::Error| {
            Fault::later(Blame::Host, format!("cannot use {}: {e}", self.meta.display()))
        };
        if self.format && !self.meta.exists() {
            let file = std::fs::File::create_new(&self.meta)
                .and_then(|file| file.set_len(slots::PARTITION_BYTES));
            file.map_err(|e| Fault::host(format!("cannot make {}", self.meta.display()), &e))?;
            slots::Slots::format(&self.meta).map_err(failed)?;
        }
        let keep = slots::Slots::open(&self.meta).map_err(failed)?;
        // What is written of them is read by processes that run elsewhere.
        let whole = |path: PathBuf| {
            std::path::absolute(path)
                .map_err(|e| Fault::host("cannot find the working directory", &e))
        };
        let places = Places {
            socket: self.socket,
            run: whole(self.run)?,
            state: whole(self.state)?,
            doors: whole(self.doors)?,
            takes_attached: self.attached,
            sync_memory_mib: self.sync_mib,
        };
        let all = |users: Vec<u32>, part| users.into_iter().map(move |user| (user, part));
        let others: Others = all(self.peers, Part::Other)
            .chain(all(self.consoles, Part::Console))
            .chain(self.net.map(|user| (user, Part::Net)))
            .chain(self.updater.map(|user| (user, Part::Updater)))
            .collect();
        let init: Box<dyn Init> = match client::is_here() {
            true => Box::new(OurInit),
            false => Box::new(NoInit),
        };
        if client::is_here() {
            keep_alive()?;
        }
        Steward::new(Box::new(keep), init, places, others)?.run()?;
        Ok(Done::Whole)
    }
}

/// The init of this machine.
struct OurInit;

impl Init for OurInit {
    fn restart(&self, name: &str) -> Result<(), Fault> {
        client::command(&Request::Restart(cut(name)))
    }

    fn reboot(&self) -> Result<(), Fault> {
        client::command(&Request::Reboot)
    }

    fn power_off(&self) -> Result<(), Fault> {
        client::command(&Request::PowerOff)
    }
}

/// Gives init a sign of life every now and then.
fn keep_alive() -> Result<(), Fault> {
    let alive = || {
        loop {
            if let Err(fault) = client::command(&Request::Alive) {
                tracing::warn!(%fault, "init was given no sign of life");
            }
            std::thread::sleep(ALIVE);
        }
    };
    let thread = std::thread::Builder::new().name("alive".into()).spawn(alive);
    thread.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}
