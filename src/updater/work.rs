//! What is wanted, done: one thing at a time, each with its outcome in the journal.
//!
//! Owns the order in which a version comes into its place: received and verified, tested, written down, installed. What
//! fails before that leaves everything as it was.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bundle::root_file;

use super::preflight::{self, Copies};
use super::process::{RECORDS, Records, Updater, lock};
use super::shelf::Pending;
use super::stock::RECEIVED;
use crate::stream::{Blame, Fault};
use crate::update::Wish;

/// The bundle that is given piece by piece.
pub(super) const GIVEN: &str = "given.bundle";
/// Copies that a new executable reads.
const SETTINGS: &str = "test-settings";
const CONFIG: &str = "test-config";
/// Where a bundle is on a stick.
const ON_STICK: &str = "update.tapioca";
/// How long a stick may take to show up.
const STICK_WAIT: Duration = Duration::from_secs(20);
/// How long the service may take to give its records; it may have just been started.
const RECORDS_WAIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
/// The longest executable in an update, bytes.
const EXECUTABLE_BYTES_MAX: u64 = 256 << 20;

impl Updater {
    /// Does what is wanted, and writes down what came of it.
    pub(super) fn work(&self, wish: &Wish) {
        let done = match wish {
            Wish::Take => self.take_given(),
            Wish::Stick => self.take_from_stick(),
            Wish::Rollback => self.roll_back(),
            _ => return,
        };
        let words = match done {
            Ok(words) => words,
            Err(Fault { what, hint, .. }) => {
                let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                format!("no update: {what}{hint}")
            }
        };
        self.tell(&words);
        self.doing("");
    }

    fn take_given(&self) -> Result<String, Fault> {
        let taken = self.take(&self.shelf.path(GIVEN));
        // It is in its place, or no good.
        self.shelf.discard(GIVEN)?;
        taken
    }

    fn take_from_stick(&self) -> Result<String, Fault> {
        self.doing("waiting for a USB stick");
        self.given.host.stick(true)?;
        let path = self.given.places.stick.join(ON_STICK);
        let begun = Instant::now();
        let taken = loop {
            if path.exists() {
                break self.take(&path);
            }
            if begun.elapsed() > STICK_WAIT {
                let what = format!("no USB stick with a file {ON_STICK} at its top is here");
                let hint = "its file system must be FAT";
                break Err(Fault::never(Blame::Operator, what).hint(hint));
            }
            std::thread::sleep(LOOK);
        };
        let given_back = self.given.host.stick(false);
        taken.and_then(|words| given_back.map(|()| words))
    }

    fn take(&self, bundle: &Path) -> Result<String, Fault> {
        let none =
            || Fault::never(Blame::Operator, "this image was not signed, so it takes no update");
        let key = self.given.key.as_ref().ok_or_else(none)?;
        if lock(&self.inner).waits_for.is_some() {
            return Err(Fault::later(Blame::Operator, "what runs is not accepted yet"));
        }
        self.doing("reading the update");
        let file = File::open(bundle)
            .map_err(|e| Fault::host(format!("cannot read {}", bundle.display()), &e))?;
        let manifest = lock(&self.stock).receive(std::io::BufReader::new(file), key)?;
        let version = &manifest.release.version;
        self.doing(&format!("testing {version}"));
        let tested = self.test();
        for name in [SETTINGS, CONFIG, RECORDS] {
            self.shelf.discard(name)?;
        }
        if let Err(fault) = tested {
            self.shelf.discard(RECEIVED)?;
            return Err(fault);
        }
        self.doing(&format!("putting {version} in its place"));
        let devices = lock(&self.inner).devices().unwrap_or_default();
        let pending = Pending {
            version: version.clone(),
            boot: self.given.boot.clone(),
            devices,
            ailing: self.given.host.ailing().unwrap_or_default(),
            words: Vec::new(),
        };
        self.note(|journal| journal.trial = Some(pending))?;
        let before = lock(&self.inner).journal.before.clone();
        let installed = lock(&self.stock).install(&manifest, before.as_ref());
        if let Err(fault) = installed {
            lock(&self.stock).withdraw(version)?;
            self.note(|journal| journal.trial = None)?;
            return Err(fault);
        }
        Ok(format!("{version} is in its place and is tried at the next start"))
    }

    /// Has the new executable read copies of what this box has.
    fn test(&self) -> Result<(), Fault> {
        let path = self.shelf.path(RECEIVED);
        let failed = |e: std::io::Error| Fault::host(format!("cannot read {}", path.display()), &e);
        let uki = fs::read(&path).map_err(failed)?;
        let executable = root_file(&uki, "init", EXECUTABLE_BYTES_MAX)
            .map_err(|e| Fault::never(Blame::Peer, e.to_string()))?;
        drop(uki);
        let copies = self.copies()?;
        preflight::run(&executable, &copies)
    }

    fn copies(&self) -> Result<Copies, Fault> {
        let (_, settings) = self.given.settings()?;
        let keep = |name: &str, text: &[u8]| {
            let path = self.shelf.path(name);
            let written = File::create(&path).and_then(|mut file| file.write_all(text));
            written.map_err(|e| Fault::host(format!("cannot write {}", path.display()), &e))?;
            Ok::<_, Fault>(path)
        };
        let settings = Some(keep(SETTINGS, settings.as_bytes())?);
        let config = match fs::read(&self.given.places.config) {
            Ok(text) => Some(keep(CONFIG, &text)?),
            // Nobody claimed the box yet.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Fault::host("cannot read the service's configuration", &e)),
        };
        Ok(Copies { settings, config, records: self.records()? })
    }

    /// The catalogue's records, as the service gives them; none: it does not run, as nobody claimed the box.
    fn records(&self) -> Result<Option<std::path::PathBuf>, Fault> {
        if !self.given.settings()?.0 {
            return Ok(None);
        }
        lock(&self.inner).records = Records::Wanted;
        let begun = Instant::now();
        let outcome = loop {
            std::thread::sleep(LOOK);
            let inner = lock(&self.inner);
            if inner.records == Records::Whole {
                break Ok(Some(self.shelf.path(RECORDS)));
            }
            if begun.elapsed() > RECORDS_WAIT {
                let what = match inner.devices() {
                    Some(_) => "the service does not give its records",
                    None => "the service does not run, so its records cannot be tested",
                };
                break Err(Fault::later(Blame::Host, what));
            }
        };
        lock(&self.inner).records = Records::Unwanted;
        outcome
    }

    fn roll_back(&self) -> Result<String, Fault> {
        let running = self.running();
        self.doing("going back");
        let (waits, trial, before) = {
            let inner = lock(&self.inner);
            let trial = inner.journal.trial.as_ref().map(|trial| trial.version.clone());
            (inner.waits_for.is_some(), trial, inner.journal.before.clone())
        };
        if waits {
            self.leave("somebody wanted the version before")?;
            return Ok(format!("{running} is left"));
        }
        if let Some(version) = trial {
            lock(&self.stock).withdraw(&version)?;
            self.note(|journal| journal.trial = None)?;
            return Ok(format!("{version} is not tried; {running} stays"));
        }
        let version = lock(&self.stock).roll_back(before.as_ref())?;
        Ok(format!("{version} is what is started next; {running} stays behind it"))
    }
}
