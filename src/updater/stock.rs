//! The boot partition and its copies, each made of the other.
//!
//! Owns what has to be there: the loader with its settings, what runs, and what could be gone back to. What is damaged
//! on one side is made anew from the other, and that is said. Of two things that are both damaged nothing is made.

use std::io::Read;

use bundle::{Manifest, Release, Uki, Version, format};
use esp::{Esp, Medium};

use super::entry::{self, Change, Entry, TRIES};
use super::shelf::{Journal, Judge, Shelf};
use crate::stream::{Blame, Fault};

/// The loader, where firmware looks for it, and its settings: on the boot partition, on the shelf.
const FIXED: [(&str, &str); 2] =
    [("EFI/BOOT/BOOTX64.EFI", "loader.efi"), ("loader/loader.conf", "loader.conf")];

/// The bootable file of a bundle that was received and is not in its place yet.
pub const RECEIVED: &str = "received.efi";

/// What was damaged.
#[derive(Debug, Default)]
pub struct Mended {
    /// What was made anew, in words.
    pub done: Vec<String>,
    /// What could not be.
    pub lost: Vec<Fault>,
}

impl Mended {
    fn add(&mut self, one: Result<Option<String>, Fault>) {
        match one {
            Ok(done) => self.done.extend(done),
            Err(fault) => self.lost.push(fault),
        }
    }
}

/// Opens the boot partition.
pub type Open<M> = Box<dyn Fn() -> std::io::Result<M> + Send>;

/// Both sides.
pub struct Stock<M> {
    open: Open<M>,
    shelf: Shelf,
    /// What runs.
    pub release: Release,
}

fn fault(error: esp::Error) -> Fault {
    match error {
        esp::Error::Io(error) => Fault::host("the boot partition", &error),
        esp::Error::Refused(what) => Fault::never(Blame::Host, what),
        error @ esp::Error::Damaged(_) => Fault::never(Blame::Host, error.to_string()),
    }
}

fn of_bundle(error: bundle::Error) -> Fault {
    match error {
        bundle::Error::Io(error) => Fault::host("cannot read the update", &error),
        error @ bundle::Error::Broken { .. } => Fault::never(Blame::Peer, error.to_string()),
    }
}

fn file_of(version: &Version) -> String {
    format!("{version}.efi")
}

impl<M: Medium> Stock<M> {
    /// Of what runs.
    pub fn new(open: Open<M>, shelf: Shelf, release: Release) -> Stock<M> {
        Stock { open, shelf, release }
    }

