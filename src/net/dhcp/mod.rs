//! A link's address, asked for by DHCP: RFC 2131, the client's side.
//!
//! Owns the states, and when something is said again. Events and the time go in, what is to be done comes out: no
//! clock, no socket. The time counts from any beginning and never goes back.

mod packet;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::time::Duration;

pub use packet::{Lease, PACKET_BYTES_MAX};

use packet::{Kind, Question, Reply};

/// A hardware address.
pub type Mac = [u8; 6];

/// The first wait for an answer, seconds, and the longest: RFC 2131, section 4.1.
const WAIT_S: (u64, u64) = (4, 64);
/// By how much each wait is longer or shorter, milliseconds.
const JITTER_MS: u64 = 1000;
/// How often what was offered is asked for.
const REQUESTS_MAX: u32 = 4;
/// How often a lease is asked for again when the cable is in again.
const REBOOTS_MAX: u32 = 3;
/// The shortest wait while a lease is renewed: RFC 2131, section 4.4.5.
const RENEW_WAIT: Duration = Duration::from_secs(60);
/// How long nothing is asked after what was offered was refused.
const REFUSED_WAIT: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Whether a cable is in. Only a change counts.
    Carrier(bool),
    /// Bytes came to the client's port.
    Packet(&'a [u8]),
    /// Time went by.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// This goes to the server's port.
    Send {
        /// Of this server; none: to everybody on the link.
        to: Option<Ipv4Addr>,
        /// What.
        bytes: Vec<u8>,
    },
    /// The link has this from now on.
    Bound(Lease),
    /// It has nothing any more.
    Lost,
}

/// A lease, and when it was asked for: its times count from there (section 4.4.1).
#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    since: Duration,
}

/// Figure 5 of RFC 2131. `INIT` is `Idle` without a cable.
#[derive(Debug, Clone)]
enum State {
    /// Nothing is asked: there is no cable.
    Idle,
    /// Nothing is asked for a while.
    Waiting,
    /// Who has an address? (`SELECTING`)
    Selecting,
    /// One was offered: by whom, which. (`REQUESTING`)
    Requesting(Ipv4Addr, Ipv4Addr),
    /// Is it still ours, now that the cable is in again? (`REBOOTING`)
    Rebooting(Held),
    /// It is ours. (`BOUND`)
    Bound(Held),
    /// May it stay? asked of who gave it. (`RENEWING`)
    Renewing(Held),
    /// The same, asked of everybody. (`REBINDING`)
    Rebinding(Held),
}

/// Where random numbers come from.
pub type Random = Box<dyn FnMut() -> u32 + Send>;

/// The client of one link.
pub struct Client {
    mac: Mac,
    name: String,
    random: Random,
    carrier: bool,
    state: State,
    /// Number of what is being asked.
    xid: u32,
    /// Since when something is asked.
    began: Duration,
    /// When that was said last.
    asked: Duration,
    /// How often it was said again.
    tries: u32,
    due: Option<Duration>,
}

impl Client {
    /// The client of a link whose cable is not in yet, for a box of this name.
    pub fn new(mac: Mac, name: &str, random: Random) -> Client {
        Client {
            mac,
            name: name.into(),
            random,
            carrier: false,
            state: State::Idle,
            xid: 0,
            began: Duration::ZERO,
            asked: Duration::ZERO,
            tries: 0,
            due: None,
        }
    }

    /// Another name, told with whatever is asked next.
    pub fn rename(&mut self, name: &str) {
        self.name = name.into();
    }

    /// Whether it waits for an answer: only then the port has to be open.
    pub fn listens(&self) -> bool {
        !matches!(self.state, State::Idle | State::Waiting | State::Bound(_))
    }

    /// The lease, if there is one.
    pub fn lease(&self) -> Option<&Lease> {
        self.held().map(|held| &held.lease)
    }

    /// When [`Event::Tick`] does something; none: never.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// What is to be done, in order.
    pub fn handle(&mut self, event: Event<'_>, now: Duration) -> Vec<Action> {
        match event {
            Event::Carrier(there) if there != self.carrier => {
                self.carrier = there;
                if there { self.plugged(now) } else { self.unplugged(now) }
            }
            Event::Packet(bytes) if self.listens() => {
                match packet::read(bytes, self.xid, self.mac) {
                    Some(reply) => self.heard(reply, now),
                    None => Vec::new(),
                }
            }
            Event::Tick if self.due.is_some_and(|due| due <= now) => self.overdue(now),
            _ => Vec::new(),
        }
    }

    fn held(&self) -> Option<&Held> {
        match &self.state {
            State::Rebooting(held)
            | State::Bound(held)
            | State::Renewing(held)
            | State::Rebinding(held) => Some(held),
            _ => None,
        }
    }

    fn plugged(&mut self, now: Duration) -> Vec<Action> {
        let Some(held) = self.held().cloned() else { return self.discover(now) };
        if held.is_over(now) {
            return self.lose(now);
        }
        // It may be another network: RFC 2131, sections 3.2 and 3.7.
        self.state = State::Rebooting(held);
        self.say_anew(now)
    }

    fn unplugged(&mut self, now: Duration) -> Vec<Action> {
        match self.held().cloned() {
            // Nobody hears us, but a lease holds until its end.
            Some(held) => self.keep(held, now),
            None => {
                (self.state, self.due) = (State::Idle, None);
                Vec::new()
            }
        }
    }

    /// Asks from the beginning. A random wait before (section 4.4.1) is for hundreds of hosts that get power at once.
    fn discover(&mut self, now: Duration) -> Vec<Action> {
        if !self.carrier {
            (self.state, self.due) = (State::Idle, None);
            return Vec::new();
        }
        self.state = State::Selecting;
        self.say_anew(now)
    }

