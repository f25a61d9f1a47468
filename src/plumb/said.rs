//! What component processes say.
//!
//! Owns the lines on their standard error, where each is to be told apart: read by a thread for each and
//! written on, whole lines at a time, with the names of chain and component before them.

use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// The longest line that is kept together, bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long a line may be on its way once who said it has ended. What a component started may hold on
/// to its standard error for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Those who say something.
pub(super) struct Said {
    label: Option<String>,
    /// Closed once all of them are silent.
    silent: Receiver<()>,
    speaking: Option<Sender<()>>,
}

impl Said {
    /// Labelled so, or as it comes.
    pub(super) fn new(label: Option<String>) -> Said {
        let (speaking, silent) = channel();
        Said { label, silent, speaking: Some(speaking) }
    }

    /// Where a command's standard error goes, if it is to be labelled.
    pub(super) fn pipe(&self, command: &mut Command) -> io::Result<Option<PipeReader>> {
        if self.label.is_none() {
            return Ok(None);
        }
        let (reader, writer) = io::pipe()?;
        command.stderr(writer);
        Ok(Some(reader))
    }

    /// Passes on what `who` says.
    pub(super) fn follow(&self, said: Option<PipeReader>, who: &str) {
        let (Some(said), Some(label)) = (said, &self.label) else { return };
        let (who, label, speaking) = (who.to_owned(), label.clone(), self.speaking.clone());
        std::thread::spawn(move || {
            pass_on(said, &label, &who);
            drop(speaking);
        });
    }

    /// Waits until all that was said is passed on.
    pub(super) fn wait(&mut self) {
        self.speaking = None;
        if self.silent.recv_timeout(LAST_WORDS).is_ok() {
            tracing::debug!("somebody spoke out of turn");
        }
    }
}

fn pass_on(said: PipeReader, label: &str, who: &str) {
    let mut said = BufReader::new(said);
    let mut line = Vec::new();
    while matches!((&mut said).take(LINE_BYTES_MAX).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        // It says its own name, too, mostly.
        let text = text.strip_prefix(who).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(text);
        eprintln!("{label}/{who}: {text}");
        line.clear();
    }
}
