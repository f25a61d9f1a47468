//! What people see: tables, facts, lines; or all of it as JSON.

use std::io::Write;

use clap::Args;

use super::document::Document;
use super::restore::Which;
use super::{Here, refusal, said, unexpected};
use crate::catalogue::record::{JobId, JobState, MediumState, Seconds, Work};
use crate::cli::Done;
use crate::cli::table::{Facts, Shown, Table, print, print_json};
use crate::stream::Fault;
use crate::tapicom::message::{
    Bytes, Command, Entry, Event, EventFilter, JobFilter, MediumFilter, Page, Reply,
};

/// Bytes as people read them.
pub(super) fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

pub(super) fn time(at_s: Seconds) -> String {
    match jiff::Timestamp::from_second(at_s) {
        Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at_s.to_string(),
    }
}

fn maybe_time(at_s: Option<Seconds>) -> String {
    at_s.map(time).unwrap_or_default()
}

pub(super) fn path(bytes: &Bytes) -> String {
    String::from_utf8_lossy(&crate::list::escape(&bytes.0)).into_owned()
}

fn work(work: &Work) -> String {
    match work {
        Work::Backup { name, .. } => format!("backup {name}"),
        Work::Restore { of, .. } => {
            let of: Vec<String> = of.iter().map(ToString::to_string).collect();
            format!("restore of {}", of.join("+"))
        }
        Work::Verify { of } => format!("verify {of}"),
        Work::Copy { of, pool } => format!("copy {of} to {pool}"),
        Work::Identify { tag } => format!("identify {tag}"),
        Work::Erase { tag } => format!("erase {tag}"),
    }
}

fn state(state: &JobState) -> String {
    match state {
        JobState::Queued => "queued".into(),
        JobState::Held => "held".into(),
        JobState::Running => "running".into(),
        JobState::Done => "done".into(),
        JobState::DoneBut(count) => format!("done but for {count}"),
        JobState::Interrupted(why) => format!("interrupted: {why}"),
        JobState::Failed(why) => format!("failed: {why}"),
        JobState::Cancelled(who) => format!("cancelled by {who}"),
        JobState::Damaged(why) => format!("DAMAGED: {why}"),
    }
}

fn medium_state(state: &MediumState) -> String {
    match state {
        MediumState::Unknown => "unknown".into(),
        MediumState::Blank => "blank".into(),
        MediumState::Appendable => "appendable".into(),
        MediumState::Full => "full".into(),
        MediumState::ReadOnly(why) => format!("read-only: {why}"),
        MediumState::Damaged(why) => format!("DAMAGED: {why}"),
        MediumState::Foreign(what) => format!("foreign: {what}"),
        MediumState::Cleaning(_) => "cleaning".into(),
    }
}

/// One value as JSON.
pub(super) fn print_value(value: &serde_json::Value) -> Result<(), Fault> {
    print_json(value)
}

pub(super) fn table(table: &Table) -> Result<Shown, Fault> {
    Shown::of(|out| table.write(out))
}

fn facts(facts: &Facts) -> Result<Shown, Fault> {
    Shown::of(|out| facts.write(out))
}

/// Shows an answer: data on standard output, words on standard error.
pub(super) fn show(here: &Here, reply: Reply) -> Result<(), Fault> {
    if here.json {
        return print_json(&json(&reply)?);
    }
    let Shown { data, words } = shown(reply)?;
    print(|out| out.write_all(data.as_bytes()))?;
    words.iter().for_each(|line| eprintln!("tapicli: {line}"));
    Ok(())
}

/// An answer as JSON.
pub(in crate::cli) fn json(reply: &Reply) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(reply)
        .map_err(|e| Fault::never(crate::stream::Blame::Ours, format!("cannot print: {e}")))
}

