//! Which schedules are due.
//!
//! Owns the memory of when each was told to be due, so that it is told once. A time that passed while nobody
//! served is made up for as long as the schedule's window is open.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::calendar::When;
use crate::catalogue::record::{Schedule, Seconds};

/// Times that were told.
#[derive(Debug, Default)]
pub struct Told(BTreeMap<String, Seconds>);

impl Told {
    /// Names of schedules whose time has come since it came last.
    pub fn due<'a>(
        &mut self,
        schedules: impl Iterator<Item = &'a Schedule>,
        (since_s, now_s): (Seconds, Seconds),
        zone: &TimeZone,
    ) -> Vec<String> {
        let mut due = Vec::new();
        for schedule in schedules.filter(|schedule| schedule.enabled) {
            let Ok(when) = When::parse(&schedule.when) else {
                // It was parsed when it was made: only another version could have another mind.
                tracing::error!(schedule = schedule.name, when = schedule.when, "no such time");
                continue;
            };
            let told_s = self.0.get(&schedule.name).copied();
            let last_s = schedule.last_s.max(told_s);
            // One that never ran is not due for what was before it.
            let after_s = last_s.unwrap_or(since_s).max(now_s - schedule.window_s.max(1));
            let next_s = when.next(after_s, zone);
            if next_s.is_some_and(|next_s| next_s <= now_s) {
                self.0.insert(schedule.name.clone(), now_s);
                due.push(schedule.name.clone());
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(last_s: Option<Seconds>) -> Schedule {
        Schedule {
            name: "nightly".into(),
            when: "daily at 02:30".into(),
            machine: "web".into(),
            backup: "files".into(),
            paths: vec!["/srv".into()],
            pool: "default".into(),
            full_every: 7,
            priority: 0,
            window_s: 3600,
            retries: 0,
            enabled: true,
            runs: 0,
            last_s,
        }
    }

    /// 02:30 of a day in UTC, as seconds of the epoch.
    const HALF_PAST_TWO: Seconds = 1_764_037_800;

    #[test]
    fn each_time_is_told_once() {
        let (mut told, nightly) = (Told::default(), schedule(None));
        let mut due = |now_s| {
            told.due([&nightly].into_iter(), (HALF_PAST_TWO - 7200, now_s), &TimeZone::UTC).len()
        };
        assert_eq!(due(HALF_PAST_TWO - 1), 0);
        assert_eq!(due(HALF_PAST_TWO), 1);
        assert_eq!(due(HALF_PAST_TWO), 0);
        assert_eq!(due(HALF_PAST_TWO + 3599), 0);
        assert_eq!(due(HALF_PAST_TWO + 86_400), 1);
    }

    #[test]
    fn what_was_missed_is_made_up_for_within_the_window() {
        let since = |last_s, now_s| {
            let nightly = schedule(last_s);
            Told::default().due([&nightly].into_iter(), (now_s, now_s), &TimeZone::UTC).len()
        };
        let yesterday = Some(HALF_PAST_TWO - 86_400);
        assert_eq!(since(yesterday, HALF_PAST_TWO + 600), 1);
        assert_eq!(since(yesterday, HALF_PAST_TWO + 3700), 0, "its window is closed");
        assert_eq!(since(None, HALF_PAST_TWO + 600), 0, "it was made after that");
        let off = Schedule { enabled: false, ..schedule(yesterday) };
        let mut told = Told::default();
        let now = (HALF_PAST_TWO, HALF_PAST_TWO + 600);
        assert!(told.due([&off].into_iter(), now, &TimeZone::UTC).is_empty());
    }
}
