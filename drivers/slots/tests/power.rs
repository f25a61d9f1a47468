//! A partition that loses its power at every moment: what is read then is the old record or the new one.
//!
//! A write is kept apart sector by sector until it is flushed; at a cut every subset of those sectors may be
//! there, and one more may be torn in itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use slots::{Kind, Medium, PARTITION_BYTES, Slots};

const SECTOR: usize = 512;

type Sectors = BTreeMap<u64, [u8; SECTOR]>;

/// What happened to a partition, in order.
#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    Flush,
}

/// A partition in memory: sectors that were ever written, and all that happened.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<(Sectors, Vec<Step>)>>);

fn put(sectors: &mut Sectors, at: u64, bytes: &[u8]) {
    assert!(at.is_multiple_of(SECTOR as u64) && bytes.len().is_multiple_of(SECTOR));
    for (nth, sector) in bytes.chunks_exact(SECTOR).enumerate() {
        sectors.insert(at / SECTOR as u64 + nth as u64, sector.try_into().unwrap());
    }
}

impl Memory {
    fn of(sectors: Sectors) -> Memory {
        Memory(Rc::new(RefCell::new((sectors, Vec::new()))))
    }
}

impl Medium for Memory {
    fn bytes(&self) -> io::Result<u64> {
        Ok(PARTITION_BYTES)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let sectors = &self.0.borrow().0;
        let from = usize::try_from(at).unwrap() % SECTOR;
        let first = at / SECTOR as u64;
        let last = (at + bytes.len() as u64).div_ceil(SECTOR as u64);
        let mut whole = vec![0; (last - first) as usize * SECTOR];
        for (nth, sector) in sectors.range(first..last) {
            whole[(nth - first) as usize * SECTOR..][..SECTOR].copy_from_slice(sector);
        }
        bytes.copy_from_slice(&whole[from..][..bytes.len()]);
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let (sectors, steps) = &mut *self.0.borrow_mut();
        put(sectors, at, bytes);
        steps.push(Step::Write(at, bytes.to_vec()));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().1.push(Step::Flush);
        Ok(())
    }

