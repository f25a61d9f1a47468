//! The table of components: names, and what runs each.
//!
//! The arguments are declared family by family in the files beside this one.

use clap::Subcommand;

use super::filesys::SrcFilesys;
use super::filesys_sink::SinkFilesys;
use super::tape::{SinkTape, SrcTape};

use super::{Done, layer, raw, record};
use crate::parts::sink::null::Null;
use crate::plumb::pipe::{self, Channels};
use crate::stream::Fault;

/// Every component of the gluepot.
#[derive(Subcommand)]
pub(super) enum Component {
    /// Take file trees as a pax archive
    #[command(name = "src_filesys")]
    SrcFilesys(Box<SrcFilesys>),
    /// Restore a file tree below a directory
    #[command(name = "sink_filesys")]
    SinkFilesys(SinkFilesys),
    /// Make a stream of what comes in on standard input
    #[command(name = "src_stdin")]
    SrcStdin(raw::SrcStdin),
    /// Make a stream of what a command prints
    #[command(name = "src_exec")]
    SrcExec(raw::SrcExec),
    /// Play a stream that sink_file kept
    #[command(name = "src_file")]
    SrcFile(raw::SrcFile),
    /// Compress a stream
    #[command(name = "proc_compress")]
    ProcCompress(layer::ProcCompress),
    /// Undo proc_compress
    #[command(name = "proc_decompress")]
    ProcDecompress,
    /// Keep the list of what is in a stream and where it lies
    #[command(name = "proc_record")]
    ProcRecord(record::ProcRecord),
    /// Compare a stream with what was recorded of it
    #[command(name = "proc_verify")]
    ProcVerify(record::ProcVerify),
    /// Keep a stream in a file
    #[command(name = "sink_file")]
    SinkFile(raw::SinkFile),
    /// Write a stream's bytes to standard output
    #[command(name = "sink_stdout")]
    SinkStdout,
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
            Component::SrcFilesys(_) => "src_filesys",
            Component::SinkFilesys(_) => "sink_filesys",
            Component::SrcStdin(_) => "src_stdin",
            Component::SrcExec(_) => "src_exec",
            Component::SrcFile(_) => "src_file",
            Component::ProcCompress(_) => "proc_compress",
            Component::ProcDecompress => "proc_decompress",
            Component::ProcRecord(_) => "proc_record",
            Component::ProcVerify(_) => "proc_verify",
            Component::SinkFile(_) => "sink_file",
            Component::SinkStdout => "sink_stdout",
            Component::SinkNull => "sink_null",
            Component::SinkTape(_) => "sink_tape",
            Component::SrcTape(_) => "src_tape",
        }
    }

    pub(super) fn run(self, channels: Channels) -> Result<Done, Fault> {
        let name = self.name();
        let left_out = match self {
            Component::SrcFilesys(args) => pipe::run_source(name, &mut args.source()?, channels)?,
            Component::SinkFilesys(args) => pipe::run_sink(&mut args.component(), channels)?,
            Component::SrcStdin(args) => args.run(channels)?,
            Component::SrcExec(args) => args.run(channels)?,
            Component::SrcFile(args) => args.run(channels)?,
            Component::ProcCompress(args) => args.run(channels)?,
            Component::ProcDecompress => layer::proc_decompress(channels)?,
            Component::ProcRecord(args) => args.run(channels)?,
            Component::ProcVerify(args) => return args.run(channels).map(Done::agreeing_but_for),
            Component::SinkFile(args) => args.run(channels)?,
            Component::SinkStdout => raw::sink_stdout(channels)?,
            Component::SinkNull => pipe::run_sink(&mut Null, channels)?,
            Component::SinkTape(args) => pipe::run_sink(&mut args.sink()?, channels)?,
            Component::SrcTape(args) => pipe::run_source(name, &mut args.source()?, channels)?,
        };
        Ok(Done::but_for(left_out))
    }
}
