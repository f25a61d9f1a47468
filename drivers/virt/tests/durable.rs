//! What lasts: across processes, across a power cut, and what a damaged file becomes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rig::*;
use virt::{Device, EarlyWarningStyle, Error, Options, Spared};

#[test]
fn another_opener_finds_everything_where_it_was() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    assert_eq!(drive.write(b"synced"), good(0));
    assert_eq!(drive.marks(1, false), good(0));
    assert_eq!(drive.write(b"only buffered"), good(0));
    let before = drive.standing();
    assert_eq!((before.block, before.buffered_objects, before.buffered_bytes), (3, 1, 13));
    drop(drive);
    let mut drive = Host(Device::open(rig.library.dir(), "drive0").unwrap());
    assert_eq!(drive.standing(), before);
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.standing().buffered_objects, 0);
    assert_eq!(drive.read(6, false).1, b"synced");
    assert_eq!(code(&drive.read(6, false).0), (0, 0, 1));
    assert_eq!(drive.read(13, false).1, b"only buffered");
}

#[test]
fn a_power_cut_drops_exactly_what_was_not_synced() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for i in 0..10u8 {
        assert_eq!(drive.write(&[i; 100]), good(0));
    }
    assert_eq!(drive.sync(), good(0));
    for i in 10..15u8 {
        assert_eq!(drive.write(&[i; 100]), good(0));
    }
    assert_eq!(drive.marks(1, true), good(0));
    assert_eq!(drive.standing().buffered_objects, 6);
    rig.library.power_cut().unwrap();
    assert_eq!(code(&drive.write(b"no")), (6, 0x29, 0));
    assert_eq!(drive.block(), 0);
    assert_eq!((drive.space(3, 0), drive.block()), (good(0), 10));
    assert_eq!(drive.locate(9), good(0));
    assert_eq!(drive.read(100, false).1, [9; 100]);
    assert_eq!(code(&rig_changer(&rig)), (6, 0x29, 0));
}

fn rig_changer(rig: &Rig) -> scsi::transport::Outcome {
    Host(Device::open(rig.library.dir(), "changer").unwrap()).ready()
}

#[test]
fn an_overwrite_that_was_not_synced_is_lost_with_what_it_overwrote() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for i in 0..10u8 {
        assert_eq!(drive.write(&[i; 100]), good(0));
    }
    assert_eq!(drive.sync(), good(0));
    assert_eq!(drive.locate(4), good(0));
    assert_eq!(drive.write(b"over"), good(0));
    rig.library.power_cut().unwrap();
    drop(drive);
    let mut drive = rig.host("drive0");
    assert_eq!((drive.space(3, 0), drive.block()), (good(0), 4));
}

#[test]
fn every_motion_flushes_the_buffer() {
    let motions: [&[u8]; 7] = [
        &[0x01, 0, 0, 0, 0, 0],
        &[0x10, 0, 0, 0, 0, 0],
        &[0x11, 3, 0, 0, 0, 0],
        &[0x91, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x92, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x2b, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x1b, 0, 0, 0, 0, 0],
    ];
    for motion in motions {
        let rig = Rig::new();
        let mut drive = rig.loaded(0);
        assert_eq!(drive.write(b"kept"), good(0));
        assert_eq!(drive.none(motion), good(0), "{motion:02x?}");
        assert_eq!(rig.library.power_cut_sparing(Spared::Nothing).unwrap(), 0, "{motion:02x?}");
    }
}

#[test]
fn a_full_buffer_drains_its_oldest_objects() {
    let options = Options { buffer_bytes: 1000, ..quick() };
    let rig = Rig::with(options, EarlyWarningStyle::EomBit);
    let mut drive = rig.loaded(0);
    for i in 0..20u8 {
        assert_eq!(drive.write(&[i; 200]), good(0));
        assert!(drive.standing().buffered_bytes <= 1000);
    }
    let buffered = drive.standing().buffered_objects;
    assert!((3..=5).contains(&buffered), "{buffered}");
    assert_eq!(rig.library.power_cut_sparing(Spared::Nothing).unwrap(), buffered);
    drop(drive);
    let mut drive = rig.host("drive0");
    assert_eq!((drive.space(3, 0), drive.block()), (good(0), 20 - buffered));
}

#[test]
fn a_power_cut_may_spare_any_prefix_by_seed() {
    let lost = |seed| {
        let rig = Rig::new();
        let mut drive = rig.loaded(0);
        for i in 0..10u8 {
            assert_eq!(drive.write(&[i; 10]), good(0));
        }
        let lost = rig.library.power_cut_sparing(Spared::Prefix(seed)).unwrap();
        drop(drive);
        let mut drive = rig.host("drive0");
        assert_eq!((drive.space(3, 0), drive.block()), (good(0), 10 - lost));
        lost
    };
    let all: Vec<u64> = (0..20).map(lost).collect();
    assert_eq!(all, (0..20).map(lost).collect::<Vec<u64>>());
    let mut distinct = all;
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 4, "{distinct:?}");
}

