//! A component of another machine.
//!
//! Owns the call: connect, prove who we are, say what is to run, and hear whether it does. From then on
//! there is a [`Link`] whose handles are the descriptors of that component.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::identity::config;
use crate::identity::machine::{Address, Machine};
use crate::stream::{Blame, Fault};
use crate::wire::Link;
use crate::wire::channel::{self, Receiver, Sender, Side};
use crate::wire::flow::{Flow, window_bytes};
use crate::wire::frame::{CLIENT_CONTROL, Kind, Packet};
use crate::wire::link::Alive;
use crate::wire::message::{self, FromClient, FromServer, Request, Seal};
use crate::wire::tls::Tls;

/// How long connecting may take, then the handshake, then the answer.
const LIMIT: Duration = Duration::from_secs(20);
/// How long the other end may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// What is to run where.
#[derive(Debug, Clone)]
pub struct Far {
    /// The netplumber.
    pub address: Address,
    /// Folder of this machine's identities.
    pub home: PathBuf,
    /// When a silent netplumber counts as gone.
    pub alive: Alive,
    /// What it is to run.
    pub request: Request,
}

/// Connects to a netplumber.
pub fn connect(address: &Address) -> Result<TcpStream, Fault> {
    let what = format!("cannot connect to {address}");
    let fault = |e: &std::io::Error| {
        Fault::later(Blame::Link, format!("{what}: {e}"))
            .hint("is a netplumber running there, and does it listen on that port?")
    };
    let all = (address.host.as_str(), address.port).to_socket_addrs().map_err(|e| fault(&e))?;
    let mut last = None;
    for one in all {
        match TcpStream::connect_timeout(&one, LIMIT) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    let none = || std::io::Error::other("that name has no address");
    Err(fault(&last.unwrap_or_else(none)))
}

/// Connects with `tls` and makes the handshake.
pub fn establish(address: &Address, tls: Tls) -> Result<(Sender, Receiver), Fault> {
    channel::establish(connect(address)?, tls, LIMIT).map_err(|fault| at(address, fault))
}

fn at(address: &Address, fault: Fault) -> Fault {
    Fault { what: format!("{address}: {}", fault.what), ..fault }
}

impl Far {
    /// Has the component started. A refusal is a fault.
    pub fn call(&self) -> Result<Link, Fault> {
        if let Some(complaint) = self.request.complaint() {
            return Err(Fault::usage(complaint));
        }
        let machine = Machine::at(&self.home, &self.address);
        let tls = Tls::client(&config::client(machine.folder()?)?)?;
        let ends = establish(&self.address, tls)?;
        self.start(ends).map_err(|fault| at(&self.address, fault))
    }

    fn start(&self, (mut sender, mut receiver): (Sender, Receiver)) -> Result<Link, Fault> {
        say(&mut sender, &FromClient::Start(self.request.clone()))?;
        match hear(&mut receiver)? {
            FromServer::Started => {}
            FromServer::Refused(fault) => {
                sender.close()?;
                return Err(Fault { what: format!("refused: {}", fault.what), ..fault });
            }
            FromServer::Ended(_) => {
                return Err(Fault::stream("the netplumber speaks of an end before a beginning"));
            }
        }
        if self.request.seal == Seal::None {
            sender.unseal(Side::Client)?;
            receiver.unseal(Side::Client)?;
            say(&mut sender, &FromClient::Unsealed)?;
        }
        sender.patience(self.alive.dead)?;
        let handles = self.request.handles();
        let flow = Flow::new(CLIENT_CONTROL, handles, window_bytes(handles));
        Link::start(sender, receiver, flow, handles, self.alive)
    }
}

fn say(sender: &mut Sender, message: &FromClient) -> Result<(), Fault> {
    sender.send(&[Packet::new(Kind::Message, CLIENT_CONTROL, &message::encode(message)?)])
}

fn hear(receiver: &mut Receiver) -> Result<FromServer, Fault> {
    match receiver.frame(LIMIT)? {
        (header, payload) if header.kind == Kind::Message => message::decode(payload.data()),
        _ => Err(Fault::stream("the netplumber sends data before it was asked for any")),
    }
}

/// Waits until the component on the other machine has ended.
pub fn verdict(link: &Link) -> Result<u64, Fault> {
    loop {
        if let Some(verdict) = heard(link, None)? {
            return verdict;
        }
    }
}

/// How the component on the other machine ended, if that is told in time.
pub fn verdict_within(link: &Link, limit: Duration) -> Option<Result<u64, Fault>> {
    heard(link, Some(limit)).ok().flatten()
}

fn heard(link: &Link, limit: Option<Duration>) -> Result<Option<Result<u64, Fault>>, Fault> {
    match link.hear(limit)? {
        Some(FromServer::Ended(verdict)) => Ok(Some(verdict)),
        Some(_) => Err(Fault::stream("the netplumber sends a message that does not belong here")),
        None => Ok(None),
    }
}

/// Closes a link whose component has ended and whose bytes were all taken.
pub fn finish(link: &Link) -> Result<(), Fault> {
    link.finish(CLOSE_LIMIT)
}

/// Where this machine keeps its identities unless told otherwise: in the user's own configuration.
pub fn usual_home() -> Result<PathBuf, Fault> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = folder("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(Path::new(&folder("HOME")?).join(".config")));
    match config {
        Some(config) => Ok(config.join("tapioca")),
        None => {
            Err(Fault::usage("there is no HOME: say with --identity where identities are kept"))
        }
    }
}
