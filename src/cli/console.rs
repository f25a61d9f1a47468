//! `console`: the box commanded over a serial line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Done, tapicli};
use crate::console::inbox::Inbox;
use crate::console::output::Output;
use crate::console::session::{Given, Session, Views};
use crate::console::{grammar, port};
use crate::settings::Speed;
use crate::steward::message::SOCKET;
use crate::stream::Fault;
use crate::tapicom::message::Event;

/// Command the appliance over a serial line
///
/// Nothing is printed until somebody presses Enter. Ends when the line is gone; whoever keeps it starts it again.
#[derive(Args)]
pub(super) struct ConsoleArgs {
    /// The line: /dev/ttyS0, or - for standard input and output
    #[arg(long, value_name = "PATH", required_unless_present = "commands")]
    port: Option<String>,
    /// Its speed: 115200, 57600, 38400 or 9600 baud
    #[arg(long, value_name = "BAUD", default_value = "115200", value_parser = speed)]
    speed: Speed,
    /// Where the steward listens
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    steward: PathBuf,
    /// The service's socket
    #[arg(long, value_name = "PATH", default_value = "/data/tapioca/tapicom.sock")]
    service: PathBuf,
    /// Print all commands and settings, as Markdown, and end
    #[arg(long)]
    commands: bool,
}

fn speed(text: &str) -> Result<Speed, String> {
    let baud: u32 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    Speed::try_from(baud)
}

fn event(event: &Event) -> String {
    let mut line = Vec::new();
    match tapicli::write_event(&mut line, event) {
        Ok(()) => String::from_utf8_lossy(&line).into_owned(),
        Err(error) => error.to_string(),
    }
}

impl ConsoleArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let Some(port) = self.port.filter(|_| !self.commands) else {
            super::table::print(|out| std::io::Write::write_all(out, grammar::page().as_bytes()))?;
            return Ok(Done::Whole);
        };
        let inbox = Arc::new(Inbox::default());
        let (to, sent) = port::way();
        let views = Views { shown: tapicli::shown, json: tapicli::json, event };
        let line = port.rsplit('/').next().filter(|name| *name != "-").unwrap_or("terminal");
        let given = Given {
            line: line.into(),
            speed: self.speed,
            steward: self.steward,
            serve: self.service,
            views,
        };
        let output = Output::new(to, inbox.clone());
        let session = Session::new(given, inbox.clone(), output);
        let spawned = std::thread::Builder::new().name("session".into()).spawn(|| session.run());
        let session = spawned.map_err(|e| Fault::host("cannot start a thread", &e))?;
        let carried = match port.as_str() {
            "-" => port::standard(&inbox, sent),
            path => port::serial(Path::new(path), self.speed, &inbox, sent),
        };
        if session.join().is_err() {
            return Err(Fault::never(crate::stream::Blame::Ours, "a session panicked"));
        }
        carried.map(|()| Done::Whole)
    }
}
