//! Arguments of the components that keep lists and compare with them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;

use crate::parts::process::record::Record;
use crate::parts::process::verify::Verify;
use crate::stream::Fault;

#[derive(Args)]
pub(super) struct ProcRecord {
    /// Where to keep the list of what is in the stream and where it lies
    #[arg(long)]
    list: Option<PathBuf>,
}

impl ProcRecord {
    pub(super) fn claim(&self) -> Option<String> {
        self.list.as_ref().map(|list| format!("the file {}", list.display()))
    }

    pub(super) fn process(self, receipts: bool) -> Result<Record, Fault> {
        Record::new(self.list.as_deref(), receipts)
    }
}

#[derive(Args)]
pub(super) struct ProcVerify {
    /// Compare with this list rather than with the entries that the stream brings along
    #[arg(long)]
    list: Option<PathBuf>,
}

impl ProcVerify {
    pub(super) fn process(self) -> Result<Verify<'static>, Fault> {
        let list = match &self.list {
            Some(path) => {
                let what = format!("cannot read {}", path.display());
                let file = File::open(path).map_err(|e| Fault::host(what, &e))?;
                Some(Box::new(BufReader::new(file)) as Box<dyn BufRead + Send>)
            }
            None => None,
        };
        let say = Box::new(|line: &str| {
            let line = format!("proc_verify: {line}\n");
            eprint!("{line}");
        });
        Ok(Verify::new(list, say))
    }
}
