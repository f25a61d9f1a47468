//! Feeding the watchdog: its own thread, which touches no file but the device.
//!
//! Owns the judgement who is overdue. A child gives signs of life from a thread that waits for no device, so that
//! a long command to a drive starves nobody; the thread that keeps the children has to give them, too.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use board::machine::Watchdog as Wanted;
use watchdog::Watchdog;

use super::keeper::Shared;
use super::say;

const DEVICE: &str = "/dev/watchdog0";
/// How long the thread that keeps children may be silent.
const KEEPER: Duration = Duration::from_secs(30);
/// How often who is overdue is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Who owes signs of life, and when the last one came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Debt {
    /// Since when it runs, or has been wanted without running.
    pub since: Duration,
    /// Its last sign of life since then.
    pub alive: Option<Duration>,
    /// Time between two signs.
    pub every: Duration,
}

/// Whether one of them is overdue; a first sign may take as long as `first`.
pub(super) fn is_overdue(debt: &Debt, first: Duration, now: Duration) -> bool {
    match debt.alive {
        Some(alive) => now > alive + debt.every,
        None => now > debt.since + first,
    }
}

/// Arms the watchdog, if there is one, and feeds it from then on.
pub(super) fn arm(wanted: &Wanted, shared: Arc<Shared>) -> Result<String, String> {
    let device = Path::new(DEVICE);
    if !device.exists() {
        return Ok("none".into());
    }
    let watchdog = Watchdog::arm(device, wanted.timeout_s).map_err(|e| format!("{DEVICE}: {e}"))?;
    shared.armed(watchdog.has_reset());
    let said = format!("{} s", watchdog.timeout_s());
    let first = Duration::from_secs(wanted.first_s.into());
    let thread = std::thread::Builder::new().name("feed".into());
    let spawned = thread.spawn(move || feed(watchdog, first, &shared));
    spawned.map(|_| said).map_err(|e| format!("cannot start a thread: {e}"))
}

fn feed(mut watchdog: Watchdog, first: Duration, shared: &Shared) {
    let mut was_hungry = false;
    loop {
        let now = shared.now();
        let overdue = match shared.keeper_seen() {
            // A stop is kept, too: an unmount that hangs is one that the watchdog ends.
            seen if now > seen + KEEPER => Some("init".to_owned()),
            _ => shared.overdue(|debt| is_overdue(debt, first, now)),
        };
        match overdue {
            None => {
                was_hungry = false;
                if let Err(error) = watchdog.feed() {
                    say(&format!("the watchdog cannot be fed: {error}"));
                }
            }
            Some(name) if !was_hungry => {
                was_hungry = true;
                say(&format!("{name} gives no sign of life: the watchdog is not fed any more"));
            }
            Some(_) => {}
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_sign_may_take_longer_than_the_next() {
        let s = Duration::from_secs;
        let first = s(100);
        let mut debt = Debt { since: s(10), alive: None, every: s(30) };
        assert!(!is_overdue(&debt, first, s(110)));
        assert!(is_overdue(&debt, first, s(111)));
        debt.alive = Some(s(105));
        assert!(!is_overdue(&debt, first, s(135)));
        assert!(is_overdue(&debt, first, s(136)));
    }
}