/// An answer for people.
pub(in crate::cli) fn shown(reply: Reply) -> Result<Shown, Fault> {
    match reply {
        Reply::Done => Ok(Shown::word("done")),
        Reply::Accepted { job } => Ok(Shown::word(format!("job {job} will do it"))),
        Reply::EnrolCode { code, until_s } => {
            let data = format!("{}\n", code.reveal());
            let until = time(until_s);
            let word = format!("good once, until {until} UTC. There: plumb enrol BOX CODE");
            Ok(Shown { data, words: vec![word] })
        }
        Reply::Ticket(ticket) => {
            let mut shown = Facts::default();
            shown.add("user", &ticket.user);
            shown.add("machine", &ticket.machine);
            let rights: Vec<String> = ticket.rights.iter().map(|r| format!("{r:?}")).collect();
            shown.add("may", rights.join(", "));
            shown.add("since", time(ticket.created_s));
            shown.maybe("until", ticket.expires_s.map(time));
            facts(&shown)
        }
        Reply::Backup(given) => Ok(Shown::word(format!("job {} waits for its stream", given.job))),
        Reply::Restore { job, .. } => Ok(Shown::word(format!("job {job} will do it"))),
        Reply::JobReport { words, .. } => Shown::of(|out| report(out, &words)),
        Reply::Plan(plan) => {
            let mut shown = Facts::default();
            let jobs: Vec<String> = plan.jobs.iter().map(ToString::to_string).collect();
            shown.add("jobs", jobs.join(", "));
            shown.add("entries", plan.entries);
            shown.add("bytes", bytes(plan.bytes));
            for medium in &plan.media {
                shown.add(
                    "medium",
                    format!("{}  {}  {}", medium.tag, bytes(medium.bytes), medium.location),
                );
            }
            plan.missing.iter().for_each(|missing| shown.add("missing", missing));
            facts(&shown)
        }
        Reply::Status(status) => Shown::of(|out| write_status(out, &status)),
        other => lists(other),
    }
}

fn lists(reply: Reply) -> Result<Shown, Fault> {
    match reply {
        Reply::Jobs(jobs) => {
            let mut shown = Table::new(
                &["JOB", "MACHINE", "WORK", "STATE", "BYTES", "ENTRIES", "BEGAN"],
                &[0, 4, 5],
            );
            for job in jobs.items {
                let words = job.waits_for.clone().unwrap_or_else(|| state(&job.state));
                let began = maybe_time(job.started_s);
                let (id, entries) = (job.id.to_string(), job.entries.to_string());
                let work = work(&job.work);
                shown.row([id, job.machine, work, words, bytes(job.recorded), entries, began]);
            }
            table(&shown)
        }
        Reply::Media(media) => {
            let mut shown = Table::new(
                &["MEDIUM", "STATE", "POOL", "BYTES", "LOADS", "EXPIRES", "WHERE"],
                &[3, 4],
            );
            for medium in media.items {
                let (loads, expires) = (medium.loads.to_string(), maybe_time(medium.expires_s));
                let pool = medium.pool.unwrap_or_default();
                let state = medium_state(&medium.state);
                let size = bytes(medium.bytes);
                shown.row([medium.tag, state, pool, size, loads, expires, medium.location]);
            }
            table(&shown)
        }
        Reply::Medium(medium) => {
            let mut shown = Facts::default();
            shown.add("medium", &medium.tag);
            shown.add("state", medium_state(&medium.state));
            shown.maybe("pool", medium.pool.clone());
            shown.maybe("set", medium.set.map(|(set, number)| format!("{set}, volume {number}")));
            shown.add("bytes", bytes(medium.bytes));
            shown.add("loads", medium.loads);
            shown.maybe("expires", medium.expires_s.map(time));
            shown.maybe("verified", medium.verified_s.map(time));
            shown.add("where", &medium.location);
            medium.health.iter().for_each(|line| shown.add("health", line));
            facts(&shown)
        }
        Reply::Inventory(places) => {
            let mut shown = Table::new(&["PLACE", "CARTRIDGE"], &[]);
            for place in places.items {
                shown.row([place.place, place.tag.unwrap_or_default()]);
            }
            table(&shown)
        }
        Reply::Drives(drives) => {
            let mut shown = Table::new(&["DRIVE", "DOES", "CARTRIDGE", "USED"], &[0]);
            for drive in drives {
                let used = if drive.used { "yes" } else { "no" };
                let medium = drive.medium.unwrap_or_default();
                shown.row([drive.number.to_string(), drive.does, medium, used.into()]);
            }
            table(&shown)
        }
        Reply::Entries(entries) => {
            Shown::of(|out| entries.items.iter().try_for_each(|entry| write_entry(out, entry)))
        }
        other => more_lists(other),
    }
}

