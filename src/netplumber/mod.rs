//! Netplumber: lets enrolled machines run components here.
//!
//! Owns the socket that listens, the limits, and one process for each connection ([`connection`]), which it
//! starts before a byte was read, is told of each step by ([`status`]), and ends when the machine is revoked,
//! when it takes too long, or when the netplumber itself is to end. What may be run is in the gluepot
//! ([`gluepot`]); what it may touch then is seen to by a cage ([`confine`]). The handling of bytes from
//! outside happens in those processes alone: one that dies takes no other along.

pub mod confine;
pub mod connection;
pub mod gluepot;
mod plan;
pub mod run;
mod seat;
pub mod service;
pub mod status;

use std::cell::RefCell;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::identity::authority::Authority;
use crate::stream::Fault;
use seat::{Present, Seat};
use status::{Order, Report};

/// What a netplumber puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Of those, the ones of one machine.
    pub of_a_machine: usize,
    /// Connections that have not said who they are.
    pub strangers: usize,
    /// Of those, the ones from one address.
    pub of_an_address: usize,
    /// How long running components may go on once the netplumber is to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 64,
            of_a_machine: 16,
            strangers: 32,
            of_an_address: 8,
            drain: Duration::from_secs(60),
        }
    }
}

/// How long somebody may take to say who they are, before their process is ended.
const STRANGER_LIMIT: Duration = Duration::from_secs(15);
/// How often it is looked whether machines are still welcome.
const LOOK: Duration = Duration::from_millis(500);
/// How long a process may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(25);
/// Lines of a process's reports are read up to this long, bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// How the process of a connection is started: standard input is the socket, standard output the status.
#[derive(Debug, Clone)]
pub struct Starter {
    /// The executable.
    pub program: PathBuf,
    /// Its words; the folder where the component is to run follows.
    pub words: Vec<OsString>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Run,
    /// No new connections; those there are may end by themselves.
    Drain,
    /// Everything ends.
    End,
}

struct Netplumber {
    folder: PathBuf,
    starter: Starter,
    limits: Limits,
    present: RefCell<Present>,
}

fn failed(what: &str) -> impl Fn(std::io::Error) -> Fault + '_ {
    move |error| Fault::host(what, &error)
}

/// Listens on `address` until a signal ends it. `ready` is told where.
pub fn serve(
    address: &str,
    folder: PathBuf,
    starter: Starter,
    limits: Limits,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Fault> {
    Authority::open(&folder, connection::now_s())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("cannot start the netplumber"))?;
    let netplumber = Rc::new(Netplumber { folder, starter, limits, present: RefCell::default() });
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let what = format!("cannot listen on {address}");
        let listener = TcpListener::bind(address).await.map_err(failed(&what))?;
        ready(listener.local_addr().map_err(failed(&what))?);
        netplumber.listen(listener).await
    })
}

impl Netplumber {
    async fn listen(self: Rc<Self>, listener: TcpListener) -> Result<(), Fault> {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = failed("cannot wait for signals");
        let mut interrupt = signal(SignalKind::interrupt()).map_err(&cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(&cannot)?;
        let (phase, _) = watch::channel(Phase::Run);
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, from)) => self.clone().accept(socket, from, &phase, &mut tasks),
                    // Out of descriptors, say: that passes.
                    Err(error) => {
                        tracing::error!(%error, "cannot accept a connection");
                        sleep(LOOK).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        drop(listener);
        phase.send_replace(Phase::Drain);
        tracing::info!(connections = tasks.len(), "ending: no new connections");
        let all_gone = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = all_gone => return Ok(()),
            () = sleep(self.limits.drain) => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        phase.send_replace(Phase::End);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    fn accept(
        self: Rc<Self>,
        socket: TcpStream,
        from: SocketAddr,
        phase: &watch::Sender<Phase>,
        tasks: &mut JoinSet<()>,
    ) {
        let Some(seat) = Seat::take(&self, from.ip()) else {
            return tracing::warn!(%from, "refused: too many connections");
        };
        let phase = phase.subscribe();
        tasks.spawn_local(async move {
            let mut guest = Guest { seat, from, who: String::new(), what: String::new(), phase };
            // What is left in it goes with it.
            let room = tempfile::Builder::new().prefix("tapioca-").tempdir();
            let started = room.and_then(|room| Ok((guest.start(socket, room.path())?, room)));
            match started {
                Ok(((child, status), _room)) => guest.watch(child, status).await,
                Err(error) => tracing::error!(%from, %error, "cannot serve a connection"),
            }
        });
    }
}

/// A connection and its process.
struct Guest {
    seat: Seat,
    from: SocketAddr,
    who: String,
    what: String,
    phase: watch::Receiver<Phase>,
}

impl Guest {
    fn start(
        &self,
        socket: TcpStream,
        room: &Path,
    ) -> std::io::Result<(tokio::process::Child, UnixStream)> {
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let starter = &self.seat.netplumber.starter;
        let mut command = tokio::process::Command::new(&starter.program);
        command.args(&starter.words).arg(room).env_clear().process_group(0).kill_on_drop(true);
        for name in ["PATH", "TAPIOCA_LOG", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        command.stdout(Stdio::from(OwnedFd::from(theirs)));
        Ok((command.spawn()?, UnixStream::from_std(ours)?))
    }

    /// Follows the process to its end, and logs that once.
    async fn watch(&mut self, mut child: tokio::process::Child, status: UnixStream) {
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let outcome = self.follow(status).await;
        // Its socket is closed, so it has ended or is about to; until it is waited for, its number is its
        // own. Whatever it started and left behind goes with it.
        if let Some(group) = group
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::trace!(%error, "nothing of the connection is left");
        }
        if let Err(error) = child.wait().await {
            tracing::error!(%error, "cannot wait for a connection's process");
        }
        let Guest { from, who, what, .. } = self;
        match outcome {
            Some(Report::Ended(how)) => tracing::info!(%from, who, what, "ended: {how}"),
            Some(Report::Enrolled(machine)) => tracing::info!(%from, machine, "enrolled"),
            Some(Report::Refused(why)) => tracing::warn!(%from, who, "refused: {why}"),
            _ => tracing::warn!(%from, who, what, "its process died"),
        }
    }

