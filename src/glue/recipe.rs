//! A recipe: a small text that says which components make a pudding.
//!
//! Owns the form of it, in TOML, and where in the text each thing stands. Judges nothing but the form.
//!
//! ```toml
//! name = "the web server to tape"
//! plumber = "ring"                  # or "pipe": a process for each component
//! edge_mib = 16                     # what an edge holds before its writer waits
//!
//! [[chain]]
//! steps = [
//!   ["src_filesys", "-C", "/srv", "www"],
//!   ["proc_record", "--list", "www.list"],
//!   ["sink_tape", "--drive", "/dev/sg2", "--changer", "/dev/sg4"],
//! ]
//! ```
//!
//! Chains flow into each other by their names: two clients onto one tape, and a copy to a second one.
//!
//! ```toml
//! [[chain]]
//! name = "web"
//! into = "both"
//! steps = [["src_filesys", "/srv"], ["proc_record", "--list", "web.list"]]
//!
//! [[chain]]
//! name = "mail"
//! into = "both"
//! steps = [["src_filesys", "/var/mail"], ["proc_record", "--list", "mail.list"]]
//!
//! [[chain]]
//! name = "both"
//! into = ["here", "there"]          # one name for each side of the tee
//! steps = [["fun_mux"], ["tee_mirror"]]
//!
//! [[chain]]
//! name = "here"
//! steps = [["sink_tape", "--drive", "/dev/sg2"]]
//!
//! [[chain]]
//! name = "there"
//! steps = [["sink_tape", "--drive", "/dev/sg7"]]
//! ```

use serde::Deserialize;
use toml::Spanned;

/// The longest recipe, bytes.
pub const RECIPE_BYTES_MAX: usize = 64 * 1024;

/// What runs the components.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plumber {
    /// Threads of one process, handing blocks over without copying.
    #[default]
    Ring,
    /// A process each, joined by pipes.
    Pipe,
}

/// A recipe as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What it is for, in words.
    pub name: String,
    /// What runs it.
    #[serde(default)]
    pub plumber: Plumber,
    /// Mebibytes an edge holds before its writer waits.
    #[serde(default = "edge_mib")]
    pub edge_mib: Spanned<u64>,
    /// Says that it is meant when a chain ends in a sink that keeps nothing.
    #[serde(default)]
    pub keeps_nothing: bool,
    /// The chains, which run side by side.
    #[serde(rename = "chain")]
    pub chains: Spanned<Vec<Chain>>,
}

/// Into which chains one flows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Onward {
    /// Into one.
    One(String),
    /// Each side of the tee at its end into one.
    Several(Vec<String>),
}

/// A source, any processors, a sink; or what flows into other chains, or has others flow into it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// What others call it, and people.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// Where it flows, if it has no sink.
    #[serde(default)]
    pub into: Option<Spanned<Onward>>,
    /// Each step a list of words, the component's name first.
    pub steps: Spanned<Vec<Spanned<Vec<String>>>>,
}

fn edge_mib() -> Spanned<u64> {
    Spanned::new(0..0, crate::plumb::ring::EDGE_BYTES as u64 >> 20)
}

/// Something that is wrong with a recipe, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, in one line.
    pub what: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

impl Complaint {
    /// A complaint about the byte at `at` of `text`.
    pub fn at(text: &str, at: usize, what: impl Into<String>) -> Complaint {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Complaint { line, column, what: what.into() }
    }
}

impl Recipe {
    /// Reads the form of a recipe.
    pub fn parse(text: &str) -> Result<Recipe, Complaint> {
        if text.len() > RECIPE_BYTES_MAX {
            let what = format!("a recipe has at most {RECIPE_BYTES_MAX} bytes");
            return Err(Complaint::at(text, RECIPE_BYTES_MAX, what));
        }
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Complaint::at(text, at, error.message().replace('\n', ", "))
        })
    }
}
