//! What people have the authority do.

use std::collections::BTreeSet;

use clap::{Args, Subcommand, ValueEnum};

use super::{Here, password, said, unexpected};

use crate::catalogue::record::{JobId, Right};
use crate::cli::Done;
use crate::stream::Fault;
use crate::tapicom::message::{Command, Page, Reply};

mod books;
mod notify;

pub(super) use books::{Machine, Pool, Request, Schedule, Ticket, User, Wish};
pub(super) use notify::Notify;

/// A right, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli::tapicli) enum RightArg {
    /// Look at jobs, media and the library, and at names of files of one's own machine
    Look,
    /// Add backups of one's own machine
    BackUp,
    /// Restore what one's own machine backed up, onto it
    Restore,
    /// See and restore what any machine backed up, onto any
    RestoreElsewhere,
    /// Move and label media, answer requests, cancel jobs
    Operate,
    /// Users, machines, pools, schedules
    Administer,
    /// Ask for, and agree to, the destruction of data that has not expired
    Erase,
}

impl From<RightArg> for Right {
    fn from(right: RightArg) -> Right {
        match right {
            RightArg::Look => Right::Look,
            RightArg::BackUp => Right::BackUp,
            RightArg::Restore => Right::Restore,
            RightArg::RestoreElsewhere => Right::RestoreElsewhere,
            RightArg::Operate => Right::Operate,
            RightArg::Administer => Right::Administer,
            RightArg::Erase => Right::Erase,
        }
    }
}

fn rights(rights: &[RightArg]) -> BTreeSet<Right> {
    rights.iter().copied().map(Right::from).collect()
}

/// `90`, `30d`, `12h`, `5m`: seconds.
fn span(text: &str) -> Result<i64, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return Err("spans are 90s, 5m, 12h, 30d, 4w or 1y".into()),
    };
    let number: i64 = number.parse().map_err(|_| "a span begins with a number".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is too long".into())
}

impl Here {
    /// Has it done, and says so.
    fn have(&self, command: Command) -> Result<Done, Fault> {
        match self.call(command)? {
            Reply::Done => {
                eprintln!("tapicli: done");
                Ok(Done::Whole)
            }
            other => {
                super::show::show(self, other)?;
                Ok(Done::Whole)
            }
        }
    }
}

#[derive(Args)]
pub(in crate::cli::tapicli) struct Login {
    /// Who
    user: String,
    /// What the ticket is for (default: all you may, but for erasing)
    #[arg(long = "for", value_enum, value_name = "RIGHT")]
    rights: Vec<RightArg>,
    /// How long it is good: 12h, 30d (default: until you log out)
    #[arg(long, value_parser = span, value_name = "SPAN")]
    life: Option<i64>,
}

impl Login {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        let all = Right::ALL.into_iter().filter(|right| *right != Right::Erase);
        let rights = if self.rights.is_empty() { all.collect() } else { rights(&self.rights) };
        let mut client = here.connect()?;
        client.with_ticket(None);
        let password = password("Password")?;
        let (user, life_s) = (self.user, self.life);
        let login = Command::Login { user, password, rights, life_s };
        match said(client.call(login)?)? {
            Reply::Login { ticket, view } => {
                let path = here.keep_ticket(&ticket)?;
                let may = view.rights.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>();
                eprintln!("tapicli: logged in as {}; may {}", view.user, may.join(", "));
                eprintln!("tapicli: the ticket is in {}", path.display());
                Ok(Done::Whole)
            }
            _ => Err(unexpected()),
        }
    }
}

