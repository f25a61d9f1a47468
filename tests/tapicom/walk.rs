//! Every command by every kind of caller, against a table written out by hand.
//!
//! The letters: L look, B back up, R restore, E restore elsewhere, O operate, A administer, X erase; each
//! caller has one of them and no other. `*` any ticket, `+` anybody who was let in.

use std::collections::{BTreeMap, BTreeSet};

use tapioca::catalogue::record::{Credential, JobId, Right, Ticket};
use tapioca::tapicom::door::{Act, Door, Introduction, Now, Peer, name_of};
use tapioca::tapicom::message::*;
use tapioca::tapicom::ticket::Shown;

use super::books::Shelf;
use super::samples;

const LETTERS: [(char, Right); 7] = [
    ('L', Right::Look),
    ('B', Right::BackUp),
    ('R', Right::Restore),
    ('E', Right::RestoreElsewhere),
    ('O', Right::Operate),
    ('A', Right::Administer),
    ('X', Right::Erase),
];

/// By name of the command, for those that concern nobody in particular, or another, as the samples do.
const TABLE: &[(&str, &str)] = &[
    ("Version", "+"),
    ("Login", "+"),
    ("Logout", "*"),
    ("WhoAmI", "*"),
    ("Status", "*"),
    ("Backup", "O"),
    ("JobState", "L"),
    ("JobCancel", "O"),
    ("JobHold", "O"),
    ("JobResume", "O"),
    ("JobPriority", "O"),
    ("Jobs", "L"),
    ("JobReport", "L"),
    ("FileList", "E"),
    ("List", "E"),
    ("Find", "E"),
    ("Versions", "LE"),
    ("RestorePlan", "RE"),
    ("Restore", "RE"),
    ("Media", "L"),
    ("Medium", "L"),
    ("MediumAssign", "O"),
    ("MediumRetire", "O"),
    ("MediumRelease", "O"),
    ("Inventory", "L"),
    ("Move", "O"),
    ("Import", "O"),
    ("Export", "O"),
    ("Label", "O"),
    ("Identify", "O"),
    ("Clean", "O"),
    ("Drives", "L"),
    ("DriveUse", "O"),
    ("Pools", "L"),
    ("PoolPut", "A"),
    ("PoolDrop", "A"),
    ("Sets", "L"),
    ("Forecast", "L"),
    ("Verify", "O"),
    ("Copy", "O"),
    ("Schedules", "L"),
    ("SchedulePut", "A"),
    ("ScheduleDrop", "A"),
    ("ScheduleEnable", "A"),
    ("ScheduleRun", "OA"),
    ("Users", "A"),
    ("UserPut", "A"),
    ("UserDrop", "A"),
    ("Password", "*"),
    ("Machines", "L"),
    ("MachinePut", "A"),
    ("MachineDrop", "A"),
    ("EnrolCode", "A"),
    ("MachineRevoke", "A"),
    ("Tickets", "*"),
    ("TicketRevoke", "A"),
    ("Wishes", "L"),
    ("WishErase", "X"),
    ("WishAgree", "X"),
    ("WishCancel", "OAX"),
    ("Requests", "L"),
    ("RequestAnswer", "O"),
    ("Events", "L"),
    ("Audit", "A"),
    ("Health", "L"),
    ("Metrics", "L"),
    ("CatalogueCheck", "OA"),
    ("CatalogueExport", "A"),
    ("Notifications", "A"),
    ("NotificationsPut", "A"),
    ("RestoreGaps", "E"),
    ("RestoreOutlook", "RE"),
    ("BackupResume", "O"),
    ("Conditions", "L"),
    ("Quotas", "L"),
    ("Update", "A"),
];

/// A job of `db`, asked for by somebody else; one of `web`, asked for by the caller; one of `web` that a
/// schedule made; and one that does not exist.
const OTHERS: JobId = JobId(300);
const OWN: JobId = JobId(17);
const MADE: JobId = JobId(18);
const NONE: JobId = JobId(19);
const OWN_TICKET: [u8; 16] = [0x77; 16];

fn tree(machine: Option<&str>, at: At) -> Tree {
    Tree { machine: machine.map(str::to_owned), backup: None, at }
}

fn restore(machine: Option<&str>, at: At, to: Option<&str>) -> Command {
    let (tree, to) = (tree(machine, at), to.map(str::to_owned));
    Command::Restore(RestoreWanted { tree, only: Vec::new(), to, priority: 0 })
}

fn backup(machine: Option<&str>, level: LevelWanted) -> Command {
    let sample = samples::commands().into_iter().find_map(|command| match command {
        Command::Backup(wanted) => Some(wanted),
        _ => None,
    });
    let wanted = sample.unwrap();
    Command::Backup(BackupWanted { machine: machine.map(str::to_owned), level, ..wanted })
}

