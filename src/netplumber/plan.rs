//! From what a machine may run to what runs.
//!
//! Owns the two steps around the cage: [`Plan::new`] judges words and opens what the cage forbids,
//! [`Plan::make`] makes the components inside it.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::gluepot::{Allowed, What};
use super::run;
use crate::glue::{Gluepot, Role};
use crate::plumb::run::Part;
use crate::plumb::visit::{self, Hello};
use crate::stream::{Blame, Fault};
use crate::wire::message::Request;

/// The machine at the other end.
pub struct Who {
    /// Its name.
    pub machine: String,
    /// Digest of its certificate.
    pub digest: String,
}

/// What is to run, judged; of components nothing is opened yet.
pub enum Plan {
    /// A component of ours, in this process.
    Part(Vec<String>),
    /// Some of ours in this process, and whether the last one gives receipts.
    Chain(Vec<Vec<String>>, run::Open, bool),
    /// A program, or a component of ours that has named pipes.
    Process(PathBuf, Vec<String>),
    /// Whoever listens at the other end of this socket.
    Service(UnixStream, Hello),
}

/// What runs.
pub enum Job {
    /// A component of ours, and its name.
    Part(String, Part),
    /// Some of ours, and which end is open.
    Chain(Vec<(String, Part)>, run::Open),
    /// A program and its words.
    Process(PathBuf, Vec<String>),
    /// A service, and who it is told comes.
    Service(UnixStream, Hello),
}

impl Plan {
    /// What `allowed` comes to.
    ///
    /// # Errors
    ///
    /// Words that a component does not take, a service that does not listen.
    pub fn new(
        allowed: &Allowed,
        gluepot: &dyn Gluepot,
        who: &Who,
        request: &Request,
    ) -> Result<Plan, Fault> {
        match &allowed.what {
            What::Program(path) => Ok(Plan::Process(path.clone(), allowed.words.clone())),
            What::Chain(steps) => plan_chain(steps, gluepot),
            What::Service(path) => plan_service(path, allowed, who, request),
            What::Ours(name) => {
                let words = std::iter::once(name).chain(&allowed.words).cloned().collect();
                plan_ours(words, gluepot, !request.pipes.is_empty())
            }
        }
    }

    /// Makes it, in the cage.
    pub fn make(self, gluepot: &dyn Gluepot, request: &Request) -> Result<Job, Fault> {
        Ok(match self {
            Plan::Service(socket, hello) => Job::Service(socket, hello),
            Plan::Process(program, words) => Job::Process(program, words),
            Plan::Part(words) => {
                let part = gluepot.make(&words, request.receipts_from_below, 0)?;
                Job::Part(words[0].clone(), part)
            }
            Plan::Chain(steps, open, receipts) => {
                let receipts = match open {
                    run::Open::Beginning => receipts,
                    run::Open::End => request.receipts_from_below,
                };
                let part =
                    |words: &Vec<String>| Ok((words[0].clone(), gluepot.make(words, receipts, 0)?));
                Job::Chain(steps.iter().map(part).collect::<Result<_, Fault>>()?, open)
            }
        })
    }
}

fn plan_service(
    path: &std::path::Path,
    allowed: &Allowed,
    who: &Who,
    request: &Request,
) -> Result<Plan, Fault> {
    if !request.pipes.is_empty() {
        return Err(Fault::never(Blame::Operator, "a service takes no named pipes"));
    }
    let name = request.words.first();
    let hello = Hello {
        machine: who.machine.clone(),
        digest: who.digest.clone(),
        words: name.into_iter().chain(&allowed.words).cloned().collect(),
        receipts_up: request.receipts_up,
        receipts_from_below: request.receipts_from_below,
    };
    let socket = visit::connect(path).map_err(|fault| {
        // Where it would be is nobody's business behind the wire.
        tracing::warn!(%fault, "no service");
        Fault { what: format!("nobody serves {} here now", name_of(request)), ..fault }
    })?;
    Ok(Plan::Service(socket, hello))
}

fn name_of(request: &Request) -> &str {
    request.words.first().map_or("", String::as_str)
}

fn plan_ours(words: Vec<String>, gluepot: &dyn Gluepot, has_pipes: bool) -> Result<Plan, Fault> {
    let described = gluepot.describe(&words);
    let described = described.map_err(|what| Fault::never(Blame::Operator, what))?;
    // What reads standard input itself, say, needs one of its own.
    let is_by_itself = described.claims.iter().any(|claim| claim.starts_with("standard "));
    let is_chained = matches!(described.role, Role::Source | Role::Processor | Role::Sink);
    if is_chained && !has_pipes && !is_by_itself {
        return Ok(Plan::Part(words));
    }
    let program = std::env::current_exe();
    let program = program.map_err(|e| Fault::host("cannot find this executable", &e))?;
    Ok(Plan::Process(program, words))
}

/// A source and processors, or processors and a sink.
fn plan_chain(steps: &[Vec<String>], gluepot: &dyn Gluepot) -> Result<Plan, Fault> {
    let never = |what: String| Fault::never(Blame::Host, format!("the gluepot: {what}"));
    let described: Result<Vec<_>, _> = steps.iter().map(|step| gluepot.describe(step)).collect();
    let described = described.map_err(never)?;
    let roles: Vec<Role> = described.iter().map(|step| step.role).collect();
    let between = |roles: &[Role]| roles.iter().all(|role| *role == Role::Processor);
    let open = match roles.as_slice() {
        [Role::Source, rest @ ..] if between(rest) => run::Open::End,
        [rest @ .., Role::Sink] if between(rest) => run::Open::Beginning,
        _ => {
            return Err(never(
                "a chain is a source and processors, or processors and a sink".into(),
            ));
        }
    };
    let receipts = described.last().is_some_and(|step| step.receipts);
    Ok(Plan::Chain(steps.to_vec(), open, receipts))
}
