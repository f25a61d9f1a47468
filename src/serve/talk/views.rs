//! What can be looked at of the authority's state.

use super::{Talk, of_fault, refused, severity};
use crate::authority::State;
use crate::authority::action::Grade;
use crate::authority::drives::{Doing, Drive, Task};
use crate::authority::event::{DriveId, Element};
use crate::catalogue::record::{
    Credential, Job, JobState, Machine, Medium, MediumState, Receiver, Work,
};
use crate::serve::calendar::When;
use crate::serve::condition::conditions;
use crate::serve::report::{self, Around};
use crate::serve::shell::{View, now_s};
use crate::tapicom::limits::page;
use crate::tapicom::message::{
    CheckedBy, Command, DriveView, JobFilter, JobView, MediumFilter, Notification, Page, Paged,
    Place, PoolForecast, Quota, Reply, Severity, Status, TicketView, ToDo, UserView, Wellness, Why,
    WorkKind,
};
use crate::tapicom::rights;
use jiff::tz::TimeZone;

/// A day, seconds.
const DAY_S: i64 = 86_400;
/// Runs of bytes in one report.
const KEPT_MAX: usize = 400;

impl Talk {
    /// Shows what a command asks for.
    pub(super) fn show(&self, caller: &rights::Caller, command: Command) -> Reply {
        if let Command::Audit { after, most } = command {
            return self.audit(after, most);
        }
        let caller = caller.clone();
        let shown = self.look(move |view| show(view, &caller, command));
        shown.unwrap_or_else(|fault| of_fault(&fault))
    }

    /// The audit trail is in the catalogue alone.
    fn audit(&self, after: u64, most: u32) -> Reply {
        let read = || {
            let mut entries = Vec::new();
            let snapshot = self.reader.snapshot()?;
            snapshot.each(crate::catalogue::Kind::Audit, &mut |record| {
                if let crate::catalogue::record::Record::Audit(entry) = record?
                    && entry.number > after
                {
                    entries.push(entry);
                }
                Ok(())
            })?;
            Ok(entries)
        };
        match read() {
            Ok(entries) => {
                let (entries, more) = page(entries, most);
                Reply::Audit { entries, more }
            }
            Err(fault) => of_fault(&fault),
        }
    }
}

/// Part of what there is, in order of a key that is text.
fn paged<T: serde::Serialize + Clone>(
    items: impl Iterator<Item = (String, T)>,
    wanted: &Page,
) -> Paged<T> {
    let after = wanted.after.clone().unwrap_or_default();
    let rest: Vec<(String, T)> = items.filter(|(key, _)| *key > after).collect();
    let (items, more) = page(rest.iter().map(|(_, item)| item.clone()), wanted.most);
    let last = items.len().checked_sub(1).map(|at| rest[at].0.clone());
    Paged { items, next: last.filter(|_| more) }
}

/// Numbers as keys in order, newest first.
fn newest(number: u64) -> String {
    format!("{:020}", u64::MAX - number)
}

