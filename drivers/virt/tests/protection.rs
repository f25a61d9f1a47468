//! What may not be written, and how the end of a medium is told.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use rig::*;
use virt::{EarlyWarningStyle, Options};

#[test]
fn a_write_protected_medium_takes_nothing() {
    let rig = Rig::new();
    let mut drive = rig.loaded(4);
    assert_eq!(code(&drive.write(b"x")), (7, 0x27, 0));
    assert_eq!(code(&drive.marks(1, false)), (7, 0x27, 0));
    assert_eq!(code(&drive.none(&[0x19, 0, 0, 0, 0, 0])), (7, 0x27, 0));
    assert_eq!(drive.sync(), good(0), "a flush writes nothing");
    let mode = drive.reply(&[0x1a, 0, 0, 0, 255, 0], 255);
    assert_eq!(mode[2] & 0x80, 0x80);
}

#[test]
fn a_worm_medium_is_appended_to_and_never_overwritten() {
    let rig = Rig::new();
    let mut drive = rig.loaded(2);
    assert_eq!(drive.write(b"first"), good(0));
    assert_eq!(drive.write(b"second"), good(0));
    assert_eq!(drive.locate(1), good(0));
    assert_eq!(code(&drive.write(b"forged")), (7, 0x30, 0x0c));
    assert_eq!(code(&drive.marks(1, false)), (7, 0x30, 0x0c));
    assert_eq!(code(&drive.none(&[0x19, 0, 0, 0, 0, 0])), (7, 0x30, 0x0c));
    assert_eq!(drive.read(9, true).1, b"second");
    assert_eq!(drive.write(b"third"), good(0));
    let worm = drive.reply(&[0x1a, 8, 0x1d, 0, 255, 0], 255);
    assert_eq!((worm[4], worm[5], worm[6]), (0x1d, 0x1e, 1));
}

/// T00001L9 holds 64 KiB, the last 4 KiB after early warning. Outcomes of 1 KiB writes.
fn fill(style: EarlyWarningStyle) -> Vec<scsi::transport::Outcome> {
    let rig = Rig::with(quick(), style);
    let mut drive = rig.loaded(1);
    (0..66).map(|_| drive.write(&[1; 1024])).collect()
}

fn plain(outcomes: &[scsi::transport::Outcome]) -> bool {
    outcomes.iter().all(|outcome| *outcome == good(0))
}

#[test]
fn early_warning_comes_with_every_block_after_it_and_overflow_takes_nothing() {
    for (style, ascq) in [(EarlyWarningStyle::EomBit, 0), (EarlyWarningStyle::EndOfMedium, 2)] {
        let outcomes = fill(style);
        assert!(plain(&outcomes[..60]));
        for outcome in &outcomes[60..64] {
            assert_eq!(code(outcome), (0, 0, ascq));
            assert!(sense(outcome).eom);
            assert!(matches!(outcome, scsi::transport::Outcome::Check { residual: 0, .. }));
        }
        for outcome in &outcomes[64..] {
            assert_eq!(code(outcome), (0x0d, 0, 2));
            assert!(sense(outcome).eom);
            assert_eq!(sense(outcome).information, Some(1024));
            assert!(matches!(outcome, scsi::transport::Outcome::Check { residual: 1024, .. }));
        }
    }
}

#[test]
fn the_programmable_zone_is_told_once_and_before() {
    let outcomes = fill(EarlyWarningStyle::Programmable);
    assert!(plain(&outcomes[..56]));
    assert_eq!(code(&outcomes[56]), (0, 0, 7));
    assert!(plain(&outcomes[57..60]));
    assert_eq!(code(&outcomes[60]), (0, 0, 2));
    assert_eq!(code(&outcomes[64]), (0x0d, 0, 2));
}

