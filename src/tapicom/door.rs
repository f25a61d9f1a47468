//! The door: everything that is judged before a command reaches the authority.
//!
//! Owns one function, [`Door::judge`]: from who is there and what they say, to what is to be done. Owns what is
//! remembered for it: how often everybody asked, who was wrong lately, how many logins are being checked. Has
//! no clock, no file and no thread, and what is not allowed expressly is refused. Tickets that are given or
//! taken away are [`Change`]s, which whoever owns the catalogue commits before the answer is sent.

use std::collections::{BTreeMap, BTreeSet};

use super::backoff::Backoff;
use super::login::{AT_ONCE, Attempt, Checked, Given, Purpose, WAITING};
use super::message::{Command, Refusal, Reply, Request, Secret, TicketView, VERSION, Why};
use super::password;
use super::rate::{Millis, REQUESTS, Rate, Rates};
use super::rights::{Books, Caller, decide};
use super::ticket::{Shown, rights_now};
use crate::catalogue::record::{Change, Credential, Record, Right, Seconds, Ticket, User};
use crate::stream::Fault;

/// The machine that a console on the appliance is. No other may have this name.
pub const CONSOLE: &str = "console";
/// Whom the service knows the administrator of the appliance as.
pub const ADMINISTRATOR: &str = "admin";
/// Logins of one machine that are checked at once or wait.
const CHECKS_OF_MACHINE: usize = 4;

/// A machine, introduced by the netplumber that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// The name that its certificate was given to.
    pub machine: String,
    /// Digest of the certificate.
    pub digest: [u8; 32],
}

/// Who is at the other end, as whoever carried the bytes made sure of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Root or the service's own user, on the appliance itself.
    Console,
    /// An enrolled machine.
    Machine(Introduction),
}

impl Peer {
    /// Its name. None: an introduction by a name that no machine may have.
    fn machine(&self) -> Option<&str> {
        match self {
            Peer::Console => Some(CONSOLE),
            Peer::Machine(introduced) if introduced.machine != CONSOLE => Some(&introduced.machine),
            Peer::Machine(_) => None,
        }
    }
}

/// The two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// One that never goes back, from any beginning.
    pub ms: Millis,
    /// The day's.
    pub s: Seconds,
}

/// What is to be done.
#[derive(Debug)]
pub enum Act {
    /// This is the answer.
    Answer(Box<Answer>),
    /// A password is to be checked, by [`Attempt::check`] on a thread that may block; then
    /// [`Door::checked`] has the answer.
    Check(Box<Attempt>),
    /// The command may be carried out for this caller.
    Pass(Caller, Box<Command>),
}

/// An answer, and what it changes.
#[derive(Debug)]
pub struct Answer {
    /// What is to be committed before the answer is sent. When that fails, the answer is another.
    pub changes: Vec<Change>,
    /// Who did what, for the audit trail.
    pub audit: Option<(String, String)>,
    /// The answer.
    pub reply: Reply,
}

fn refused(why: Why, what: impl Into<String>) -> Reply {
    Reply::Refused(Refusal { why, what: what.into(), hint: None })
}

fn answer(reply: Reply) -> Act {
    Act::Answer(Box::new(Answer { changes: Vec::new(), audit: None, reply }))
}

/// Whose bucket is emptied by a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    Ticket([u8; 16]),
    Machine([u8; 32]),
}

impl Asker {
    fn machine(name: &str) -> Asker {
        Asker::Machine(*blake3::hash(name.as_bytes()).as_bytes())
    }
}

/// What the audit trail is told of refusals: all of a few, and of many how many they were. Who floods us must
/// not fill the catalogue.
const REFUSALS: Rate = Rate { per_1000_s: 200, burst: 20 };

/// What is remembered between requests.
#[derive(Debug)]
pub struct Door {
    rates: Rates<Asker>,
    backoff: Backoff,
    /// Logins being checked, by machine.
    checks: BTreeMap<String, usize>,
    refusals: Rates<Asker>,
    /// Refusals that the audit trail was not told of, by machine.
    untold: BTreeMap<String, u64>,
}