fn show(view: &View<'_>, caller: &rights::Caller, command: Command) -> Reply {
    let records = &view.state.records;
    match command {
        Command::Status => Reply::Status(status(view)),
        Command::JobState { job } => match view.state.job(job) {
            Some(job) => Reply::Job(job_view(view.state, job)),
            None => refused(Why::NotFound, format!("there is no job {job}")),
        },
        Command::Jobs { filter, page } => {
            let jobs = records.jobs.values().rev().filter(|job| is_wanted(job, &filter));
            let jobs = jobs.filter(|job| may_see(caller, &job.machine));
            Reply::Jobs(paged(jobs.map(|j| (newest(j.id.0), job_view(view.state, j))), &page))
        }
        Command::JobReport { job, kept_from } => match view.state.job(job) {
            Some(job) => job_report(view, job, kept_from),
            None => refused(Why::NotFound, format!("there is no job {job}")),
        },
        Command::Media { filter, page } => {
            let media = records.media.values().filter(|medium| medium_wanted(medium, &filter));
            Reply::Media(paged(media.map(|m| (m.tag.clone(), m.clone())), &page))
        }
        Command::Medium { tag } => match records.media.get(&tag) {
            Some(medium) => Reply::Medium(medium.clone()),
            None => refused(Why::NotFound, format!("there is no cartridge {tag}")),
        },
        Command::Inventory { page, .. } => Reply::Inventory(paged(places(view.state), &page)),
        Command::Drives => Reply::Drives(drives(view)),
        Command::Pools { page } => {
            let pools = records.pools.values();
            Reply::Pools(paged(pools.map(|pool| (pool.name.clone(), pool.clone())), &page))
        }
        Command::Sets { pool, page } => {
            let sets = records.sets.values();
            let sets = sets.filter(|set| pool.as_ref().is_none_or(|pool| set.pool == *pool));
            let key = |at: i64| newest(u64::try_from(at).unwrap_or(0));
            let sets = sets.map(|set| (format!("{} {}", key(set.created_s), set.id), set.clone()));
            let mut sets: Vec<_> = sets.collect();
            sets.sort_by(|a, b| a.0.cmp(&b.0));
            Reply::Sets(paged(sets.into_iter(), &page))
        }
        Command::Conditions { medium } => {
            let drive_of = |serial: &str| view.serials.get(serial).copied();
            Reply::Conditions(conditions(view.state, medium.as_deref(), drive_of))
        }
        Command::Notifications => {
            let shown = |receiver: &Receiver| Notification {
                name: receiver.name.clone(),
                to: receiver.to.clone(),
                from: [Severity::Note, Severity::Warning, Severity::Alarm]
                    [usize::from(receiver.from.min(2))],
                requests: receiver.requests,
            };
            Reply::Notifications(records.receivers.values().map(shown).collect())
        }
        Command::Quotas { page } => {
            let quotas = records.machines.values().filter(|m| may_see(caller, &m.name));
            Reply::Quotas(paged(quotas.map(|m| (m.name.clone(), quota(view.state, m))), &page))
        }
        Command::Forecast { .. } => Reply::Forecast(forecast(view.state)),
        Command::Health => Reply::Health(health(view)),
        Command::Metrics => Reply::Metrics(metrics(view)),
        other => show_books(view, caller, other),
    }
}

/// Schedules, people, machines, tickets, wishes and requests.
fn show_books(view: &View<'_>, caller: &rights::Caller, command: Command) -> Reply {
    let records = &view.state.records;
    match command {
        Command::Schedules { page } => {
            let schedules = records.schedules.values().map(|schedule| {
                let next = When::parse(&schedule.when)
                    .ok()
                    .filter(|_| schedule.enabled)
                    .and_then(|when| when.next(now_s(), &TimeZone::UTC));
                (schedule.name.clone(), (schedule.clone(), next))
            });
            Reply::Schedules(paged(schedules, &page))
        }
        Command::Users { page } => {
            let users = records.users.values().map(|user| {
                let (checked_by, has_password) = match &user.credential {
                    Credential::Here(hash) => (CheckedBy::Here, !hash.is_empty()),
                    Credential::Machine => (CheckedBy::Machine, false),
                };
                let shown = UserView {
                    name: user.name.clone(),
                    checked_by,
                    has_password,
                    rights: user.rights.clone(),
                    machines: user.machines.clone(),
                    disabled: user.disabled,
                };
                (user.name.clone(), shown)
            });
            Reply::Users(paged(users, &page))
        }
        Command::Machines { page } => {
            let machines = records.machines.values();
            Reply::Machines(paged(machines.map(|m| (m.name.clone(), m.clone())), &page))
        }
        Command::Tickets { user, page } => {
            let whose = user.unwrap_or_else(|| caller.user.clone());
            let tickets = records.tickets.values().filter(|ticket| ticket.user == whose);
            let key = |id: &[u8; 16]| id.iter().map(|b| format!("{b:02x}")).collect::<String>();
            Reply::Tickets(paged(tickets.map(|t| (key(&t.id), TicketView::of(t))), &page))
        }
        Command::Wishes { page } => {
            let wishes = records.wishes.values();
            Reply::Wishes(paged(wishes.map(|w| (format!("{:020}", w.number), w.clone())), &page))
        }
        Command::Requests { page } => {
            let requests = view.events.requests().iter().map(|(id, asked)| {
                let to_do = ToDo {
                    number: id.0,
                    asked_s: asked.since_s,
                    what: asked.words.clone(),
                    job: None,
                };
                (format!("{:020}", id.0), to_do)
            });
            Reply::Requests(paged(requests, &page))
        }
        _ => refused(Why::Failed, "that is nothing to look at"),
    }
}

/// What a machine may give today.
fn quota(state: &State, machine: &Machine) -> Quota {
    let (used, renews_s) = state.given_today(&machine.name);
    let left = machine.quota_bytes.map(|quota| quota.saturating_sub(used));
    Quota { machine: machine.name.clone(), quota: machine.quota_bytes, used, left, renews_s }
}

fn may_see(caller: &rights::Caller, machine: &str) -> bool {
    use crate::catalogue::record::Right;
    let all = [Right::Operate, Right::Administer, Right::RestoreElsewhere];
    machine == caller.machine || all.iter().any(|right| caller.rights.contains(right))
}

