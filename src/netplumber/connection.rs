//! One connection, in a process of its own.
//!
//! Owns the way from a socket nobody knows to a component at work and to its end: handshake, who is it, what
//! does it want, may it, the cage, and only then threads. Everything that comes before the cage is bounded
//! in time and size. The netplumber that started this process is told each step, and can end it.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::confine::confine;
use super::gluepot::{Allowed, Manifest};
use super::plan::{Job, Plan, Who};
use super::run::{self, Ends, Process};
use super::service::{Brought, Gone};
use super::status::{Order, Report, Status};
use crate::cage::Closed;
use crate::glue::Gluepot;
use crate::identity::authority::{Authority, Stranger, digest_of};
use crate::identity::{config, enrol};
use crate::plumb::run::Verdict;
use crate::stream::{Blame, Fault};
use crate::wire::Link;
use crate::wire::channel::{self, Receiver, Sender, Side};
use crate::wire::flow::{Flow, window_bytes};
use crate::wire::frame::{Kind, Packet, SERVER_CONTROL};
use crate::wire::link::Alive;
use crate::wire::message::{self, ALPN_ENROL, ALPN_PLUMB, FromClient, FromServer, Request, Seal};
use crate::wire::tls::Tls;

/// How long a handshake may take, and then a request.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// How long the other end may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// How long the other end may take until everything that the component wrote was read there: somebody may
/// have to fetch a cartridge. A machine that is gone is found out much sooner, as the link is cut then.
const READ_LIMIT: Duration = Duration::from_secs(86_400);
/// How long a link may take to say why a component saw its neighbour leave.
const WHY_LIMIT: Duration = Duration::from_secs(1);
/// How long a component may take to end once it should.
const GRACE: Duration = Duration::from_secs(10);

/// What a connection's process is told when it starts.
pub struct Settings {
    /// The netplumber's folder: its authority, its gluepot.
    pub folder: PathBuf,
    /// When a silent machine counts as gone.
    pub alive: Alive,
    /// How long a certificate is good for that is signed now, days.
    pub days: u32,
    /// Where the component runs: an empty folder, which the netplumber removes.
    pub room: PathBuf,
}

/// Seconds since the epoch.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Serves the machine at the other end of `socket`. What it came to is told to the netplumber.
pub fn serve(socket: TcpStream, status: UnixStream, settings: &Settings, gluepot: &dyn Gluepot) {
    let ends = Status::new(status).and_then(|status| Ok((status.reporter()?, status)));
    let (mut reporter, status) = match ends {
        Ok(ends) => ends,
        Err(fault) => return tracing::error!(%fault, "cannot serve a connection"),
    };
    let last = meet(socket, status, settings, gluepot);
    reporter.tell(&last.unwrap_or_else(|fault| Report::Refused(fault.what)));
}

/// The last thing to report.
fn meet(
    socket: TcpStream,
    status: Status,
    settings: &Settings,
    gluepot: &dyn Gluepot,
) -> Result<Report, Fault> {
    let authority = Authority::open(&settings.folder, now_s())?;
    let tls = Tls::server(&config::server(&settings.folder)?)?;
    let (mut sender, mut receiver) = channel::establish(socket, tls, HANDSHAKE_LIMIT)?;
    match sender.alpn().as_deref() {
        Some(ALPN_ENROL) => {
            let ends = (&mut sender, &mut receiver);
            let limit = REQUEST_LIMIT;
            let answered = enrol::answer(ends, &authority, now_s(), settings.days, limit)?;
            leave(&mut sender, &mut receiver);
            Ok(answered.map_or_else(Report::Refused, Report::Enrolled))
        }
        Some(ALPN_PLUMB) => {
            let client = Client { sender, receiver, status, settings };
            client.serve(&authority, gluepot)
        }
        _ => Err(Fault::stream("it does not say what it wants (no ALPN protocol of ours)")),
    }
}

/// Closes and waits until the other end has read everything.
fn leave(sender: &mut Sender, receiver: &mut Receiver) {
    let deadline = std::time::Instant::now() + CLOSE_LIMIT;
    let mut closed = sender.close();
    while closed.is_ok() && std::time::Instant::now() < deadline {
        match receiver.receive(&mut Vec::new()) {
            Ok(channel::Received::Closed) => return,
            Ok(_) => {}
            Err(fault) => closed = Err(fault),
        }
    }
    if let Err(fault) = closed {
        tracing::debug!(%fault, "it did not close properly");
    }
}

struct Client<'a> {
    sender: Sender,
    receiver: Receiver,
    status: Status,
    settings: &'a Settings,
}

struct Ready {
    request: Request,
    job: Job,
}

