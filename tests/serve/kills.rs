//! The service is killed at random, again and again, while four machines back up: nothing that was acknowledged
//! is lost, nothing stays behind, and it is back by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rig::{Box, PATIENCE, noise, processes};

const MACHINES: [&str; 4] = ["one", "two", "three", "four"];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn killed_again_and_again_it_keeps_what_it_acknowledged() {
    let long = std::env::var_os("TAPIOCA_LONG").is_some();
    let kills: u64 = if long { 200 } else { 6 };
    let mut rig = Box::new();
    rig.library("--drives 2 --slots 40 --media 36 --capacity 64MiB");
    rig.start();
    rig.first_steps();
    for name in MACHINES {
        rig.enrol(name);
        rig.login_ok(name, "admin");
    }
    let mut dice = Dice(0x5eed_0004);
    // Content of each acknowledged backup, by its name.
    let mut acknowledged: BTreeMap<(usize, u64), u64> = BTreeMap::new();
    let (mut cut, mut longest) = (0, Duration::ZERO);
    for round in 0..kills {
        let mut running = Vec::new();
        for (nth, name) in MACHINES.into_iter().enumerate() {
            let seed = round * 10 + nth as u64;
            let tree = rig.at(&format!("{name}-tree"));
            let _ = std::fs::remove_dir_all(&tree);
            std::fs::create_dir_all(&tree).unwrap();
            let length = 10_000 + dice.roll(600_000) as usize;
            std::fs::write(tree.join("data"), noise(seed, length)).unwrap();
            let words = format!("backup --name r{round} --full -C {name}-tree .");
            running.push((nth, seed, rig.begin_on(name, &words)));
        }
        std::thread::sleep(Duration::from_millis(dice.roll(1500)));
        for id in rig.service_ids() {
            let _ = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
        }
        let killed = Instant::now();
        for (nth, seed, backup) in running {
            let done = backup.wait_with_output().unwrap();
            match done.status.success() {
                true => _ = acknowledged.insert((nth, round), seed),
                false => cut += 1,
            }
        }
        back_again(&rig);
        longest = longest.max(killed.elapsed());
    }
    eprintln!(
        "{kills} kills: {} of {} backups acknowledged, {cut} cut, longest return {longest:?}",
        acknowledged.len(),
        4 * kills
    );
    everything_is_there(&rig, &acknowledged);
    nothing_stays_behind(rig);
}

/// Waits until the service answers again.
fn back_again(rig: &Box) {
    let deadline = Instant::now() + PATIENCE;
    while !rig.console("status").status.success() {
        assert!(Instant::now() < deadline, "it does not come back: {}", rig.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn everything_is_there(rig: &Box, acknowledged: &BTreeMap<(usize, u64), u64>) {
    for ((nth, round), seed) in acknowledged {
        let name = MACHINES[*nth];
        rig.on_ok(name, &format!("restore --name r{round} --to {name}-back-{round}"));
        let back = std::fs::read(rig.at(&format!("{name}-back-{round}/data"))).unwrap();
        assert!(back == noise(*seed, back.len()), "{name} {round}");
    }
}

/// Nothing stands in the way of the next backup, and nothing is left of those that were cut.
fn nothing_stays_behind(mut rig: Box) {
    for name in MACHINES {
        rig.on_ok(name, &format!("backup --name last -C {name}-tree ."));
    }
    let open = rig.jobs().into_iter().filter(|job| job["state"] == "Running").count();
    assert_eq!(open, 0);
    let dir = rig.dir.path().to_str().unwrap().to_owned();
    rig.stop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<_> =
            processes().into_iter().filter(|(_, words)| words.contains(&dir)).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
