//! A day of a box: two machines, people of both kinds, backups that are pushed and asked for, what changes
//! until the next, restores elsewhere; and the catalogue lost, and made anew of the media.

use std::path::Path;
use std::process::Command;

use super::pam;
use super::rig::{Box, EXE, noise};
use super::tree::{assert_same, snapshot};

fn plant(root: &Path, seed: u64) {
    std::fs::create_dir_all(root.join("etc/empty")).unwrap();
    std::fs::create_dir_all(root.join("srv/deep/er")).unwrap();
    for n in 0..40 {
        let content = noise(seed + n, (n as usize * 7919) % 60_000);
        std::fs::write(root.join(format!("srv/deep/file {n}")), content).unwrap();
    }
    std::fs::write(root.join("srv/large"), noise(seed, 5_000_000)).unwrap();
    std::fs::write(root.join("etc/a name\nwith a line"), "x").unwrap();
    std::os::unix::fs::symlink("../srv/large", root.join("etc/link")).unwrap();
    std::fs::hard_link(root.join("srv/large"), root.join("srv/deep/er/same")).unwrap();
    Command::new("setfattr")
        .args(["-n", "user.colour", "-v", "green"])
        .arg(root.join("srv/large"))
        .status()
        .unwrap();
}

fn change(root: &Path, seed: u64) {
    std::fs::write(root.join("srv/deep/file 3"), noise(seed, 1000)).unwrap();
    std::fs::remove_file(root.join("srv/deep/file 5")).unwrap();
    std::fs::rename(root.join("srv/deep/file 7"), root.join("srv/renamed")).unwrap();
    std::fs::remove_dir(root.join("etc/empty")).unwrap();
    std::fs::write(root.join("etc/new"), "new").unwrap();
}

/// What a client's owner lets the box ask for: a backup of the tree, by the client's own ticket.
fn gluepot(rig: &Box, name: &str) -> String {
    let (dir, address) = (rig.dir.path().display(), rig.address(name));
    format!(
        "[[component]]\nname = \"backup\"\nprogram = \"tapioca\"\nmachines = [\"box\"]\nnetwork = true\n\
         with = [\"tapicli\", \"--box\", \"{address}\", \"--identity\", \"{dir}/{name}\", \"backup\", \"-C\", \"{dir}/{name}-tree\"]\n\
         may = [\"--job {{number}}\", \"{{text}}…\"]\nread = [\"{dir}\", \"/proc\", \"/etc\"]\nwrite = [\"{dir}/{name}\", \"/tmp\"]\n\n"
    )
}

fn copy_program(rig: &Box, name: &str) {
    std::fs::copy(EXE, rig.at(&format!("{name}-plumber/gluepot/tapioca"))).unwrap();
}

/// A box with two machines and two people: alice, whom the box knows, and carol, whom her machine knows, which can
/// be asked. Who backs up on `web` is carol, where there is PAM.
fn morning() -> Box {
    let mut rig = Box::in_a_network();
    rig.library("--drives 2 --slots 12 --media 10 --capacity 24MiB");
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.enrol("db");
    rig.user("alice", &["look", "back-up", "restore"]);
    for (nth, name) in ["web", "db"].into_iter().enumerate() {
        plant(&rig.at(&format!("{name}-tree")), 1000 * nth as u64);
        rig.login_ok(name, "alice");
    }
    let folder = rig.at("web-plumber/gluepot");
    std::fs::create_dir_all(&folder).unwrap();
    let checks = pam::check_login(EXE, rig.dir.path(), &folder);
    let pot = gluepot(&rig, "web") + checks.as_deref().unwrap_or_default();
    rig.netplumber("web", &pot);
    copy_program(&rig, "web");
    if checks.is_some() {
        rig.ok("user put carol --by-machine --may look --may back-up --may restore");
        let wrong = rig.login_with("web", pam::USER, "wrong horse");
        assert_eq!(wrong.status.code(), Some(100), "{wrong:?}");
        let elsewhere = rig.login_with("db", pam::USER, pam::PASSWORD);
        assert!(!elsewhere.status.success(), "{elsewhere:?}");
        // Who was wrong waits a second.
        let mut right = rig.login_with("web", pam::USER, pam::PASSWORD);
        while String::from_utf8_lossy(&right.stderr).contains("try again in 1 s") {
            std::thread::sleep(std::time::Duration::from_millis(300));
            right = rig.login_with("web", pam::USER, pam::PASSWORD);
        }
        assert!(right.status.success(), "{right:?}\n{}", rig.log());
    }
    rig
}

