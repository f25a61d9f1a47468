//! The service, as a session speaks with it: by tapicom, on threads of its own.
//!
//! Owns the connection, the ticket, and the way of events. A command that takes long is waited for in the
//! session's inbox, so that ^C is heard meanwhile; whoever does not wait leaves the thread to its answer. A service
//! that is not there is said to be so, and looked for again with the next command.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::inbox::{Happened, Inbox};
use crate::catalogue::record::Right;
use crate::stream::{Blame, Fault};
use crate::tapicom::client::Client;
use crate::tapicom::door::ADMINISTRATOR;
use crate::tapicom::message::{
    CheckedBy, Command, EventFilter, Refusal, Reply, Secret, UserWanted, Why,
};

const SOFTWARE: &str = "console";
/// How long the first login may have to wait.
const FIRST_WAIT: Duration = Duration::from_secs(4);

/// Commands, each with its number.
type Commands = Receiver<(u64, Command)>;

/// The service.
pub struct Service {
    socket: PathBuf,
    inbox: Arc<Inbox>,
    /// What the administrator typed, until there is a ticket for it.
    password: Option<Secret>,
    ticket: Option<Secret>,
    worker: Option<Sender<(u64, Command)>>,
    number: u64,
    watched: bool,
}

/// A refusal as a fault: what, and what to do.
pub fn refusal(refusal: Refusal) -> Fault {
    let Refusal { why, what, hint } = refusal;
    let fault = match why {
        Why::Busy | Why::Later | Why::Failed => Fault::later(Blame::Peer, what),
        _ => Fault::never(Blame::Operator, what),
    };
    Fault { hint, ..fault }
}

fn said(reply: Reply) -> Result<Reply, Fault> {
    match reply {
        Reply::Refused(refused) => Err(refusal(refused)),
        other => Ok(other),
    }
}

impl Service {
    /// At a socket.
    pub fn new(socket: PathBuf, inbox: Arc<Inbox>) -> Service {
        Service {
            socket,
            inbox,
            password: None,
            ticket: None,
            worker: None,
            number: 0,
            watched: false,
        }
    }

    /// The administrator is there, and typed this.
    pub fn arrived(&mut self, password: Secret) {
        self.leave();
        self.password = Some(password);
    }

    /// The administrator has another password: the service learns it with the ticket there is.
    ///
    /// # Errors
    ///
    /// The service is not there, or does not take it.
    pub fn change_password(&mut self, old: Secret, new: Secret) -> Result<(), Fault> {
        let mut client = self.connect()?;
        said(client.call(Command::Password { user: None, old: Some(old), new })?).map(drop)
    }

    /// The administrator is gone: the ticket is given back if that can be done.
    pub fn leave(&mut self) {
        if self.ticket.is_some()
            && let Ok(mut client) = self.connect()
            && let Err(fault) = client.call(Command::Logout)
        {
            tracing::debug!(%fault, "a ticket was not given back");
        }
        (self.ticket, self.password, self.worker, self.watched) = (None, None, None, false);
    }

    /// A connection with a ticket.
    fn connect(&mut self) -> Result<Client, Fault> {
        let mut client = Client::local(SOFTWARE, &self.socket).map_err(|fault| {
            let what = format!("the service is not there: {}", fault.what);
            Fault {
                what,
                hint: Some("settings, network and restart work without it".into()),
                ..fault
            }
        })?;
        if self.ticket.is_none() {
            self.ticket = Some(self.log_in(&mut client)?);
            self.password = None;
        }
        client.with_ticket(self.ticket.clone());
        Ok(client)
    }

    fn log_in(&self, client: &mut Client) -> Result<Secret, Fault> {
        let nobody = || Fault::never(Blame::Operator, "log in first");
        let password = self.password.clone().ok_or_else(nobody)?;
        let rights = Right::ALL.into_iter().filter(|right| *right != Right::BackUp).collect();
        let user = ADMINISTRATOR.to_owned();
        let login = Command::Login { user, password: password.clone(), rights, life_s: None };
        let first = client.call(login.clone())?;
        let again = match first {
            Reply::Refused(ref refused) if refused.why == Why::NoLogin => {
                match self.first_steps(client, password)? {
                    true => client.call(login)?,
                    false => first,
                }
            }
            other => other,
        };
        match said(again) {
            Ok(Reply::Login { ticket, .. }) => Ok(ticket),
            Ok(_) => Err(Fault::stream("the service answers something else than was asked")),
            Err(fault) => Err(fault.hint(format!(
                "the service knows {ADMINISTRATOR} by another password: set the one it knows, or have \
                 another administrator set this"
            ))),
        }
    }

