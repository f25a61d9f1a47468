//! Glue: what turns a recipe into a running pudding and watches it.
//!
//! Owns the recipe ([`recipe`]), how its chains flow into each other ([`graph`]), the check of all of it before anything is opened ([`check`]), and the
//! running of it under either plumber ([`run`]). Knows components only by what a [`Gluepot`] says of
//! them.

pub mod check;
pub mod graph;
mod plan;
pub mod recipe;
pub mod run;

use crate::plumb::run::Part;
use crate::stream::Fault;

/// Where a component may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Makes a stream: first in its chain.
    Source,
    /// In the middle.
    Processor,
    /// Keeps a stream: last.
    Sink,
    /// Joins the chains that flow into its own: first.
    Funnel,
    /// Parts or doubles a stream for the chains its own flows into: last.
    Tee,
}

/// What can be said of a step without opening anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Where it may stand.
    pub role: Role,
    /// Whether it is a sink that keeps what it gets.
    pub keeps: bool,
    /// Whether it is a sink that gives receipts for all of its stream.
    pub receipts: bool,
    /// Whether it goes on when something that flows into it, or into which it flows, fails.
    pub forgives: bool,
    /// Whether its words name edges, which in a recipe are between chains.
    pub names_edges: bool,
    /// What it alone may use while it runs: devices, files it writes, standard input or output.
    pub claims: Vec<String>,
}

/// The set of components this machine is willing to run.
pub trait Gluepot {
    /// Judges a step by its words, the component's name first. The error is one line.
    fn describe(&self, step: &[String]) -> Result<Described, String>;

    /// Makes the component, which may open what it needs. A tee has so many `sides`.
    fn make(&self, step: &[String], receipts: bool, sides: usize) -> Result<Part, Fault>;
}
