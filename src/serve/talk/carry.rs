//! Commands that were judged good: what each of them does.
//!
//! Owns the one table from commands to orders of the authority and to what is shown. Whoever gets here may
//! do what they say; whether it can be done, the authority decides.

use std::time::{Duration, Instant};

use super::{Talk, of_fault, refused};
use crate::authority::event::{Answered, DriveId, Element, RequestId};
use crate::authority::order::{Caller, Order};
use crate::authority::{Event, Reply as Answer};
use crate::catalogue::record::{
    Credential, Job, JobId, Level, Machine, Receiver, Schedule, User, Work,
};
use crate::identity::authority::Authority;
use crate::serve::plan::chain;
use crate::serve::shell::{Happening, now_s, send};
use crate::stream::StreamId;
use crate::tapicom::message::{
    BackupGiven, BackupWanted, CheckedBy, Command, LevelWanted, Notification, Refusal, Reply,
    RestoreWanted, Secret, Severity, UserWanted, Why,
};
use crate::tapicom::rights;

/// How long a drive may take to give a cartridge back, and how often it is looked.
const UNLOAD_LIMIT: Duration = Duration::from_secs(900);
const PAUSE: Duration = Duration::from_millis(300);
/// The pool that backups go to when none is named.
pub const USUAL_POOL: &str = "default";

pub(super) fn core(caller: &rights::Caller) -> Caller {
    let rights::Caller { user, machine, rights, .. } = caller.clone();
    Caller { user, machine, rights }
}

fn fresh() -> StreamId {
    StreamId(uuid::Uuid::new_v4())
}

impl Talk {
    /// Carries a command out.
    pub(super) fn carry(&self, caller: &rights::Caller, command: Command) -> Reply {
        match command {
            Command::Backup(wanted) => self.backup(caller, wanted),
            Command::Restore(wanted) => self.restore(caller, wanted),
            Command::JobCancel { job } => self.order(caller, Order::Cancel { job }),
            Command::JobHold { job } => self.order(caller, Order::Hold { job }),
            Command::BackupResume { job } => self.go_on(caller, job),
            Command::JobResume { job } => self.resume(caller, job),
            Command::JobPriority { job, priority } => {
                self.order(caller, Order::Priority { job, priority })
            }
            Command::MediumAssign { tag, pool: Some(pool) } => {
                self.order(caller, Order::Assign { tag, pool })
            }
            Command::MediumAssign { tag, pool: None } | Command::MediumRelease { tag } => {
                self.order(caller, Order::Release { tag })
            }
            Command::MediumRetire { tag, why } => self.order(caller, Order::Retire { tag, why }),
            Command::Label { tag, pool } => self.order(caller, Order::Assign { tag, pool }),
            Command::Move { from, to } => match (element(&from), element(&to)) {
                // Where it came from, or to a free slot: the authority knows.
                (Some(Element::Drive(drive)), _) => self.order(caller, Order::Unload { drive }),
                (Some(from), Some(to)) => self.order(caller, Order::Move { from, to }),
                _ => refused(Why::Malformed, "places are called slot N, mail slot N and drive N"),
            },
            Command::Import => self.order(caller, Order::Import),
            Command::Export { tag } => self.export(caller, tag),
            Command::Identify { tag } => self.order(caller, Order::Identify { tag }),
            Command::Clean { drive } => {
                self.of_drive(caller, drive, |drive| Order::Clean { drive })
            }
            Command::DriveUse { drive, used } => {
                self.of_drive(caller, drive, |drive| Order::Use { drive, on: used })
            }
            Command::Verify { of, .. } => self.order(caller, Order::Verify { of }),
            Command::Copy { of, pool } => self.order(caller, Order::Copy { of, pool }),
            Command::List { .. }
            | Command::Find { .. }
            | Command::Versions { .. }
            | Command::FileList { .. }
            | Command::RestoreGaps { .. }
            | Command::RestoreOutlook(_)
            | Command::RestorePlan(_) => self.browse(caller, command),
            Command::CatalogueCheck => self.check_catalogue(),
            Command::CatalogueExport => refused(
                Why::Conflict,
                "the catalogue is exported on the appliance: tapioca catalogue export",
            ),
            Command::NotificationsPut { all } => self.put_receivers(caller, all),
            Command::Update(wanted) => self.update(caller, wanted),
            // What the door answers itself, or never passes on.
            Command::Version
            | Command::Login { .. }
            | Command::Logout
            | Command::WhoAmI
            | Command::Password { .. }
            | Command::Events(_) => refused(Why::Failed, "a command that should not come here"),
            other => self.keep_books(caller, other),
        }
    }

