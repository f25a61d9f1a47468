//! The components' own arguments.

use clap::Subcommand;

use super::Done;
use super::tape::{SinkTape, SrcTape};
use crate::parts::sink::null::Null;
use crate::plumb::pipe::{self, Channels};
use crate::stream::Fault;

/// Every component of the gluepot.
#[derive(Subcommand)]
pub(super) enum Component {
    /// Check a stream and forget it
    #[command(name = "sink_null")]
    SinkNull,
    #[command(name = "sink_tape")]
    SinkTape(SinkTape),
    #[command(name = "src_tape")]
    SrcTape(SrcTape),
}

impl Component {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Component::SinkNull => "sink_null",
            Component::SinkTape(_) => "sink_tape",
            Component::SrcTape(_) => "src_tape",
        }
    }

    pub(super) fn run(self, channels: Channels) -> Result<Done, Fault> {
        let name = self.name();
        let left_out = match self {
            Component::SinkNull => pipe::run_sink(&mut Null, channels)?,
            Component::SinkTape(args) => pipe::run_sink(&mut args.sink()?, channels)?,
            Component::SrcTape(args) => pipe::run_source(name, &mut args.source()?, channels)?,
        };
        Ok(Done::but_for(left_out))
    }
}
