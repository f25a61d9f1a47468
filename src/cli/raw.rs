//! Arguments of the components between plain bytes and streams.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::parts::sink;
use crate::parts::sink::stdout::Stdout;
use crate::parts::source;
use crate::parts::source::exec::Exec;
use crate::parts::source::stdin::Stdin;
use crate::plumb::descriptors::{keep_to_ourselves, stream_in, stream_out};
use crate::stream::{Begin, Fault, StreamId};

/// What a new stream is called and holds.
#[derive(Args)]
pub(super) struct Label {
    /// What the bytes are: pax, raw, or a word of yours. Unless given, a tar archive is recognised
    /// by its first header and everything else is raw
    #[arg(long)]
    kind: Option<String>,
    /// What to call the stream
    #[arg(long)]
    name: Option<String>,
}

impl Label {
    /// A new stream starting now.
    fn begin(&self, name: &str) -> Begin {
        let name = self.name.clone().unwrap_or_else(|| name.to_owned());
        Begin { name, ..new_stream() }
    }
}

/// The begin of a stream made at this moment, with an identity of its own.
pub(super) fn new_stream() -> Begin {
    let created_s = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs().cast_signed(),
        Err(before) => -before.duration().as_secs().cast_signed(),
    };
    Begin { stream: StreamId(uuid::Uuid::new_v4()), created_s, ..Begin::default() }
}

#[derive(Args)]
pub(super) struct SrcStdin {
    #[command(flatten)]
    label: Label,
}

impl SrcStdin {
    pub(super) fn source(self) -> Result<Stdin<File>, Fault> {
        let from = stream_in().map_err(|e| Fault::host("cannot use standard input", &e))?;
        Ok(Stdin::new(from, self.label.begin("stdin"), self.label.kind))
    }
}

#[derive(Args)]
pub(super) struct SrcExec {
    #[command(flatten)]
    label: Label,
    /// The command and its arguments; no shell reads them
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

impl SrcExec {
    pub(super) fn source(self) -> Result<Exec, Fault> {
        keep_to_ourselves().map_err(|e| Fault::host("cannot close descriptors", &e))?;
        let begin = self.label.begin(&self.command[0].to_string_lossy());
        Ok(Exec::new(self.command, begin, self.label.kind))
    }
}

#[derive(Args)]
pub(super) struct SrcFile {
    /// The file that sink_file wrote
    file: PathBuf,
}

impl SrcFile {
    pub(super) fn source(self) -> source::file::StreamFile {
        source::file::StreamFile::new(self.file)
    }
}

#[derive(Args)]
pub(super) struct SinkFile {
    /// Where to keep the stream; an existing file is replaced once the new one is whole
    file: PathBuf,
}

impl SinkFile {
    pub(super) fn claim(&self) -> String {
        format!("the file {}", self.file.display())
    }

    pub(super) fn sink(self) -> sink::file::StreamFile {
        sink::file::StreamFile::new(self.file)
    }
}

pub(super) fn sink_stdout() -> Result<Stdout<File>, Fault> {
    let to = stream_out().map_err(|e| Fault::host("cannot use standard output", &e))?;
    Ok(Stdout::new(to))
}