    /// Carries out what changes who and what is known; the rest is only looked at.
    fn keep_books(&self, caller: &rights::Caller, command: Command) -> Reply {
        match command {
            Command::PoolPut(pool) => self.order(caller, Order::PutPool(pool)),
            Command::PoolDrop { name } => self.order(caller, Order::DropPool { name }),
            Command::SchedulePut(schedule) => self.put_schedule(caller, schedule),
            Command::ScheduleDrop { name } => self.order(caller, Order::DropSchedule { name }),
            Command::ScheduleEnable { name, enabled } => self.enable(caller, &name, enabled),
            Command::ScheduleRun { name } => {
                self.order(caller, Order::RunSchedule { name, stream: fresh() })
            }
            Command::UserPut(user) => self.put_user(caller, user),
            Command::UserDrop { name } => self.order(caller, Order::DropUser { name }),
            Command::MachinePut(machine) => self.order(caller, Order::PutMachine(machine)),
            Command::MachineDrop { name } => self.order(caller, Order::DropMachine { name }),
            Command::EnrolCode { machine } => self.enrol(caller, &machine),
            Command::MachineRevoke { name } => self.revoke(caller, &name),
            Command::TicketRevoke { id } => self.order(caller, Order::DropTicket { id }),
            Command::WishErase { tag, .. } => self.order(caller, Order::Wish { tag }),
            Command::WishAgree { number } => self.agree(caller, number),
            Command::WishCancel { number } => self.order(caller, Order::DropWish { wish: number }),
            Command::RequestAnswer { number, done, words } => {
                let how = if done { Answered::Done } else { Answered::No(words) };
                let answer = Happening::Answer(RequestId(number), core(caller), how);
                send(&self.happen, answer);
                Reply::Done
            }
            look => self.show(caller, look),
        }
    }

    /// Has the authority do it.
    fn order(&self, caller: &rights::Caller, order: Order) -> Reply {
        match self.ask(core(caller), order) {
            Ok(answer) => reply(answer),
            Err(fault) => of_fault(&fault),
        }
    }

    fn of_drive(
        &self,
        caller: &rights::Caller,
        number: u32,
        order: impl FnOnce(DriveId) -> Order,
    ) -> Reply {
        match u16::try_from(number).ok().filter(|number| *number > 0) {
            Some(number) => self.order(caller, order(DriveId(number))),
            None => refused(Why::NotFound, format!("there is no drive {number}")),
        }
    }

    /// A cartridge that is in a drive is taken out of it first.
    fn export(&self, caller: &rights::Caller, tag: String) -> Reply {
        let deadline = Instant::now() + UNLOAD_LIMIT;
        loop {
            let wanted = tag.clone();
            match self.look(move |view| view.state.place_of(&wanted)) {
                Ok(Some(Element::Drive(drive))) if Instant::now() < deadline => {
                    match self.order(caller, Order::Unload { drive }) {
                        Reply::Done => std::thread::sleep(PAUSE),
                        other => return other,
                    }
                }
                Ok(_) => return self.order(caller, Order::Export { tag }),
                Err(fault) => return of_fault(&fault),
            }
        }
    }

    fn backup(&self, caller: &rights::Caller, wanted: BackupWanted) -> Reply {
        if wanted.machine.as_ref().is_some_and(|machine| *machine != caller.machine) {
            let what = "another machine is asked by a schedule of its own";
            return refused(Why::Conflict, format!("{what}: tapicli schedule put, schedule run"));
        }
        let pool = match wanted.pool.is_empty() {
            true => USUAL_POOL.to_owned(),
            false => wanted.pool,
        };
        let incremental = wanted.level != LevelWanted::Full;
        let (name, priority) = (wanted.name, wanted.priority);
        let order = Order::Backup { name, incremental, pool, stream: fresh(), priority };
        self.given(self.ask(core(caller), order))
    }

    /// What the client is told of its backup.
    fn given(&self, answer: Result<Answer, crate::stream::Fault>) -> Reply {
        let (job, stream, level) = match answer {
            Ok(Answer::Backup { job, stream, level, over: false, .. }) => (job, stream, level),
            Ok(Answer::Backup { job, .. }) => {
                return refused(Why::Conflict, format!("job {job} is over"));
            }
            Ok(other) => return reply(other),
            Err(fault) => return of_fault(&fault),
        };
        let base = self.look(move |view| match level {
            Level::Since(before) => chain(&view.state.records.jobs, before),
            Level::Full => Vec::new(),
        });
        match base {
            Ok(base) => {
                let words = ["sink_job", "--job", &job.to_string()].map(str::to_owned).to_vec();
                Reply::Backup(BackupGiven { job, stream, level, base, words })
            }
            Err(fault) => of_fault(&fault),
        }
    }