    /// Copies and journal.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    fn running(&self) -> &Version {
        &self.release.version
    }

    fn esp(&self) -> Result<Esp<M>, Fault> {
        let medium =
            (self.open)().map_err(|e| Fault::host("cannot open the boot partition", &e))?;
        Esp::open(medium).map_err(fault)
    }

    /// What the loader can start.
    ///
    /// # Errors
    ///
    /// The boot partition cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, Fault> {
        Ok(entries(&self.esp()?))
    }

    /// Looks at all that has to be there, and makes anew what is damaged; `boot` is this start of the kernel.
    ///
    /// # Errors
    ///
    /// The boot partition cannot be read, or is no file system any more and cannot be made anew.
    pub fn mend(&self, journal: &mut Journal, boot: &str) -> Result<Mended, Fault> {
        let mut mended = Mended::default();
        let medium =
            (self.open)().map_err(|e| Fault::host("cannot open the boot partition", &e))?;
        let mut esp = match Esp::open(medium) {
            Ok(esp) => esp,
            Err(error @ esp::Error::Damaged(_)) => {
                let esp = self.make_anew(journal)?;
                mended.done.push(format!("{error}; it was made anew"));
                esp
            }
            Err(error) => return Err(fault(error)),
        };
        for (path, name) in FIXED {
            mended.add(self.mend_fixed(&mut esp, journal, path, name));
        }
        if self.shelf.manifest(self.running()).is_none() {
            mended.add(self.adopt(&esp).map(|()| None));
        }
        for entry in entries(&esp) {
            mended.add(self.mend_entry(&mut esp, &entry));
        }
        match self.shelf.manifests() {
            Ok(all) => {
                for manifest in all {
                    let version = &manifest.release.version;
                    mended.add(self.mend_missing(&mut esp, journal, boot, version));
                }
            }
            Err(fault) => mended.lost.push(fault),
        }
        Ok(mended)
    }

    /// What the loader should have of a version; none: nothing.
    fn wanted(&self, journal: &Journal, boot: &str, version: &Version) -> Option<Entry> {
        let trial = journal.trial.as_ref().filter(|trial| trial.version == *version);
        match (version == self.running(), trial) {
            // It is not accepted only because its file was lost.
            (true, Some(_)) => Some(Entry::counted(version, 1)),
            (true, None) => Some(Entry::good(version)),
            (false, Some(trial)) => (trial.boot == boot).then(|| Entry::counted(version, TRIES)),
            (false, None) if version > self.running() => Some(Entry::counted(version, 0)),
            (false, None) => Some(Entry::good(version)),
        }
    }

    fn mend_missing(
        &self,
        esp: &mut Esp<M>,
        journal: &Journal,
        boot: &str,
        version: &Version,
    ) -> Result<Option<String>, Fault> {
        if entries(esp).iter().any(|entry| entry.version == *version) {
            return Ok(None);
        }
        let Some(entry) = self.wanted(journal, boot, version) else { return Ok(None) };
        match self.put(esp, &entry) {
            Ok(()) => Ok(Some(format!("{version} was missing on the boot partition"))),
            Err(fault) if version == self.running() => Err(fault),
            Err(_) => {
                self.shelf.remove(version)?;
                Ok(Some(format!("{version} was missing, and its copy is damaged: it is gone")))
            }
        }
    }

    fn mend_fixed(
        &self,
        esp: &mut Esp<M>,
        journal: &mut Journal,
        path: &str,
        name: &str,
    ) -> Result<Option<String>, Fault> {
        let there = described(esp, path)?;
        let Some((_, wanted)) = journal.fixed.iter().find(|(known, _)| known == path).cloned()
        else {
            let lost =
                || Fault::never(Blame::Host, format!("{path} is lost, and there is no copy"));
            let there = there.ok_or_else(lost)?;
            let kept = self.keep(esp, path, name)?;
            if kept != there {
                return Err(Fault::later(
                    Blame::Medium,
                    format!("{path} is read as one and another"),
                ));
            }
            journal.fixed.push((path.into(), there));
            return Ok(None);
        };
        let copy = self.shelf.right(name, &wanted);
        match (there == Some(wanted.clone()), copy) {
            (true, Ok(_)) => Ok(None),
            (true, Err(_)) => {
                self.keep(esp, path, name)?;
                Ok(Some(format!("the copy of {path} was damaged")))
            }
            (false, Ok(mut copy)) => {
                write(esp, path, &wanted, &mut copy)?;
                Ok(Some(format!("{path} on the boot partition was damaged")))
            }
            (false, Err(fault)) => Err(fault),
        }
    }

    /// Copies a file of the boot partition to the shelf.
    fn keep(&self, esp: &Esp<M>, path: &str, name: &str) -> Result<Uki, Fault> {
        self.shelf.put(name, &mut |mut to| esp.copy_to(path, &mut to).map_err(fault))
    }

    /// What runs and has no copy is copied.
    fn adopt(&self, esp: &Esp<M>) -> Result<(), Fault> {
        let all = entries(esp);
        let runs = all.iter().find(|entry| entry.version == *self.running());
        let lost = || Fault::never(Blame::Host, "what runs is not on the boot partition");
        let path = runs.ok_or_else(lost)?.path();
        let uki = self.keep(esp, &path, &file_of(self.running()))?;
        let release = self.release.clone();
        self.shelf.put_manifest(&Manifest { release, uki, packages: Default::default() })
    }

    fn mend_entry(&self, esp: &mut Esp<M>, entry: &Entry) -> Result<Option<String>, Fault> {
        let (path, name) = (entry.path(), file_of(&entry.version));
        let Some(manifest) = self.shelf.manifest(&entry.version) else {
            // Nobody knows what it should be; the next change makes room of it.
            return Ok(None);
        };
        if described(esp, &path)? == Some(manifest.uki.clone()) {
            if self.shelf.right(&name, &manifest.uki).is_ok() {
                return Ok(None);
            }
            self.keep(esp, &path, &name)?;
            return Ok(Some(format!("the copy of {} was damaged", entry.version)));
        }
        match self.shelf.right(&name, &manifest.uki) {
            Ok(mut copy) => {
                write(esp, &path, &manifest.uki, &mut copy)?;
                Ok(Some(format!("{} on the boot partition was damaged", entry.version)))
            }
            Err(fault) if entry.version == *self.running() => Err(fault),
            Err(_) => {
                esp.remove(&path).map_err(fault)?;
                self.shelf.remove(&entry.version)?;
                Ok(Some(format!("{} was damaged, and so was its copy: it is gone", entry.version)))
            }
        }
    }

    /// A boot partition of what is on the shelf.
    fn make_anew(&self, journal: &Journal) -> Result<Esp<M>, Fault> {
        // Nothing is taken away before what comes in its place was seen.
        let runs = self.shelf.manifest(self.running());
        let none =
            || Fault::never(Blame::Host, "the boot partition is damaged, and there is no copy");
        self.shelf.right(&file_of(self.running()), &runs.ok_or_else(none)?.uki)?;
        let mut fixed = Vec::new();
        for (path, name) in FIXED {
            let (_, wanted) =
                journal.fixed.iter().find(|(known, _)| known == path).ok_or_else(none)?;
            fixed.push((path, wanted.clone(), self.shelf.right(name, wanted)?));
        }
        let medium =
            (self.open)().map_err(|e| Fault::host("cannot open the boot partition", &e))?;
        let mut esp = Esp::format(medium).map_err(fault)?;
        for (path, wanted, mut copy) in fixed {
            write(&mut esp, path, &wanted, &mut copy)?;
        }
        // From here on there is something to start; the others are missing, and come as what is missing does.
        let entry = match journal.trial.as_ref().is_some_and(|t| t.version == *self.running()) {
            true => Entry::counted(self.running(), 1),
            false => Entry::good(self.running()),
        };
        self.put(&mut esp, &entry)?;
        Ok(esp)
    }

    /// Adds a file from its copy, and reads it back.
    fn put(&self, esp: &mut Esp<M>, entry: &Entry) -> Result<(), Fault> {
        let missing =
            || Fault::never(Blame::Host, format!("there is no copy of {}", entry.version));
        let manifest = self.shelf.manifest(&entry.version).ok_or_else(missing)?;
        let mut copy = self.shelf.right(&file_of(&entry.version), &manifest.uki)?;
        write(esp, &entry.path(), &manifest.uki, &mut copy)
    }

    /// Carries changes out, one after the other.
    ///
    /// # Errors
    ///
    /// One of them cannot be; those before it are, and the box starts as before or as it is to.
    pub fn change(&self, changes: Vec<Change>) -> Result<(), Fault> {
        let mut esp = self.esp()?;
        for change in changes {
            match change {
                Change::Put(entry) => self.put(&mut esp, &entry)?,
                Change::Remove(entry) => esp.remove(&entry.path()).map_err(fault)?,
            }
        }
        Ok(())
    }

    /// Whether a release may take the place of what runs.
    ///
    /// # Errors
    ///
    /// It is for another board, older than is safe, or what runs.
    pub fn fits(&self, release: &Release) -> Result<(), Fault> {
        let no = |what: String| Err(Fault::never(Blame::Operator, what));
        let (ours, theirs) = (&self.release, release);
        if theirs.board != ours.board {
            return no(format!(
                "{} is made for {}, and this box is {}",
                theirs.version, theirs.board, ours.board
            ));
        }
        if theirs.security_floor < ours.security_floor {
            return no(format!(
                "{} has security floor {}, and this box takes none below {}",
                theirs.version, theirs.security_floor, ours.security_floor
            ));
        }
        if theirs.version == ours.version {
            return no(format!("{} runs already", theirs.version));
        }
        Ok(())
    }

    /// Reads a bundle and keeps its bootable file as [`RECEIVED`], if it is one for this box.
    ///
    /// # Errors
    ///
    /// It is none, damaged, signed by somebody else, or does not fit; nothing of it is kept then.
    pub fn receive(&self, from: impl Read, key: &[u8]) -> Result<Manifest, Fault> {
        let (manifest, body) = format::open(from, key).map_err(of_bundle)?;
        self.fits(&manifest.release)?;
        let mut body = Some(body);
        self.shelf.put(RECEIVED, &mut |mut to| match body.take() {
            Some(body) => body.copy_to(&mut to).map_err(of_bundle),
            None => Err(Fault::never(Blame::Ours, "a bundle is read once")),
        })?;
        Ok(manifest)
    }

    /// What was received is started next; versions that are too many go, and another of the same number does.
    ///
    /// # Errors
    ///
    /// There is no room, or a side cannot be written.
    pub fn install(&self, manifest: &Manifest, before: Option<&Version>) -> Result<(), Fault> {
        let version = &manifest.release.version;
        self.forget(version)?;
        self.shelf.rename(RECEIVED, &file_of(version))?;
        self.shelf.put_manifest(manifest)?;
        let stay: Vec<&Version> =
            [Some(version), Some(self.running()), before].into_iter().flatten().collect();
        for old in entry::surplus(&self.entries()?, &stay) {
            self.forget(&old)?;
        }
        self.change(entry::start_next(&self.entries()?, &Entry::counted(version, TRIES)))
    }

    /// A version that is not to be started any more goes.
    ///
    /// # Errors
    ///
    /// A side cannot be written.
    pub fn forget(&self, version: &Version) -> Result<(), Fault> {
        self.change(entry::forget(&self.entries()?, version))?;
        self.shelf.remove(version)
    }

    /// A version that was to be tried goes, and what runs is started next.
    ///
    /// # Errors
    ///
    /// A side cannot be written.
    pub fn withdraw(&self, version: &Version) -> Result<(), Fault> {
        self.change(entry::accept(&self.entries()?, self.running()))?;
        self.forget(version)
    }

    /// The version to go back to, which is started next.
    ///
    /// # Errors
    ///
    /// There is none that is whole and may be started.
    pub fn roll_back(&self, before: Option<&Version>) -> Result<Version, Fault> {
        let all = self.shelf.manifests()?;
        let others = || all.iter().filter(|manifest| manifest.release.version != *self.running());
        let named = others().find(|manifest| Some(&manifest.release.version) == before);
        let none = || Fault::never(Blame::Operator, "the box has no other version");
        let target = named.or_else(|| others().next_back()).ok_or_else(none)?;
        self.fits(&target.release)?;
        let version = target.release.version.clone();
        self.shelf.right(&file_of(&version), &target.uki)?;
        self.change(entry::start_next(&self.entries()?, &Entry::good(&version)))?;
        Ok(version)
    }
}

