//! Whose turn it is.
//!
//! Owns the rule by which streams share an edge: fair by bytes, with a least length of a turn, as each
//! change costs a tape a filemark and an index. A pure value: no I/O, no clock.
//!
//! A berth is *ready* when a turn's worth lies there, or as much as fits, or the end of its stream. Of
//! those that are ready, the one with the fewest bytes given so far comes first; one that was passed over
//! for too long, ready or not, before all others; and when none is ready, the fullest, at once: a drive
//! must not idle for want of a full queue.

use crate::stream::Waiting;

/// How often every berth may have its turn before one that waits with a little must have it, too.
const ROUNDS_PASSED_OVER: u64 = 2;

#[derive(Debug, Default, Clone)]
struct Share {
    /// Whether a stream is under way here.
    active: bool,
    /// Bytes given, counted from the least of the others when it joined.
    given: u64,
    /// Bytes that others gave while something waited here.
    passed_over: u64,
}

/// The turns of some berths.
#[derive(Debug)]
pub struct Turns {
    turn_bytes: u64,
    shares: Vec<Share>,
    now: Option<usize>,
    /// Bytes given in the present turn.
    in_turn: u64,
}

impl Turns {
    /// Turns of at least `turn_bytes`, which is more than an item has.
    pub fn new(turn_bytes: u64, berths: usize) -> Turns {
        let shares = vec![Share::default(); berths];
        Turns { turn_bytes: turn_bytes.max(1), shares, now: None, in_turn: 0 }
    }

    /// A stream begins at a berth.
    pub fn joins(&mut self, berth: usize) {
        let others = self.shares.iter().filter(|share| share.active);
        let given = others.map(|share| share.given).min().unwrap_or(0);
        self.shares[berth] = Share { active: true, given, passed_over: 0 };
    }

    /// A stream is over, and with it its turn.
    pub fn leaves(&mut self, berth: usize) {
        self.shares[berth].active = false;
        self.now = self.now.filter(|now| *now != berth);
    }

    /// A berth gave so many bytes.
    pub fn gave(&mut self, berth: usize, bytes: u64, waiting: &[Waiting]) {
        self.in_turn += bytes;
        self.shares[berth].given += bytes;
        for (nth, share) in self.shares.iter_mut().enumerate() {
            let waits = nth != berth && waiting.get(nth).is_some_and(|w| w.items > 0);
            share.passed_over = if waits { share.passed_over + bytes } else { 0 };
        }
    }

    /// From which berth to take now; none if nothing waits.
    pub fn choose(&mut self, waiting: &[Waiting]) -> Option<usize> {
        let now = self.now.filter(|&now| waiting[now].items > 0);
        if now.is_some() && self.in_turn < self.turn_bytes {
            return now;
        }
        let next = self.best_ready(waiting).or(now).or_else(|| fullest(waiting))?;
        if self.now != Some(next) {
            (self.now, self.in_turn) = (Some(next), 0);
        }
        Some(next)
    }

    fn best_ready(&self, waiting: &[Waiting]) -> Option<usize> {
        let long = ROUNDS_PASSED_OVER * self.turn_bytes * self.shares.len() as u64;
        let rank = |&nth: &usize| {
            let share = &self.shares[nth];
            let overdue = if share.passed_over >= long { share.passed_over } else { 0 };
            // The longest passed over first, then the fewest bytes; whose turn it is keeps it if equal.
            (u64::MAX - overdue, share.given, self.now != Some(nth))
        };
        let ready = |&nth: &usize| {
            let berth = &waiting[nth];
            let much = berth.bytes >= self.turn_bytes || berth.is_full || berth.has_end;
            berth.items > 0 && (much || self.shares[nth].passed_over >= long)
        };
        (0..waiting.len()).filter(ready).min_by_key(rank)
    }
}

