//! Logins: machine, login and password in, a ticket out; and new passwords.
//!
//! Owns what is done on a thread that may take its time ([`Attempt::check`]) and the few threads that do it
//! ([`Checkers`]): two at once, so that memory is bounded. What comes of it is the same for a user who does
//! not exist, one who is disabled, and a wrong password: the same work, the same answer.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::message::Secret;
use super::password;
use super::ticket::may_log_in;
use crate::catalogue::record::{Credential, Right, Seconds, User};
use crate::stream::Fault;

/// Checks at once.
pub const AT_ONCE: usize = 2;
/// Checks that wait.
pub const WAITING: usize = 32;

/// Asks a machine whether a password is right there. It may take its time, but not for ever.
pub trait AskMachine: Send + Sync {
    /// Whether `machine`, by its own accounts, knows `user` with this password.
    fn is_right(&self, machine: &str, user: &str, password: &Secret) -> Result<bool, Fault>;
}

/// What somebody proves who they are for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A ticket.
    Ticket {
        /// For this.
        wanted: BTreeSet<Right>,
        /// For so long.
        life_s: Option<Seconds>,
    },
    /// Another password.
    Password {
        /// From now on.
        new: Secret,
        /// Who wants it.
        by: String,
    },
}

/// Somebody who proves who they are, or need not.
#[derive(Debug)]
pub struct Attempt {
    pub(super) machine: String,
    pub(super) name: String,
    /// None: it was proved before.
    pub(super) password: Option<Secret>,
    pub(super) user: Option<User>,
    pub(super) purpose: Purpose,
}

/// What they get.
#[derive(Debug)]
pub(super) enum Given {
    /// Nothing: it was wrong.
    Nothing,
    /// A ticket for this and so long.
    Ticket(BTreeSet<Right>, Option<Seconds>),
    /// Another password, which somebody wanted.
    Password(Credential, String),
}

/// What a check came to.
#[derive(Debug)]
pub struct Checked {
    pub(super) machine: String,
    pub(super) name: String,
    pub(super) given: Given,
    /// What could not be done, for the log.
    pub(super) fault: Option<Fault>,
}

impl Attempt {
    /// Does the work. Blocks for some tenths of a second, or as long as a machine takes to answer.
    pub fn check(self, machines: &dyn AskMachine) -> Checked {
        let is_right = self.is_right(machines);
        let Attempt { machine, name, user, purpose, .. } = self;
        let given = is_right.and_then(|is_right| match user {
            Some(user) if is_right && may_log_in(&user, &machine) => give(&user, purpose),
            _ => Ok(Given::Nothing),
        });
        let (given, fault) = match given {
            Ok(given) => (given, None),
            Err(fault) => (Given::Nothing, Some(fault)),
        };
        Checked { machine, name, given, fault }
    }

    fn is_right(&self, machines: &dyn AskMachine) -> Result<bool, Fault> {
        let Some(password) = &self.password else { return Ok(true) };
        match self.user.as_ref().map(|user| (user, &user.credential)) {
            Some((user, Credential::Machine)) if may_log_in(user, &self.machine) => {
                machines.is_right(&self.machine, &self.name, password)
            }
            Some((_, Credential::Here(kept))) => password::is_right(password, Some(kept)),
            Some((_, Credential::Machine)) | None => password::is_right(password, None),
        }
    }
}

fn give(user: &User, purpose: Purpose) -> Result<Given, Fault> {
    Ok(match purpose {
        Purpose::Ticket { wanted, life_s } => Given::Ticket(granted(user, &wanted), life_s),
        Purpose::Password { new, by } => Given::Password(password::hash(&new)?, by),
    })
}

/// What any enrolled machine may vouch for: its own affairs.
const VOUCHED: [Right; 3] = [Right::Look, Right::BackUp, Right::Restore];

/// What the ticket is for. A machine that was not named for the user vouches for no more than its own affairs:
/// whoever holds it could be anybody there.
fn granted(user: &User, wanted: &BTreeSet<Right>) -> BTreeSet<Right> {
    let is_vouched_by_any = user.credential == Credential::Machine && user.machines.is_empty();
    let may = |right: &Right| !is_vouched_by_any || VOUCHED.contains(right);
    wanted.intersection(&user.rights).copied().filter(may).collect()
}

