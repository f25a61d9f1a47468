//! What became of what was started.
//!
//! Owns the conclusions drawn at the start of the box: from what the journal says was to be tried, what runs, and what
//! the loader left of its count.

use bundle::Version;

use super::entry::{Entry, TRIES};
use super::shelf::Journal;

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was accepted.
    Good,
    /// It is to be judged.
    Tried,
}

/// Whether what runs has to be judged.
pub fn standing(journal: &Journal, entries: &[Entry], running: &Version) -> Standing {
    let own = || entries.iter().filter(|entry| entry.version == *running);
    let is_pending = journal.trial.as_ref().is_some_and(|trial| trial.version == *running);
    let is_plain = own().any(|entry| entry.counted.is_none());
    // What was good and went behind another that did not come up is good.
    let was_put_behind = !is_pending && own().all(Entry::is_exhausted);
    match is_plain || was_put_behind {
        true => Standing::Good,
        false => Standing::Tried,
    }
}

/// A version that was to be tried in an earlier start of the kernel and does not run: which, and why.
pub fn fallen(
    journal: &Journal,
    entries: &[Entry],
    running: &Version,
    boot: &str,
) -> Option<(Version, String)> {
    let trial = journal.trial.as_ref()?;
    if trial.version == *running || trial.boot == boot {
        return None;
    }
    let left = entries.iter().find(|entry| entry.version == trial.version);
    let why = match (trial.words.last(), left.and_then(|entry| entry.counted)) {
        (Some(words), Some((0, done @ 1..))) => {
            format!("it was started {done} times; the last thing it knew: {words}")
        }
        (Some(words), _) => words.clone(),
        (None, Some((0, 0))) => "it gave itself up and could not keep why".into(),
        (None, Some((0, done))) => format!("it was started {done} times and never came up"),
        (None, Some((TRIES, _))) => "the loader did not start it".into(),
        (None, Some((left, done))) => {
            format!("it was started {done} times of {} and left", left + done)
        }
        (None, None) => "it was not yet in place when the power went".into(),
    };
    Some((trial.version.clone(), why))
}

#[cfg(test)]
mod tests {
    use super::super::shelf::Pending;
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry::of(&format!("EFI/Linux/tapioca_{name}.efi")).unwrap()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn journal(trial: &str, words: &[&str]) -> Journal {
        let trial = Pending {
            version: version(trial),
            boot: "one".into(),
            devices: Vec::new(),
            ailing: Vec::new(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        Journal { trial: Some(trial), ..Journal::default() }
    }

    #[test]
    fn what_runs_is_good_or_tried_as_its_file_and_the_journal_say() {
        let none = Journal::default();
        for (name, expected) in [
            ("2", Standing::Good),
            ("2+2-1", Standing::Tried),
            ("2+0", Standing::Good),
            ("2+0-3", Standing::Good),
        ] {
            assert_eq!(
                standing(&none, &[entry("1"), entry(name)], &version("2")),
                expected,
                "{name}"
            );
        }
        // The last try is a try, and who was accepted and not yet tidied up is accepted.
        let now = journal("2", &[]);
        assert_eq!(standing(&now, &[entry("2+0-3")], &version("2")), Standing::Tried);
        assert_eq!(standing(&now, &[entry("2+0-3"), entry("2")], &version("2")), Standing::Good);
    }

    #[test]
    fn why_a_version_does_not_run_is_what_it_said_or_what_the_loader_counted() {
        let fell = |name: &str, words: &[&str]| {
            let entries = [entry("1"), entry(name)];
            fallen(&journal("2", words), &entries, &version("1"), "two")
                .map(|(_, why)| why)
                .unwrap()
        };
        assert_eq!(fell("2+0-3", &[]), "it was started 3 times and never came up");
        assert_eq!(fell("2+0", &[]), "it gave itself up and could not keep why");
        assert_eq!(fell("2+0", &["it does not see drive B"]), "it does not see drive B");
        assert_eq!(fell("2+3", &[]), "the loader did not start it");
        assert_eq!(fell("3", &[]), "it was not yet in place when the power went");
        // It was not started yet.
        assert_eq!(fallen(&journal("2", &[]), &[entry("2+3")], &version("1"), "one"), None);
        assert_eq!(fallen(&journal("2", &[]), &[entry("2")], &version("2"), "two"), None);
    }
}