    fn lose(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = vec![Action::Lost];
        actions.extend(self.discover(now));
        actions
    }

    /// Says what the state says for the first time.
    fn say_anew(&mut self, now: Duration) -> Vec<Action> {
        self.xid = (self.random)();
        self.began = now;
        self.say_first(now)
    }

    fn say_first(&mut self, now: Duration) -> Vec<Action> {
        self.tries = 0;
        self.say(now)
    }

    fn say(&mut self, now: Duration) -> Vec<Action> {
        self.asked = now;
        self.due = Some(match &self.state {
            State::Renewing(held) => held.next(held.lease.rebind, now),
            State::Rebinding(held) => held.next(held.lease.lasts, now),
            _ => now + self.wait(),
        });
        let (to, question) = match &self.state {
            State::Idle | State::Waiting | State::Bound(_) => return Vec::new(),
            State::Selecting => (None, Question::Discover),
            State::Requesting(server, address) => {
                (None, Question::Request { server: *server, address: *address })
            }
            State::Rebooting(held) => (None, Question::Again(held.lease.address())),
            State::Renewing(held) => {
                (Some(held.lease.server), Question::Extend(held.lease.address()))
            }
            State::Rebinding(held) => (None, Question::Extend(held.lease.address())),
        };
        if !self.carrier {
            return Vec::new();
        }
        let secs = now.saturating_sub(self.began).as_secs();
        let bytes = packet::write(&question, self.xid, self.mac, secs, &self.name);
        bytes.map(|bytes| Action::Send { to, bytes }).into_iter().collect()
    }

    /// How long until it is said again: RFC 2131, section 4.1.
    fn wait(&mut self) -> Duration {
        let s = WAIT_S.1.min(WAIT_S.0 << self.tries.min(8));
        let random = u64::from((self.random)()) % (2 * JITTER_MS + 1);
        Duration::from_millis(s * 1000 - JITTER_MS + random)
    }

    fn heard(&mut self, reply: Reply, now: Duration) -> Vec<Action> {
        let by = reply.server;
        match (&self.state, reply.kind) {
            (State::Selecting, Kind::Offer(lease)) => {
                self.state = State::Requesting(by, lease.address());
                self.say_first(now)
            }
            (State::Requesting(server, _), Kind::Ack(lease)) if *server == by => {
                self.bind(lease, now)
            }
            (State::Requesting(server, _), Kind::Nak) if *server == by => {
                (self.state, self.due) = (State::Waiting, Some(now + REFUSED_WAIT));
                Vec::new()
            }
            (State::Rebooting(_) | State::Rebinding(_), Kind::Ack(lease)) => self.bind(lease, now),
            (State::Rebooting(_) | State::Rebinding(_), Kind::Nak) => self.lose(now),
            (State::Renewing(held), kind) if held.lease.server == by => match kind {
                Kind::Ack(lease) => self.bind(lease, now),
                Kind::Nak => self.lose(now),
                Kind::Offer(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn bind(&mut self, lease: Lease, now: Duration) -> Vec<Action> {
        let mut actions = vec![Action::Bound(lease.clone())];
        actions.extend(self.keep(Held { lease, since: self.asked }, now));
        actions
    }

    /// What a lease of its age asks for: RFC 2131, section 4.4.5.
    fn keep(&mut self, held: Held, now: Duration) -> Vec<Action> {
        if held.is_over(now) {
            return self.lose(now);
        }
        let is_due = |after: Option<Duration>| after.is_some_and(|after| held.since + after <= now);
        if is_due(held.lease.rebind) {
            self.state = State::Rebinding(held);
            return self.say_anew(now);
        }
        if is_due(held.lease.renew) {
            self.state = State::Renewing(held);
            return self.say_anew(now);
        }
        self.due = held.lease.renew.map(|after| held.since + after);
        self.state = State::Bound(held);
        Vec::new()
    }

    fn overdue(&mut self, now: Duration) -> Vec<Action> {
        self.tries = self.tries.saturating_add(1);
        match self.state.clone() {
            State::Idle => {
                self.due = None;
                Vec::new()
            }
            State::Waiting => self.discover(now),
            State::Requesting(..) if self.tries >= REQUESTS_MAX => self.discover(now),
            State::Selecting | State::Requesting(..) => self.say(now),
            State::Rebooting(held) if held.is_over(now) => self.lose(now),
            // Nobody says no, so it stays ours for the rest of its time: RFC 2131, section 3.2, number 4.
            State::Rebooting(held) if self.tries >= REBOOTS_MAX => self.keep(held, now),
            State::Rebooting(_) => self.say(now),
            State::Renewing(held) if !held.is_past(held.lease.rebind, now) => self.say(now),
            State::Rebinding(held) if !held.is_over(now) => self.say(now),
            State::Bound(held) | State::Renewing(held) | State::Rebinding(held) => {
                self.keep(held, now)
            }
        }
    }
}

impl Held {
    fn is_past(&self, after: Option<Duration>, now: Duration) -> bool {
        after.is_some_and(|after| self.since + after <= now)
    }

    fn is_over(&self, now: Duration) -> bool {
        self.is_past(self.lease.lasts, now)
    }

    /// When it is said again: after half of what is left, and not before a minute (section 4.4.5).
    fn next(&self, end: Option<Duration>, now: Duration) -> Duration {
        let end = end.map_or(Duration::MAX, |end| self.since + end);
        let half = end.saturating_sub(now) / 2;
        end.min(now.saturating_add(half.max(RENEW_WAIT)))
    }
}