impl Default for Door {
    fn default() -> Door {
        Door {
            rates: Rates::new(REQUESTS),
            backoff: Backoff::default(),
            checks: BTreeMap::new(),
            refusals: Rates::new(REFUSALS),
            untold: BTreeMap::new(),
        }
    }
}

impl Door {
    /// What is to be done about a request.
    pub fn judge(&mut self, peer: &Peer, request: Request, now: Now, books: &dyn Books) -> Act {
        let Some(machine) = peer.machine() else {
            let reply = refused(Why::NoTicket, "no machine may be called so");
            return self.refuse("?", "not a console", "a connection", reply, now);
        };
        let Request { ticket, command } = request;
        let caller = ticket.as_ref().and_then(|text| caller(text, machine, now.s, books));
        let asker = caller.as_ref().map(|caller| Asker::Ticket(caller.ticket));
        if !self.rates.takes(asker.unwrap_or_else(|| Asker::machine(machine)), now.ms) {
            return answer(refused(Why::Busy, "too many requests: at most 50 a second"));
        }
        match (command, caller) {
            (Command::Version, _) => answer(version()),
            (Command::Login { user, password, rights, life_s }, _) => {
                let known = books.user(&user);
                let purpose = Purpose::Ticket { wanted: rights, life_s };
                let machine = machine.to_owned();
                let password = Some(password);
                self.login(Attempt { machine, name: user, password, user: known, purpose }, now)
            }
            (command, Some(caller)) => self.command(command, caller, now, books),
            (command, None) => {
                let what = match ticket {
                    Some(_) => "the ticket is not good, or not on this machine",
                    None => "this takes a ticket",
                };
                self.refuse("?", machine, &name_of(&command), no_ticket(what), now)
            }
        }
    }

    fn login(&mut self, attempt: Attempt, now: Now) -> Act {
        if let Purpose::Ticket { wanted, life_s } = &attempt.purpose {
            if wanted.contains(&Right::BackUp) && wanted.contains(&Right::Erase) {
                let what = "no ticket is for backing up and for erasing";
                return answer(refused(Why::Malformed, what));
            }
            if wanted.is_empty() || life_s.is_some_and(|life_s| life_s <= 0) {
                return answer(refused(Why::Malformed, "a ticket for nothing, or for no time"));
            }
        }
        self.check(attempt, now)
    }

    /// Has something checked on a thread, if there is one to spare.
    fn check(&mut self, attempt: Attempt, now: Now) -> Act {
        let Attempt { machine, name, user, .. } = &attempt;
        let wait_ms = self.backoff.wait_ms(machine, name, now.ms);
        if wait_ms > 0 {
            let again = format!("wrong too often: try again in {} s", wait_ms.div_ceil(1000));
            let reply = refused(Why::Busy, again);
            return self.refuse(name, machine, "a login, unheard", reply, now);
        }
        // A machine that is asked can take its time: it must not have all our threads wait for it.
        let is_asked = user.as_ref().is_some_and(|user| user.credential == Credential::Machine);
        let most = if is_asked { 1 } else { CHECKS_OF_MACHINE };
        let of_machine = self.checks.get(machine).copied().unwrap_or(0);
        if of_machine >= most || self.checks.values().sum::<usize>() >= AT_ONCE + WAITING {
            return answer(refused(Why::Busy, "too many logins at once: try again"));
        }
        *self.checks.entry(machine.clone()).or_default() += 1;
        Act::Check(Box::new(attempt))
    }

