//! A connection on which somebody commands the authority.
//!
//! Owns the thread of a visitor that speaks tapicom: frames in, each judged at the [`Door`], carried out and
//! answered in its order; events of what was subscribed to. What a command needs of the authority's state
//! is asked of the loop, so everybody sees one order of things; what it needs of file lists is read beside it.

mod browse;
mod carry;
mod outlook;
mod update;
mod views;

pub use carry::USUAL_POOL;

use std::io::{PipeWriter, Read};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::events::{Listener, News};
use super::shell::{Happen, Happening, View, now_s, send};
use crate::authority::action::Grade;
use crate::authority::order::{Caller, Order};
use crate::authority::{Event, Reply as Answer, State};
use crate::catalogue::Reader;
use crate::catalogue::record::{Change, JobId, Record, Right, Ticket, User};
use crate::plumb::visit::Visit;
use crate::stream::{Blame, Fault};
use crate::tapicom::door::{self, Act, Answer as Judged, CONSOLE, Door, Introduction, Now, Peer};
use crate::tapicom::frame::{self, Body, Decoder, Frame, Side};
use crate::tapicom::login::{AskMachine, Checkers};
use crate::tapicom::message::{
    Command, Ended, Event as Said, EventFilter, Progress, Refusal, Reply, Request, Severity, Why,
};
use crate::tapicom::rights::{self, Books};
use crate::tapicom::session::{Session, Step};

/// How long the loop may take to answer what is only looked at.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// How long a command may take to be carried out: somebody may have to move a cartridge.
const CARRY_LIMIT: Duration = Duration::from_secs(1800);
/// How often a subscription looks whether it is still allowed.
const PAUSE: Duration = Duration::from_millis(500);

/// What every conversation needs.
pub struct Talk {
    happen: Happen,
    reader: Reader,
    door: Arc<Mutex<Door>>,
    checkers: Checkers,
    machines: Arc<dyn AskMachine>,
    /// Where machines enrol.
    netplumber: PathBuf,
    /// Certificates that are signed now are good for so many days; codes for so many minutes.
    code_minutes: u32,
    started: Instant,
}

/// The books, as the authority has them.
struct Known<'a>(&'a State);

impl Books for Known<'_> {
    fn user(&self, name: &str) -> Option<User> {
        self.0.records.users.get(name).cloned()
    }

    fn ticket(&self, id: &[u8; 16]) -> Option<Ticket> {
        self.0.records.tickets.get(id).cloned()
    }

    fn job(&self, id: JobId) -> Option<(String, String)> {
        self.0.job(id).map(|job| (job.machine.clone(), job.user.clone()))
    }
}

fn refused(why: Why, what: impl Into<String>) -> Reply {
    Reply::Refused(Refusal { why, what: what.into(), hint: None })
}

fn of_fault(fault: &Fault) -> Reply {
    let why = match fault.blame {
        Blame::Operator | Blame::Peer => Why::Conflict,
        _ => Why::Failed,
    };
    Reply::Refused(Refusal { why, what: fault.what.clone(), hint: fault.hint.clone() })
}

/// Who a visitor is.
fn peer(visit: &Visit) -> Result<Peer, Fault> {
    if visit.hello.machine == CONSOLE {
        return Ok(Peer::Console);
    }
    let senseless = || Fault::stream("a visitor without a digest");
    let digest = data(&visit.hello.digest).ok_or_else(senseless)?;
    Ok(Peer::Machine(Introduction { machine: visit.hello.machine.clone(), digest }))
}

