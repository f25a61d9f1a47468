//! How the chains of a recipe flow into each other.
//!
//! Owns the names of chains and what they come to: for each chain those into which it flows, in the
//! order of its sides, and those that flow into it, in the order of the recipe. Pure.

use std::collections::HashMap;

use super::recipe::{Chain, Onward};

/// The place of a chain in the whole.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Chains into which it flows.
    pub into: Vec<usize>,
    /// Chains that flow into it.
    pub from: Vec<usize>,
}

/// All chains of a recipe, by their number.
#[derive(Debug, Default)]
pub struct Graph(Vec<Joined>);

/// Something about names that makes no sense: the byte of the text where it stands, and what.
pub type Wrong = (usize, String);

impl Graph {
    /// Follows the names. What leads nowhere is left out and told.
    pub fn of(chains: &[Chain]) -> (Graph, Vec<Wrong>) {
        let mut graph = Graph(vec![Joined::default(); chains.len()]);
        let (names, mut wrong) = names(chains);
        for (from, chain) in chains.iter().enumerate() {
            let Some(into) = &chain.into else { continue };
            let at = into.span().start;
            for name in into.get_ref().names() {
                match names.get(name.as_str()) {
                    None => wrong.push((at, format!("no chain is called {name}"))),
                    Some(to) if graph.0[from].into.contains(to) => {
                        wrong.push((at, format!("it flows into {name} twice")));
                    }
                    Some(&to) => {
                        graph.0[from].into.push(to);
                        graph.0[to].from.push(from);
                    }
                }
            }
        }
        (graph, wrong)
    }

    /// How a chain is joined.
    pub fn joined(&self, chain: usize) -> &Joined {
        &self.0[chain]
    }

    /// The chains in an order in which each comes before those it flows into; none if some flow in a
    /// circle, and then one of those.
    pub fn in_order(&self) -> Result<Vec<usize>, usize> {
        let mut open: Vec<usize> = self.0.iter().map(|joined| joined.from.len()).collect();
        let mut order: Vec<usize> = (0..self.0.len()).filter(|&chain| open[chain] == 0).collect();
        let mut next = 0;
        while let Some(&chain) = order.get(next) {
            next += 1;
            for &to in &self.0[chain].into {
                open[to] -= 1;
                if open[to] == 0 {
                    order.push(to);
                }
            }
        }
        match (0..self.0.len()).find(|&chain| open[chain] > 0 && self.reaches(chain, chain)) {
            None => Ok(order),
            Some(chain) => Err(chain),
        }
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        let (mut seen, mut open) = (vec![false; self.0.len()], vec![from]);
        while let Some(chain) = open.pop() {
            for &next in &self.0[chain].into {
                if next == to {
                    return true;
                }
                if !std::mem::replace(&mut seen[next], true) {
                    open.push(next);
                }
            }
        }
        false
    }
}

fn names(chains: &[Chain]) -> (HashMap<&str, usize>, Vec<Wrong>) {
    let (mut names, mut wrong) = (HashMap::new(), Vec::new());
    for (nth, chain) in chains.iter().enumerate() {
        let Some(name) = &chain.name else { continue };
        if names.insert(name.get_ref().as_str(), nth).is_some() {
            let what = format!("two chains are called {}", name.get_ref());
            wrong.push((name.span().start, what));
        }
    }
    (names, wrong)
}

impl Onward {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            Onward::One(name) => std::slice::from_ref(name),
            Onward::Several(names) => names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Recipe;
    use super::*;

    fn graph(chains: &[(&str, &str)]) -> (Graph, Vec<Wrong>) {
        let chain = |(name, into): &(&str, &str)| {
            let into = if into.is_empty() { String::new() } else { format!("into = {into}\n") };
            format!("[[chain]]\nname = \"{name}\"\n{into}steps = []\n")
        };
        let text: String = chains.iter().map(chain).collect();
        let recipe = Recipe::parse(&format!("name = \"x\"\n{text}")).unwrap();
        Graph::of(recipe.chains.get_ref())
    }

    #[test]
    fn chains_flow_by_their_names() {
        let (graph, wrong) = graph(&[
            ("tape", ""),
            ("a", "\"tee\""),
            ("other", ""),
            ("b", "\"tee\""),
            ("tee", "[\"other\", \"tape\"]"),
        ]);
        assert!(wrong.is_empty());
        assert_eq!(graph.joined(4), &Joined { into: vec![2, 0], from: vec![1, 3] });
        assert_eq!(graph.in_order(), Ok(vec![1, 3, 4, 2, 0]));
    }

    #[test]
    fn names_that_lead_nowhere_and_circles_are_found() {
        let (_, wrong) = graph(&[("a", "\"b\""), ("a", "[\"a\", \"a\"]")]);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let (graph, _) = graph(&[("a", "\"b\""), ("b", "\"c\""), ("c", "\"b\"")]);
        assert_eq!(graph.in_order(), Err(1));
    }
}
