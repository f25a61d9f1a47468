//! `steward`: the process that owns who the box is and what it is set to.

use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::steward::message::SOCKET;
use crate::steward::serve::{NoInit, Places, Steward};
use crate::stream::{Blame, Fault};

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
    /// A user that may speak with the steward beside root, by number. May be given again
    #[arg(long = "peer", value_name = "UID")]
    peers: Vec<u32>,
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
        };
        let peers = self.peers.into_iter().collect();
        Steward::new(Box::new(keep), Box::new(NoInit), places, peers)?.run()?;
        Ok(Done::Whole)
    }
}