#[test]
fn a_filemark_at_the_end_is_durable_with_eom_and_not_written_with_overflow() {
    let rig = Rig::new();
    let mut drive = rig.loaded(1);
    for _ in 0..60 {
        assert_eq!(drive.write(&[1; 1024]), good(0));
    }
    let outcome = drive.marks(1, false);
    assert_eq!((code(&outcome), sense(&outcome).eom), ((0, 0, 0), true));
    assert_eq!(drive.standing().buffered_objects, 0);
    let position = drive.reply(&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 32);
    assert_eq!(position[0] & 0x40, 0x40, "EOP: past early warning");
    for _ in 0..3 {
        assert_eq!(code(&drive.write(&[1; 1024])), (0, 0, 0));
    }
    assert_eq!(code(&drive.write(&[1; 1024 - 32 - 31])), (0, 0, 0));
    let at = drive.block();
    let outcome = drive.marks(1, false);
    assert_eq!(code(&outcome), (0x0d, 0, 2));
    assert_eq!(sense(&outcome).information, Some(1));
    assert_eq!(drive.block(), at);
}

#[test]
fn a_cleaning_medium_is_used_up_and_never_written() {
    let rig = Rig::with(Options { cleaning_uses: 1, ..quick() }, EarlyWarningStyle::EomBit);
    let mut drive = rig.loaded(3);
    assert_eq!(code(&drive.ready()), (2, 0x30, 3));
    assert_eq!(code(&drive.write(b"x")), (2, 0x30, 3));
    let cleanings =
        |drive: &mut Host| be(&drive.reply(&[0x4d, 0, 0x54, 0, 0, 0, 1, 0, 64, 0], 64)[8..16]);
    assert_eq!(cleanings(&mut drive), 1);
    let alert =
        |drive: &mut Host| drive.reply(&[0x4d, 0, 0x52, 0, 0, 0, 0, 0, 64, 0], 64)[8..16].to_vec();
    assert_eq!(alert(&mut drive), [0; 8]);
    drop(drive);
    let mut changer = rig.host("changer");
    assert_eq!(changer.move_medium(DRIVE, STORAGE + 3), good(0));
    assert_eq!(changer.move_medium(STORAGE + 3, DRIVE), good(0));
    let mut drive = rig.host("drive0");
    assert_eq!(cleanings(&mut drive), 1);
    assert_eq!(alert(&mut drive), (1u64 << (64 - 22)).to_be_bytes());
}

#[test]
fn an_empty_drive_an_unloaded_medium_and_one_becoming_ready() {
    let rig = Rig::with(Options { becoming_ready: 2, ..quick() }, EarlyWarningStyle::EomBit);
    let mut drive = rig.host("drive0");
    for cdb in [[0x00; 6], [0x01, 0, 0, 0, 0, 0], [0x11, 3, 0, 0, 0, 0], [0x1b, 0, 0, 0, 1, 0]] {
        assert_eq!(code(&drive.none(&cdb)), (2, 0x3a, 0), "{cdb:02x?}");
    }
    assert_eq!(rig.host("changer").move_medium(STORAGE, DRIVE), good(0));
    assert_eq!(code(&drive.ready()), (2, 4, 1));
    assert_eq!(code(&drive.read(1, true).0), (2, 4, 1));
    assert_eq!(code(&drive.ready()), (6, 0x28, 0));
    assert_eq!(drive.ready(), good(0));
    assert_eq!(drive.load(false), good(0));
    assert_eq!(code(&drive.ready()), (2, 4, 2));
    assert_eq!(drive.load(true), good(0));
    assert_eq!(code(&drive.ready()), (2, 4, 1));
}

#[test]
fn prevented_removal_holds_against_host_and_robot() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    assert_eq!(drive.none(&[0x1e, 0, 0, 0, 1, 0]), good(0));
    assert_eq!(code(&drive.load(false)), (5, 0x53, 2));
    let mut changer = rig.host("changer");
    assert_eq!(code(&changer.move_medium(DRIVE, STORAGE)), (5, 0x53, 2));
    assert_eq!(drive.none(&[0x1e, 0, 0, 0, 0, 0]), good(0));
    assert_eq!(changer.move_medium(DRIVE, STORAGE), good(0));
    assert_eq!(code(&drive.ready()), (2, 0x3a, 0));
}
