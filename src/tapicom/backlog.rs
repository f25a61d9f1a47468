//! Events that a subscriber has not taken yet.
//!
//! Owns what happens to one who is slow: the oldest events go, and before the next one it is told how many.
//! Every event has a number, so that a gap shows. Whoever makes events never waits.

use std::collections::VecDeque;

use super::message::Event;

/// Events that wait.
const WAITING_MAX: usize = 256;

/// The events of one subscription.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Event>,
    /// Number of the last event that was taken or lost.
    number: u64,
    lost: u64,
}

impl Backlog {
    /// Something happened.
    pub fn put(&mut self, event: Event) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.number += 1;
            self.lost += 1;
        }
        self.waiting.push_back(event);
    }

    /// What the subscriber is to be told next, with its number. That some were lost has the number of the
    /// last of them.
    pub fn take(&mut self) -> Option<(u64, Event)> {
        if self.lost > 0 {
            let count = std::mem::take(&mut self.lost);
            return Some((self.number, Event::Lost { count }));
        }
        let event = self.waiting.pop_front()?;
        self.number += 1;
        Some((self.number, event))
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(number: u64) -> Event {
        Event::Answered { number }
    }

    #[test]
    fn who_keeps_up_loses_nothing() {
        let mut backlog = Backlog::default();
        for n in 1..=1000 {
            backlog.put(answered(n));
            assert_eq!(backlog.take(), Some((n, answered(n))));
        }
        assert!(backlog.is_empty() && backlog.take().is_none());
    }

    #[test]
    fn who_is_slow_loses_the_oldest_and_is_told() {
        let mut backlog = Backlog::default();
        (1..=300).for_each(|n| backlog.put(answered(n)));
        assert_eq!(backlog.take(), Some((44, Event::Lost { count: 44 })));
        assert_eq!(backlog.take(), Some((45, answered(45))));
        (301..=302).for_each(|n| backlog.put(answered(n)));
        assert_eq!(backlog.take(), Some((46, Event::Lost { count: 1 })));
        let rest: Vec<u64> = std::iter::from_fn(|| backlog.take()).map(|(n, _)| n).collect();
        assert_eq!(rest, (47..=302).collect::<Vec<_>>());
    }
}
