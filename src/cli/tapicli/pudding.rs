//! The puddings that tapicli runs on a client: one that gives a backup, one that takes a restore.
//!
//! Owns which components stand in them. Both end at the appliance, whose netplumber brings the stream to
//! the job that it is for.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cli::component::Ours;
use crate::glue::Gluepot;
use crate::identity::machine::Address;
use crate::plumb::far::{self, Far};
use crate::plumb::ring::{EDGE_BYTES, Meter, Ring};
use crate::plumb::run::{self, Part};
use crate::stream::frame::FrameReader;
use crate::stream::{Begin, Blame, Fault, Inlet, Item, Outlet, Receipt, Source, Upward};
use crate::wire::link::{Alive, HandleReader};
use crate::wire::message::{Request, STDERR, STDOUT};

/// How long a component may take to end once another gave up.
const GRACE: Duration = Duration::from_secs(20);

/// The appliance, and who we are there.
#[derive(Debug, Clone)]
pub(super) struct Appliance {
    pub(super) address: Address,
    /// Folder of this machine's identities.
    pub(super) home: PathBuf,
}

impl Appliance {
    /// A component of it.
    pub(super) fn far(&self, words: &[&str]) -> Far {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Far {
            address: self.address.clone(),
            home: self.home.clone(),
            alive: Alive::dead_after(Duration::from_secs(45)),
            request: Request { words, ..Request::default() },
        }
    }
}

/// What of this machine is to be kept, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Giving {
    /// Relative paths start here.
    pub(super) directory: PathBuf,
    pub(super) paths: Vec<String>,
    pub(super) excludes: Vec<String>,
    pub(super) compress: bool,
    /// Recipients that alone can read it.
    pub(super) recipients: Vec<String>,
    /// Lists of the backups that this one comes after, the full one first; none: all is taken.
    pub(super) after: Vec<PathBuf>,
    /// Where its own list goes.
    pub(super) list: PathBuf,
}

/// Runs a backup's pudding to its end: everything is recorded there then. Returns how many things were
/// left out. `recorded` is told how many bytes are.
pub(super) fn give(
    appliance: &Appliance,
    giving: &Giving,
    (job, stream, name): (u64, uuid::Uuid, &str),
    meter: &Meter,
    recorded: impl FnMut(u64) + Send + 'static,
) -> Result<u64, Fault> {
    let names = names(giving)?;
    let mut steps = vec![source(giving, names.as_ref().map(|names| names.path()), stream, name)];
    steps.push(words(&["proc_record", "--list", &giving.list.display().to_string()]));
    if giving.compress {
        steps.push(words(&["proc_compress"]));
    }
    if !giving.recipients.is_empty() {
        let to = giving.recipients.iter().flat_map(|to| ["--to".to_owned(), to.clone()]);
        let front = words(&["proc_encrypt", "--clear-name", name]);
        steps.push(front.into_iter().chain(to).collect());
    }
    let part = |step: &Vec<String>| Ok((step[0].clone(), Ours.make(step, true, 0)?));
    let mut parts = steps.iter().map(part).collect::<Result<Vec<_>, Fault>>()?;
    let far = appliance.far(&["sink_job", "--job", &job.to_string()]);
    let sink = crate::plumb::far_part::FarSink::new(far);
    parts.push(("plumb".into(), Part::Sink(Box::new(sink))));
    run(parts, meter.clone(), Recorded(recorded))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn source(giving: &Giving, names: Option<&Path>, stream: uuid::Uuid, name: &str) -> Vec<String> {
    let directory = giving.directory.display().to_string();
    let stream = stream.to_string();
    let mut step = words(&["src_filesys", "-C", &directory, "--stream", &stream, "--name", name]);
    match names {
        Some(names) => {
            step.extend(words(&["--files-from", &names.display().to_string(), "-0"]));
        }
        None => {
            for pattern in &giving.excludes {
                step.extend(words(&["--exclude", pattern]));
            }
            step.push("--".into());
            step.extend(giving.paths.iter().cloned());
        }
    }
    step
}

/// The names of what changed since the backups before, in a file; none if there are none before.
fn names(giving: &Giving) -> Result<Option<tempfile::NamedTempFile>, Fault> {
    if giving.after.is_empty() {
        return Ok(None);
    }
    let failed = |e: std::io::Error| Fault::host("cannot find out what changed", &e);
    let ours = std::env::current_exe().map_err(failed)?;
    let names = tempfile::NamedTempFile::new().map_err(failed)?;
    let mut list = Command::new(&ours);
    list.arg("proc_list").arg("-C").arg(&giving.directory);
    giving.excludes.iter().for_each(|pattern| _ = list.arg("--exclude").arg(pattern));
    list.arg("--").args(&giving.paths).stdout(Stdio::piped());
    let mut list = list.spawn().map_err(failed)?;
    let mut since = Command::new(&ours);
    since.arg("proc_since");
    giving.after.iter().for_each(|before| _ = since.arg("--list").arg(before));
    let from = list.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let to = names.reopen().map_err(failed)?;
    let since = since.stdin(from).stdout(to).status().map_err(failed)?;
    let list = list.wait().map_err(failed)?;
    // What the first left out, it named; the backup goes on without.
    match (list.code(), since.code()) {
        (Some(0 | 1), Some(0)) => Ok(Some(names)),
        _ => Err(Fault::later(Blame::Host, "cannot find out what changed (see above)")),
    }
}

struct Recorded<F>(F);

impl<F: FnMut(u64)> Upward for Recorded<F> {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        (self.0)(receipt.to);
        Ok(())
    }
}

