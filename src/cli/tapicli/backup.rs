//! `tapicli backup`: a backup of this machine, or the client's side of one that the appliance asked for.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};

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
        here.appliance()?;
        let mut client = here.connect()?;
        let (given, name) = match self.job {
            Some(job) => asked_for(&mut client, JobId(job))?,
            None => (self.order(&mut client)?, self.name.clone()),
        };
        let manner = Manner {
            name,
            directory: std::path::absolute(&self.directory).unwrap_or(self.directory),
            paths: self.paths,
            excludes: self.exclude,
            compress: self.compress,
            recipients: self.seal_to,
        };
        keep(here, client, &given, manner)
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

/// Go on with a backup that was cut short: what is recorded of it is not sent again
#[derive(Args)]
pub(super) struct Resume {
    /// The job that was cut short
    job: u64,
}

impl Resume {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        here.appliance()?;
        let manner = Manner::of(&lists_folder(here)?, JobId(self.job))?;
        let mut client = here.connect()?;
        let job = JobId(self.job);
        match said(client.call(Command::BackupResume { job })?)? {
            Reply::Backup(given) => keep(here, client, &given, manner),
            _ => Err(unexpected()),
        }
    }
}

/// How a backup is made, kept until it is done, so that it can be gone on with.
#[derive(Serialize, Deserialize)]
struct Manner {
    name: String,
    directory: PathBuf,
    paths: Vec<String>,
    excludes: Vec<String>,
    compress: bool,
    recipients: Vec<String>,
}

fn manner_file(lists: &Path, job: JobId) -> PathBuf {
    lists.join(format!("job-{job}.manner"))
}

impl Manner {
    /// Of a backup that was begun here.
    fn of(lists: &Path, job: JobId) -> Result<Manner, Fault> {
        let path = manner_file(lists, job);
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                let what = format!("job {job} is no backup that was cut short here");
                Fault::never(Blame::Operator, what).hint("tapicli jobs --bad shows those there are")
            }
            _ => Fault::host(format!("cannot read {}", path.display()), &error),
        })?;
        serde_json::from_slice(&text).map_err(|error| {
            Fault::never(Blame::Host, format!("{} makes no sense: {error}", path.display()))
        })
    }

    fn keep(&self, lists: &Path, job: JobId) -> Result<(), Fault> {
        let path = manner_file(lists, job);
        let failed = |e| Fault::host(format!("cannot write {}", path.display()), &e);
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        private_file(&path)?.write_all(&text).map_err(failed)
    }

    fn forget(lists: &Path, job: JobId) {
        let path = manner_file(lists, job);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, path = %path.display(), "nothing to forget");
        }
    }
}

/// Gives a backup, to its end.
fn keep(
    here: &Here,
    mut client: Client,
    given: &BackupGiven,
    manner: Manner,
) -> Result<Done, Fault> {
    let lists = lists_folder(here)?;
    manner.keep(&lists, given.job)?;
    let after = known_lists(&mut client, given, &lists)?;
    let list = tempfile::NamedTempFile::new_in(&lists)
        .map_err(|e| Fault::host("cannot keep the list of a backup", &e))?;
    let title = format!("{}/{}", machine(&mut client)?, manner.name);
    let giving = Giving {
        directory: manner.directory,
        paths: manner.paths,
        excludes: manner.excludes,
        compress: manner.compress,
        recipients: manner.recipients,
        after,
        list: list.path().to_owned(),
    };
    // It may run for hours; who watches it asks anew.
    drop(client);
    let meter = Meter::default();
    let recorded = Arc::new(AtomicU64::new(0));
    let told = recorded.clone();
    let watch = Watch::start(given.job, meter.clone(), recorded, !here.json);
    let stream = (given.job.0, given.stream.0, title.as_str());
    let left_out = give(here.appliance()?, &giving, stream, &meter, move |to| {
        told.fetch_max(to, Ordering::Relaxed);
    });
    watch.end();
    let left_out = left_out.map_err(|fault| {
        let what = format!("job {}: {}", given.job, fault.what);
        let fault = Fault { what, ..fault };
        match &fault.hint {
            None => fault.hint(format!("tapicli resume {} goes on with the rest", given.job)),
            Some(_) => fault,
        }
    })?;
    keep_list(list, &lists, given.job)?;
    given.base.iter().chain([&given.job]).for_each(|job| Manner::forget(&lists, *job));
    let (job, bytes) = (given.job.0, meter.bytes());
    match here.json {
        true => super::show::print_value(
            &serde_json::json!({ "job": job, "bytes": bytes, "left_out": left_out }),
        )?,
        false => {
            let bytes = super::show::bytes(bytes);
            eprintln!("tapicli: job {job} is done: {bytes} are on tape and recorded");
        }
    }
    Ok(Done::but_for(left_out))
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
