//! One connection, as the authority sees it: what may follow what.
//!
//! Owns the order: greetings first, numbers that rise, so many commands under way and so many subscriptions,
//! and how long a connection may say nothing. Does no I/O and has no clock.

use std::collections::BTreeSet;

use super::frame::{Body, Frame, Malformed};
use super::message::{Greeting, Request, VERSION};
use super::rate::Millis;

/// How long a connection may take until it has greeted.
pub const GREETING_LIMIT_MS: Millis = 10_000;
/// How long one without subscriptions may say nothing.
pub const IDLE_LIMIT_MS: Millis = 600_000;
/// Commands that were not answered yet.
const UNDER_WAY_MAX: usize = 32;
/// Subscriptions of a connection.
const SUBSCRIPTIONS_MAX: usize = 16;

/// What a frame means.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// This is to be said, and the connection goes on.
    Say(Frame),
    /// This is to be said, and the connection is to be closed: there is no version that both speak.
    SayAndClose(Frame),
    /// A command, to be judged and answered under its number.
    Command(u32, Request),
    /// The subscription with this number is to end, by an `Ended` for it.
    Enough(u32),
    /// Nothing has to be done.
    Nothing,
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    has_greeted: bool,
    heard_ms: Millis,
    last: u32,
    under_way: BTreeSet<u32>,
    subscriptions: BTreeSet<u32>,
}

/// What we say first.
pub fn greeting(software: &str) -> Frame {
    let software = format!("{software} {}", env!("CARGO_PKG_VERSION"));
    let greeting = Greeting { from: VERSION, to: VERSION, software };
    Frame { number: 0, body: Body::Greeting(greeting) }
}

impl Session {
    /// A connection that was just made.
    pub fn new(now_ms: Millis) -> Session {
        Session {
            has_greeted: false,
            heard_ms: now_ms,
            last: 0,
            under_way: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
        }
    }

    /// What a frame means that came in.
    pub fn heard(&mut self, frame: Frame, now_ms: Millis) -> Result<Step, Malformed> {
        self.heard_ms = now_ms;
        match (frame.body, self.has_greeted) {
            (Body::Greeting(theirs), false) => {
                self.has_greeted = true;
                let ours = greeting("tapioca");
                let is_spoken = theirs.from <= VERSION && VERSION <= theirs.to;
                Ok(if is_spoken { Step::Say(ours) } else { Step::SayAndClose(ours) })
            }
            (Body::Command(request), true) => self.command(frame.number, *request),
            (Body::Enough, true) => Ok(match self.subscriptions.contains(&frame.number) {
                true => Step::Enough(frame.number),
                // We ended it, and the two words passed each other.
                false if frame.number <= self.last => Step::Nothing,
                false => return Err(Malformed("enough of something that never began")),
            }),
            (Body::Greeting(_), true) => Err(Malformed("a second greeting")),
            (_, false) => Err(Malformed("no greeting")),
            (Body::Reply(_) | Body::Event(..) | Body::Ended(_), true) => {
                Err(Malformed("that is not for this end to hear"))
            }
        }
    }

    fn command(&mut self, number: u32, request: Request) -> Result<Step, Malformed> {
        if number <= self.last {
            return Err(Malformed("a number that does not rise"));
        }
        if self.under_way.len() >= UNDER_WAY_MAX {
            return Err(Malformed("more commands at once than are answered"));
        }
        self.last = number;
        self.under_way.insert(number);
        Ok(Step::Command(number, request))
    }

    /// Whether there is room for a subscription more.
    pub fn may_subscribe(&self) -> bool {
        self.subscriptions.len() < SUBSCRIPTIONS_MAX
    }

    /// A command was answered; whether events follow its answer.
    pub fn answered(&mut self, number: u32, events_follow: bool) {
        if self.under_way.remove(&number) && events_follow {
            self.subscriptions.insert(number);
        }
    }

    /// Whether events are still wanted under this number.
    pub fn is_subscribed(&self, number: u32) -> bool {
        self.subscriptions.contains(&number)
    }

    /// A subscription has ended.
    pub fn ended(&mut self, number: u32) {
        self.subscriptions.remove(&number);
    }

    /// When the connection is to be closed if nothing is heard until then; none: not for that.
    pub fn deadline_ms(&self) -> Option<Millis> {
        match (self.has_greeted, self.under_way.is_empty() && self.subscriptions.is_empty()) {
            (false, _) => Some(self.heard_ms.saturating_add(GREETING_LIMIT_MS)),
            (true, true) => Some(self.heard_ms.saturating_add(IDLE_LIMIT_MS)),
            (true, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tapicom::message::Command;

    fn command(number: u32) -> Frame {
        let request = Request { ticket: None, command: Command::Status };
        Frame { number, body: Body::Command(Box::new(request)) }
    }

    fn greet(from: u16, to: u16) -> Frame {
        let greeting = Greeting { from, to, software: "test".into() };
        Frame { number: 0, body: Body::Greeting(greeting) }
    }

    fn greeted() -> Session {
        let mut session = Session::new(0);
        assert!(matches!(session.heard(greet(1, 1), 0), Ok(Step::Say(_))));
        session
    }

    #[test]
    fn greetings_come_first_and_once() {
        assert!(Session::new(0).heard(command(1), 0).is_err());
        assert!(greeted().heard(greet(1, 1), 0).is_err());
        assert!(matches!(Session::new(0).heard(greet(0, 7), 0), Ok(Step::Say(_))));
        assert!(matches!(Session::new(0).heard(greet(2, 7), 0), Ok(Step::SayAndClose(_))));
        assert!(matches!(Session::new(0).heard(greet(2, 1), 0), Ok(Step::SayAndClose(_))));
    }

    #[test]
    fn numbers_rise_and_few_commands_are_under_way() {
        let mut session = greeted();
        assert!(matches!(session.heard(command(5), 0), Ok(Step::Command(5, _))));
        assert!(session.heard(command(5), 0).is_err());
        let mut session = greeted();
        let taken = (1..1000).take_while(|n| session.heard(command(*n), 0).is_ok()).count();
        assert_eq!(taken, UNDER_WAY_MAX);
        session.answered(1, false);
        assert!(session.heard(command(2000), 0).is_ok());
    }

    #[test]
    fn subscriptions_end_by_whichever_says_so_first() {
        let enough = |number| Frame { number, body: Body::Enough };
        let mut session = greeted();
        assert!(session.heard(enough(1), 0).is_err());
        session.heard(command(1), 0).unwrap();
        session.answered(1, true);
        assert_eq!(session.heard(enough(1), 0), Ok(Step::Enough(1)));
        session.ended(1);
        assert_eq!(session.heard(enough(1), 0), Ok(Step::Nothing));
        for number in 2..=SUBSCRIPTIONS_MAX as u32 + 1 {
            assert!(session.may_subscribe());
            session.heard(command(number), 0).unwrap();
            session.answered(number, true);
        }
        assert!(!session.may_subscribe());
    }

    #[test]
    fn silence_is_allowed_to_those_who_wait_for_us() {
        let mut session = Session::new(5);
        assert_eq!(session.deadline_ms(), Some(10_005));
        session.heard(greet(1, 1), 10).unwrap();
        assert_eq!(session.deadline_ms(), Some(600_010));
        session.heard(command(1), 20).unwrap();
        assert_eq!(session.deadline_ms(), None);
        session.answered(1, true);
        assert_eq!(session.deadline_ms(), None);
        session.ended(1);
        assert_eq!(session.deadline_ms(), Some(600_020));
    }
}