fn fullest(waiting: &[Waiting]) -> Option<usize> {
    let some = (0..waiting.len()).filter(|&nth| waiting[nth].items > 0);
    some.max_by_key(|&nth| (waiting[nth].bytes, std::cmp::Reverse(nth)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lies(bytes: u64) -> Waiting {
        Waiting { items: usize::from(bytes > 0), bytes, ..Waiting::default() }
    }

    fn full(bytes: u64) -> Waiting {
        Waiting { is_full: true, ..lies(bytes) }
    }

    fn joined(turn_bytes: u64, berths: usize) -> Turns {
        let mut turns = Turns::new(turn_bytes, berths);
        (0..berths).for_each(|berth| turns.joins(berth));
        turns
    }

    #[test]
    fn a_turn_lasts_and_then_the_one_with_less_comes() {
        let mut turns = joined(100, 2);
        let both = [full(500), full(500)];
        let mut order = Vec::new();
        for _ in 0..12 {
            let berth = turns.choose(&both).unwrap();
            turns.gave(berth, 40, &both);
            order.push(berth);
        }
        // Where both have the same it goes on.
        assert_eq!(order, [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn one_that_runs_dry_gives_way_only_to_one_that_is_ready_or_alone_there() {
        let mut turns = joined(100, 2);
        assert_eq!(turns.choose(&[lies(10), lies(0)]), Some(0), "nobody else is ready");
        turns.gave(0, 10, &[lies(10), lies(0)]);
        assert_eq!(turns.choose(&[lies(10), full(200)]), Some(0), "its turn is not over");
        turns.gave(0, 10, &[lies(10), full(200)]);
        assert_eq!(turns.choose(&[lies(0), full(200)]), Some(1), "it ran dry");
        assert_eq!(turns.choose(&[lies(0), lies(0)]), None);
    }

    #[test]
    fn the_fullest_goes_at_once_when_none_is_ready() {
        let mut turns = joined(1000, 3);
        assert_eq!(turns.choose(&[lies(5), lies(7), lies(6)]), Some(1));
    }

    #[test]
    fn one_that_joins_late_does_not_catch_up() {
        let mut turns = Turns::new(100, 2);
        turns.joins(0);
        let alone = [full(500), lies(0)];
        for _ in 0..100 {
            assert_eq!(turns.choose(&alone), Some(0));
            turns.gave(0, 100, &alone);
        }
        turns.joins(1);
        let both = [full(500), full(500)];
        let mut first = 0;
        for _ in 0..20 {
            let berth = turns.choose(&both).unwrap();
            turns.gave(berth, 100, &both);
            first += u64::from(berth == 0);
        }
        assert_eq!(first, 10);
    }

    #[test]
    fn a_trickle_is_not_forgotten() {
        let mut turns = joined(100, 2);
        let (mut since, mut longest) = (0, 0);
        for _ in 0..1000 {
            let waiting = [full(500), lies(3)];
            let berth = turns.choose(&waiting).unwrap();
            let bytes = if berth == 0 { 50 } else { 3 };
            turns.gave(berth, bytes, &waiting);
            since = if berth == 0 { since + bytes } else { 0 };
            longest = longest.max(since);
            if berth == 1 {
                // It is dry now, and the other is ready.
                let waiting = [full(500), lies(0)];
                assert_eq!(turns.choose(&waiting), Some(0));
            }
        }
        assert!(longest <= 2 * 2 * 100 + 100, "{longest} bytes passed it");
    }

    /// SplitMix64.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)) % limit
        }
    }

    /// Berths whose queues are filled at random rates; what was given, and what passed one that waited.
    struct Model {
        dice: Dice,
        turns: Turns,
        lies: Vec<u64>,
        rates: Vec<u64>,
        bound: u64,
        given: Vec<u64>,
        passed: Vec<u64>,
        longest: u64,
    }

    const ITEM: u64 = 30;
    const TURN: u64 = 200;

    impl Model {
        fn new(seed: u64, berths: usize, rates: impl Fn(usize) -> u64) -> Model {
            Model {
                dice: Dice(seed),
                turns: joined(TURN, berths),
                lies: vec![0; berths],
                rates: (0..berths).map(rates).collect(),
                bound: 300,
                given: vec![0; berths],
                passed: vec![0; berths],
                longest: 0,
            }
        }

        fn step(&mut self) {
            for (lies, rate) in self.lies.iter_mut().zip(&self.rates) {
                *lies = (*lies + self.dice.below(rate + 1)).min(self.bound);
            }
            let waiting: Vec<Waiting> = self
                .lies
                .iter()
                .map(|&bytes| Waiting { is_full: bytes == self.bound, ..lies(bytes) })
                .collect();
            let chosen = self.turns.choose(&waiting);
            assert_eq!(chosen.is_none(), self.lies.iter().all(|l| *l == 0), "idle or invented");
            let Some(berth) = chosen else { return };
            let bytes = (1 + self.dice.below(ITEM)).min(self.lies[berth]);
            assert!(bytes > 0, "an empty berth was chosen");
            self.lies[berth] -= bytes;
            self.turns.gave(berth, bytes, &waiting);
            self.given[berth] += bytes;
            for (nth, waiting) in waiting.iter().enumerate() {
                let waits = nth != berth && waiting.items > 0;
                self.passed[nth] = if waits { self.passed[nth] + bytes } else { 0 };
                self.longest = self.longest.max(self.passed[nth]);
            }
        }
    }

    #[test]
    fn nobody_starves_whatever_the_rates() {
        for seed in 0..200 {
            let berths = 2 + (seed % 7) as usize;
            let mut rates = Dice(seed + 1000);
            let rates: Vec<u64> =
                (0..berths).map(|_| [0, 1, 5, 40, 400][rates.below(5) as usize]).collect();
            let mut model = Model::new(seed, berths, |nth| rates[nth]);
            (0..20_000).for_each(|_| model.step());
            let bound = (2 * TURN + TURN + ITEM) * berths as u64 + TURN + ITEM;
            assert!(model.longest <= bound, "seed {seed}: {} bytes passed one", model.longest);
        }
    }

    #[test]
    fn who_always_has_something_gets_as_much_as_the_others() {
        for seed in 0..50 {
            let berths = 2 + (seed % 7) as usize;
            let mut model = Model::new(seed, berths, |_| 2 * ITEM * 8);
            for _ in 0..20_000 {
                model.step();
                let (least, most) = (model.given.iter().min(), model.given.iter().max());
                let apart = most.unwrap() - least.unwrap();
                assert!(apart <= 2 * (TURN + ITEM), "seed {seed}: {apart} bytes apart");
            }
        }
    }
}
