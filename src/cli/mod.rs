//! The command line: one executable, many names.
//!
//! Owns the table of names, what each takes, and the exit status: 0 durable and complete, 1 done
//! but some things were left out (each was named), 2 wrong usage, 100 will not work if tried again,
//! 111 may work later. Data goes to standard output, words to standard error.

mod board;
mod catalogue;
mod check_login;
mod component;
mod console;
mod demo;
mod door;
mod drive;
mod filesys;
mod filesys_sink;
mod glue;
mod init;
mod key;
mod layer;
mod library;
mod list;
mod meet;
mod names;
mod net;
mod netplumber;
mod pages;
mod plumb;
mod raw;
mod record;
mod secret;
mod serve;
mod signals;
mod steward;
mod tape;
mod tapicli;
mod updater;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::library::Scribe;
use crate::plumb::pipe::Channels;
use crate::stream::Fault;
use crate::table;

#[derive(Parser)]
#[command(name = "tapioca", version, about, long_about = None, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Component(component::Component),
    #[command(name = "proc_list")]
    ProcList(names::ProcList),
    #[command(name = "proc_since")]
    ProcSince(names::ProcSince),
    /// Print a list that proc_record kept
    List(list::List),
    /// Print the manifest of a machine, with all it inherits
    Board(board::BoardArgs),
    #[command(subcommand)]
    Catalogue(catalogue::Catalogue),
    Console(console::ConsoleArgs),
    #[command(subcommand)]
    Library(library::Library),
    #[command(subcommand)]
    Drive(drive::Drive),
    Demo(demo::DemoArgs),
    Door(door::DoorArgs),
    Glue(glue::GlueArgs),
    Init(init::InitArgs),
    #[command(subcommand)]
    Key(key::Key),
    Net(net::NetArgs),
    Netplumber(netplumber::NetplumberArgs),
    #[command(subcommand)]
    Pages(pages::Pages),
    Serve(serve::ServeArgs),
    Steward(steward::StewardArgs),
    Tapicli(Box<tapicli::TapicliArgs>),
    Preflight(updater::PreflightArgs),
    Updater(updater::UpdaterArgs),
    #[command(name = "check_login")]
    CheckLogin(check_login::CheckLoginArgs),
}

/// What a command came to, when it came to an end.
pub(crate) enum Done {
    /// Everything asked for.
    Whole,
    /// Some things were left out, each named on standard error.
    Partly(u64),
    /// Media have lost some of it; each thing was named on standard error.
    Lacking(u64),
    /// Some things are not as they should be, each named on standard error.
    Differing(u64),
}

impl Done {
    pub(crate) fn but_for(left_out: u64) -> Done {
        if left_out == 0 { Done::Whole } else { Done::Partly(left_out) }
    }

    pub(crate) fn agreeing_but_for(different: u64) -> Done {
        if different == 0 { Done::Whole } else { Done::Differing(different) }
    }
}

/// Runs the command that `args` name and returns its exit status.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let args = match crate::init::take_seat(args) {
        Ok(words) => words,
        Err(fault) => return report("seat", Err(fault)),
    };
    let channels = Channels::adopt();
    start_log();
    let cli = match Cli::try_parse_from(with_name_first(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no failure.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            if error.print().is_err() {
                return ExitCode::from(2);
            }
            return ExitCode::from(code);
        }
    };
    let (name, result) = match cli.command {
        Command::Component(component) => (component.name(), component.run(channels)),
        Command::ProcList(list) => ("proc_list", list.run()),
        Command::ProcSince(since) => ("proc_since", since.run()),
        Command::List(list) => ("list", list.run()),
        Command::Board(board) => ("board", board.run()),
        Command::Catalogue(catalogue) => (catalogue.name(), catalogue.run()),
        Command::Console(console) => ("console", console.run()),
        Command::Library(library) => (library.name(), library.run()),
        Command::Drive(drive) => (drive.name(), drive.run()),
        Command::Demo(demo) => ("demo", demo.run()),
        Command::Door(door) => ("door", door.run()),
        Command::Glue(glue) => ("glue", glue.run()),
        Command::Init(init) => ("init", init.run()),
        Command::Key(key) => ("key", key.run()),
        Command::Net(net) => ("net", net.run()),
        Command::Netplumber(netplumber) => ("netplumber", netplumber.run()),
        Command::Pages(pages) => ("pages", pages.run(Cli::command())),
        Command::Serve(serve) => ("serve", serve.run()),
        Command::Steward(steward) => ("steward", steward.run()),
        Command::Tapicli(tapicli) => ("tapicli", tapicli.run()),
        Command::Preflight(preflight) => ("preflight", preflight.run()),
        Command::Updater(updater) => ("updater", updater.run()),
        Command::CheckLogin(check) => ("check_login", check.run()),
    };
    report(name, result)
}

/// Identities and the time, for what has neither of its own.
fn scribe() -> Scribe {
    let now_s = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
    };
    Scribe { new_id: uuid::Uuid::new_v4, now_s }
}

/// A link called `src_file` runs `tapioca src_file`.
fn with_name_first(mut args: Vec<OsString>) -> Vec<OsString> {
    let called = args.first().and_then(|a| Path::new(a).file_name()).map(OsString::from);
    // The executable of the box is called /init, and only the first process is what that says.
    let called = called.filter(|name| name != "init" || std::process::id() == 1);
    if let Some(name) = called
        && Cli::command().get_subcommands().any(|c| *c.get_name() == *name)
    {
        args.insert(0, "tapioca".into());
        args[1] = name;
    }
    args
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TAPIOCA_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,tapioca::netplumber=info,tapioca::serve=info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .init();
}

fn report(name: &str, result: Result<Done, Fault>) -> ExitCode {
    let (lines, code) = match result {
        Ok(Done::Whole) => return ExitCode::SUCCESS,
        Ok(Done::Partly(count)) => (vec![format!("done, but {count} left out (named above)")], 1),
        Ok(Done::Lacking(count)) => {
            (vec![format!("done, but media do not have {count} (named above)")], 3)
        }
        Ok(Done::Differing(count)) => (vec![format!("{count} do not agree (named above)")], 1),
        Err(fault) => (lines_of(&fault), fault.exit_code()),
    };
    // One write, as the other components of a pudding talk on the same terminal.
    let text: String = lines.iter().map(|line| format!("{name}: {line}\n")).collect();
    eprint!("{text}");
    ExitCode::from(code)
}

fn lines_of(fault: &Fault) -> Vec<String> {
    let detail = fault.detail.iter().map(|line| format!("  {line}"));
    std::iter::once(fault.to_string()).chain(detail).chain(fault.hint.clone()).collect()
}
