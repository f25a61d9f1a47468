//! The authority in a world that misbehaves: years of bad days in seconds, from a seed.
//!
//! `SEED=7 cargo test --test simulator -- one_seed --nocapture` prints what happens in one run, a line for each
//! event and action. `TAPIOCA_LONG=1` runs many more seeds; `SEEDS=1000 FROM=20001` runs so many, from there on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod check;
mod devices;
mod dice;
mod office;
mod people;
mod run;
mod sabotage;
mod things;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::{End, run, run_with, run_with_log};

fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn seeds() -> std::ops::Range<u64> {
    let long = std::env::var_os("TAPIOCA_LONG").is_some();
    let from = asked("FROM").unwrap_or(1);
    from..from + asked("SEEDS").unwrap_or(if long { 10_000 } else { 300 })
}

/// Runs them, as many at once as there are processors.
fn run_all(seeds: std::ops::Range<u64>) -> BTreeMap<u64, Result<End, String>> {
    let next = AtomicU64::new(seeds.start);
    let ends = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let end = std::panic::catch_unwind(|| run(seed));
                    let end = end.unwrap_or_else(|_| Err("it panicked".into()));
                    ends.lock().unwrap().insert(seed, end);
                }
            });
        }
    });
    ends.into_inner().unwrap()
}

#[test]
fn nothing_promised_is_lost_whatever_happens() {
    let begun = Instant::now();
    let mut all = End::default();
    let mut failed = Vec::new();
    for (seed, end) in run_all(seeds()) {
        match end {
            Ok(end) => all.add(&end),
            Err(why) => failed.push((seed, why)),
        }
    }
    let a_minute = all.events as f64 / begun.elapsed().as_secs_f64() * 60.0;
    println!("seeds {:?}: {all}; {a_minute:.0} events a minute", seeds());
    if let Some((seed, why)) = failed.first() {
        let (log, _) = run_with_log(*seed);
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(60);
        println!("{}", lines[from..].join("\n"));
        for (seed, why) in failed.iter().take(30) {
            println!("seed {seed}: {why}");
        }
        let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).take(50).collect();
        panic!("{} seeds fail: {seeds:?}; seed {seed}: {why}", failed.len());
    }
    let is_wild = all.done > 0 && all.restored > 0 && all.power_cuts > 0 && all.relabelled > 0;
    assert!(is_wild, "the world was too calm");
}

/// Seeds that failed once. Worlds and people have changed since, so the rules that were missing are also
/// scenes of their own, in `tests/authority`.
#[test]
fn seeds_that_found_something_find_nothing_more() {
    let found = [
        // A copy waited in a session for a cartridge that this very session wrote.
        ("a copy leaves a session that writes what it reads", &[7025][..]),
        ("nobody reads a copy that is not whole", &[1538, 7050, 9125]),
        ("what a drive says twice of a copy that began anew counts once", &[1685]),
        ("two cartridges that people serve never bear one name", &[4942]),
        ("whoever builds on what is damaged hears of it", &[7907]),
        ("a drive that is said to be lost has lost its errand", &[8732]),
        ("nobody is sent in a circle in a full library", &[23, 33, 125, 300, 1359]),
        ("a stranger is put away, so that the right one can come", &[1992]),
        ("what cannot be told by its barcode can be taken out", &[3206, 8820]),
        ("drives that people serve take what is needed first", &[49, 73, 96, 124, 153, 249]),
        ("what cannot be read is looked at again before it is given up", &[633]),
        ("what cannot be erased is not tried for ever", &[3486]),
        ("a restore goes with the machine that gets it", &[536, 6416, 8180, 8904]),
        ("no errand is without an answer", &[2049]),
        ("the wrong one is put away before the right one comes", &[11018]),
        ("nobody is where the changer does not see them", &[13766, 14774, 25245]),
        ("what was given up does not come back with the clock", &[20442]),
        ("drives that people serve are looked into when they are not at work", &[20810]),
        ("copies that wait for each other's drives make way", &[4851]),
        ("a session goes on in a new set when its own was closed", &[24630]),
        ("a label is right over what is only believed", &[19369]),
        ("what is left when one copy goes is kept as long as the job", &[29396]),
    ];
    for (what, seeds) in found {
        for seed in seeds {
            run(*seed).unwrap_or_else(|why| panic!("{what}: seed {seed}: {why}"));
        }
    }
}

#[test]
fn every_sabotage_is_noticed() {
    for (sabotage, said) in sabotage::ALL {
        let noticed = (1..=200).find_map(|seed| Some((seed, run_with(seed, sabotage).err()?)));
        let (seed, why) = noticed.unwrap_or_else(|| panic!("{sabotage:?} goes unnoticed"));
        println!("{sabotage:?}: seed {seed}: {}", why.chars().take(150).collect::<String>());
        assert!(why.contains(said), "{sabotage:?}: {why}");
    }
}

#[test]
fn the_same_seed_gives_the_same_lines() {
    for seed in [3, 11, 42] {
        let (first, _) = run_with_log(seed);
        let (second, _) = run_with_log(seed);
        assert!(first.lines().count() > 100);
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    let (log, end) = run_with_log(seed);
    println!("{log}");
    end.unwrap();
}
