//! Pools, schedules, people, machines, tickets and wishes.

use clap::{Args, Subcommand};

use super::{RightArg, rights, span};
use crate::catalogue::record::{self, NewSet};
use crate::cli::Done;
use crate::cli::tapicli::{Here, password};
use crate::stream::Fault;
use crate::tapicom::message::{CheckedBy, Command, Page, UserWanted};

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Pool {
    /// The pools
    List,
    /// Make one, or change it
    Put {
        /// Its name
        name: String,
        /// How long backups are safe from being overwritten: 30d, 1y
        #[arg(long, value_parser = span, value_name = "SPAN", default_value = "30d")]
        keep: i64,
        /// Begin a new set of media so often: always, never, 7d
        #[arg(long, value_name = "WHEN", default_value = "never", value_parser = new_set)]
        new_set: NewSet,
        /// Take only cartridges that were assigned, no blank ones by itself
        #[arg(long)]
        assigned_only: bool,
        /// The pool that second copies go to
        #[arg(long, value_name = "POOL")]
        copy_to: Option<String>,
    },
    /// Forget one that keeps nothing
    Drop {
        /// Its name
        name: String,
    },
    /// The sets of media
    Sets {
        /// Of this pool
        #[arg(long)]
        pool: Option<String>,
    },
}

fn new_set(text: &str) -> Result<NewSet, String> {
    match text {
        "never" => Ok(NewSet::Never),
        "always" => Ok(NewSet::Always),
        other => span(other).map(NewSet::After),
    }
}

