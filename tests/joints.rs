//! Laws of what joins and parts streams: whatever the sizes, each stream comes out as it went in, every
//! block comes home, receipts find their way, and one that fails or is stopped holds up no other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapioca::parts::meet::demux::Demux;
use tapioca::parts::meet::mirror::{Mirror, Policy};
use tapioca::parts::meet::mux::Mux;
use tapioca::plumb::ring::{Joints, Meter, Ring};
use tapioca::plumb::run::{Ended, Inputs, Outputs, Part};
use tapioca::stream::{
    Begin, Blame, Course, End, Extent, Fault, Item, KIND_RAW, Outlet, Place, Pool, Receipt, Sink,
    Source, StreamId, Upward,
};

const GRACE: Duration = Duration::from_secs(600);

/// SplitMix64: small, and the same numbers for ever.
#[derive(Clone)]
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

fn id(number: u64) -> StreamId {
    StreamId(uuid::Uuid::from_u64_pair(number, 1))
}

/// Puts random pieces of `data`, then ends, or fails after all of it.
struct Giver {
    number: u64,
    data: Vec<u8>,
    pool: Pool,
    dice: Dice,
    fails: bool,
}

impl Source for Giver {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let kind = KIND_RAW.into();
        out.put(Item::Begin(Begin { stream: id(self.number), kind, ..Begin::default() }))?;
        let mut at = 0;
        while at < self.data.len() {
            let most = self.pool.capacity() as u64;
            let length = (1 + self.dice.below(most) as usize).min(self.data.len() - at);
            let mut block = self.pool.take();
            block.append(&self.data[at..at + length]);
            out.put(Item::Data { offset: at as u64, block })?;
            out.put(Item::Mark(format!("~ 1 {at} {}\n", self.number).into_bytes()))?;
            at += length;
        }
        match self.fails {
            true => Err(Fault::later(Blame::Host, "the disk is gone")),
            false => out.put(Item::End(End { bytes: 0, skipped: 0 })).map(|()| 0),
        }
    }
}

/// What came of a stream.
#[derive(Default, Clone, PartialEq, Debug)]
struct Heard {
    data: Vec<u8>,
    marks: usize,
    end: Option<u64>,
    aborted: bool,
}

type Log = Arc<Mutex<BTreeMap<StreamId, Heard>>>;

/// Takes one stream, or several by turns, and gives a receipt for each that is whole.
struct Taker {
    log: Log,
    course: Course,
    now: StreamId,
    /// Fails after so many data items.
    patience: u64,
}

impl Sink for Taker {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        let is_the_edges = self.course.mux().is_some() && self.course.turn().is_none();
        self.course.check(&item).expect("it is a stream");
        let mut log = self.log.lock().unwrap();
        match item {
            Item::Begin(begin) => self.now = begin.stream,
            Item::Turn(id) => self.now = id,
            Item::Data { block, .. } => {
                self.patience = self.patience.saturating_sub(1);
                if self.patience == 0 {
                    return Err(Fault::later(Blame::Drive, "the drive is gone"));
                }
                log.entry(self.now).or_default().data.extend_from_slice(block.data());
            }
            Item::Mark(_) => log.entry(self.now).or_default().marks += 1,
            Item::End(end) if !is_the_edges => {
                log.entry(self.now).or_default().end = Some(end.bytes);
                up.receipt(receipt(self.now, end.bytes))?;
            }
            Item::End(_) => {}
            Item::Abort(_) => log.entry(self.now).or_default().aborted = true,
        }
        Ok(())
    }
}

fn receipt(stream: StreamId, to: u64) -> Receipt {
    Receipt {
        stream,
        from: 0,
        to,
        grade: "on disk".into(),
        place: Place { medium: "m".into(), volume: None, partition: 0 },
        extents: vec![Extent { from: 0, to, block: 0, stride: 0 }],
        copy: 0,
        copies: 1,
        digest: String::new(),
    }
}

#[derive(Clone, Default)]
struct Receipts(Arc<Mutex<Vec<Receipt>>>);

