//! The service is killed at a command that it gives to a device: at one after the other, from its start until a
//! backup over two cartridges and its second copy are on tape. What the client retries is kept; what is believed
//! can be restored; and every cartridge is where it is said to be. `CRASH_FROM=700`
//! begins there, `CRASH_TO=800` ends there.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::rig::{Box, EXE, PATIENCE, noise};

const MEDIA: usize = 10;
/// Commands between two kills of a sample.
const STRIDE: u64 = 79;

#[test]
fn killed_at_any_command_it_believes_only_what_is_on_tape() {
    let long = std::env::var_os("TAPIOCA_LONG").is_some();
    let template = prepared();
    let given = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let (from, to) = (given("CRASH_FROM").unwrap_or(1), given("CRASH_TO").unwrap_or(u64::MAX));
    let (mut nth, mut kills) = (from, 0);
    // Before a command and after the one before it differ by what was recorded in between.
    while nth < to
        && kill_at(template.copy(), nth, if nth.is_multiple_of(2) { "before" } else { "after" })
    {
        kills += 1;
        nth += if long { 1 } else { STRIDE };
    }
    eprintln!("{kills} kills; not one at command {nth} any more");
    assert!(kills >= 5 || from > 1, "{kills} kills: it never comes to the tape");
}

/// A box with a machine and what it will back up, ended in order.
fn prepared() -> Box {
    let mut rig = Box::new();
    rig.library(&format!("--drives 2 --slots 12 --media {MEDIA} --capacity 6MiB"));
    rig.start();
    rig.first_steps();
    rig.ok("pool put far --keep 60d");
    rig.ok("pool put near --keep 30d --copy-to far");
    rig.enrol("web");
    rig.login_ok("web", "admin");
    std::fs::create_dir_all(rig.at("tree")).unwrap();
    for (name, seed, length) in [("large", 1, 4_500_000), ("small", 2, 70_000)] {
        std::fs::write(rig.at("tree").join(name), noise(seed, length)).unwrap();
    }
    rig.stop();
    rig
}

/// Whether it came to the command at all.
fn kill_at(mut rig: Box, nth: u64, moment: &str) -> bool {
    let script = rig.at("state/library/faults.toml");
    let fault = format!(
        "[[fault]]\nwhen = {{ nth-of-process = {nth} }}\neffect = {{ kill = {moment:?} }}\n"
    );
    std::fs::write(&script, fault).unwrap();
    let which = format!("killed {moment} command {nth}");
    rig.start();
    let backup = "backup --name all --pool near --full -C tree .";
    let first = rig.on("web", backup);
    if !first.status.success() {
        assert!(!script.exists(), "{which}: no kill, and yet {first:?}\n{}", rig.log());
        back_again(&rig, &which);
        let again = rig.on("web", backup);
        assert!(again.status.success(), "{which}: {again:?}\n{}", rig.log());
    }
    copied(&rig, &which);
    let killed = !script.exists();
    if !killed {
        rig.stop();
        std::fs::remove_file(&script).unwrap();
        rig.start();
    }
    what_is_believed_is_there(&rig, &which);
    everything_has_its_place(&mut rig, &which);
    killed
}

/// Waits until the service answers again.
fn back_again(rig: &Box, which: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !rig.console("status").status.success() {
        assert!(Instant::now() < deadline, "{which}: it does not come back: {}", rig.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until nothing is left to do, the kill among it: the backup has its second copy.
fn copied(rig: &Box, which: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        back_again(rig, which);
        let listed = rig.console("jobs --json");
        let jobs: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
        let jobs = jobs["Jobs"]["items"].as_array().cloned().unwrap_or_default();
        let is = |job: &Value, state: &str| job["state"] == state;
        // A backup that was cut before it began waits a while for the client that made it.
        let is_left = |job: &Value| job["waits_for"] == "waits for its client";
        let is_open = |job: &Value| (is(job, "Queued") && !is_left(job)) || is(job, "Running");
        let is_copy = |job: &Value| job["work"].get("Copy").is_some() && is(job, "Done");
        if !jobs.iter().any(is_open) && jobs.iter().any(is_copy) {
            return;
        }
        assert!(Instant::now() < deadline, "{which}: {jobs:#?}\n{}", rig.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn what_is_believed_is_there(rig: &Box, which: &str) {
    let done: Vec<Value> = rig
        .jobs()
        .into_iter()
        .filter(|job| job["work"].get("Backup").is_some() && job["state"] == "Done")
        .collect();
    assert!(!done.is_empty(), "{which}: {}", rig.log());
    for job in done {
        let (number, to) = (&job["id"], format!("back-{}", job["id"]));
        rig.on_ok("web", &format!("restore --job {number} --to {to}"));
        for name in ["large", "small"] {
            let (kept, back) = (rig.at("tree").join(name), rig.at(&to).join(name));
            let same = std::fs::read(kept).unwrap() == std::fs::read(back).unwrap();
            assert!(same, "{which}: job {number} does not give {name} back");
        }
    }
}

/// The hand is empty, no cartridge is lost or doubled, and the records say of each where it is.
fn everything_has_its_place(rig: &mut Box, which: &str) {
    let media: Value = serde_json::from_str(&rig.ok("media --json")).unwrap();
    rig.stop();
    let mut status = std::process::Command::new(EXE);
    status.args(["library", "status", "--json", "--changer", "virtual:state/library#changer"]);
    let status = status.current_dir(rig.dir.path()).output().unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let elements = status["elements"].as_array().unwrap();
    let hands = elements.iter().filter(|element| element["kind"] == "transport");
    assert!(hands.into_iter().all(|hand| hand["full"] == false), "{which}: {elements:#?}");
    let full = elements.iter().filter(|element| element["full"] == true);
    let mut is: Vec<(String, String)> = full.map(place).collect();
    let media = media["Media"]["items"].as_array().unwrap();
    let mut said: Vec<(String, String)> = media.iter().map(recorded).collect();
    is.sort();
    said.sort();
    assert_eq!(is.len(), MEDIA, "{which}: {is:?}");
    assert_eq!(is, said, "{which}");
}

/// A cartridge and where it lies, as the library tells.
fn place(element: &Value) -> (String, String) {
    let (volume, place) = (element["volume"].as_str().unwrap(), element["place"].as_str().unwrap());
    let address = element["element"].as_u64().unwrap();
    let place = match place.split_once(':').unwrap() {
        ("drive", number) => format!("drive {}", number.parse::<u64>().unwrap() + 1),
        ("slot", _) => format!("slot {address}"),
        _ => format!("mail slot {address}"),
    };
    (volume.to_owned(), place)
}

/// The same as the records tell.
fn recorded(medium: &Value) -> (String, String) {
    let text = |key: &str| medium[key].as_str().unwrap_or_default().to_owned();
    (text("tag"), text("location"))
}
