//! The one table of commands.
//!
//! Owns the words of each, where it may be given, its help, and what it does: something the authority is told by
//! tapicom, something the steward is asked, or something of the console itself. Whatever the console can have the
//! library do, tapicom can: a row has no other way to it.

use crate::catalogue::record::{JobId, Machine, Right};
use crate::steward::message::{Ask, Reset, Which};
use crate::stream::Fault;
use crate::tapicom::message::{
    At, BackupWanted, CheckedBy, Command, JobFilter, LevelWanted, MediumFilter, Page,
    RestoreWanted, Tree, UserWanted,
};
use crate::update::Wish;

/// Where a command may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Looking and working.
    Operational,
    /// Changing settings.
    Configure,
    /// Both.
    Both,
}

/// The word for records that are made anew.
pub const REBUILD: &str = "rebuild";

/// What stood at a row's parts in brackets.
pub type Said<'a> = &'a [String];

/// What the console does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// Box and service on a page.
    Status,
    /// The links.
    Network,
    /// Drives and changers that are attached.
    Devices,
    /// What happened since the login.
    Events,
    /// The kernel's last lines.
    Log,
    /// A screen that stays up to date.
    Watch,
    /// Requests, one after the other.
    Requests,
    /// A person's password.
    UserPassword,
    /// The administrator's.
    Password,
    /// Asks for the serial number first.
    Reset(Reset),
    /// Asks whether it is meant.
    Sure(&'static str),
    /// Into the configure mode.
    Configure,
    /// A command of the operational mode.
    Do,
    /// Out of the mode, or out.
    Exit,
    /// Out.
    Logout,
    /// All commands.
    Help,
    /// The dialect of machines.
    Record,
}

/// What a row does.
#[derive(Clone, Copy)]
pub enum Does {
    /// The authority is told.
    Tell(fn(Said<'_>) -> Result<Command, Fault>),
    /// The steward is asked.
    Ask(fn(Said<'_>) -> Result<Ask, Fault>),
    /// Something of the console.
    Own(Own),
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Does::Tell(_) => "Tell",
            Does::Ask(_) => "Ask",
            Does::Own(_) => "Own",
        })
    }
}

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its words; those in brackets stand for something.
    pub words: &'static str,
    /// Where it may be given.
    pub mode: Mode,
    /// A line of help.
    pub help: &'static str,
    /// What it does.
    pub does: Does,
}

