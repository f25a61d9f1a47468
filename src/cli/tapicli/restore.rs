//! `tapicli restore`: what was kept, given back to this machine.

use std::path::PathBuf;

use clap::Args;

use super::pudding::{Taking, take};
use super::{Here, said, unexpected};
use crate::catalogue::record::JobId;
use crate::cli::Done;
use crate::plumb::ring::Meter;
use crate::stream::Fault;
use crate::tapicom::message::{At, Command, Reply, RestoreWanted, Tree};

/// Which state of which tree.
#[derive(Args, Clone)]
pub(super) struct Which {
    /// The machine it was kept of (default: this one)
    #[arg(long, value_name = "MACHINE")]
    of: Option<String>,
    /// What the backup is called (default: any)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// As this job found it
    #[arg(long, value_name = "N", conflicts_with = "at")]
    job: Option<u64>,
    /// As of this time: 2026-11-25, or with T13:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl Which {
    pub(super) fn tree(&self) -> Result<Tree, Fault> {
        let at = match (self.job, &self.at) {
            (Some(job), _) => At::Job(JobId(job)),
            (None, Some(text)) => At::Time(time(text)?),
            (None, None) => At::Latest,
        };
        Ok(Tree { machine: self.of.clone(), backup: self.name.clone(), at })
    }
}

/// A time as people write it, in UTC unless it says otherwise: the end of a day if only that is given.
fn time(text: &str) -> Result<i64, Fault> {
    let stamp: Option<jiff::Timestamp> = text.parse().ok();
    let stamp = stamp.map(|stamp| stamp.as_second());
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        let next = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(next.timestamp().as_second() - 1)
    };
    stamp.or_else(day).ok_or_else(|| {
        Fault::usage(format!("{text} is no time")).hint("2026-11-25, or 2026-11-25T13:00:00Z")
    })
}

#[derive(Args)]
pub(super) struct Restore {
    #[command(flatten)]
    which: Which,
    /// Where it goes; made if missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Show what it takes, and do nothing
    #[arg(long)]
    plan: bool,
    /// Leave files alone that are there already
    #[arg(long)]
    keep_existing: bool,
    /// Owners by number, even where their names are known here
    #[arg(long)]
    numeric_owner: bool,
    /// File with what opens a sealed backup. May be given again
    #[arg(long = "open-with", value_name = "FILE")]
    open_with: Vec<PathBuf>,
    /// Higher goes first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Only these: paths, or patterns with * ? [a-z] inside a name and ** across folders
    #[arg(value_name = "PATTERN")]
    only: Vec<String>,
}

impl Restore {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let appliance = here.appliance()?.clone();
        let wanted = RestoreWanted {
            tree: self.which.tree()?,
            only: self.only.clone(),
            to: None,
            priority: self.priority,
        };
        let mut client = here.connect()?;
        let Reply::Outlook(outlook) = said(client.call(Command::RestoreOutlook(wanted.clone()))?)?
        else {
            return Err(unexpected());
        };
        if self.plan {
            super::show::show(here, Reply::Outlook(outlook))?;
            return Ok(Done::Whole);
        }
        if !here.json {
            super::more::tell_outlook(&outlook);
        }
        let Reply::Restore { job, .. } = said(client.call(Command::Restore(wanted))?)? else {
            return Err(unexpected());
        };
        drop(client);
        let taking = Taking {
            directory: self.to.clone(),
            keep_existing: self.keep_existing,
            numeric_owner: self.numeric_owner,
            identities: self.open_with,
        };
        let meter = Meter::default();
        let left_out = take(&appliance, job.0, &taking, &meter).map_err(|fault| {
            let what = format!("job {job}: {}", fault.what);
            Fault { what, ..fault }
        })?;
        // It may have taken hours: this is another connection.
        let lost = super::more::lost_files(here, job)?;
        if here.json {
            let (job, bytes) = (job.0, meter.bytes());
            super::show::print_value(&serde_json::json!({
                "job": job, "bytes": bytes, "left_out": left_out, "lost": lost
            }))?;
        } else {
            let (bytes, to) = (super::show::bytes(meter.bytes()), self.to.display());
            eprintln!("tapicli: job {job} is done: {bytes} were restored to {to}");
        }
        if lost.is_empty() {
            return Ok(Done::but_for(left_out));
        }
        lost.iter().for_each(|file| eprintln!("tapicli: lost: {}", super::more::lost_file(file)));
        eprintln!("tapicli: tapicli job gaps {job} tells this again");
        Ok(Done::Lacking(lost.len() as u64))
    }
}
