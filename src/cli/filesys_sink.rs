//! Arguments of `sink_filesys`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use clap::Args;

use crate::parts::sink::filesys::{Filesys, Options};

/// Restore a file tree below a directory
#[derive(Args)]
pub(super) struct SinkFilesys {
    /// The directory to restore into; made if missing
    #[arg(short = 'C', value_name = "DIR")]
    directory: PathBuf,
    /// Restore only these: paths, or patterns with * ? [a-z] inside a name and ** across directories;
    /// a directory includes what is below it
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    only: Vec<OsString>,
    /// Owners by number, even where their names are known here
    #[arg(long, conflicts_with = "no_owner")]
    numeric_owner: bool,
    /// Leave everything to the user who restores
    #[arg(long)]
    no_owner: bool,
    /// Make device nodes too (needs root)
    #[arg(long)]
    devices: bool,
    /// Leave files alone that are there already
    #[arg(long, conflicts_with = "overwrite")]
    keep_existing: bool,
    /// Replace files that are there already, each at once and whole (the default)
    #[arg(long)]
    overwrite: bool,
    /// Name every attribute that could not be set
    #[arg(short, long)]
    verbose: bool,
}

impl SinkFilesys {
    /// Only a restore of the whole stream is receipted.
    pub(super) fn takes_all(&self) -> bool {
        self.only.is_empty()
    }

    pub(super) fn component(self) -> Filesys {
        let only = self.only.into_iter().map(OsStringExt::into_vec).collect();
        let options = Options {
            only,
            numeric_owner: self.numeric_owner,
            no_owner: self.no_owner,
            devices: self.devices,
            keep_existing: self.keep_existing,
            verbose: self.verbose,
        };
        Filesys::new(self.directory, options)
    }
}
