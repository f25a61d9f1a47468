//! Whom the appliance tells what, by command.

use clap::{Subcommand, ValueEnum};

use super::super::{Here, said, unexpected};
use crate::cli::Done;
use crate::stream::{Blame, Fault};
use crate::tapicom::message::{Command, Notification, Reply, Severity};

/// From how bad on.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli::tapicli) enum From {
    /// Everything
    Note,
    /// What came to less than it should
    Warning,
    /// What was promised and is lost or in danger
    Alarm,
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Notify {
    /// Who is told what, besides those of the appliance's configuration
    List,
    /// Tell somebody, or change what they are told
    Put {
        /// What you call them
        name: String,
        /// mailto:ADDRESS, by the mail server of the configuration, or https://ADDRESS
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// From how bad on
        #[arg(long, value_enum, default_value = "warning")]
        from: From,
        /// Ask there for what only a person can do, too
        #[arg(long)]
        requests: bool,
    },
    /// Tell somebody nothing any more
    Drop {
        /// What you call them
        name: String,
    },
}

impl Notify {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Notify::List => here.show(Command::Notifications),
            Notify::Put { name, to, from, requests } => {
                let mut all = known(here)?;
                all.retain(|one| one.name != name);
                let from = match from {
                    From::Note => Severity::Note,
                    From::Warning => Severity::Warning,
                    From::Alarm => Severity::Alarm,
                };
                all.push(Notification { name, to, from, requests });
                here.have(Command::NotificationsPut { all })
            }
            Notify::Drop { name } => {
                let mut all = known(here)?;
                let before = all.len();
                all.retain(|one| one.name != name);
                if all.len() == before {
                    let what = format!("nobody is called {name}");
                    return Err(Fault::never(Blame::Operator, what).hint("tapicli notify list"));
                }
                here.have(Command::NotificationsPut { all })
            }
        }
    }
}

fn known(here: &Here) -> Result<Vec<Notification>, Fault> {
    match said(here.connect()?.call(Command::Notifications)?)? {
        Reply::Notifications(all) => Ok(all),
        _ => Err(unexpected()),
    }
}
