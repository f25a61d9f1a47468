//! The updater's process: its start and what its threads share.
//!
//! Owns the threads: one that listens (`desk`), one that works ([`work`](super::work)) and one that keeps
//! time (`judge`). Of its two locks nobody takes one while holding the other; the journal is written by
//! whoever holds that of what is known.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bundle::{Release, Version};

use super::entry;
use super::fate::{self, Standing};
use super::shelf::{Journal, Shelf};
use super::stock::{Mended, Stock};
use super::trial::Patience;
use crate::steward::client::Steward;
use crate::steward::message as steward;
use crate::stream::Fault;
use crate::update::{Image, Seen, Wish};

/// How often the boot partition is looked at.
const MEND: Duration = Duration::from_secs(3600);
/// What the service sees counts for so long.
const SEEN: Duration = Duration::from_secs(60);
/// The service's records.
pub(super) const RECORDS: &str = "test-records";

/// What the updater can have done by init.
pub trait Host: Send + Sync {
    /// Processes that do not run well; none: init does not say.
    fn ailing(&self) -> Option<Vec<String>>;
    /// The machine starts anew.
    fn reboot(&self) -> Result<(), Fault>;
    /// A USB stick's file system is to be there, or not to be any more.
    fn stick(&self, wanted: bool) -> Result<(), Fault>;
    /// A sign of life.
    fn alive(&self);
}

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the updater listens.
    pub socket: PathBuf,
    /// The boot partition.
    pub esp: PathBuf,
    /// The folder of copies and journal.
    pub shelf: PathBuf,
    /// Where the steward listens.
    pub steward: PathBuf,
    /// The configuration of the service.
    pub config: PathBuf,
    /// Where the file system of a stick is.
    pub stick: PathBuf,
}

/// What an updater is given.
pub struct Given {
    /// Where things are.
    pub places: Places,
    /// What runs.
    pub release: Release,
    /// What updates are signed with; none: none is taken.
    pub key: Option<Vec<u8>>,
    /// How long a version is tried.
    pub patience: Patience,
    /// Whether the shelf is on the data file system.
    pub data: bool,
    /// Which start of the kernel this is.
    pub boot: String,
    /// Who may ask beside root.
    pub peers: BTreeSet<u32>,
    /// What init does.
    pub host: Box<dyn Host>,
}

impl Given {
    /// Whether the box has an administrator, and its settings.
    pub(super) fn settings(&self) -> Result<(bool, String), Fault> {
        let other = || Fault::stream("the steward answers something else than was asked");
        let mut steward = Steward::connect(&self.places.steward)?;
        let claimed = match steward.ask(&steward::Ask::State)? {
            steward::Answer::State(state) => state.claimed,
            _ => return Err(other()),
        };
        match steward.ask(&steward::Ask::Watch { after: 0, wait_ms: 0 })? {
            steward::Answer::Settings { text, .. } => Ok((claimed, text)),
            _ => Err(other()),
        }
    }
}

/// What becomes of the service's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    Unwanted,
    Wanted,
    Whole,
}

/// What several threads know.
pub(super) struct Inner {
    pub(super) journal: Journal,
    pub(super) records: Records,
    pub(super) images: Vec<Image>,
    pub(super) seen: Option<(Instant, Seen)>,
    /// What is missing for what runs to be accepted; none: it is.
    pub(super) waits_for: Option<String>,
    pub(super) left: Duration,
    /// What runs was given up, and the machine is to start anew.
    pub(super) left_behind: bool,
    pub(super) doing: String,
}

impl Inner {
    /// Drives and changer that the service sees; none: it does not say.
    pub(super) fn devices(&self) -> Option<Vec<String>> {
        let (at, seen) = self.seen.as_ref()?;
        (at.elapsed() < SEEN).then(|| seen.devices.clone())
    }
}

/// The process.
pub struct Updater {
    pub(super) given: Given,
    pub(super) stock: Mutex<Stock<File>>,
    pub(super) inner: Mutex<Inner>,
    pub(super) shelf: Shelf,
    pub(super) jobs: Sender<Wish>,
    pub(super) connections: Mutex<usize>,
}

/// Nobody panics while holding a lock and goes on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn clock_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Says one line where people see it, whoever is logged in: the kernel's console.
pub(super) fn call_out(words: &str) {
    // The number in front is how urgent it is to the kernel's log, which standard error is on a box.
    crate::say::say(format_args!("<3>updater: {words}"));
}

/// Runs the updater.
///
/// # Errors
///
/// It cannot listen, or a side of the stock cannot be opened at all.
pub fn run(given: Given) -> Result<(), Fault> {
    let shelf = Shelf::at(given.places.shelf.clone());
    let (journal, wrong) = shelf.journal();
    let esp = given.places.esp.clone();
    let open = Box::new(move || File::options().read(true).write(true).open(&esp));
    let stock = Stock::new(open, shelf.clone(), given.release.clone());
    let (jobs, wanted) = channel();
    let updater = Arc::new(Updater {
        given,
        stock: Mutex::new(stock),
        inner: Mutex::new(Inner {
            journal,
            records: Records::Unwanted,
            images: Vec::new(),
            seen: None,
            waits_for: None,
            left: Duration::ZERO,
            left_behind: false,
            doing: "looking at what there is".into(),
        }),
        shelf,
        jobs,
        connections: Mutex::new(0),
    });
    if let Some(wrong) = wrong {
        updater.tell(&format!("the journal is lost: {wrong}"));
    }
    let listener = updater.listen()?;
    updater.spawn("work", move |updater| updater.work_all(&wanted))?;
    for socket in listener.incoming() {
        match socket {
            Ok(socket) => updater.receive(socket)?,
            Err(error) => tracing::warn!(%error, "nobody could be received"),
        }
    }
    Ok(())
}