/// The same commands, when it matters whose it is.
fn particular() -> Vec<(Command, &'static str)> {
    let page = Page::default;
    let list =
        |machine, at| Command::List { tree: tree(machine, at), path: "".into(), page: page() };
    vec![
        (backup(None, LevelWanted::Full), "BO"),
        (backup(Some("web"), LevelWanted::Incremental), "BO"),
        (backup(Some("db"), LevelWanted::Full), "O"),
        (backup(None, LevelWanted::Since(OWN)), "BO"),
        (backup(None, LevelWanted::Since(OTHERS)), "O"),
        (backup(None, LevelWanted::Since(NONE)), "O"),
        (Command::JobCancel { job: OWN }, "BRO"),
        (Command::JobCancel { job: MADE }, "O"),
        (Command::JobCancel { job: NONE }, "O"),
        (Command::JobHold { job: OWN }, "BRO"),
        (Command::JobHold { job: MADE }, "O"),
        (Command::JobResume { job: OWN }, "BRO"),
        (Command::JobResume { job: MADE }, "O"),
        (Command::BackupResume { job: OWN }, "BO"),
        (Command::BackupResume { job: NONE }, "O"),
        (Command::RestoreGaps { job: OWN, page: page() }, "LE"),
        (Command::RestoreGaps { job: NONE, page: page() }, "E"),
        (Command::FileList { job: OWN, offset: 0 }, "LE"),
        (Command::FileList { job: MADE, offset: 0 }, "LE"),
        (Command::FileList { job: NONE, offset: 0 }, "E"),
        (list(None, At::Latest), "LE"),
        (list(Some("web"), At::Job(MADE)), "LE"),
        (list(Some("db"), At::Latest), "E"),
        (list(None, At::Job(OTHERS)), "E"),
        (list(Some("web"), At::Job(OTHERS)), "E"),
        (Command::Find { tree: tree(None, At::Latest), pattern: "*".into(), page: page() }, "LE"),
        (Command::Versions { machine: Some("db".into()), path: "".into(), page: page() }, "E"),
        (restore(None, At::Latest, None), "RE"),
        (restore(Some("web"), At::Job(OWN), Some("web")), "RE"),
        (restore(None, At::Latest, Some("db")), "E"),
        (restore(Some("db"), At::Latest, None), "E"),
        (restore(None, At::Job(OTHERS), None), "E"),
        (Command::Inventory { again: true, page: page() }, "O"),
        (
            Command::Password {
                user: Some("bob".into()),
                old: None,
                new: Secret::new("0123456789"),
            },
            "A",
        ),
        (Command::Tickets { user: Some("bob".into()), page: page() }, "A"),
        (Command::TicketRevoke { id: OWN_TICKET }, "*"),
    ]
}

fn peer(machine: &str) -> Peer {
    Peer::Machine(Introduction { machine: machine.into(), digest: [1; 32] })
}

const NOW: Now = Now { ms: 0, s: 1000 };

struct World {
    shelf: Shelf,
    tickets: BTreeMap<char, Secret>,
}

fn ticket(user: &str, machine: &str, right: Right, expires_s: Option<i64>) -> (Ticket, Shown) {
    let shown = Shown::new().unwrap();
    let ticket = Ticket {
        id: shown.id,
        hash: shown.hash(),
        user: user.into(),
        machine: machine.into(),
        rights: [right].into(),
        created_s: 0,
        expires_s,
    };
    (ticket, shown)
}

/// `web`, with a user and a ticket for each right; each user has that right and no other.
fn world() -> World {
    let mut shelf = Shelf::default();
    let mut tickets = BTreeMap::new();
    for (letter, right) in LETTERS {
        let name = letter.to_string();
        shelf.user(&name, Credential::Here(String::new()), &[right]);
        let (ticket, shown) = ticket(&name, "web", right, None);
        tickets.insert(letter, shown.text());
        shelf.tickets.insert(ticket.id, ticket);
    }
    shelf.user("bob", Credential::Here(String::new()), &Right::ALL);
    let others = ticket("bob", "db", Right::Look, None).0;
    shelf.tickets.insert(samples::ID, Ticket { id: samples::ID, ..others });
    shelf.jobs.insert(OTHERS.0, ("db".into(), "bob".into()));
    shelf.jobs.insert(MADE.0, ("web".into(), "schedule nightly".into()));
    World { shelf, tickets }
}

/// What a door says that remembers nothing.
fn judge(shelf: &Shelf, machine: &str, ticket: Option<Secret>, command: Command) -> Act {
    let from = if machine == "the console" { Peer::Console } else { peer(machine) };
    Door::default().judge(&from, Request { ticket, command }, NOW, shelf)
}