    /// A backup that was cut short goes on, as another that builds on it.
    fn go_on(&self, caller: &rights::Caller, job: JobId) -> Reply {
        let listed = self.reader.snapshot().and_then(|snapshot| snapshot.run_head(job));
        match listed {
            Ok(Some(_)) => {
                let order = Order::Continue { job, stream: fresh() };
                self.given(self.ask(core(caller), order))
            }
            Ok(None) => of_fault(&crate::serve::held::no_list(job)),
            Err(fault) => of_fault(&fault),
        }
    }

    /// A held job goes on; an interrupted backup is answered as it stands.
    fn resume(&self, caller: &rights::Caller, job: JobId) -> Reply {
        let state = self.look(move |view| view.state.job(job).map(|job| job.state.clone()));
        match state {
            Ok(Some(crate::catalogue::record::JobState::Held)) => {
                self.order(caller, Order::LetGo { job })
            }
            Ok(Some(_)) => self.given(self.ask(core(caller), Order::Resume { job })),
            Ok(None) => refused(Why::NotFound, format!("there is no job {job}")),
            Err(fault) => of_fault(&fault),
        }
    }

    fn restore(&self, caller: &rights::Caller, wanted: RestoreWanted) -> Reply {
        let of = match self.state_of(caller, &wanted.tree) {
            Ok(of) => of,
            Err(reply) => return *reply,
        };
        let to = wanted.to.unwrap_or_else(|| caller.machine.clone());
        let (only, priority) = (wanted.only, wanted.priority);
        match self.ask(core(caller), Order::Restore { of, only, to, priority }) {
            Ok(Answer::Job(job)) => {
                let words = ["src_job", "--job", &job.to_string()].map(str::to_owned).to_vec();
                Reply::Restore { job, words }
            }
            Ok(other) => reply(other),
            Err(fault) => of_fault(&fault),
        }
    }

    /// Who is told things; what could not be is refused.
    fn put_receivers(&self, caller: &rights::Caller, all: Vec<Notification>) -> Reply {
        let receivers: Vec<Receiver> = all.into_iter().map(receiver).collect();
        let wanted = receivers.clone();
        let judged = self.look(move |view| {
            let nameless = wanted.iter().any(|receiver| receiver.name.is_empty());
            let none = || Err(crate::stream::Fault::usage("every receiver has a name"));
            let each = |receiver: &Receiver| view.world.can_reach(&receiver.to);
            if nameless { none() } else { wanted.iter().try_for_each(each) }
        });
        match judged.and_then(|judged| judged) {
            Ok(()) => self.order(caller, Order::PutReceivers(receivers)),
            Err(fault) => {
                Reply::Refused(Refusal { why: Why::Malformed, what: fault.what, hint: fault.hint })
            }
        }
    }

    fn put_schedule(&self, caller: &rights::Caller, schedule: Schedule) -> Reply {
        match crate::serve::calendar::When::parse(&schedule.when) {
            Ok(_) => self.order(caller, Order::PutSchedule(schedule)),
            Err(fault) => {
                Reply::Refused(Refusal { why: Why::Malformed, what: fault.what, hint: fault.hint })
            }
        }
    }

    fn enable(&self, caller: &rights::Caller, name: &str, enabled: bool) -> Reply {
        let wanted = name.to_owned();
        let found = self.look(move |view| view.state.records.schedules.get(&wanted).cloned());
        match found {
            Ok(Some(schedule)) => {
                self.order(caller, Order::PutSchedule(Schedule { enabled, ..schedule }))
            }
            Ok(None) => refused(Why::NotFound, format!("there is no schedule {name}")),
            Err(fault) => of_fault(&fault),
        }
    }