    /// Where nobody could log in yet, makes the administrator known. Whether that was so.
    fn first_steps(&self, client: &mut Client, password: Secret) -> Result<bool, Fault> {
        let name = ADMINISTRATOR.to_owned();
        let wanted = UserWanted {
            name: name.clone(),
            checked_by: CheckedBy::Here,
            rights: Right::ALL.into_iter().collect(),
            machines: std::collections::BTreeSet::new(),
            disabled: false,
        };
        if let Reply::Refused(_) = client.call(Command::UserPut(wanted))? {
            return Ok(false);
        }
        let set = Command::Password { user: Some(name), old: None, new: password };
        said(after_a_wait(client, &set)?).map(|_| true)
    }

    /// Gives a command; [`Happened::Answered`] with this number follows in the inbox.
    ///
    /// # Errors
    ///
    /// The service is not there, or does not let the administrator in.
    pub fn give(&mut self, command: Command) -> Result<u64, Fault> {
        self.number += 1;
        let mut given = (self.number, command);
        if let Some(worker) = &self.worker {
            match worker.send(given) {
                Ok(()) => return Ok(self.number),
                Err(unsent) => given = unsent.0,
            }
        }
        let client = self.connect()?;
        self.watch();
        let (to, commands) = channel();
        let inbox = self.inbox.clone();
        spawn("commands", move || work(client, &commands, &inbox))?;
        to.send(given).map_err(|_| Fault::later(Blame::Ours, "the service's thread ended"))?;
        self.worker = Some(to);
        Ok(self.number)
    }

    /// Nobody waits for the last command any more; the next one does not wait for it either.
    pub fn abandon(&mut self) {
        self.worker = None;
    }

    /// The connection failed: the next command makes another.
    pub fn lost(&mut self) {
        (self.worker, self.watched) = (None, false);
    }

    /// Whether a fault of the service says that the ticket is good no more; then it is forgotten.
    pub fn forget_ticket(&mut self) {
        (self.ticket, self.worker) = (None, None);
    }

    /// Has events told from now on, unless they are.
    fn watch(&mut self) {
        if self.watched {
            return;
        }
        let watched = self.connect().and_then(|client| {
            let inbox = self.inbox.clone();
            spawn("events", move || {
                if let Err(fault) = events(client, &inbox) {
                    tracing::debug!(%fault, "no more events are told");
                }
            })
        });
        match watched {
            Ok(()) => self.watched = true,
            Err(fault) => tracing::warn!(%fault, "no events are told"),
        }
    }
}

/// Gives a command although the first login, when nobody was known, was a wrong one that has to be waited for.
fn after_a_wait(client: &mut Client, command: &Command) -> Result<Reply, Fault> {
    let until = Instant::now() + FIRST_WAIT;
    loop {
        let reply = client.call(command.clone())?;
        let is_refused = matches!(reply, Reply::Refused(_));
        if !is_refused || Instant::now() >= until {
            return Ok(reply);
        }
        std::thread::sleep(FIRST_WAIT / 20);
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(body);
    spawned.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}

/// Gives commands, one at a time, until nobody has any or the connection ends.
fn work(mut client: Client, commands: &Commands, inbox: &Arc<Inbox>) {
    for (number, command) in commands {
        let answer = client.call(command);
        let lost = answer.is_err();
        if !inbox.tell(Happened::Answered(number, Box::new(answer))) || lost {
            return;
        }
    }
}

/// Tells events until the session is gone or the connection ends.
fn events(mut client: Client, inbox: &Arc<Inbox>) -> Result<(), Fault> {
    let mut told = client.subscribe(EventFilter::default())?.map_err(refusal)?;
    while let Some(event) = told.next_event()? {
        if !inbox.tell(Happened::News(Box::new(event.map_err(refusal)?))) {
            return Ok(());
        }
    }
    Ok(())
}
