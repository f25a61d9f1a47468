//! `netplumber`: lets other machines run components here; `netplumber enrol`, `revoke`, `machines`.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};

use super::Done;
use super::component::Ours;
use super::table::{Table, print, print_json};
use crate::identity::authority::{Authority, CODE_MINUTES, Enrolled, MACHINE_DAYS};
use crate::netplumber::connection::{self, Settings, now_s};
use crate::netplumber::{Limits, Starter};
use crate::say::say;
use crate::serve::supervise::end_with_parent;
use crate::stream::Fault;
use crate::wire::link::Alive;

/// Let enrolled machines run what is in the gluepot here
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct NetplumberArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    listen: Listen,
}

#[derive(Subcommand)]
enum Action {
    /// Print a code with which one machine may enrol
    Enrol(Enrol),
    /// Refuse a machine from now on, and end its connections
    Revoke(Revoke),
    /// List the machines that enrolled
    Machines(Machines),
    #[command(hide = true)]
    Connection(Connection),
}

/// Where a netplumber keeps its things.
#[derive(Args)]
struct Folder {
    /// Folder with the authority, gluepot.toml and the programs in gluepot/
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tapioca/netplumber")]
    folder: PathBuf,
}

#[derive(Args)]
struct Listen {
    #[command(flatten)]
    folder: Folder,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:7420")]
    listen: String,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    connections: usize,
    /// Connections of one machine at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().of_a_machine)]
    of_a_machine: usize,
    /// Seconds that running components may go on once this is to end
    #[arg(long, value_name = "S", default_value_t = Limits::default().drain.as_secs())]
    drain_s: u64,
    /// Seconds after which a silent machine counts as gone
    #[arg(long, value_name = "S", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..))]
    dead_after_s: u64,
    /// Days that a machine's certificate is good for
    #[arg(long, value_name = "N", default_value_t = MACHINE_DAYS)]
    days: u32,
    /// Number of the process that keeps this one, which ends with it
    #[arg(long, value_name = "PID", hide = true)]
    kept_by: Option<u32>,
}

#[derive(Args)]
struct Enrol {
    /// What the machine is to be called here
    name: String,
    /// Minutes that the code is good for
    #[arg(long, value_name = "N", default_value_t = CODE_MINUTES, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Args)]
struct Revoke {
    /// What the machine is called here
    name: String,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Args)]
struct Machines {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: Folder,
}

/// One connection: the socket is standard input, what is told of it standard output.
#[derive(Args)]
struct Connection {
    #[arg(long)]
    dead_after_s: u64,
    #[arg(long)]
    days: u32,
    #[command(flatten)]
    folder: Folder,
    room: PathBuf,
}

impl NetplumberArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        match self.action {
            None => self.listen.run(),
            Some(Action::Enrol(enrol)) => enrol.run(),
            Some(Action::Revoke(revoke)) => revoke.run(),
            Some(Action::Machines(machines)) => machines.run(),
            Some(Action::Connection(connection)) => connection.run(),
        }
    }
}

impl Listen {
    fn run(self) -> Result<Done, Fault> {
        self.kept_by.map_or(Ok(()), end_with_parent)?;
        let program =
            std::env::current_exe().map_err(|e| Fault::host("cannot find this executable", &e))?;
        let number = |n: u64| n.to_string().into();
        let words = vec![
            "netplumber".into(),
            "connection".into(),
            "--dead-after-s".into(),
            number(self.dead_after_s),
            "--days".into(),
            number(u64::from(self.days)),
            "--folder".into(),
            self.folder.folder.clone().into_os_string(),
        ];
        let limits = Limits {
            connections: self.connections,
            of_a_machine: self.of_a_machine,
            drain: Duration::from_secs(self.drain_s),
            ..Limits::default()
        };
        let starter = Starter { program, words };
        let ready = |address| say(format_args!("netplumber: listening on {address}"));
        crate::netplumber::serve(&self.listen, self.folder.folder, starter, limits, ready)?;
        Ok(Done::Whole)
    }
}

impl Enrol {
    fn run(self) -> Result<Done, Fault> {
        let authority = Authority::open(&self.folder.folder, now_s())?;
        let until_s = now_s() + i64::from(self.minutes) * 60;
        let code = authority.new_code(&self.name, now_s(), until_s)?;
        let text = code.text();
        print(|out| {
            use std::io::Write;
            writeln!(out, "{}", *text)
        })?;
        eprintln!(
            "netplumber: good once, for {} minutes. On {}: plumb enrol HOST CODE",
            self.minutes, self.name
        );
        Ok(Done::Whole)
    }
}

impl Revoke {
    fn run(self) -> Result<Done, Fault> {
        Authority::open(&self.folder.folder, now_s())?.revoke(&self.name, now_s())?;
        eprintln!("netplumber: {} is refused from now on", self.name);
        Ok(Done::Whole)
    }
}

impl Machines {
    fn run(self) -> Result<Done, Fault> {
        let machines = Authority::open(&self.folder.folder, now_s())?.machines()?;
        if self.json {
            print_json(&serde_json::json!(machines))?;
            return Ok(Done::Whole);
        }
        let mut table = Table::new(&["MACHINE", "STATE", "DAYS LEFT", "DIGEST"], &[2]);
        for Enrolled { name, digest, until_s, revoked_s, .. } in machines {
            // One that has begun counts.
            let left = (until_s - now_s() + 86_399).div_euclid(86_400);
            let state = match (revoked_s, left) {
                (Some(_), _) => "revoked",
                (None, ..=0) => "expired",
                (None, _) => "enrolled",
            };
            table.row([name, state.into(), left.to_string(), digest[..16].to_owned()]);
        }
        print(|out| table.write(out))?;
        Ok(Done::Whole)
    }
}

impl Connection {
    fn run(self) -> Result<Done, Fault> {
        let failed = |e: &std::io::Error| Fault::host("cannot take over the connection", e);
        let socket = std::io::stdin().as_fd().try_clone_to_owned().map_err(|e| failed(&e))?;
        let status = std::io::stdout().as_fd().try_clone_to_owned().map_err(|e| failed(&e))?;
        // Nothing that runs here may take them for its own input and output.
        let null = std::fs::File::options().read(true).write(true).open("/dev/null");
        let null = null.map_err(|e| failed(&e))?;
        rustix::stdio::dup2_stdin(&null).map_err(|e| failed(&e.into()))?;
        rustix::stdio::dup2_stdout(&null).map_err(|e| failed(&e.into()))?;
        let settings = Settings {
            folder: self.folder.folder,
            alive: Alive::dead_after(Duration::from_secs(self.dead_after_s)),
            days: self.days,
            room: self.room,
        };
        connection::serve(TcpStream::from(socket), UnixStream::from(status), &settings, &Ours);
        // Whatever the component started and left behind goes with us, also when no netplumber is left to see
        // to that. Everything that there was to say has been said.
        if getpgrp() == getpid() {
            kill_current_process_group(Signal::KILL)
                .map_err(|e| Fault::host("cannot end the component's processes", &e.into()))?;
        }
        Ok(Done::Whole)
    }
}
