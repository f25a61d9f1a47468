//! The updater's process: its start, its socket, and the time.
//!
//! Owns three threads beside the connections: one that listens, one that works and one that judges what runs as long as
//! it is not accepted. Gives up no version without having seen that there is another to start.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bundle::{Release, Version};
use rustix::time::{ClockId, clock_gettime};

use super::entry::{self, Entry};
use super::fate::{self, Standing};
use super::shelf::{Journal, Shelf};
use super::stock::Stock;
use super::trial::{Patience, Sight, Trial, Verdict};
use super::work::GIVEN;
use crate::packet::{read, write};
use crate::settings::Settings;
use crate::steward::client::Steward;
use crate::steward::message as steward;
use crate::stream::{Blame, Fault};
use crate::update::{Answer, Ask, Image, PIECE_BYTES_MAX, Seen, State, Wish};

/// How often what runs is judged.
const TICK: Duration = Duration::from_secs(1);
/// How often the boot partition is looked at.
const MEND: Duration = Duration::from_secs(3600);
/// What the service sees counts for so long.
const SEEN: Duration = Duration::from_secs(60);
/// Connections at once.
const CONNECTIONS_MAX: usize = 8;
/// The longest bundle, bytes.
const BUNDLE_BYTES_MAX: u64 = bundle::format::UKI_BYTES_MAX + (1 << 20);
/// The longest records that are tested, bytes.
const RECORDS_BYTES_MAX: u64 = 1 << 30;
/// The service's records.
pub(super) const RECORDS: &str = "test-records";
/// Reasons that are remembered of a trial.
const WORDS_MAX: usize = 8;

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
    images: Vec<Image>,
    seen: Option<(Instant, Seen)>,
    waits_for: Option<String>,
    left: Duration,
    doing: String,
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
    jobs: Sender<Wish>,
    connections: Mutex<usize>,
}

/// Nobody panics while holding a lock and goes on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn clock_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Time since the machine started.
fn up() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or(0))
}