fn kind(work: &Work) -> WorkKind {
    match work {
        Work::Backup { .. } => WorkKind::Backup,
        Work::Restore { .. } => WorkKind::Restore,
        Work::Verify { .. } => WorkKind::Verify,
        Work::Copy { .. } => WorkKind::Copy,
        Work::Identify { .. } => WorkKind::Identify,
        Work::Erase { .. } => WorkKind::Erase,
    }
}

fn is_bad(state: &JobState) -> bool {
    use JobState::{Damaged, Failed, Interrupted};
    matches!(state, Interrupted(_) | Failed(_) | Damaged(_))
}

fn is_wanted(job: &Job, filter: &JobFilter) -> bool {
    let name = match &job.work {
        Work::Backup { name, .. } => Some(name),
        _ => None,
    };
    filter.machine.as_ref().is_none_or(|machine| job.machine == *machine)
        && filter.user.as_ref().is_none_or(|user| job.user == *user)
        && filter.name.as_ref().is_none_or(|wanted| name == Some(wanted))
        && filter.kind.is_none_or(|wanted| kind(&job.work) == wanted)
        && filter.over.is_none_or(|over| job.state.is_over() == over)
        && filter.bad.is_none_or(|bad| is_bad(&job.state) == bad)
        && filter.since_s.is_none_or(|since_s| job.created_s >= since_s)
        && filter.before_s.is_none_or(|before_s| job.created_s < before_s)
}

fn job_view(state: &State, job: &Job) -> JobView {
    let waits = matches!(job.state, JobState::Queued).then(|| {
        match state.clients.contains(&job.id) || !needs_client(&job.work) {
            true => "waits for a drive or a cartridge".to_owned(),
            false => "waits for its client".to_owned(),
        }
    });
    JobView { waits_for: waits, ..JobView::of(job) }
}

fn needs_client(work: &Work) -> bool {
    matches!(work, Work::Backup { .. } | Work::Restore { .. })
}

fn job_report(view: &View<'_>, job: &Job, kept_from: u32) -> Reply {
    let from = usize::try_from(kept_from).unwrap_or(usize::MAX).min(job.kept.len());
    let to = (from + KEPT_MAX).min(job.kept.len());
    let kept_next = (to < job.kept.len()).then(|| u32::try_from(to).unwrap_or(u32::MAX));
    Reply::JobReport {
        job: job_view(view.state, job),
        kept: job.kept[from..to].to_vec(),
        kept_next,
        words: words(view, job),
    }
}

/// The report, as a person reads it, and what was said of the job since the service began.
fn words(view: &View<'_>, job: &Job) -> Vec<String> {
    let media: Vec<Medium> = view.state.records.media.values().cloned().collect();
    let lost = report::lost(view.state.records.gaps.get(&job.id));
    let around = Around { media: &media, left_out: &lost, waits_for: None, zone: &TimeZone::UTC };
    let report = report::report(job, &around, now_s());
    let said = view.events.of_job(job.id);
    report.lines().map(str::to_owned).chain(said).take(900).collect()
}

fn medium_wanted(medium: &Medium, filter: &MediumFilter) -> bool {
    let is_inside =
        ["slot", "drive", "mail", "hand"].iter().any(|p| medium.location.starts_with(p));
    let is_bad = matches!(medium.state, MediumState::Damaged(_) | MediumState::ReadOnly(_));
    filter.pool.as_ref().is_none_or(|pool| medium.pool.as_ref() == Some(pool))
        && filter.inside.is_none_or(|inside| is_inside == inside)
        && filter.bad.is_none_or(|bad| is_bad == bad)
}