/// 32 bytes of hexadecimal.
fn data(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

impl Talk {
    /// Conversations over a service's loop.
    ///
    /// # Errors
    ///
    /// This host has no threads for logins.
    pub fn new(
        happen: Happen,
        reader: Reader,
        netplumber: PathBuf,
        machines: Arc<dyn AskMachine>,
    ) -> Result<Talk, Fault> {
        Ok(Talk {
            happen,
            reader,
            door: Arc::default(),
            checkers: Checkers::start()?,
            machines,
            netplumber,
            code_minutes: crate::identity::authority::CODE_MINUTES,
            started: Instant::now(),
        })
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms, s: now_s() }
    }

    /// Serves a visitor to the end.
    pub fn serve(self: &Arc<Talk>, visit: Visit) {
        let verdict = peer(&visit).and_then(|peer| self.converse(&peer, &visit));
        if let Err(fault) = &verdict {
            tracing::warn!(machine = visit.hello.machine, %fault, "a conversation ended");
        }
        visit.end(&verdict.map(|()| 0));
    }

    fn converse(self: &Arc<Talk>, peer: &Peer, visit: &Visit) -> Result<(), Fault> {
        let again = |e: std::io::Error| Fault::host("cannot speak with a visitor", &e);
        let out: Out = Arc::new(Mutex::new(visit.stdout.try_clone().map_err(again)?));
        let mut from = visit.stdin.try_clone().map_err(again)?;
        let session = Arc::new(Mutex::new(Session::new(self.now().ms)));
        let mut decoder = Decoder::new(Side::Authority);
        while let Some(frame) = read(&mut decoder, &mut from, &session, self)? {
            let step = lock(&session).heard(frame, self.now().ms);
            match step.map_err(|e| Fault::stream(e.0))? {
                Step::Say(frame) => say(&out, &frame)?,
                Step::SayAndClose(frame) => return say(&out, &frame),
                Step::Command(number, request) => {
                    self.command(peer, number, request, &out, &session)?;
                }
                Step::Enough(number) => {
                    lock(&session).ended(number);
                }
                Step::Nothing => {}
            }
        }
        Ok(())
    }

    /// Judges a command, carries it out and answers it.
    fn command(
        self: &Arc<Talk>,
        peer: &Peer,
        number: u32,
        request: Request,
        out: &Out,
        session: &Arc<Mutex<Session>>,
    ) -> Result<(), Fault> {
        let reply = match self.judge(peer, request) {
            Ok(Act::Answer(answer)) => self.settle(*answer),
            Ok(Act::Check(attempt)) => self.check(*attempt),
            Ok(Act::Pass(caller, command)) => match *command {
                Command::Events(filter) => {
                    return self.subscribe((number, caller, filter), out, session);
                }
                command => self.carry(&caller, command),
            },
            Err(fault) => of_fault(&fault),
        };
        lock(session).answered(number, false);
        say_reply(out, number, reply)
    }

    fn judge(&self, peer: &Peer, request: Request) -> Result<Act, Fault> {
        let (door, now, peer) = (self.door.clone(), self.now(), peer.clone());
        self.look(move |view| {
            let known = Known(view.state);
            match first_steps(&peer, &request, view.state) {
                Some(caller) => lock(&door).command(request.command, caller, now, &known),
                None => lock(&door).judge(&peer, request, now, &known),
            }
        })
    }

    fn check(&self, attempt: crate::tapicom::login::Attempt) -> Reply {
        let (tell, told) = channel();
        let machines = self.machines.clone();
        let work = move || {
            if tell.send(attempt.check(&*machines)).is_err() {
                tracing::debug!("whoever logged in is gone");
            }
        };
        if !self.checkers.give(work) {
            return refused(Why::Busy, "too many logins at once: try again");
        }
        let checked = match told.recv_timeout(CARRY_LIMIT) {
            Ok(checked) => checked,
            Err(_) => return refused(Why::Failed, "the login could not be checked"),
        };
        let (door, now) = (self.door.clone(), self.now());
        let judged = self.look(move |view| lock(&door).checked(checked, now, &Known(view.state)));
        match judged.and_then(|judged| judged) {
            Ok(answer) => self.settle(answer),
            Err(fault) => of_fault(&fault),
        }
    }

    /// Commits what an answer changes before it is given.
    fn settle(&self, answer: Judged) -> Reply {
        let Judged { changes, audit, reply } = answer;
        if let Some((who, what)) = audit {
            send(&self.happen, Happening::Event(Event::Noted { who, what }));
        }
        for change in changes {
            let order = match change {
                Change::Put(record) => match *record {
                    Record::Ticket(ticket) => Order::PutTicket(ticket),
                    Record::User(user) => Order::PutUser(user),
                    _ => return refused(Why::Failed, "an answer that changes something else"),
                },
                Change::DropTicket(id) => Order::DropTicket { id },
                _ => return refused(Why::Failed, "an answer that changes something else"),
            };
            match self.ask(behind(&order), order) {
                Ok(Answer::Refused { why, hint }) => {
                    let hint = Some(hint).filter(|hint| !hint.is_empty());
                    return Reply::Refused(Refusal { why: Why::Conflict, what: why, hint });
                }
                Ok(_) => {}
                Err(fault) => return of_fault(&fault),
            }
        }
        reply
    }

    /// Asks the loop for something it can see.
    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (tell, told) = channel();
        let seen = move |view: &View<'_>| {
            if tell.send(look(view)).is_err() {
                tracing::debug!("nobody waits for what was seen");
            }
        };
        send(&self.happen, Happening::Look(Box::new(seen)));
        told.recv_timeout(LOOK_LIMIT).map_err(|_| Fault::later(Blame::Host, "the service ends"))
    }

    /// Has the authority do something.
    fn ask(&self, by: Caller, order: Order) -> Result<Answer, Fault> {
        let (tell, told) = channel();
        send(&self.happen, Happening::Ask(by, Box::new(order), tell));
        told.recv_timeout(CARRY_LIMIT).map_err(|_| Fault::later(Blame::Host, "the service ends"))
    }

    fn subscribe(
        self: &Arc<Talk>,
        (number, caller, filter): (u32, rights::Caller, EventFilter),
        out: &Out,
        session: &Arc<Mutex<Session>>,
    ) -> Result<(), Fault> {
        if !lock(session).may_subscribe() {
            lock(session).answered(number, false);
            return say_reply(out, number, refused(Why::Busy, "too many subscriptions"));
        }
        let listener = self.listen()?;
        lock(session).answered(number, true);
        say_reply(out, number, Reply::Subscribed)?;
        let subscription = Subscription {
            talk: self.clone(),
            number,
            caller,
            filter,
            out: out.clone(),
            session: session.clone(),
            told: 0,
        };
        let thread = std::thread::Builder::new().name("events".into());
        let run = move || subscription.run(&listener);
        thread.spawn(run).map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
    }

    fn listen(&self) -> Result<Listener, Fault> {
        let (tell, told) = channel();
        send(&self.happen, Happening::Listen(tell));
        told.recv_timeout(LOOK_LIMIT).map_err(|_| Fault::later(Blame::Host, "the service ends"))
    }
}

