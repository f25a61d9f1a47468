//! `tapicli backup`: a backup of this machine, or the client's side of one that the appliance asked for.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;

use super::pudding::{Giving, give, private_file};
use super::{Here, said, unexpected};
use crate::catalogue::record::{JobId, Level, Work};
use crate::cli::Done;
use crate::plumb::ring::Meter;
use crate::stream::{Blame, Fault};
use crate::tapicom::client::Client;
use crate::tapicom::message::{BackupGiven, BackupWanted, Bytes, Command, LevelWanted, Reply};

#[derive(Args)]
pub(super) struct Backup {
    /// What the backup is called; incremental ones follow others of the name
    #[arg(long, value_name = "NAME", default_value = "files")]
    name: String,
    /// All of it, not only what changed since the last backup of the name
    #[arg(long)]
    full: bool,
    /// The pool it goes to (default: the appliance's usual one)
    #[arg(long, value_name = "POOL", default_value = "")]
    pool: String,
    /// Start relative paths in DIR
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Leave out what matches. May be given again
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Compress here, before it is sent
    #[arg(long)]
    compress: bool,
    /// Seal here, so that only this recipient (age1…) can read it. May be given again
    #[arg(long = "seal-to", value_name = "RECIPIENT")]
    seal_to: Vec<String>,
    /// Higher goes first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Be the client's side of this job, which the appliance asked for
    #[arg(long, value_name = "N")]
    job: Option<u64>,
    /// What to keep
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

impl Backup {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let appliance = here.appliance()?.clone();
        let mut client = here.connect()?;
        let (given, name) = match self.job {
            Some(job) => asked_for(&mut client, JobId(job))?,
            None => (self.order(&mut client)?, self.name.clone()),
        };
        let lists = lists_folder(here)?;
        let after = known_lists(&mut client, &given, &lists)?;
        let list = tempfile::NamedTempFile::new_in(&lists)
            .map_err(|e| Fault::host("cannot keep the list of a backup", &e))?;
        let giving = Giving {
            directory: self.directory,
            paths: self.paths,
            excludes: self.exclude,
            compress: self.compress,
            recipients: self.seal_to,
            after,
            list: list.path().to_owned(),
        };
        let machine = machine(&mut client)?;
        // It may run for hours; who watches it asks anew.
        drop(client);
        let meter = Meter::default();
        let recorded = Arc::new(AtomicU64::new(0));
        let told = recorded.clone();
        let watch = Watch::start(given.job, meter.clone(), recorded, !here.json);
        let title = format!("{machine}/{name}");
        let stream = (given.job.0, given.stream.0, title.as_str());
        let left_out = give(&appliance, &giving, stream, &meter, move |to| {
            told.fetch_max(to, Ordering::Relaxed);
        });
        watch.end();
        let left_out = left_out.map_err(|fault| {
            let what = format!("job {}: {}", given.job, fault.what);
            Fault { what, ..fault }
        })?;
        keep_list(list, &lists, given.job)?;
        if here.json {
            let bytes = meter.bytes();
            let job = given.job.0;
            super::show::print_value(
                &serde_json::json!({ "job": job, "bytes": bytes, "left_out": left_out }),
            )?;
        } else {
            let bytes = super::show::bytes(meter.bytes());
            eprintln!("tapicli: job {} is done: {bytes} are on tape and recorded", given.job);
        }
        Ok(Done::but_for(left_out))
    }

    fn order(&self, client: &mut Client) -> Result<BackupGiven, Fault> {
        let wanted = BackupWanted {
            machine: None,
            name: self.name.clone(),
            level: if self.full { LevelWanted::Full } else { LevelWanted::Incremental },
            paths: self.paths.iter().map(|path| Bytes(path.clone().into_bytes())).collect(),
            pool: self.pool.clone(),
            sealed: !self.seal_to.is_empty(),
            compressed: self.compress,
            priority: self.priority,
            bytes: None,
        };
        match said(client.call(Command::Backup(wanted))?)? {
            Reply::Backup(given) => Ok(given),
            _ => Err(unexpected()),
        }
    }
}

