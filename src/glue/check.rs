//! The check of a whole recipe, before anything is opened.
//!
//! Owns the rules: every component is known and its words make sense, a chain is a source, processors
//! and a sink or flows into others, nothing is claimed twice, and what is called a backup is kept. Reports everything that
//! is wrong, not only the first.

use std::collections::HashMap;

use super::graph::{Graph, Joined};
use super::recipe::{Chain, Complaint, Onward, Recipe};
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
    let (graph, wrong) = Graph::of(chains);
    wrong.into_iter().for_each(|(at, what)| check.say(at, what));
    if let Err(chain) = graph.in_order() {
        let at = chains[chain].into.as_ref().map_or(0, |into| into.span().start);
        check.say(at, "it flows in a circle".into());
    }
    for (nth, chain) in chains.iter().enumerate() {
        check.chain(chain, graph.joined(nth), recipe.keeps_nothing);
    }
    check.complaints.sort_by_key(|complaint| (complaint.line, complaint.column));
    check.complaints
}

struct Check<'a> {
    text: &'a str,
    gluepot: &'a dyn Gluepot,
    /// Who claimed what first: a component's name, and its line.
    claimed: HashMap<String, (String, usize)>,
    complaints: Vec<Complaint>,
}

/// Where a step stands.
struct Spot<'a> {
    is_first: bool,
    is_last: bool,
    /// Chains that flow into its chain, and into which that flows.
    from: usize,
    into: Option<&'a Onward>,
}

impl Check<'_> {
    fn say(&mut self, at: usize, what: String) {
        self.complaints.push(Complaint::at(self.text, at, what));
    }

    fn chain(&mut self, chain: &Chain, joined: &Joined, loose: bool) {
        let all = chain.steps.get_ref();
        let is_joined = chain.into.is_some() || !joined.from.is_empty();
        match all.len() {
            0 if is_joined => self.say(chain.steps.span().start, "there is no step".into()),
            0 | 1 if !is_joined => {
                let what = "a chain has a source and a sink at least";
                self.say(chain.steps.span().start, what.into());
            }
            _ => {}
        }
        for (nth, step) in all.iter().enumerate() {
            let at = step.span().start;
            let Some(name) = step.get_ref().first() else {
                self.say(at, "a step needs the name of a component".into());
                continue;
            };
            let spot = Spot {
                is_first: nth == 0,
                is_last: nth + 1 == all.len(),
                from: joined.from.len(),
                into: chain.into.as_ref().map(|into| into.get_ref()),
            };
            match self.gluepot.describe(step.get_ref()) {
                Ok(described) => {
                    self.place(at, name, described.role, &spot, is_joined);
                    self.edges(at, name, &described);
                    self.durability(at, name, &described, loose);
                    self.claims(at, name, described.claims);
                }
                Err(what) => self.say(at, what),
            }
        }
    }

    fn place(&mut self, at: usize, name: &str, role: Role, spot: &Spot<'_>, is_joined: bool) {
        let wrong =
            wrong_at_the_head(role, spot).or_else(|| wrong_at_the_foot(role, spot, is_joined));
        if let Some(wrong) = wrong {
            self.say(at, format!("{name} {wrong}"));
        }
    }

    fn edges(&mut self, at: usize, name: &str, described: &Described) {
        if described.names_edges {
            let what = "names what is joined to it; in a recipe the chains say so, with into";
            self.say(at, format!("{name} {what}"));
        }
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

/// What is wrong with how a component stands to what comes before it.
fn wrong_at_the_head(role: Role, spot: &Spot<'_>) -> Option<&'static str> {
    match (role, spot.is_first, spot.from) {
        (Role::Source, false, _) => Some("makes a stream and must be the first step"),
        (Role::Source, true, 1..) => Some("makes a stream, and other chains flow into this one"),
        (Role::Processor, true, 0) => Some("changes a stream and cannot be the first step"),
        (Role::Tee, true, 0) => Some("needs a stream and cannot be the first step"),
        (Role::Funnel, false, _) => Some("joins chains and must be the first step"),
        (Role::Funnel, true, 0 | 1) => Some("joins at least two chains: say into in each of them"),
        (Role::Processor | Role::Sink | Role::Tee, true, 2..) => {
            Some("takes one stream, and several chains flow into this one: begin with fun_mux")
        }
        _ => None,
    }
}

/// What is wrong with how a component stands to what comes after it.
fn wrong_at_the_foot(role: Role, spot: &Spot<'_>, is_joined: bool) -> Option<&'static str> {
    let sides = spot.into.map(|into| into.names().len());
    match (role, spot.is_last, sides) {
        (Role::Processor, true, None) => Some("changes a stream and cannot be the last step"),
        (Role::Sink, false, _) => Some("keeps a stream and must be the last step"),
        (Role::Sink, true, Some(_)) => Some("keeps a stream, and this chain flows into another"),
        (Role::Tee, false, _) => Some("parts a stream and must be the last step"),
        (Role::Tee, true, None | Some(0 | 1)) => {
            Some("needs at least two chains to flow into: say into = [\"one\", \"other\"]")
        }
        (Role::Source | Role::Funnel, true, None) if is_joined => {
            Some("leads nowhere: the chain needs a sink, or into")
        }
        (Role::Source | Role::Funnel | Role::Processor, true, Some(0 | 2..)) => {
            Some("gives one stream: several chains need tee_mirror before them")
        }
        _ => None,
    }
}
