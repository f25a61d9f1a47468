//! Recipes: text that somebody wrote.
//!
//! Promises: every complaint points into the text, and in a recipe without complaints every chain has a
//! source or others that flow into it, and a sink or others into which it flows, without a circle.

use tapioca::glue::check::check;
use tapioca::glue::graph::{Graph, Joined};
use tapioca::glue::recipe::{Chain, Complaint, Recipe};
use tapioca::glue::{Described, Gluepot, Role};
use tapioca::plumb::run::Part;
use tapioca::stream::Fault;

/// Judges a step by the beginning of its name; all its words are claims.
struct ByName;

impl Gluepot for ByName {
    fn describe(&self, step: &[String]) -> Result<Described, String> {
        let name = step.first().map_or("", String::as_str);
        let role = match name.split('_').next() {
            Some("src") => Role::Source,
            Some("proc") => Role::Processor,
            Some("fun") => Role::Funnel,
            Some("tee") => Role::Tee,
            Some("sink") => Role::Sink,
            _ => return Err(format!("{name} is unknown")),
        };
        let keeps = !name.ends_with("null");
        let claims = step[1..].to_vec();
        let (forgives, names_edges) = (name.ends_with("any"), name.ends_with("named"));
        Ok(Described { role, keeps, receipts: keeps, forgives, names_edges, claims })
    }

    fn make(&self, _: &[String], _: bool, _: usize) -> Result<Part, Fault> {
        Err(Fault::usage("nothing is made here"))
    }
}

fn points_into(text: &str, complaint: &Complaint) {
    let line = text.split('\n').nth(complaint.line - 1).expect("the line is there");
    assert!(complaint.column <= line.chars().count() + 1, "{complaint} points nowhere");
}

fn whole(chain: &Chain, joined: &Joined) {
    let described = chain.steps.get_ref().iter().map(|step| ByName.describe(step.get_ref()));
    let roles: Vec<Role> =
        described.map(|described| described.expect("it is known").role).collect();
    let (head, foot) = (roles[0], roles[roles.len() - 1]);
    match joined.from.len() {
        0 => assert_eq!(head, Role::Source),
        1 => assert!([Role::Processor, Role::Sink, Role::Tee].contains(&head)),
        _ => assert_eq!(head, Role::Funnel),
    }
    match joined.into.len() {
        0 => assert_eq!(foot, Role::Sink),
        1 => assert!([Role::Source, Role::Processor, Role::Funnel].contains(&foot)),
        _ => assert_eq!(foot, Role::Tee),
    }
    let between = roles.get(1..roles.len() - 1).unwrap_or_default();
    assert!(between.iter().all(|role| *role == Role::Processor));
}

pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let recipe = match Recipe::parse(text) {
        Ok(recipe) => recipe,
        Err(complaint) => return points_into(text, &complaint),
    };
    let complaints = check(&recipe, text, &ByName);
    complaints.iter().for_each(|complaint| points_into(text, complaint));
    if complaints.is_empty() {
        let (graph, wrong) = Graph::of(recipe.chains.get_ref());
        assert!(wrong.is_empty() && graph.in_order().is_ok());
        for (nth, chain) in recipe.chains.get_ref().iter().enumerate() {
            whole(chain, graph.joined(nth));
        }
    }
}