    /// Hears reports until the process has gone; the last of them.
    async fn follow(&mut self, status: UnixStream) -> Option<Report> {
        let (reader, mut orders) = status.into_split();
        let mut reports = BufReader::new(reader);
        let mut last = None;
        let mut deadline = Some(Instant::now() + STRANGER_LIMIT);
        let mut stopped = false;
        // What was read of a line stays when something else happens first.
        let mut line = Vec::new();
        loop {
            tokio::select! {
                read = read_line(&mut reports, &mut line) => match read {
                    Some(()) => {
                        let report = serde_json::from_slice(&std::mem::take(&mut line)).ok()?;
                        if let Report::Hello { .. } = &report {
                            deadline = None;
                        }
                        self.hear(&report, &mut orders).await;
                        last = Some(report);
                    }
                    None => return last,
                },
                () = at(deadline) => {
                    return Some(Report::Refused("it takes too long".into()));
                }
                why = self.reason_to_end(), if !stopped => {
                    stopped = true;
                    order(&mut orders, &Order::Stop(why)).await;
                    deadline = Some(Instant::now() + GRACE);
                }
            }
        }
    }

    async fn hear(&mut self, report: &Report, orders: &mut OwnedWriteHalf) {
        match report {
            Report::Hello { machine, digest } => {
                self.who.clone_from(machine);
                let known = self.seat.is_known_as(machine.clone(), digest.clone());
                let reply = known.map_or_else(Order::Stop, |()| Order::Go);
                order(orders, &reply).await;
            }
            Report::Running(what) => {
                self.what.clone_from(what);
                tracing::info!(from = %self.from, who = self.who, what, "running");
            }
            Report::Ended(_) | Report::Refused(_) | Report::Enrolled(_) => {}
        }
    }

    /// Comes back when the connection is to end before its time.
    async fn reason_to_end(&self) -> String {
        let mut phase = self.phase.clone();
        loop {
            if *phase.borrow() == Phase::End {
                return "the netplumber ends".into();
            }
            if !self.seat.is_welcome() {
                return "this machine was revoked".into();
            }
            if let Ok(Err(_)) = timeout(LOOK, phase.changed()).await {
                return "the netplumber ends".into();
            }
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn order(orders: &mut OwnedWriteHalf, order: &Order) {
    let Ok(line) = status::line(order) else { return };
    if let Err(error) = orders.write_all(&line).await {
        tracing::debug!(%error, "a connection's process takes no orders");
    }
}

/// A line without its end; none if there is none any more, or if it is too long.
async fn read_line<R: tokio::io::AsyncBufRead + Unpin>(
    from: &mut R,
    line: &mut Vec<u8>,
) -> Option<()> {
    loop {
        let available = from.fill_buf().await.ok().filter(|bytes| !bytes.is_empty())?;
        let end = available.iter().position(|&b| b == b'\n');
        let count = end.map_or(available.len(), |at| at + 1);
        line.extend_from_slice(&available[..count]);
        from.consume(count);
        if end.is_some() {
            return Some(());
        }
        if line.len() > LINE_BYTES_MAX {
            return None;
        }
    }
}
