//! A new executable reads what this box has, before it is ever started as the first process.
//!
//! Owns both ends: the run of an executable out of memory, with a limit, and what it reads then. It runs in the cage of
//! whoever starts it and changes nothing.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::catalogue::export;
use crate::serve::config::Config;
use crate::settings::Settings;
use crate::stream::{Blame, Fault};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(50);
/// As much of what it says is told, bytes.
const WORDS_BYTES_MAX: u64 = 2048;

/// Copies of what a box has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// Settings, in their text form.
    pub settings: Option<PathBuf>,
    /// The configuration of the service.
    pub config: Option<PathBuf>,
    /// The records of the catalogue, exported.
    pub records: Option<PathBuf>,
}

impl Copies {
    /// Reads all of them, as this executable does.
    ///
    /// # Errors
    ///
    /// One of them cannot be read.
    pub fn read(&self) -> Result<(), Fault> {
        let text = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|e| Fault::host(format!("cannot read {}", path.display()), &e))
        };
        let of =
            |what: &str, fault: Fault| Fault { what: format!("{what}: {}", fault.what), ..fault };
        if let Some(path) = &self.settings {
            let settings = Settings::parse(&text(path)?).and_then(|settings| settings.check());
            settings.map_err(|fault| of("settings", fault))?;
        }
        if let Some(path) = &self.config {
            Config::parse(&text(path)?).map_err(|fault| of("configuration", fault))?;
        }
        if let Some(path) = &self.records {
            let file = File::open(path)
                .map_err(|e| Fault::host(format!("cannot read {}", path.display()), &e))?;
            export::records(&mut BufReader::new(file), "catalogue")?;
        }
        Ok(())
    }

    fn words(&self) -> Vec<String> {
        let all = [
            ("--settings", &self.settings),
            ("--config", &self.config),
            ("--records", &self.records),
        ];
        let pairs = all.into_iter().filter_map(|(word, path)| Some((word, path.as_ref()?)));
        pairs.flat_map(|(word, path)| [word.to_owned(), path.display().to_string()]).collect()
    }
}

/// Has an executable read the copies.
///
/// # Errors
///
/// It cannot be run, takes too long, or does not read them; what it said is told.
pub fn run(executable: &[u8], copies: &Copies) -> Result<(), Fault> {
    let failed = |e: io::Error| Fault::host("cannot test the new executable", &e);
    let memory =
        |name: &str| -> io::Result<File> { Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into()) };
    let mut file = memory("preflight").map_err(failed)?;
    file.write_all(executable).map_err(failed)?;
    let mut said = memory("said").map_err(failed)?;
    // Read-only: what is open to be written is not executed.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let program = File::open(&path).map_err(failed)?;
    drop(file);
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0("tapioca").arg("preflight").args(copies.words()).env_clear().current_dir("/");
    let words = || Ok(Stdio::from(said.try_clone()?));
    command.stdin(Stdio::null()).stdout(words().map_err(failed)?).stderr(words().map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if begun.elapsed() > LIMIT => {
                child.kill().and_then(|()| child.wait()).map_err(failed)?;
                let what = format!(
                    "the new version needs more than {} s to read what this box has",
                    LIMIT.as_secs()
                );
                return Err(Fault::never(Blame::Peer, what));
            }
            None => std::thread::sleep(LOOK),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    said.seek(SeekFrom::Start(0)).map_err(failed)?;
    said.take(WORDS_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    let what = format!("the new version does not read what this box has ({status}): {text}");
    Err(Fault::never(Blame::Peer, what))
}
