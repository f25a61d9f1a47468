//! The steward's process: its socket, its clock, and what follows from a change.
//!
//! Owns a thread for each connection, at most so many, and one for the time. Passwords are hashed outside of the
//! lock, one at a time, as a check takes 64 MiB. Who connects is known by the kernel's word for it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::core::{Core, Now};
use super::keep::{Identity, Keep};
use super::message::{Answer, Ask, read, write};
use crate::catalogue::record::Credential;
use crate::serve::config::Config;
use crate::settings::{self, Around, Settings};
use crate::stream::{Blame, Fault};
use crate::tapicom::message::Secret;
use crate::tapicom::{password, ticket};
use crate::update::{self, Updater};

/// Connections at once.
const CONNECTIONS_MAX: usize = 32;
/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The longest wait for a change.
const WATCH_MS_MAX: u32 = 60_000;
/// The longest note, letters.
const NOTE_LETTERS_MAX: usize = 240;
/// Letters of a serial number: none that looks like another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The service, as init calls it.
const SERVE: &str = "serve";

/// What the steward can have done to processes and the machine.
pub trait Init: Send + Sync {
    /// The process of this name runs, newly started if it ran.
    fn restart(&self, name: &str) -> Result<(), Fault>;
    /// The machine starts anew.
    fn reboot(&self) -> Result<(), Fault>;
    /// The machine stops.
    fn power_off(&self) -> Result<(), Fault>;
}

/// Nobody keeps processes here: a steward that is run by hand.
pub struct NoInit;

impl Init for NoInit {
    fn restart(&self, name: &str) -> Result<(), Fault> {
        tracing::info!("no init here: {name} is not restarted");
        Ok(())
    }

    fn reboot(&self) -> Result<(), Fault> {
        Err(Fault::never(Blame::Host, "no init keeps processes here"))
    }

    fn power_off(&self) -> Result<(), Fault> {
        Err(Fault::never(Blame::Host, "no init keeps processes here"))
    }
}

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the steward listens.
    pub socket: PathBuf,
    /// The folder of what `serve` reads at its start.
    pub run: PathBuf,
    /// The folder of everything `serve` keeps.
    pub state: PathBuf,
    /// The folder of the sockets by which devices are reached.
    pub doors: PathBuf,
    /// Whether `serve` takes what is attached, unless settings say otherwise; else it has a virtual library.
    pub takes_attached: bool,
    /// What a drive keeps in memory if nothing is set, MiB.
    pub sync_memory_mib: Option<u32>,
}

/// Who may connect, by user, beside root and the steward's own user, who may do what each of them may.
pub type Others = BTreeMap<u32, Part>;

/// What a process is on the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Where people are.
    Console,
    /// What sees the links.
    Net,
    /// What sees which system runs.
    Updater,
    /// One that asks for settings.
    Other,
    /// Root, or the steward's own user.
    Root,
}

/// What runs.
pub struct Steward {
    core: Mutex<Core>,
    changed: Condvar,
    /// One password at a time.
    hashing: Mutex<()>,
    /// The word with which the service last was to make its catalogue anew.
    rebuild: Mutex<Option<String>>,
    init: Box<dyn Init>,
    places: Places,
    others: Others,
    began: Instant,
    connections: Mutex<usize>,
}

/// Nobody panics while holding a lock and goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who a new box is.
pub fn make_identity() -> Result<Identity, Fault> {
    use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
    let random: [u8; 8] = ticket::random()?;
    let letters = random.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let (first, last) = letters.split_at(4);
    let serial: String = ["TAP-".chars().collect(), first.to_vec(), vec!['-'], last.to_vec()]
        .concat()
        .iter()
        .collect();
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| Fault::never(Blame::Host, "no key can be made"))?;
    Ok(Identity { serial, key: key.as_ref().to_vec(), made_s: clock_s() })
}

fn clock_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

