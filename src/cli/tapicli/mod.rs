//! `tapicli`: how people command the authority.
//!
//! Owns the words people type and what they see. Everything goes over tapicom, as any other tool's: this has
//! no right of its own. On the appliance itself it reaches the authority by its socket, elsewhere by the
//! netplumber that the machine enrolled with.

mod ask;
mod backup;
mod document;
mod more;
mod pudding;
mod restore;
mod show;
mod update;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::Done;
use crate::identity::machine::{Address, Machine};
use crate::plumb::far;
use crate::stream::{Blame, Fault};
use crate::tapicom::client::Client;
use crate::tapicom::message::{Command, Refusal, Reply, Secret, Why};
use pudding::{Appliance, private_file};

pub(super) use show::{json, shown, write_event};

const SOFTWARE: &str = "tapicli";

/// Command a tapioca appliance
///
/// HOST is where its netplumber listens; TAPIOCA_BOX is used when it is not given. On the appliance itself,
/// --socket.
#[derive(Args)]
pub(super) struct TapicliArgs {
    /// The appliance: HOST or HOST:PORT
    #[arg(long, value_name = "HOST", env = "TAPIOCA_BOX", global = true)]
    r#box: Option<Address>,
    /// The service's socket, on the appliance itself
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "box")]
    socket: Option<PathBuf>,
    /// Folder of this machine's identities (default: tapioca in the user's configuration)
    #[arg(long, value_name = "DIR", env = "TAPIOCA_IDENTITY", global = true)]
    identity: Option<PathBuf>,
    /// As JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Log in: the ticket is kept until you log out
    Login(ask::Login),
    /// Give the ticket back
    Logout,
    /// Whose ticket this is, and what it allows
    Whoami,
    /// How the appliance is, on a page
    Status,
    /// Keep what is in these paths
    Backup(backup::Backup),
    Resume(backup::Resume),
    /// Give back what was kept
    Restore(restore::Restore),
    /// What is in a folder of a backup
    Ls(show::Ls),
    /// Find entries by a part of their name or a pattern
    Find(show::Find),
    /// Every version of a path that is kept
    Versions(show::Versions),
    /// Jobs, newest first
    Jobs(show::Jobs),
    /// One job: look at it, or change what becomes of it
    #[command(subcommand)]
    Job(ask::Job),
    /// Cartridges
    Media(show::Media),
    /// One cartridge
    #[command(subcommand)]
    Medium(ask::Medium),
    /// What is where in the library, and moving it
    #[command(subcommand)]
    Library(ask::Library),
    /// The drives
    #[command(subcommand)]
    Drive(ask::Drive),
    /// Pools of cartridges
    #[command(subcommand)]
    Pool(ask::Pool),
    /// Backups that run by themselves
    #[command(subcommand)]
    Schedule(ask::Schedule),
    /// People
    #[command(subcommand)]
    User(ask::User),
    /// Machines
    #[command(subcommand)]
    Machine(ask::Machine),
    /// Tickets
    #[command(subcommand)]
    Ticket(ask::Ticket),
    /// What destroys takes two people
    #[command(subcommand)]
    Wish(ask::Wish),
    /// What people are asked to do
    #[command(subcommand)]
    Request(ask::Request),
    /// Whom to tell what, by mail or webhook
    #[command(subcommand)]
    Notify(ask::Notify),
    /// What happens, as it happens
    Events(show::Events),
    /// Who did what
    Audit(show::Audit),
    /// What is well and what is not
    Health,
    /// What will be written on, pool by pool
    Forecast,
    /// Read through what is recorded
    Check,
    /// What the appliance runs, and what it is to run next
    #[command(subcommand)]
    Update(update::Update),
}

/// How the authority is reached, and what is shown.
pub(super) struct Here {
    appliance: Option<Appliance>,
    socket: Option<PathBuf>,
    home: PathBuf,
    json: bool,
}

impl TapicliArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let TapicliArgs { r#box, socket, identity, json, action } = self;
        let home = identity.map_or_else(far::usual_home, Ok)?;
        let appliance = r#box.map(|address| Appliance { address, home: home.clone() });
        let here = Here { appliance, socket, home, json };
        match action {
            Action::Login(login) => login.run(&here),
            Action::Logout => ask::logout(&here),
            Action::Whoami => here.show(Command::WhoAmI),
            Action::Status => here.show(Command::Status),
            Action::Backup(backup) => backup.run(&here),
            Action::Resume(resume) => resume.run(&here),
            Action::Restore(restore) => restore.run(&here),
            Action::Ls(ls) => ls.run(&here),
            Action::Find(find) => find.run(&here),
            Action::Versions(versions) => versions.run(&here),
            Action::Jobs(jobs) => jobs.run(&here),
            Action::Job(job) => job.run(&here),
            Action::Media(media) => media.run(&here),
            Action::Medium(medium) => medium.run(&here),
            Action::Library(library) => library.run(&here),
            Action::Drive(drive) => drive.run(&here),
            Action::Pool(pool) => pool.run(&here),
            Action::Schedule(schedule) => schedule.run(&here),
            Action::User(user) => user.run(&here),
            Action::Machine(machine) => machine.run(&here),
            Action::Ticket(ticket) => ticket.run(&here),
            Action::Wish(wish) => wish.run(&here),
            Action::Request(request) => request.run(&here),
            Action::Notify(notify) => notify.run(&here),
            Action::Events(events) => events.run(&here),
            Action::Audit(audit) => audit.run(&here),
            Action::Health => here.show(Command::Health),
            Action::Forecast => here.show(Command::Forecast { days: 30 }),
            Action::Check => here.show(Command::CatalogueCheck),
            Action::Update(update) => update.run(&here),
        }
    }
}

