//! Arguments of what joins and parts streams.

use std::path::PathBuf;

use clap::Args;

use super::raw::new_stream;
use crate::parts::meet::demux::Demux;
use crate::parts::meet::mirror::{Mirror, Policy};
use crate::parts::meet::mux::Mux;
use crate::plumb::run::{Inputs, Outputs, Part};
use crate::stream::{Begin, Fault};

const MIB: usize = 1 << 20;

fn bytes(mib: usize) -> usize {
    mib.saturating_mul(MIB)
}

/// Join streams on one edge, on which they take turns
#[derive(Args)]
pub(super) struct FunMux {
    /// Named pipes or files, each with a stream
    #[arg(value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Least length of a turn, mebibytes; on tape each turn is a part with an index
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    turn_mib: u64,
    /// Memory for what waits at all inputs together, mebibytes
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory_mib: usize,
    /// How many streams come: an input whose stream is over is opened again for the next (default: one
    /// for each input)
    #[arg(long, value_name = "N")]
    streams: Option<usize>,
    /// Named pipes for the receipts of each input, in their order
    #[arg(long, value_name = "FIFO", num_args = 1..)]
    up: Vec<PathBuf>,
}

impl FunMux {
    pub(super) fn names_edges(&self) -> bool {
        !(self.inputs.is_empty() && self.up.is_empty() && self.streams.is_none())
    }

    pub(super) fn part(self) -> Result<Part, Fault> {
        // The number of a descriptor says nothing to people.
        let names = self.inputs.iter().map(|path| path.display().to_string());
        let names = names.filter(|name| !name.starts_with("/dev/fd/")).collect();
        let edge = Begin { name: "mux".into(), ..new_stream() };
        let mux = Mux::new(edge, self.turn_mib.saturating_mul(1 << 20), names);
        let inputs = Inputs {
            from: self.inputs,
            up: self.up,
            memory_bytes: bytes(self.memory_mib),
            streams: self.streams,
        };
        Ok(Part::Funnel(Box::new(mux), inputs))
    }
}

/// Part streams that take turns on one edge
#[derive(Args)]
pub(super) struct FunDemux {
    /// Named pipes or files, one for each stream in the order in which they begin
    #[arg(value_name = "OUT")]
    outputs: Vec<PathBuf>,
    /// Memory for what waits at all outputs together, mebibytes
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory_mib: usize,
    /// Named pipes with the receipts from below each output, in their order
    #[arg(long, value_name = "FIFO", num_args = 1..)]
    below: Vec<PathBuf>,
}

impl FunDemux {
    pub(super) fn names_edges(&self) -> bool {
        !(self.outputs.is_empty() && self.below.is_empty())
    }

    pub(super) fn part(self, sides: Option<usize>) -> Result<Part, Fault> {
        let demux = Demux::new(sides.unwrap_or(self.outputs.len()));
        let (to, below) = (self.outputs, self.below);
        let outputs = Outputs { to, below, memory_bytes: bytes(self.memory_mib) };
        Ok(Part::Tee(Box::new(demux), outputs))
    }
}

/// Copy a stream, or streams that take turns, to several places
#[derive(Args)]
pub(super) struct TeeMirror {
    /// Named pipes or files, one for each copy
    #[arg(value_name = "OUT")]
    outputs: Vec<PathBuf>,
    /// Whether one copy that fails ends all, or the others go on
    #[arg(long, value_name = "RULE", default_value = "all", value_parser = ["all", "any"])]
    policy: String,
    /// Memory for what waits at all outputs together, mebibytes: so far the fast ones run ahead
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory_mib: usize,
    /// Named pipes with the receipts from below each output, in their order
    #[arg(long, value_name = "FIFO", num_args = 1..)]
    below: Vec<PathBuf>,
}

impl TeeMirror {
    pub(super) fn names_edges(&self) -> bool {
        !(self.outputs.is_empty() && self.below.is_empty())
    }

    pub(super) fn forgives(&self) -> bool {
        self.policy() == Policy::Any
    }

    fn policy(&self) -> Policy {
        if self.policy == "any" { Policy::Any } else { Policy::All }
    }

    /// With `joined`, a plumber joins so many sides itself, and whether receipts come from below.
    pub(super) fn part(self, joined: Option<(usize, bool)>) -> Result<Part, Fault> {
        let named = (self.outputs.len(), !self.below.is_empty());
        let (sides, receipts) = joined.unwrap_or(named);
        if sides < 2 {
            return Err(Fault::usage("a mirror has two outputs at least"));
        }
        let mirror = Mirror::new(sides, self.policy(), receipts);
        let (to, below) = (self.outputs, self.below);
        let outputs = Outputs { to, below, memory_bytes: bytes(self.memory_mib) };
        Ok(Part::Tee(Box::new(mirror), outputs))
    }
}