fn more_lists(reply: Reply) -> Result<Shown, Fault> {
    match reply {
        Reply::Pools(pools) => {
            let mut shown =
                Table::new(&["POOL", "KEEPS DAYS", "NEW SET", "BLANK", "COPY TO"], &[1]);
            for pool in pools.items {
                let days = (pool.retention_s / 86_400).to_string();
                let blank = if pool.takes_blank { "yes" } else { "no" };
                let set = format!("{:?}", pool.new_set).to_lowercase();
                shown.row([pool.name, days, set, blank.into(), pool.copy_to.unwrap_or_default()]);
            }
            table(&shown)
        }
        Reply::Sets(sets) => {
            let mut shown = Table::new(&["SET", "POOL", "BEGAN", "VOLUMES"], &[]);
            for set in sets.items {
                let volumes = set.volumes.join(" ");
                shown.row([set.id.to_string(), set.pool, time(set.created_s), volumes]);
            }
            table(&shown)
        }
        Reply::Schedules(schedules) => {
            let mut shown =
                Table::new(&["SCHEDULE", "WHEN", "MACHINE", "BACKUP", "POOL", "NEXT"], &[]);
            for (schedule, next) in schedules.items {
                let next = if schedule.enabled { maybe_time(next) } else { "off".into() };
                let (machine, backup) = (schedule.machine, schedule.backup);
                shown.row([schedule.name, schedule.when, machine, backup, schedule.pool, next]);
            }
            table(&shown)
        }
        Reply::Users(users) => {
            let mut shown = Table::new(&["USER", "MAY", "FROM", "CHECKED BY"], &[]);
            for user in users.items {
                let may: Vec<String> = user.rights.iter().map(|r| format!("{r:?}")).collect();
                let from: Vec<String> = user.machines.into_iter().collect();
                let by = match (user.disabled, user.has_password) {
                    (true, _) => "disabled".into(),
                    (false, true) => "here".into(),
                    (false, false) => format!("{:?}", user.checked_by).to_lowercase(),
                };
                shown.row([user.name, may.join(" "), from.join(" "), by]);
            }
            table(&shown)
        }
        Reply::Machines(machines) => {
            let mut shown = Table::new(&["MACHINE", "ADDRESS", "QUOTA A DAY", "JOBS"], &[2, 3]);
            for machine in machines.items {
                let quota = machine.quota_bytes.map(bytes).unwrap_or_default();
                let address = machine.address.unwrap_or_default();
                shown.row([machine.name, address, quota, machine.jobs_max.to_string()]);
            }
            table(&shown)
        }
        other => last_lists(other),
    }
}

