//! What the time is, and whether it can be trusted.
//!
//! Owns three readings: the time by which things expire, which never goes back and stands still while the clock
//! is doubted; the latest time seen, from which promises are counted; and the seconds that passed, by which waits
//! end, however the clock jumps. A clock that jumps must not make data old: as long as it is doubted nothing that
//! expired is overwritten. Nor must it keep work waiting.

use crate::catalogue::record::Seconds;

/// A jump this long, either way, is doubted.
const JUMP_S: Seconds = 3600;
/// So long may nothing have been recorded before the clock is doubted at a start.
const OFF_S: Seconds = 12 * 3600;

/// The authority's clock.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// By which things expire, and which is recorded: so a doubt outlasts a restart.
    pub now_s: Seconds,
    /// That went by since the start, by which waits end. A jump counts for an hour at most, and for nothing back.
    pub passed_s: Seconds,
    /// As the shell said last.
    said_s: Seconds,
    /// A person must say that it is right.
    pub is_doubted: bool,
    runs: bool,
}

impl Clock {
    /// Takes a new reading. `newest_s` is the newest time that is recorded.
    pub fn read(&mut self, said_s: Seconds, newest_s: Seconds) {
        let (last_s, most_s) = match self.runs {
            true => (self.said_s, JUMP_S),
            false => (newest_s, OFF_S),
        };
        let first_ever = !self.runs && newest_s == 0;
        if !first_ever && (said_s < last_s - JUMP_S || said_s > last_s + most_s) {
            self.is_doubted = true;
        }
        match self.runs {
            true => self.passed_s += said_s.saturating_sub(last_s).clamp(0, JUMP_S),
            false => self.now_s = newest_s,
        }
        (self.said_s, self.runs) = (said_s, true);
        if !self.is_doubted {
            self.now_s = self.now_s.max(said_s);
        }
    }

    /// A person says that it is right.
    pub fn trust(&mut self) {
        self.is_doubted = false;
        self.now_s = self.said_s;
    }

    /// From which promises are counted: they get longer by a doubt, never shorter.
    pub fn latest_s(&self) -> Seconds {
        self.now_s.max(self.said_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_makes_nothing_old() {
        let mut clock = Clock::default();
        clock.read(1_000_000, 0);
        assert!(!clock.is_doubted);
        clock.read(1_000_060, 0);
        clock.read(1_000_000 + 7200, 0);
        assert!(clock.is_doubted);
        assert_eq!((clock.now_s, clock.latest_s()), (1_000_060, 1_007_200));
        clock.trust();
        assert_eq!((clock.now_s, clock.is_doubted), (1_007_200, false));
        clock.read(1_007_100, 0);
        assert_eq!((clock.now_s, clock.is_doubted), (1_007_200, false), "it never goes back");
        clock.read(1_000_000, 0);
        assert!(clock.is_doubted);
        let passed_s = clock.passed_s;
        clock.read(1_000_030, 0);
        assert_eq!((clock.now_s, clock.passed_s - passed_s), (1_007_200, 30), "waits end");
    }

    #[test]
    fn what_is_recorded_counts_at_a_start() {
        let hour = 3600;
        for (now, doubted) in [(100, false), (97, true), (111, false), (113, true)] {
            let mut clock = Clock::default();
            clock.read(now * hour, 100 * hour);
            assert_eq!(clock.is_doubted, doubted, "hour {now}");
        }
    }
}
