//! The keeper: one thread that owns the catalogue.
//!
//! Owns the order of changes. Commands come through a channel of bounded length and each gets its answer
//! once it is durable; whoever reads takes a snapshot and waits for nobody.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::store::{Catalogue, Commit, Reader};
use crate::stream::{Blame, Fault};

/// Commands that wait.
const WAITING_MAX: usize = 16;

/// A command, and where its answer goes.
type Command = (Commit, Sender<Result<(), Fault>>);

/// A handle on the thread; it ends with the last one.
#[derive(Debug, Clone)]
pub struct Keeper {
    commands: SyncSender<Command>,
    reader: Reader,
}

fn gone() -> Fault {
    Fault::never(Blame::Ours, "catalogue: its thread is gone")
}

impl Keeper {
    /// Gives a catalogue to a thread of its own. Join it to know that the file is closed.
    pub fn start(catalogue: Catalogue) -> Result<(Keeper, JoinHandle<()>), Fault> {
        let (commands, receiver) = sync_channel(WAITING_MAX);
        let reader = catalogue.reader();
        let thread = std::thread::Builder::new()
            .name("catalogue".into())
            .spawn(move || keep(catalogue, &receiver))
            .map_err(|e| Fault::host("cannot start the thread of the catalogue", &e))?;
        Ok((Keeper { commands, reader }, thread))
    }

    /// Commits; durable when it returns.
    pub fn commit(&self, commit: Commit) -> Result<(), Fault> {
        self.commit_later(commit)?.recv().map_err(|_| gone())?
    }

    /// Hands over a commit; the answer comes through the channel. Waits while too many wait already.
    pub fn commit_later(&self, commit: Commit) -> Result<Receiver<Result<(), Fault>>, Fault> {
        let (answer, answered) = channel();
        self.commands.send((commit, answer)).map_err(|_| gone())?;
        Ok(answered)
    }

    /// What reads.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

fn keep(mut catalogue: Catalogue, commands: &Receiver<Command>) {
    while let Ok((commit, answer)) = commands.recv() {
        let done = catalogue.commit(commit);
        // Whoever asked may have gone; what was asked is done all the same.
        if answer.send(done).is_err() {
            tracing::debug!("nobody waits for the answer");
        }
    }
}
