//! Files that exist whole or not at all.
//!
//! Owns `NAME.partial`, made anew and never shared, until it is synced and gets its name. Whatever
//! had the name before stays untouched until then. Dropped earlier, it leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::stream::{Blame, Fault};

/// A file under construction.
pub struct WholeFile {
    file: File,
    partial: PathBuf,
    last: PathBuf,
    published: bool,
}

impl WholeFile {
    /// Starts the file that will be called `last`.
    pub fn create(last: &Path) -> Result<WholeFile, Fault> {
        if let Ok(there) = fs::metadata(last)
            && !there.is_file()
        {
            let what = format!("cannot replace {}: it is not a file", last.display());
            return Err(Fault::never(Blame::Operator, what));
        }
        let mut partial = last.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new().write(true).create_new(true).open(&partial);
        let file = file.map_err(|e| not_created(&partial, &e))?;
        Ok(WholeFile { file, partial, last: last.to_owned(), published: false })
    }

    /// Its name once it is whole.
    pub fn path(&self) -> &Path {
        &self.last
    }

    /// Syncs the file, gives it its name and syncs that.
    pub fn publish(&mut self) -> Result<(), Fault> {
        let failed = |what: &str| {
            let what = format!("cannot {what} {}", self.last.display());
            move |error: io::Error| Fault::host(what, &error)
        };
        self.file.sync_all().map_err(failed("sync"))?;
        fs::rename(&self.partial, &self.last).map_err(failed("name"))?;
        self.published = true;
        let folder = match self.last.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder).and_then(|f| f.sync_all()).map_err(failed("sync the folder of"))
    }
}

fn not_created(partial: &Path, error: &io::Error) -> Fault {
    let fault = Fault::host(format_args!("cannot create {}", partial.display()), error);
    match error.kind() {
        ErrorKind::AlreadyExists => {
            fault.hint("someone else is writing it, or was stopped and it can be removed")
        }
        _ => fault,
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = fs::remove_file(&self.partial) {
            tracing::warn!(path = %self.partial.display(), %error, "cannot remove");
        }
    }
}
