//! `drive dump`: a cartridge as files.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Named;
use crate::cli::Done;
use crate::cli::table::{bytes, print};
use crate::library::dump::dump;
use crate::stream::Fault;

#[derive(Args)]
pub(in crate::cli) struct Dump {
    #[command(flatten)]
    named: Named,
    /// Directory for file000, file001, …; made if missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

impl Dump {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut drive = self.named.open_ready()?;
        let dumped = dump(&mut drive, &self.to)?;
        dumped.lost.iter().for_each(|line| eprintln!("drive dump: {line}"));
        print(|out| {
            let (files, blocks, size) = (dumped.files, dumped.blocks, bytes(dumped.bytes));
            writeln!(out, "{}: {files} files, {blocks} blocks, {size}", self.to.display())
        })?;
        Ok(Done::but_for(dumped.lost.len() as u64))
    }
}
