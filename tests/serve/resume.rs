//! Backups that are cut short, and go on: what was recorded is not sent again, and all of it comes back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::rig::{Box, PATIENCE, noise};
use super::tree::{assert_same, snapshot};

const FILES: u64 = 600;

/// A box that records every second, and a tree of many files.
fn served() -> Box {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 6 --media 5 --capacity 256MiB");
    std::fs::write(
        rig.at("serve.toml"),
        "[limits]\nsync_s = 1\nsync_memory_mib = 16\nrecords_copy_s = 0\n",
    )
    .unwrap();
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    for n in 0..FILES {
        let folder = rig.at(&format!("tree/d{}/e{}", n / 100, n / 10 % 10));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("f{n}")), noise(n, 150_000)).unwrap();
    }
    std::fs::hard_link(rig.at("tree/d1/e1/f110"), rig.at("tree/d1/e1/g110")).unwrap();
    std::fs::create_dir(rig.at("tree/d2/empty")).unwrap();
    let old = std::process::Command::new("find")
        .args(["tree", "-type", "d", "-exec", "touch", "-d", "@1500000000", "{}", "+"])
        .current_dir(rig.dir.path())
        .status();
    assert!(old.unwrap().success());
    // What changed right before a walk is taken again, to be safe.
    std::thread::sleep(Duration::from_millis(2500));
    rig
}

fn job(rig: &Box, id: u64) -> Option<Value> {
    rig.jobs().into_iter().find(|job| job["id"] == id)
}

/// Waits until some of a job is recorded, but by far not all; its client is slowed down meanwhile.
fn wait_recorded(rig: &Box, id: u64, client: u32) {
    let deadline = Instant::now() + PATIENCE;
    let signal = |name: &str| {
        let _ = std::process::Command::new("kill").args([name, &client.to_string()]).status();
    };
    loop {
        // It would be done before the first byte is recorded.
        std::thread::sleep(Duration::from_millis(4));
        signal("-STOP");
        std::thread::sleep(Duration::from_millis(60));
        let recorded = job(rig, id).map_or(0, |job| job["recorded"].as_u64().unwrap());
        if recorded > 1_000_000 {
            assert!(recorded < 80_000_000, "too late: {recorded}");
            return;
        }
        assert!(Instant::now() < deadline, "{}", rig.log());
        signal("-CONT");
    }
}

fn signal(name: &str, id: u32) {
    let done = std::process::Command::new("kill").args([name, &id.to_string()]).status();
    assert!(done.unwrap().success());
}

/// Goes on with a job, and sees what that took and what comes back.
fn goes_on(rig: &Box, cut: u64, compressed: bool) {
    let recorded = job(rig, cut).unwrap()["recorded"].as_u64().unwrap();
    assert!(recorded > 0);
    // What is recorded can be looked at before the rest is there.
    let found = rig.on_ok("web", &format!("ls --job {cut}"));
    assert!(found.contains("d0"), "{found}");
    let text = rig.on_ok("web", &format!("resume {cut} --json"));
    let done: Value = serde_json::from_str(&text).unwrap();
    let (sent, whole) = (done["bytes"].as_u64().unwrap(), FILES * 150_000);
    assert!(sent < whole, "{sent} of {whole} were sent again");
    if !compressed {
        // Beside the rest: directories, and what was not recorded yet.
        assert!(sent < whole + 8_000_000 - recorded.min(whole), "{sent} after {recorded}");
    }
    let next = done["job"].as_u64().unwrap();
    let level = job(rig, next).unwrap()["work"]["Backup"]["level"].clone();
    assert_eq!(level["Since"], cut);
    rig.on_ok("web", "restore --name all --to back");
    assert_same(&snapshot(&rig.at("tree")), &snapshot(&rig.at("back")));
    rig.on_ok("web", "restore --name all --to one d0/e0/f1 d5/e9/f599");
    assert!(std::fs::read(rig.at("one/d0/e0/f1")).unwrap() == noise(1, 150_000));
    assert!(std::fs::read(rig.at("one/d5/e9/f599")).unwrap() == noise(599, 150_000));
    // It is one backup for what comes next.
    std::fs::write(rig.at("tree/new"), "new").unwrap();
    let text = rig.on_ok("web", "backup --name all -C tree . --json");
    let done: Value = serde_json::from_str(&text).unwrap();
    assert!(done["bytes"].as_u64().unwrap() < 100_000, "{done}");
    let again = rig.on("web", &format!("resume {cut}"));
    assert_eq!(again.status.code(), Some(100), "{again:?}");
}

#[test]
fn a_killed_service_is_gone_on_with() {
    let rig = served();
    let backup = rig.begin_on("web", "backup --name all -C tree .");
    wait_recorded(&rig, 1, backup.id());
    rig.service_ids().into_iter().for_each(|id| signal("-KILL", id.unsigned_abs()));
    signal("-CONT", backup.id());
    let done = backup.wait_with_output().unwrap();
    assert!(!done.status.success(), "{done:?}");
    let deadline = Instant::now() + PATIENCE;
    while !rig.console("status").status.success() {
        assert!(Instant::now() < deadline, "{}", rig.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(rig.wait_over(1).get("Interrupted").is_some());
    goes_on(&rig, 1, false);
}

#[test]
fn a_killed_client_goes_on_with_what_is_compressed() {
    let rig = served();
    let backup = rig.begin_on("web", "backup --name all --compress -C tree .");
    wait_recorded(&rig, 1, backup.id());
    signal("-KILL", backup.id());
    backup.wait_with_output().unwrap();
    assert!(rig.wait_over(1).get("Interrupted").is_some());
    goes_on(&rig, 1, true);
}

#[test]
fn what_was_cancelled_and_the_box_stopped_goes_on() {
    let mut rig = served();
    let backup = rig.begin_on("web", "backup --name all -C tree .");
    wait_recorded(&rig, 1, backup.id());
    rig.ok("job cancel 1");
    signal("-CONT", backup.id());
    let done = backup.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("tapicli resume 1"), "{said}");
    let old = rig.service_ids();
    rig.stop();
    // Its drives are free when it is gone.
    while old.iter().any(|id| std::path::Path::new(&format!("/proc/{id}")).exists()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    rig.start();
    goes_on(&rig, 1, false);
}
