//! How long whoever was wrong has to wait.
//!
//! Owns what is remembered of wrong logins: by machine and login, and by machine. Each wrong one doubles the
//! wait, from a second to five minutes. Memory is bounded whatever is tried: names are kept as hashes, and
//! the one that may try again soonest is forgotten for a new one. A machine is never forgotten for another's
//! names, so that forgetting gains nothing.

use std::collections::BTreeMap;

use super::rate::Millis;

/// The first wait.
const FIRST_MS: Millis = 1000;
/// The longest.
const LONGEST_MS: Millis = 300_000;
/// Wrong logins of a machine that cost the others on it nothing.
const FREE_OF_MACHINE: u32 = 5;
/// A wait is forgotten so long after it is over.
const FORGET_MS: Millis = 900_000;
/// Names kept, and machines.
const KEPT_MAX: usize = 1024;

#[derive(Debug, Clone, Copy, Default)]
struct Wrong {
    times: u32,
    until_ms: Millis,
}

impl Wrong {
    fn once_more(&mut self, now_ms: Millis, free: u32) {
        self.times = self.times.saturating_add(1);
        let Some(doublings) = self.times.saturating_sub(free).checked_sub(1) else {
            self.until_ms = self.until_ms.max(now_ms);
            return;
        };
        let wait_ms = FIRST_MS.checked_shl(doublings.min(30)).unwrap_or(LONGEST_MS);
        self.until_ms = now_ms.saturating_add(wait_ms.min(LONGEST_MS));
    }
}

type Hash = [u8; 32];

/// Everybody who was wrong lately.
#[derive(Debug, Default)]
pub struct Backoff {
    names: BTreeMap<Hash, Wrong>,
    machines: BTreeMap<Hash, Wrong>,
}

fn machine_hash(machine: &str) -> Hash {
    *blake3::hash(machine.as_bytes()).as_bytes()
}

fn name_hash(machine: &str, user: &str) -> Hash {
    // The name of a machine has no NUL.
    let mut hasher = blake3::Hasher::new();
    hasher.update(machine.as_bytes()).update(b"\0").update(user.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Makes room in `kept` for one more.
fn make_room(kept: &mut BTreeMap<Hash, Wrong>, now_ms: Millis) {
    if kept.len() < KEPT_MAX {
        return;
    }
    kept.retain(|_, wrong| now_ms < wrong.until_ms.saturating_add(FORGET_MS));
    if kept.len() >= KEPT_MAX {
        let soonest = kept.iter().min_by_key(|(_, wrong)| wrong.until_ms).map(|(hash, _)| *hash);
        soonest.map(|hash| kept.remove(&hash));
    }
}

fn left_ms(wrong: Option<&Wrong>, now_ms: Millis) -> Millis {
    wrong.map_or(0, |wrong| wrong.until_ms.saturating_sub(now_ms))
}

impl Backoff {
    /// How long `user` at `machine` has to wait until an attempt is heard; 0: not at all.
    pub fn wait_ms(&self, machine: &str, user: &str, now_ms: Millis) -> Millis {
        let name = left_ms(self.names.get(&name_hash(machine, user)), now_ms);
        name.max(left_ms(self.machines.get(&machine_hash(machine)), now_ms))
    }

    /// They were wrong.
    pub fn was_wrong(&mut self, machine: &str, user: &str, now_ms: Millis) {
        let kept = [
            (&mut self.names, name_hash(machine, user), 0),
            (&mut self.machines, machine_hash(machine), FREE_OF_MACHINE),
        ];
        for (kept, hash, free) in kept {
            let is_old = |wrong: &Wrong| now_ms >= wrong.until_ms.saturating_add(FORGET_MS);
            if kept.get(&hash).is_some_and(is_old) {
                kept.remove(&hash);
            }
            if !kept.contains_key(&hash) {
                make_room(kept, now_ms);
            }
            kept.entry(hash).or_default().once_more(now_ms, free);
        }
    }

    /// They were right. What else was tried from the machine still counts.
    pub fn was_right(&mut self, machine: &str, user: &str) {
        self.names.remove(&name_hash(machine, user));
    }

    /// How much is remembered.
    pub fn len(&self) -> usize {
        self.names.len() + self.machines.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_five_minutes_and_are_forgotten() {
        let mut backoff = Backoff::default();
        let mut now_ms = 0;
        let mut waits = Vec::new();
        for _ in 0..12 {
            backoff.was_wrong("web", "alice", now_ms);
            waits.push(backoff.wait_ms("web", "alice", now_ms) / 1000);
            now_ms += waits.last().unwrap() * 1000;
            assert_eq!(backoff.wait_ms("web", "alice", now_ms), 0);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        now_ms += FORGET_MS;
        backoff.was_wrong("web", "alice", now_ms);
        assert_eq!(backoff.wait_ms("web", "alice", now_ms), 1000);
    }

    #[test]
    fn a_slip_costs_nobody_else_and_guessing_costs_the_machine() {
        let mut backoff = Backoff::default();
        for n in 0..FREE_OF_MACHINE {
            backoff.was_wrong("web", &format!("user {n}"), 0);
        }
        assert_eq!(backoff.wait_ms("web", "alice", 0), 0);
        backoff.was_wrong("web", "another", 0);
        assert_eq!(backoff.wait_ms("web", "alice", 0), 1000);
        assert_eq!(backoff.wait_ms("db", "alice", 0), 0, "another machine");
        // Being right frees the name, and not the machine.
        backoff.was_right("web", "another");
        assert_eq!(backoff.wait_ms("web", "another", 0), 1000);
    }

    #[test]
    fn forgetting_names_gains_nothing() {
        let mut backoff = Backoff::default();
        (0..8).for_each(|_| backoff.was_wrong("web", "alice", 0));
        for n in 0..10_000 {
            backoff.was_wrong("web", &format!("user {n}"), 0);
        }
        assert!(backoff.len() <= KEPT_MAX + 1, "{}", backoff.len());
        assert_eq!(backoff.wait_ms("web", "alice", 0), LONGEST_MS);
        assert_eq!(backoff.wait_ms("db", "alice", 0), 0);
    }
}