/// Says one line where people see it, whoever is logged in: the kernel's console.
fn call_out(words: &str) {
    // The number in front is how urgent it is to the kernel's log, which standard error is on a box.
    eprintln!("<3>updater: {words}");
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
    let stock = Stock::new(open, shelf, given.release.clone());
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
            doing: "looking at what there is".into(),
        }),
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
    fn listen(&self) -> Result<UnixListener, Fault> {
        let path = &self.given.places.socket;
        let failed =
            |e: std::io::Error| Fault::host(format!("cannot listen at {}", path.display()), &e);
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Who may is judged by who it is.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
        Ok(listener)
    }

    fn spawn(
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

    fn running(&self) -> &Version {
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

    /// What became of the last version that was tried; what is damaged; what runs.
    fn begin(self: &Arc<Self>) {
        if let Err(fault) = self.conclude() {
            self.alarm(&format!("the boot partition cannot be looked at: {}", fault.what));
        }
        self.mend();
        let entries = lock(&self.stock).entries();
        let standing = entries.map(|entries| {
            let inner = lock(&self.inner);
            fate::standing(&inner.journal, &entries, self.running())
        });
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

    fn conclude(&self) -> Result<(), Fault> {
        let entries = lock(&self.stock).entries()?;
        let fallen = {
            let inner = lock(&self.inner);
            fate::fallen(&inner.journal, &entries, self.running(), &self.given.boot)
        };
        let Some((version, why)) = fallen else { return Ok(()) };
        lock(&self.inner).journal.trial = None;
        self.alarm(&format!("{version} was left, and {} runs: {why}", self.running()));
        lock(&self.stock).forget(&version)
    }

    /// Makes anew what is damaged.
    fn mend(&self) {
        let mended = {
            let mut inner = lock(&self.inner);
            let mut journal = inner.journal.clone();
            let mended = lock(&self.stock).mend(&mut journal);
            inner.journal.fixed = journal.fixed;
            mended
        };
        match mended {
            Ok(all) => all.iter().for_each(|what| self.alarm(&format!("mended: {what}"))),
            Err(fault) => self.alarm(&fault.what),
        }
    }

    /// Writes down, says, and has the steward tell whoever comes next.
    fn alarm(&self, words: &str) {
        call_out(words);
        self.tell(words);
        let told = Steward::connect(&self.given.places.steward)
            .and_then(|mut steward| steward.ask(&steward::Ask::Note(words.into())));
        if let Err(fault) = told {
            tracing::warn!(%fault, "the steward was not told");
        }
    }

    fn accept(&self) -> Result<(), Fault> {
        let stock = lock(&self.stock);
        stock.change(entry::accept(&stock.entries()?, self.running()))?;
        let mut inner = lock(&self.inner);
        inner.journal.accepted(self.running());
        inner.waits_for = None;
        stock.shelf().put_journal(&inner.journal)
    }

    fn keep_time(self: &Arc<Self>) {
        let mut trial = lock(&self.inner).waits_for.is_some().then(|| self.trial());
        loop {
            self.given.host.alive();
            if let Some(judge) = &mut trial
                && self.is_judged(judge)
            {
                trial = None;
            }
            std::thread::sleep(TICK);
        }
    }

    fn trial(&self) -> Trial {
        let pending = lock(&self.inner).journal.trial.clone();
        let pending = pending.filter(|pending| pending.version == *self.running());
        let (devices, ailing) =
            pending.map_or_else(Default::default, |pending| (pending.devices, pending.ailing));
        Trial::new(self.given.patience, devices, ailing)
    }

    /// Judges what runs. Whether that is over.
    fn is_judged(&self, trial: &mut Trial) -> bool {
        let sight = self.sight();
        match trial.judge(&sight, up()) {
            Verdict::Accept => match self.accept() {
                Ok(()) => {
                    call_out(&format!("{} is accepted", self.running()));
                    self.tell(&format!("{} is accepted", self.running()));
                    self.look_at_images();
                    true
                }
                Err(fault) => {
                    self.alarm(&format!("{} cannot be kept: {}", self.running(), fault.what));
                    true
                }
            },
            Verdict::Wait(why) => {
                self.waits(&why);
                false
            }
            Verdict::GiveUp(why) => {
                self.waits(&why);
                if let Err(fault) = self.leave(&why) {
                    self.alarm(&format!("{why}; and the box cannot go back: {}", fault.what));
                }
                true
            }
        }
    }

    /// Remembers what is waited for, should this start not come to its end.
    fn waits(&self, why: &str) {
        let mut inner = lock(&self.inner);
        inner.left = self.given.patience.deadline.saturating_sub(up());
        if inner.waits_for.as_deref() == Some(why) {
            return;
        }
        inner.waits_for = Some(why.into());
        let running = self.running();
        let Some(trial) = inner.journal.trial.as_mut().filter(|trial| trial.version == *running)
        else {
            return;
        };
        trial.words.push(why.into());
        let surplus = trial.words.len().saturating_sub(WORDS_MAX);
        trial.words.drain(..surplus);
        if let Err(fault) = lock(&self.stock).shelf().put_journal(&inner.journal) {
            tracing::error!(%fault, "what is waited for is not written down");
        }
    }

    /// Goes back to the version before.
    fn leave(&self, why: &str) -> Result<(), Fault> {
        let stock = lock(&self.stock);
        let entries = stock.entries()?;
        let others: Vec<Entry> =
            entries.iter().filter(|entry| entry.version != *self.running()).cloned().collect();
        if entry::choice(&others).is_none_or(Entry::is_exhausted) {
            let what = "the boot partition has no other version that is good";
            return Err(Fault::never(Blame::Host, what));
        }
        stock.change(entry::give_up(&entries, self.running()))?;
        call_out(&format!("{} is left: {why}", self.running()));
        self.given.host.reboot()
    }

    fn sight(&self) -> Sight {
        let (claimed, settings) = match self.given.settings() {
            Ok((claimed, text)) => {
                let read = Settings::parse(&text).and_then(|settings| settings.check());
                (claimed, read.err().map(|fault| fault.what))
            }
            Err(fault) => (true, Some(fault.what)),
        };
        let devices = lock(&self.inner).devices();
        Sight {
            data: self.given.data,
            settings,
            claimed,
            devices,
            ailing: self.given.host.ailing(),
        }
    }

    fn look_at_images(&self) {
        let (entries, manifests) = {
            let stock = lock(&self.stock);
            (stock.entries().unwrap_or_default(), stock.shelf().manifests().unwrap_or_default())
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

    fn receive(self: &Arc<Self>, mut socket: UnixStream) -> Result<(), Fault> {
        let who = match rustix::net::sockopt::socket_peercred(&socket) {
            Ok(who) => who.uid.as_raw(),
            Err(error) => {
                tracing::warn!(%error, "somebody is not known to the kernel");
                return Ok(());
            }
        };
        let may = who == 0
            || who == rustix::process::geteuid().as_raw()
            || self.given.peers.contains(&who);
        if !may || *lock(&self.connections) >= CONNECTIONS_MAX {
            tracing::warn!(who, "somebody is not received");
            return Ok(());
        }
        let limit = Some(Duration::from_secs(30));
        let limited = socket.set_write_timeout(limit).and_then(|()| socket.set_read_timeout(limit));
        limited.map_err(|e| Fault::host("cannot wait for somebody", &e))?;
        *lock(&self.connections) += 1;
        self.spawn("connection", move |updater| {
            loop {
                let answered = read::<Ask>(&mut socket).and_then(|ask| match ask {
                    Some(ask) => {
                        let answer =
                            updater.answer(ask).unwrap_or_else(|Fault { what, hint, .. }| {
                                Answer::Refused { what, hint }
                            });
                        write(&answer, &mut socket).map(|()| true)
                    }
                    None => Ok(false),
                });
                match answered {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        tracing::debug!(%fault, "a connection ended");
                        break;
                    }
                }
            }
            *lock(&updater.connections) -= 1;
        })
    }

    fn answer(&self, ask: Ask) -> Result<Answer, Fault> {
        match ask {
            Ask::Wish(wish) => self.wish(wish).map(|()| Answer::State(self.state())),
            Ask::Seen(seen) => {
                let mut inner = lock(&self.inner);
                inner.seen = Some((Instant::now(), seen));
                Ok(Answer::Noted { records: inner.records == Records::Wanted })
            }
            Ask::Records { first, bytes } => {
                let is_end = bytes.is_empty();
                self.append(RECORDS, first.then_some(0), &bytes, RECORDS_BYTES_MAX)?;
                if is_end {
                    lock(&self.inner).records = Records::Whole;
                }
                Ok(Answer::Noted { records: !is_end })
            }
        }
    }

    fn wish(&self, wish: Wish) -> Result<(), Fault> {
        match wish {
            Wish::Show => Ok(()),
            Wish::Reboot => self.given.host.reboot(),
            Wish::Piece { offset, bytes } => {
                self.is_idle()?;
                self.append(GIVEN, Some(offset), &bytes, BUNDLE_BYTES_MAX)
            }
            Wish::Take | Wish::Stick | Wish::Rollback => {
                self.is_idle()?;
                lock(&self.inner).doing = "beginning".into();
                self.jobs.send(wish).map_err(|_| Fault::never(Blame::Ours, "nobody works any more"))
            }
        }
    }

    fn is_idle(&self) -> Result<(), Fault> {
        let doing = lock(&self.inner).doing.clone();
        match doing.is_empty() {
            true => Ok(()),
            false => Err(Fault::later(Blame::Operator, format!("the updater is {doing}"))),
        }
    }

    /// Adds to a file: at its end, which must be `offset` if one is given; 0 begins it anew.
    fn append(
        &self,
        name: &str,
        offset: Option<u64>,
        bytes: &[u8],
        most: u64,
    ) -> Result<(), Fault> {
        let path = self.given.places.shelf.join(name);
        let failed =
            |e: std::io::Error| Fault::host(format!("cannot write {}", path.display()), &e);
        let no = |what: String| Err(Fault::never(Blame::Peer, what));
        let mut file = File::options().append(true).create(true).open(&path).map_err(failed)?;
        if offset == Some(0) {
            file.set_len(0).map_err(failed)?;
        }
        let length = file.metadata().map_err(failed)?.len();
        if bytes.len() > PIECE_BYTES_MAX || length + bytes.len() as u64 > most {
            return no(format!(
                "more than {most} bytes, or a piece of more than {PIECE_BYTES_MAX}"
            ));
        }
        if offset.is_some_and(|offset| offset != length) {
            return no(format!("the next piece begins at {length}"));
        }
        file.write_all(bytes).map_err(failed)
    }

    fn state(&self) -> State {
        let inner = lock(&self.inner);
        State {
            version: self.running().to_string(),
            board: self.given.release.board.clone(),
            security_floor: self.given.release.security_floor,
            waits_for: inner.waits_for.clone(),
            left_s: u32::try_from(inner.left.as_secs()).unwrap_or(u32::MAX),
            images: inner.images.clone(),
            doing: inner.doing.clone(),
            told: inner.journal.told.clone(),
        }
    }
}
