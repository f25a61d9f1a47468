//! The authority in a world that misbehaves: years of bad days in seconds, from a seed.
//!
//! `SEED=7 cargo test --test simulator -- one_seed --nocapture` prints what happens in one run, a line for each
//! event and action. `TAPIOCA_LONG=1` runs many more seeds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod check;
mod devices;
mod dice;
mod people;
mod run;
mod things;
mod world;

use std::time::Instant;

use run::{run, run_with_log};

fn seeds() -> u64 {
    let asked = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let long = std::env::var_os("TAPIOCA_LONG").is_some();
    asked.unwrap_or(if long { 10_000 } else { 300 })
}

#[test]
fn nothing_promised_is_lost_whatever_happens() {
    let begun = Instant::now();
    let (mut events, mut cuts, mut done, mut restored, mut relabelled) = (0, 0, 0, 0, 0);
    let mut failed = Vec::new();
    for seed in 1..=seeds() {
        match run(seed) {
            Ok(end) => {
                events += end.events;
                cuts += end.power_cuts;
                done += end.done;
                restored += end.restored;
                relabelled += end.relabelled;
            }
            Err(why) => failed.push((seed, why)),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} seeds: {events} events, {cuts} power cuts, {done} jobs done, {restored} restores, \
         {relabelled} relabelled; {:.0} events a minute",
        seeds(),
        events as f64 / seconds * 60.0
    );
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
    assert!(done > 0 && restored > 0 && cuts > 0 && relabelled > 0, "the world was too calm");
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
