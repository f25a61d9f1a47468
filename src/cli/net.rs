//! `net`: the process that keeps the network of the box.

use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::init::client;
use crate::init::message::Request;
use crate::net::run::{Given, run};
use crate::steward::message::SOCKET;
use crate::stream::Fault;

/// Keep the addresses of the box's links, who knows names, and the time
///
/// Started by init. Every Ethernet link of the machine is brought to what the steward's settings say: run by hand, it
/// takes the network of the machine over.
#[derive(Args)]
pub(super) struct NetArgs {
    /// Where the steward listens
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    steward: PathBuf,
    /// Folder of what is written for others: resolv.conf
    #[arg(long, value_name = "DIR", default_value = "/run/tapioca/net")]
    folder: PathBuf,
    /// A link of which settings say nothing is off, and does not ask by DHCP
    #[arg(long)]
    no_dhcp: bool,
    /// Who is asked for the time if nobody else says. May be given again
    #[arg(long, value_name = "HOST")]
    ntp: Vec<String>,
    /// Touch this link only. May be given again
    #[arg(long = "link", value_name = "NAME")]
    links: Vec<String>,
}

impl NetArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let is_child = client::is_here();
        let alive = move || {
            if let Some(Err(fault)) = is_child.then(|| client::command(&Request::Alive)) {
                tracing::warn!(%fault, "init was given no sign of life");
            }
        };
        run(Given {
            steward: self.steward,
            folder: self.folder,
            dhcp: !self.no_dhcp,
            ntp: self.ntp,
            only: self.links,
            alive: Box::new(alive),
        })?;
        Ok(Done::Whole)
    }
}