type Work = Box<dyn FnOnce() + Send>;

/// Threads for what blocks.
pub struct Checkers(SyncSender<Work>);

impl Checkers {
    /// Starts them. They end when this is dropped and all work is done.
    pub fn start() -> Result<Checkers, Fault> {
        let (sender, receiver) = sync_channel::<Work>(AT_ONCE + WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for n in 1..=AT_ONCE {
            let work = receiver.clone();
            let thread = std::thread::Builder::new().name(format!("login-{n}"));
            let started = thread.spawn(move || {
                while let Some(next) = take(&work) {
                    next()
                }
            });
            started.map_err(|e| Fault::host("cannot start a thread", &e))?;
        }
        Ok(Checkers(sender))
    }

    /// Has some work done on one of them; whether there was room for it. There always is for what the
    /// [`Door`](super::door::Door) wants checked, as it wants no more at once than fits.
    pub fn give(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.0.try_send(Box::new(work)).is_ok()
    }
}

fn take(work: &Mutex<Receiver<Work>>) -> Option<Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says yes, and whom it was asked for.
    #[derive(Default)]
    struct Yes(Mutex<Vec<String>>);

    impl AskMachine for Yes {
        fn is_right(&self, machine: &str, user: &str, _: &Secret) -> Result<bool, Fault> {
            self.0.lock().unwrap().push(format!("{user}@{machine}"));
            Ok(true)
        }
    }

    fn user(credential: Credential, machines: &[&str]) -> User {
        User {
            name: "alice".into(),
            credential,
            rights: [Right::Look, Right::Operate, Right::BackUp].into(),
            machines: machines.iter().map(|m| (*m).to_owned()).collect(),
            disabled: false,
        }
    }

    fn rights(user: Option<User>, asked: &Yes) -> Option<BTreeSet<Right>> {
        let attempt = Attempt {
            machine: "web".into(),
            name: "alice".into(),
            password: Some(Secret::new("correct horse")),
            user,
            purpose: Purpose::Ticket {
                wanted: [Right::Look, Right::Operate, Right::Administer].into(),
                life_s: None,
            },
        };
        match attempt.check(asked).given {
            Given::Ticket(rights, None) => Some(rights),
            _ => None,
        }
    }

    #[test]
    fn a_ticket_is_for_what_is_wanted_and_allowed() {
        let here = || password::hash(&Secret::new("correct horse")).unwrap();
        let asked = Yes::default();
        let both = Some([Right::Look, Right::Operate].into());
        assert_eq!(rights(Some(user(here(), &[])), &asked), both);
        assert_eq!(rights(Some(user(here(), &["db"])), &asked), None);
        assert_eq!(rights(Some(User { disabled: true, ..user(here(), &[]) }), &asked), None);
        assert_eq!(rights(None, &asked), None);
        assert!(asked.0.lock().unwrap().is_empty(), "a machine was asked");
    }

    #[test]
    fn a_machine_vouches_for_its_own_affairs_unless_it_was_named() {
        let asked = Yes::default();
        let own = Some([Right::Look].into());
        assert_eq!(rights(Some(user(Credential::Machine, &[])), &asked), own);
        let both = Some([Right::Look, Right::Operate].into());
        assert_eq!(rights(Some(user(Credential::Machine, &["web"])), &asked), both);
        assert_eq!(rights(Some(user(Credential::Machine, &["db"])), &asked), None);
        assert_eq!(*asked.0.lock().unwrap(), ["alice@web", "alice@web"]);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let checkers = Checkers::start().unwrap();
        let (go, gate) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let (busy, is_busy) = sync_channel(AT_ONCE);
        for _ in 0..AT_ONCE {
            let (gate, busy) = (gate.clone(), busy.clone());
            assert!(checkers.give(move || {
                busy.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
            }));
        }
        (0..AT_ONCE).for_each(|_| is_busy.recv().unwrap());
        assert_eq!((0..100).filter(|_| checkers.give(|| ())).count(), AT_ONCE + WAITING);
        (0..AT_ONCE).for_each(|_| go.send(()).unwrap());
    }
}
