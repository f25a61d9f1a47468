//! The thread that keeps the children: it waits for their end, for signals and for messages, and for nothing else.
//!
//! Owns the table of children, made of the board once; only devices add to it, and not without limit. What it shares
//! with the steps of the start and with the watchdog is in [`Shared`].

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use board::machine::{Each, Machine, Process, Start};
use discover::Device;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, kill_process, kill_process_group, wait};

use super::child::{Account, Due};
use super::control::{Control, Peer};
use super::doors::{self, Doors};
use super::feed::Debt;
use super::message::{self, CHILDREN_MAX, Name, Reply, Request, STEPS_MAX, Status, Step, cut};
use super::stop::{self, How};
use super::{RUN, data, say, seat, stick};
use crate::steward::message::Boot;
use crate::stream::Fault;

/// How often the loop goes round when nothing happens.
const ROUND: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What the steps of the start tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The children that start then are to run.
    Begin(Start),
}

/// What several threads know.
pub(super) struct Shared {
    began: Instant,
    keeper_ms: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    steps: heapless::Vec<Step, STEPS_MAX>,
    debts: heapless::Vec<(Name, Debt), CHILDREN_MAX>,
    armed: bool,
    was_reset: bool,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since init began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A step of the start was taken.
    pub(super) fn step(&self, step: Step) {
        if self.inner().steps.push(step).is_err() {
            say("there are more steps than are remembered");
        }
    }

    /// The watchdog is armed; whether it had started the machine.
    pub(super) fn armed(&self, was_reset: bool) {
        let mut inner = self.inner();
        inner.armed = true;
        inner.was_reset = was_reset;
    }

    /// When the keeper went round last.
    pub(super) fn keeper_seen(&self) -> Duration {
        Duration::from_millis(self.keeper_ms.load(Relaxed))
    }

    /// This start, as it is remembered.
    pub(super) fn boot(&self) -> Boot {
        let inner = self.inner();
        let wrong = inner.steps.iter().filter(|step| !step.wrong.is_empty());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Boot {
            number: 0,
            at_s: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            version: env!("CARGO_PKG_VERSION").into(),
            why: if inner.was_reset { "watchdog" } else { "power" }.into(),
            without: wrong.map(|step| format!("{}: {}", step.name, step.wrong)).collect(),
        }
    }

    /// The first child that `judge` finds overdue.
    pub(super) fn overdue(&self, judge: impl Fn(&Debt) -> bool) -> Option<String> {
        let inner = self.inner();
        let found = inner.debts.iter().find(|(_, debt)| judge(debt));
        found.map(|(name, _)| name.to_string())
    }
}

/// A child.
pub(super) struct Child {
    pub(super) name: Name,
    process: String,
    instance: Option<String>,
    user: u32,
    start: Start,
    pub(super) account: Account,
    was_degraded: bool,
    pid: Option<Pid>,
    since: Duration,
    alive: Option<Duration>,
    every: Option<Duration>,
    /// Whether it is a device's.
    is_door: bool,
    /// Which appearance of its device it is for; none: that is away.
    appearance: Option<u64>,
}

/// The keeper of the children.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    signals: SignalFd,
    control: Option<Control>,
    children: Vec<Child>,
    doors: Option<Doors>,
    steward: Option<u32>,
    updater: Option<u32>,
    log: String,
    /// Whether the start came to where children that need data and devices may run.
    is_ready: bool,
    stopping: Option<How>,
}

/// Signals are read, not taken, from here on and in all threads to come.
pub(super) fn block_signals() -> Result<SignalFd, Fault> {
    let wanted: SigSet = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    let failed = |e: nix::Error| Fault::host("cannot wait for signals", &e.into());
    wanted.thread_block().map_err(failed)?;
    SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)
}

