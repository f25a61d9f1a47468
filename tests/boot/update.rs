//! Updates in a machine: a good one, and three that have to be left again.

use std::path::{Path, PathBuf};

use board::Board;
use image::build::BUNDLE;
use image::disk;
use image::keys::Keys;

use crate::rig::{Machine, broken_init, image_as, is_possible, keys, static_exe};

/// Longer than anything takes on a machine that does much else.
const SECONDS_MAX: u64 = 300;
const PASSWORD: &str = "a long enough one\r";
/// Megabytes of a stick, as small as FAT32 can be.
const STICK_MIB: u64 = 64;

/// What every version of this box has, in a file of always the same name: that is the board's.
fn board(dir: &Path, inherits: &str, deadline_s: u32) -> Board {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join("box-under-test.toml");
    let text = format!(
        "inherits = \"{inherits}\"\n\
         [modules]\nearly = [\"...\", \"xhci_pci\"]\nstorage = [\"...\", \"usb_storage\"]\n\
         [update]\nsettle_s = 10\ndeadline_s = {deadline_s}\n\
         [limits]\nuki_mib_max = 64\n"
    );
    std::fs::write(&path, text).unwrap();
    Board::load(path.to_str().unwrap()).unwrap()
}

/// A box, and the updates there are for it.
struct Rig {
    dir: PathBuf,
    board: Board,
    keys: Keys,
}

impl Rig {
    /// A stick with the bundle of a version.
    fn stick(&self, version: &str, board: &Board, exe: &Path) -> PathBuf {
        let out = self.dir.join(version);
        image_as(version, board, exe, &self.keys, &out);
        let bundle = std::fs::read(out.join(BUNDLE)).unwrap();
        let stick = self.dir.join(format!("{version}.stick"));
        let content = disk::esp(STICK_MIB, &[("update.tapioca", &bundle)]).unwrap();
        std::fs::write(&stick, content).unwrap();
        std::fs::remove_dir_all(out).unwrap();
        stick
    }

    fn start(&self, stick: Option<&Path>) -> Machine {
        Machine::start_with(&self.board, &self.dir.join("box"), None, stick)
    }

    /// Starts the box and logs in.
    fn log_in(&self, stick: Option<&Path>) -> Machine {
        let mut machine = self.start(stick);
        machine.insist("\r", "Password:", SECONDS_MAX);
        machine.types(PASSWORD);
        machine.wait_for(&["> "], SECONDS_MAX);
        machine
    }
}

/// Asks again and again until the answer has these words.
fn until(machine: &mut Machine, words: &str) {
    for _ in 0..SECONDS_MAX / 5 {
        machine.forget();
        machine.types("show update\r");
        std::thread::sleep(std::time::Duration::from_secs(5));
        machine.hear();
        if machine.said().contains("no update: ") {
            break;
        }
        if machine.said().contains(words) {
            return eprintln!("{}", machine.said());
        }
    }
    for look in ["show log\r", "show status\r"] {
        machine.types(look);
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
    machine.hear();
    panic!("never {words:?}; the line said:\n{}", machine.said());
}

/// Has the box take what is on its stick, and starts it anew.
fn update(machine: &mut Machine, version: &str) {
    machine.types("update from usb\r");
    until(machine, &format!("{version} is in its place"));
    machine.types("reboot\r");
    machine.wait_for(&["type yes"], SECONDS_MAX);
    machine.types("yes\r");
    machine.ends(SECONDS_MAX);
}

#[test]
fn a_good_update_is_accepted_and_one_that_crashes_hangs_or_sees_no_library_is_left() {
    if !is_possible() {
        return;
    }
    let Some(exe) = static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig {
        dir: dir.path().to_owned(),
        board: board(&dir.path().join("with"), "standalone", 600),
        keys: keys(dir.path()),
    };
    let blind = board(&dir.path().join("without"), "qemu-q35", 120);
    image_as("0.1.0", &rig.board, &exe, &rig.keys, &dir.path().join("box"));
    let good = rig.stick("0.2.0", &rig.board, &exe);
    let crashes = rig.stick("0.3.0", &rig.board, &broken_init(dir.path(), Some("crashes")));
    let hangs = rig.stick("0.4.0", &rig.board, &broken_init(dir.path(), Some("hangs")));
    let blind = rig.stick("0.5.0", &blind, &exe);

    let mut machine = rig.start(Some(&good));
    machine.insist("\r", "Name of the box", SECONDS_MAX);
    machine.types("\r");
    for question in ["New password:", "Once more:"] {
        machine.wait_for(&[question], SECONDS_MAX);
        machine.types(PASSWORD);
    }
    machine.wait_for(&["The box is yours."], SECONDS_MAX);
    // The service has to come up: its records are what the new version is tested on.
    until(&mut machine, "accepted");
    update(&mut machine, "0.2.0");

    let mut machine = rig.log_in(Some(&crashes));
    until(&mut machine, "0.2.0 is accepted");
    update(&mut machine, "0.3.0");
    for start in 1..=3 {
        let mut machine = rig.start(None);
        machine.wait_for(&["init: crashes"], SECONDS_MAX);
        let after = machine.ends(SECONDS_MAX);
        eprintln!("start {start} of 0.3.0 ended after {after:?}");
    }

    let mut machine = rig.log_in(Some(&hangs));
    until(&mut machine, "0.3.0 was left, and 0.2.0 runs: it was started 3 times");
    update(&mut machine, "0.4.0");
    for start in 1..=3 {
        let mut machine = rig.start(None);
        machine.wait_for(&["init: waits"], SECONDS_MAX);
        let after = machine.ends(SECONDS_MAX);
        eprintln!("start {start} of 0.4.0 ended after {after:?}");
    }

    let mut machine = rig.log_in(Some(&blind));
    until(&mut machine, "0.4.0 was left, and 0.2.0 runs: it was started 3 times");
    update(&mut machine, "0.5.0");
    // It comes up, sees no library, and starts the box anew by itself.
    let mut machine = rig.start(None);
    machine.ends(2 * SECONDS_MAX);
    assert!(machine.said().contains("0.5.0 is left: it does not see"), "{}", machine.said());

    let mut machine = rig.log_in(None);
    until(&mut machine, "0.5.0 was left, and 0.2.0 runs: it does not see");
}