struct Nobody;

impl Upward for Nobody {
    fn receipt(&mut self, _receipt: Receipt) -> Result<(), Fault> {
        Ok(())
    }
}

fn run(
    parts: Vec<(String, Part)>,
    meter: Meter,
    up: impl Upward + Send + 'static,
) -> Result<u64, Fault> {
    let ended = Ring::start(parts, EDGE_BYTES, meter, up)?.wait(GRACE);
    match run::root_cause(&ended) {
        Some((who, fault)) => {
            Err(Fault { what: format!("{who}: {}", fault.what), ..fault.clone() })
        }
        None => Ok(ended.iter().filter_map(|part| part.verdict.as_ref().ok()).sum()),
    }
}

/// Where what comes back goes, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Taking {
    pub(super) directory: PathBuf,
    pub(super) keep_existing: bool,
    pub(super) numeric_owner: bool,
    /// Files with what opens sealed backups.
    pub(super) identities: Vec<PathBuf>,
}

/// Takes what a restore gives: streams, one laid over the other. Returns how many things could not be had.
pub(super) fn take(
    appliance: &Appliance,
    job: u64,
    taking: &Taking,
    meter: &Meter,
) -> Result<u64, Fault> {
    let link = appliance.far(&["src_job", "--job", &job.to_string()]).call()?;
    let words_of_it = link.reader(STDERR);
    std::thread::spawn(move || {
        let mut from = words_of_it;
        if let Err(error) = std::io::copy(&mut from, &mut std::io::stderr()) {
            tracing::debug!(%error, "no more words from the appliance");
        }
    });
    let reader = HandleEnd { reader: link.reader(STDOUT), ahead: None };
    let from = Shared(Arc::new(Mutex::new(reader)));
    let mut left_out = 0;
    while from.has_more().map_err(|e| Fault::host("cannot hear the appliance", &e))? {
        let taken = stream(FrameReader::new(from.clone()), taking, meter);
        left_out += taken.map_err(|fault| better_told(&link, fault))?;
    }
    left_out += far::verdict(&link)?;
    far::finish(&link)?;
    Ok(left_out)
}

/// What the appliance itself says, where all we saw is that no more comes.
fn better_told(link: &crate::wire::Link, fault: Fault) -> Fault {
    link.stop(&fault);
    match far::verdict_within(link, Duration::from_secs(10)) {
        Some(Err(theirs)) => theirs,
        _ => fault,
    }
}

fn stream(mut from: FrameReader<Shared>, taking: &Taking, meter: &Meter) -> Result<u64, Fault> {
    let begin = match from.take()? {
        Item::Begin(begin) => begin,
        Item::Abort(abort) => {
            return Err(Fault::later(Blame::Peer, format!("{}: {}", abort.who, abort.why)));
        }
        _ => return Err(Fault::stream("the stream does not start with its begin")),
    };
    let mut steps = Vec::new();
    for layer in begin.layers.iter().rev() {
        steps.push(match layer.as_str() {
            "age" => {
                let files = taking.identities.iter().map(|file| file.display().to_string());
                let named = files.flat_map(|file| ["--identity".to_owned(), file]);
                words(&["proc_decrypt"]).into_iter().chain(named).collect()
            }
            _ => words(&["proc_decompress"]),
        });
    }
    let mut sink = words(&["sink_filesys", "-C", &taking.directory.display().to_string()]);
    if taking.keep_existing {
        sink.push("--keep-existing".into());
    }
    if taking.numeric_owner {
        sink.push("--numeric-owner".into());
    }
    steps.push(sink);
    let source = Rest { begin: Some(begin), from };
    let mut parts = vec![("tapicom".to_owned(), Part::Source(Box::new(source)))];
    for step in &steps {
        parts.push((step[0].clone(), Ours.make(step, false, 0)?));
    }
    run(parts, meter.clone(), Nobody)
}

struct HandleEnd {
    reader: HandleReader,
    /// A byte that was looked at.
    ahead: Option<u8>,
}

/// A handle that brings several streams, one after the other.
#[derive(Clone)]
struct Shared(Arc<Mutex<HandleEnd>>);

impl Shared {
    /// Whether another stream comes; waits until that is known.
    fn has_more(&self) -> io::Result<bool> {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut byte = [0];
        let count = end.reader.read(&mut byte)?;
        end.ahead = (count > 0).then_some(byte[0]);
        Ok(count > 0)
    }
}

impl Read for Shared {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (into.first_mut(), end.ahead.take()) {
            (Some(first), Some(byte)) => {
                *first = byte;
                Ok(1)
            }
            (_, ahead) => {
                end.ahead = ahead;
                end.reader.read(into)
            }
        }
    }
}

/// A stream whose begin was taken already.
struct Rest {
    begin: Option<Begin>,
    from: FrameReader<Shared>,
}

impl Source for Rest {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        self.begin.take().map_or(Ok(()), |begin| out.put(Item::Begin(begin)))?;
        loop {
            match self.from.take()? {
                Item::Abort(abort) => {
                    let why = format!("{} gave up: {}", abort.who, abort.why);
                    return Err(Fault::later(Blame::Peer, why));
                }
                end @ Item::End(_) => {
                    out.put(end)?;
                    return Ok(0);
                }
                item => out.put(item)?,
            }
        }
    }
}

/// An empty list file at `path`, for its owner alone.
pub(super) fn private_file(path: &Path) -> Result<File, Fault> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.map_err(|e| Fault::host(format!("cannot write {}", path.display()), &e))
}