/// Why it was refused; none: it was not.
fn why(act: &Act) -> Option<Why> {
    match act {
        Act::Answer(answer) => match &answer.reply {
            // Refused for what was said, by somebody who may say it.
            Reply::Refused(Refusal { why: Why::Malformed | Why::NotFound, .. }) => None,
            Reply::Refused(refusal) => Some(refusal.why),
            _ => None,
        },
        Act::Check(_) | Act::Pass(..) => None,
    }
}

fn all() -> Vec<(Command, &'static str)> {
    let rows: BTreeMap<&str, &str> = TABLE.iter().copied().collect();
    assert_eq!(rows.len(), TABLE.len());
    let samples = samples::commands();
    let names: BTreeSet<String> = samples.iter().map(name_of).collect();
    assert!(names.iter().map(String::as_str).eq(rows.keys().copied()), "{names:?}");
    let general = samples.into_iter().map(|command| {
        let may = rows[name_of(&command).as_str()];
        (command, may)
    });
    general.chain(particular()).collect()
}

#[test]
fn every_right_allows_what_the_table_says_and_nothing_else() {
    let World { mut shelf, tickets } = world();
    let mut walked = 0;
    for (command, may) in all() {
        for (letter, _) in LETTERS {
            let user = letter.to_string();
            shelf.jobs.insert(OWN.0, ("web".into(), user.clone()));
            let (own, _) = ticket(&user, "db", Right::Look, None);
            shelf.tickets.insert(OWN_TICKET, Ticket { id: OWN_TICKET, ..own });
            let allowed = may.contains(['*', '+']) || may.contains(letter);
            let act = judge(&shelf, "web", Some(tickets[&letter].clone()), command.clone());
            let expected = if allowed { None } else { Some(Why::NoRight) };
            assert_eq!(why(&act), expected, "{letter}: {command:?}: {act:?}");
            if let Act::Pass(caller, passed) = &act {
                assert!(caller.user == user && caller.machine == "web" && **passed == command);
            }
            walked += 1;
        }
    }
    assert!(walked > 700, "only {walked}");
}

#[test]
fn without_a_good_ticket_there_is_version_and_login() {
    let World { mut shelf, tickets } = world();
    let mut bad: Vec<(&str, &str, Option<Secret>)> = vec![("no ticket", "web", None)];
    bad.push(("nonsense", "web", Some(Secret::new("tap1-nonsense"))));
    bad.push(("unknown", "web", Some(Shown::new().unwrap().text())));
    let (over, shown) = ticket("A", "web", Right::Administer, Some(1000));
    shelf.tickets.insert(over.id, over);
    bad.push(("expired", "web", Some(shown.text())));
    bad.push(("of another machine", "db", Some(tickets[&'A'].clone())));
    bad.push(("of a machine, at the console", "the console", Some(tickets[&'A'].clone())));
    // The public half of one, and another's secret.
    let (known, _) = ticket("A", "web", Right::Administer, None);
    let (other, shown) = ticket("A", "web", Right::Administer, None);
    shelf.tickets.insert(other.id, Ticket { hash: known.hash, ..other });
    bad.push(("forged", "web", Some(shown.text())));
    shelf.user("gone", Credential::Machine, &Right::ALL);
    let (gone, shown) = ticket("gone", "web", Right::Administer, None);
    shelf.tickets.insert(gone.id, gone);
    shelf.users.remove("gone");
    bad.push(("of somebody who is gone", "web", Some(shown.text())));
    shelf.user("off", Credential::Machine, &Right::ALL);
    shelf.users.get_mut("off").unwrap().disabled = true;
    let (off, shown) = ticket("off", "web", Right::Administer, None);
    shelf.tickets.insert(off.id, off);
    bad.push(("of somebody who is disabled", "web", Some(shown.text())));
    for (what, machine, ticket) in bad {
        for (command, may) in all() {
            let act = judge(&shelf, machine, ticket.clone(), command.clone());
            let expected = if may == "+" { None } else { Some(Why::NoTicket) };
            assert_eq!(why(&act), expected, "{what}: {command:?}: {act:?}");
        }
    }
}

#[test]
fn a_right_that_a_user_lost_is_lost_to_the_ticket() {
    let World { mut shelf, tickets } = world();
    let act = |shelf: &Shelf| judge(shelf, "web", Some(tickets[&'O'].clone()), Command::Import);
    assert_eq!(why(&act(&shelf)), None);
    shelf.users.get_mut("O").unwrap().rights = [Right::Look].into();
    assert_eq!(why(&act(&shelf)), Some(Why::NoRight), "it works on");
}

#[test]
fn no_machine_is_a_console() {
    let World { shelf, .. } = world();
    for command in samples::commands() {
        let act = judge(&shelf, "console", None, command.clone());
        assert_eq!(why(&act), Some(Why::NoTicket), "{command:?}");
    }
    let version = Request { ticket: None, command: Command::Version };
    let act = Door::default().judge(&Peer::Console, version, NOW, &shelf);
    assert_eq!(why(&act), None);
}
