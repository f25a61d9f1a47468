//! What people see of restores, health and quotas.

use std::io::Write as _;

use super::show::{bytes, path};
use super::{Here, said, unexpected};
use crate::catalogue::record::JobId;
use crate::cli::table::print;
use crate::stream::Fault;
use crate::tapicom::message::{Command, LostFile, Page, Reply};

/// Shows an answer.
pub(super) fn show(reply: Reply) -> Result<(), Fault> {
    match reply {
        Reply::LostFiles(files) => print(|out| {
            files.items.iter().try_for_each(|file| writeln!(out, "{}", lost_file(file)))
        }),
        _ => Err(unexpected()),
    }
}

/// One thing that is lost, on a line.
pub(super) fn lost_file(file: &LostFile) -> String {
    let name = match file.path.0.is_empty() {
        true => format!("something sealed in job {}", file.of),
        false => path(&file.path),
    };
    let what = match (file.from, file.to) {
        (0, to) if to >= file.size && !file.path.0.is_empty() => "all of it".to_owned(),
        (from, to) => format!("bytes {from} to {to} of {}", bytes(file.size)),
    };
    format!("{name}: {what}: {}, block {}: {}", file.medium, file.block, file.why)
}

/// What a restore could not give back, all of it.
pub(super) fn lost_files(here: &Here, job: JobId) -> Result<Vec<LostFile>, Fault> {
    let mut client = here.connect()?;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        match said(client.call(Command::RestoreGaps { job, page: Page { after, most: 0 } })?)? {
            Reply::LostFiles(mut files) => {
                all.append(&mut files.items);
                after = files.next;
            }
            _ => return Err(unexpected()),
        }
        if after.is_none() {
            return Ok(all);
        }
    }
}
