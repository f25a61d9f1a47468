//! The steward: settings come from it, and it is told how the links are.
//!
//! Owns a thread for each, as one waits most of the time, and that they begin again when the steward does.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::settings::Settings;
use crate::steward::client::Steward;
use crate::steward::message::{Answer, Ask, LinkState};
use crate::stream::{Blame, Fault};

/// How long a change is waited for at a time, milliseconds.
const WATCH_MS: u32 = 30_000;
/// How long until a steward that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked for something new to tell.
const LOOK: Duration = Duration::from_millis(500);
/// How often the same is told again: it may be another steward.
const TELL: Duration = Duration::from_secs(10);

fn other(answer: Answer) -> Fault {
    match answer {
        Answer::Refused { what, .. } => {
            Fault::later(Blame::Host, format!("the steward refuses: {what}"))
        }
        _ => Fault::stream("the steward answers something else than was asked"),
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(body);
    spawned.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}

/// Settings in force, whenever they change; none: they are not known yet.
pub(super) fn watch(socket: PathBuf) -> Result<watch::Receiver<Option<Settings>>, Fault> {
    let (to, settings) = watch::channel(None);
    spawn("settings", move || {
        let mut failing = false;
        while !to.is_closed() {
            if let Err(fault) = follow(&socket, &to, &mut failing) {
                // Once: it may take hours.
                if !failing {
                    tracing::warn!(%fault, "settings are not known");
                }
                failing = true;
                std::thread::sleep(AGAIN);
            }
        }
    })?;
    Ok(settings)
}

fn follow(
    socket: &Path,
    to: &watch::Sender<Option<Settings>>,
    failing: &mut bool,
) -> Result<(), Fault> {
    let mut steward = Steward::connect(socket)?;
    // A steward that began anew counts anew.
    let mut known = 0;
    while !to.is_closed() {
        let wait_ms = if known == 0 { 0 } else { WATCH_MS };
        let (change, text) = match steward.ask(&Ask::Watch { after: known, wait_ms })? {
            Answer::Settings { change, text, .. } => (change, text),
            answer => return Err(other(answer)),
        };
        *failing = false;
        if change == known {
            continue;
        }
        known = change;
        match Settings::parse(&text) {
            Ok(settings) => to.send_if_modified(|old| {
                let is_new = old.as_ref() != Some(&settings);
                *old = Some(settings);
                is_new
            }),
            Err(fault) => {
                tracing::error!(%fault, "settings cannot be read: those from before hold");
                false
            }
        };
    }
    Ok(())
}

/// What is told.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<LinkState>>>);

impl Told {
    /// From now on this is told.
    pub(super) fn set(&self, links: Vec<LinkState>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = links;
    }

    fn get(&self) -> Vec<LinkState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells how the links are, as long as there are any to tell of.
pub(super) fn tell(socket: PathBuf) -> Result<Told, Fault> {
    let told = Told::default();
    let links = told.clone();
    spawn("links", move || {
        let mut last: Option<(Instant, Vec<LinkState>)> = None;
        loop {
            std::thread::sleep(LOOK);
            let now = links.get();
            let is_known =
                |(at, old): &(Instant, Vec<LinkState>)| *old == now && at.elapsed() < TELL;
            if now.is_empty() && last.is_none() || last.as_ref().is_some_and(is_known) {
                continue;
            }
            last = match say(&socket, &now) {
                Ok(()) => Some((Instant::now(), now)),
                Err(fault) => {
                    tracing::debug!(%fault, "the steward could not be told of the links");
                    std::thread::sleep(AGAIN);
                    None
                }
            };
        }
    })?;
    Ok(told)
}

fn say(socket: &Path, links: &[LinkState]) -> Result<(), Fault> {
    match Steward::connect(socket)?.ask(&Ask::Links(links.to_vec()))? {
        Answer::Done => Ok(()),
        answer => Err(other(answer)),
    }
}
