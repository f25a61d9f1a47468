//! What a restore went without, kept for those who ask later.
//!
//! Owns the record of it: which bytes of which stream, and the cartridge and block that should have them. Which
//! files those are is found out from the file lists when somebody looks.

use super::reading::Range;
use super::state::State;
use super::step::Step;
use crate::catalogue::record::{Gaps, JobId, Kept, Lost, Record, Work};

impl State {
    /// The medium and the block where the first byte of a range was written, as the record says.
    fn should_lie(&self, range: &Range) -> (String, u64) {
        let kept = self.job(range.of).map_or(&[][..], |job| &job.kept);
        let has_it = |run: &&Kept| run.from <= range.from && range.from < run.to;
        kept.iter().find(has_it).map_or((String::new(), 0), |run| {
            let into = (range.from - run.from).checked_div(run.stride).unwrap_or(0);
            (run.medium.clone(), run.block + into)
        })
    }
}

impl Step<'_> {
    /// What a restore went without stays known.
    pub(super) fn keep_gaps(&mut self, id: JobId) {
        let is_restore =
            self.state.job(id).is_some_and(|job| matches!(job.work, Work::Restore { .. }));
        let Some(reading) = self.state.readings.get(&id).filter(|_| is_restore) else { return };
        let mut lost: Vec<Lost> = Vec::new();
        for (range, why) in &reading.gaps {
            let (medium, block) = self.state.should_lie(range);
            let follows = |last: &&mut Lost| {
                (last.of, last.to, &last.medium, &last.why) == (range.of, range.from, &medium, why)
            };
            match lost.last_mut().filter(follows) {
                Some(last) => last.to = range.to,
                None => {
                    let (of, from, to, why) = (range.of, range.from, range.to, why.clone());
                    lost.push(Lost { of, from, to, medium, block, why });
                }
            }
        }
        if !lost.is_empty() {
            self.put(Record::Gaps(Gaps { job: id, lost }));
        }
    }
}