    /// A person as they shall be; the password that is known stays.
    fn put_user(&self, caller: &rights::Caller, wanted: UserWanted) -> Reply {
        let name = wanted.name.clone();
        let known = match self.look(move |view| view.state.records.users.get(&name).cloned()) {
            Ok(known) => known,
            Err(fault) => return of_fault(&fault),
        };
        let credential = match (wanted.checked_by, known.map(|user| user.credential)) {
            (CheckedBy::Machine, _) => Credential::Machine,
            (CheckedBy::Here, Some(kept @ Credential::Here(_))) => kept,
            // Nobody has that password.
            (CheckedBy::Here, _) => Credential::Here(String::new()),
        };
        let UserWanted { name, rights, machines, disabled, .. } = wanted;
        let user = User { name, credential, rights, machines, disabled };
        self.order(caller, Order::PutUser(user))
    }

    fn enrol(&self, caller: &rights::Caller, machine: &str) -> Reply {
        let name = machine.to_owned();
        let known = self.look(move |view| view.state.records.machines.contains_key(&name));
        if let Ok(false) = known {
            let new =
                Machine { name: machine.to_owned(), address: None, quota_bytes: None, jobs_max: 4 };
            match self.order(caller, Order::PutMachine(new)) {
                Reply::Done => {}
                other => return other,
            }
        }
        let until_s = now_s() + i64::from(self.code_minutes) * 60;
        let code = Authority::open(&self.netplumber, now_s())
            .and_then(|authority| authority.new_code(machine, now_s(), until_s));
        match code {
            Ok(code) => Reply::EnrolCode { code: Secret::new(code.text().as_str()), until_s },
            Err(fault) => of_fault(&fault),
        }
    }

    fn revoke(&self, caller: &rights::Caller, name: &str) -> Reply {
        let revoked = Authority::open(&self.netplumber, now_s())
            .and_then(|authority| authority.revoke(name, now_s()));
        if let Err(fault) = revoked {
            return of_fault(&fault);
        }
        let who = core(caller).name();
        let what = format!("revokes the certificate of {name}");
        send(&self.happen, Happening::Event(Event::Noted { who, what }));
        let machine = name.to_owned();
        let tickets = self.look(move |view| {
            let of_it = view.state.records.tickets.values().filter(|t| t.machine == machine);
            of_it.map(|ticket| ticket.id).collect::<Vec<_>>()
        });
        for id in tickets.unwrap_or_default() {
            self.order(caller, Order::DropTicket { id });
        }
        Reply::Done
    }

    fn agree(&self, caller: &rights::Caller, number: u64) -> Reply {
        match self.order(caller, Order::Agree { wish: number }) {
            Reply::Done => {
                let found = self.look(move |view| view.state.records.wishes.get(&number).cloned());
                found.ok().flatten().map_or(Reply::Done, Reply::Wish)
            }
            other => other,
        }
    }

    fn check_catalogue(&self) -> Reply {
        let checked = self.reader.snapshot().and_then(|snapshot| snapshot.records());
        match checked {
            Ok(records) => Reply::Check { records: records.len() as u64, wrong: Vec::new() },
            Err(fault) => Reply::Check { records: 0, wrong: vec![fault.to_string()] },
        }
    }
}

fn receiver(wanted: Notification) -> Receiver {
    let Notification { name, to, from, requests } = wanted;
    let from = match from {
        Severity::Note => 0,
        Severity::Warning => 1,
        Severity::Alarm => 2,
    };
    Receiver { name, to, from, requests }
}

/// The authority's answer as it is told.
fn reply(answer: Answer) -> Reply {
    match answer {
        Answer::Done => Reply::Done,
        Answer::Job(job) | Answer::Backup { job, .. } => Reply::Accepted { job },
        Answer::Wish { .. } => Reply::Done,
        Answer::Refused { why, hint } => {
            let hint = Some(hint).filter(|hint| !hint.is_empty());
            Reply::Refused(Refusal { why: Why::Conflict, what: why, hint })
        }
    }
}

/// `slot 3`, `mail slot 1`, `drive 2`.
pub(super) fn element(text: &str) -> Option<Element> {
    let (kind, number) = text.trim().rsplit_once(' ')?;
    let number: u16 = number.parse().ok()?;
    match kind {
        "slot" => Some(Element::Slot(number)),
        "mail slot" => Some(Element::MailSlot(number)),
        "drive" if number > 0 => Some(Element::Drive(DriveId(number))),
        "hand" => Some(Element::Hand(number)),
        _ => None,
    }
}

/// The jobs that lead to a state of a tree.
pub(super) fn is_backup_of(job: &Job, machine: &str, name: Option<&str>) -> bool {
    let Work::Backup { name: called, .. } = &job.work else { return false };
    job.machine == machine && name.is_none_or(|name| called == name)
}
