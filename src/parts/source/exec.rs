//! `src_exec`: what a command prints becomes a stream.
//!
//! Owns the child from start to reaping. Only exit status 0 ends the stream well; any other, or a
//! death by signal, aborts it. The child gets an empty standard input, our standard error and no
//! other descriptor; no shell is involved. If we fail first, it is killed and reaped.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::pour::pour;
use crate::stream::{Begin, Blame, End, Fault, Item, Outlet, Source};

/// Runs one command.
pub struct Exec {
    command: Vec<OsString>,
    begin: Begin,
    kind: Option<String>,
}

impl Exec {
    /// Will run `command` (the program, then its arguments). `begin` and `kind` as for `src_stdin`.
    pub fn new(command: Vec<OsString>, begin: Begin, kind: Option<String>) -> Exec {
        Exec { command, begin, kind }
    }

    fn named(&self) -> String {
        self.command.first().map(|c| c.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn start(&self) -> Result<Running, Fault> {
        let [program, arguments @ ..] = &self.command[..] else {
            return Err(Fault::usage("no command to run"));
        };
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map(Running)
            .map_err(|e| Fault::never(Blame::Operator, format!("cannot run {}: {e}", self.named())))
    }
}

impl Source for Exec {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let named = self.named();
        let mut child = self.start()?;
        let mut from = child.0.stdout.take().expect("its standard output is piped");
        let bytes = pour(&mut from, &named, self.begin.clone(), self.kind.as_deref(), out)?;
        let status = child.0.wait();
        let status = status.map_err(|e| Fault::host(format_args!("cannot await {named}"), &e))?;
        if !status.success() {
            return Err(Fault::later(Blame::Peer, format!("{named} {}", fate(status))));
        }
        out.put(Item::End(End { bytes, skipped: 0 }))?;
        Ok(0)
    }
}

fn fate(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".into(),
    }
}

/// A child that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            tracing::warn!(%error, "cannot stop the command");
        }
    }
}
