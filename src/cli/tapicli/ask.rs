//! What people have the authority do.

use std::collections::BTreeSet;

use clap::{Args, Subcommand, ValueEnum};

use super::{Here, password, said, unexpected};
use crate::catalogue::record::{self, JobId, NewSet, Right};
use crate::cli::Done;
use crate::stream::Fault;
use crate::tapicom::message::{CheckedBy, Command, Page, Reply, UserWanted};

/// A right, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RightArg {
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
pub(super) struct Login {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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

pub(super) fn logout(here: &Here) -> Result<Done, Fault> {
    let done = here.call(Command::Logout);
    here.forget_ticket()?;
    done?;
    eprintln!("tapicli: logged out");
    Ok(Done::Whole)
}

#[derive(Subcommand)]
pub(super) enum Job {
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
    /// Its file list, as proc_record writes it
    List {
        /// Its number
        job: u64,
    },
}

impl Job {
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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
            Job::List { job } => super::show::file_list(here, JobId(job)),
        }
    }
}

#[derive(Subcommand)]
pub(super) enum Medium {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Medium::Show { tag } => here.show(Command::Medium { tag }),
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
pub(super) enum Library {
    /// What is where
    Inventory,
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Library::Inventory => {
                here.show(Command::Inventory { again: false, page: Page::default() })
            }
            Library::Move { from, to } => here.have(Command::Move { from, to }),
            Library::Import => here.have(Command::Import),
            Library::Export { tag } => here.have(Command::Export { tag }),
        }
    }
}

#[derive(Subcommand)]
pub(super) enum Drive {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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

#[derive(Subcommand)]
pub(super) enum Pool {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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
pub(super) enum Schedule {
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
pub(super) struct PutSchedule {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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
pub(super) enum User {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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
pub(super) enum Machine {
    /// The machines
    List,
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Machine::List => here.show(Command::Machines { page: Page::default() }),
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
pub(super) enum Ticket {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
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
pub(super) enum Wish {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        match self {
            Wish::List => here.show(Command::Wishes { page: Page::default() }),
            Wish::Erase { tag, why } => here.have(Command::WishErase { tag, why }),
            Wish::Agree { number } => here.have(Command::WishAgree { number }),
            Wish::Cancel { number } => here.have(Command::WishCancel { number }),
        }
    }
}

#[derive(Subcommand)]
pub(super) enum Request {
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
    pub(super) fn run(self, here: &Here) -> Result<Done, Fault> {
        let answer =
            |number, done, words| here.have(Command::RequestAnswer { number, done, words });
        match self {
            Request::List => here.show(Command::Requests { page: Page::default() }),
            Request::Done { number } => answer(number, true, String::new()),
            Request::No { number, why } => answer(number, false, why),
        }
    }
}
