//! Copies of what the box starts, on the data file system, and what happened to them.
//!
//! Owns a folder: `VERSION.efi` with `VERSION.json`, its manifest; the loader and its settings; and the journal. A file
//! is written beside its place, is durable, is read back, and only then takes it: what has its name is whole, or was
//! damaged later, which its hash tells.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use bundle::{Manifest, Uki, Version};
use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use crate::stream::{Blame, Fault};
use crate::update::{TOLD_MAX, Told};

/// What the updater knows beyond a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// A version that was put in place and is not accepted yet.
    pub trial: Option<Pending>,
    /// The version that was accepted last.
    pub ran: Option<Version>,
    /// The one before it.
    pub before: Option<Version>,
    /// What the loader and its settings should be.
    #[serde(default)]
    pub fixed: Vec<(String, Uki)>,
    /// What happened, newest first.
    #[serde(default)]
    pub told: Vec<Told>,
}

/// A version that is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Which.
    pub version: Version,
    /// From which start of the kernel on it is what is started next: that start is no try of it.
    pub boot: String,
    /// Drives and changer that were there.
    pub devices: Vec<String>,
    /// Processes that did not run well.
    pub ailing: Vec<String>,
    /// What the version said of itself when it was tried.
    pub words: Vec<String>,
}

impl Journal {
    /// A version is accepted. What was accepted before can be gone back to.
    pub fn accepted(&mut self, version: &Version) {
        if self.ran.as_ref() != Some(version) {
            self.before = self.ran.replace(version.clone());
        }
        self.trial = self.trial.take().filter(|trial| trial.version != *version);
    }

    /// Writes down what happened.
    pub fn tell(&mut self, at_s: i64, words: &str) {
        self.told.insert(0, Told { at_s, words: words.into() });
        self.told.truncate(TOLD_MAX);
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Shelf {
    folder: PathBuf,
}

/// Longest journal, bytes.
const JOURNAL_BYTES_MAX: u64 = 1 << 20;

/// Length and hash of all that `from` gives.
///
/// # Errors
///
/// Those of `from`.
pub fn describe(from: &mut impl Read) -> io::Result<Uki> {
    let mut judge = Judge::default();
    io::copy(from, &mut judge)?;
    Ok(judge.finish())
}

/// Takes bytes and tells their length and hash.
pub struct Judge {
    hash: Context,
    bytes: u64,
}

impl Default for Judge {
    fn default() -> Judge {
        Judge { hash: Context::new(&SHA256), bytes: 0 }
    }
}

impl Judge {
    /// What came.
    pub fn finish(self) -> Uki {
        let digest = self.hash.finish();
        let sha256 = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Uki { bytes: self.bytes, sha256 }
    }
}

impl Write for Judge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shelf {
    /// At a folder, which must be there.
    pub fn at(folder: PathBuf) -> Shelf {
        Shelf { folder }
    }

    /// Where something of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn failed(&self, what: &str, name: &str) -> impl Fn(io::Error) -> Fault + use<> {
        let what = format!("cannot {what} {}", self.path(name).display());
        move |e| Fault::host(what.clone(), &e)
    }

    /// Puts a file in its place, durable and read back.
    ///
    /// # Errors
    ///
    /// It cannot be written, or reads as something else: what had this name has it still.
    pub fn put(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Fault>,
    ) -> Result<Uki, Fault> {
        let draft = self.path(&format!("{name}.part"));
        let put = self.put_by(name, &draft, write);
        if put.is_err() {
            remove(&draft).map_err(self.failed("remove", &format!("{name}.part")))?;
        }
        put
    }

    fn put_by(
        &self,
        name: &str,
        draft: &Path,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Fault>,
    ) -> Result<Uki, Fault> {
        let failed = self.failed("write", name);
        let how = File::options().read(true).write(true).create(true).truncate(true).open(draft);
        let mut file = how.map_err(&failed)?;
        let mut both = Both { file: &mut file, judge: Judge::default() };
        write(&mut both)?;
        let written = both.judge.finish();
        file.sync_all().map_err(&failed)?;
        // From the medium, not from memory.
        fadvise(&file, 0, None, Advice::DontNeed).map_err(|e| failed(e.into()))?;
        let mut again = File::open(draft).map_err(&failed)?;
        if describe(&mut again).map_err(&failed)? != written {
            let what = format!("{} reads as something else than was written", draft.display());
            return Err(Fault::later(Blame::Medium, what));
        }
        fs::rename(draft, self.path(name)).map_err(&failed)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(&failed)?;
        Ok(written)
    }

    /// Gives a file that is durable another name.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let renamed = fs::rename(self.path(from), self.path(to))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        renamed.map_err(self.failed("rename", from))
    }