impl Keeper {
    pub(super) fn new(machine: &Machine, signals: SignalFd) -> Keeper {
        let mut children: Vec<Child> = machine
            .processes
            .iter()
            .flat_map(|process| {
                instances(machine, process)
                    .into_iter()
                    .map(|instance| Child::new(machine, process, instance))
            })
            .collect();
        if children.len() > CHILDREN_MAX {
            say(&format!("more than {CHILDREN_MAX} children: the last ones are left out"));
            children.truncate(CHILDREN_MAX);
        }
        let shared =
            Shared { began: Instant::now(), keeper_ms: AtomicU64::new(0), inner: Mutex::default() };
        Keeper {
            shared: Arc::new(shared),
            signals,
            control: None,
            children,
            doors: Doors::of(machine),
            steward: data::user(machine, "steward"),
            updater: data::user(machine, "updater"),
            log: machine.debug.log.clone(),
            is_ready: false,
            stopping: None,
        }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Keeps the children until the machine stops, which is the end of this function, too.
    pub(super) fn run(mut self, events: &Receiver<Event>) -> Result<(), Fault> {
        loop {
            let now = self.shared.now();
            self.shared.keeper_ms.store(now.as_millis().try_into().unwrap_or(u64::MAX), Relaxed);
            if self.control.is_none() && std::path::Path::new(RUN).exists() {
                match Control::listen() {
                    Ok(control) => self.control = Some(control),
                    Err(error) => say(&format!("cannot listen at {}: {error}", message::SOCKET)),
                }
            }
            self.wait();
            while let Ok(Event::Begin(start)) = events.try_recv() {
                let now = self.shared.now();
                self.is_ready |= start == Start::Ready;
                let are_those = |child: &&mut Child| child.start == start;
                self.children.iter_mut().filter(are_those).for_each(|child| child.want(now));
                self.doors.iter_mut().for_each(|doors| doors.begin(start, now));
            }
            self.read_signals();
            self.reap();
            self.answer();
            self.look_for_devices();
            self.carry_out();
            self.owe();
            if self.is_stopped() {
                return Ok(());
            }
        }
    }

    fn wait(&self) {
        let control = self.control.iter().flat_map(Control::descriptors);
        let devices = self.doors.as_ref().and_then(Doors::descriptor);
        let all = std::iter::once(self.signals.as_fd()).chain(control).chain(devices);
        let mut waited: Vec<PollFd<'_>> =
            all.map(|fd: BorrowedFd<'_>| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // Whatever went wrong, everybody is looked at now.
        let _count = poll(&mut waited, Some(&ROUND));
    }

    fn read_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGTERM)) => self.stop(How::PowerOff),
                Ok(Ok(Signal::SIGINT)) => self.stop(How::Reboot),
                _ => {}
            }
        }
    }

    /// Takes leave of every process that ended; those nobody knows were left to us by theirs.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let now = self.shared.now();
            let Some(child) = self.children.iter_mut().find(|child| child.pid == Some(pid)) else {
                continue;
            };
            child.pid = None;
            child.shut();
            let was_told = child.account.runs_since().is_none();
            child.account.ended(now);
            let how = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => "an unknown end".to_owned(),
            };
            if !was_told {
                let is_degraded = child.account.is_degraded(now);
                // What keeps ending is said until it is known to.
                if !(is_degraded && child.was_degraded) {
                    let degraded = if is_degraded { ": degraded" } else { "" };
                    say(&format!("{} ended ({how}){degraded}", child.name));
                }
                child.was_degraded = is_degraded;
            }
        }
    }

    fn look_for_devices(&mut self) {
        if let (Some(doors), None) = (&mut self.doors, self.stopping) {
            doors.follow(&mut self.children, self.shared.now());
        }
    }

    fn answer(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        control.serve(|peer, request| self.reply(peer, request));
        self.control = Some(control);
    }

    fn reply(&mut self, peer: Peer, request: Request) -> Reply {
        let may = peer.user == 0 || Some(peer.user) == self.steward;
        // Who puts another version in place may have it started, and nothing else.
        let may_update = may || Some(peer.user) == self.updater;
        let now = self.shared.now();
        match request {
            Request::Status => Reply::Status(self.status(now)),
            Request::Alive => {
                let is_it = |child: &&mut Child| {
                    child.pid.is_some() && child.user == peer.user && child.every.is_some()
                };
                match self.children.iter_mut().find(is_it) {
                    Some(child) => {
                        child.alive = Some(now);
                        Reply::Done
                    }
                    None => Reply::Refused(cut("no child that owes signs of life is of this user")),
                }
            }
            Request::Reboot if may_update => self.reply_to_stop(How::Reboot),
            Request::Stick(wanted) if may_update => match stick::want(wanted) {
                Ok(()) => Reply::Done,
                Err(why) => Reply::Refused(cut(&why)),
            },
            _ if !may => Reply::Refused(cut("only root and the steward may command")),
            Request::Start(name) => self.with(&name, |child| child.want(now)),
            Request::Stop(name) => self.with(&name, |child| {
                let is_told = child.account.unwant(now);
                child.tell(is_told);
            }),
            Request::Restart(name) => self.with(&name, |child| {
                let is_told = child.account.renew(now);
                child.since = now;
                child.tell(is_told);
            }),
            Request::Reboot | Request::Stick(_) => Reply::Refused(cut("that is not for this user")),
            Request::PowerOff => self.reply_to_stop(How::PowerOff),
        }
    }

    fn reply_to_stop(&mut self, how: How) -> Reply {
        self.stop(how);
        Reply::Done
    }

    fn with(&mut self, name: &Name, act: impl FnOnce(&mut Child)) -> Reply {
        if self.stopping.is_some() {
            return Reply::Refused(cut("the machine is stopping"));
        }
        match self.children.iter_mut().find(|child| child.name == *name) {
            Some(child) => {
                act(child);
                Reply::Done
            }
            None => Reply::Refused(cut(&format!("no child is called {name}"))),
        }
    }

    fn status(&mut self, now: Duration) -> Status {
        let inner = self.shared.inner();
        let children = self.children.iter_mut().map(|child| message::Child {
            name: child.name.clone(),
            pid: child.pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs()),
            restarts: u32::try_from(child.account.restarts(now)).unwrap_or(u32::MAX),
            degraded: child.account.is_degraded(now),
        });
        let children: heapless::Vec<_, CHILDREN_MAX> = children.collect();
        let lacks = inner.steps.iter().any(|step| !step.wrong.is_empty());
        Status {
            up_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            degraded: lacks || children.iter().any(|child| child.degraded),
            watchdog: inner.armed,
            watchdog_reset: inner.was_reset,
            steps: inner.steps.clone(),
            children,
        }
    }

    fn carry_out(&mut self) {
        let now = self.shared.now();
        for child in &mut self.children {
            match child.account.due(now) {
                Due::Nothing => {}
                // The steward may have wanted it before the disk was there.
                Due::Start if child.start == Start::Claimed && !self.is_ready => child.since = now,
                Due::Start => child.spawn(&self.log, now),
                Due::Kill => {
                    say(&format!("{} did not end in its time and is killed", child.name));
                    child.kill();
                }
            }
        }
    }

    /// Writes down who owes signs of life.
    fn owe(&self) {
        let mut inner = self.shared.inner();
        inner.debts.clear();
        for child in self.children.iter().filter(|child| child.account.is_wanted()) {
            let Some(every) = child.every else { continue };
            let debt = Debt { since: child.since, alive: child.alive, every };
            // There is as much room as there are children.
            let _room = inner.debts.push((child.name.clone(), debt));
        }
    }

    fn stop(&mut self, how: How) {
        if self.stopping.replace(how).is_none() {
            say(match how {
                How::Reboot => "the machine is to start anew",
                How::PowerOff => "the machine is to stop",
            });
        }
    }

    /// One step towards the end: those that started last end first, so that the service still has its drives.
    fn is_stopped(&mut self) -> bool {
        let Some(how) = self.stopping else { return false };
        let now = self.shared.now();
        for start in [Start::Claimed, Start::Ready, Start::Early] {
            let those = |child: &&mut Child| child.start == start;
            let mut left = 0;
            for child in self.children.iter_mut().filter(those) {
                let is_told = child.account.unwant(now);
                child.tell(is_told);
                left += usize::from(child.pid.is_some());
            }
            if left > 0 {
                return false;
            }
        }
        stop::finish(how);
        true
    }
}

