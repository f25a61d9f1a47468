//! The image boots: firmware, loader, kernel and first process, from the disk image, in QEMU.
//!
//! Under emulation, one machine at a time. Without QEMU or OVMF nothing is tested, and that is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod client;
mod cuts;
mod day;
mod rig;
mod scan;
mod transcript;
#[path = "../common/tree.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tree;
#[path = "../common/typist.rs"]
#[allow(dead_code, reason = "shared with the tests of the console")]
mod typist;
mod update;
mod writes;

use std::path::Path;
use std::time::{Duration, Instant};

use board::Board;
use image::demo::Demo;
use image::disk::{self, Content};
use image::verify;

use rig::{Extra, Machine, image, is_possible, keys, small_init, static_exe};

/// Loaders' and firmware's words for a signature that is none.
const REFUSALS: &[&str] = &["Access Denied", "Security Violation"];
const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
const HELLO: &str = "init: hello from process 1";

/// Flips one bit of the bootable file on the disk, in the middle of the kernel.
fn flip_a_bit(board: &Board, dir: &Path) {
    let path = dir.join("disk.img");
    let mut content = disk::read(&path).unwrap();
    let mut files = disk::esp_files(&mut content.esp).unwrap();
    let uki = files.get_mut("EFI/Linux/tapioca_0.1.0.efi").unwrap();
    let middle = uki.len() / 2;
    uki[middle] ^= 1;
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let layout = &board.machine.as_ref().unwrap().disk;
    let esp = disk::esp(layout.esp_mib, &files).unwrap();
    disk::write(&path, layout, &Content { esp, ..content }).unwrap();
}

#[test]
fn with_secure_boot_our_signature_boots_and_one_flipped_bit_does_not() {
    if !is_possible() {
        return;
    }
    let board = Board::load("standalone").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let built = image(&board, &small_init(dir.path()), &keys, dir.path());
    verify::verify(&board, dir.path(), Some(&keys)).unwrap();

    let signed = || Extra { keys: Some(&keys), ..Extra::default() };
    let mut machine = Machine::start(&board, dir.path(), &signed());
    let (found, after) = machine.wait_for(&[HELLO, REFUSALS[0], REFUSALS[1]]);
    assert_eq!(found, 0, "{}", machine.said());
    machine.wait_for(&[" modules"]);
    let all = format!("init: {0} of {0} modules", built.modules);
    assert!(machine.said().contains(&all), "{}", machine.said());
    eprintln!("first process after {} ms, {} bytes bootable", after.as_millis(), built.uki_bytes);
    drop(machine);

    flip_a_bit(&board, dir.path());
    let mut machine = Machine::start(&board, dir.path(), &signed());
    let (found, _) = machine.wait_for(&[REFUSALS[0], REFUSALS[1], HELLO]);
    assert_ne!(found, 2, "a changed file was started");
}

/// What init says of its steps, in their order.
const STEPS: &[&str] =
    &["mounts", "early", "storage", "disk", "console", "data", "devices", "children"];

#[test]
fn the_appliance_boots_from_its_disk_to_the_consoles_prompt_within_its_limits() {
    if !is_possible() {
        return;
    }
    let Some(exe) = static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let board = rig::unoptimised("standalone", dir.path());
    let limits = board.machine.as_ref().unwrap().limits;
    let whole_mib = board.machine.as_ref().unwrap().qemu.as_ref().unwrap().memory_mib;
    let keys = keys(dir.path());
    let built = image(&board, &exe, &keys, dir.path());
    verify::verify(&board, dir.path(), Some(&keys)).unwrap();

    let mut machine = Machine::start(&board, dir.path(), &Extra::default());
    for step in STEPS {
        let (ok, failed) = (format!("init: {step} ok"), format!("init: {step} FAILED"));
        let (found, after) = machine.wait_for(&[&ok, &failed, "Kernel panic"]);
        assert_eq!(found, 0, "{}", machine.said());
        eprintln!("{step:<10} {:>6} ms after power-on", after.as_millis());
    }
    // The line is silent until somebody presses Enter.
    let prompt = machine.insist("\r", "Name of the box");
    eprintln!("prompt     {:>6} ms of {} ms", prompt.as_millis(), limits.boot_ms_max);
    eprintln!("bootable   {:>6} KiB of {} MiB", built.uki_bytes >> 10, limits.uki_mib_max);
    machine.line.send(b"\r");
    for question in ["New password:", "Once more:"] {
        machine.wait_for(&[question]);
        machine.line.send(b"a long enough one\r");
    }
    machine.wait_for(&["The box is yours."]);
    let line = machine.line.clone();
    let until = |words: &str, what| until(&mut || line.say(words, "tapioca> "), what);
    until("show network", "10.0.2.15/24");
    until("show drives", "idle");
    eprintln!("service    {:>6} ms", machine.age().as_millis());
    let said = machine.said();
    let ended = said.lines().find(|line| line.contains("degraded") || line.contains("ended ("));
    assert_eq!(ended, None, "{said}");
    let memory = machine.memory_mib(whole_mib);
    eprintln!("memory     {memory:>6} MiB of {} MiB", limits.ram_mib_max);
    assert!(memory <= limits.ram_mib_max, "{memory} MiB in use");
    // Of a loaded machine the clock says little: the limit is demanded where it was set.
    if std::env::var_os("TAPIOCA_QUIET_MACHINE").is_some() {
        assert!(prompt.as_millis() <= u128::from(limits.boot_ms_max), "{prompt:?}");
    }
}

#[test]
fn the_first_hour_of_a_box_plays_itself() {
    if !rig::is_possible() {
        return;
    }
    let Some(exe) = rig::static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let board = rig::unoptimised("standalone", dir.path());
    rig::image(&board, &exe, &rig::keys(dir.path()), dir.path());
    let tree = rig::root().join("docs");
    let demo = Demo { board: &board, dir: dir.path(), exe: &exe, tree: &tree };
    demo.play(std::io::stderr()).unwrap();
}

/// Says a command again and again until its answer is as wanted.
fn until(say: &mut dyn FnMut() -> String, what: &str) -> String {
    let deadline = Instant::now() + rig::PATIENCE;
    loop {
        let answer = say();
        if answer.contains(what) {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what:?}:\n{answer}");
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// The code in what the console says of an enrolment.
fn code(said: &str) -> &str {
    let is_code = |word: &&str| word.len() == 24 && word.matches('-').count() == 4;
    said.split_whitespace().find(is_code).unwrap_or_else(|| panic!("no code: {said}"))
}