/// A refusal as a fault: what, and what to do.
fn refusal(refusal: Refusal) -> Fault {
    let Refusal { why, what, hint } = refusal;
    let fault = match why {
        Why::Busy | Why::Later | Why::Failed => Fault::later(Blame::Peer, what),
        _ => Fault::never(Blame::Operator, what),
    };
    match (hint, why) {
        (Some(hint), _) => fault.hint(hint),
        (None, Why::NoTicket) => fault.hint("log in: tapicli login USER"),
        (None, Why::NoRight) => fault.hint("tapicli whoami shows what your ticket allows"),
        (None, _) => fault,
    }
}

impl Here {
    /// The appliance, for what streams go to.
    fn appliance(&self) -> Result<&Appliance, Fault> {
        self.appliance.as_ref().ok_or_else(|| {
            Fault::usage("which appliance?")
                .hint("say --box HOST, or set TAPIOCA_BOX; this machine must be enrolled there")
        })
    }

    /// A connection, with our ticket if there is one.
    fn connect(&self) -> Result<Client, Fault> {
        let mut client = match (&self.socket, &self.appliance) {
            (Some(socket), _) => Client::local(SOFTWARE, socket)?,
            (None, Some(appliance)) => Client::far(SOFTWARE, &appliance.far(&["tapicom"]))?,
            (None, None) => return Err(self.appliance().err().unwrap_or_else(nowhere)),
        };
        client.with_ticket(self.ticket()?);
        Ok(client)
    }

    /// One command.
    fn call(&self, command: Command) -> Result<Reply, Fault> {
        said(self.connect()?.call(command)?)
    }

    /// One command, its answer shown.
    fn show(&self, command: Command) -> Result<Done, Fault> {
        let reply = self.call(command)?;
        show::show(self, reply)?;
        Ok(Done::Whole)
    }

    /// Where our ticket is kept.
    fn ticket_file(&self) -> Result<PathBuf, Fault> {
        match &self.appliance {
            Some(appliance) => {
                let machine = Machine::at(&appliance.home, &appliance.address);
                Ok(machine.folder()?.join("ticket"))
            }
            None => Ok(self.home.join("console.ticket")),
        }
    }

    fn ticket(&self) -> Result<Option<Secret>, Fault> {
        let path = self.ticket_file()?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Secret::new(Zeroizing::new(text).trim()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::host(format!("cannot read {}", path.display()), &error)),
        }
    }

    fn keep_ticket(&self, ticket: &Secret) -> Result<PathBuf, Fault> {
        let path = self.ticket_file()?;
        let failed = |e: std::io::Error| Fault::host(format!("cannot keep {}", path.display()), &e);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        private_file(&path)?.write_all(ticket.reveal().as_bytes()).map_err(failed)?;
        Ok(path)
    }

    fn forget_ticket(&self) -> Result<(), Fault> {
        let path = self.ticket_file()?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::host(format!("cannot remove {}", path.display()), &error))
            }
            _ => Ok(()),
        }
    }
}

fn nowhere() -> Fault {
    Fault::usage("which appliance?")
}

/// A refusal is a fault; any other answer is one.
fn said(reply: Reply) -> Result<Reply, Fault> {
    match reply {
        Reply::Refused(refused) => Err(refusal(refused)),
        other => Ok(other),
    }
}

fn unexpected() -> Fault {
    Fault::stream("the authority answers something else than was asked")
}

/// A password: typed without being shown, or the first line of standard input.
fn password(prompt: &str) -> Result<Secret, Fault> {
    let failed = |e: std::io::Error| Fault::host("cannot read the password", &e);
    let stdin = std::io::stdin();
    let mut line = Zeroizing::new(String::new());
    if !stdin.is_terminal() {
        stdin.read_line(&mut line).map_err(failed)?;
        return Ok(Secret::new(line.trim_end_matches(['\n', '\r'])));
    }
    eprint!("{prompt}: ");
    let shown = rustix::termios::tcgetattr(&stdin).map_err(|e| failed(e.into()))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(rustix::termios::LocalModes::ECHO);
    let set = |to: &rustix::termios::Termios| {
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, to)
            .map_err(|e| failed(e.into()))
    };
    set(&hidden)?;
    let read = stdin.read_line(&mut line).map_err(failed);
    set(&shown)?;
    eprintln!();
    read?;
    Ok(Secret::new(line.trim_end_matches(['\n', '\r'])))
}
