//! `plumb`: a component of another machine as if it were here; `plumb enrol`.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Done;
use crate::identity::code::Code;
use crate::identity::machine::{Address, Machine};
use crate::identity::{config, enrol};
use crate::plumb::descriptors::{stream_in, stream_out};
use crate::plumb::echo::{self, Ends, Event};
use crate::plumb::far::{self, Far};
use crate::plumb::far_part::{FarSink, FarSource};
use crate::plumb::pipe::Channels;
use crate::plumb::run::Part;
use crate::stream::{Blame, Fault};
use crate::wire::link::Alive;
use crate::wire::message::{NamedPipe, Request, Seal};
use crate::wire::tls::Tls;

/// How long the answer to an enrolment may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Run a component of another machine as if it were here
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct PlumbArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    call: Call,
}

#[derive(Subcommand)]
enum Action {
    /// Get to know a netplumber, with the code that `netplumber enrol` printed there
    Enrol(Enrol),
}

#[derive(Args)]
struct Enrol {
    /// Where the netplumber listens: HOST or HOST:PORT
    host: Address,
    /// The code
    code: String,
    #[command(flatten)]
    home: Home,
}

/// Where identities are.
#[derive(Args, Clone)]
struct Home {
    /// Folder of this machine's identities (default: tapioca in the user's configuration)
    #[arg(long, value_name = "DIR")]
    identity: Option<PathBuf>,
}

impl Home {
    fn folder(&self) -> Result<PathBuf, Fault> {
        self.identity.clone().map_or_else(far::usual_home, Ok)
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum SealArg {
    #[default]
    Encrypt,
    None,
}

/// What is to run where.
#[derive(Args, Clone)]
struct Call {
    /// Where the netplumber listens: HOST or HOST:PORT
    #[arg(required = true)]
    host: Option<Address>,
    /// Named pipe here whose bytes go to the component; it has one of that name where it runs. May be
    /// given again
    #[arg(long = "in", value_name = "FIFO")]
    input: Vec<PathBuf>,
    /// Named pipe here to which bytes of the component go. May be given again
    #[arg(long = "out", value_name = "FIFO")]
    output: Vec<PathBuf>,
    /// `none`: data travels in clear, each frame authenticated
    #[arg(long, value_enum, default_value_t)]
    seal: SealArg,
    /// Seconds after which a silent netplumber counts as gone
    #[arg(long, value_name = "S", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..))]
    dead_after_s: u64,
    #[command(flatten)]
    home: Home,
    /// The component and its words
    #[arg(required = true, last = true)]
    component: Vec<String>,
}

impl Call {
    /// Name of the component there.
    fn component(&self) -> &str {
        self.component.first().map_or("", String::as_str)
    }

    /// The call, without descriptors.
    fn far(&self) -> Result<Far, Fault> {
        let pipe = |path: &PathBuf, to_component| {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name
                .ok_or_else(|| Fault::usage(format!("{} is no name for a pipe", path.display())))?;
            Ok(NamedPipe { name: name.to_owned(), to_component })
        };
        let inputs = self.input.iter().map(|path| pipe(path, true));
        let pipes: Result<Vec<_>, Fault> =
            inputs.chain(self.output.iter().map(|path| pipe(path, false))).collect();
        let seal = match self.seal {
            SealArg::Encrypt => Seal::Encrypt,
            SealArg::None => Seal::None,
        };
        let request =
            Request { words: self.component.clone(), seal, pipes: pipes?, ..Request::default() };
        let alive = Alive::dead_after(Duration::from_secs(self.dead_after_s));
        let address = self.host.clone().ok_or_else(|| Fault::usage("plumb needs a HOST"))?;
        Ok(Far { address, home: self.home.folder()?, alive, request })
    }

    fn pipes(&self) -> Vec<PathBuf> {
        self.input.iter().chain(&self.output).cloned().collect()
    }
}

impl PlumbArgs {
    /// Name of the component there.
    pub(super) fn component(&self) -> &str {
        self.call.component()
    }

    /// As a part of a chain in one process.
    pub(super) fn part(&self, receipts: bool) -> Result<Part, Fault> {
        let far = self.call.far()?;
        if !far.request.pipes.is_empty() {
            return Err(Fault::usage("plumb --in and --out are for processes, not for a ring"));
        }
        match self.component().split_once('_') {
            Some(("src", _)) => Ok(Part::Source(Box::new(FarSource::new(far, receipts)))),
            Some(("sink", _)) => Ok(Part::Sink(Box::new(FarSink::new(far)))),
            _ => Err(Fault::usage("in a ring plumb stands first or last; use plumber = \"pipe\"")),
        }
    }

    pub(super) fn run(self, mut channels: Channels) -> Result<Done, Fault> {
        if let Some(Action::Enrol(enrol)) = self.action {
            return enrol.run();
        }
        let line = channels.verdict();
        let verdict = run(&self.call, channels);
        line.tell(&verdict);
        verdict.map(Done::but_for)
    }
}

fn run(call: &Call, channels: Channels) -> Result<u64, Fault> {
    let mut far = call.far()?;
    let (receipts_up, receipts_from_below) = channels.into_receipts();
    far.request.receipts_up = receipts_up.is_some();
    far.request.receipts_from_below = receipts_from_below.is_some();
    let failed = |e: &std::io::Error| Fault::host("cannot use standard input and output", e);
    let ends = Ends {
        input: stream_in().map_err(|e| failed(&e))?,
        output: stream_out().map_err(|e| failed(&e))?,
        receipts_up,
        receipts_from_below,
        pipes: call.pipes(),
    };
    // Ours are copies now: closing those must close the pipes.
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|e| failed(&e))?;
    rustix::stdio::dup2_stdin(&null).map_err(|e| failed(&e.into()))?;
    rustix::stdio::dup2_stdout(&null).map_err(|e| failed(&e.into()))?;
    let link = far.call()?;
    let (events, happens) = channel();
    on_signals(events.clone())?;
    let ended = echo::run(&link, ends, &far.request.pipes, (events, happens));
    ended.map_err(|fault| Fault { what: format!("{}: {}", call.component(), fault.what), ..fault })
}

fn on_signals(events: Sender<Event>) -> Result<(), Fault> {
    super::signals::watch(move |number| events.send(Event::Signal(number)).is_ok())
}

impl Enrol {
    fn run(self) -> Result<Done, Fault> {
        let code = Code::parse(&self.code)?;
        let home = self.home.folder()?;
        let ends = far::establish(&self.host, Tls::client(&config::enrolling()?)?)?;
        let machine = Machine::at(&home, &self.host);
        enrol::ask(ends, &code, &machine, ANSWER_LIMIT)?;
        let folder = machine.folder().map_err(|fault| Fault { blame: Blame::Ours, ..fault })?;
        eprintln!("plumb: enrolled with {}; the identity is in {}", self.host, folder.display());
        Ok(Done::Whole)
    }
}