impl Upward for Receipts {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.lock().unwrap().push(receipt);
        Ok(())
    }
}

/// Some sources onto one edge, doubled, one copy as it is and the other parted again.
struct Diamond {
    pool: Pool,
    data: Vec<Vec<u8>>,
    receipts: Vec<Receipts>,
    together: Log,
    parted: Log,
    rings: Vec<Ring>,
}

struct Odds {
    streams: u64,
    edge: usize,
    fails: Option<u64>,
    patience: u64,
    policy: Policy,
}

fn start(seed: u64, odds: &Odds) -> Diamond {
    let mut dice = Dice(seed);
    let pool = Pool::new(1 + dice.below(5000) as usize, 2 * odds.streams as usize);
    let mut diamond = Diamond {
        pool: pool.clone(),
        data: Vec::new(),
        receipts: Vec::new(),
        together: Log::default(),
        parted: Log::default(),
        rings: Vec::new(),
    };
    let (mut middle, mut whole, mut parted) = <(Joints, Joints, Joints)>::default();
    let mut chains = Vec::new();
    for number in 0..odds.streams {
        let length = dice.below(120_000) as usize;
        let data: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
        let receipts = Receipts::default();
        let mut joints = Joints::source(receipts.clone());
        Joints::flow(&mut joints, &mut middle, odds.edge);
        let fails = odds.fails == Some(number);
        let (pool, dice) = (pool.clone(), Dice(seed ^ number));
        let giver = Giver { number, data: data.clone(), pool, dice, fails };
        chains.push((vec![part("giver", Part::Source(Box::new(giver)))], joints));
        diamond.data.push(data);
        diamond.receipts.push(receipts);
    }
    let edge = Begin { stream: id(u64::MAX), ..Begin::default() };
    let mux = Mux::new(edge, 1 + dice.below(50_000), Vec::new());
    let mirror = Mirror::new(2, odds.policy, true);
    Joints::part(&mut middle, &mut [&mut whole, &mut parted], odds.edge);
    let middle_parts = vec![
        part("mux", Part::Funnel(Box::new(mux), Inputs::default())),
        part("mirror", Part::Tee(Box::new(mirror), Outputs::default())),
    ];
    chains.push((middle_parts, middle));
    chains.push((vec![taker(&diamond.together, odds.patience)], whole));
    let mut sides: Vec<Joints> = (0..odds.streams).map(|_| Joints::default()).collect();
    Joints::part(&mut parted, &mut sides.iter_mut().collect::<Vec<_>>(), odds.edge);
    let demux = Demux::new(odds.streams as usize);
    chains.push((vec![part("demux", Part::Tee(Box::new(demux), Outputs::default()))], parted));
    chains.extend(sides.into_iter().map(|side| (vec![taker(&diamond.parted, u64::MAX)], side)));
    let ring = |(parts, joints)| Ring::start_joined(parts, odds.edge, Meter::default(), joints);
    diamond.rings = chains.into_iter().map(|chain| ring(chain).unwrap()).collect();
    diamond
}

fn part(who: &str, part: Part) -> (String, Part) {
    (who.to_owned(), part)
}

fn taker(log: &Log, patience: u64) -> (String, Part) {
    let (course, now) = (Course::new(), StreamId::default());
    part("taker", Part::Sink(Box::new(Taker { log: log.clone(), course, now, patience })))
}

impl Diamond {
    fn wait(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.rings).into_iter().flat_map(|ring| ring.wait(GRACE)).collect()
    }

    fn check_stream(&self, log: &Log, number: usize, seed: u64) {
        let heard = log.lock().unwrap().get(&id(number as u64)).cloned().unwrap_or_default();
        let data = &self.data[number];
        assert!(heard.data == *data, "seed {seed}: stream {number} differs");
        assert_eq!((heard.end, heard.aborted), (Some(data.len() as u64), false), "seed {seed}");
    }
}

/// An edge that holds next to nothing, one item, and everything.
const EDGES: [usize; 3] = [1, 6000, 1 << 20];

