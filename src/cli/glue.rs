//! `glue`: runs a recipe.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Instant;

use clap::Args;

use super::Done;
use super::component::Ours;
use super::table::print;
use crate::glue::check::check;
use crate::glue::recipe::{Complaint, RECIPE_BYTES_MAX, Recipe};
use crate::glue::run::{Event, Outcome, Progress, Pudding};
use crate::stream::{Blame, Fault};

/// Check a recipe whole, then run it
#[derive(Args)]
pub(super) struct GlueArgs {
    /// The recipe, TOML
    recipe: PathBuf,
    /// Only check it
    #[arg(long)]
    dry_run: bool,
    /// Report on standard output as JSON, a line for each second and one at the end
    #[arg(long)]
    json: bool,
}

impl GlueArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let text = self.text()?;
        let recipe = Recipe::parse(&text).map_err(|complaint| self.refused(&[complaint]))?;
        let complaints = check(&recipe, &text, &Ours);
        if !complaints.is_empty() {
            return Err(self.refused(&complaints));
        }
        if self.dry_run {
            eprintln!("glue: {} can be run", self.recipe.display());
            return Ok(Done::Whole);
        }
        let program =
            std::env::current_exe().map_err(|e| Fault::host("cannot find this executable", &e))?;
        let (sender, receiver) = channel();
        let events = sender.clone();
        super::signals::watch(move |number| {
            let why = if number == 2 { "interrupted" } else { "asked to end" };
            events.send(Event::Stop(why.to_owned())).is_ok()
        })?;
        let pudding = Pudding::start(&recipe, &Ours, program, (sender, receiver))?;
        let mut teller = Teller::new(self.json);
        let outcome = pudding.wait(&mut |progress| teller.tell(progress))?;
        self.report(&outcome)
    }

    fn text(&self) -> Result<String, Fault> {
        use std::io::Read;
        let what = format!("cannot read {}", self.recipe.display());
        let file = std::fs::File::open(&self.recipe).map_err(|e| Fault::host(&what, &e))?;
        let mut text = String::new();
        let read = file.take(RECIPE_BYTES_MAX as u64 + 1).read_to_string(&mut text);
        read.map_err(|e| Fault::host(&what, &e))?;
        Ok(text)
    }

    fn refused(&self, complaints: &[Complaint]) -> Fault {
        let name = self.recipe.display();
        let count = complaints.len();
        let things = if count == 1 { "one thing is" } else { "some things are" };
        let fault = Fault::usage(format!("{name} cannot be run: {things} wrong with it"));
        complaints
            .iter()
            .fold(fault, |fault, complaint| fault.detail(format!("{name}:{complaint}")))
    }

    fn report(&self, outcome: &Outcome) -> Result<Done, Fault> {
        if self.json {
            let parts = outcome.chains.iter().enumerate().flat_map(|(chain, ended)| {
                ended.parts.iter().map(move |part| {
                    let (left_out, fault) = match &part.verdict {
                        Ok(left_out) => (Some(left_out), None),
                        Err(fault) => (None, Some(&fault.what)),
                    };
                    serde_json::json!({"chain": chain + 1, "name": ended.name, "component": part.who, "left_out": left_out, "fault": fault})
                })
            });
            let line = serde_json::json!({"ended": parts.collect::<Vec<_>>()});
            print(|out| writeln!(out, "{line}"))?;
        }
        if let Some(why) = &outcome.stopped {
            return Err(Fault::later(Blame::Operator, format!("stopped: {why}")));
        }
        match outcome.root_cause() {
            None => {
                for (who, fault) in outcome.forgiven() {
                    eprintln!("glue: {who} gave up, and the others went on: {fault}");
                }
                Ok(Done::but_for(outcome.left_out()))
            }
            Some((who, fault)) => {
                let what = format!("{who} gave up, and with it the pudding: {fault}");
                Err(Fault { what, ..fault.clone() })
            }
        }
    }
}

/// Says how far it is: on a terminal in place, otherwise now and then.
struct Teller {
    json: bool,
    terminal: bool,
    next: Instant,
}

const SELDOM: std::time::Duration = std::time::Duration::from_secs(10);

impl Teller {
    fn new(json: bool) -> Teller {
        Teller { json, terminal: std::io::stderr().is_terminal(), next: Instant::now() + SELDOM }
    }

    fn tell(&mut self, chains: &[Progress]) {
        if self.json {
            let chains: Vec<_> = chains
                .iter()
                .map(|chain| serde_json::json!({"given": chain.given, "durable": chain.durable}))
                .collect();
            let line = serde_json::json!({ "progress": chains });
            if let Err(fault) = print(|out| writeln!(out, "{line}")) {
                tracing::debug!(%fault, "nobody reads the progress");
            }
            return;
        }
        let now = Instant::now();
        if !self.terminal && now < self.next {
            return;
        }
        self.next = now + SELDOM;
        for (nth, chain) in chains.iter().enumerate().filter(|(_, chain)| !chain.is_fed) {
            let given = chain.given.map(|b| format!("{} MiB given, ", b >> 20)).unwrap_or_default();
            let end = if self.terminal && chains.len() == 1 { "\r" } else { "\n" };
            eprint!("glue: chain {}: {given}{} MiB durable{end}", nth + 1, chain.durable >> 20);
        }
    }
}