fn places(state: &State) -> impl Iterator<Item = (String, Place)> {
    let order = |element: &Element| match element {
        Element::Drive(DriveId(n)) => format!("0 {n:05}"),
        Element::Slot(n) => format!("1 {n:05}"),
        Element::MailSlot(n) => format!("2 {n:05}"),
        Element::Hand(n) => format!("3 {n:05}"),
    };
    let mut all: Vec<(String, Place)> = state
        .elements
        .iter()
        .map(|(element, content)| {
            let tag = content.as_ref().map(|c| c.tag.clone().unwrap_or_else(|| "?".into()));
            (order(element), Place { place: element.to_string(), tag, trouble: None })
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter()
}

fn drives(view: &View<'_>) -> Vec<DriveView> {
    let shown = |(id, drive): (&DriveId, &Drive)| DriveView {
        number: u32::from(id.0),
        what: view.keys.get(id).cloned().unwrap_or_else(|| id.to_string()),
        used: drive.is_used,
        does: does(drive),
        medium: drive.medium.as_ref().and_then(|medium| medium.tag.clone()),
        rate: 0,
        alerts: Vec::new(),
    };
    view.state.drives.iter().map(shown).collect()
}

fn does(drive: &Drive) -> String {
    if let Some(session) = drive.session.as_ref().filter(|session| !session.jobs.is_empty()) {
        let jobs: Vec<String> = session.jobs.iter().map(ToString::to_string).collect();
        let waits = if session.needs_medium { ", waits for a medium" } else { "" };
        return format!("writes job {}{waits}", jobs.join(", "));
    }
    match &drive.doing {
        Doing::Nothing => "idle".into(),
        Doing::Errand(_, task) => at(task),
        Doing::Lost(why) => format!("lost: {why}"),
    }
}

fn at(task: &Task) -> String {
    match task {
        Task::Mount { tag: Some(tag), .. } => format!("mounts {tag}"),
        Task::Mount { .. } => "looks at what is in it".into(),
        Task::Label { tag, .. } => format!("labels {tag}"),
        Task::Read(job) => format!("reads for job {job}"),
        Task::Clean(tag) => format!("is cleaned with {tag}"),
        Task::Erase(tag, _) => format!("erases {tag}"),
        Task::Unload(_) => "unloads".into(),
    }
}

fn status(view: &View<'_>) -> Status {
    let jobs = &view.state.records.jobs;
    let running = jobs.values().filter(|job| job.state == JobState::Running).count();
    let since_s = now_s() - DAY_S;
    let bad = jobs
        .values()
        .filter(|job| is_bad(&job.state) && job.ended_s.unwrap_or(job.created_s) >= since_s);
    let writable = view
        .state
        .records
        .media
        .values()
        .filter(|medium| matches!(medium.state, MediumState::Blank | MediumState::Appendable));
    Status {
        now_s: now_s(),
        since_s: view.since_s,
        queued: view.state.queue.len() as u64,
        running: running as u64,
        bad: bad.count() as u64,
        requests: view.events.requests().len() as u64,
        writable: writable.count() as u64,
        alarms: view.events.alarms().rev().take(20).cloned().collect(),
        drives: drives(view),
    }
}

fn forecast(state: &State) -> Vec<PoolForecast> {
    let of_pool = |pool: &crate::catalogue::record::Pool| {
        let next = state.forecast(pool);
        let expiring = next.iter().filter(|(_, why)| *why == "expired");
        PoolForecast {
            pool: pool.name.clone(),
            coming: 0,
            room: 0,
            wants: u64::from(next.is_empty()),
            expiring: expiring.map(|(tag, _)| tag.clone()).collect(),
        }
    };
    state.records.pools.values().map(of_pool).collect()
}

fn health(view: &View<'_>) -> Vec<Wellness> {
    let well = |what: &str, words: String| Wellness { what: what.into(), severity: None, words };
    let mut all = vec![well("catalogue", format!("{} jobs", view.state.records.jobs.len()))];
    for drive in drives(view) {
        all.push(well(&format!("drive {}", drive.number), drive.does));
    }
    for medium in view.state.records.media.values() {
        if let MediumState::Damaged(why) = &medium.state {
            let severity = Some(severity(Grade::Alarm));
            all.push(Wellness { what: medium.tag.clone(), severity, words: why.clone() });
        }
    }
    for alarm in view.events.alarms() {
        let severity = Some(severity(Grade::Alarm));
        all.push(Wellness { what: "alarm".into(), severity, words: alarm.clone() });
    }
    all.truncate(900);
    all
}

fn metrics(view: &View<'_>) -> Vec<(String, u64)> {
    let jobs = &view.state.records.jobs;
    let count =
        |state: fn(&JobState) -> bool| jobs.values().filter(|job| state(&job.state)).count();
    let recorded: u64 = jobs.values().map(|job| job.recorded).sum();
    vec![
        ("tapioca_jobs{state=\"queued\"}".into(), count(|s| *s == JobState::Queued) as u64),
        ("tapioca_jobs{state=\"running\"}".into(), count(|s| *s == JobState::Running) as u64),
        ("tapioca_jobs{state=\"done\"}".into(), count(|s| *s == JobState::Done) as u64),
        ("tapioca_jobs{state=\"bad\"}".into(), count(is_bad) as u64),
        ("tapioca_recorded_bytes".into(), recorded),
        ("tapioca_media".into(), view.state.records.media.len() as u64),
        ("tapioca_requests".into(), view.events.requests().len() as u64),
    ]
}
