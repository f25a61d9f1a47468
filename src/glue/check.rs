//! The check of a whole recipe, before anything is opened.
//!
//! Owns the rules: every component is known and its words make sense, a chain is a source, processors
//! and a sink, nothing is claimed twice, and what is called a backup is kept. Reports everything that
//! is wrong, not only the first.

use std::collections::HashMap;

use super::recipe::{Complaint, Recipe};
use super::{Described, Gluepot, Role};

/// The most steps of all chains together.
pub const STEPS_MAX: usize = 64;
/// The most an edge may hold, mebibytes.
pub const EDGE_MIB_MAX: u64 = 4096;

/// What is wrong with `recipe`, whose text is `text`; nothing if it can run.
pub fn check(recipe: &Recipe, text: &str, gluepot: &dyn Gluepot) -> Vec<Complaint> {
    let mut check = Check { text, gluepot, claimed: HashMap::new(), complaints: Vec::new() };
    let edge = &recipe.edge_mib;
    if !(1..=EDGE_MIB_MAX).contains(edge.get_ref()) {
        check.say(edge.span().start, format!("edge_mib goes from 1 to {EDGE_MIB_MAX}"));
    }
    let chains = recipe.chains.get_ref();
    if chains.is_empty() {
        check.say(recipe.chains.span().start, "there is no chain".into());
    }
    let steps: usize = chains.iter().map(|chain| chain.steps.get_ref().len()).sum();
    if steps > STEPS_MAX {
        let what = format!("{steps} steps: a recipe has at most {STEPS_MAX}");
        check.say(recipe.chains.span().start, what);
        return check.complaints;
    }
    for chain in chains {
        check.chain(&chain.steps, recipe.keeps_nothing);
    }
    check.complaints
}

struct Check<'a> {
    text: &'a str,
    gluepot: &'a dyn Gluepot,
    /// Who claimed what first: a component's name, and its line.
    claimed: HashMap<String, (String, usize)>,
    complaints: Vec<Complaint>,
}

impl Check<'_> {
    fn say(&mut self, at: usize, what: String) {
        self.complaints.push(Complaint::at(self.text, at, what));
    }

    fn chain(&mut self, steps: &toml::Spanned<Vec<toml::Spanned<Vec<String>>>>, loose: bool) {
        let all = steps.get_ref();
        if all.len() < 2 {
            self.say(steps.span().start, "a chain has a source and a sink at least".into());
        }
        for (nth, step) in all.iter().enumerate() {
            let at = step.span().start;
            let Some(name) = step.get_ref().first() else {
                self.say(at, "a step needs the name of a component".into());
                continue;
            };
            match self.gluepot.describe(step.get_ref()) {
                Ok(described) => {
                    self.place(at, name, described.role, nth, all.len());
                    self.durability(at, name, &described, loose);
                    self.claims(at, name, described.claims);
                }
                Err(what) => self.say(at, what),
            }
        }
    }

    fn place(&mut self, at: usize, name: &str, role: Role, nth: usize, count: usize) {
        let wrong = match role {
            Role::Source if nth > 0 => "makes a stream and must be the first step",
            Role::Processor if nth == 0 => "changes a stream and cannot be the first step",
            Role::Processor if nth + 1 == count => "changes a stream and cannot be the last step",
            Role::Sink if nth + 1 < count => "keeps a stream and must be the last step",
            _ => return,
        };
        self.say(at, format!("{name} {wrong}"));
    }

    fn durability(&mut self, at: usize, name: &str, described: &Described, loose: bool) {
        if described.role == Role::Sink && !described.keeps && !loose {
            let what = "keeps nothing durably; say keeps_nothing = true if that is meant";
            self.say(at, format!("{name} {what}"));
        }
    }

    fn claims(&mut self, at: usize, name: &str, claims: Vec<String>) {
        let line = Complaint::at(self.text, at, "").line;
        for claim in claims {
            match self.claimed.get(&claim) {
                Some((other, there)) => {
                    let what = format!("{name} uses {claim}, as does {other} in line {there}");
                    self.say(at, what);
                }
                None => {
                    self.claimed.insert(claim, (name.to_owned(), line));
                }
            }
        }
    }
}
