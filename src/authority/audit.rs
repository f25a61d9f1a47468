//! The audit trail: each entry holds the hash of the one before.
//!
//! Owns the hash. Whoever removes or changes an entry must change all that follow, and the last hash is told
//! to whoever listens.

use super::Action;
use super::step::Step;
use crate::catalogue::record::{Audit, Record};

/// BLAKE3 over an entry, the hash in it included. Texts are preceded by their lengths, so that no two entries
/// have the same bytes.
pub fn hash(entry: &Audit) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.before);
    hasher.update(&entry.number.to_le_bytes());
    hasher.update(&entry.at_s.to_le_bytes());
    for text in [&entry.who, &entry.what] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

impl Step<'_> {
    /// Puts it into the trail, and tells it.
    pub(super) fn audit(&mut self, who: &str, what: impl Into<String>) {
        let what = what.into();
        let (number, before) = self.state.records.audit;
        let at_s = self.state.now_s();
        let entry =
            Audit { number: number + 1, at_s, who: who.to_owned(), what: what.clone(), before };
        self.put(Record::Audit(entry));
        self.act(Action::Tell { job: None, line: format!("{who}: {what}") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts() {
        let one = Audit { number: 1, at_s: 2, who: "ab".into(), what: "c".into(), before: [0; 32] };
        let others = [
            Audit { number: 2, ..one.clone() },
            Audit { at_s: 3, ..one.clone() },
            Audit { who: "a".into(), what: "bc".into(), ..one.clone() },
            Audit { before: [1; 32], ..one.clone() },
        ];
        for other in others {
            assert_ne!(hash(&one), hash(&other), "{other:?}");
        }
    }
}