fn last_lists(reply: Reply) -> Result<Shown, Fault> {
    match reply {
        Reply::Tickets(tickets) => {
            let mut shown = Table::new(&["TICKET", "USER", "MACHINE", "SINCE", "UNTIL"], &[]);
            for ticket in tickets.items {
                let id = ticket.id.iter().map(|byte| format!("{byte:02x}")).collect();
                let (since, until) = (time(ticket.created_s), maybe_time(ticket.expires_s));
                shown.row([id, ticket.user, ticket.machine, since, until]);
            }
            table(&shown)
        }
        Reply::Wishes(wishes) => {
            let mut shown =
                Table::new(&["WISH", "ERASE", "ASKED BY", "AGREED BY", "NOT BEFORE"], &[0]);
            for wish in wishes.items {
                shown.row(wish_cells(&wish));
            }
            table(&shown)
        }
        Reply::Wish(wish) => {
            let mut shown =
                Table::new(&["WISH", "ERASE", "ASKED BY", "AGREED BY", "NOT BEFORE"], &[0]);
            shown.row(wish_cells(&wish));
            table(&shown)
        }
        Reply::Requests(requests) => {
            let mut shown = Table::new(&["REQUEST", "SINCE", "WHAT"], &[0]);
            for to_do in requests.items {
                shown.row([to_do.number.to_string(), time(to_do.asked_s), to_do.what]);
            }
            table(&shown)
        }
        Reply::Audit { entries, .. } => {
            let mut shown = Table::new(&["NUMBER", "WHEN", "WHO", "WHAT"], &[0]);
            for entry in entries {
                shown.row([entry.number.to_string(), time(entry.at_s), entry.who, entry.what]);
            }
            table(&shown)
        }
        Reply::Health(all) => {
            let mut shown = Table::new(&["WHAT", "HOW", "WORDS"], &[]);
            for one in all {
                let how = one.severity.map_or("well".into(), |s| format!("{s:?}").to_uppercase());
                shown.row([one.what, how, one.words]);
            }
            table(&shown)
        }
        Reply::Forecast(pools) => {
            let mut shown = Table::new(&["POOL", "BLANK WANTED", "EXPIRED"], &[1]);
            for pool in pools {
                shown.row([pool.pool, pool.wants.to_string(), pool.expiring.join(" ")]);
            }
            table(&shown)
        }
        Reply::Check { records, wrong } => {
            let data = format!("{records} records read, {} wrong\n", wrong.len());
            Ok(Shown { data, words: wrong })
        }
        other => super::more::show(other),
    }
}

fn wish_cells(wish: &crate::catalogue::record::Wish) -> [String; 5] {
    let second = wish.second.clone().unwrap_or_default();
    let not_before = time(wish.not_before_s);
    [wish.number.to_string(), wish.tag.clone(), wish.first.clone(), second, not_before]
}

fn write_entry(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    let (kind, size, at) = (entry.kind, entry.bytes, time(entry.modified_s));
    writeln!(out, "{kind}  {size:>14}  {at}  job {}  {}", entry.job, path(&entry.path))
}

fn report(out: &mut impl Write, words: &[String]) -> std::io::Result<()> {
    words.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn write_status(
    out: &mut impl Write,
    status: &crate::tapicom::message::Status,
) -> std::io::Result<()> {
    let mut shown = Facts::default();
    shown.add("up since", time(status.since_s));
    shown.add("jobs", format!("{} running, {} queued", status.running, status.queued));
    shown.add("gone wrong today", status.bad);
    shown.add("people are asked for", status.requests);
    shown.add("writable cartridges", status.writable);
    for drive in &status.drives {
        let medium = drive.medium.as_deref().unwrap_or("empty");
        shown.add("drive", format!("{}: {medium}: {}", drive.number, drive.does));
    }
    status.alarms.iter().for_each(|alarm| shown.add("ALARM", alarm));
    shown.write(out)
}

#[derive(Args)]
pub(super) struct Ls {
    #[command(flatten)]
    which: Which,
    /// The folder (default: the top)
    #[arg(default_value = "")]
    path: String,
}

/// Shows all pages of an answer.
fn pages(here: &Here, command: impl Fn(Page) -> Command) -> Result<Done, Fault> {
    let mut client = here.connect()?;
    let (mut after, mut document) = (None, Document::default());
    loop {
        let reply = said(client.call(command(Page { after, most: 0 }))?)?;
        after = match &reply {
            Reply::Entries(entries) => entries.next.clone(),
            Reply::Jobs(jobs) => jobs.next.clone(),
            Reply::Media(media) => media.next.clone(),
            Reply::LostFiles(files) => files.next.clone(),
            _ => None,
        };
        match here.json {
            true => {
                let page = json(&reply)?;
                print(|out| document.add(out, &page, after.is_none()))?;
            }
            false => show(here, reply)?,
        }
        if after.is_none() {
            return Ok(Done::Whole);
        }
    }
}

impl Ls {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let (tree, path) = (self.which.tree()?, Bytes(trimmed(&self.path)));
        pages(here, |page| Command::List { tree: tree.clone(), path: path.clone(), page })
    }
}

/// A path as it is stored: without slashes at its ends.
fn trimmed(path: &str) -> Vec<u8> {
    path.trim_matches('/').as_bytes().to_vec()
}

