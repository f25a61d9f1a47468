//! A box on a library that somebody else wrote: from the first power-on to a restore after the catalogue was lost, by
//! what a person types on its serial line, and what a client on the host does over the network.

use std::path::PathBuf;
use std::process::Command;

use super::client::{Client, plant};
use super::rig::{self, Extra, Machine, keys};
use super::transcript::Transcript;
use super::tree::{assert_same, snapshot};
use super::typist::{PASSWORD, Typist};
use super::{code, until};

/// What a cartridge holds: less than what is backed up.
const CARTRIDGE_MB: &str = "5";

/// Debian's tgt as a library of two drives, seven cartridges and a robot.
struct Library {
    dir: PathBuf,
    url: String,
}

fn tool() -> PathBuf {
    rig::root().join("tests/kernel/tgt-library")
}

impl Library {
    fn start(dir: PathBuf) -> Library {
        let port = rig::free_port().to_string();
        let mut start = Command::new(tool());
        let done = start.arg("start").arg(&dir).arg(port).env("TAPE_MB", CARTRIDGE_MB).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
        let url = String::from_utf8(done.stdout).unwrap().trim().to_owned();
        Library { dir, url }
    }

    /// How QEMU gives it to its guest, as hardware.
    fn attached(&self) -> Vec<String> {
        rig::scsi_devices(&self.url, &[1, 2, 3])
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _ = Command::new(tool()).arg("stop").arg(&self.dir).status();
    }
}

#[test]
fn a_day_on_a_serial_line_with_a_library_of_somebody_elses() {
    if !rig::is_possible() || !rig::has_tgt() {
        return;
    }
    let Some(exe) = rig::static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let library = Library::start(dir.path().join("library"));
    let board = rig::unoptimised("qemu-q35", dir.path());
    rig::image(&board, &exe, &keys(dir.path()), dir.path());
    let port = rig::free_port();
    let extra = Extra { forward: Some(port), more: library.attached(), ..Extra::default() };
    let mut machine = Machine::start(&board, dir.path(), &extra);
    machine.insist("\r", "Name of the box");
    let line = &*machine.line.clone();
    let mut seen = Transcript::new(line);
    claim(&mut seen);
    give_an_address(&mut seen);

    // The library, and whom it is for.
    let plain = "cellar> ";
    let all_are_known = &mut || {
        let media = line.say("show media", plain);
        format!("{} of 7\n{media}", media.matches(" blank ").count())
    };
    until(all_are_known, "7 of 7");
    put_away(line);
    seen.say("show library", plain);
    seen.say("show drives", plain);
    seen.say("medium TAP001L8 label default", plain);
    seen.say("show medium TAP001L8", plain);
    seen.say("user ada may look back-up restore", plain);
    seen.say("user ada password", "New password: ");
    seen.say(PASSWORD, "Once more: ");
    seen.say(PASSWORD, plain);
    let enrolment = seen.say("machine web enrol", plain);

    let client = Client::new(dir.path(), format!("127.0.0.1:{port}"));
    client.enrol(code(&enrolment));
    client.ok("login ada", Some(PASSWORD), line);
    plant(&dir.path().join("tree"), 0);
    client.ok("backup --name all -C tree .", None, line);
    client.ok("restore --name all --to back", None, line);
    let read = |name: &str| snapshot(&dir.path().join(name));
    assert_same(&read("tree"), &read("back"));

    seen.say("show jobs", plain);
    let media = line.say("show media", plain);
    assert!(media.matches(" default ").count() >= 2, "it goes on one cartridge:\n{media}");
    seen.say("rebuild", "rebuild: type yes: ");
    seen.say("yes", plain);
    until(&mut || line.say("show status", plain), "the catalogue was made anew");
    until(&mut || line.say("show jobs", plain), "web");
    seen.say("show jobs", plain);
    // The service serves its console first, and the network soon after.
    let jobs = &mut || String::from_utf8_lossy(&client.tapicli("jobs", None).stdout).into_owned();
    until(jobs, "web");
    client.ok("restore --name all --to again", None, line);
    assert_same(&read("tree"), &read("again"));

    seen.say("power off", "power off: type yes: ");
    seen.end("yes", "it is done now");
    machine.ends();
    seen.is_golden("day.txt");
}

/// Brings all cartridges to their slots.
fn put_away(line: &Typist) {
    let plain = "cellar> ";
    let unload = &mut || {
        for words in ["drive 1 unload", "drive 2 unload"] {
            line.say(words, plain);
        }
        let drives = line.say("show drives", plain);
        format!("{} of 2 are empty\n{drives}", drives.matches("idle  -").count())
    };
    until(unload, "2 of 2 are empty");
}

fn claim(seen: &mut Transcript<'_>) {
    seen.begin("Name of the box [tapioca]: ");
    seen.say("cellar", "New password: ");
    seen.say(PASSWORD, "Once more: ");
    seen.say(PASSWORD, "cellar> ");
}

/// A fixed address; the first try is not confirmed, and goes back.
fn give_an_address(seen: &mut Transcript<'_>) {
    let configure = "cellar (configure)# ";
    seen.say("configure", configure);
    seen.say("set network any address 10.0.2.15/24", configure);
    seen.say("set network any gateway 10.0.2.2", configure);
    seen.say("diff", configure);
    seen.say("commit confirm seconds 3", configure);
    seen.line.expect("nobody confirmed: settings are as before");
    seen.say("show", configure);
    seen.say("set network any address 10.0.2.15/24", configure);
    seen.say("set network any gateway 10.0.2.2", configure);
    seen.say("commit confirm 5", configure);
    seen.say("confirm", configure);
    seen.say("exit", "cellar> ");
    until(&mut || seen.line.say("show network", "cellar> "), "  static");
    seen.say("show network", "cellar> ");
}