    fn lock(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls `judge` with every state in which a cut during `steps` can leave `before`.
fn cuts(before: &Sectors, steps: &[Step], mut judge: impl FnMut(Sectors)) -> usize {
    let (mut durable, mut waiting) = (before.clone(), Vec::<(u64, [u8; SECTOR])>::new());
    let mut count = 0;
    for step in steps.iter().chain([&Step::Flush]) {
        match step {
            Step::Write(at, bytes) => {
                let sectors = bytes.chunks_exact(SECTOR).enumerate();
                let sectors = sectors.map(|(nth, sector)| {
                    (at / SECTOR as u64 + nth as u64, sector.try_into().unwrap())
                });
                // What stays as it is cannot be cut.
                let old = |at: &u64| durable.get(at).copied().unwrap_or([0; SECTOR]);
                waiting.extend(sectors.filter(|(at, new)| old(at) != *new));
            }
            Step::Flush => {
                assert!(waiting.len() <= 8, "too many subsets");
                for subset in 0..1u32 << waiting.len() {
                    let taken = |nth: usize| subset & (1 << nth) != 0;
                    let mut state = durable.clone();
                    let kept = waiting.iter().enumerate().filter(|(nth, _)| taken(*nth));
                    state.extend(kept.map(|(_, sector)| *sector));
                    for (torn, (at, new)) in waiting.iter().enumerate() {
                        let mut half = state.clone();
                        let old = durable.get(at).copied().unwrap_or([0; SECTOR]);
                        let cut = (subset as usize * 37 + torn * 101) % SECTOR;
                        let mixed = [&new[..cut], &old[cut..]].concat();
                        half.insert(*at, mixed.try_into().unwrap());
                        judge(half);
                        count += 1;
                    }
                    judge(state);
                    count += 1;
                }
                durable.extend(waiting.drain(..));
            }
        }
    }
    count
}

fn payload(nth: u64) -> Vec<u8> {
    // Longer and shorter ones take turns, so that remains of longer ones lie behind.
    let bytes = if nth.is_multiple_of(2) { 2500 } else { 40 };
    (0..bytes).map(|at| (at as u64 * 7 + nth * 13) as u8).collect()
}

#[test]
fn after_a_cut_the_record_is_the_old_one_or_the_new_one() {
    let mut count = 0;
    for kind in Kind::ALL {
        // More than once round the ring of most kinds.
        for nth in [1, 2, 3, 17, 18, 19_u64] {
            let memory = Memory::default();
            let mut slots = Slots::on(memory.clone()).unwrap();
            (1..nth).for_each(|nth| assert_eq!(slots.write(kind, &payload(nth)).unwrap(), nth));
            let before = memory.0.borrow().0.clone();
            memory.0.borrow_mut().1.clear();
            assert_eq!(slots.write(kind, &payload(nth)).unwrap(), nth);
            let steps = memory.0.borrow().1.clone();
            count += cuts(&before, &steps, |state| judge(kind, nth, state));
        }
    }
    assert!(count > 6_000, "only {count} cuts");
    println!("{count} of {count} cuts");
}

/// Old or new, nothing damaged, and the next write goes through and is read.
fn judge(kind: Kind, nth: u64, state: Sectors) {
    let slots = &mut Slots::on(Memory::of(state)).unwrap();
    let found = slots.latest(kind).unwrap();
    let generation = found.as_ref().map_or(0, |record| record.generation);
    assert!(generation == nth || generation == nth - 1, "{kind}: {generation} after {nth}");
    if let Some(record) = found {
        assert_eq!(record.payload, payload(generation));
    }
    assert!(!slots.is_damaged(kind).unwrap());
    let kept = u32::try_from(kind.generations()).unwrap().min(u32::try_from(generation).unwrap());
    for n in [0, kept.saturating_sub(1)].into_iter().filter(|n| *n < kept) {
        let back = slots.back(kind, n).unwrap().expect("it was durable");
        assert_eq!(back.generation, generation - u64::from(n));
        assert_eq!(back.payload, payload(back.generation));
    }
    assert_eq!(slots.write(kind, b"next").unwrap(), generation + 1);
    assert_eq!(slots.latest(kind).unwrap().unwrap().payload, b"next");
}

#[test]
fn a_cut_while_erasing_leaves_the_newest_or_nothing() {
    let memory = Memory::default();
    let mut slots = Slots::on(memory.clone()).unwrap();
    for nth in 1..=5 {
        slots.write(Kind::Reset, &payload(nth)).unwrap();
    }
    let before = memory.0.borrow().0.clone();
    memory.0.borrow_mut().1.clear();
    slots.erase(Kind::Reset).unwrap();
    let steps = memory.0.borrow().1.clone();
    cuts(&before, &steps, |state| {
        let found = Slots::on(Memory::of(state)).unwrap().latest(Kind::Reset).unwrap();
        assert!(found.is_none_or(|record| record.generation == 5));
    });
    assert_eq!(slots.latest(Kind::Reset).unwrap(), None);
}

#[test]
fn one_copy_gone_loses_nothing_and_both_gone_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    std::fs::File::create(&path).unwrap().set_len(PARTITION_BYTES).unwrap();
    let mut slots = Slots::open(&path).unwrap();
    assert_eq!(slots.latest(Kind::Identity).unwrap(), None);
    slots.write(Kind::Identity, b"who I am").unwrap();
    slots.write(Kind::Settings, b"another").unwrap();

    let spoil = |half: usize| {
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes[half..].windows(8).position(|w| w == b"who I am").unwrap();
        bytes[half + at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    spoil(0);
    assert_eq!(slots.latest(Kind::Identity).unwrap().unwrap().payload, b"who I am");
    assert!(!slots.is_damaged(Kind::Identity).unwrap());
    spoil(8 << 20);
    let error = slots.latest(Kind::Identity).unwrap_err();
    assert_eq!(error.to_string(), "no record identity can be read any more");
    assert_eq!(slots.latest(Kind::Settings).unwrap().unwrap().payload, b"another");

    let slots = Slots::format(&path).unwrap();
    assert!(Kind::ALL.iter().all(|kind| slots.latest(*kind).unwrap().is_none()));
    assert!(std::fs::read(&path).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn what_does_not_fit_is_refused_with_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    std::fs::write(&path, b"short").unwrap();
    let error = Slots::open(&path).unwrap_err();
    assert_eq!(error.to_string(), "the partition has 5 bytes, and must have 16777216");
    std::fs::File::create(&path).unwrap().set_len(PARTITION_BYTES).unwrap();
    let mut slots = Slots::open(&path).unwrap();
    let most = Kind::Settings.payload_bytes_max();
    let error = slots.write(Kind::Settings, &vec![0; most + 1]).unwrap_err();
    let expected = "131041 bytes are too long for a record settings: at most 131040";
    assert_eq!(error.to_string(), expected);
    assert_eq!(slots.write(Kind::Settings, &vec![7; most]).unwrap(), 1);
    assert_eq!(slots.latest(Kind::Settings).unwrap().unwrap().payload, vec![7; most]);
}

#[test]
fn writers_in_two_places_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    std::fs::File::create(&path).unwrap().set_len(PARTITION_BYTES).unwrap();
    let writer = |path: std::path::PathBuf| {
        std::thread::spawn(move || {
            let mut slots = Slots::open(path).unwrap();
            (0..20).map(|_| slots.write(Kind::Boot, b"x").unwrap()).collect::<Vec<_>>()
        })
    };
    let (a, b) = (writer(path.clone()), writer(path));
    let mut all = [a.join().unwrap(), b.join().unwrap()].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=40).collect::<Vec<u64>>());
}
