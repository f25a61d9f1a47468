//! The components' own arguments.

use clap::Subcommand;

use super::Done;
use super::filesys_sink::SinkFilesys;
use crate::parts::sink::null::Null;
use crate::plumb::pipe::{self, Channels};
use crate::stream::Fault;

/// Every component of the gluepot.
#[derive(Subcommand)]
pub(super) enum Component {
    /// Restore a file tree below a directory
    #[command(name = "sink_filesys")]
    SinkFilesys(SinkFilesys),
    /// Check a stream and forget it
    #[command(name = "sink_null")]
    SinkNull,
}

impl Component {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Component::SinkFilesys(_) => "sink_filesys",
            Component::SinkNull => "sink_null",
        }
    }

    pub(super) fn run(self, channels: Channels) -> Result<Done, Fault> {
        let left_out = match self {
            Component::SinkFilesys(args) => pipe::run_sink(&mut args.component(), channels)?,
            Component::SinkNull => pipe::run_sink(&mut Null, channels)?,
        };
        Ok(Done::but_for(left_out))
    }
}
