//! Small files: read whole, replaced whole.
//!
//! Owns atomic replacement of TOML files, the library-wide lock with its change counter, and the
//! paths. Refuses to guess: a file that does not parse is damaged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Reads and parses a TOML file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    toml::from_str(&text).map_err(|why| Error::damaged(path, why.message()))
}

/// Replaces a TOML file in one step: readers see the old one or the new one.
pub(crate) fn replace<T: Serialize>(path: &Path, value: &T, fsync: bool) -> Result<(), Error> {
    let text = toml::to_string(value).map_err(|why| Error::damaged(path, why))?;
    let fresh = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        if fsync {
            file.sync_data()?;
        }
        fs::rename(&fresh, path)
    };
    write().map_err(Error::io(path))
}

/// Where things lie in a library directory.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
}

impl Place {
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("library.toml")
    }

    pub(crate) fn robot(&self) -> PathBuf {
        self.dir.join("robot.toml")
    }

    pub(crate) fn faults(&self) -> PathBuf {
        self.dir.join("faults.toml")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn medium(&self, id: u32) -> PathBuf {
        self.dir.join("media").join(format!("{id:05}"))
    }

    pub(crate) fn drive(&self, number: u16) -> PathBuf {
        self.dir.join(format!("drive{number}"))
    }

    pub(crate) fn changer(&self) -> PathBuf {
        self.dir.join("changer")
    }
}

/// The library-wide lock. Drives hold it shared for the length of a command, whatever moves media
/// or cuts power holds it alone. The file carries a counter of changes made under the latter.
///
/// Everybody passes a gate first, and who wants to be alone keeps it shut while waiting: busy
/// drives, whose commands overlap, would shut the robot out for ever otherwise.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    gate: File,
    path: PathBuf,
}

impl Lock {
    pub(crate) fn open(path: &Path) -> Result<Lock, Error> {
        let (file, gate) = (open(path)?, open(&path.with_extension("gate"))?);
        Ok(Lock { file, gate, path: path.to_owned() })
    }

    pub(crate) fn shared(&self) -> Result<Held<'_>, Error> {
        self.hold(FlockOperation::LockShared)
    }

    pub(crate) fn alone(&self) -> Result<Held<'_>, Error> {
        self.hold(FlockOperation::LockExclusive)
    }

    fn hold(&self, how: FlockOperation) -> Result<Held<'_>, Error> {
        self.wait(&self.gate, how)?;
        let held = self.wait(&self.file, how).map(|()| Held { lock: self });
        self.wait(&self.gate, FlockOperation::Unlock)?;
        held
    }

    fn wait(&self, file: &File, how: FlockOperation) -> Result<(), Error> {
        loop {
            match flock(file, how) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::io(&self.path)(errno.into())),
            }
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io(path))
}

/// The lock, held until dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    lock: &'a Lock,
}

impl Held<'_> {
    /// Changes so far.
    pub(crate) fn changes(&self) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        match self.lock.file.read_at(&mut bytes, 0) {
            Ok(8) => Ok(u64::from_le_bytes(bytes)),
            Ok(_) => Ok(0),
            Err(why) => Err(Error::io(&self.lock.path)(why)),
        }
    }

    /// Tells everybody that something was changed.
    pub(crate) fn changed(&self) -> Result<u64, Error> {
        let next = self.changes()?.wrapping_add(1);
        self.lock.file.write_all_at(&next.to_le_bytes(), 0).map_err(Error::io(&self.lock.path))?;
        Ok(next)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Unlocking a descriptor we own cannot fail.
        let _ = flock(&self.lock.file, FlockOperation::Unlock);
    }
}
