//! `catalogue`: checks what the authority remembers, writes it down as text, makes it anew from cartridges.

use std::fs::{File, Permissions};
use std::io::{BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Done;
use super::library::Cartridges;
use super::secret::Opening;
use super::table::{Facts, Table, bytes, print, print_json};
use crate::catalogue::check::{Checked, check};
use crate::catalogue::export::{export, records};
use crate::catalogue::rebuild::{Known, Rebuilt};
use crate::catalogue::record::{Job, JobState, Level, Record, Work};
use crate::parts::process::age::unseal::unseal_found;
use crate::parts::whole_file::WholeFile;
use crate::serve::rebuild;
use crate::stream::{Blame, Fault};

/// Check, export or rebuild what the authority remembers
#[derive(Subcommand)]
pub(super) enum Catalogue {
    /// Read all of a catalogue and tell what is wrong with it
    Check(Check),
    /// Write a catalogue as JSON lines, the same for the same content
    Export(Export),
    /// Make a new catalogue of what lies on cartridges
    Rebuild(Rebuild),
}

impl Catalogue {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Catalogue::Check(_) => "catalogue check",
            Catalogue::Export(_) => "catalogue export",
            Catalogue::Rebuild(_) => "catalogue rebuild",
        }
    }

    pub(super) fn run(self) -> Result<Done, Fault> {
        match self {
            Catalogue::Check(args) => args.run(),
            Catalogue::Export(args) => args.run(),
            Catalogue::Rebuild(args) => args.run(),
        }
    }
}

#[derive(Args)]
pub(super) struct Check {
    /// The catalogue
    file: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    fn run(self) -> Result<Done, Fault> {
        let catalogue = crate::catalogue::Catalogue::open(&self.file)?;
        let checked = check(&catalogue.reader().snapshot()?)?;
        match self.json {
            true => print_json(&as_json(&checked))?,
            false => print(|out| facts(&checked).write(out))?,
        }
        checked.lines.iter().for_each(|line| eprintln!("catalogue check: {line}"));
        Ok(Done::agreeing_but_for(checked.wrong))
    }
}

fn facts(checked: &Checked) -> Facts {
    let mut facts = Facts::default();
    for (kind, count) in &checked.records {
        facts.add(kind, count);
    }
    facts.add("file lists", checked.runs);
    facts.add("their lines", checked.rows);
    facts.add("their bytes", bytes(checked.run_bytes));
    facts.add("wrong", checked.wrong);
    facts
}

fn as_json(checked: &Checked) -> serde_json::Value {
    json!({
        "records": checked.records,
        "lists": checked.runs,
        "list_lines": checked.rows,
        "list_bytes": checked.run_bytes,
        "wrong": checked.wrong,
        "lines": checked.lines,
    })
}

#[derive(Args)]
pub(super) struct Export {
    /// The catalogue
    file: PathBuf,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Leave the file lists out: people, machines, pools, media, jobs and what else is small
    #[arg(long)]
    records_only: bool,
}

impl Export {
    fn run(self) -> Result<Done, Fault> {
        let catalogue = crate::catalogue::Catalogue::open(&self.file)?;
        let snapshot = catalogue.reader().snapshot()?;
        let lists = !self.records_only;
        match &self.to {
            Some(path) => {
                let mut file = std::io::BufWriter::new(WholeFile::create(path)?);
                only_mine(&rebuild::with_suffix(path, ".partial"))?;
                export(&snapshot, lists, &mut file)?;
                file.get_mut().publish()?;
            }
            None => print(|out| {
                let mut out = Watched { out, reader_is_gone: false };
                match export(&snapshot, lists, &mut out) {
                    Err(_) if out.reader_is_gone => Err(ErrorKind::BrokenPipe.into()),
                    exported => exported.map(|_| ()).map_err(std::io::Error::other),
                }
            })?,
        }
        Ok(Done::Whole)
    }
}

/// What passwords are checked by is for nobody else to read.
fn only_mine(path: &Path) -> Result<(), Fault> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|e| Fault::host(format!("cannot protect {}", path.display()), &e))
}

/// Remembers that a reader has seen enough.
struct Watched<W> {
    out: W,
    reader_is_gone: bool,
}

impl<W: Write> Watched<W> {
    fn watch<T>(&mut self, done: std::io::Result<T>) -> std::io::Result<T> {
        self.reader_is_gone |= done.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe);
        done
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.out.write(bytes);
        self.watch(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.out.flush();
        self.watch(done)
    }
}

#[derive(Args)]
pub(super) struct Rebuild {
    #[command(flatten)]
    cartridges: Cartridges,
    /// The new catalogue; must not be there
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// An export to take people, machines, pools, retention and numbers of jobs from, instead of the newest copy
    /// of the records that lies on these cartridges
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    opening: Opening,
}

impl Rebuild {
    fn run(self) -> Result<Done, Fault> {
        if self.to.exists() {
            let what =
                format!("{} is there; give the new catalogue another name", self.to.display());
            return Err(Fault::never(Blame::Operator, what));
        }
        let identities = self.opening.identities()?;
        let mut mount = self.cartridges.mount()?;
        let mut contents = self.cartridges.gather(&mut mount)?;
        let mut wrong = Vec::new();
        if let Some(identities) = &identities {
            for stream in &mut contents.streams {
                wrong.extend(unseal_found(stream, identities)?);
            }
        }
        let records = match &self.records {
            Some(path) => exported(path)?,
            None => rebuild::records_on_tape(&mut mount, &contents, &mut wrong)?,
        };
        let known = Known { records, lists: None };
        let rebuilt = rebuild::make(&self.to, &mut mount, known, &contents, identities.as_ref())?;
        match self.json {
            true => print_json(&serde_json::json!({"jobs": rebuilt.jobs}))?,
            false => print(|out| table(&rebuilt).write(out))?,
        }
        wrong.extend(rebuilt.trouble);
        wrong.iter().for_each(|line| eprintln!("catalogue rebuild: {line}"));
        Ok(Done::but_for(wrong.len() as u64))
    }
}

fn exported(path: &Path) -> Result<Vec<Record>, Fault> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| Fault::host(format!("cannot read {name}"), &e))?;
    records(&mut BufReader::new(file), &name)
}

fn table(rebuilt: &Rebuilt) -> Table {
    let heads = ["JOB", "BYTES", "ENTRIES", "LEVEL", "STATE", "MACHINE", "NAME"];
    let mut table = Table::new(&heads, &[0, 1, 2]);
    for job in &rebuilt.jobs {
        let Work::Backup { name, level, .. } = &job.work else { continue };
        table.row([
            job.id.to_string(),
            job.recorded.to_string(),
            job.entries.to_string(),
            level_word(level),
            state_word(job).into(),
            job.machine.clone(),
            name.clone(),
        ]);
    }
    table
}

fn level_word(level: &Level) -> String {
    match level {
        Level::Full => "full".into(),
        Level::Since(job) => format!("since {job}"),
    }
}

fn state_word(job: &Job) -> &'static str {
    match job.state {
        JobState::Queued => "queued",
        JobState::Held => "held",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::DoneBut(_) => "done but for some",
        JobState::Interrupted(_) => "interrupted",
        JobState::Failed(_) => "failed",
        JobState::Cancelled(_) => "cancelled",
        JobState::Damaged(_) => "damaged",
    }
}
