//! The image boots: firmware, loader, kernel and first process, from the disk image, in QEMU.
//!
//! Under emulation, one machine at a time. Without QEMU or OVMF nothing is tested, and that is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod rig;
mod update;

use std::path::Path;

use board::Board;
use image::disk::{self, Content};
use image::verify;

use rig::{Machine, image, is_possible, keys, small_init, static_exe};

/// Loaders' and firmware's words for a signature that is none.
const REFUSALS: &[&str] = &["Access Denied", "Security Violation"];
/// Longer than anything takes on a machine that does much else.
const SECONDS_MAX: u64 = 240;
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

    let mut machine = Machine::start(&board, dir.path(), Some(&keys));
    let (found, after) = machine.wait_for(&[HELLO, REFUSALS[0], REFUSALS[1]], SECONDS_MAX);
    assert_eq!(found, 0, "{}", machine.said());
    machine.wait_for(&[" modules"], SECONDS_MAX);
    let all = format!("init: {0} of {0} modules", built.modules);
    assert!(machine.said().contains(&all), "{}", machine.said());
    eprintln!("first process after {} ms, {} bytes bootable", after.as_millis(), built.uki_bytes);
    drop(machine);

    flip_a_bit(&board, dir.path());
    let mut machine = Machine::start(&board, dir.path(), Some(&keys));
    let (found, _) = machine.wait_for(&[REFUSALS[0], REFUSALS[1], HELLO], SECONDS_MAX);
    assert_ne!(found, 2, "a changed file was started");
}

/// What init says of its steps, in their order.
const STEPS: &[&str] =
    &["mounts", "early", "storage", "disk", "console", "data", "devices", "children"];

/// The board; what a build for tests is larger by, its file may be, too.
fn standalone(dir: &Path) -> Board {
    if !cfg!(debug_assertions) {
        return Board::load("standalone").unwrap();
    }
    let path = dir.join("unoptimised.toml");
    std::fs::write(&path, "inherits = \"standalone\"\n[limits]\nuki_mib_max = 32\n").unwrap();
    Board::load(path.to_str().unwrap()).unwrap()
}

#[test]
fn the_appliance_boots_from_its_disk_to_the_consoles_prompt_within_its_limits() {
    if !is_possible() {
        return;
    }
    let Some(exe) = static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let board = standalone(dir.path());
    let limits = board.machine.as_ref().unwrap().limits;
    let whole_mib = board.machine.as_ref().unwrap().qemu.as_ref().unwrap().memory_mib;
    let keys = keys(dir.path());
    let built = image(&board, &exe, &keys, dir.path());
    verify::verify(&board, dir.path(), Some(&keys)).unwrap();

    let mut machine = Machine::start(&board, dir.path(), None);
    for step in STEPS {
        let (ok, failed) = (format!("init: {step} ok"), format!("init: {step} FAILED"));
        let (found, after) = machine.wait_for(&[&ok, &failed, "Kernel panic"], SECONDS_MAX);
        assert_eq!(found, 0, "{}", machine.said());
        eprintln!("{step:<10} {:>6} ms after power-on", after.as_millis());
    }
    // The line is silent until somebody presses Enter.
    let prompt = machine.insist("\r", "Name of the box", SECONDS_MAX);
    eprintln!("prompt     {:>6} ms of {} ms", prompt.as_millis(), limits.boot_ms_max);
    eprintln!("bootable   {:>6} KiB of {} MiB", built.uki_bytes >> 10, limits.uki_mib_max);
    machine.types("\r");
    for question in ["New password:", "Once more:"] {
        machine.wait_for(&[question], SECONDS_MAX);
        machine.types("a long enough one\r");
    }
    machine.wait_for(&["The box is yours."], SECONDS_MAX);
    let memory = machine.memory_mib(whole_mib);
    eprintln!("memory     {memory:>6} MiB of {} MiB", limits.ram_mib_max);
    assert!(memory <= limits.ram_mib_max, "{memory} MiB in use");
    // Of a loaded machine the clock says little: the limit is demanded where it was set.
    if std::env::var_os("TAPIOCA_QUIET_MACHINE").is_some() {
        assert!(prompt.as_millis() <= u128::from(limits.boot_ms_max), "{prompt:?}");
    }
}
