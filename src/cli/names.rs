//! Arguments of what lists names and compares them: `proc_list` and `proc_since`.
//!
//! Neither meets a backup stream: names come and go as plain bytes on standard input and output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::Done;
use super::filesys::excludes_of;
use crate::list::file::ListReader;
use crate::parts::names::known::Known;
use crate::parts::names::{NameReader, Since};
use crate::parts::source::filesys::{Plan, list_names};
use crate::stream::Fault;

/// List the names that src_filesys would take, with what is needed to compare them
#[derive(Args)]
pub(super) struct ProcList {
    /// Start relative paths in DIR
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Leave out what matches: without a slash any last component, with one the whole stored path;
    /// `*` stops at slashes, `**` does not. May be given again
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<OsString>,
    /// Do not enter other file systems (the default)
    #[arg(long, conflicts_with = "cross_mounts")]
    one_file_system: bool,
    /// Enter other file systems too
    #[arg(long)]
    cross_mounts: bool,
    /// Trees to list, stored without leading slash
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

impl ProcList {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let plan = Plan {
            directory: self.directory,
            paths: self.paths,
            exclude: excludes_of(&self.exclude),
            cross_mounts: self.cross_mounts,
            ..Plan::default()
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = (i64::try_from(now.as_secs()).unwrap_or(0), now.subsec_nanos());
        list_names(&plan, now, BufWriter::new(std::io::stdout().lock())).map(Done::but_for)
    }
}

/// Of the names that proc_list prints, keep what changed since some backups, and name what is gone
#[derive(Args)]
pub(super) struct ProcSince {
    /// The list that proc_record kept of a backup: the full one first, then those that came after it,
    /// in their order
    #[arg(long, value_name = "FILE", required = true)]
    list: Vec<PathBuf>,
    /// Say how much changed
    #[arg(short, long)]
    verbose: bool,
}

impl ProcSince {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut known = Known::default();
        for path in &self.list {
            let shown = path.display();
            let file = File::open(path)
                .map_err(|e| Fault::host(format_args!("cannot open {shown}"), &e))?;
            known.add(&mut ListReader::open(BufReader::new(file), shown.to_string())?)?;
        }
        let room = tempfile::tempfile()
            .map_err(|e| Fault::host("cannot make a file for the names that changed", &e))?;
        let mut names = NameReader::open(std::io::stdin().lock())?;
        let out = BufWriter::new(std::io::stdout().lock());
        let counts = Since::new(known, room).run(&mut names, out)?;
        if self.verbose {
            eprintln!(
                "proc_since: of {} names {} are taken, {} are gone",
                counts.names, counts.taken, counts.gone
            );
        }
        // Whoever left something out has said so, and will be asked.
        Ok(Done::Whole)
    }
}