impl Pool {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Pool::List => here.show(Command::Pools { page: Page::default() }),
            Pool::Put { name, keep, new_set, assigned_only, copy_to } => {
                here.have(Command::PoolPut(record::Pool {
                    name,
                    retention_s: keep,
                    new_set,
                    takes_blank: !assigned_only,
                    copy_to,
                }))
            }
            Pool::Drop { name } => here.have(Command::PoolDrop { name }),
            Pool::Sets { pool } => here.show(Command::Sets { pool, page: Page::default() }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Schedule {
    /// The schedules, each with its next time
    List,
    /// Make one, or change it
    Put(PutSchedule),
    /// Forget one; what it made stays
    Drop {
        /// Its name
        name: String,
    },
    /// Let it make jobs
    On {
        /// Its name
        name: String,
    },
    /// Let it make none
    Off {
        /// Its name
        name: String,
    },
    /// Run it now
    Run {
        /// Its name
        name: String,
    },
}

#[derive(Args)]
pub(in crate::cli::tapicli) struct PutSchedule {
    /// Its name
    name: String,
    /// When: `daily at 02:30`, `every monday at 22:00`, or a cron expression
    #[arg(long)]
    when: String,
    /// The machine that is asked
    #[arg(long)]
    machine: String,
    /// What its backups are called
    #[arg(long, default_value = "files")]
    backup: String,
    /// The pool
    #[arg(long, default_value = "default")]
    pool: String,
    /// A full one every so many times
    #[arg(long, value_name = "N", default_value_t = 7)]
    full_every: u32,
    /// Priority of its jobs
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Leave out a job that could not begin for so long
    #[arg(long, value_parser = span, value_name = "SPAN", default_value = "6h")]
    window: i64,
    /// Try again so often
    #[arg(long, value_name = "N", default_value_t = 3)]
    retries: u32,
    /// What is taken there
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

impl Schedule {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        let enable = |name, enabled| here.have(Command::ScheduleEnable { name, enabled });
        match self {
            Schedule::List => here.show(Command::Schedules { page: Page::default() }),
            Schedule::Put(put) => here.have(Command::SchedulePut(record::Schedule {
                name: put.name,
                when: put.when,
                machine: put.machine,
                backup: put.backup,
                paths: put.paths,
                pool: put.pool,
                full_every: put.full_every,
                priority: put.priority,
                window_s: put.window,
                retries: put.retries,
                enabled: true,
                runs: 0,
                last_s: None,
            })),
            Schedule::Drop { name } => here.have(Command::ScheduleDrop { name }),
            Schedule::On { name } => enable(name, true),
            Schedule::Off { name } => enable(name, false),
            Schedule::Run { name } => here.have(Command::ScheduleRun { name }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum User {
    /// The people
    List,
    /// Make somebody known, or change them
    Put {
        /// What they type
        name: String,
        /// What they may do. May be given again
        #[arg(long = "may", value_enum, value_name = "RIGHT")]
        rights: Vec<RightArg>,
        /// Machines from which they may log in (default: any that is enrolled)
        #[arg(long = "from", value_name = "MACHINE")]
        machines: Vec<String>,
        /// Their password is checked by the machine they log in from
        #[arg(long)]
        by_machine: bool,
        /// May log in no more
        #[arg(long)]
        disabled: bool,
    },
    /// Set a password; asks for it
    Password {
        /// Whose (default: yours)
        name: Option<String>,
    },
    /// Forget somebody
    Drop {
        /// Who
        name: String,
    },
}

impl User {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            User::List => here.show(Command::Users { page: Page::default() }),
            User::Put { name, rights: may, machines, by_machine, disabled } => {
                here.have(Command::UserPut(UserWanted {
                    name,
                    checked_by: if by_machine { CheckedBy::Machine } else { CheckedBy::Here },
                    rights: rights(&may),
                    machines: machines.into_iter().collect(),
                    disabled,
                }))
            }
            User::Password { name } => {
                let old = match name {
                    Some(_) => None,
                    None => Some(password("Old password")?),
                };
                let new = password("New password")?;
                here.have(Command::Password { user: name, old, new })
            }
            User::Drop { name } => here.have(Command::UserDrop { name }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Machine {
    /// The machines
    List,
    /// What they may give today, gave, and have left
    Quota,
    /// Get a code with which a machine enrols: on it, `plumb enrol BOX CODE`
    Enrol {
        /// What it is to be called
        name: String,
    },
    /// Make a machine known, or change it
    Put {
        /// Its name
        name: String,
        /// Where its own netplumber is, for backups that the appliance asks for
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
        /// Bytes it may give in a day
        #[arg(long, value_name = "BYTES")]
        quota: Option<u64>,
        /// Backups of it that may run at once
        #[arg(long, value_name = "N", default_value_t = 4)]
        jobs: u32,
    },
    /// Refuse it from now on, and end its connections
    Revoke {
        /// Its name
        name: String,
    },
    /// Forget one
    Drop {
        /// Its name
        name: String,
    },
}

impl Machine {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Machine::List => here.show(Command::Machines { page: Page::default() }),
            Machine::Quota => here.show(Command::Quotas { page: Page::default() }),
            Machine::Enrol { name } => here.show(Command::EnrolCode { machine: name }),
            Machine::Put { name, address, quota, jobs } => {
                here.have(Command::MachinePut(record::Machine {
                    name,
                    address,
                    quota_bytes: quota,
                    jobs_max: jobs,
                }))
            }
            Machine::Revoke { name } => here.have(Command::MachineRevoke { name }),
            Machine::Drop { name } => here.have(Command::MachineDrop { name }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Ticket {
    /// Tickets that are good
    List {
        /// Whose (default: yours)
        user: Option<String>,
    },
    /// Let one be good no more
    Revoke {
        /// Its public half, as `list` shows it
        id: String,
    },
}

impl Ticket {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Ticket::List { user } => here.show(Command::Tickets { user, page: Page::default() }),
            Ticket::Revoke { id } => {
                let parsed =
                    (0..16).map(|at| u8::from_str_radix(id.get(2 * at..2 * at + 2)?, 16).ok());
                let bytes: Option<Vec<u8>> = parsed.collect();
                let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
                let id = bytes.filter(|_| id.len() == 32).ok_or_else(|| {
                    Fault::usage("a ticket's public half has 32 hexadecimal digits")
                })?;
                here.have(Command::TicketRevoke { id })
            }
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Wish {
    /// What is to be destroyed, and who asked
    List,
    /// Ask that a cartridge be erased
    Erase {
        /// Its volume tag
        tag: String,
        /// Why
        #[arg(long)]
        why: String,
    },
    /// Agree, as the second person
    Agree {
        /// Its number
        number: u64,
    },
    /// Let it not be done
    Cancel {
        /// Its number
        number: u64,
    },
}

impl Wish {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Wish::List => here.show(Command::Wishes { page: Page::default() }),
            Wish::Erase { tag, why } => here.have(Command::WishErase { tag, why }),
            Wish::Agree { number } => here.have(Command::WishAgree { number }),
            Wish::Cancel { number } => here.have(Command::WishCancel { number }),
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli::tapicli) enum Request {
    /// What people are asked to do
    List,
    /// It is done
    Done {
        /// Its number
        number: u64,
    },
    /// It cannot be done
    No {
        /// Its number
        number: u64,
        /// Why
        #[arg(long, default_value = "")]
        why: String,
    },
}

impl Request {
    pub(in crate::cli::tapicli) fn run(self, here: &Here) -> Result<Done, Fault> {
        let answer =
            |number, done, words| here.have(Command::RequestAnswer { number, done, words });
        match self {
            Request::List => here.show(Command::Requests { page: Page::default() }),
            Request::Done { number } => answer(number, true, String::new()),
            Request::No { number, why } => answer(number, false, why),
        }
    }
}