    /// What is to be done about a command of somebody who is known.
    pub fn command(
        &mut self,
        command: Command,
        caller: Caller,
        now: Now,
        books: &dyn Books,
    ) -> Act {
        if !decide(&command, Some(&caller), books) {
            let reply = refused(Why::NoRight, "the ticket does not allow this, or not there");
            let Caller { user, machine, .. } = &caller;
            return self.refuse(user, machine, &name_of(&command), reply, now);
        }
        match command {
            Command::Logout => Act::Answer(Box::new(Answer {
                changes: vec![Change::DropTicket(caller.ticket)],
                audit: Some((who(&caller.user, &caller.machine), "logged out".into())),
                reply: Reply::Done,
            })),
            Command::WhoAmI => match books.ticket(&caller.ticket) {
                // What it is good for now, and not what it was made for.
                Some(kept) => {
                    let view = TicketView { rights: caller.rights, ..TicketView::of(&kept) };
                    answer(Reply::Ticket(view))
                }
                None => answer(no_ticket("the ticket was just revoked")),
            },
            Command::Password { user, old, new } => {
                match change_of_password(&caller, user, old, new, books) {
                    Ok(attempt) => self.check(attempt, now),
                    Err(reply) => answer(*reply),
                }
            }
            command => Act::Pass(caller, Box::new(command)),
        }
    }

    /// The answer to what was checked.
    pub fn checked(
        &mut self,
        checked: Checked,
        now: Now,
        books: &dyn Books,
    ) -> Result<Answer, Fault> {
        let Checked { machine, name, given, fault } = checked;
        match self.checks.get_mut(&machine) {
            Some(checks) if *checks > 1 => *checks -= 1,
            _ => _ = self.checks.remove(&machine),
        }
        if let Some(fault) = &fault {
            tracing::warn!(%fault, "a login could not be checked");
        }
        let here = who(&name, &machine);
        match given {
            Given::Ticket(rights, life_s) if !rights.is_empty() => {
                self.backoff.was_right(&machine, &name);
                give_ticket(here, (name, machine), (rights, life_s), now)
            }
            Given::Password(credential, by) => {
                self.backoff.was_right(&machine, &name);
                Ok(set_password(books.user(&name), credential, by))
            }
            // They proved who they are: that is no guess.
            Given::Ticket(..) => {
                self.backoff.was_right(&machine, &name);
                let audit = Some((here, "refused: a login for nothing that is allowed".into()));
                let reply = refused(Why::NoRight, "nothing of what was wanted is allowed");
                Ok(Answer { changes: Vec::new(), audit, reply })
            }
            Given::Nothing => {
                self.backoff.was_wrong(&machine, &name, now.ms);
                let untold = self.untold.remove(&machine);
                let untold = untold.map_or_else(String::new, |n| format!(" (and {n} before)"));
                let audit = Some((here, format!("refused: a login{untold}")));
                let what = "machine, login and password do not belong together";
                Ok(Answer { changes: Vec::new(), audit, reply: refused(Why::NoLogin, what) })
            }
        }
    }

    fn refuse(&mut self, user: &str, machine: &str, what: &str, reply: Reply, now: Now) -> Act {
        let audit = if self.refusals.takes(Asker::machine(machine), now.ms) {
            let untold = self.untold.remove(machine);
            let untold = untold.map_or_else(String::new, |n| format!(" (and {n} before)"));
            Some((who(user, machine), format!("refused: {what}{untold}")))
        } else {
            *self.untold.entry(machine.to_owned()).or_default() += 1;
            None
        };
        Act::Answer(Box::new(Answer { changes: Vec::new(), audit, reply }))
    }

    /// How much is remembered: entries of all tables.
    pub fn remembers(&self) -> usize {
        let counted = self.checks.len() + self.untold.len();
        self.rates.len() + self.refusals.len() + self.backoff.len() + counted
    }
}

/// Whether somebody who subscribed may still hear events.
pub fn may_hear(caller: &Caller, now: Now, books: &dyn Books) -> bool {
    let Some(ticket) = books.ticket(&caller.ticket) else { return false };
    let user = books.user(&caller.user);
    let rights = rights_now(&ticket, user.as_ref(), &caller.machine, now.s);
    rights.is_some_and(|rights| rights.contains(&Right::Look))
}

