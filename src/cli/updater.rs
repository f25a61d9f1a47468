//! `updater` and `preflight`: the box changes what it is, and a new executable proves itself first.

use std::path::PathBuf;
use std::time::Duration;

use bundle::{KEY_FILE, RELEASE_FILE};
use clap::Args;

use super::Done;
use crate::init::client;
use crate::init::message::{Reply, Request};
use crate::steward::message::SOCKET as STEWARD;
use crate::stream::{Blame, Fault};
use crate::update::SOCKET;
use crate::updater::preflight::Copies;
use crate::updater::process::{Given, Host, Places, run};
use crate::updater::trial::Patience;

/// Keep the box's boot partition, and change the version it runs
///
/// Started by init on a box that booted an image.
#[derive(Args)]
pub(super) struct UpdaterArgs {
    /// The boot partition
    #[arg(long, value_name = "PATH")]
    esp: PathBuf,
    /// Folder of copies of what is on it
    #[arg(long, value_name = "DIR")]
    shelf: PathBuf,
    /// The shelf is on the data file system
    #[arg(long)]
    data: bool,
    /// Seconds for which everything has to be well until a version is accepted
    #[arg(long, value_name = "SECONDS")]
    settle_s: u64,
    /// Seconds after the start at which a version that is not is left
    #[arg(long, value_name = "SECONDS")]
    deadline_s: u64,
    /// A user that may speak with the updater beside root, by number. May be given again
    #[arg(long = "peer", value_name = "UID")]
    peers: Vec<u32>,
}

fn read(path: &str) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|e| Fault::host(format!("cannot read {path}"), &e))
}

impl UpdaterArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let release = serde_json::from_slice(&read(&format!("/{RELEASE_FILE}"))?)
            .map_err(|e| Fault::never(Blame::Host, format!("/{RELEASE_FILE}: {e}")))?;
        let key = format!("/{KEY_FILE}");
        let key = std::path::Path::new(&key).exists().then(|| read(&key)).transpose()?;
        let boot = read("/proc/sys/kernel/random/boot_id")?;
        let places = Places {
            socket: SOCKET.into(),
            esp: self.esp,
            shelf: self.shelf,
            steward: STEWARD.into(),
            config: format!("{}/serve.toml", crate::init::RUN).into(),
            stick: crate::init::STICK.into(),
        };
        let patience = Patience {
            settle: Duration::from_secs(self.settle_s),
            deadline: Duration::from_secs(self.deadline_s),
        };
        run(Given {
            places,
            release,
            key,
            patience,
            data: self.data,
            boot: String::from_utf8_lossy(&boot).trim().to_owned(),
            peers: self.peers.into_iter().collect(),
            host: Box::new(OurInit),
        })?;
        Ok(Done::Whole)
    }
}

/// The init of this machine.
struct OurInit;

impl Host for OurInit {
    fn ailing(&self) -> Option<Vec<String>> {
        let Ok(Reply::Status(status)) = client::ask(&Request::Status) else { return None };
        let steps = status.steps.iter().filter(|step| !step.wrong.is_empty());
        let steps = steps.map(|step| format!("the step {}", step.name));
        let children = status.children.iter().filter(|child| child.degraded);
        Some(steps.chain(children.map(|child| child.name.to_string())).collect())
    }

    fn reboot(&self) -> Result<(), Fault> {
        client::command(&Request::Reboot)
    }

    fn stick(&self, wanted: bool) -> Result<(), Fault> {
        client::command(&Request::Stick(wanted))
    }

    fn alive(&self) {
        if let Err(fault) = client::command(&Request::Alive) {
            tracing::warn!(%fault, "init was given no sign of life");
        }
    }
}

/// Read copies of what a box has, to see whether this version can
///
/// Changes nothing. The executable of an update is run with this before it is put in its place.
#[derive(Args)]
pub(super) struct PreflightArgs {
    /// Settings, in their text form
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The configuration of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The catalogue's records, exported
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
}

impl PreflightArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let Self { settings, config, records } = self;
        Copies { settings, config, records }.read().map(|()| Done::Whole)
    }
}