impl Client<'_> {
    fn serve(mut self, authority: &Authority, gluepot: &dyn Gluepot) -> Result<Report, Fault> {
        match self.ready(authority, gluepot) {
            Ok(ready) => self.run(ready),
            Err(fault) => {
                // The machine learns why, and the log has it once.
                let refused = message::encode(&FromServer::Refused(fault.clone()))?;
                let packet = Packet::new(Kind::Message, SERVER_CONTROL, &refused);
                match self.sender.send(&[packet]) {
                    Ok(()) => leave(&mut self.sender, &mut self.receiver),
                    // Whoever breaks TLS cannot be told in it.
                    Err(unsaid) => tracing::debug!(fault = %unsaid, "it is not told why"),
                }
                Err(fault)
            }
        }
    }

    fn ready(&mut self, authority: &Authority, gluepot: &dyn Gluepot) -> Result<Ready, Fault> {
        let who = self.machine(authority)?;
        let request = self.request()?;
        let allowed = self.allowed(&who.machine, &request)?;
        let plan = Plan::new(&allowed, gluepot, &who, &request)?;
        let mut rights = allowed.rights;
        if let Plan::Process(program, _) = &plan {
            rights.execute.push(program.clone());
        }
        let runs = !rights.execute.is_empty();
        if confine(&rights, &self.settings.room, runs)? == Closed::WithoutSomeOfLandlock {
            tracing::debug!("this kernel lacks some of Landlock");
        }
        Ok(Ready { job: plan.make(gluepot, &request)?, request })
    }

    /// Who is there, and whether the netplumber wants to serve it.
    fn machine(&mut self, authority: &Authority) -> Result<Who, Fault> {
        let refused = |what: String| Fault::never(Blame::Peer, what);
        let certificate = self.sender.peer();
        let who = match &certificate {
            Some(certificate) => authority.who(certificate)?,
            None => Err(Stranger::NoCertificate),
        };
        let machine = who.map_err(|stranger| {
            refused(format!("this machine is not enrolled: {stranger}"))
                .hint("there: netplumber enrol NAME; here: plumb enrol HOST CODE")
        })?;
        let digest = certificate.map(|certificate| digest_of(&certificate)).unwrap_or_default();
        let hello = Report::Hello { machine: machine.clone(), digest: digest.clone() };
        self.status.reporter()?.tell(&hello);
        match self.status.order() {
            Order::Go => Ok(Who { machine, digest }),
            Order::Stop(why) => Err(Fault::later(Blame::Peer, why)),
        }
    }

    fn request(&mut self) -> Result<Request, Fault> {
        let (header, payload) = self.receiver.frame(REQUEST_LIMIT)?;
        let message = match header.kind {
            Kind::Message => message::decode(payload.data())?,
            _ => return Err(Fault::stream("it sends data before it said what to run")),
        };
        let FromClient::Start(request) = message else {
            return Err(Fault::stream("it does not say what to run"));
        };
        match request.complaint() {
            Some(complaint) => Err(Fault::stream(complaint)),
            None => Ok(request),
        }
    }

    fn allowed(&self, machine: &str, request: &Request) -> Result<Allowed, Fault> {
        let path = self.settings.folder.join("gluepot.toml");
        let shown = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Fault::host(format!("cannot read {shown}"), &error)),
        };
        let manifest = Manifest::parse(&text)
            .map_err(|what| Fault::never(Blame::Host, format!("{shown}: {what}")))?;
        manifest.allow(machine, &request.words, &self.settings.folder.join("gluepot"))
    }

    fn run(mut self, ready: Ready) -> Result<Report, Fault> {
        let request = ready.request;
        let started = message::encode(&FromServer::Started)?;
        self.sender.send(&[Packet::new(Kind::Message, SERVER_CONTROL, &started)])?;
        if request.seal == Seal::None {
            self.unseal()?;
        }
        self.sender.patience(self.settings.alive.dead)?;
        let handles = request.handles();
        let flow = Flow::new(SERVER_CONTROL, handles, window_bytes(handles));
        let alive = self.settings.alive;
        let link = Link::start(self.sender, self.receiver, flow, handles, alive)?;
        let shown = request.words.join(" ");
        self.status.reporter()?.tell(&Report::Running(shown.escape_debug().to_string()));
        let verdict = work(&link, self.status, &request, ready.job, &self.settings.room)?;
        run::close_rest(&link, &request);
        let ended = goodbye(&link, &verdict);
        Ok(Report::Ended(match (&verdict, ended) {
            (Ok(0), Ok(())) => "whole".into(),
            (Ok(left_out), Ok(())) => format!("whole but for {left_out}"),
            (Err(fault), _) => fault.what.clone(),
            (Ok(_), Err(fault)) => fault.what,
        }))
    }

    /// From here on frames travel in clear. The client waits for our word, and we for its first frame, so
    /// nothing is under way while the two change over.
    fn unseal(&mut self) -> Result<(), Fault> {
        self.receiver.unseal(Side::Server)?;
        let (header, payload) = self.receiver.frame(REQUEST_LIMIT)?;
        if header.kind != Kind::Message
            || message::decode(payload.data()) != Ok(FromClient::Unsealed)
        {
            return Err(Fault::stream("it does not change over to frames in clear"));
        }
        self.sender.unseal(Side::Server)
    }
}

/// What whoever waits for a component has to act on.
enum Event {
    /// It is to end: why.
    Stop(Fault),
    /// It ended.
    Ended(Verdict),
}

