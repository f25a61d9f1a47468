//! The table of components: names, and what runs each.
//!
//! The arguments are declared family by family in the files beside this one.

use clap::{Parser, Subcommand};

use super::filesys::SrcFilesys;
use super::filesys_sink::SinkFilesys;
use super::plumb::PlumbArgs;
use super::tape::{SinkTape, SrcTape};

use super::{Done, layer, meet, raw, record, secret};
use crate::glue::{Described, Gluepot, Role};
use crate::parts::process::decompress::Decompress;
use crate::parts::sink::null::Null;
use crate::plumb::pipe::{self, Channels};
use crate::plumb::run::Part;
use crate::stream::{Fault, Process, Sink, Source};

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
    /// Encrypt a stream so that only its recipients can read it
    #[command(name = "proc_encrypt")]
    ProcEncrypt(secret::ProcEncrypt),
    /// Undo proc_encrypt
    #[command(name = "proc_decrypt")]
    ProcDecrypt(secret::ProcDecrypt),
    /// Keep the list of what is in a stream and where it lies
    #[command(name = "proc_record")]
    ProcRecord(record::ProcRecord),
    /// Compare a stream with what was recorded of it
    #[command(name = "proc_verify")]
    ProcVerify(record::ProcVerify),
    #[command(name = "fun_mux")]
    FunMux(meet::FunMux),
    #[command(name = "fun_demux")]
    FunDemux(meet::FunDemux),
    #[command(name = "tee_mirror")]
    TeeMirror(meet::TeeMirror),
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
    Plumb(Box<PlumbArgs>),
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
            Component::ProcEncrypt(_) => "proc_encrypt",
            Component::ProcDecrypt(_) => "proc_decrypt",
            Component::ProcRecord(_) => "proc_record",
            Component::ProcVerify(_) => "proc_verify",
            Component::FunMux(_) => "fun_mux",
            Component::FunDemux(_) => "fun_demux",
            Component::TeeMirror(_) => "tee_mirror",
            Component::SinkFile(_) => "sink_file",
            Component::SinkStdout => "sink_stdout",
            Component::SinkNull => "sink_null",
            Component::SinkTape(_) => "sink_tape",
            Component::SrcTape(_) => "src_tape",
            Component::Plumb(_) => "plumb",
        }
    }

    /// What can be said without opening anything.
    pub(super) fn describe(&self) -> Described {
        let name = match self {
            Component::Plumb(args) => args.component(),
            _ => self.name(),
        };
        let role = match name.split('_').next() {
            Some("src") => Role::Source,
            Some("sink") => Role::Sink,
            _ => match self {
                Component::FunMux(_) => Role::Funnel,
                Component::FunDemux(_) | Component::TeeMirror(_) => Role::Tee,
                _ => Role::Processor,
            },
        };
        let (keeps, receipts) = match self {
            Component::SinkFile(_) | Component::SinkTape(_) => (true, true),
            Component::SinkFilesys(args) => (true, args.takes_all()),
            // What it is there is known there; a sink is taken at its word.
            Component::Plumb(_) => {
                let keeps = role == Role::Sink && !["sink_null", "sink_stdout"].contains(&name);
                (keeps, keeps)
            }
            _ => (false, false),
        };
        let claims = match self {
            Component::SrcStdin(_) => vec!["standard input".into()],
            Component::SinkStdout => vec!["standard output".into()],
            Component::SinkFile(args) => vec![args.claim()],
            Component::ProcRecord(args) => args.claim().into_iter().collect(),
            Component::SinkTape(args) => args.claims(),
            Component::SrcTape(args) => args.claims(),
            Component::SrcFilesys(args) => args.claim().into_iter().collect(),
            _ => Vec::new(),
        };
        let (forgives, names_edges) = match self {
            Component::FunMux(args) => (true, args.names_edges()),
            Component::FunDemux(args) => (false, args.names_edges()),
            Component::TeeMirror(args) => (args.forgives(), args.names_edges()),
            _ => (false, false),
        };
        Described { role, keeps, receipts, forgives, names_edges, claims }
    }

    /// The component itself. Whether receipts are to come from below decides what some keep in mind;
    /// the `sides` of a tee are those that its words name, unless they are told.
    pub(super) fn part(self, receipts: bool, sides: Option<usize>) -> Result<Part, Fault> {
        match self {
            Component::SrcFilesys(args) => source(args.source()?),
            Component::SinkFilesys(args) => sink(args.component()),
            Component::SrcStdin(args) => source(args.source()?),
            Component::SrcExec(args) => source(args.source()?),
            Component::SrcFile(args) => source(args.source()),
            Component::ProcCompress(args) => process(args.process(receipts)?),
            Component::ProcDecompress => process(Decompress::new().expecting_receipts(receipts)),
            Component::ProcEncrypt(args) => process(args.process(receipts)?),
            Component::ProcDecrypt(args) => process(args.process(receipts)?),
            Component::ProcRecord(args) => process(args.process(receipts)?),
            Component::ProcVerify(args) => process(args.process()?),
            Component::FunMux(args) => args.part(),
            Component::FunDemux(args) => args.part(sides),
            Component::TeeMirror(args) => args.part(sides.map(|sides| (sides, receipts))),
            Component::SinkFile(args) => sink(args.sink()),
            Component::SinkStdout => sink(raw::sink_stdout()?),
            Component::SinkNull => sink(Null),
            Component::SinkTape(args) => sink(args.sink()?),
            Component::SrcTape(args) => source(args.source()?),
            Component::Plumb(args) => args.part(receipts),
        }
    }

    pub(super) fn run(self, mut channels: Channels) -> Result<Done, Fault> {
        let name = self.name();
        if let Component::Plumb(args) = self {
            return args.run(channels);
        }
        let done = match self {
            Component::ProcVerify(_) => Done::agreeing_but_for,
            _ => Done::but_for,
        };
        let line = channels.verdict();
        let part = self.part(channels.expects_receipts(), None);
        let verdict = part.and_then(|part| pipe::run(name, part, channels));
        line.tell(&verdict);
        verdict.map(done)
    }
}

fn source(source: impl Source + Send + 'static) -> Result<Part, Fault> {
    Ok(Part::Source(Box::new(source)))
}

fn process(process: impl Process + Send + 'static) -> Result<Part, Fault> {
    Ok(Part::Process(Box::new(process)))
}

fn sink(sink: impl Sink + Send + 'static) -> Result<Part, Fault> {
    Ok(Part::Sink(Box::new(sink)))
}

/// The components of this executable.
pub(super) struct Ours;

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Step {
    #[command(subcommand)]
    component: Component,
}

fn parse(step: &[String]) -> Result<Component, String> {
    let parsed = Step::try_parse_from(step);
    parsed.map(|step| step.component).map_err(|error| {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or("it cannot be understood");
        format!("{}: {}", step.first().map_or("", |n| n), line.trim_start_matches("error: "))
    })
}

impl Gluepot for Ours {
    fn describe(&self, step: &[String]) -> Result<Described, String> {
        parse(step).map(|component| component.describe())
    }

    fn make(&self, step: &[String], receipts: bool, sides: usize) -> Result<Part, Fault> {
        parse(step).map_err(Fault::usage)?.part(receipts, Some(sides))
    }
}