#[test]
fn streams_that_meet_and_part_come_out_as_they_went_in() {
    for seed in 0..60 {
        let (streams, edge) = (1 + seed % 5, EDGES[seed as usize % 3]);
        let (fails, patience, policy) = (None, u64::MAX, Policy::All);
        let mut diamond = start(seed, &Odds { streams, edge, fails, patience, policy });
        let ended = diamond.wait();
        assert!(ended.iter().all(|part| part.verdict == Ok(0)), "seed {seed}: {ended:?}");
        for number in 0..streams as usize {
            diamond.check_stream(&diamond.together, number, seed);
            diamond.check_stream(&diamond.parted, number, seed);
            let receipts = diamond.receipts[number].0.lock().unwrap();
            let to = diamond.data[number].len() as u64;
            let mut told: Vec<_> =
                receipts.iter().map(|r| (r.stream, r.to, r.copy, r.copies)).collect();
            told.sort_unstable();
            let own = id(number as u64);
            assert_eq!(told, [(own, to, 0, 2), (own, to, 1, 2)], "seed {seed}");
        }
        assert_eq!(diamond.pool.out(), 0, "seed {seed}: a block did not come home");
    }
}

#[test]
fn a_stream_that_fails_harms_no_other() {
    for seed in 0..40 {
        let (edge, patience, policy) = (EDGES[seed as usize % 3], u64::MAX, Policy::All);
        let fails = Some(seed % 3);
        let mut diamond = start(seed, &Odds { streams: 3, edge, fails, patience, policy });
        let ended = diamond.wait();
        let of = |who: &str| ended.iter().find(|part| part.who == who).unwrap();
        assert_eq!(of("mux").verdict, Ok(1), "seed {seed}");
        assert_eq!(of("mirror").verdict, Ok(0), "seed {seed}");
        for number in 0..3 {
            match fails == Some(number as u64) {
                true => {
                    let log = diamond.together.lock().unwrap();
                    let heard = &log[&id(number as u64)];
                    assert!(heard.aborted && heard.end.is_none(), "seed {seed}");
                    assert!(diamond.data[number].starts_with(&heard.data), "seed {seed}");
                }
                false => diamond.check_stream(&diamond.together, number, seed),
            }
        }
        drop(ended);
        assert_eq!(diamond.pool.out(), 0, "seed {seed}: a block did not come home");
    }
}

#[test]
fn a_side_that_fails_ends_all_or_goes_alone() {
    for seed in 0..40 {
        let (streams, edge) = (4, EDGES[seed as usize % 3]);
        let policy = if seed % 2 == 0 { Policy::All } else { Policy::Any };
        let odds = Odds { streams, edge, fails: None, patience: 1 + seed % 4, policy };
        let mut diamond = start(seed, &odds);
        let carries = diamond.data.iter().any(|data| data.len() > 50_000);
        let ended = diamond.wait();
        let mirror = &ended.iter().find(|part| part.who == "mirror").unwrap().verdict;
        assert_eq!(diamond.pool.out(), 0, "seed {seed}: a block did not come home");
        if !carries {
            continue;
        }
        match policy {
            Policy::All => {
                assert!(mirror.is_err(), "seed {seed}: {mirror:?}");
                let parted = diamond.parted.lock().unwrap();
                assert!(
                    parted.len() < 4
                        || parted.values().all(|heard| heard.end.is_some() || heard.aborted)
                );
            }
            Policy::Any => {
                assert_eq!(*mirror, Ok(1), "seed {seed}");
                (0..4).for_each(|number| diamond.check_stream(&diamond.parted, number, seed));
            }
        }
    }
}

#[test]
fn what_is_stopped_ends() {
    for seed in 0..20 {
        let (edge, fails, patience) = (EDGES[seed as usize % 3], None, u64::MAX);
        let odds = Odds { streams: 3, edge, fails, patience, policy: Policy::Any };
        let mut diamond = start(seed, &odds);
        diamond.rings.iter().for_each(|ring| ring.stop().stop("enough"));
        let ended = diamond.wait();
        assert!(!ended.is_empty());
        assert_eq!(diamond.pool.out(), 0, "seed {seed}: a block did not come home");
    }
}