/// The catalogue is lost; of the last copy of its records people and retention come back, of the media the rest.
fn lose_the_catalogue(rig: &mut Box) {
    // A cartridge in another drive than the one that is asked would be named, and missed.
    for drive in 1..=2 {
        rig.unload(drive);
    }
    rig.stop();
    let run = |words: &str| {
        let done = Command::new(EXE).args(words.split(' ')).current_dir(&rig.dir).output().unwrap();
        assert!(done.status.success(), "{words}: {done:?}");
    };
    run("catalogue export --records-only --to records state/catalogue.redb");
    for name in ["catalogue.redb", "catalogue.redb.last"] {
        std::fs::remove_file(rig.at(&format!("state/{name}"))).unwrap();
    }
    run(
        "catalogue rebuild --drive virtual:state/library#drive0 --changer virtual:state/library#changer --to state/catalogue.redb --records records",
    );
    run("catalogue check state/catalogue.redb");
    rig.start();
}

#[test]
fn a_day() {
    let mut rig = morning();
    // One pushes, the other is asked, at once.
    rig.ok("schedule put nightly --when @yearly --machine web --backup all .");
    let push = rig.begin_on("db", "backup --name all -C db-tree .");
    rig.ok("schedule run nightly");
    let push = push.wait_with_output().unwrap();
    assert!(push.status.success(), "{push:?}\n{}", rig.log());
    let asked = rig.jobs().iter().find(|job| job["machine"] == "web").unwrap()["id"].clone();
    let state = rig.wait_over(asked.as_u64().unwrap());
    assert_eq!(state, "Done", "{}\n{:?}", rig.log(), std::fs::read_to_string(rig.at("web-log")));
    let days: Vec<_> = ["web", "db"].map(|name| snapshot(&rig.at(&format!("{name}-tree")))).into();

    // The next day.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    for (nth, name) in ["web", "db"].into_iter().enumerate() {
        change(&rig.at(&format!("{name}-tree")), 77 + nth as u64);
    }
    rig.on_ok("web", "backup --name all -C web-tree .");
    rig.on_ok("db", "backup --name all -C db-tree .");
    let level = rig.jobs().iter().find(|job| job["machine"] == "db").unwrap()["work"].clone();
    assert!(level["Backup"]["level"]["Since"].is_u64(), "{level}");
    let next: Vec<_> = ["web", "db"].map(|name| snapshot(&rig.at(&format!("{name}-tree")))).into();

    // Alice may not see what is web's from db; the administrator may, and gives it to db.
    let refused = rig.on("db", "restore --of web --name all --to stolen");
    assert_eq!(refused.status.code(), Some(100), "{refused:?}");
    rig.login_ok("db", "admin");
    let restores = |rig: &Box, round: &str| {
        rig.on_ok("db", &format!("restore --of web --name all --to {round}-web"));
        assert_same(&next[0], &snapshot(&rig.at(&format!("{round}-web"))));
        rig.on_ok("db", &format!("restore --name all --to {round}-db"));
        assert_same(&next[1], &snapshot(&rig.at(&format!("{round}-db"))));
        let first = rig
            .jobs()
            .iter()
            .rev()
            .find(|job| job["machine"] == "web" && job["work"]["Backup"]["level"] == "Full")
            .unwrap()["id"]
            .clone();
        rig.on_ok("db", &format!("restore --of web --job {first} --to {round}-first"));
        assert_same(&days[0], &snapshot(&rig.at(&format!("{round}-first"))));
        rig.on_ok("db", &format!("restore --of web --name all --to {round}-one srv/large"));
        let one = std::fs::read(rig.at(&format!("{round}-one/srv/large"))).unwrap();
        assert!(one == std::fs::read(rig.at("web-tree/srv/large")).unwrap());
        let gone =
            rig.on("db", &format!("restore --of web --name all --to {round}-gone etc/empty"));
        assert!(!gone.status.success(), "{gone:?}");
        let found = rig.on_ok("db", "find --of web renamed");
        assert!(found.contains("srv/renamed"), "{found}");
    };
    restores(&rig, "before");

    lose_the_catalogue(&mut rig);
    restores(&rig, "after");
    let status = rig.ok("status");
    assert!(!status.contains("ALARM"), "{status}\n{}", rig.log());
}