/// A job that the appliance made for us.
fn asked_for(client: &mut Client, job: JobId) -> Result<(BackupGiven, String), Fault> {
    let Reply::Job(view) = said(client.call(Command::JobState { job })?)? else {
        return Err(unexpected());
    };
    let Work::Backup { name, level, stream, .. } = view.work else {
        return Err(Fault::never(Blame::Operator, format!("job {job} is no backup")));
    };
    let mut base = Vec::new();
    let mut before = level;
    while let Level::Since(one) = before {
        base.push(one);
        before = match said(client.call(Command::JobState { job: one })?)? {
            Reply::Job(view) => match view.work {
                Work::Backup { level, .. } => level,
                _ => Level::Full,
            },
            _ => return Err(unexpected()),
        };
    }
    base.reverse();
    Ok((BackupGiven { job, stream, level, base, words: Vec::new() }, name))
}

/// What this machine is called there.
fn machine(client: &mut Client) -> Result<String, Fault> {
    match said(client.call(Command::WhoAmI)?)? {
        Reply::Ticket(ticket) => Ok(ticket.machine),
        _ => Err(unexpected()),
    }
}

/// Where the lists of this machine's backups are, so that they need not be fetched.
fn lists_folder(here: &Here) -> Result<PathBuf, Fault> {
    let file = here.ticket_file()?;
    let folder = file.parent().unwrap_or(Path::new(".")).join("lists");
    std::fs::create_dir_all(&folder)
        .map_err(|e| Fault::host(format!("cannot make {}", folder.display()), &e))?;
    Ok(folder)
}

fn list_file(lists: &Path, job: JobId) -> PathBuf {
    lists.join(format!("job-{job}.list"))
}

/// The lists of the backups this one follows; those that are not here are fetched.
fn known_lists(
    client: &mut Client,
    given: &BackupGiven,
    lists: &Path,
) -> Result<Vec<PathBuf>, Fault> {
    let mut paths = Vec::new();
    for job in &given.base {
        let path = list_file(lists, *job);
        if !path.exists() {
            fetch(client, *job, &path)?;
        }
        paths.push(path);
    }
    Ok(paths)
}

fn fetch(client: &mut Client, job: JobId, path: &Path) -> Result<(), Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot write {}", path.display()), &e);
    let partial = path.with_extension("partial");
    let mut to = private_file(&partial)?;
    let mut offset = Some(0);
    while let Some(from) = offset {
        match said(client.call(Command::FileList { job, offset: from })?)? {
            Reply::Chunk { bytes, next } => {
                to.write_all(&bytes.0).map_err(failed)?;
                offset = next;
            }
            _ => return Err(unexpected()),
        }
    }
    std::fs::rename(&partial, path).map_err(failed)
}

fn keep_list(list: tempfile::NamedTempFile, lists: &Path, job: JobId) -> Result<(), Fault> {
    let path = list_file(lists, job);
    list.persist(&path)
        .map(drop)
        .map_err(|e| Fault::host(format!("cannot keep {}", path.display()), &e.error))
}

/// Progress on one line, repainted on a terminal only.
struct Watch {
    ends: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn start(job: JobId, meter: Meter, recorded: Arc<AtomicU64>, shown: bool) -> Watch {
        let ends = Arc::new(std::sync::atomic::AtomicBool::new(false));
        if !shown || !std::io::stderr().is_terminal() {
            return Watch { ends, thread: None };
        }
        let (end, begun) = (ends.clone(), Instant::now());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let (bytes, safe) = (meter.bytes(), recorded.load(Ordering::Relaxed));
                let rate = bytes as f64 / begun.elapsed().as_secs_f64().max(0.1);
                let (bytes, safe) = (super::show::bytes(bytes), super::show::bytes(safe));
                let rate = super::show::bytes(rate as u64);
                eprint!("\rjob {job}  sent {bytes}  recorded {safe}  {rate}/s\x1b[K");
                std::thread::park_timeout(Duration::from_millis(500));
            }
            eprint!("\r\x1b[K");
        });
        Watch { ends, thread: Some(thread) }
    }

    fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::debug!("the progress line panicked");
            }
        }
    }
}
