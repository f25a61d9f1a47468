//! Updates in a machine: a good one from a client, and three from a USB stick that have to be left again. Then a boot
//! partition that was damaged.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use board::Board;
use image::build::BUNDLE;
use image::disk;
use image::keys::Keys;
use image::run::stick;

use super::client::Client;
use super::rig::{self, Extra, Machine, broken_init, image_as, keys};
use super::typist::PASSWORD;
use super::{code, until};

/// Megabytes of a stick, as small as FAT32 can be.
const STICK_MIB: u64 = 64;
/// What the box's disk is larger by than its image, bytes.
const LARGER: u64 = 512 << 20;
const PLAIN: &str = "cellar> ";

/// Where the boot partition begins on the disk, bytes.
const ESP_AT: u64 = 1 << 20;

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
    fn bundle(&self, version: &str, board: &Board, exe: &Path) -> PathBuf {
        let out = self.dir.join(version);
        image_as(version, board, exe, &self.keys, &out);
        std::fs::remove_file(out.join("disk.img")).unwrap();
        out.join(BUNDLE)
    }

    /// The same on a stick; QEMU's words for it.
    fn stick(&self, version: &str, board: &Board, exe: &Path) -> Vec<String> {
        let bundle = std::fs::read(self.bundle(version, board, exe)).unwrap();
        let path = self.dir.join(format!("{version}.stick"));
        let content = disk::esp(STICK_MIB, &[("update.tapioca", &bundle)]).unwrap();
        std::fs::write(&path, content).unwrap();
        stick(&path)
    }

    fn start(&self, more: &[String], forward: Option<u16>) -> Machine {
        let extra = Extra { more: more.to_vec(), forward, ..Extra::default() };
        Machine::start(&self.board, &self.dir.join("box"), &extra)
    }

    /// Starts the box, logs in, and waits until it says this of a version, which is its first word.
    fn comes_back(&self, more: &[String], words: &str) -> Machine {
        let mut machine = self.start(more, None);
        machine.insist("\r", "Password:");
        let line = machine.line.clone();
        line.say(PASSWORD, PLAIN);
        let version = words.split(' ').next().unwrap();
        let ask = format!("show update | include {version}");
        let said = until(&mut || line.say(&ask, PLAIN), words);
        eprintln!("{said}");
        machine
    }
}

/// Has the box take what is on its stick, and starts it anew.
fn update(mut machine: Machine, version: &str) {
    let line = machine.line.clone();
    line.say("update from usb", PLAIN);
    let wanted = format!("{version} is in its place");
    let ask = &mut || {
        let said = line.say("show update", PLAIN);
        let newest = said.lines().find(|line| line.starts_with("told")).unwrap_or_default();
        assert!(!newest.contains("no update: "), "{said}");
        said
    };
    until(ask, &wanted);
    line.say("reboot", "type yes: ");
    line.send(b"yes\r");
    machine.ends();
}

/// The loader starts what fails so often, and no more.
fn fails_three_times(rig: &Rig, words: &str) {
    for start in 1..=3 {
        let mut machine = rig.start(&[], None);
        machine.wait_for(&[words]);
        machine.ends();
        eprintln!("start {start}: {words}, and then the machine started anew");
    }
}

/// The boot partition as a failing disk may leave it: it starts what runs, and lacks what one would go back to.
fn damage_boot_partition(box_disk: &Path) {
    let mut bytes = disk::read(box_disk).unwrap().esp;
    let mut esp = esp::Esp::open(&mut bytes[..]).unwrap();
    let files: Vec<String> = esp.files().iter().map(|file| file.path.clone()).collect();
    let older = files.iter().find(|path| path.contains("0.1.0")).unwrap();
    for path in [older, "loader/loader.conf"] {
        let mut content = Vec::new();
        esp.copy_to(path, &mut content).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        esp.replace(path, content.len() as u64, &mut &content[..]).unwrap();
    }
    File::options().write(true).open(box_disk).unwrap().write_all_at(&bytes, ESP_AT).unwrap();
}

