//! The image boots: firmware, loader, kernel and first process, from the disk image, in QEMU.
//!
//! Under emulation, one machine at a time. Without QEMU or OVMF nothing is tested, and that is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod rig;

use std::path::Path;

use board::Board;
use image::disk::{self, Content};
use image::verify;

use rig::{Machine, image, is_possible, keys, small_init};

/// Loaders' and firmware's words for a signature that is none.
const REFUSALS: &[&str] = &["Access Denied", "Security Violation"];
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
    let (found, after) = machine.wait_for(&[HELLO, REFUSALS[0], REFUSALS[1]], 120);
    assert_eq!(found, 0, "{}", machine.said());
    eprintln!("first process after {} ms, {} bytes bootable", after.as_millis(), built.uki_bytes);
    drop(machine);

    flip_a_bit(&board, dir.path());
    let mut machine = Machine::start(&board, dir.path(), Some(&keys));
    let (found, _) = machine.wait_for(&[REFUSALS[0], REFUSALS[1], HELLO], 120);
    assert_ne!(found, 2, "a changed file was started");
}