    /// Takes a file out, if there is one.
    ///
    /// # Errors
    ///
    /// It cannot be.
    pub fn discard(&self, name: &str) -> Result<(), Fault> {
        remove(&self.path(name)).map_err(self.failed("remove", name))
    }

    /// Versions whose manifest is here, ordered. Whether the bootable file is right is not looked at.
    pub fn manifests(&self) -> Result<Vec<Manifest>, Fault> {
        let failed = self.failed("list", "");
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(&failed)? {
            let name = entry.map_err(&failed)?.file_name();
            let version = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if let Some(version) = version.and_then(|text| text.parse().ok()) {
                all.extend(self.manifest(&version));
            }
        }
        all.sort_by(|a, b| a.release.version.cmp(&b.release.version));
        Ok(all)
    }

    /// The manifest of a version; none: there is none that can be read.
    pub fn manifest(&self, version: &Version) -> Option<Manifest> {
        let bytes = fs::read(self.path(&format!("{version}.json"))).ok()?;
        Manifest::parse(&bytes).ok().filter(|manifest| manifest.release.version == *version)
    }

    /// Writes a version's manifest, once its bootable file is here.
    pub fn put_manifest(&self, manifest: &Manifest) -> Result<(), Fault> {
        let text = manifest.text();
        let name = format!("{}.json", manifest.release.version);
        self.put(&name, &mut |to| {
            to.write_all(text.as_bytes()).map_err(|e| Fault::host("cannot write a manifest", &e))
        })
        .map(drop)
    }

    /// A file whose content is what it should be.
    ///
    /// # Errors
    ///
    /// It is another, or cannot be read.
    pub fn right(&self, name: &str, wanted: &Uki) -> Result<File, Fault> {
        let failed = self.failed("read", name);
        let mut file = File::open(self.path(name)).map_err(&failed)?;
        if describe(&mut file).map_err(&failed)? != *wanted {
            let what = format!("{} is damaged", self.path(name).display());
            return Err(Fault::never(Blame::Medium, what));
        }
        io::Seek::rewind(&mut file).map_err(&failed)?;
        Ok(file)
    }

    /// Takes a version out: first what says that it is here.
    pub fn remove(&self, version: &Version) -> Result<(), Fault> {
        for name in [format!("{version}.json"), format!("{version}.efi")] {
            self.discard(&name)?;
        }
        Ok(())
    }

    /// The journal; of what cannot be read none, and why.
    pub fn journal(&self) -> (Journal, Option<String>) {
        let path = self.path("journal");
        let read = || -> io::Result<Journal> {
            let mut text = String::new();
            File::open(&path)?.take(JOURNAL_BYTES_MAX).read_to_string(&mut text)?;
            serde_json::from_str(&text).map_err(io::Error::other)
        };
        match read() {
            Ok(journal) => (journal, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Journal::default(), None),
            Err(error) => (Journal::default(), Some(format!("{}: {error}", path.display()))),
        }
    }

    /// Writes the journal.
    ///
    /// # Errors
    ///
    /// It cannot be written; the one before is there still.
    pub fn put_journal(&self, journal: &Journal) -> Result<(), Fault> {
        let text = serde_json::to_string(journal)
            .map_err(|e| Fault::never(Blame::Ours, format!("a journal cannot be written: {e}")))?;
        self.put("journal", &mut |to| {
            to.write_all(text.as_bytes()).map_err(|e| Fault::host("cannot write the journal", &e))
        })
        .map(drop)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct Both<'a> {
    file: &'a mut File,
    judge: Judge,
}

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.judge.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