pub(in crate::cli::tapicli) fn logout(here: &Here) -> Result<Done, Fault> {
    let done = here.call(Command::Logout);
    here.forget_ticket()?;
    done?;
    eprintln!("tapicli: logged out");
    Ok(Done::Whole)
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Job {
    /// All about it
    Show {
        /// Its number
        job: u64,
    },
    /// End it; what is recorded stays
    Cancel {
        /// Its number
        job: u64,
    },
    /// Let it wait until it is let go
    Hold {
        /// Its number
        job: u64,
    },
    /// Let a held job go, or ask how an interrupted one stands
    Resume {
        /// Its number
        job: u64,
    },
    /// Move it in the queue
    Priority {
        /// Its number
        job: u64,
        /// Higher goes first
        #[arg(allow_negative_numbers = true)]
        priority: i32,
    },
    /// Read back what it kept
    Verify {
        /// Its number
        job: u64,
    },
    /// Write what it kept once more
    Copy {
        /// Its number
        job: u64,
        /// Where the copy goes
        #[arg(long)]
        pool: String,
    },
    /// What a restore could not give back: files, bytes, and the cartridge that should have them
    Gaps {
        /// Its number
        job: u64,
    },
    /// Its file list, as proc_record writes it
    List {
        /// Its number
        job: u64,
    },
}

impl Job {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Job::Show { job } => here.show(Command::JobReport { job: JobId(job), kept_from: 0 }),
            Job::Cancel { job } => here.have(Command::JobCancel { job: JobId(job) }),
            Job::Hold { job } => here.have(Command::JobHold { job: JobId(job) }),
            Job::Resume { job } => here.have(Command::JobResume { job: JobId(job) }),
            Job::Priority { job, priority } => {
                here.have(Command::JobPriority { job: JobId(job), priority })
            }
            Job::Verify { job } => here.have(Command::Verify { of: JobId(job), copy: None }),
            Job::Copy { job, pool } => here.have(Command::Copy { of: JobId(job), pool }),
            Job::Gaps { job } => super::show::gaps(here, JobId(job)),
            Job::List { job } => super::show::file_list(here, JobId(job)),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Medium {
    /// All about it
    Show {
        /// Its volume tag
        tag: String,
    },
    /// Let it serve a pool
    Assign {
        /// Its volume tag
        tag: String,
        /// The pool
        #[arg(long)]
        pool: String,
    },
    /// Let what has expired on it be overwritten
    Release {
        /// Its volume tag
        tag: String,
    },
    /// Write nothing on it any more
    Retire {
        /// Its volume tag
        tag: String,
        /// Why
        #[arg(long)]
        why: String,
    },
    /// Look who it is
    Identify {
        /// Its volume tag
        tag: String,
    },
}

impl Medium {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Medium::Show { tag } => {
                here.show(Command::Medium { tag: tag.clone() })?;
                here.show(Command::Conditions { medium: Some(tag) })
            }
            Medium::Assign { tag, pool } => {
                here.have(Command::MediumAssign { tag, pool: Some(pool) })
            }
            Medium::Release { tag } => here.have(Command::MediumRelease { tag }),
            Medium::Retire { tag, why } => here.have(Command::MediumRetire { tag, why }),
            Medium::Identify { tag } => here.have(Command::Identify { tag }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Library {
    /// What is where
    Inventory,
    /// How the drives are: errors, alerts, cleanings, speeds
    Health,
    /// Move a cartridge: `move "slot 3" "mail slot 1"`
    Move {
        /// From where
        from: String,
        /// To where
        to: String,
    },
    /// Take in what lies in the mail slots
    Import,
    /// Bring a cartridge to a mail slot
    Export {
        /// Its volume tag
        tag: String,
    },
}

impl Library {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Library::Inventory => {
                here.show(Command::Inventory { again: false, page: Page::default() })
            }
            Library::Health => here.show(Command::Conditions { medium: None }),
            Library::Move { from, to } => here.have(Command::Move { from, to }),
            Library::Import => here.have(Command::Import),
            Library::Export { tag } => here.have(Command::Export { tag }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Drive {
    /// The drives and what they do
    List,
    /// Clean one as soon as it is idle
    Clean {
        /// Its number
        drive: u32,
    },
    /// Take the cartridge out of one
    Unload {
        /// Its number
        drive: u32,
    },
    /// Use one again
    Use {
        /// Its number
        drive: u32,
    },
    /// Take one out of service
    Rest {
        /// Its number
        drive: u32,
    },
}

impl Drive {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Drive::List => here.show(Command::Drives),
            Drive::Clean { drive } => here.have(Command::Clean { drive }),
            Drive::Unload { drive } => {
                let (from, to) = (format!("drive {drive}"), "slot 0".into());
                here.have(Command::Move { from, to })
            }
            Drive::Use { drive } => here.have(Command::DriveUse { drive, used: true }),
            Drive::Rest { drive } => here.have(Command::DriveUse { drive, used: false }),
        }
    }
}
