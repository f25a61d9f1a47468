//! Which right every command needs.
//!
//! Owns the one table, [`need`], whose match has no wildcard: a command without a right does not compile. Owns
//! also the one function that decides, [`decide`]. Whatever is not granted there is refused. Knows neither
//! tickets nor how things are kept; who owns what it is told by [`Books`].

use std::collections::BTreeSet;

use super::message::{At, BackupWanted, Command, LevelWanted, RestoreWanted, Tree};
use crate::catalogue::record::{JobId, Right, Ticket, User};

/// What has to be looked up to decide. An answer that cannot be had is `None`, and what depends on it is
/// refused.
pub trait Books {
    /// A person.
    fn user(&self, name: &str) -> Option<User>;
    /// A ticket.
    fn ticket(&self, id: &[u8; 16]) -> Option<Ticket>;
    /// Machine and user of a job.
    fn job(&self, id: JobId) -> Option<(String, String)>;
}

/// Who wants something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The person.
    pub user: String,
    /// The machine, by its certificate; `console` for the one on the appliance.
    pub machine: String,
    /// What the ticket and the person's own rights both allow.
    pub rights: BTreeSet<Right>,
    /// The ticket.
    pub ticket: [u8; 16],
}

/// Something that belongs to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing<'a> {
    /// This machine; none: the caller's.
    Machine(Option<&'a str>),
    /// What this job kept: the machine's.
    Kept(JobId),
    /// This job: whose machine it is and who asked for it.
    Job(JobId),
    /// This ticket: whose it is.
    Ticket(&'a [u8; 16]),
}

/// What a command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need<'a> {
    /// To have been let in.
    Nothing,
    /// A ticket, whatever it is for.
    Ticket,
    /// One of these rights.
    Any(&'static [Right]),
    /// One of `own` (none named: any ticket) while all `things` are the caller's; else one of `others`.
    Own {
        /// For what is the caller's.
        own: &'static [Right],
        /// For what is another's.
        others: &'static [Right],
        /// What it concerns.
        things: Vec<Thing<'a>>,
    },
}

const LOOK: &[Right] = &[Right::Look];
const ELSEWHERE: &[Right] = &[Right::RestoreElsewhere];
const OPERATE: &[Right] = &[Right::Operate];
const ADMINISTER: &[Right] = &[Right::Administer];
const ERASE: &[Right] = &[Right::Erase];
const RUN: &[Right] = &[Right::Operate, Right::Administer];
const STOP_ERASING: &[Right] = &[Right::Erase, Right::Operate, Right::Administer];
const ASKED: &[Right] = &[Right::BackUp, Right::Restore];

/// What a command needs.
pub fn need(command: &Command) -> Need<'_> {
    match command {
        Command::Version | Command::Login { .. } => Need::Nothing,
        Command::Logout | Command::WhoAmI | Command::Status => Need::Ticket,
        Command::Backup(wanted) => backup(wanted),
        Command::JobCancel { job } | Command::JobHold { job } | Command::JobResume { job } => {
            Need::Own { own: ASKED, others: OPERATE, things: vec![Thing::Job(*job)] }
        }
        Command::JobPriority { .. } | Command::RequestAnswer { .. } => Need::Any(OPERATE),
        Command::JobState { .. } | Command::Jobs { .. } | Command::JobReport { .. } => {
            Need::Any(LOOK)
        }
        Command::FileList { job, .. } | Command::RestoreGaps { job, .. } => {
            browse(vec![Thing::Kept(*job)])
        }
        Command::List { tree, .. } | Command::Find { tree, .. } => browse(things_of(tree)),
        Command::Versions { machine, .. } => browse(vec![Thing::Machine(machine.as_deref())]),
        Command::RestorePlan(wanted) | Command::Restore(wanted) => restore(wanted),
        Command::RestoreOutlook(wanted) => restore(wanted),
        Command::BackupResume { job } => go_on(*job),
        Command::Media { .. } | Command::Medium { .. } => Need::Any(LOOK),
        Command::MediumAssign { .. }
        | Command::MediumRetire { .. }
        | Command::MediumRelease { .. } => Need::Any(OPERATE),
        Command::Inventory { again, .. } => Need::Any(if *again { OPERATE } else { LOOK }),
        Command::Move { .. }
        | Command::Import
        | Command::Export { .. }
        | Command::Label { .. }
        | Command::Identify { .. }
        | Command::Clean { .. }
        | Command::DriveUse { .. } => Need::Any(OPERATE),
        Command::Drives
        | Command::Conditions { .. }
        | Command::Quotas { .. }
        | Command::Pools { .. }
        | Command::Sets { .. }
        | Command::Forecast { .. }
        | Command::Schedules { .. }
        | Command::Machines { .. } => Need::Any(LOOK),
        Command::PoolPut(_) | Command::PoolDrop { .. } => Need::Any(ADMINISTER),
        Command::Verify { .. } | Command::Copy { .. } => Need::Any(OPERATE),
        Command::ScheduleRun { .. } | Command::CatalogueCheck => Need::Any(RUN),
        Command::SchedulePut(_) | Command::ScheduleDrop { .. } | Command::ScheduleEnable { .. } => {
            Need::Any(ADMINISTER)
        }
        Command::Password { user: None, .. } | Command::Tickets { user: None, .. } => Need::Ticket,
        Command::Users { .. }
        | Command::UserPut(_)
        | Command::UserDrop { .. }
        | Command::Password { user: Some(_), .. }
        | Command::Tickets { user: Some(_), .. } => Need::Any(ADMINISTER),
        Command::MachinePut(_)
        | Command::MachineDrop { .. }
        | Command::EnrolCode { .. }
        | Command::MachineRevoke { .. } => Need::Any(ADMINISTER),
        Command::TicketRevoke { id } => {
            Need::Own { own: &[], others: ADMINISTER, things: vec![Thing::Ticket(id)] }
        }
        Command::Wishes { .. } | Command::Requests { .. } => Need::Any(LOOK),
        Command::WishErase { .. } | Command::WishAgree { .. } => Need::Any(ERASE),
        // To stop what destroys takes less than to begin it.
        Command::WishCancel { .. } => Need::Any(STOP_ERASING),
        Command::Events(_) | Command::Health | Command::Metrics => Need::Any(LOOK),
        Command::Audit { .. } | Command::Update(_) => Need::Any(ADMINISTER),
        Command::CatalogueExport | Command::Notifications | Command::NotificationsPut { .. } => {
            Need::Any(ADMINISTER)
        }
    }
}

