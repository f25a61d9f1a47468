//! A service with nothing behind it: everything up to the authority, which says `Done` to all that was let pass.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use tapioca::catalogue::record::{Credential, Right};
use tapioca::plumb::visit::Visit;
use tapioca::stream::Fault;
use tapioca::tapicom::backlog::Backlog;
use tapioca::tapicom::door::{Act, CONSOLE, Door, Introduction, Now, Peer};
use tapioca::tapicom::frame::{self, Body, Decoder, Frame, Side};
use tapioca::tapicom::login::AskMachine;
use tapioca::tapicom::message::*;
use tapioca::tapicom::session::{Session, Step};

use super::books::Shelf;

/// Events that a subscriber is told.
pub const EVENTS: u64 = 300;

#[derive(Default)]
pub struct Inside {
    pub door: Door,
    pub shelf: Shelf,
    /// Who was there: what the socket said of them.
    pub peers: Vec<Peer>,
    /// What was let pass: user, machine, command.
    pub passed: Vec<(String, String, Command)>,
}

#[derive(Clone)]
pub struct Served(Arc<Mutex<Inside>>, Arc<dyn AskMachine>);

struct Nobody;

impl AskMachine for Nobody {
    fn is_right(&self, _: &str, _: &str, _: &Secret) -> Result<bool, Fault> {
        Ok(false)
    }
}

impl Served {
    pub fn at(socket: &Path) -> Served {
        Served::asking(socket, Arc::new(Nobody))
    }

    pub fn asking(socket: &Path, machines: Arc<dyn AskMachine>) -> Served {
        let listener = UnixListener::bind(socket).unwrap();
        let served = Served(Arc::default(), machines);
        let serves = served.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serves = serves.clone();
                std::thread::spawn(move || serves.connection(stream));
            }
        });
        served
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    pub fn user(&self, name: &str, password: &str, rights: &[Right]) {
        let credential = tapioca::tapicom::password::hash(&Secret::new(password)).unwrap();
        self.inside().shelf.user(name, credential, rights);
    }

    pub fn machine_user(&self, name: &str, rights: &[Right]) {
        self.inside().shelf.user(name, Credential::Machine, rights);
    }

    fn connection(&self, stream: UnixStream) {
        let Ok(mut visit) = Visit::receive(stream) else { return };
        let peer = match visit.hello.machine.as_str() {
            CONSOLE => Peer::Console,
            machine => Peer::Machine(Introduction { machine: machine.into(), digest: [9; 32] }),
        };
        self.inside().peers.push(peer.clone());
        let mut decoder = Decoder::new(Side::Authority);
        let mut session = Session::new(0);
        // A connection that says what makes no sense ends here.
        while let Ok(Some(frame)) = frame::read(&mut decoder, &mut visit.stdin) {
            let Ok(step) = session.heard(frame, 0) else { break };
            for frame in self.step(&peer, step, &mut session) {
                if frame::write(&frame, &mut visit.stdout).is_err() {
                    return;
                }
            }
        }
        visit.end(&Ok(0));
    }

    fn step(&self, peer: &Peer, step: Step, session: &mut Session) -> Vec<Frame> {
        match step {
            Step::Say(frame) | Step::SayAndClose(frame) => vec![frame],
            Step::Nothing => Vec::new(),
            Step::Enough(number) => {
                session.ended(number);
                vec![Frame { number, body: Body::Ended(Box::new(Ended { refusal: None })) }]
            }
            Step::Command(number, request) => {
                let reply = self.answer(peer, request);
                let follows = reply == Reply::Subscribed;
                session.answered(number, follows);
                let mut frames = vec![Frame { number, body: Body::Reply(Box::new(reply)) }];
                let mut backlog = Backlog::default();
                let events = if follows { EVENTS } else { 0 };
                (1..=events).for_each(|number| backlog.put(Event::Answered { number }));
                while let Some((at, event)) = backlog.take() {
                    frames.push(Frame { number, body: Body::Event(at, Box::new(event)) });
                }
                frames
            }
        }
    }

    fn answer(&self, peer: &Peer, request: Request) -> Reply {
        let now = Now { ms: 0, s: 1_700_000_000 };
        let mut inside = self.inside();
        let Inside { door, shelf, passed, .. } = &mut *inside;
        let answer = match door.judge(peer, request, now, shelf) {
            Act::Answer(answer) => *answer,
            Act::Pass(caller, command) => {
                let is_subscription = matches!(*command, Command::Events(_));
                passed.push((caller.user, caller.machine, *command));
                return if is_subscription { Reply::Subscribed } else { Reply::Done };
            }
            Act::Check(attempt) => {
                drop(inside);
                let checked = attempt.check(&*self.1);
                inside = self.inside();
                let Inside { door, shelf, .. } = &mut *inside;
                door.checked(checked, now, shelf).unwrap()
            }
        };
        let Inside { shelf, .. } = &mut *inside;
        shelf.commit(answer.changes);
        answer.reply
    }
}
