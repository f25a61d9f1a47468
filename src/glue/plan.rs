//! What is to be started for a recipe.
//!
//! Owns what must be known of a chain before it is made: whether receipts come up to it, how many sides
//! its tee has, and whether the others go on when it fails. Opens nothing.

use super::graph::Graph;
use super::recipe::{Chain, Recipe};
use super::{Gluepot, Role};
use crate::stream::Fault;

/// A chain, and how it stands to the others.
pub(super) struct Planned {
    pub(super) name: Option<String>,
    number: usize,
    pub(super) steps: Vec<Vec<String>>,
    /// Whether receipts come from below.
    pub(super) receipts: bool,
    /// Into how many chains it flows.
    pub(super) sides: usize,
    pub(super) is_forgiven: bool,
    from: Vec<usize>,
    into: Vec<usize>,
    /// Whether its first step, or its last one, forgives what is joined to it.
    head_forgives: bool,
    foot_forgives: bool,
}

impl Planned {
    fn of(
        number: usize,
        chain: &Chain,
        graph: &Graph,
        gluepot: &dyn Gluepot,
    ) -> Result<Planned, Fault> {
        let steps: Vec<Vec<String>> =
            chain.steps.get_ref().iter().map(|step| step.get_ref().clone()).collect();
        let described = steps.iter().map(|step| gluepot.describe(step).map_err(Fault::usage));
        let described = described.collect::<Result<Vec<_>, _>>()?;
        let (first, last) = (described.first(), described.last());
        let joined = graph.joined(number);
        Ok(Planned {
            name: chain.name.as_ref().map(|name| name.get_ref().clone()),
            number,
            receipts: last.is_some_and(|last| last.receipts),
            sides: joined.into.len(),
            is_forgiven: false,
            from: joined.from.clone(),
            into: joined.into.clone(),
            head_forgives: first.is_some_and(|d| d.forgives && d.role == Role::Funnel),
            foot_forgives: last.is_some_and(|d| d.forgives && d.role == Role::Tee),
            steps,
        })
    }

    /// Whether others flow into it.
    pub(super) fn is_fed(&self) -> bool {
        !self.from.is_empty()
    }

    /// Whether it begins with a funnel that goes on when something that flows into it fails.
    pub(super) fn head_forgives(&self) -> bool {
        self.head_forgives
    }

    /// Its name, or its number.
    pub(super) fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| (self.number + 1).to_string())
    }
}

/// All chains of a recipe without complaints.
pub(super) struct Plan {
    chains: Vec<Planned>,
    order: Vec<usize>,
}

impl Plan {
    pub(super) fn of(recipe: &Recipe, gluepot: &dyn Gluepot) -> Result<Plan, Fault> {
        let chains = recipe.chains.get_ref();
        let (graph, _) = Graph::of(chains);
        let order = graph.in_order().map_err(|_| Fault::usage("chains flow in a circle"))?;
        let planned = |(nth, chain)| Planned::of(nth, chain, &graph, gluepot);
        let chains = chains.iter().enumerate().map(planned).collect::<Result<_, _>>()?;
        let mut plan = Plan { chains, order };
        plan.receipts();
        plan.forgiveness();
        Ok(plan)
    }

    pub(super) fn chains(&self) -> impl Iterator<Item = &Planned> {
        self.chains.iter()
    }

    /// Numbers of the chains, each before those it flows into.
    pub(super) fn in_order(&self) -> impl Iterator<Item = usize> {
        self.order.iter().copied()
    }

    pub(super) fn into(&self, chain: usize) -> &[usize] {
        &self.chains[chain].into
    }

    /// Receipts come up to a chain if they come to all it flows into.
    fn receipts(&mut self) {
        for &chain in self.order.iter().rev() {
            let into = &self.chains[chain].into;
            if !into.is_empty() {
                let all = into.iter().all(|&to| self.chains[to].receipts);
                self.chains[chain].receipts = all;
            }
        }
    }

    /// What flows into a funnel that forgives may fail alone, and so may what a tee that forgives flows
    /// into; with all that is further up, or down, and nowhere else.
    fn forgiveness(&mut self) {
        let mut above = vec![false; self.chains.len()];
        for &nth in self.order.iter().rev() {
            let forgives = |&to: &usize| above[to] || self.chains[to].head_forgives;
            let into = &self.chains[nth].into;
            above[nth] = !into.is_empty() && into.iter().all(forgives);
        }
        let mut below = vec![false; self.chains.len()];
        for &nth in &self.order {
            let forgives = |&from: &usize| below[from] || self.chains[from].foot_forgives;
            let from = &self.chains[nth].from;
            below[nth] = !from.is_empty() && from.iter().all(forgives);
        }
        for (nth, chain) in self.chains.iter_mut().enumerate() {
            chain.is_forgiven = above[nth] || below[nth];
        }
    }
}
