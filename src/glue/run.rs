//! The running of a checked recipe.
//!
//! Owns the chains while they run: all are made before any starts, what one of them comes to decides
//! about the others, and whoever watches is told how far they are. One chain that fails ends them all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Gluepot;
use super::plan::{Plan, Planned};
use super::recipe::{Plumber, Recipe};
use crate::plumb::pipe::receipts_in;
use crate::plumb::ring::{self, Meter, Ring};
use crate::plumb::run::{Ended, Part, root_cause};
use crate::plumb::spawn::{self, Chain, Ends};
use crate::stream::{Blame, Fault, Receipt, Upward};

/// How long the others may take to end by themselves once one gave up.
const GRACE: Duration = Duration::from_secs(10);
/// The least that an edge below a tee holds.
const EDGE_BYTES_MIN: usize = 4 * 1024 * 1024;
/// How often whoever watches is told.
const TELL: Duration = Duration::from_secs(1);

/// How far a chain is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes its source gave; unknown when each component is a process.
    pub given: Option<u64>,
    /// Bytes of the source's stream that are receipted.
    pub durable: u64,
    /// Whether it has no source, but others flow into it.
    pub is_fed: bool,
}

/// Counts what became durable, in the copy that is furthest.
#[derive(Clone, Default)]
struct Durable(Arc<Mutex<BTreeMap<u8, u64>>>);

impl Durable {
    fn copies(&self) -> MutexGuard<'_, BTreeMap<u8, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> u64 {
        self.copies().values().copied().max().unwrap_or(0)
    }
}

impl Upward for Durable {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        let bytes = receipt.to.saturating_sub(receipt.from);
        *self.copies().entry(receipt.copy).or_default() += bytes;
        Ok(())
    }
}

/// What a running recipe waits for.
pub enum Event {
    /// Somebody wants it to end: why.
    Stop(String),
    /// A chain ended.
    Ended(usize, Result<Vec<Ended>, Fault>),
}

enum Running {
    Ring(Ring),
    Pipe(Chain),
}

enum Stop {
    Ring(ring::Stop),
    Pipe(spawn::Stop),
    ByOthers,
}

impl Stop {
    fn stop(&self, why: &str) {
        match self {
            Stop::Ring(stop) => stop.stop(why),
            Stop::Pipe(stop) => stop.stop(),
            Stop::ByOthers => {}
        }
    }
}

struct Watched {
    /// What people call it.
    name: Option<String>,
    /// Whether the others go on when it fails.
    is_forgiven: bool,
    is_fed: bool,
    meter: Option<Meter>,
    durable: Durable,
    stop: Stop,
}

/// What a chain came to.
#[derive(Debug, Default)]
pub struct ChainEnded {
    /// What people call it.
    pub name: Option<String>,
    /// Whether the others went on in spite of what became of it.
    pub is_forgiven: bool,
    /// How each of its components ended.
    pub parts: Vec<Ended>,
}

impl ChainEnded {
    /// Who brought its end about, and why; none if all went well.
    pub fn root_cause(&self) -> Option<(String, &Fault)> {
        let (who, fault) = root_cause(&self.parts)?;
        let who = self.name.as_ref().map_or(who.into(), |name| format!("{name}/{who}"));
        Some((who, fault))
    }
}

/// What a pudding came to.
#[derive(Debug)]
pub struct Outcome {
    /// How every chain ended.
    pub chains: Vec<ChainEnded>,
    /// Why it was stopped, if somebody did.
    pub stopped: Option<String>,
    /// The chains that failed and were not forgiven, in the order in which they did.
    pub failed: Vec<usize>,
}

impl Outcome {
    /// Which component brought the end about, and why; none if all went well.
    pub fn root_cause(&self) -> Option<(String, &Fault)> {
        let causes = || self.failed.iter().filter_map(|&nth| self.chains[nth].root_cause());
        causes().find(|(_, fault)| fault.blame != Blame::Neighbour).or_else(|| causes().next())
    }

    /// Chains that failed while the others went on.
    pub fn forgiven(&self) -> impl Iterator<Item = (String, &Fault)> {
        self.chains.iter().filter(|chain| chain.is_forgiven).filter_map(ChainEnded::root_cause)
    }

    /// How many things were left out.
    pub fn left_out(&self) -> u64 {
        let parts = self.chains.iter().flat_map(|chain| &chain.parts);
        let named: u64 = parts.filter_map(|part| part.verdict.as_ref().ok()).sum();
        named.max(self.forgiven().count() as u64)
    }
}