/// Claims the box, has it updated by a client, and leaves it before its next start.
fn update_from_a_client(rig: &Rig, bundle: &Path) {
    let port = rig::free_port();
    let mut machine = rig.start(&[], Some(port));
    machine.insist("\r", "Name of the box");
    let line = machine.line.clone();
    for (typed, prompt) in
        [("cellar", "New password: "), (PASSWORD, "Once more: "), (PASSWORD, PLAIN)]
    {
        line.say(typed, prompt);
    }
    until(&mut || line.say("show drives", PLAIN), "idle");
    for (typed, prompt) in [
        ("user ada may administer", PLAIN),
        ("user ada password", "New password: "),
        (PASSWORD, "Once more: "),
        (PASSWORD, PLAIN),
    ] {
        line.say(typed, prompt);
    }
    let enrolment = line.say("machine web enrol", PLAIN);
    let client = Client::new(&rig.dir, format!("127.0.0.1:{port}"));
    client.enrol(code(&enrolment));
    client.ok("login ada", Some(PASSWORD), &line);
    let bytes = std::fs::read(bundle).unwrap();
    let cut = rig.dir.join("cut");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let refused = client.tapicli(&format!("update apply {}", cut.display()), None);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    let log = &|| line.say("show log | include tapioca", PLAIN);
    assert!(!refused.status.success() && words.contains("cut off"), "{words}\n{}", log());
    client.ok(&format!("update apply --reboot {}", bundle.display()), None, &line);
    machine.ends();
}

#[test]
fn a_good_update_is_accepted_and_one_that_crashes_hangs_or_sees_no_library_is_left() {
    if !rig::is_long("updates in a machine") || !rig::is_possible() {
        return;
    }
    let Some(exe) = rig::static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig {
        dir: dir.path().to_owned(),
        board: board(&dir.path().join("with"), "standalone", 600),
        keys: keys(dir.path()),
    };
    let blind = board(&dir.path().join("without"), "qemu-q35", 120);
    image_as("0.1.0", &rig.board, &exe, &rig.keys, &dir.path().join("box"));
    // Room for copies of three versions, and one that is received.
    let disk = File::options().write(true).open(dir.path().join("box/disk.img")).unwrap();
    disk.set_len(disk.metadata().unwrap().len() + LARGER).unwrap();
    let good = rig.bundle("0.2.0", &rig.board, &exe);
    let crashes = rig.stick("0.3.0", &rig.board, &broken_init(dir.path(), Some("crashes")));
    let hangs = rig.stick("0.4.0", &rig.board, &broken_init(dir.path(), Some("hangs")));
    let blind = rig.stick("0.5.0", &blind, &exe);

    update_from_a_client(&rig, &good);
    update(rig.comes_back(&crashes, "0.2.0 is accepted"), "0.3.0");
    fails_three_times(&rig, "init: crashes");

    let left = "was left, and 0.2.0 runs: it was started 3 times";
    update(rig.comes_back(&hangs, &format!("0.3.0 {left}")), "0.4.0");
    fails_three_times(&rig, "init: waits");
    update(rig.comes_back(&blind, &format!("0.4.0 {left}")), "0.5.0");

    // It comes up, sees no library, and starts the box anew by itself.
    let mut machine = rig.start(&[], None);
    machine.ends();
    assert!(machine.said().contains("0.5.0 is left: it does not see"), "{}", machine.said());
    rig.comes_back(&[], "0.5.0 was left, and 0.2.0 runs: it does not see");

    damage_boot_partition(&dir.path().join("box/disk.img"));
    let machine = rig.comes_back(&[], "0.1.0 on the boot partition was damaged");
    let said = machine.line.say("show update | include loader", PLAIN);
    assert!(said.contains("loader.conf on the boot partition was damaged"), "{said}");
    drop(machine);
    let mut whole = disk::read(&dir.path().join("box/disk.img")).unwrap().esp;
    let files = disk::esp_files(&mut whole).unwrap();
    let older = files.iter().find(|(path, _)| path.contains("0.1.0")).unwrap().1;
    let built = std::fs::read(dir.path().join("box").join(image::build::UKI)).unwrap();
    assert!(*older == built, "what one would go back to is there again, byte for byte");
}
