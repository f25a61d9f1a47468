//! Time, handed in from outside.
//!
//! Owns the two things the drive logic needs from time: how long something has taken and a pause
//! between two polls. A test hands in a clock that never waits.

use std::time::{Duration, Instant};

/// A clock that only goes forward, and a way to wait on it.
pub trait Clock: Send {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
    /// Waits; afterwards [`now`](Clock::now) has advanced by at least `pause`.
    fn sleep(&mut self, pause: Duration);
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&mut self, pause: Duration) {
        std::thread::sleep(pause);
    }
}
