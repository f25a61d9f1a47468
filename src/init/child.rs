//! When a child runs: a pure account of one child, without processes and clocks.
//!
//! Owns the back-off: the first restarts follow at once, later ones after longer and longer, and a child that
//! ended too often in ten minutes is degraded, which is said and changes nothing else: it is tried for ever.

use std::collections::VecDeque;
use std::time::Duration;

/// Restarts further back than this are forgotten.
pub const WINDOW: Duration = Duration::from_secs(600);
/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Restarts that are remembered: enough to know that they are too many.
const REMEMBERED: usize = 16;

/// Time since init began.
pub type Now = Duration;

/// What is to be done about a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// It is to be started.
    Start,
    /// It had its time to end: it is to be killed.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It does not run.
    Idle,
    /// It is to run from then on.
    Waits(Now),
    /// It runs.
    Runs { since: Now },
    /// It was told to end, and has until then.
    Ends { by: Now, killed: bool },
}

/// The account of a child.
#[derive(Debug)]
pub struct Account {
    wanted: bool,
    state: State,
    restarts: VecDeque<Now>,
    restarts_max: usize,
    stop: Duration,
    restart: bool,
}

impl Account {
    /// Of a child that does not run. `restart`: it is started again when it ends; `stop` is the time it gets to
    /// end, `restarts_max` how many restarts in [`WINDOW`] are not yet too many.
    pub fn new(restart: bool, stop: Duration, restarts_max: u32) -> Account {
        Account {
            wanted: false,
            state: State::Idle,
            restarts: VecDeque::with_capacity(REMEMBERED),
            restarts_max: usize::try_from(restarts_max)
                .map_or(REMEMBERED, |n| n.min(REMEMBERED - 1)),
            stop,
            restart,
        }
    }

    /// It is to run.
    pub fn want(&mut self, now: Now) {
        self.wanted = true;
        if self.state == State::Idle {
            self.state = State::Waits(now);
        }
    }

    /// It is not to run. Whether it has to be told to end.
    pub fn unwant(&mut self, now: Now) -> bool {
        self.wanted = false;
        match self.state {
            State::Runs { .. } => {
                self.state = State::Ends { by: now + self.stop, killed: false };
                true
            }
            State::Ends { .. } => false,
            State::Idle | State::Waits(_) => {
                self.state = State::Idle;
                false
            }
        }
    }

    /// It is to run, anew if it does. Whether it has to be told to end.
    pub fn renew(&mut self, now: Now) -> bool {
        let is_told = self.unwant(now);
        self.want(now);
        is_told
    }

    /// It was started.
    pub fn started(&mut self, now: Now) {
        self.state = State::Runs { since: now };
    }

    /// It ended, or could not be started.
    pub fn ended(&mut self, now: Now) {
        let was_told = matches!(self.state, State::Ends { .. });
        self.forget(now);
        self.state = match (self.wanted, was_told) {
            (false, _) => State::Idle,
            (true, true) => State::Waits(now),
            (true, false) if !self.restart => {
                self.wanted = false;
                State::Idle
            }
            (true, false) => {
                let wait = wait(self.restarts.len());
                if self.restarts.len() == REMEMBERED {
                    self.restarts.pop_front();
                }
                self.restarts.push_back(now);
                State::Waits(now + wait)
            }
        };
    }

    /// What is to be done now. [`Due::Kill`] is said once.
    pub fn due(&mut self, now: Now) -> Due {
        match &mut self.state {
            State::Waits(until) if now >= *until => Due::Start,
            State::Ends { by, killed } if now >= *by && !*killed => {
                *killed = true;
                Due::Kill
            }
            _ => Due::Nothing,
        }
    }

    /// Since when it runs, if it does and was not told to end.
    pub fn runs_since(&self) -> Option<Now> {
        match self.state {
            State::Runs { since } => Some(since),
            _ => None,
        }
    }

    /// Whether it is to run.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// How often it was started again lately.
    pub fn restarts(&mut self, now: Now) -> usize {
        self.forget(now);
        self.restarts.len()
    }

    /// Whether that is too often.
    pub fn is_degraded(&mut self, now: Now) -> bool {
        self.restarts(now) >= self.restarts_max.max(1)
    }

    fn forget(&mut self, now: Now) {
        while self.restarts.front().is_some_and(|then| *then + WINDOW <= now) {
            self.restarts.pop_front();
        }
    }
}

fn wait(restarts: usize) -> Duration {
    let times =
        1_u32.checked_shl(u32::try_from(restarts).unwrap_or(31).min(20)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(times).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Goes on until something is due; when that was and what.
    fn next(account: &mut Account, from: Now) -> (Now, Due) {
        let mut now = from;
        loop {
            match account.due(now) {
                Due::Nothing => now += ms(10),
                due => return (now, due),
            }
            assert!(now < from + ms(100_000), "nothing is ever due");
        }
    }

    #[test]
    fn a_child_that_keeps_dying_waits_longer_and_is_degraded_and_forgiven() {
        let mut account = Account::new(true, ms(1000), 5);
        account.want(ms(0));
        let (mut now, mut waits) = (ms(0), Vec::new());
        for _ in 0..12 {
            let (then, due) = next(&mut account, now);
            assert_eq!(due, Due::Start);
            waits.push((then - now).as_millis());
            now = then;
            account.started(now);
            assert_eq!(account.is_degraded(now), waits.len() > 5);
            account.ended(now);
        }
        let expected = [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        assert_eq!(waits, expected);
        let (then, _) = next(&mut account, now);
        account.started(then);
        assert!(account.is_degraded(then));
        assert!(!account.is_degraded(then + WINDOW));
        account.ended(then + WINDOW);
        assert_eq!(next(&mut account, then + WINDOW).0, then + WINDOW + ms(100));
    }

    #[test]
    fn a_child_that_does_not_end_is_killed_once_and_then_is_gone() {
        let mut account = Account::new(true, ms(1000), 5);
        account.want(ms(0));
        account.started(ms(0));
        assert!(account.unwant(ms(500)));
        assert!(!account.unwant(ms(600)));
        assert_eq!(account.due(ms(1499)), Due::Nothing);
        assert_eq!(account.due(ms(1500)), Due::Kill);
        assert_eq!(account.due(ms(1600)), Due::Nothing);
        account.ended(ms(1700));
        assert_eq!(account.due(ms(99_000)), Due::Nothing);
        assert_eq!(account.restarts(ms(99_000)), 0);
    }

    #[test]
    fn a_renewed_child_comes_back_at_once_and_that_is_no_restart() {
        let mut account = Account::new(true, ms(1000), 5);
        assert!(!account.renew(ms(0)));
        assert_eq!(account.due(ms(0)), Due::Start);
        account.started(ms(0));
        assert!(account.renew(ms(10)));
        assert_eq!(account.runs_since(), None);
        account.ended(ms(20));
        assert_eq!(account.due(ms(20)), Due::Start);
        assert_eq!(account.restarts(ms(20)), 0);
    }

    #[test]
    fn what_runs_once_is_not_started_again() {
        let mut account = Account::new(false, ms(1000), 5);
        account.want(ms(0));
        account.started(ms(0));
        account.ended(ms(5));
        assert_eq!(account.due(ms(99_000)), Due::Nothing);
        assert!(!account.is_wanted());
    }
}
