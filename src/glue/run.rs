//! The running of a checked recipe.
//!
//! Owns the chains while they run: all are made before any starts, what one of them comes to decides
//! about the others, and whoever watches is told how far they are. One chain that fails ends them all.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::Gluepot;
use super::recipe::{Plumber, Recipe};
use crate::plumb::pipe::receipts_in;
use crate::plumb::ring::{self, Meter, Ring};
use crate::plumb::run::{Ended, Part, root_cause};
use crate::plumb::spawn::{self, Chain, Ends};
use crate::stream::{Fault, Receipt, Upward};

/// How long the others may take to end by themselves once one gave up.
const GRACE: Duration = Duration::from_secs(10);
/// How often whoever watches is told.
const TELL: Duration = Duration::from_secs(1);

/// How far a chain is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes its source gave; unknown when each component is a process.
    pub given: Option<u64>,
    /// Bytes of the source's stream that are receipted.
    pub durable: u64,
}

/// Counts what became durable.
#[derive(Clone, Default)]
struct Durable(Arc<AtomicU64>);

impl Upward for Durable {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.fetch_add(receipt.to.saturating_sub(receipt.from), Ordering::Relaxed);
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
}

impl Stop {
    fn stop(&self, why: &str) {
        match self {
            Stop::Ring(stop) => stop.stop(why),
            Stop::Pipe(stop) => stop.stop(),
        }
    }
}

struct Watched {
    meter: Option<Meter>,
    durable: Durable,
    stop: Stop,
}

/// What a pudding came to.
#[derive(Debug)]
pub struct Outcome {
    /// How every component of every chain ended.
    pub chains: Vec<Vec<Ended>>,
    /// Why it was stopped, if somebody did.
    pub stopped: Option<String>,
    /// The chain that failed before any other did.
    pub failed_first: Option<usize>,
}

impl Outcome {
    /// Which component brought the end about, and why; none if all went well.
    pub fn root_cause(&self) -> Option<(&str, &Fault)> {
        root_cause(self.chains.get(self.failed_first?)?)
    }

    /// How many things were left out.
    pub fn left_out(&self) -> u64 {
        self.chains.iter().flatten().filter_map(|part| part.verdict.as_ref().ok()).sum()
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
        let mut made = Vec::new();
        for chain in recipe.chains.get_ref() {
            let steps: Vec<&[String]> =
                chain.steps.get_ref().iter().map(|step| step.get_ref().as_slice()).collect();
            made.push(match recipe.plumber {
                Plumber::Ring => Made::Parts(make(&steps, gluepot)?),
                Plumber::Pipe => Made::Steps(words(&steps), gives_receipts(&steps, gluepot)?),
            });
        }
        let mut chains = Vec::new();
        for (nth, made) in made.into_iter().enumerate() {
            let (watched, running) = made.start(edge_bytes, &program)?;
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
        let (mut stopped, mut failed_first) = (None, None);
        while ended.iter().any(Option::is_none) {
            match self.events.recv_timeout(TELL) {
                Ok(Event::Stop(why)) => {
                    self.stop(&why);
                    stopped.get_or_insert(why);
                }
                Ok(Event::Ended(nth, parts)) => {
                    let parts = parts?;
                    if let Some(part) = parts.iter().find(|part| part.verdict.is_err()) {
                        self.stop(&format!("{} gave up", part.who));
                        failed_first.get_or_insert(nth);
                    }
                    ended[nth] = Some(parts);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The senders live in the threads that wait for the chains.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            watch(&self.progress());
        }
        let chains = ended.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Outcome { chains, stopped, failed_first })
    }

    fn stop(&self, why: &str) {
        self.chains.iter().for_each(|chain| chain.stop.stop(why));
    }

    fn progress(&self) -> Vec<Progress> {
        let of = |chain: &Watched| Progress {
            given: chain.meter.as_ref().map(Meter::bytes),
            durable: chain.durable.0.load(Ordering::Relaxed),
        };
        self.chains.iter().map(of).collect()
    }
}

enum Made {
    Parts(Vec<(String, Part)>),
    Steps(Vec<Vec<OsString>>, bool),
}

impl Made {
    fn start(
        self,
        edge_bytes: usize,
        program: &std::path::Path,
    ) -> Result<(Watched, Running), Fault> {
        let durable = Durable::default();
        match self {
            Made::Parts(parts) => {
                let meter = Meter::default();
                let ring = Ring::start(parts, edge_bytes, meter.clone(), durable.clone())?;
                let stop = Stop::Ring(ring.stop());
                Ok((Watched { meter: Some(meter), durable, stop }, Running::Ring(ring)))
            }
            Made::Steps(steps, receipts) => {
                let mut chain = Chain::start_as(program, &steps, receipts, Ends::Ours)?;
                if let Some(receipts) = chain.receipts() {
                    count(receipts, durable.clone());
                }
                let stop = Stop::Pipe(chain.stop()?);
                Ok((Watched { meter: None, durable, stop }, Running::Pipe(chain)))
            }
        }
    }
}

fn make(steps: &[&[String]], gluepot: &dyn Gluepot) -> Result<Vec<(String, Part)>, Fault> {
    let receipts = gives_receipts(steps, gluepot)?;
    let part = |step: &&[String]| Ok((step[0].clone(), gluepot.make(step, receipts)?));
    steps.iter().map(part).collect()
}

fn words(steps: &[&[String]]) -> Vec<Vec<OsString>> {
    steps.iter().map(|step| spawn::step(step.iter())).collect()
}

fn gives_receipts(steps: &[&[String]], gluepot: &dyn Gluepot) -> Result<bool, Fault> {
    let Some(last) = steps.last() else { return Ok(false) };
    let described = gluepot.describe(last).map_err(Fault::usage)?;
    Ok(described.receipts)
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