#[derive(Args)]
pub(super) struct Find {
    #[command(flatten)]
    which: Which,
    /// A part of the name, or a pattern with * ? [a-z] **
    pattern: String,
}

impl Find {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let (tree, pattern) = (self.which.tree()?, self.pattern);
        pages(here, |page| Command::Find { tree: tree.clone(), pattern: pattern.clone(), page })
    }
}

#[derive(Args)]
pub(super) struct Versions {
    /// The machine it was kept of (default: this one)
    #[arg(long, value_name = "MACHINE")]
    of: Option<String>,
    /// The path
    path: String,
}

impl Versions {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let (machine, path) = (self.of, Bytes(trimmed(&self.path)));
        pages(here, |page| Command::Versions { machine: machine.clone(), path: path.clone(), page })
    }
}

#[derive(Args)]
pub(super) struct Jobs {
    /// Of this machine
    #[arg(long)]
    machine: Option<String>,
    /// Of backups called so
    #[arg(long)]
    name: Option<String>,
    /// Only those that are not over
    #[arg(long, conflicts_with = "bad")]
    open: bool,
    /// Only those that came to no good end
    #[arg(long)]
    bad: bool,
}

impl Jobs {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let filter = JobFilter {
            machine: self.machine,
            name: self.name,
            over: self.open.then_some(false),
            bad: self.bad.then_some(true),
            ..JobFilter::default()
        };
        pages(here, |page| Command::Jobs { filter: filter.clone(), page })
    }
}

#[derive(Args)]
pub(super) struct Media {
    /// Of this pool
    #[arg(long)]
    pool: Option<String>,
    /// Only those with something wrong
    #[arg(long)]
    bad: bool,
}

impl Media {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let filter = MediumFilter { pool: self.pool, inside: None, bad: self.bad.then_some(true) };
        pages(here, |page| Command::Media { filter: filter.clone(), page })
    }
}

#[derive(Args)]
pub(super) struct Audit {
    /// Entries after this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
}

impl Audit {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        here.show(Command::Audit { after: self.after, most: 0 })
    }
}

#[derive(Args)]
pub(super) struct Events {
    /// Of this job, with how far it is
    #[arg(long, value_name = "N")]
    job: Option<u64>,
}

impl Events {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let filter = EventFilter { job: self.job.map(JobId), ..EventFilter::default() };
        let mut client = here.connect()?;
        let mut events = client.subscribe(filter)?.map_err(refusal)?;
        while let Some(event) = events.next_event()? {
            let event = event.map_err(refusal)?;
            match here.json {
                true => print(|out| {
                    let text = serde_json::to_string(&event).map_err(std::io::Error::other)?;
                    writeln!(out, "{text}")
                })?,
                false => print(|out| write_event(out, &event))?,
            }
        }
        Ok(Done::Whole)
    }
}

pub(in crate::cli) fn write_event(out: &mut impl Write, event: &Event) -> std::io::Result<()> {
    match event {
        Event::News { severity, what } => {
            writeln!(out, "{:<8} {what}", format!("{severity:?}").to_lowercase())
        }
        Event::Progress(progress) => {
            let (received, recorded) = (bytes(progress.received), bytes(progress.recorded));
            writeln!(out, "progress job {}: {received} came, {recorded} recorded", progress.job)
        }
        Event::Lost { count } => writeln!(out, "lost     {count} events: too slow"),
        other => writeln!(out, "{other:?}"),
    }
}

/// What a restore could not give back.
pub(super) fn gaps(here: &Here, job: JobId) -> Result<Done, Fault> {
    pages(here, |page| Command::RestoreGaps { job, page })
}

/// A job's file list on standard output.
pub(super) fn file_list(here: &Here, job: JobId) -> Result<Done, Fault> {
    let mut client = here.connect()?;
    let mut offset = Some(0);
    while let Some(from) = offset {
        match said(client.call(Command::FileList { job, offset: from })?)? {
            Reply::Chunk { bytes, next } => {
                print(|out| out.write_all(&bytes.0))?;
                offset = next;
            }
            _ => return Err(unexpected()),
        }
    }
    Ok(Done::Whole)
}
