//! What people see of restores, health and quotas.

use std::io::Write;

use super::show::{bytes, path, table, time};
use super::{Here, said, unexpected};
use crate::catalogue::record::{Counted, JobId, Patient};
use crate::stream::Fault;
use crate::table::{Facts, Shown, Table};
use crate::tapicom::message::{Command, Condition, LostFile, Outlook, Page, Reply, Severity};

/// Shows an answer.
pub(super) fn show(reply: Reply) -> Result<Shown, Fault> {
    match reply {
        Reply::LostFiles(files) => Shown::of(|out| {
            files.items.iter().try_for_each(|file| writeln!(out, "{}", lost_file(file)))
        }),
        Reply::Outlook(outlook) => show_outlook(&outlook),
        Reply::Conditions(all) => {
            Shown::of(|out| all.iter().try_for_each(|one| write_one(out, one)))
        }
        Reply::Notifications(all) => {
            let mut shown = Table::new(&["NAME", "TO", "FROM", "REQUESTS"], &[]);
            for one in all {
                let from = format!("{:?}", one.from).to_lowercase();
                let requests = if one.requests { "yes" } else { "no" };
                shown.row([one.name, one.to, from, requests.into()]);
            }
            table(&shown)
        }
        Reply::Quotas(quotas) => {
            let mut shown = Table::new(&["MACHINE", "A DAY", "USED", "LEFT", "UNTIL"], &[1, 2, 3]);
            for quota in quotas.items {
                let most = quota.quota.map_or("any".into(), bytes);
                let left = quota.left.map_or("any".into(), bytes);
                let used = bytes(quota.used);
                shown.row([quota.machine, most, used, left, time(quota.renews_s)]);
            }
            table(&shown)
        }
        Reply::Update(state) => {
            let mut shown = Facts::default();
            state.facts().into_iter().for_each(|(word, said)| shown.add(word, said));
            Shown::of(|out| shown.write(out))
        }
        _ => Err(unexpected()),
    }
}

fn write_one(out: &mut impl Write, one: &Condition) -> std::io::Result<()> {
    let health = &one.health;
    let mut shown = Facts::default();
    match (&health.of, one.drive) {
        (Patient::Medium(_), _) => {}
        (Patient::Drive(serial), Some(number)) => {
            shown.add("drive", format!("{number}, serial {serial}"));
        }
        (Patient::Drive(serial), None) => shown.add("drive", format!("serial {serial}")),
    }
    shown.add("counted mounts", health.mounts);
    for (name, all, last) in
        [("written", health.written, health.last_written), ("read", health.read, health.last_read)]
    {
        shown.add(name, format!("{}{}", bytes(all.bytes), speeds(all, last)));
    }
    let how = match one.severity {
        None | Some(Severity::Note) => "well",
        Some(Severity::Warning) => "somebody should look",
        Some(Severity::Alarm) => "IN DANGER",
    };
    shown.add("condition", how);
    one.words.iter().for_each(|line| shown.add("", line));
    shown.write(out)
}

/// Speeds of all of it and of the last job, where they are known.
fn speeds(all: Counted, last: Counted) -> String {
    let per_s = |counted: Counted| counted.bytes.saturating_mul(1000).checked_div(counted.ms);
    match (per_s(all), per_s(last)) {
        (Some(all), Some(last)) => format!(" at {}/s, last {}/s", bytes(all), bytes(last)),
        _ => String::new(),
    }
}

/// `2 h 5 min`, `3 min`, `40 s`.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn facts(outlook: &Outlook) -> Facts {
    let mut shown = Facts::default();
    let jobs: Vec<String> = outlook.plan.jobs.iter().map(ToString::to_string).collect();
    shown.add("jobs", jobs.join(", "));
    shown.add("entries", outlook.plan.entries);
    shown.add("bytes", bytes(outlook.plan.bytes));
    let drives: Vec<String> = outlook.drives.iter().map(ToString::to_string).collect();
    shown.add("drives", if drives.is_empty() { "none".into() } else { drives.join(", ") });
    let basis = if outlook.measured { "measured here" } else { "assumed" };
    let rate = bytes(outlook.rate);
    shown.add("time", format!("about {}, at {rate}/s ({basis})", span(outlook.seconds)));
    outlook.plan.missing.iter().for_each(|missing| shown.add("missing", missing));
    shown
}

fn stops(outlook: &Outlook) -> Table {
    let mut shown = Table::new(
        &["NEXT", "MEDIUM", "WHERE", "COPY", "BYTES", "PLACES", "TIME"],
        &[0, 3, 4, 5, 6],
    );
    for (nth, stop) in outlook.stops.iter().enumerate() {
        let place = match stop.inside {
            true => stop.place.clone(),
            false => format!("{}: to be brought", stop.place),
        };
        let (nth, copy) = ((nth + 1).to_string(), (u32::from(stop.copy) + 1).to_string());
        let (size, time) = (bytes(stop.bytes), span(stop.seconds));
        shown.row([nth, stop.medium.clone(), place, copy, size, stop.locates.to_string(), time]);
    }
    shown
}

fn show_outlook(outlook: &Outlook) -> Result<Shown, Fault> {
    Shown::of(|out| {
        facts(outlook).write(out)?;
        writeln!(out)?;
        stops(outlook).write(out)
    })
}

/// What a restore is about to do, as talk.
pub(super) fn tell_outlook(outlook: &Outlook) {
    let mut text = Vec::new();
    let written = facts(outlook).write(&mut text).and_then(|()| stops(outlook).write(&mut text));
    match written {
        Ok(()) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().for_each(|line| eprintln!("tapicli: {line}"));
        }
        Err(error) => tracing::debug!(%error, "cannot tell a plan"),
    }
}

/// One thing that is lost, on a line.
pub(super) fn lost_file(file: &LostFile) -> String {
    let name = match file.path.0.is_empty() {
        true => format!("something sealed in job {}", file.of),
        false => path(&file.path),
    };
    let what = match (file.from, file.to) {
        (0, to) if to >= file.size && !file.path.0.is_empty() => "all of it".to_owned(),
        (from, to) => format!("bytes {from} to {to} of {}", bytes(file.size)),
    };
    format!("{name}: {what}: {}, block {}: {}", file.medium, file.block, file.why)
}

/// What a restore could not give back, all of it.
pub(super) fn lost_files(here: &Here, job: JobId) -> Result<Vec<LostFile>, Fault> {
    let mut client = here.connect()?;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        match said(client.call(Command::RestoreGaps { job, page: Page { after, most: 0 } })?)? {
            Reply::LostFiles(mut files) => {
                all.append(&mut files.items);
                after = files.next;
            }
            _ => return Err(unexpected()),
        }
        if after.is_none() {
            return Ok(all);
        }
    }
}