#[test]
fn end_of_data_can_be_lost_with_the_power() {
    let options = Options { power_cut_loses_eod: true, ..quick() };
    let rig = Rig::with(options, EarlyWarningStyle::EomBit);
    let mut drive = rig.loaded(0);
    assert_eq!(drive.write(b"kept"), good(0));
    assert_eq!(drive.sync(), good(0));
    assert_eq!(drive.write(b"lost"), good(0));
    rig.library.power_cut().unwrap();
    drop(drive);
    let mut drive = rig.host("drive0");
    assert_eq!(drive.read(4, false).1, b"kept");
    assert_eq!(code(&drive.read(4, false).0), (3, 0x14, 3));
    assert_eq!(code(&drive.write(b"more")), (3, 0x14, 3), "never append where the end is unknown");
    assert_eq!(code(&drive.space(3, 0)), (3, 0x14, 3));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.write(b"anew"), good(0));
    assert_eq!(code(&drive.read(4, false).0), (8, 0, 5));
}

#[test]
fn damage_in_the_file_is_a_medium_error_on_that_block_alone() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for i in 0..5u8 {
        assert_eq!(drive.write(&[i; 1000]), good(0));
    }
    assert_eq!(drive.sync(), good(0));
    let path = rig.library.medium_dir("T00000L9").unwrap().join("data");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0x55], 32 + 1032 * 2 + 32 + 500).unwrap(); // data of block 2
    file.write_all_at(&[0x55], 32 + 1032 * 3 + 9).unwrap(); // header of block 3
    drop(drive);
    let mut drive = rig.host("drive0");
    assert_eq!(drive.rewind(), good(0));
    for i in 0..5u8 {
        let (outcome, bytes) = drive.read(1000, false);
        if matches!(i, 2 | 3) {
            assert_eq!((code(&outcome), sense(&outcome).information), ((3, 0x11, 0), Some(1000)));
        } else {
            assert_eq!(bytes, [i; 1000]);
        }
    }
    let errors = drive.reply(&[0x4d, 0, 0x43, 0, 0, 0, 6, 0, 64, 0], 64);
    assert_eq!(be(&errors[8..12]), 2, "page 03 counts both");
}

#[test]
fn a_flipped_bit_is_handed_over_as_good() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    assert_eq!(drive.write(&[0; 10]), good(0));
    assert_eq!(drive.rewind(), good(0));
    rig.library.flip("T00000L9", 0, 7, 3).unwrap();
    assert_eq!(drive.read(10, false), (good(0), vec![0, 0, 0, 0, 0, 0, 0, 8, 0, 0]));
    assert!(matches!(rig.library.flip("T00000L9", 0, 10, 0), Err(Error::BadPlace(_))));
    assert!(matches!(rig.library.flip("T00000L9", 1, 0, 0), Err(Error::BadPlace(_))));
    assert!(matches!(rig.library.flip("nobody", 0, 0, 0), Err(Error::BadPlace(_))));
}

/// Every prefix of the data file and every damaged byte of the index opens, and reads as far as
/// it goes.
#[test]
fn no_torn_or_damaged_file_panics() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for i in 0..4u8 {
        assert_eq!(drive.write(&[i; 20]), good(0));
    }
    assert_eq!(drive.marks(1, false), good(0));
    drop(drive);
    let dir = rig.library.medium_dir("T00000L9").unwrap();
    let (data, index) =
        (std::fs::read(dir.join("data")).unwrap(), std::fs::read(dir.join("index")).unwrap());
    let survey = || {
        let mut drive = Host(Device::open(rig.library.dir(), "drive0").unwrap());
        assert!(drive.standing().block <= 5);
        assert_eq!(drive.rewind(), good(0));
        let mut found = 0;
        while let (scsi::transport::Outcome::Good { .. }, bytes) = drive.read(20, false) {
            assert_eq!(bytes, [found; 20]);
            found += 1;
        }
        found
    };
    for cut in 0..data.len() {
        std::fs::write(dir.join("data"), &data[..cut]).unwrap();
        std::fs::write(dir.join("index"), &index).unwrap();
        assert_eq!(
            usize::from(survey()),
            (cut.saturating_sub(32) / 52).min(4),
            "data cut at {cut}"
        );
    }
    for byte in 0..index.len() {
        let mut damaged = index.clone();
        damaged[byte] ^= 0x10;
        std::fs::write(dir.join("data"), &data).unwrap();
        std::fs::write(dir.join("index"), &damaged).unwrap();
        assert_eq!(survey(), 4, "the walk mends an index damaged at {byte}");
    }
}