impl Updater {
    pub(super) fn spawn(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce(&Arc<Updater>) + Send + 'static,
    ) -> Result<(), Fault> {
        let updater = self.clone();
        let spawned = std::thread::Builder::new().name(name.into()).spawn(move || body(&updater));
        spawned.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
    }

    /// What it does now.
    pub(super) fn doing(&self, words: &str) {
        lock(&self.inner).doing = words.into();
        if words.is_empty() {
            self.look_at_images();
        }
    }

    pub(super) fn running(&self) -> &Version {
        &self.given.release.version
    }

    fn work_all(self: &Arc<Self>, wanted: &Receiver<Wish>) {
        self.begin();
        loop {
            match wanted.recv_timeout(MEND) {
                Ok(wish) => self.work(&wish),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => self.mend(),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Changes the journal, and writes it.
    pub(super) fn note(&self, change: impl FnOnce(&mut Journal)) -> Result<(), Fault> {
        let mut inner = lock(&self.inner);
        change(&mut inner.journal);
        self.shelf.put_journal(&inner.journal)
    }

    /// Writes down what happened.
    pub(super) fn tell(&self, words: &str) {
        tracing::warn!("{words}");
        if let Err(fault) = self.note(|journal| journal.tell(clock_s(), words)) {
            tracing::error!(%fault, "what happened is not written down");
        }
    }

    /// What became of the last version that was tried; what is damaged; what runs.
    fn begin(self: &Arc<Self>) {
        self.mend();
        if let Err(fault) = self.conclude() {
            self.alarm(&fault.what);
        }
        let entries = lock(&self.stock).entries();
        let standing = entries
            .map(|entries| fate::standing(&lock(&self.inner).journal, &entries, self.running()));
        match standing {
            Ok(Standing::Good) => {
                if let Err(fault) = self.accept() {
                    self.alarm(&format!("{} cannot be kept: {}", self.running(), fault.what));
                }
            }
            Ok(Standing::Tried) => lock(&self.inner).waits_for = Some("it has just started".into()),
            Err(fault) => self.alarm(&fault.what),
        }
        self.doing("");
        if let Err(fault) = self.spawn("time", |updater| updater.keep_time()) {
            self.alarm(&fault.what);
        }
    }

    /// A version that was to be tried and does not run is forgotten, and why it does not is said.
    fn conclude(&self) -> Result<(), Fault> {
        let entries = lock(&self.stock).entries()?;
        let fallen = {
            let inner = lock(&self.inner);
            fate::fallen(&inner.journal, &entries, self.running(), &self.given.boot)
        };
        let Some((version, why)) = fallen else { return Ok(()) };
        lock(&self.stock).forget(&version)?;
        lock(&self.inner).journal.trial = None;
        self.alarm(&format!("{version} was left, and {} runs: {why}", self.running()));
        Ok(())
    }

    /// Makes anew what is damaged.
    fn mend(&self) {
        let mut journal = lock(&self.inner).journal.clone();
        let before = journal.fixed.clone();
        let mended = lock(&self.stock).mend(&mut journal, &self.given.boot);
        if journal.fixed != before
            && let Err(fault) = self.note(|known| known.fixed = journal.fixed)
        {
            tracing::error!(%fault, "what the loader should be is not written down");
        }
        let Mended { done, lost } =
            mended.unwrap_or_else(|fault| Mended { lost: vec![fault], ..Mended::default() });
        done.iter().for_each(|what| self.alarm(&format!("mended: {what}")));
        for fault in lost {
            // Once is enough for what stays as it is.
            if !lock(&self.inner).journal.told.iter().any(|told| told.words == fault.what) {
                self.alarm(&fault.what);
            }
        }
    }

    /// Writes down, says, and has the steward tell whoever comes next.
    pub(super) fn alarm(&self, words: &str) {
        call_out(words);
        self.tell(words);
        let told = Steward::connect(&self.given.places.steward)
            .and_then(|mut steward| steward.ask(&steward::Ask::Note(words.into())));
        if let Err(fault) = told {
            tracing::warn!(%fault, "the steward was not told");
        }
    }

    pub(super) fn look_at_images(&self) {
        let (entries, manifests) = {
            let stock = lock(&self.stock);
            (stock.entries().unwrap_or_default(), self.shelf.manifests().unwrap_or_default())
        };
        let next = entry::choice(&entries).map(|entry| entry.version.clone());
        let image = |manifest: &bundle::Manifest| {
            let version = &manifest.release.version;
            let is_counted = entries
                .iter()
                .any(|e| e.version == *version && matches!(e.counted, Some((1.., _))));
            let standing = match (version == self.running(), next.as_ref() == Some(version)) {
                (true, true) => "runs",
                (true, false) => "runs now, and goes behind another",
                (false, true) if is_counted => "is tried at the next start",
                (false, true) => "is started next",
                (false, false) => "can be gone back to",
            };
            let bytes = manifest.uki.bytes;
            Image { version: version.to_string(), standing: standing.into(), bytes }
        };
        lock(&self.inner).images = manifests.iter().map(image).collect();
    }
}
