//! `pages`: manual pages and completions of shells, made of the one definition of all commands.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command, Subcommand};
use clap_complete::Shell;

use super::Done;
use super::table::print;
use crate::stream::Fault;

/// Manual pages, and completions for shells
#[derive(Subcommand)]
pub(super) enum Pages {
    /// Write a manual page for each command
    Man(Man),
    /// Print what a shell completes commands by: source it
    Completion(Completion),
}

#[derive(Args)]
pub(super) struct Man {
    /// Folder they go to; made if missing
    folder: PathBuf,
}

#[derive(Args)]
pub(super) struct Completion {
    /// Which shell
    shell: Shell,
}

impl Pages {
    pub(super) fn run(self, mut all: Command) -> Result<Done, Fault> {
        match self {
            Pages::Man(man) => {
                let failed = |e: std::io::Error| {
                    Fault::host(format!("cannot write into {}", man.folder.display()), &e)
                };
                std::fs::create_dir_all(&man.folder).map_err(failed)?;
                clap_mangen::generate_to(all, &man.folder).map_err(failed)?;
            }
            Pages::Completion(Completion { shell }) => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut all, "tapioca", &mut text);
                print(|out| out.write_all(&text))?;
            }
        }
        Ok(Done::Whole)
    }
}