/// Runs the component to its end, however that comes.
fn work(
    link: &Link,
    status: Status,
    request: &Request,
    job: Job,
    folder: &Path,
) -> Result<Verdict, Fault> {
    let (events, happens) = mpsc::channel();
    let (orders, asks) = (events.clone(), events.clone());
    // Both end with this process: one waits for the netplumber, the other for the link.
    std::thread::spawn(move || tell(&orders, stop(status.last_order())));
    let asked = link.clone();
    std::thread::spawn(move || tell(&asks, asked_to_stop(&asked)));
    let ends = match job {
        Job::Process(program, words) => {
            let process = Process::start(&program, &words, folder, link, request)?;
            let ends = process.ends()?;
            std::thread::spawn(move || tell(&events, Event::Ended(process.wait())));
            Some(Stops::Process(ends))
        }
        Job::Service(socket, hello) => {
            let brought = Brought::start(socket, &hello, link)?;
            let gone = brought.ends()?;
            std::thread::spawn(move || tell(&events, Event::Ended(brought.wait())));
            Some(Stops::Service(gone))
        }
        Job::Part(who, part) => {
            let (link, request) = (link.clone(), request.clone());
            let run = move || run::part(&who, part, &link, &request);
            std::thread::spawn(move || tell(&events, Event::Ended(run())));
            None
        }
        Job::Chain(parts, open) => {
            let (link, request) = (link.clone(), request.clone());
            let run = move || run::chain(parts, open, &link, &request);
            std::thread::spawn(move || tell(&events, Event::Ended(run())));
            None
        }
    };
    Ok(wait(link, &happens, ends.as_ref()))
}

/// What makes a component end that runs elsewhere.
enum Stops {
    Process(Ends),
    Service(Gone),
}

impl Stops {
    fn signal(&self, signal: Signal) {
        match self {
            Stops::Process(ends) => ends.signal(signal),
            Stops::Service(gone) => gone.go(),
        }
    }
}

fn tell(events: &mpsc::Sender<Event>, event: Event) {
    if events.send(event).is_err() {
        tracing::debug!("the component has ended already");
    }
}

fn stop(order: Order) -> Event {
    let why = match order {
        Order::Stop(why) => why,
        Order::Go => "the netplumber repeats itself".into(),
    };
    Event::Stop(Fault::later(Blame::Peer, format!("stopped: {why}")))
}

/// Waits until the client wants the component to end, or is gone.
fn asked_to_stop(link: &Link) -> Event {
    loop {
        match link.hear(None) {
            Ok(Some(FromClient::Signal(_))) => {
                return Event::Stop(Fault::later(Blame::Operator, "stopped: asked to end"));
            }
            Ok(None) => {}
            Ok(Some(_)) => {
                return Event::Stop(Fault::stream("a message that does not belong here"));
            }
            Err(fault) => return Event::Stop(fault),
        }
    }
}

fn wait(link: &Link, happens: &mpsc::Receiver<Event>, ends: Option<&Stops>) -> Verdict {
    let mut stopped: Option<Fault> = None;
    let mut signals = [Signal::TERM, Signal::KILL].into_iter();
    loop {
        let next = match stopped {
            None => happens.recv().map_err(|_| ()),
            Some(_) => happens.recv_timeout(GRACE).map_err(|_| ()),
        };
        match (next, stopped.take()) {
            (Ok(Event::Ended(verdict)), None) => return better_told(verdict, happens),
            // Why it was stopped says more than how it ended then.
            (Ok(Event::Ended(verdict)), Some(why)) => {
                return verdict.and(Err(why.clone())).or(Err(why));
            }
            (Ok(Event::Stop(fault)), first) => {
                link.stop(&fault);
                if let (None, Some(ends), Some(signal)) = (&first, ends, signals.next()) {
                    ends.signal(signal);
                }
                stopped = first.or(Some(fault));
            }
            (Err(()), Some(why)) => match (ends, signals.next()) {
                (Some(ends), Some(signal)) => {
                    ends.signal(signal);
                    stopped = Some(why);
                }
                // A thread cannot be killed; this process can, and ends.
                _ => return Err(why),
            },
            (Err(()), None) => return Err(Fault::never(Blame::Ours, "nobody runs the component")),
        }
    }
}

/// A component that only saw its neighbour leave does not know why; the link may, a moment later.
fn better_told(verdict: Verdict, happens: &mpsc::Receiver<Event>) -> Verdict {
    match &verdict {
        Err(fault) if fault.blame == Blame::Neighbour => match happens.recv_timeout(WHY_LIMIT) {
            Ok(Event::Stop(why)) => Err(why),
            _ => verdict,
        },
        _ => verdict,
    }
}

/// Tells how the component ended, when everything it wrote was sent, and waits until that was heard.
fn goodbye(link: &Link, verdict: &Verdict) -> Result<(), Fault> {
    link.drain()?;
    link.allow_close();
    link.say(&FromServer::Ended(verdict.clone()))?;
    link.let_finish(READ_LIMIT)
}
