//! What the service does when something is not as it should be.

use super::rig::{Box, PASSWORD};

pub fn served(shape: &str) -> Box {
    let mut rig = Box::new();
    rig.library(shape);
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    rig
}

pub fn file(rig: &Box, name: &str, seed: u64, length: usize) {
    let path = rig.at(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, super::rig::noise(seed, length)).unwrap();
}

#[test]
fn commands_may_be_as_long_as_a_piece_of_an_update() {
    let rig = served("--drives 1 --slots 4 --media 2 --capacity 8MiB");
    file(&rig, "bundle", 1, 300_000);
    for refused in [rig.console("update apply bundle"), rig.on("web", "update apply bundle")] {
        // Nothing is updated outside an image: the command arrived, and that is its answer.
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("the updater is not there"), "{said}\n{}", rig.log());
    }
}

#[test]
fn nothing_is_given_without_a_ticket() {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 4 --media 2 --capacity 8MiB");
    rig.start();
    rig.first_steps();
    // The second is made by somebody who may.
    let out = rig.console("logout");
    assert!(out.status.success(), "{out:?}");
    for words in ["status", "jobs", "user put eve --may administer", "machine enrol eve"] {
        let refused = rig.console(words);
        assert_eq!(refused.status.code(), Some(100), "{words}: {refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("tapicli login"), "{said}");
    }
    assert!(!rig.log().contains(PASSWORD));
}

#[test]
fn a_backup_larger_than_a_cartridge_goes_on_by_itself() {
    let rig = served("--drives 1 --slots 8 --media 6 --capacity 6MiB");
    file(&rig, "tree/large", 1, 15_000_000);
    rig.on_ok("web", "backup --name large -C tree .");
    let sets: serde_json::Value = serde_json::from_str(&rig.ok("pool sets --json")).unwrap();
    let volumes = sets["Sets"]["items"][0]["volumes"].as_array().unwrap().len();
    assert!(volumes >= 3, "{sets}");
    rig.on_ok("web", "restore --name large --to back");
    assert!(
        std::fs::read(rig.at("tree/large")).unwrap()
            == std::fs::read(rig.at("back/large")).unwrap()
    );
}

#[test]
fn without_a_medium_a_person_is_asked_and_the_job_waits() {
    let rig = served("--drives 1 --slots 4 --media 1 --capacity 6MiB");
    file(&rig, "tree/large", 1, 9_000_000);
    let mut backup = rig.begin_on("web", "backup --name large -C tree .");
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    let asked = loop {
        let text = rig.ok("request list --json");
        let asked: serde_json::Value = serde_json::from_str(&text).unwrap();
        if let Some(first) = asked["Requests"]["items"].as_array().unwrap().first() {
            break first.clone();
        }
        assert!(std::time::Instant::now() < deadline, "nobody is asked: {}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert!(asked["what"].as_str().unwrap().contains("default"), "{asked}");
    assert!(backup.try_wait().unwrap().is_none(), "the job does not wait");
    rig.on_ok("web", "job cancel 1");
    let done = backup.wait_with_output().unwrap();
    assert!(!done.status.success(), "{done:?}");
    let state = rig.wait_over(1);
    assert!(state.get("Cancelled").is_some(), "{state}");
    // What was taken is not lost on the service: it goes on.
    assert!(rig.ok("status").contains("0 running"));
}

#[test]
fn several_machines_share_a_drive() {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 8 --media 6 --capacity 64MiB");
    rig.start();
    rig.first_steps();
    let names = ["one", "two", "three", "four"];
    for (nth, name) in names.into_iter().enumerate() {
        rig.enrol(name);
        rig.login_ok(name, "admin");
        file(&rig, &format!("{name}-tree/data"), nth as u64, 3_000_000 + nth * 1000);
    }
    let running: Vec<_> =
        names.map(|name| rig.begin_on(name, &format!("backup --name all -C {name}-tree ."))).into();
    for (backup, name) in running.into_iter().zip(names) {
        let done = backup.wait_with_output().unwrap();
        assert!(done.status.success(), "{name}: {done:?}\n{}", rig.log());
    }
    for name in names {
        rig.on_ok(name, &format!("restore --name all --to {name}-back"));
        let (tree, back) =
            (rig.at(&format!("{name}-tree/data")), rig.at(&format!("{name}-back/data")));
        assert!(std::fs::read(tree).unwrap() == std::fs::read(back).unwrap(), "{name}");
    }
}

#[test]
fn a_second_copy_is_made_and_used_when_the_first_is_lost() {
    let rig = served("--drives 2 --slots 8 --media 6 --capacity 16MiB");
    rig.ok("pool put far --keep 60d");
    rig.ok("pool put near --keep 30d --copy-to far");
    file(&rig, "tree/data", 5, 4_000_000);
    rig.on_ok("web", "backup --name all --pool near -C tree .");
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    let copy = loop {
        let copy = rig.jobs().into_iter().find(|job| job["work"].get("Copy").is_some());
        if let Some(copy) = copy {
            break copy["id"].as_u64().unwrap();
        }
        assert!(std::time::Instant::now() < deadline, "{}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert_eq!(rig.wait_over(copy), "Done", "{}", rig.log());
    let report: serde_json::Value = serde_json::from_str(&rig.ok("job show 1 --json")).unwrap();
    let kept = report["JobReport"]["kept"].as_array().unwrap().clone();
    let medium = |copy: u64| {
        kept.iter().find(|kept| kept["copy"] == copy).unwrap()["medium"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(medium(0), medium(1));
    rig.ok(&format!("medium retire {} --why lost", medium(0)));
    rig.ok(&format!("library export {}", medium(0)));
    rig.on_ok("web", "restore --name all --to back");
    assert!(
        std::fs::read(rig.at("tree/data")).unwrap() == std::fs::read(rig.at("back/data")).unwrap()
    );
}

#[test]
fn what_nobody_has_proved_is_read_back_by_itself() {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 4 --media 2 --capacity 64MiB");
    std::fs::write(rig.at("serve.toml"), "[limits]\nverify_after_s = 1\nrecords_copy_s = 0\n")
        .unwrap();
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    file(&rig, "tree/data", 1, 100_000);
    rig.on_ok("web", "backup --name all -C tree .");
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    loop {
        let report = rig.ok("job show 1");
        if report.contains("verified") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{report}\n{}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn a_rebuild_names_what_lies_in_another_drive() {
    let rig = Box::new();
    rig.library("--drives 2 --slots 4 --media 2 --capacity 8MiB");
    let run = |words: &str| {
        let mut command = std::process::Command::new(super::rig::EXE);
        command.args(words.split(' ')).current_dir(rig.dir.path()).output().unwrap()
    };
    let changer = "--changer virtual:state/library#changer";
    let loaded = run(&format!("library move {changer} --from slot:1 --to drive:1"));
    assert!(loaded.status.success(), "{loaded:?}");
    let rebuilt = run(&format!(
        "catalogue rebuild --drive virtual:state/library#drive0 {changer} --to state/new.redb"
    ));
    let said = String::from_utf8_lossy(&rebuilt.stderr).into_owned();
    assert_eq!(rebuilt.status.code(), Some(1), "{rebuilt:?}");
    assert!(said.contains("TAP001L9") && said.contains("it is in another drive"), "{said}");
}

/// What another process does that has a drive: nothing, until it is told to.
fn stranger(rig: &Box, drive: &str) -> std::boxed::Box<dyn scsi::Transport> {
    virt::open(&format!("virtual:{}#{drive}", rig.at("state/library").display())).unwrap()
}

#[test]
fn a_drive_that_is_still_in_use_at_the_start_is_waited_for() {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 4 --media 2 --capacity 16MiB");
    let holder = stranger(&rig, "drive0");
    rig.start();
    assert!(rig.log().contains("in use by pid"), "{}", rig.log());
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    file(&rig, "tree/data", 1, 100_000);
    let backup = rig.begin_on("web", "backup --name all -C tree .");
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    while !rig.log().contains("waiting up to") {
        assert!(std::time::Instant::now() < deadline, "{}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(holder);
    let done = backup.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}\n{}", rig.log());
    rig.on_ok("web", "restore --name all --to back");
}

#[test]
fn strangers_have_a_drive_and_the_changer_and_the_service_says_so_and_tries_again() {
    let mut rig = Box::new();
    rig.library("--drives 2 --slots 4 --media 3 --capacity 16MiB");
    let (drive, changer) = (stranger(&rig, "drive0"), stranger(&rig, "changer"));
    rig.start();
    rig.first_steps();
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    while !rig.log().contains("the library does not answer") {
        assert!(std::time::Instant::now() < deadline, "{}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let log = rig.log();
    assert!(log.contains("drive 1 is tried again") && log.contains("#drive0: in use by"), "{log}");
    assert!(log.contains("#changer: in use by"), "{log}");
    assert!(!log.contains("is started again"), "{log}");
    drop(changer);
    rig.enrol("web");
    rig.login_ok("web", "admin");
    file(&rig, "tree/data", 1, 100_000);
    // The other drive does it.
    rig.on_ok("web", "backup --name all -C tree .");
    rig.on_ok("web", "restore --name all --to back");
    drop(drive);
}