/// As long as there is nobody, the console may make the first administrator: nobody could log in.
fn first_steps(peer: &Peer, request: &Request, state: &State) -> Option<rights::Caller> {
    let is_first = *peer == Peer::Console && request.ticket.is_none();
    let no_one = state.records.users.values().all(|user| !user.rights.contains(&Right::Administer));
    let makes_one = matches!(request.command, Command::UserPut(_) | Command::Password { .. });
    // Until the first administrator has a password, there is nobody who could log in.
    let nobody = no_one || state.records.users.values().all(|user| !has_password(user));
    (is_first && nobody && makes_one).then(|| rights::Caller {
        user: CONSOLE.into(),
        machine: CONSOLE.into(),
        rights: Right::ALL.into_iter().filter(|right| *right != Right::BackUp).collect(),
        ticket: [0; 16],
    })
}

fn has_password(user: &User) -> bool {
    use crate::catalogue::record::Credential;
    match &user.credential {
        Credential::Here(hash) => !hash.is_empty(),
        Credential::Machine => true,
    }
}

/// Who is behind what the door changes: a ticket is its user's, the rest is tapicom's.
fn behind(order: &Order) -> Caller {
    let (user, machine) = match order {
        Order::PutTicket(ticket) => (ticket.user.clone(), ticket.machine.clone()),
        _ => ("tapicom".into(), CONSOLE.into()),
    };
    Caller { user, machine, rights: [Right::Look, Right::Administer].into() }
}

type Out = Arc<Mutex<PipeWriter>>;

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(out: &Out, frame: &Frame) -> Result<(), Fault> {
    frame::write(frame, &mut *lock(out))
}

fn say_reply(out: &Out, number: u32, reply: Reply) -> Result<(), Fault> {
    let said = Frame { number, body: Body::Reply(Box::new(reply)) };
    match said.encode() {
        Ok(_) => say(out, &said),
        Err(fault) => {
            let reply = Box::new(of_fault(&fault));
            say(out, &Frame { number, body: Body::Reply(reply) })
        }
    }
}

/// The next frame; none at the end, and when nothing was said for too long.
fn read(
    decoder: &mut Decoder,
    from: &mut (impl Read + std::os::fd::AsFd),
    session: &Mutex<Session>,
    talk: &Talk,
) -> Result<Option<Frame>, Fault> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    loop {
        if let Some(frame) = decoder.frame().map_err(|e| Fault::stream(e.0))? {
            return Ok(Some(frame));
        }
        let deadline = lock(session).deadline_ms();
        let left = deadline.map_or(60_000, |at| at.saturating_sub(talk.now().ms));
        let limit = Timespec { tv_sec: i64::try_from(left / 1000).unwrap_or(0), tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&*from, PollFlags::IN)], Some(&limit));
        match ready {
            Ok(0) if deadline.is_some() && left < 1000 => return Ok(None),
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(Fault::host("cannot wait for a visitor", &error.into())),
        }
        let count = decoder.fill(from).map_err(|e| Fault::host("cannot hear a visitor", &e))?;
        if count == 0 {
            return match decoder.is_within_a_frame() {
                true => Err(Fault::stream("it was cut off within a frame")),
                false => Ok(None),
            };
        }
    }
}