impl Steward {
    /// Reads what is kept.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn new(
        keep: Box<dyn Keep>,
        init: Box<dyn Init>,
        places: Places,
        others: Others,
    ) -> Result<Arc<Steward>, Fault> {
        let core = Core::start(keep, &make_identity, Now { ms: 0, s: clock_s() })?;
        Ok(Arc::new(Steward {
            core: Mutex::new(core),
            changed: Condvar::new(),
            hashing: Mutex::new(()),
            rebuild: Mutex::default(),
            init,
            places,
            others,
            began: Instant::now(),
            connections: Mutex::new(0),
        }))
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { ms, s: clock_s() }
    }

    /// Listens, for ever.
    ///
    /// # Errors
    ///
    /// The socket cannot be made.
    pub fn run(self: &Arc<Self>) -> Result<(), Fault> {
        let path = &self.places.socket;
        let failed =
            |e: std::io::Error| Fault::host(format!("cannot listen at {}", path.display()), &e);
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Who may is judged by who it is, so that every child of init can knock.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
        if lock(&self.core).is_claimed() {
            self.follow(true);
        } else {
            self.render().map(drop)?;
        }
        self.spawn("time", |steward| steward.keep_time())?;
        for socket in listener.incoming() {
            match socket {
                Ok(socket) => self.receive(socket)?,
                Err(error) => tracing::warn!(%error, "nobody could be received"),
            }
        }
        Ok(())
    }

    fn spawn(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce(&Arc<Steward>) + Send + 'static,
    ) -> Result<(), Fault> {
        let steward = self.clone();
        let thread = std::thread::Builder::new().name(name.into());
        let spawned = thread.spawn(move || body(&steward));
        spawned.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
    }

    fn keep_time(self: &Arc<Self>) {
        loop {
            std::thread::sleep(TICK);
            let now = self.now();
            let ticked = {
                let mut core = lock(&self.core);
                core.note_time(now).and_then(|()| core.tick(now))
            };
            match ticked {
                Ok(false) => {}
                Ok(true) => {
                    tracing::warn!("settings went back: nobody confirmed them");
                    self.follow(false);
                }
                Err(fault) => {
                    tracing::error!(%fault, "cannot keep what time it is, or settings that go back")
                }
            }
        }
    }

    fn receive(self: &Arc<Self>, mut socket: UnixStream) -> Result<(), Fault> {
        let who = match rustix::net::sockopt::socket_peercred(&socket) {
            Ok(who) => who.uid.as_raw(),
            Err(error) => {
                tracing::warn!(%error, "somebody is not known to the kernel");
                return Ok(());
            }
        };
        let part = match who == 0 || who == rustix::process::geteuid().as_raw() {
            true => Some(Part::Root),
            false => self.others.get(&who).copied(),
        };
        let part = part.ok_or("this user may not speak with the steward").and_then(|part| {
            let is_full = *lock(&self.connections) >= CONNECTIONS_MAX;
            if is_full { Err("too many speak with the steward") } else { Ok(part) }
        });
        let part = match part {
            Ok(part) => part,
            Err(what) => {
                tracing::warn!(who, what);
                let answer = Answer::Refused { what: what.into(), hint: None };
                if let Err(fault) = write(&answer, &mut socket) {
                    tracing::debug!(%fault, "who is refused has left");
                }
                return Ok(());
            }
        };
        *lock(&self.connections) += 1;
        self.spawn("connection", move |steward| {
            if let Err(fault) = steward.talk(socket, part) {
                tracing::debug!(%fault, "a connection ended");
            }
            *lock(&steward.connections) -= 1;
        })
    }

    fn talk(&self, mut socket: UnixStream, part: Part) -> Result<(), Fault> {
        socket
            .set_write_timeout(Some(Duration::from_secs(10)))
            .map_err(|e| Fault::host("cannot wait for somebody", &e))?;
        let mut guest = Guest { part, administrator: false };
        while let Some(ask) = read::<Ask>(&mut socket)? {
            let answer = self.answer(ask, &mut guest).unwrap_or_else(Answer::from);
            write(&answer, &mut socket)?;
        }
        Ok(())
    }

    pub(super) fn answer(&self, ask: Ask, guest: &mut Guest) -> Result<Answer, Fault> {
        match ask {
            Ask::State => Ok(Answer::State(lock(&self.core).state(self.now()))),
            Ask::Claim { password, name } => {
                self.claim(&password, name.as_deref())?;
                guest.administrator = true;
                Ok(Answer::Done)
            }
            Ask::Login { password } => {
                guest.administrator = false;
                self.is_right(&password)?;
                guest.administrator = true;
                Ok(Answer::Done)
            }
            Ask::Logout => {
                guest.administrator = false;
                Ok(Answer::Done)
            }
            Ask::Watch { after, wait_ms } => Ok(self.watch(after, wait_ms.min(WATCH_MS_MAX))),
            Ask::Links(links) => {
                guest.must_be(Part::Net)?;
                lock(&self.core).see_links(links);
                Ok(Answer::Done)
            }
            Ask::Note(words) => {
                guest.must_be(Part::Updater)?;
                lock(&self.core).note(words.chars().take(NOTE_LETTERS_MAX).collect());
                Ok(Answer::Done)
            }
            Ask::Booted(boot) => {
                guest.must_be(Part::Root)?;
                lock(&self.core).booted(boot).map(|()| Answer::Done)
            }
            Ask::Recover { serial } => {
                guest.must_be(Part::Console)?;
                lock(&self.core).recover(&serial, self.now()).map(|()| Answer::Done)
            }
            other if guest.administrator => self.command(other),
            _ => Err(Fault::never(Blame::Operator, "log in first")),
        }
    }

    /// What only the administrator may.
    fn command(&self, ask: Ask) -> Result<Answer, Fault> {
        let core = || lock(&self.core);
        let done = |()| Answer::Done;
        match ask {
            Ask::Password { old, new } => self.change_password(&old, &new).map(done),
            Ask::Settings(which) => core().settings(which).map(|settings| shown(&settings)),
            Ask::Set { words } => core().set(&borrowed(&words)).map(done),
            Ask::Delete { words } => core().delete(&borrowed(&words)).map(done),
            Ask::Discard => {
                core().discard();
                Ok(Answer::Done)
            }
            Ask::Diff { from, to } => core().diff(from, to).map(Answer::Lines),
            Ask::Check => self.check(core().checked()?).map(done),
            Ask::Commit { by, words, confirm_s } => self.commit(&by, &words, confirm_s),
            Ask::Confirm => core().confirm("confirm", self.now()).map(done),
            Ask::Rollback { back } => core().rollback(back).map(done),
            Ask::History => core().history().map(Answer::History),
            Ask::Boots => Ok(Answer::Boots(core().boots())),
            Ask::Reset { serial, what } => core().reset(&serial, what, self.now()).map(done),
            Ask::Rebuild => {
                let word: [u8; 8] = ticket::random()?;
                *lock(&self.rebuild) = Some(format!("{:016x}", u64::from_be_bytes(word)));
                self.follow(false);
                Ok(Answer::Done)
            }
            Ask::Reboot => {
                core().stops("reboot", self.now())?;
                self.init.reboot().map(done)
            }
            Ask::PowerOff => {
                core().stops("power off", self.now())?;
                self.init.power_off().map(done)
            }
            Ask::Update(wish) => {
                Updater::connect(Path::new(update::SOCKET))?.wish(wish).map(Answer::Update)
            }
            _ => Err(Fault::never(Blame::Ours, "that is for everybody")),
        }
    }

    fn claim(&self, password: &Secret, name: Option<&str>) -> Result<(), Fault> {
        let hash = self.hash(password)?;
        lock(&self.core).claim(hash, name, self.now())?;
        self.follow(true);
        Ok(())
    }

    fn hash(&self, password: &Secret) -> Result<String, Fault> {
        if let Some(complaint) = password::complaint(password) {
            return Err(Fault::never(Blame::Operator, complaint));
        }
        let _one_at_a_time = lock(&self.hashing);
        match password::hash(password)? {
            Credential::Here(text) => Ok(text),
            Credential::Machine => Err(Fault::never(Blame::Ours, "a hash is kept here")),
        }
    }

    fn is_right(&self, password: &Secret) -> Result<(), Fault> {
        let _one_at_a_time = lock(&self.hashing);
        let wait_ms = lock(&self.core).wait_ms(self.now());
        if wait_ms > 0 {
            let s = wait_ms.div_ceil(1000);
            return Err(Fault::later(Blame::Operator, format!("wait {s} s until you try again")));
        }
        let kept = lock(&self.core).password_hash();
        let right = password::is_right(password, kept.as_deref())?;
        lock(&self.core).judged(right, self.now());
        match right {
            true => Ok(()),
            false => Err(Fault::never(Blame::Operator, "that is not the password")),
        }
    }

    fn change_password(&self, old: &Secret, new: &Secret) -> Result<(), Fault> {
        self.is_right(old)?;
        let hash = self.hash(new)?;
        lock(&self.core).change_password(hash, self.now())?;
        self.render().map(drop)
    }

    fn watch(&self, after: u64, wait_ms: u32) -> Answer {
        let until = Duration::from_millis(wait_ms.into());
        let same = |core: &mut Core| core.in_force().0 <= after;
        let waited = self.changed.wait_timeout_while(lock(&self.core), until, same);
        let (core, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (change, settings) = core.in_force();
        Answer::Settings { change, text: settings.text(), lines: Vec::new() }
    }

    fn commit(&self, by: &str, words: &str, confirm_s: Option<u32>) -> Result<Answer, Fault> {
        let generation = {
            let mut core = lock(&self.core);
            self.check(core.checked()?)?;
            core.commit(by, words, confirm_s, self.now())?
        };
        self.follow(false);
        Ok(Answer::Committed { generation, confirm_s })
    }

    /// Whether the service would take what follows from settings.
    fn check(&self, settings: &Settings) -> Result<(), Fault> {
        let rendered = settings.render(&self.around(true));
        Config::parse(&rendered.text).map(drop).map_err(|fault| {
            let what = format!("the service does not take it: {}", fault.what);
            Fault { what, ..fault }
        })
    }

    fn around(&self, is_claimed: bool) -> Around {
        let places = self.places.clone();
        Around {
            state: places.state,
            beside: places.run,
            doors: places.doors,
            takes_attached: places.takes_attached,
            sync_memory_mib: places.sync_memory_mib,
            is_claimed,
            rebuild: lock(&self.rebuild).clone(),
        }
    }

    /// Everybody who waits for settings hears of them, and the service that reads others, or
    /// knows another administrator, is started with those.
    fn follow(&self, is_new: bool) {
        self.changed.notify_all();
        let restarted = self.render().and_then(|differs| {
            match (differs || is_new) && lock(&self.core).is_claimed() {
                true => self.init.restart(SERVE),
                false => Ok(()),
            }
        });
        if let Err(fault) = restarted {
            tracing::error!(%fault, "the service does not know its settings");
        }
    }

    /// Writes what the service reads; whether it is not as it was.
    fn render(&self) -> Result<bool, Fault> {
        let (settings, hash) = {
            let core = lock(&self.core);
            (core.in_force().1.clone(), core.password_hash())
        };
        let rendered = settings.render(&self.around(hash.is_some()));
        if let Some(hash) = hash {
            // It counts from the service's next start on: the one that runs was told otherwise, or is started anew.
            self.put_file(settings::ADMINISTRATOR, &hash, 0o640)?;
        }
        let mut differs = self.put_file("serve.toml", &rendered.text, 0o644)?;
        for (name, secret) in &rendered.secrets {
            differs |= self.put_file(name, secret.reveal(), 0o640)?;
        }
        Ok(differs)
    }

    /// The service is another user, whose group the folder gives to what is made there.
    fn put_file(&self, name: &str, text: &str, mode: u32) -> Result<bool, Fault> {
        let path = self.places.run.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok(false);
        }
        let failed =
            |e: std::io::Error| Fault::host(format!("cannot write {}", path.display()), &e);
        std::fs::create_dir_all(&self.places.run).map_err(failed)?;
        let draft = self.places.run.join(format!(".{name}"));
        let mut file = std::fs::File::options();
        let file = file.write(true).create(true).truncate(true).mode(mode).open(&draft);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        std::fs::rename(&draft, &path).map_err(failed)?;
        Ok(true)
    }
}

/// Who is at the other end of a connection.
pub(super) struct Guest {
    pub part: Part,
    pub administrator: bool,
}

impl Guest {
    fn must_be(&self, part: Part) -> Result<(), Fault> {
        match self.part == part || self.part == Part::Root {
            true => Ok(()),
            false => Err(Fault::never(Blame::Operator, "that is not for this process to say")),
        }
    }
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Settings for people: what is secret stays so.
fn shown(settings: &Settings) -> Answer {
    let lines = settings.lines().iter().map(ToString::to_string).collect();
    Answer::Settings { change: 0, text: String::new(), lines }
}
