//! `init`: the first process of the machine, and how it is.

use std::ffi::OsString;
use std::io::Write;

use clap::Args;

use super::{Done, table};
use crate::init::client;
use crate::init::message::{Reply, Request};
use crate::stream::{Blame, Fault};

/// Start the machine and keep its processes, as the first of them; or say how they are
///
/// Started by the kernel. Mounts, loads modules, finds the disk, starts what the board says, and keeps it running.
#[derive(Args)]
pub(super) struct InitArgs {
    /// Say how the init of this machine is, and end
    #[arg(long)]
    status: bool,
    /// Words of the kernel's command line that the kernel does not know
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl InitArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        if !self.status {
            drop(self.words);
            crate::init::run()?;
            return Ok(Done::Whole);
        }
        let Reply::Status(status) = client::ask(&Request::Status)? else {
            return Err(Fault::never(Blame::Host, "init does not say how it is"));
        };
        table::print(|out| {
            for step in &status.steps {
                let wrong = if step.wrong.is_empty() { "ok" } else { step.wrong.as_str() };
                writeln!(out, "{:<12} {:>8} ms  {wrong}", step.name.as_str(), step.ms)?;
            }
            for child in &status.children {
                let state = if child.degraded { "degraded" } else { "" };
                let (name, restarts) = (child.name.as_str(), child.restarts);
                writeln!(out, "{name:<16} process {:<6} restarts {restarts} {state}", child.pid)?;
            }
            Ok(())
        })?;
        Ok(Done::Whole)
    }
}
