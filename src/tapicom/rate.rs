//! How often somebody may ask.
//!
//! Owns a bucket for each of them, which fills by the clock and is emptied by asking. Time is told, and memory
//! is bounded: whoever did not ask for long is forgotten, as its bucket is full again.

use std::collections::BTreeMap;

/// Milliseconds of a clock that never goes back.
pub type Millis = u64;

/// How much is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many in a thousand seconds, in the long run.
    pub per_1000_s: u64,
    /// So many at once.
    pub burst: u64,
}

/// Requests: 50 a second.
pub const REQUESTS: Rate = Rate { per_1000_s: 50_000, burst: 200 };
/// Buckets kept.
const BUCKETS_MAX: usize = 4096;
/// What one takes out of a bucket.
const ONE: u64 = 1_000_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    millionths: u64,
    at_ms: Millis,
}

impl Bucket {
    fn filled(&self, per_1000_s: u64, now_ms: Millis) -> u64 {
        // So many in a million milliseconds are so many millionths in one.
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        passed_ms.saturating_mul(per_1000_s).saturating_add(self.millionths)
    }
}

/// Buckets, by whom they are for.
#[derive(Debug)]
pub struct Rates<K: Ord> {
    rate: Rate,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord> Rates<K> {
    /// None has asked yet.
    pub fn new(rate: Rate) -> Rates<K> {
        Rates { rate, buckets: BTreeMap::new() }
    }

    /// Whether `who` may ask now.
    pub fn takes(&mut self, who: K, now_ms: Millis) -> bool {
        let full = self.rate.burst * ONE;
        if !self.buckets.contains_key(&who) && self.buckets.len() >= BUCKETS_MAX {
            let rate = self.rate.per_1000_s;
            self.buckets.retain(|_, bucket| bucket.filled(rate, now_ms) < full);
            if self.buckets.len() >= BUCKETS_MAX {
                return false;
            }
        }
        let bucket = self.buckets.entry(who).or_insert(Bucket { millionths: full, at_ms: now_ms });
        let filled = bucket.filled(self.rate.per_1000_s, now_ms).min(full);
        let left = filled.checked_sub(ONE);
        *bucket = Bucket { millionths: left.unwrap_or(filled), at_ms: now_ms };
        left.is_some()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let mut rates = Rates::new(REQUESTS);
        let granted = |rates: &mut Rates<u8>, who, now_ms| {
            (0..1000).filter(|_| rates.takes(who, now_ms)).count()
        };
        assert_eq!(granted(&mut rates, 1, 0), 200);
        assert_eq!(granted(&mut rates, 2, 0), 200, "one stops another");
        assert_eq!(granted(&mut rates, 1, 1000), 50);
        assert_eq!(granted(&mut rates, 1, 1010), 0);
        assert_eq!(granted(&mut rates, 1, 1020), 1, "asking too early costs what has come");
        assert_eq!(granted(&mut rates, 1, 900_000), 200);
    }

    #[test]
    fn memory_is_bounded() {
        let mut rates = Rates::new(REQUESTS);
        let granted = (0..100_000_u32).filter(|who| rates.takes(*who, 0)).count();
        assert_eq!((granted, rates.len()), (BUCKETS_MAX, BUCKETS_MAX));
        assert!(rates.takes(100_000, 4000), "nobody is forgotten");
        assert_eq!(rates.len(), 1);
    }
}