/// A pudding that runs.
pub struct Pudding {
    chains: Vec<Watched>,
    events: Receiver<Event>,
}

impl Pudding {
    /// Makes and starts what a recipe without complaints says. `program` is this executable; `events`
    /// are the two ends of one channel, whose first the caller may use to stop it.
    pub fn start(
        recipe: &Recipe,
        gluepot: &dyn Gluepot,
        program: PathBuf,
        events: (Sender<Event>, Receiver<Event>),
    ) -> Result<Pudding, Fault> {
        let (teller, events) = events;
        let edge_bytes = usize::try_from(recipe.edge_mib.get_ref() << 20).unwrap_or(usize::MAX);
        let plan = Plan::of(recipe, gluepot)?;
        let started = match recipe.plumber {
            Plumber::Ring => rings(&plan, gluepot, edge_bytes)?,
            Plumber::Pipe => processes(&plan, &program)?,
        };
        let mut chains = Vec::new();
        for (nth, (watched, running)) in started.into_iter().enumerate() {
            chains.push(watched);
            let teller = teller.clone();
            std::thread::spawn(move || {
                let ended = match running {
                    Running::Ring(ring) => Ok(ring.wait(GRACE)),
                    Running::Pipe(chain) => chain.wait(GRACE),
                };
                if teller.send(Event::Ended(nth, ended)).is_err() {
                    tracing::debug!("nobody waits for this pudding any more");
                }
            });
        }
        Ok(Pudding { chains, events })
    }