/// One for each of what the board says.
fn instances(machine: &Machine, process: &Process) -> Vec<Option<String>> {
    match process.each {
        Each::Box => vec![None],
        Each::Serial => machine.serial.iter().map(|serial| Some(serial.port.clone())).collect(),
        // They come later.
        Each::Device => Vec::new(),
    }
}

impl Child {
    pub(super) fn new(machine: &Machine, process: &Process, instance: Option<String>) -> Child {
        let name = match &instance {
            Some(instance) => format!("{}/{instance}", process.name),
            None => process.name.clone(),
        };
        let stop = Duration::from_secs(process.stop_s.into());
        let every = Duration::from_secs(process.alive_s.into());
        Child {
            name: cut(&name),
            process: process.name.clone(),
            instance,
            user: process.user,
            start: process.start,
            account: Account::new(process.restart, stop, machine.limits.restarts_max),
            was_degraded: false,
            pid: None,
            since: Duration::ZERO,
            alive: None,
            every: (!every.is_zero()).then_some(every),
            is_door: process.each == Each::Device,
            appearance: None,
        }
    }

    /// Whether it is one of those of a process.
    pub(super) fn is_instance_of(&self, process: &Process) -> bool {
        self.process == process.name
    }

    /// Whether it is that of a device.
    pub(super) fn is_of(&self, process: &Process, device: &Device) -> bool {
        self.is_instance_of(process) && self.instance.as_deref() == Some(device.key.as_str())
    }

