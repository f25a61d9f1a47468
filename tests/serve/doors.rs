//! Drives and a robot that others hold come and go while the service runs.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::rig::{Box, EXE, PATIENCE, noise};

/// Processes that hold the devices of a virtual library.
struct Doors {
    library: PathBuf,
    folder: PathBuf,
    open: Vec<(String, Child)>,
}

impl Doors {
    fn new(rig: &Box) -> Doors {
        let (library, folder) = (rig.at("lib"), rig.at("doors"));
        let shape = "--drives 2 --slots 6 --media 4 --capacity 64MiB";
        let mut command = Command::new(EXE);
        command.args(["library", "create"]).arg(&library).args(shape.split(' '));
        assert!(command.output().unwrap().status.success());
        std::fs::create_dir(&folder).unwrap();
        Doors { library, folder, open: Vec::new() }
    }

    /// The key of a device, of its serial number.
    fn key(&self, device: &str) -> String {
        let mut list = Command::new(EXE);
        list.args(["drive", "list", "--json", "--virtual"]).arg(&self.library);
        let list: serde_json::Value =
            serde_json::from_slice(&list.output().unwrap().stdout).unwrap();
        let is_it = |row: &&serde_json::Value| {
            row["device"].as_str().unwrap().ends_with(&format!("#{device}"))
        };
        let serial =
            list.as_array().unwrap().iter().find(is_it).unwrap()["serial"].as_str().unwrap();
        format!("{}-{serial}", if device == "changer" { "changer" } else { "drive" })
    }

    fn open(&mut self, device: &str) {
        let socket = self.folder.join(self.key(device));
        let name = format!("virtual:{}#{device}", self.library.display());
        let mut command = Command::new(EXE);
        command.args(["door", "--device", &name, "--socket"]).arg(socket);
        self.open.push((device.to_owned(), command.spawn().unwrap()));
    }

    /// As when init finds that its device is gone.
    fn shut(&mut self, device: &str) {
        let at = self.open.iter().position(|(open, _)| open == device).unwrap();
        let (_, mut door) = self.open.remove(at);
        door.kill().unwrap();
        door.wait().unwrap();
        std::fs::remove_file(self.folder.join(self.key(device))).unwrap();
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        for (_, door) in &mut self.open {
            let _ = door.kill();
            let _ = door.wait();
        }
    }
}

/// Waits until a drive does this.
fn until(rig: &Box, number: u64, wanted: impl Fn(&str) -> bool) -> serde_json::Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let drives: serde_json::Value = serde_json::from_str(&rig.ok("drive list --json")).unwrap();
        let found =
            drives["Drives"].as_array().unwrap().iter().find(|drive| drive["number"] == number);
        let does = found.and_then(|drive| drive["does"].as_str());
        if does.is_some_and(&wanted) {
            return found.unwrap().clone();
        }
        assert!(Instant::now() < deadline, "drive {number}: {drives}\n{}", rig.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn backup(rig: &Box, name: &str) {
    std::fs::create_dir_all(rig.at(name)).unwrap();
    std::fs::write(rig.at(name).join("file"), noise(7, 3_000_000)).unwrap();
    rig.on_ok("web", &format!("backup --name {name} -C {name} ."));
    rig.on_ok("web", &format!("restore --name {name} --to back-{name}"));
    let read = |at: PathBuf| std::fs::read(at.join("file")).unwrap();
    assert!(read(rig.at(name)) == read(rig.at(&format!("back-{name}"))));
}

#[test]
fn drives_come_and_go_and_work_goes_on_with_those_that_are_there() {
    let mut rig = Box::new();
    let mut doors = Doors::new(&rig);
    let config = format!("doors = {:?}\n", doors.folder.display().to_string());
    std::fs::write(rig.at("serve.toml"), config).unwrap();
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    assert!(rig.ok("drive list --json").contains("[]"));
    // A library is plugged in, one of its drives later.
    for device in ["changer", "drive1"] {
        doors.open(device);
    }
    assert_eq!(until(&rig, 1, |does| does == "idle")["what"], doors.key("drive1"));
    backup(&rig, "one");
    doors.open("drive0");
    assert_eq!(until(&rig, 2, |does| does == "idle")["what"], doors.key("drive0"));
    // One is pulled out: the other goes on. The robot is plugged in anew.
    rig.unload(1);
    doors.shut("drive1");
    until(&rig, 1, |does| does.contains("is not attached"));
    doors.shut("changer");
    doors.open("changer");
    backup(&rig, "two");
    rig.unload(2);
    // It is back under its number, and works.
    doors.shut("drive0");
    doors.open("drive1");
    until(&rig, 1, |does| does == "idle");
    until(&rig, 2, |does| does.contains("is not attached"));
    backup(&rig, "three");
    // After a start, too.
    rig.stop();
    rig.start();
    assert_eq!(until(&rig, 1, |does| does == "idle")["what"], doors.key("drive1"));
    backup(&rig, "four");
    // And after one at which the catalogue is made anew: the service hears of those that came meanwhile.
    rig.stop();
    let config = std::fs::read_to_string(rig.at("serve.toml")).unwrap();
    std::fs::write(rig.at("serve.toml"), format!("{config}rebuild = 'now'\n")).unwrap();
    rig.start();
    assert_eq!(until(&rig, 1, |does| does == "idle")["what"], doors.key("drive1"));
    assert!(rig.whole_log().contains("the catalogue was made anew"), "{}", rig.log());
    rig.on_ok("web", "restore --name four --to four-again");
    backup(&rig, "five");
}
