//! How far the catalogue had come, told by a small file beside it.
//!
//! Owns `FILE.last`: the catalogue's identity, the number of its last commit and a checksum. One flipped bit
//! in the right place makes a store go back to the state before its last commit, which is whole and
//! checks; this is what knows better. It is written after each commit and not synced: when it is
//! older than the catalogue nothing is wrong, and when it cannot be read it is written anew.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::stream::{Blame, Fault};

/// The file.
#[derive(Debug)]
pub(super) struct Last {
    path: PathBuf,
    identity: Uuid,
}

fn text(identity: Uuid, commits: u64) -> String {
    let told = format!("{identity} {commits}");
    format!("{told} {}\n", &blake3::hash(told.as_bytes()).to_hex()[..16])
}

/// What a text says, if all of it is as it was written.
fn parse(all: &str) -> Option<(Uuid, u64)> {
    let mut words = all.split_whitespace();
    let (identity, commits) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (text(identity, commits) == all).then_some((identity, commits))
}

impl Last {
    /// The one beside a catalogue that has this identity and is at this commit; refuses one that had
    /// come farther.
    pub(super) fn beside(catalogue: &Path, identity: Uuid, commits: u64) -> Result<Last, Fault> {
        let mut path = catalogue.as_os_str().to_owned();
        path.push(".last");
        let path = PathBuf::from(path);
        let known = std::fs::read_to_string(&path).ok().and_then(|all| parse(&all));
        match known.filter(|(of, was)| *of == identity && *was > commits) {
            Some((_, was)) => {
                let what = format!(
                    "catalogue: {} is at commit {commits} and was at {was}: what was committed between is lost",
                    catalogue.display()
                );
                Err(Fault::never(Blame::Host, what).hint(format!(
                    "catalogue rebuild makes a new one; if an older copy was put there on purpose, remove {}",
                    path.display()
                )))
            }
            None => {
                let mut last = Last { path, identity };
                last.is(commits);
                Ok(last)
            }
        }
    }

    /// Remembers a commit. That it cannot be written is no reason to refuse what is durable already.
    pub(super) fn is(&mut self, commits: u64) {
        if let Err(error) = std::fs::write(&self.path, text(self.identity, commits)) {
            tracing::warn!(path = %self.path.display(), %error, "cannot write");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_that_went_back_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let id = Uuid::from_u128(7);
        Last::beside(&path, id, 3).unwrap().is(9);
        let fault = Last::beside(&path, id, 8).unwrap_err();
        assert!(fault.what.contains("is at commit 8 and was at 9"), "{fault}");
        assert!(Last::beside(&path, id, 10).is_ok());
        assert!(Last::beside(&path, id, 9).is_err(), "it was written");
        assert!(Last::beside(&path, Uuid::from_u128(8), 1).is_ok(), "another catalogue");
        std::fs::write(folder.path().join("c.last"), "rubbish").unwrap();
        assert!(Last::beside(&path, id, 1).is_ok());
    }
}