fn give_ticket(
    here: String,
    (user, machine): (String, String),
    (rights, life_s): (BTreeSet<Right>, Option<Seconds>),
    now: Now,
) -> Result<Answer, Fault> {
    let shown = Shown::new()?;
    let expires_s = life_s.map(|life_s| now.s.saturating_add(life_s));
    let (id, hash) = (shown.id, shown.hash());
    let ticket = Ticket { id, hash, user, machine, rights, created_s: now.s, expires_s };
    let reply = Reply::Login { ticket: shown.text(), view: TicketView::of(&ticket) };
    let changes = vec![Change::Put(Box::new(Record::Ticket(ticket)))];
    Ok(Answer { changes, audit: Some((here, "logged in".into())), reply })
}

/// Whoever changes their own proves that they know the one before: a ticket alone is not enough.
fn change_of_password(
    caller: &Caller,
    user: Option<String>,
    old: Option<Secret>,
    new: Secret,
    books: &dyn Books,
) -> Result<Attempt, Box<Reply>> {
    let is_own = user.is_none();
    let name = user.unwrap_or_else(|| caller.user.clone());
    if let Some(complaint) = password::complaint(&new) {
        return Err(Box::new(refused(Why::Malformed, complaint)));
    }
    let Some(user) = books.user(&name) else {
        return Err(Box::new(refused(Why::NotFound, "there is no such user")));
    };
    if user.credential == Credential::Machine {
        return Err(Box::new(refused(
            Why::Conflict,
            "that user's password is checked by a machine",
        )));
    }
    if is_own && old.is_none() {
        return Err(Box::new(refused(Why::Malformed, "this takes the password before it")));
    }
    let by = who(&caller.user, &caller.machine);
    let password = old.filter(|_| is_own);
    // Another's is changed wherever they may log in.
    let user =
        if is_own { user } else { User { machines: BTreeSet::new(), disabled: false, ..user } };
    let machine = caller.machine.clone();
    let purpose = Purpose::Password { new, by };
    Ok(Attempt { machine, name, password, user: Some(user), purpose })
}

/// The record as it is now, as it may have changed while the password was checked.
fn set_password(user: Option<User>, credential: Credential, by: String) -> Answer {
    let still = user.filter(|user| user.credential != Credential::Machine);
    let Some(user) = still else {
        let reply = refused(Why::Conflict, "that user was just changed");
        return Answer { changes: Vec::new(), audit: None, reply };
    };
    let what = format!("another password for {}", user.name.escape_debug());
    let user = User { credential, ..user };
    let changes = vec![Change::Put(Box::new(Record::User(user)))];
    Answer { changes, audit: Some((by, what)), reply: Reply::Done }
}

/// Who did it, as the audit trail has it: nothing in a name may look like something else.
fn who(name: &str, machine: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    format!("{}@{machine}", shown.escape_debug())
}

fn version() -> Reply {
    Reply::Version { software: env!("CARGO_PKG_VERSION").into(), messages: VERSION }
}

fn no_ticket(what: &str) -> Reply {
    let hint = Some("log in: tapicli login".to_owned());
    Reply::Refused(Refusal { why: Why::NoTicket, what: what.into(), hint })
}

fn caller(text: &Secret, machine: &str, now_s: Seconds, books: &dyn Books) -> Option<Caller> {
    let shown = Shown::parse(text.reveal())?;
    let ticket = books.ticket(&shown.id).filter(|kept| shown.is(kept))?;
    let user = books.user(&ticket.user);
    let rights = rights_now(&ticket, user.as_ref(), machine, now_s)?;
    Some(Caller { user: ticket.user, machine: machine.to_owned(), rights, ticket: ticket.id })
}

/// The name of a command without what was said with it, which may be secret.
pub fn name_of(command: &Command) -> String {
    let shown = format!("{command:?}");
    let end = shown.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(shown.len());
    shown[..end].to_owned()
}
