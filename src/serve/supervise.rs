//! Processes that the service keeps running.
//!
//! Owns the start, the pause before another start, which grows as long as a process keeps dying, and the
//! end. A process ends with whoever keeps it, whatever way that goes: it is told so by the kernel
//! ([`end_with_parent`]).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

use crate::stream::{Blame, Fault};

/// The shortest pause before another start, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// One that ran so long has not just died again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Has the kernel kill this process when the thread that started it is gone.
///
/// # Errors
///
/// The kernel refuses, or the parent is gone already.
pub fn end_with_parent(parent: u32) -> Result<(), Fault> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| Fault::host("cannot be tied to the parent process", &e.into()))?;
    let now = getppid().map(|pid| pid.as_raw_nonzero().get());
    match now.and_then(|pid| u32::try_from(pid).ok()) == Some(parent) {
        true => Ok(()),
        false => Err(Fault::later(Blame::Host, "the process that started this one is gone")),
    }
}

/// What runs.
#[derive(Debug, Clone)]
pub struct Program {
    /// What it is called, in the log.
    pub name: &'static str,
    /// The executable.
    pub path: PathBuf,
    /// Its words.
    pub words: Vec<OsString>,
}

/// A program that is kept running.
pub struct Kept {
    program: Program,
    child: Option<Child>,
    started: Instant,
    pause: Duration,
}

impl Kept {
    /// Will run it. Must be used by one thread that lasts as long as the service.
    pub fn new(program: Program) -> Kept {
        Kept { program, child: None, started: Instant::now(), pause: Duration::ZERO }
    }

    /// Its process, if it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Looks whether it runs, and starts it if it does not and has waited long enough. To be called
    /// several times a second. Tells how it ended, if it just did.
    pub fn look(&mut self) -> Option<std::process::ExitStatus> {
        match self.child.as_mut().map(Child::try_wait) {
            None if self.started.elapsed() >= self.pause => self.start(),
            None | Some(Ok(None)) => {}
            Some(Ok(Some(status))) => {
                self.ended();
                return Some(status);
            }
            Some(Err(error)) => tracing::error!(%error, "cannot look after {}", self.program.name),
        }
        None
    }

    fn ended(&mut self) {
        self.child = None;
        let healthy = self.started.elapsed() >= HEALTHY;
        let longer = (self.pause * 2).clamp(PAUSES.0, PAUSES.1);
        self.pause = if healthy { PAUSES.0 } else { longer };
        self.started = Instant::now();
    }

    fn start(&mut self) {
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.words).stdin(Stdio::null());
        self.started = Instant::now();
        match command.spawn() {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                tracing::error!(%error, "cannot start {}", self.program.name);
                self.ended();
            }
        }
    }

    /// Asks it to end.
    pub fn end(&self) {
        let pid = self.child.as_ref().map(Pid::from_child);
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
            tracing::debug!(%error, "{} is gone already", self.program.name);
        }
    }

    /// Waits until it has ended; kills it after `grace`.
    pub fn wait(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        while let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(None) => {
                    if let Err(error) = child.kill().and_then(|()| child.wait()) {
                        tracing::error!(%error, "cannot end {}", self.program.name);
                    }
                    self.child = None;
                }
                Ok(Some(_)) | Err(_) => self.child = None,
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
        self.wait(Duration::from_secs(10));
    }
}