fn go_on(job: JobId) -> Need<'static> {
    Need::Own { own: &[Right::BackUp], others: OPERATE, things: vec![Thing::Kept(job)] }
}

fn browse(things: Vec<Thing<'_>>) -> Need<'_> {
    Need::Own { own: LOOK, others: ELSEWHERE, things }
}

/// A job that is named says more than the machine that is named beside it.
fn things_of(tree: &Tree) -> Vec<Thing<'_>> {
    let mut things = vec![Thing::Machine(tree.machine.as_deref())];
    if let At::Job(job) = tree.at {
        things.push(Thing::Kept(job));
    }
    things
}

fn backup(wanted: &BackupWanted) -> Need<'_> {
    let mut things = vec![Thing::Machine(wanted.machine.as_deref())];
    if let LevelWanted::Since(job) = wanted.level {
        things.push(Thing::Kept(job));
    }
    Need::Own { own: &[Right::BackUp], others: OPERATE, things }
}

fn restore(wanted: &RestoreWanted) -> Need<'_> {
    let mut things = things_of(&wanted.tree);
    things.push(Thing::Machine(wanted.to.as_deref()));
    Need::Own { own: &[Right::Restore], others: ELSEWHERE, things }
}

impl Thing<'_> {
    fn is_of(&self, caller: &Caller, books: &dyn Books) -> bool {
        match self {
            Thing::Machine(machine) => machine.is_none_or(|machine| machine == caller.machine),
            Thing::Kept(job) => {
                books.job(*job).is_some_and(|(machine, _)| machine == caller.machine)
            }
            Thing::Job(job) => books
                .job(*job)
                .is_some_and(|(machine, user)| machine == caller.machine && user == caller.user),
            Thing::Ticket(id) => books.ticket(id).is_some_and(|t| t.user == caller.user),
        }
    }
}

/// Whether `caller` (none: nobody who showed a ticket) may have `command` carried out.
pub fn decide(command: &Command, caller: Option<&Caller>, books: &dyn Books) -> bool {
    let has = |caller: &Caller, rights: &[Right]| rights.iter().any(|r| caller.rights.contains(r));
    match (need(command), caller) {
        (Need::Nothing, _) | (Need::Ticket, Some(_)) => true,
        (Need::Any(rights), Some(caller)) => has(caller, rights),
        (Need::Own { own, others, things }, Some(caller)) => {
            let is_own = things.iter().all(|thing| thing.is_of(caller, books));
            has(caller, others) || is_own && (own.is_empty() || has(caller, own))
        }
        (Need::Ticket | Need::Any(_) | Need::Own { .. }, None) => false,
    }
}
