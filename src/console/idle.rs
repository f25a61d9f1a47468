//! A line that nobody uses: it waits for Enter, and is as fast as it is set to be.

use std::time::{Duration, Instant};

use super::inbox::Happened;
use super::output::Gone;
use super::session::Session;

/// How often it is looked how fast the line is to be.
const LOOK: Duration = Duration::from_secs(5);

impl Session {
    /// Waits for Enter; a BREAK tries another speed. Whether the line is still there.
    pub(super) fn wait_for_somebody(&mut self) -> bool {
        loop {
            if self.follow_speed().is_err() {
                return false;
            }
            match self.inbox.next(Some(Instant::now() + LOOK)) {
                Happened::Key(b'\r' | b'\n') => return true,
                Happened::Key(0) if self.out.next_speed().is_err() => return false,
                Happened::Gone => return false,
                _ => {}
            }
        }
    }

    /// A line nobody uses gets the speed that is set for it, as soon as that is another than it was.
    fn follow_speed(&mut self) -> Result<(), Gone> {
        // Without the steward it stays as it is.
        let Ok(state) = self.state() else { return Ok(()) };
        self.steward = None;
        let set = state.speeds.get(&self.given.line).copied().unwrap_or(self.given.speed);
        match self.speed.replace(set) {
            Some(before) if before == set => Ok(()),
            _ => self.out.speed(set),
        }
    }
}