    /// Waits for the end, telling `watch` about once a second how far each chain is.
    pub fn wait(self, watch: &mut dyn FnMut(&[Progress])) -> Result<Outcome, Fault> {
        let mut ended: Vec<Option<Vec<Ended>>> = self.chains.iter().map(|_| None).collect();
        let (mut stopped, mut failed) = (None, Vec::new());
        let mut patience = Patience::default();
        while ended.iter().any(Option::is_none) {
            match self.events.recv_timeout(TELL) {
                Ok(Event::Stop(why)) => {
                    self.stop(&why);
                    stopped.get_or_insert(why);
                }
                Ok(Event::Ended(nth, parts)) => {
                    let parts = parts?;
                    if root_cause(&parts).is_some() && !self.chains[nth].is_forgiven {
                        patience.hear(&parts);
                        failed.push(nth);
                    }
                    ended[nth] = Some(parts);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The senders live in the threads that wait for the chains.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            patience.lost().into_iter().for_each(|why| self.stop(why));
            watch(&self.progress());
        }
        let chains = self.chains.into_iter().zip(ended).map(|(chain, parts)| ChainEnded {
            name: chain.name,
            is_forgiven: chain.is_forgiven,
            parts: parts.unwrap_or_default(),
        });
        Ok(Outcome { chains: chains.collect(), stopped, failed })
    }

    fn stop(&self, why: &str) {
        // Funnels before what flows into them.
        let (fed, sources): (Vec<_>, Vec<_>) = self.chains.iter().partition(|chain| chain.is_fed);
        fed.iter().chain(&sources).for_each(|chain| chain.stop.stop(why));
    }

    fn progress(&self) -> Vec<Progress> {
        let of = |chain: &Watched| Progress {
            given: chain.meter.as_ref().map(Meter::bytes),
            durable: chain.durable.bytes(),
            is_fed: chain.is_fed,
        };
        self.chains.iter().map(of).collect()
    }
}

/// When the others are ended because one chain failed: at once if the cause is in that chain. If it only
/// lost a neighbour, the chain with the cause is about to tell, and has some time for it.
#[derive(Default)]
struct Patience {
    why: Option<String>,
    until: Option<Instant>,
}

impl Patience {
    fn hear(&mut self, parts: &[Ended]) {
        let Some((who, fault)) = root_cause(parts) else { return };
        let now = Instant::now();
        let until = if fault.blame == Blame::Neighbour { now + GRACE } else { now };
        self.why.get_or_insert_with(|| format!("{who} gave up"));
        self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
    }

    fn lost(&self) -> Option<&str> {
        self.until.filter(|until| *until <= Instant::now()).and(self.why.as_deref())
    }
}

fn rings(
    plan: &Plan,
    gluepot: &dyn Gluepot,
    edge_bytes: usize,
) -> Result<Vec<(Watched, Running)>, Fault> {
    let made = plan.chains().map(|chain| make(chain, gluepot)).collect::<Result<Vec<_>, _>>()?;
    let durable: Vec<Durable> = plan.chains().map(|_| Durable::default()).collect();
    let source = |(chain, durable): (&Planned, &Durable)| match chain.is_fed() {
        true => ring::Joints::default(),
        false => ring::Joints::source(durable.clone()),
    };
    let mut joints: Vec<ring::Joints> = plan.chains().zip(&durable).map(source).collect();
    for from in plan.in_order() {
        let into = plan.into(from);
        let limit = match made[from].last() {
            Some((_, Part::Tee(_, outputs))) => {
                (outputs.memory_bytes / into.len().max(1)).max(EDGE_BYTES_MIN)
            }
            _ => edge_bytes,
        };
        let is_tee = matches!(made[from].last(), Some((_, Part::Tee(..))));
        join(&mut joints, from, into, limit, is_tee);
    }
    let start = |(((chain, parts), joints), durable): (((&Planned, _), _), Durable)| {
        let meter = Meter::default();
        let ring = Ring::start_joined(parts, edge_bytes, meter.clone(), joints)?;
        let stop = Stop::Ring(ring.stop());
        Ok((watched(chain, Some(meter), durable, stop), Running::Ring(ring)))
    };
    plan.chains().zip(made).zip(joints).zip(durable).map(start).collect()
}

fn join(joints: &mut [ring::Joints], from: usize, into: &[usize], limit: usize, is_tee: bool) {
    let mut head = std::mem::take(&mut joints[from]);
    let mut sides: Vec<ring::Joints> =
        into.iter().map(|&to| std::mem::take(&mut joints[to])).collect();
    match sides.as_mut_slice() {
        [] => {}
        [one] if !is_tee => ring::Joints::flow(&mut head, one, limit),
        several => {
            ring::Joints::part(&mut head, &mut several.iter_mut().collect::<Vec<_>>(), limit)
        }
    }
    joints[from] = head;
    into.iter().zip(sides).for_each(|(&to, side)| joints[to] = side);
}

fn processes(plan: &Plan, program: &std::path::Path) -> Result<Vec<(Watched, Running)>, Fault> {
    let label = |chain: &Planned| spawn::Joints::labelled(chain.label());
    let mut joints: Vec<spawn::Joints> = plan.chains().map(label).collect();
    for from in plan.in_order() {
        for &to in plan.into(from) {
            let mut head = std::mem::take(&mut joints[from]);
            spawn::Joints::flow(&mut head, &mut joints[to])?;
            joints[from] = head;
        }
    }
    let start = |(chain, joints): (&Planned, spawn::Joints)| {
        let durable = Durable::default();
        let steps: Vec<Vec<OsString>> =
            chain.steps.iter().map(|step| spawn::step(step.iter())).collect();
        let mut running = Chain::start_joined(program, &steps, chain.receipts, Ends::Ours, joints)?;
        if let Some(receipts) = running.receipts() {
            count(receipts, durable.clone());
        }
        // What others flow into ends when they do, and clears up; but a funnel would make an edge of
        // streams that gave up, and end that well.
        let ends_with_others = chain.is_fed() && !chain.head_forgives();
        let stop = match ends_with_others {
            true => Stop::ByOthers,
            false => Stop::Pipe(running.stop()?),
        };
        Ok((watched(chain, None, durable, stop), Running::Pipe(running)))
    };
    plan.chains().zip(joints).map(start).collect()
}

fn watched(chain: &Planned, meter: Option<Meter>, durable: Durable, stop: Stop) -> Watched {
    Watched {
        name: chain.name.clone(),
        is_forgiven: chain.is_forgiven,
        is_fed: chain.is_fed(),
        meter,
        durable,
        stop,
    }
}

fn make(chain: &Planned, gluepot: &dyn Gluepot) -> Result<Vec<(String, Part)>, Fault> {
    let part = |step: &Vec<String>| {
        Ok((step[0].clone(), gluepot.make(step, chain.receipts, chain.sides)?))
    };
    chain.steps.iter().map(part).collect()
}

/// Receipts that leave the top of a chain of processes.
fn count(receipts: std::fs::File, mut durable: Durable) {
    std::thread::spawn(move || {
        for receipt in receipts_in(receipts) {
            if let Err(error) = receipt.and_then(|receipt| durable.receipt(receipt)) {
                tracing::warn!(%error, "the count of durable bytes stops");
                return;
            }
        }
    });
}
