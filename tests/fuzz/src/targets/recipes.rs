//! Recipes: text that somebody wrote.
//!
//! Promises: every complaint points into the text, and a recipe without complaints has only chains of
//! a source, processors and a sink.

use tapioca::glue::check::check;
use tapioca::glue::recipe::{Complaint, Recipe};
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
            Some("sink") => Role::Sink,
            _ => return Err(format!("{name} is unknown")),
        };
        let keeps = !name.ends_with("null");
        Ok(Described { role, keeps, receipts: keeps, claims: step[1..].to_vec() })
    }

    fn make(&self, _: &[String], _: bool) -> Result<Part, Fault> {
        Err(Fault::usage("nothing is made here"))
    }
}

fn points_into(text: &str, complaint: &Complaint) {
    let line = text.split('\n').nth(complaint.line - 1).expect("the line is there");
    assert!(complaint.column <= line.chars().count() + 1, "{complaint} points nowhere");
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
        for chain in recipe.chains.get_ref() {
            let steps = chain.steps.get_ref();
            let role = |nth: usize| ByName.describe(steps[nth].get_ref()).map(|d| d.role);
            assert_eq!(role(0), Ok(Role::Source));
            assert_eq!(role(steps.len() - 1), Ok(Role::Sink));
            assert!((1..steps.len() - 1).all(|nth| role(nth) == Ok(Role::Processor)));
        }
    }
}