    /// Its device is attached.
    pub(super) fn is_at(&mut self, device: &Device, now: Duration) {
        let before = self.appearance.replace(device.appearance);
        if before == Some(device.appearance) {
            return;
        }
        say(&format!("{} is {}", device.key, device.node.display()));
        let is_told = self.account.renew(now);
        self.since = now;
        self.tell(is_told);
    }

    /// Its device is not attached.
    pub(super) fn is_away(&mut self, now: Duration) {
        if self.appearance.take().is_some() {
            say(&format!("{} is gone", self.instance.as_deref().unwrap_or_default()));
            let is_told = self.account.unwant(now);
            self.tell(is_told);
        }
    }

    /// Whether it neither runs nor is to.
    pub(super) fn is_over(&self) -> bool {
        self.pid.is_none() && !self.account.is_wanted()
    }

    /// What it left is put away.
    fn shut(&self) {
        if let (true, Some(key)) = (self.is_door, &self.instance) {
            doors::shut(key);
        }
    }

    fn want(&mut self, now: Duration) {
        if !self.account.is_wanted() {
            self.since = now;
        }
        self.account.want(now);
    }

    fn spawn(&mut self, log: &str, now: Duration) {
        (self.since, self.alive) = (now, None);
        match seat::spawn(&self.process, self.instance.as_deref(), log) {
            Ok(pid) => {
                self.pid = Some(pid);
                self.account.started(now);
            }
            Err(error) => {
                say(&format!("{} cannot be started: {error}", self.name));
                self.account.started(now);
                self.account.ended(now);
            }
        }
    }

    fn tell(&self, is_told: bool) {
        if let Some(pid) = self.pid.filter(|_| is_told) {
            // It may have ended by itself.
            let _gone = kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// It and all it started.
    fn kill(&self) {
        if let Some(pid) = self.pid {
            let _gone = kill_process_group(pid, rustix::process::Signal::KILL);
            let _gone = kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