#[test]
fn damaged_state_is_hardware_error_or_refusal() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let position = rig.library.dir().join("drive0/position");
    let sound = std::fs::read(&position).unwrap();
    std::fs::write(&position, b"short").unwrap();
    rig.library.insert_mail(0, virt::MediumSpec::data("NEW001L9", 1 << 20)).unwrap();
    assert_eq!(code(&drive.ready()), (4, 0x44, 0));
    assert!(drive.0.host_error().unwrap().contains("position"));
    drop(drive);
    assert!(Device::open(rig.library.dir(), "drive0").is_err());
    std::fs::write(&position, sound).unwrap();
    std::fs::write(rig.library.dir().join("robot.toml"), b"nonsense = [").unwrap();
    assert!(matches!(Device::open(rig.library.dir(), "changer"), Err(Error::Damaged { .. })));
}

/// Not a test of its own: the other process of the two tests below, which start this binary with
/// a library's name in the environment.
#[test]
fn other_process() {
    let Ok(dir) = std::env::var("VIRT_TEST_OTHER_PROCESS") else { return };
    let dir = PathBuf::from(dir);
    match Device::open(&dir, "drive0") {
        Err(why) => println!("<{why}>"),
        Ok(device) => {
            let mut drive = Host(device);
            for i in 0..50u8 {
                assert_eq!(drive.write(&[i; 1000]), good(0));
            }
            println!("<written>");
            std::io::stdout().flush().unwrap();
            std::thread::park(); // until killed
        }
    }
}

fn other(rig: &Rig) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "other_process", "--nocapture"]);
    command.env("VIRT_TEST_OTHER_PROCESS", rig.library.dir()).stdout(Stdio::piped());
    command
}

#[test]
fn another_process_is_told_who_holds_the_drive() {
    let rig = Rig::new();
    let drive = rig.loaded(0);
    let output = other(&rig).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = format!("<{}: in use by pid {}>", rig.library.drives()[0], std::process::id());
    assert!(said.contains(&expected), "{said}");
    drop(drive);
    assert!(Device::open(rig.library.dir(), "drive0").is_ok());
}

#[test]
fn a_killed_process_leaves_the_drive_its_buffer() {
    let rig = Rig::new();
    drop(rig.loaded(0));
    let mut child = other(&rig).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("<written>")));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut drive = Host(Device::open(rig.library.dir(), "drive0").unwrap());
    assert_eq!((drive.standing().block, drive.standing().buffered_objects), (50, 50));
    assert_eq!(drive.write(b"and on"), good(0));
    assert_eq!(drive.locate(49), good(0));
    assert_eq!(drive.read(1000, false).1, [49; 1000]);
    assert_eq!(drive.read(1000, true).1, b"and on");
}

/// Two drives whose commands overlap all the time must not shut the robot out.
#[test]
fn busy_drives_let_the_robot_through() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    assert_eq!(changer.move_medium(STORAGE, DRIVE), good(0));
    assert_eq!(changer.move_medium(STORAGE + 2, DRIVE + 1), good(0));
    let (mut first, mut second) = (rig.host("drive0"), rig.host("drive1"));
    let done = &AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let hammer = move |drive: &mut Host| {
            let mut blocks = 0u64;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(drive.write(&[7; 4096]), good(0));
                blocks += 1;
            }
            blocks
        };
        let one = scope.spawn(move || (hammer(&mut first), first.block()));
        let two = scope.spawn(move || (hammer(&mut second), second.block()));
        for _ in 0..10 {
            assert_eq!(changer.move_medium(STORAGE + 1, STORAGE + 7), good(0));
            assert_eq!(changer.move_medium(STORAGE + 7, STORAGE + 1), good(0));
        }
        done.store(true, Ordering::Relaxed);
        [one.join().unwrap(), two.join().unwrap()]
    });
    for (blocks, block) in written {
        assert_eq!(blocks, block, "motion elsewhere costs a drive nothing");
    }
}

/// Opening walks neither a synced medium nor, beyond its headers, an unsynced one.
#[test]
fn a_medium_with_many_records_opens_and_is_found_the_same_way() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let count = 100_000u32;
    for i in 0..count {
        assert_eq!(drive.write(&i.to_be_bytes()), good(0));
        if i % 1000 == 999 {
            assert_eq!(drive.marks(1, i != 49_999), good(0));
        }
    }
    for what in ["half of it buffered", "all of it synced"] {
        drop(drive);
        let clock = std::time::Instant::now();
        drive = Host(Device::open(rig.library.dir(), "drive0").unwrap());
        println!("{what}: opened in {:?}", clock.elapsed());
        assert_eq!((drive.standing().block, drive.standing().file), (100_100, 100));
        for i in [0, 999, 1000, 77_777, count - 1] {
            assert_eq!(drive.locate(u64::from(i + i / 1000)), good(0));
            assert_eq!(drive.read(4, false).1, i.to_be_bytes());
        }
        assert_eq!(drive.locate_kind(3, 0), good(0));
    }
}
