//! What guessing gains: nothing, and what it costs others: nothing.

use tapioca::catalogue::record::{Credential, Right};
use tapioca::stream::Fault;
use tapioca::tapicom::door::{Act, Answer, Door, Introduction, Now, Peer};
use tapioca::tapicom::login::AskMachine;
use tapioca::tapicom::message::*;
use tapioca::tapicom::password;
use tapioca::tapicom::rate::Millis;

use super::books::Shelf;

/// Knows nobody, so that a check costs nothing here.
struct No;

impl AskMachine for No {
    fn is_right(&self, _: &str, _: &str, _: &Secret) -> Result<bool, Fault> {
        Ok(false)
    }
}

fn peer(machine: &str) -> Peer {
    Peer::Machine(Introduction { machine: machine.into(), digest: [1; 32] })
}

fn login(user: &str, password: &str) -> Request {
    let rights = [Right::Look, Right::Operate].into();
    let (user, password) = (user.to_owned(), Secret::new(password));
    Request { ticket: None, command: Command::Login { user, password, rights, life_s: None } }
}

fn now(ms: Millis) -> Now {
    Now { ms, s: 1_700_000_000 + i64::try_from(ms / 1000).unwrap() }
}

/// One door, the catalogue behind it, and threads that are always free.
struct House {
    door: Door,
    shelf: Shelf,
    checks: usize,
}

impl House {
    fn new() -> House {
        let mut shelf = Shelf::default();
        let alice = password::hash(&Secret::new("correct horse")).unwrap();
        shelf.user("alice", alice, &[Right::Look]);
        shelf.user("carol", Credential::Machine, &[Right::Look]);
        House { door: Door::default(), shelf, checks: 0 }
    }

    fn ask(&mut self, machine: &str, request: Request, at_ms: Millis) -> Reply {
        let act = self.door.judge(&peer(machine), request, now(at_ms), &self.shelf);
        let answer = match act {
            Act::Answer(answer) => *answer,
            Act::Check(attempt) => {
                self.checks += 1;
                let checked = attempt.check(&No);
                self.door.checked(checked, now(at_ms), &self.shelf).unwrap()
            }
            Act::Pass(..) => panic!("a login was passed on"),
        };
        let Answer { changes, audit, reply } = answer;
        self.shelf.commit(changes);
        self.shelf.audit.extend(audit.map(|(who, what)| format!("{who}: {what}")));
        reply
    }
}

fn why(reply: &Reply) -> Option<Why> {
    match reply {
        Reply::Refused(refusal) => Some(refusal.why),
        _ => None,
    }
}

#[test]
fn nobody_can_tell_why_a_login_was_wrong() {
    let mut house = House::new();
    let alice = house.shelf.users["alice"].clone();
    let disabled = tapioca::catalogue::record::User { disabled: true, ..alice };
    house.shelf.users.insert("dave".into(), disabled);
    let wrong = house.ask("web", login("alice", "wrong horse"), 0);
    let others =
        [("nobody", "correct horse"), ("dave", "correct horse"), ("dave", "x"), ("carol", "x")];
    for ((user, password), n) in others.into_iter().zip(1..) {
        assert_eq!(house.ask("web", login(user, password), n * 60_000), wrong, "{user}");
    }
    assert_eq!(why(&wrong), Some(Why::NoLogin));
    assert_eq!(house.shelf.audit.len(), 5, "{:?}", house.shelf.audit);
    assert!(house.shelf.tickets.is_empty());
}

#[test]
fn ten_thousand_wrong_logins_cost_little_and_harm_nobody_elsewhere() {
    let mut house = House::new();
    let mut unheard = 0;
    // A hundred a second. Every name is another's, and each is machine-checked, as that is cheapest to try.
    for n in 0..10_000_u64 {
        let name = format!("user {n}");
        house.shelf.user(&name, Credential::Machine, &[Right::Look]);
        match why(&house.ask("web", login(&name, "guess"), n * 10)) {
            Some(Why::NoLogin) => {}
            Some(Why::Busy) => unheard += 1,
            other => panic!("{other:?}"),
        }
    }
    // 5 are free, and then 1 s, 2 s, 4 s … pass between two of them, in all of 100 s.
    assert!(house.checks <= 5 + 8, "{} were heard", house.checks);
    assert_eq!(unheard + house.checks, 10_000);
    assert!(house.door.remembers() < 50, "{}", house.door.remembers());
    assert!(house.shelf.audit.len() < 20 + 20 + house.checks, "{}", house.shelf.audit.len());
    let told: usize = house.shelf.audit.iter().map(|line| counted(line)).sum();
    assert!(told > 1000, "the audit trail does not say how many: {told}");
    // The right user, at that very moment: not from there, and from anywhere else.
    assert_eq!(why(&house.ask("web", login("alice", "correct horse"), 100_000)), Some(Why::Busy));
    let Reply::Login { view, .. } = house.ask("db", login("alice", "correct horse"), 100_000)
    else {
        panic!("alice is shut out");
    };
    assert_eq!((view.machine.as_str(), view.rights), ("db", [Right::Look].into()));
}

/// The number in `(and N before)`.
fn counted(line: &str) -> usize {
    let number = line.split("(and ").nth(1).and_then(|rest| rest.split(' ').next());
    number.map_or(0, |number| number.parse().unwrap())
}

#[test]
fn many_machines_cannot_make_memory_grow() {
    let mut house = House::new();
    let mut most = 0;
    for n in 0..10_000_u64 {
        let name = format!("user {n}");
        house.shelf.user(&name, Credential::Machine, &[Right::Look]);
        house.ask(&format!("machine-{}", n % 256), login(&name, "guess"), n);
        most = most.max(house.door.remembers());
    }
    assert!(most <= 1024 + 4 * 256, "{most}");
}