const fn tell(
    words: &'static str,
    help: &'static str,
    does: fn(Said<'_>) -> Result<Command, Fault>,
) -> Row {
    Row { words, mode: Mode::Operational, help, does: Does::Tell(does) }
}

const fn ask(
    mode: Mode,
    words: &'static str,
    help: &'static str,
    does: fn(Said<'_>) -> Result<Ask, Fault>,
) -> Row {
    Row { words, mode, help, does: Does::Ask(does) }
}

const fn own(mode: Mode, words: &'static str, help: &'static str, does: Own) -> Row {
    Row { words, mode, help, does: Does::Own(does) }
}

/// Help of first words that begin several commands.
pub const GROUPS: &[(&str, &str)] = &[
    ("show", "look at something"),
    ("job", "change what becomes of a job"),
    ("library", "move cartridges"),
    ("drive", "work a drive"),
    ("medium", "what becomes of a cartridge"),
    ("backup", "have a machine backed up"),
    ("restore", "give back what was kept"),
    ("plan", "what a restore would take"),
    ("schedule", "backups that run by themselves"),
    ("user", "people"),
    ("machine", "machines"),
    ("request", "answer what people are asked to do"),
    ("wish", "what destroys takes two people"),
    ("update", "what the box runs"),
    ("reset", "begin anew"),
    ("commit", "put the candidate in force"),
    ("diff", "what the candidate changes"),
];

fn page() -> Page {
    Page::default()
}

fn text(said: Said<'_>, at: usize) -> String {
    said.get(at).cloned().unwrap_or_default()
}

fn rest(said: Said<'_>, from: usize) -> String {
    said.get(from..).unwrap_or_default().join(" ")
}

fn number<T: std::str::FromStr>(said: Said<'_>, at: usize) -> Result<T, Fault> {
    let text = text(said, at);
    text.parse().map_err(|_| Fault::usage(format!("{text} is too large a number here")))
}

fn job(said: Said<'_>) -> Result<JobId, Fault> {
    number(said, 0).map(JobId)
}

fn jobs(over: Option<bool>, bad: Option<bool>) -> Result<Command, Fault> {
    Ok(Command::Jobs { filter: JobFilter { over, bad, ..JobFilter::default() }, page: page() })
}

fn media(bad: Option<bool>) -> Result<Command, Fault> {
    Ok(Command::Media { filter: MediumFilter { bad, ..MediumFilter::default() }, page: page() })
}

fn drive_used(said: Said<'_>, used: bool) -> Result<Command, Fault> {
    Ok(Command::DriveUse { drive: number(said, 0)?, used })
}

fn enabled(said: Said<'_>, enabled: bool) -> Result<Command, Fault> {
    Ok(Command::ScheduleEnable { name: text(said, 0), enabled })
}

fn backup(said: Said<'_>, level: LevelWanted) -> Result<Command, Fault> {
    Ok(Command::Backup(BackupWanted {
        machine: Some(text(said, 0)),
        name: text(said, 1),
        level,
        paths: said.get(2..).unwrap_or_default().iter().map(|path| path.as_str().into()).collect(),
        pool: "default".into(),
        sealed: false,
        compressed: false,
        priority: 0,
        bytes: None,
    }))
}

fn wanted(machine: Option<String>, at: At, to: Option<String>, only: Said<'_>) -> RestoreWanted {
    RestoreWanted { tree: Tree { machine, backup: None, at }, only: only.to_vec(), to, priority: 0 }
}

fn restore_job(said: Said<'_>) -> Result<Command, Fault> {
    let only = said.get(3..).unwrap_or_default();
    let machine = Some(text(said, 1));
    Ok(Command::Restore(wanted(machine, At::Job(job(said)?), Some(text(said, 2)), only)))
}

fn restore_latest(said: Said<'_>) -> Result<Command, Fault> {
    let only = said.get(2..).unwrap_or_default();
    Ok(Command::Restore(wanted(Some(text(said, 0)), At::Latest, Some(text(said, 1)), only)))
}

fn rights(words: Said<'_>) -> Result<std::collections::BTreeSet<Right>, Fault> {
    let right = |word: &String| {
        let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
        let found =
            Right::ALL.into_iter().find(|right| plain(&format!("{right:?}")) == plain(word));
        found.ok_or_else(|| {
            let names: Vec<String> = Right::ALL.iter().map(|right| format!("{right:?}")).collect();
            Fault::usage(format!("{word:?} is no right"))
                .hint(format!("rights: {}", names.join(", ")))
        })
    };
    words.iter().map(right).collect()
}

fn user(said: Said<'_>) -> Result<Command, Fault> {
    Ok(Command::UserPut(UserWanted {
        name: text(said, 0),
        checked_by: CheckedBy::Here,
        rights: rights(said.get(1..).unwrap_or_default())?,
        machines: std::collections::BTreeSet::new(),
        disabled: false,
    }))
}

fn machine(said: Said<'_>) -> Result<Command, Fault> {
    let (name, address) = (text(said, 0), Some(text(said, 1)));
    Ok(Command::MachinePut(Machine { name, address, quota_bytes: None, jobs_max: 4 }))
}

fn answered(said: Said<'_>, done: bool) -> Result<Command, Fault> {
    Ok(Command::RequestAnswer { number: number(said, 0)?, done, words: rest(said, 1) })
}

fn commit(words: String, confirm_s: Option<u32>) -> Result<Ask, Fault> {
    // Who types is added by the session, which knows its line.
    Ok(Ask::Commit { by: String::new(), words, confirm_s })
}

use Mode::{Both, Configure, Operational};

/// All commands.
pub const ROWS: &[Row] = &[
    own(Operational, "show status", "the box and the service, on a page", Own::Status),
    tell("show library", "what is where", |_| {
        Ok(Command::Inventory { again: false, page: page() })
    }),
    tell("show drives", "the drives and what they do", |_| Ok(Command::Drives)),
    tell("show media", "cartridges", |_| media(None)),
    tell("show media bad", "cartridges with something wrong", |_| media(Some(true))),
    tell("show medium <tag>", "all about a cartridge", |said| {
        Ok(Command::Medium { tag: text(said, 0) })
    }),
    tell("show jobs", "jobs, newest first", |_| jobs(None, None)),
    tell("show jobs open", "jobs that are not over", |_| jobs(Some(false), None)),
    tell("show jobs bad", "jobs that came to no good end", |_| jobs(None, Some(true))),
    tell("show job <job>", "all about a job", |said| {
        Ok(Command::JobReport { job: job(said)?, kept_from: 0 })
    }),
    tell("show pools", "pools of cartridges", |_| Ok(Command::Pools { page: page() })),
    tell("show sets", "sets of cartridges", |_| Ok(Command::Sets { pool: None, page: page() })),
    tell("show schedules", "backups that run by themselves", |_| {
        Ok(Command::Schedules { page: page() })
    }),
    tell("show users", "people", |_| Ok(Command::Users { page: page() })),
    tell("show machines", "machines", |_| Ok(Command::Machines { page: page() })),
    tell("show tickets", "tickets that are good", |_| {
        Ok(Command::Tickets { user: None, page: page() })
    }),
    tell("show requests", "what people are asked to do", |_| {
        Ok(Command::Requests { page: page() })
    }),
    tell("show wishes", "what is to be destroyed, and who asked", |_| {
        Ok(Command::Wishes { page: page() })
    }),
    tell("show health", "what is well and what is not", |_| Ok(Command::Health)),
    tell("show forecast", "what will be written on", |_| Ok(Command::Forecast { days: 30 })),
    tell("show audit", "who did what", |_| Ok(Command::Audit { after: 0, most: 0 })),
    own(Operational, "show devices", "drives and changers that are attached", Own::Devices),
    own(Operational, "show network", "links and their addresses", Own::Network),
    own(Operational, "show events", "what happened since you logged in", Own::Events),
    own(Operational, "show log", "the kernel's last lines", Own::Log),
    ask(Operational, "show settings", "settings in force", |_| Ok(Ask::Settings(Which::Current))),
    ask(Both, "show history", "settings that were in force", |_| Ok(Ask::History)),
    ask(Operational, "show boot", "how the box started, and why", |_| Ok(Ask::Boots)),
    ask(Operational, "show version", "what runs, and who the box is", |_| Ok(Ask::State)),
    ask(Operational, "show update", "what runs, what could, and what became of updates", |_| {
        Ok(Ask::Update(Wish::Show))
    }),
    own(Operational, "watch", "a screen that stays up to date; any key ends it", Own::Watch),
    tell("job <job> cancel", "end it; what is recorded stays", |said| {
        Ok(Command::JobCancel { job: job(said)? })
    }),
    tell("job <job> pause", "let it wait until it is resumed", |said| {
        Ok(Command::JobHold { job: job(said)? })
    }),
    tell("job <job> resume", "let it go on", |said| Ok(Command::JobResume { job: job(said)? })),
    tell("job <job> priority <n>", "higher goes first", |said| {
        Ok(Command::JobPriority { job: job(said)?, priority: number(said, 1)? })
    }),
    tell("job <job> verify", "read back what it kept", |said| {
        Ok(Command::Verify { of: job(said)?, copy: None })
    }),
    tell("job <job> copy <pool>", "write what it kept once more", |said| {
        Ok(Command::Copy { of: job(said)?, pool: text(said, 1) })
    }),
    tell("library inventory", "have the robot look again", |_| {
        Ok(Command::Inventory { again: true, page: page() })
    }),
    tell("library move <place> <place>", "move a cartridge", |said| {
        Ok(Command::Move { from: text(said, 0), to: text(said, 1) })
    }),
    tell("library import", "take in what lies in the mail slots", |_| Ok(Command::Import)),
    tell("library export <tag>", "bring a cartridge to a mail slot", |said| {
        Ok(Command::Export { tag: text(said, 0) })
    }),
    tell("drive <drive> unload", "bring its cartridge back", |said| {
        Ok(Command::Move { from: format!("drive {}", text(said, 0)), to: "slot 0".into() })
    }),
    tell("drive <drive> clean", "clean it as soon as it is idle", |said| {
        Ok(Command::Clean { drive: number(said, 0)? })
    }),
    tell("drive <drive> use", "use it again", |said| drive_used(said, true)),
    tell("drive <drive> rest", "take it out of service", |said| drive_used(said, false)),
    tell(
        "medium <tag> label <pool>",
        "let it serve a pool; a blank one is labelled when it is used",
        |said| Ok(Command::Label { tag: text(said, 0), pool: text(said, 1) }),
    ),
    tell("medium <tag> assign <pool>", "let it serve a pool", |said| {
        Ok(Command::MediumAssign { tag: text(said, 0), pool: Some(text(said, 1)) })
    }),
    tell("medium <tag> release", "let what has expired be overwritten", |said| {
        Ok(Command::MediumRelease { tag: text(said, 0) })
    }),
    tell("medium <tag> retire <words>", "write nothing on it any more, and why", |said| {
        Ok(Command::MediumRetire { tag: text(said, 0), why: rest(said, 1) })
    }),
    tell("medium <tag> identify", "look who it is", |said| {
        Ok(Command::Identify { tag: text(said, 0) })
    }),
    tell("backup full <machine> <name> <words>", "all of these paths of a machine", |said| {
        backup(said, LevelWanted::Full)
    }),
    tell(
        "backup changes <machine> <name> <words>",
        "what changed in them since the last",
        |said| backup(said, LevelWanted::Incremental),
    ),
    tell("restore job <job> of <machine> to <to>", "all that a job kept", restore_job),
    tell("restore job <job> of <machine> to <to> only <pattern>", "some of it", restore_job),
    tell(
        "restore latest <machine> to <to>",
        "the newest that is kept of a machine",
        restore_latest,
    ),
    tell("restore latest <machine> to <to> only <pattern>", "some of it", restore_latest),
    tell("plan job <job> of <machine>", "what a restore of a job would take", |said| {
        Ok(Command::RestorePlan(wanted(Some(text(said, 1)), At::Job(job(said)?), None, &[])))
    }),
    tell("plan latest <machine>", "what a restore of the newest would take", |said| {
        Ok(Command::RestorePlan(wanted(Some(text(said, 0)), At::Latest, None, &[])))
    }),
    tell("schedule <name> run", "run it now", |said| {
        Ok(Command::ScheduleRun { name: text(said, 0) })
    }),
    tell("schedule <name> on", "let it make jobs", |said| enabled(said, true)),
    tell("schedule <name> off", "let it make none", |said| enabled(said, false)),
    tell("schedule <name> drop", "forget it; what it made stays", |said| {
        Ok(Command::ScheduleDrop { name: text(said, 0) })
    }),
    tell("user <name> may <words>", "make somebody known, with these rights", user),
    own(Operational, "user <name> password", "set somebody's password", Own::UserPassword),
    tell("user <name> drop", "forget somebody", |said| {
        Ok(Command::UserDrop { name: text(said, 0) })
    }),
    tell("machine <name> enrol", "a code with which it enrols", |said| {
        Ok(Command::EnrolCode { machine: text(said, 0) })
    }),
    tell("machine <name> address <address>", "where its own netplumber is", machine),
    tell("machine <name> revoke", "refuse it from now on", |said| {
        Ok(Command::MachineRevoke { name: text(said, 0) })
    }),
    tell("machine <name> drop", "forget it", |said| {
        Ok(Command::MachineDrop { name: text(said, 0) })
    }),
    own(Operational, "requests", "answer what people are asked to do, one by one", Own::Requests),
    tell("request <n> done", "it is done", |said| answered(said, true)),
    tell("request <n> no <words>", "it cannot be done, and why", |said| answered(said, false)),
    tell("wish erase <tag> <words>", "ask that a cartridge be erased, and why", |said| {
        Ok(Command::WishErase { tag: text(said, 0), why: rest(said, 1) })
    }),
    tell("wish <n> agree", "agree, as the second person", |said| {
        Ok(Command::WishAgree { number: number(said, 0)? })
    }),
    tell("wish <n> cancel", "let it not be done", |said| {
        Ok(Command::WishCancel { number: number(said, 0)? })
    }),
    tell("check", "read through what is recorded", |_| Ok(Command::CatalogueCheck)),
    own(
        Operational,
        "rebuild",
        "make the records anew of what lies on cartridges",
        Own::Sure(REBUILD),
    ),
    own(Operational, "password", "change the administrator's password", Own::Password),
    own(Operational, "configure", "change settings", Own::Configure),
    ask(Operational, "update from usb", "take a new version from a USB stick", |_| {
        Ok(Ask::Update(Wish::Stick))
    }),
    ask(Operational, "update rollback", "start the version before next", |_| {
        Ok(Ask::Update(Wish::Rollback))
    }),
    own(Operational, "reboot", "start the box anew", Own::Sure("reboot")),
    own(Operational, "power off", "switch the box off", Own::Sure("power off")),
    own(
        Operational,
        "reset settings",
        "forget all settings at the next start",
        Own::Reset(Reset::Settings),
    ),
    own(
        Operational,
        "reset everything",
        "forget all but who the box is at the next start",
        Own::Reset(Reset::Everything),
    ),
    own(
        Operational,
        "record on",
        "frames for programs, after ^A at the beginning of a line",
        Own::Record,
    ),
    own(Operational, "logout", "leave", Own::Logout),
    ask(Configure, "set <setting>", "change the candidate", |said| {
        Ok(Ask::Set { words: said.to_vec() })
    }),
    ask(Configure, "delete <setting>", "take something out of the candidate", |said| {
        Ok(Ask::Delete { words: said.to_vec() })
    }),
    ask(Configure, "show", "the candidate", |_| Ok(Ask::Settings(Which::Candidate))),
    ask(Configure, "diff", "what the candidate changes", |_| {
        Ok(Ask::Diff { from: Which::Current, to: Which::Candidate })
    }),
    ask(Configure, "diff back <n>", "what changed since some generations ago", |said| {
        Ok(Ask::Diff { from: Which::Back(number(said, 0)?), to: Which::Candidate })
    }),
    ask(Configure, "check", "whether it could be committed", |_| Ok(Ask::Check)),
    ask(Configure, "commit", "put the candidate in force", |_| commit(String::new(), None)),
    ask(Configure, "commit because <words>", "the same, and why", |said| {
        commit(rest(said, 0), None)
    }),
    ask(
        Configure,
        "commit confirm <minutes>",
        "the same, until it is confirmed or so many minutes have gone",
        |said| {
            let minutes: u32 = number(said, 0)?;
            commit(String::new(), Some(minutes.saturating_mul(60)))
        },
    ),
    ask(Configure, "commit confirm seconds <n>", "the same, in seconds", |said| {
        commit(String::new(), Some(number(said, 0)?))
    }),
    ask(Both, "confirm", "let what was committed stay", |_| Ok(Ask::Confirm)),
    ask(Configure, "rollback <n>", "the candidate as some generations ago", |said| {
        Ok(Ask::Rollback { back: number(said, 0)? })
    }),
    ask(Configure, "discard", "the candidate as what is in force", |_| Ok(Ask::Discard)),
    own(Configure, "do <command>", "a command of the operational mode", Own::Do),
    own(Both, "help", "all commands", Own::Help),
    own(Both, "exit", "leave the mode", Own::Exit),
];
