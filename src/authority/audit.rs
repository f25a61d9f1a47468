//! The audit trail: each entry holds the hash of the one before.
//!
//! Owns the making of entries. Whoever removes or changes one must change all that follow.

use super::Action;
use super::step::Step;
use crate::catalogue::record::{Audit, Record};

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
