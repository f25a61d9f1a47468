//! What people see of restores, health and quotas.

use std::io::Write as _;

use super::show::{bytes, path};
use super::{Here, said, unexpected};
use crate::catalogue::record::JobId;
use crate::cli::table::{Facts, Table, print};
use crate::stream::Fault;
use crate::tapicom::message::{Command, LostFile, Outlook, Page, Reply};

/// Shows an answer.
pub(super) fn show(reply: Reply) -> Result<(), Fault> {
    match reply {
        Reply::LostFiles(files) => print(|out| {
            files.items.iter().try_for_each(|file| writeln!(out, "{}", lost_file(file)))
        }),
        Reply::Outlook(outlook) => show_outlook(&outlook),
        _ => Err(unexpected()),
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

fn show_outlook(outlook: &Outlook) -> Result<(), Fault> {
    print(|out| {
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