fn entries<M: Medium>(esp: &Esp<M>) -> Vec<Entry> {
    esp.files().iter().filter_map(|file| Entry::of(&file.path)).collect()
}

/// Length and hash of a file; none: it is not there or cannot be read.
fn described<M: Medium>(esp: &Esp<M>, path: &str) -> Result<Option<Uki>, Fault> {
    if !esp.file(path).is_some_and(|file| file.whole) {
        return Ok(None);
    }
    let mut judge = Judge::default();
    esp.copy_to(path, &mut judge).map_err(fault)?;
    Ok(Some(judge.finish()))
}

/// Writes a file, whether there is one of this path or not, and reads it back.
fn write<M: Medium>(
    esp: &mut Esp<M>,
    path: &str,
    wanted: &Uki,
    from: &mut impl Read,
) -> Result<(), Fault> {
    let is_new = esp.file(path).is_none();
    match is_new {
        false => esp.replace(path, wanted.bytes, from),
        true => esp.put(path, wanted.bytes, from),
    }
    .map_err(fault)?;
    if described(esp, path)?.as_ref() == Some(wanted) {
        return Ok(());
    }
    if is_new {
        esp.remove(path).map_err(fault)?;
    }
    let what = format!("{path} reads as something else than was written");
    Err(Fault::later(Blame::Medium, what))
}