/// Events that somebody wants.
struct Subscription {
    talk: Arc<Talk>,
    number: u32,
    caller: rights::Caller,
    filter: EventFilter,
    out: Out,
    session: Arc<Mutex<Session>>,
    told: u64,
}

impl Subscription {
    fn run(mut self, listener: &Listener) {
        let ended = loop {
            let Some((news, lost)) = listener.next(PAUSE) else {
                break Some(Refusal {
                    why: Why::Later,
                    what: "the service ends".into(),
                    hint: None,
                });
            };
            if !self.is_wanted() {
                break None;
            }
            match self.may_hear() {
                Ok(true) => {}
                Ok(false) => {
                    let what = "the ticket is not good any more".into();
                    break Some(Refusal { why: Why::NoTicket, what, hint: None });
                }
                Err(_) => return,
            }
            if self.tell_all(news, lost).is_err() {
                return;
            }
        };
        lock(&self.session).ended(self.number);
        let body = Body::Ended(Box::new(Ended { refusal: ended }));
        if let Err(fault) = say(&self.out, &Frame { number: self.number, body }) {
            tracing::debug!(%fault, "a subscriber left");
        }
    }

    fn is_wanted(&self) -> bool {
        lock(&self.session).is_subscribed(self.number)
    }

    fn may_hear(&self) -> Result<bool, Fault> {
        let (caller, now) = (self.caller.clone(), self.talk.now());
        self.talk.look(move |view| door::may_hear(&caller, now, &Known(view.state)))
    }

    fn tell_all(&mut self, news: Vec<News>, lost: u64) -> Result<(), Fault> {
        if lost > 0 {
            self.told += lost;
            self.event(self.told, Said::Lost { count: lost })?;
        }
        for news in news {
            if let Some(event) = self.of_interest(news)? {
                self.told += 1;
                self.event(self.told, event)?;
            }
        }
        Ok(())
    }

    fn event(&self, at: u64, event: Said) -> Result<(), Fault> {
        say(&self.out, &Frame { number: self.number, body: Body::Event(at, Box::new(event)) })
    }

    fn of_interest(&self, news: News) -> Result<Option<Said>, Fault> {
        let severity = severity(news.grade);
        let of_job = self.filter.job.is_none_or(|job| news.job == Some(job));
        let bad_enough = self.filter.from.is_none_or(|from| severity >= from);
        if !of_job || !bad_enough {
            return Ok(None);
        }
        let machine = match news.job {
            Some(job) => {
                self.talk.look(move |view| view.state.job(job).map(|job| job.machine.clone()))?
            }
            None => None,
        };
        let all = self.caller.rights.contains(&Right::RestoreElsewhere)
            || self.caller.rights.contains(&Right::Operate);
        let whose = self.filter.machine.as_ref();
        if whose.is_some_and(|wanted| machine.as_ref() != Some(wanted))
            || (!all && machine.is_some_and(|machine| machine != self.caller.machine))
        {
            return Ok(None);
        }
        match (news.recorded, news.job) {
            (Some(recorded), Some(job)) if self.filter.job.is_some() => {
                self.progress(job, recorded).map(Some)
            }
            (Some(_), _) => Ok(None),
            (None, _) => Ok(Some(Said::News { severity, what: news.line })),
        }
    }

    fn progress(&self, job: JobId, recorded: u64) -> Result<Said, Fault> {
        let received =
            self.talk.look(move |view| view.moved.get(&job).copied().unwrap_or(recorded))?;
        Ok(Said::Progress(Progress {
            job,
            received,
            on_tape: recorded,
            recorded,
            expected: None,
            rate: 0,
            does: String::new(),
        }))
    }
}

fn severity(grade: Grade) -> Severity {
    match grade {
        Grade::Note => Severity::Note,
        Grade::Warning => Severity::Warning,
        Grade::Alarm => Severity::Alarm,
    }
}
