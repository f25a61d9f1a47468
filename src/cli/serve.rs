//! `serve`: the appliance's service, and the process that keeps it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;

use super::{Done, scribe};
use crate::init::client;
use crate::init::message::Request;
use crate::say::say;
use crate::serve::config::{Config, Devices};
use crate::serve::run::{Given, Places, run};
use crate::serve::supervise::{Kept, Program, end_with_parent};
use crate::stream::Fault;

/// How often the service is looked after.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two signs of life, on a box whose init waits for them.
const ALIVE: Duration = Duration::from_secs(5);
/// How long it may take to come to a sync point at the end.
const GRACE: Duration = Duration::from_secs(30);

/// Serve backups: the authority, its clients, the library
///
/// Without a configuration it makes a virtual library below the state folder and listens on this host alone.
/// The service is restarted when it dies.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// Configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that is kept, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where clients connect, instead of the configuration's
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Manifest of the board, whose virtual library is made where no device is named
    #[arg(long, value_name = "FILE")]
    board: Option<PathBuf>,
    /// Number of the process that keeps this one, which ends with it
    #[arg(long, value_name = "PID", hide = true)]
    kept_by: Option<u32>,
}

impl ServeArgs {
    fn configuration(&self) -> Result<Config, Fault> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(state) = &self.state {
            config.state.clone_from(state);
        }
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        // Names of devices and sockets are made of it, and used by processes that run elsewhere.
        config.state = std::path::absolute(&config.state)
            .map_err(|e| Fault::host("cannot find the working directory", &e))?;
        if config.devices.embedded.is_some() {
            config.devices = Devices::embedded(&config.state);
        }
        Ok(config)
    }

    pub(super) fn run(self) -> Result<Done, Fault> {
        let config = self.configuration()?;
        let program =
            std::env::current_exe().map_err(|e| Fault::host("cannot find this executable", &e))?;
        let Some(keeper) = self.kept_by else { return self.keep(program) };
        end_with_parent(keeper)?;
        let socket = Places::of(&config.state).socket;
        let ready = Box::new(move || say(format_args!("serve: ready; at {}", socket.display())));
        let shape = self.board.as_deref().map(shape).transpose()?.flatten();
        run(config, Given { program, scribe: scribe(), shape, ready })?;
        Ok(Done::Whole)
    }

    /// Keeps the service running until a signal ends both.
    fn keep(&self, program: PathBuf) -> Result<Done, Fault> {
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        super::signals::watch(move |_| {
            told.store(true, Ordering::Relaxed);
            true
        })?;
        let mut kept =
            Kept::new(Program { name: "the service", path: program, words: self.words() });
        let mut told_alive: Option<Instant> = None;
        while !ends.load(Ordering::Relaxed) {
            if let Some(status) = kept.look() {
                say(format_args!("serve: the service ended ({status}) and is started again"));
            }
            if told_alive.is_none_or(|at| at.elapsed() >= ALIVE) && client::is_here() {
                told_alive = Some(Instant::now());
                if let Err(fault) = client::command(&Request::Alive) {
                    tracing::warn!(%fault, "init was given no sign of life");
                }
            }
            std::thread::sleep(LOOK);
        }
        kept.end();
        kept.wait(GRACE);
        Ok(Done::Whole)
    }

    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["serve".into(), "--kept-by".into()];
        words.push(std::process::id().to_string().into());
        if let Some(config) = &self.config {
            words.extend(["--config".into(), config.clone().into()]);
        }
        if let Some(board) = &self.board {
            words.extend(["--board".into(), board.clone().into()]);
        }
        if let Some(state) = &self.state {
            words.extend(["--state".into(), state.clone().into()]);
        }
        if let Some(listen) = &self.listen {
            words.extend(["--listen".into(), listen.to_string().into()]);
        }
        words
    }
}

/// The virtual library of a board, if it has one.
fn shape(board: &Path) -> Result<Option<virt::Shape>, Fault> {
    let board = board::Board::load(&board.to_string_lossy());
    let board = board.map_err(|e| Fault::usage(e.to_string()))?;
    Ok(board.virtual_library.map(|library| {
        let bytes = library.cartridge_mib << 20;
        let tags = (1..=library.cartridges).map(|n| format!("TAP{n:03}L9"));
        virt::Shape {
            drives: library.drives,
            slots: library.slots,
            mail_slots: library.mail_slots,
            media: tags.map(|tag| virt::MediumSpec::data(&tag, bytes)).collect(),
            ..virt::Shape::default()
        }
    }))
}