#[test]
fn few_checks_are_under_way_at_once() {
    let mut house = House::new();
    let mut under_way = Vec::new();
    for n in 0..100 {
        for machine in 0..50 {
            let request = login(&format!("user {n}"), "guess");
            let from = peer(&format!("machine-{machine}"));
            match house.door.judge(&from, request, now(0), &house.shelf) {
                Act::Check(attempt) => under_way.push(attempt),
                Act::Answer(answer) => assert_eq!(why(&answer.reply), Some(Why::Busy)),
                Act::Pass(..) => panic!("a login was passed on"),
            }
        }
    }
    assert_eq!(under_way.len(), 34);
    // A machine that is asked itself gets one thread and no more.
    let mut house = House::new();
    let ask = |house: &mut House| {
        matches!(
            house.door.judge(&peer("web"), login("carol", "x"), now(0), &house.shelf),
            Act::Check(_)
        )
    };
    assert_eq!((0..10).filter(|_| ask(&mut house)).count(), 1);
}

#[test]
fn a_ticket_is_not_for_backing_up_and_erasing() {
    let mut house = House::new();
    let password = Secret::new("correct horse");
    let rights = [Right::BackUp, Right::Erase].into();
    let command = Command::Login { user: "alice".into(), password, rights, life_s: None };
    let reply = house.ask("web", Request { ticket: None, command }, 0);
    assert_eq!(why(&reply), Some(Why::Malformed));
}

#[test]
fn who_wants_what_is_not_allowed_gets_no_ticket_and_need_not_wait() {
    let mut house = House::new();
    let ask = |house: &mut House, right| {
        let password = Secret::new("correct horse");
        let rights = [right].into();
        let command = Command::Login { user: "alice".into(), password, rights, life_s: None };
        house.ask("web", Request { ticket: None, command }, 0)
    };
    assert_eq!(why(&ask(&mut house, Right::Administer)), Some(Why::NoRight));
    assert!(house.shelf.tickets.is_empty());
    assert!(matches!(ask(&mut house, Right::Look), Reply::Login { .. }));
}

#[test]
fn a_password_is_changed_by_who_knows_it_or_administers() {
    let mut house = House::new();
    house.shelf.user("root", Credential::Here(String::new()), &[Right::Administer]);
    let Reply::Login { ticket, .. } = house.ask("web", login("alice", "correct horse"), 0) else {
        panic!("alice is shut out");
    };
    let change = |ticket: &Secret, user: Option<&str>, old: Option<&str>, new: &str| Request {
        ticket: Some(ticket.clone()),
        command: Command::Password {
            user: user.map(str::to_owned),
            old: old.map(Secret::new),
            new: Secret::new(new),
        },
    };
    let why_of = |house: &mut House, request, at_ms| why(&house.ask("web", request, at_ms));
    let malformed = Some(Why::Malformed);
    assert_eq!(why_of(&mut house, change(&ticket, None, None, "battery staple"), 0), malformed);
    let wrong = change(&ticket, None, Some("wrong horse"), "battery staple");
    assert_eq!(why_of(&mut house, wrong, 0), Some(Why::NoLogin));
    // Guessing it by a stolen ticket has to wait as logins have.
    let right = change(&ticket, None, Some("correct horse"), "battery staple");
    assert_eq!(why_of(&mut house, right, 10), Some(Why::Busy));
    let short = change(&ticket, None, Some("correct horse"), "short");
    assert_eq!(why_of(&mut house, short, 2000), malformed);
    let others = change(&ticket, Some("root"), None, "battery staple");
    assert_eq!(why_of(&mut house, others, 2000), Some(Why::NoRight));
    let right = change(&ticket, None, Some("correct horse"), "battery staple");
    assert_eq!(why_of(&mut house, right, 2000), None);
    assert_eq!(why_of(&mut house, login("alice", "correct horse"), 3000), Some(Why::NoLogin));
    assert_eq!(why_of(&mut house, login("alice", "battery staple"), 9000), None);
    let trail = house.shelf.audit.join("\n");
    assert!(trail.contains("alice@web: another password for alice"), "{trail}");
    assert!(!trail.contains("horse") && !trail.contains("staple"), "{trail}");
}

#[test]
fn logging_out_ends_a_ticket_at_once() {
    let mut house = House::new();
    let Reply::Login { ticket, view } = house.ask("web", login("alice", "correct horse"), 0) else {
        panic!("alice is shut out");
    };
    let say = |command| Request { ticket: Some(ticket.clone()), command };
    assert_eq!(house.ask("web", say(Command::WhoAmI), 1), Reply::Ticket(view));
    assert_eq!(why(&house.ask("db", say(Command::WhoAmI), 1)), Some(Why::NoTicket));
    assert_eq!(house.ask("web", say(Command::Logout), 2), Reply::Done);
    assert_eq!(why(&house.ask("web", say(Command::WhoAmI), 3)), Some(Why::NoTicket));
    assert!(house.shelf.tickets.is_empty());
}

#[test]
fn who_asks_too_often_waits_and_others_do_not() {
    let mut house = House::new();
    let version = || Request { ticket: None, command: Command::Version };
    let granted = |house: &mut House, machine, at_ms| {
        (0..1000).filter(|_| why(&house.ask(machine, version(), at_ms)).is_none()).count()
    };
    assert_eq!(granted(&mut house, "web", 0), 200);
    assert_eq!(granted(&mut house, "db", 0), 200);
    assert_eq!(granted(&mut house, "web", 1000), 50);
}
