//! What the updater of a box wants to know of its service.
//!
//! Owns a thread that says every few seconds which devices answer, as long as clients can come, and gives the records
//! when a new version is to be tested on them. Without an updater it is silent.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::devices::Devices;
use crate::catalogue::{Reader, export};
use crate::stream::{Blame, Fault};
use crate::update::{Answer, Ask, PIECE_BYTES_MAX, SOCKET, Seen, Updater};

/// Time between two reports.
const EVERY: Duration = Duration::from_secs(5);

/// What listens for clients is well when it did not end for so long.
const STEADY: Duration = Duration::from_secs(10);

/// Whether clients can come.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    since: Arc<Mutex<Option<Instant>>>,
}

impl Pulse {
    /// What listens for them has begun, or begun anew.
    pub fn begun(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_steady(&self) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= STEADY)
    }
}

/// Reports for as long as the process lives.
///
/// # Errors
///
/// No thread.
pub fn begin(devices: Arc<Devices>, reader: Reader, pulse: Pulse) -> Result<(), Fault> {
    let report = move || {
        loop {
            std::thread::sleep(EVERY);
            if !pulse.is_steady() || !Path::new(SOCKET).exists() {
                continue;
            }
            if let Err(fault) = report(&devices, &reader) {
                tracing::warn!(%fault, "the updater was not told");
            }
        }
    };
    let spawned = std::thread::Builder::new().name("upkeep".into()).spawn(report);
    spawned.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}

fn report(devices: &Devices, reader: &Reader) -> Result<(), Fault> {
    let mut updater = Updater::connect(Path::new(SOCKET))?;
    match updater.ask(&Ask::Seen(Seen { devices: seen(devices) }))? {
        Answer::Noted { records: true } => give(&mut updater, reader),
        _ => Ok(()),
    }
}

/// Which devices answer. A drive that is in use was asked before.
fn seen(devices: &Devices) -> Vec<String> {
    let mut all: Vec<String> =
        devices.serials().into_iter().flatten().map(|serial| format!("drive {serial}")).collect();
    match devices.changer() {
        Ok(Some(changer)) => {
            let serial = changer.identity().serial.clone().unwrap_or_default();
            all.push(format!("changer {serial}"));
        }
        Ok(None) => {}
        Err(fault) => tracing::debug!(%fault, "the changer does not answer"),
    }
    all
}

/// Gives the records in pieces; an empty one ends them.
fn give(updater: &mut Updater, reader: &Reader) -> Result<(), Fault> {
    let mut pieces = Pieces { updater, held: Vec::new(), first: true };
    export::export(&reader.snapshot()?, false, &mut pieces)?;
    let failed = |e: std::io::Error| Fault::host("cannot give the records", &e);
    pieces.flush().map_err(failed)?;
    pieces.give().map_err(failed)
}

struct Pieces<'a> {
    updater: &'a mut Updater,
    held: Vec<u8>,
    first: bool,
}

impl Pieces<'_> {
    fn give(&mut self) -> std::io::Result<()> {
        let first = std::mem::take(&mut self.first);
        let piece = Ask::Records { first, bytes: std::mem::take(&mut self.held) };
        match self.updater.ask(&piece).map_err(std::io::Error::other)? {
            Answer::Noted { .. } => Ok(()),
            _ => {
                let what = "the updater answers something else than was asked";
                Err(std::io::Error::other(Fault::later(Blame::Peer, what)))
            }
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES_MAX - self.held.len());
        self.held.extend_from_slice(&bytes[..count]);
        if self.held.len() == PIECE_BYTES_MAX {
            self.give()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.held.is_empty() { Ok(()) } else { self.give() }
    }
}
