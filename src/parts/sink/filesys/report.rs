//! What a restore has to say.
//!
//! Owns the words on standard error and the count behind exit status 1. A member that was left out
//! is named at once. Attributes that could not be set are told once for each kind at the end: how
//! many, the first path, why; with `--verbose` each. Notes are by design and count for nothing.

use std::collections::BTreeMap;
use std::fmt::Display;

use rustix::io::Errno;

/// Counts and words of one restore.
pub(super) struct Report {
    verbose: bool,
    left_out: u64,
    failures: BTreeMap<&'static str, Tally>,
    notes: BTreeMap<&'static str, Tally>,
}

struct Tally {
    count: u64,
    first: String,
}

impl Report {
    /// With `verbose`, every attribute is named.
    pub fn new(verbose: bool) -> Report {
        Report { verbose, left_out: 0, failures: BTreeMap::new(), notes: BTreeMap::new() }
    }

    /// A member that is not in the target, and why.
    pub fn left_out(&mut self, path: &[u8], why: impl Display) {
        self.left_out += 1;
        say(&format!("left out {}: {why}", shown(path)));
    }

    /// Something asked for that is not there.
    pub fn wanting(&mut self, what: &str) {
        self.left_out += 1;
        say(what);
    }

    /// A member is restored, but without `what`.
    pub fn failed(&mut self, what: &'static str, path: &[u8], why: impl Display) {
        self.left_out += 1;
        let line = || format!("{}: {why}", shown(path));
        tally(self.verbose, &mut self.failures, what, line);
    }

    /// Something the reader should know that is no failure.
    pub fn note(&mut self, what: &'static str, path: &[u8]) {
        tally(self.verbose, &mut self.notes, what, || shown(path));
    }

    /// Tells the counts; returns how many things were left out or could not be set so far.
    pub fn close(&mut self) -> u64 {
        for (what, Tally { count, first }) in std::mem::take(&mut self.notes) {
            say(&format!("note: {what} ({count}, the first: {first})"));
        }
        for (what, Tally { count, first }) in std::mem::take(&mut self.failures) {
            say(&format!("cannot set {what} ({count}, the first: {first})"));
        }
        self.left_out
    }
}

fn tally(
    verbose: bool,
    tallies: &mut BTreeMap<&'static str, Tally>,
    what: &'static str,
    line: impl Fn() -> String,
) {
    if verbose {
        say(&format!("{what}: {}", line()));
    }
    tallies.entry(what).or_insert_with(|| Tally { count: 0, first: line() }).count += 1;
}

fn say(words: &str) {
    eprintln!("sink_filesys: {words}");
}

/// A path for a terminal: control bytes escaped, the target directory as `.`.
pub(super) fn shown(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".into();
    }
    let mut out = String::with_capacity(path.len());
    for c in String::from_utf8_lossy(path).chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// The kernel's words for an error, without its number.
pub(super) fn reason(error: Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(shown(b"a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(shown("ä".as_bytes()), "ä");
        assert_eq!(shown(b""), ".");
        assert_eq!(reason(Errno::NOENT), "No such file or directory");
    }

    #[test]
    fn notes_count_for_nothing() {
        let mut report = Report::new(false);
        report.note("n", b"x");
        assert_eq!(report.close(), 0);
        report.failed("f", b"x", "why");
        report.left_out(b"y", "why");
        assert_eq!(report.close(), 2);
    }
}
