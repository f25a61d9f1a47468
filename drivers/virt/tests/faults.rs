//! Every fault a script can play, met by raw commands.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use rig::*;
use scsi::transport::{Data, Outcome, Transport};
use virt::{CheckSpec, Effect, Fault, Faults, Moment, When};

/// Drive 0 with three blocks of 8 bytes on its medium, standing at the end, under `faults`.
fn scripted(faults: Vec<Fault>) -> (Rig, Host) {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for i in 0..3 {
        assert_eq!(drive.write(&[i; 8]), good(0));
    }
    assert_eq!(drive.sync(), good(0));
    drive.0.script(faults.into());
    (rig, drive)
}

fn on_write(effect: Effect) -> Vec<Fault> {
    vec![Fault::new(When::Opcode { op: 0x0a, nth: 1 }, effect)]
}

fn on_read(effect: Effect) -> Vec<Fault> {
    vec![Fault::new(When::Opcode { op: 0x08, nth: 1 }, effect)]
}

/// Scripted answers of both kinds: before the command took place, and after.
#[test]
fn an_answer_is_replaced_before_or_after_the_command_took_place() {
    let write_error = |moment| Effect::Check(CheckSpec { moment, ..CheckSpec::new(3, 0x0c, 0) });
    for (moment, block) in [(Moment::Before, 3), (Moment::After, 4)] {
        let (_rig, mut drive) = scripted(on_write(write_error(moment)));
        assert_eq!(code(&drive.write(b"x")), (3, 0x0c, 0));
        assert_eq!(drive.block(), block);
        let (_rig, mut drive) = scripted(on_write(Effect::Timeout(moment)));
        assert_eq!(drive.write(b"x"), Outcome::Timeout);
        assert_eq!(drive.block(), block);
        let (_rig, mut drive) = scripted(on_write(Effect::TaskAborted(moment)));
        assert_eq!(drive.write(b"x"), Outcome::TaskAborted);
        assert_eq!(drive.block(), block);
        let path = Effect::Transport { host: 7, driver: 2, moment };
        let (_rig, mut drive) = scripted(on_write(path));
        assert_eq!(drive.write(b"x"), Outcome::Transport { host: 7, driver: 2 });
        assert_eq!(drive.block(), block);
        let gone = Effect::Gone { commands: Some(1), moment };
        let (_rig, mut drive) = scripted(on_write(gone));
        assert_eq!(drive.write(b"x"), Outcome::Gone);
        assert_eq!(drive.block(), block);
    }
}

#[test]
fn any_sense_can_be_told_and_a_deferred_one_can_cost_the_buffer() {
    let spec = CheckSpec {
        deferred: true,
        information: Some(-5),
        ili: true,
        eom: true,
        filemark: true,
        loses_buffer: true,
        ..CheckSpec::new(3, 0x0c, 0)
    };
    let (_rig, mut drive) = scripted(vec![Fault::new(When::NthCommand(3), Effect::Check(spec))]);
    assert_eq!(drive.write(b"in the buffer"), good(0));
    assert_eq!(drive.write(b"in the buffer"), good(0));
    let outcome = drive.ready();
    let told = sense(&outcome);
    assert!(told.deferred && told.ili && told.eom && told.filemark);
    assert_eq!((code(&outcome), told.information), ((3, 0x0c, 0), Some(-5)));
    assert_eq!(drive.block(), 3, "the drive stands where its medium now ends");
    assert_eq!((drive.space(3, 0), drive.block()), (good(0), 3));
}

#[test]
fn busy_and_reservation_conflict_last_as_long_as_told() {
    for (effect, outcome) in
        [(Effect::Busy, Outcome::Busy), (Effect::ReservationConflict, Outcome::ReservationConflict)]
    {
        let (_rig, mut drive) = scripted(vec![Fault::new(When::NthCommand(2), effect).times(3)]);
        assert_eq!(drive.ready(), good(0));
        for _ in 0..3 {
            assert_eq!(drive.write(b"x"), outcome);
        }
        assert_eq!(drive.block(), 3);
    }
}

#[test]
fn a_vanished_drive_returns_by_itself_or_when_reopened() {
    let some = Effect::Gone { commands: Some(3), moment: Moment::Before };
    let (_rig, mut drive) = scripted(on_write(some));
    assert_eq!(drive.write(b"x"), Outcome::Gone);
    assert_eq!(drive.ready(), Outcome::Gone);
    assert_eq!(drive.ready(), Outcome::Gone);
    assert_eq!(drive.ready(), good(0));
    let ever = Effect::Gone { commands: None, moment: Moment::Before };
    let (_rig, mut drive) = scripted(on_write(ever));
    for _ in 0..9 {
        assert_eq!(drive.write(b"x"), Outcome::Gone);
    }
    drive.0.reopen().unwrap();
    assert_eq!(drive.block(), 3);
}

#[test]
fn a_reset_loses_buffer_position_and_mode() {
    let (_rig, mut drive) =
        scripted(vec![Fault::new(When::Opcode { op: 0x0a, nth: 2 }, Effect::Reset)]);
    let select = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 10];
    assert_eq!(drive.execute(&[0x15, 0x10, 0, 0, 12, 0], Data::Out(&select)), good(0));
    assert_eq!(drive.write(b"buffered"), good(0));
    assert_eq!(code(&drive.write(b"not taken")), (6, 0x29, 0));
    assert_eq!(drive.block(), 0);
    assert_eq!(drive.reply(&[0x1a, 0, 0, 0, 255, 0], 255)[9..12], [0, 0, 0]);
    assert_eq!((drive.space(3, 0), drive.block()), (good(0), 3));
}

#[test]
fn blocks_are_dropped_doubled_and_flipped_with_good_status() {
    let (_rig, mut drive) = scripted(on_write(Effect::DropBlock));
    assert_eq!(drive.write(b"x"), good(0));
    assert_eq!(drive.block(), 3);

    let (_rig, mut drive) = scripted(on_write(Effect::DuplicateBlock));
    assert_eq!(drive.write(b"x"), good(0));
    assert_eq!(drive.block(), 5);
    assert_eq!(drive.locate(4), good(0));
    assert_eq!(drive.read(1, false).1, b"x");

    let flip = Effect::FlipBit { byte: 1, bit: 7 };
    let (_rig, mut drive) = scripted(on_write(flip));
    assert_eq!(drive.write(&[0; 3]), good(0));
    assert_eq!(drive.locate(3), good(0));
    assert_eq!(drive.read(3, false), (good(0), vec![0, 0x80, 0]));

    let (_rig, mut drive) = scripted(on_read(flip));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(8, false), (good(0), vec![0, 0x80, 0, 0, 0, 0, 0, 0]));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(8, false), (good(0), vec![0; 8]), "only the answer was flipped");
}

#[test]
fn good_with_a_residual_moves_less() {
    let (_rig, mut drive) = scripted(on_write(Effect::ShortResidual(3)));
    assert_eq!(drive.write(b"abcdefgh"), good(3));
    assert_eq!(drive.locate(3), good(0));
    assert_eq!(drive.read(8, true), (good(3), b"abcde".to_vec()));
    let (_rig, mut drive) = scripted(on_read(Effect::ShortResidual(3)));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(8, false), (good(3), vec![0; 5]));
    assert_eq!(drive.block(), 1);
}

#[test]
fn locate_lands_elsewhere_with_good_status() {
    for (delta, block) in [(-2, 0), (-1, 1), (1, 3), (9, 3), (-9, 0)] {
        let fault = Fault::new(When::Opcode { op: 0x92, nth: 1 }, Effect::LocateOff(delta));
        let (_rig, mut drive) = scripted(vec![fault]);
        assert_eq!(drive.locate(2), good(0));
        assert_eq!(drive.block(), block);
        assert_eq!(drive.locate(2), good(0));
        assert_eq!(drive.block(), 2);
    }
}

#[test]
fn a_fault_waits_at_a_block_address() {
    let bad = Effect::Check(CheckSpec::new(3, 0x11, 0));
    let (_rig, mut drive) = scripted(vec![Fault::new(When::AtBlock(1), bad).times(u32::MAX)]);
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(8, false).1, [0; 8]);
    for _ in 0..3 {
        assert_eq!(code(&drive.read(8, false).0), (3, 0x11, 0));
    }
    assert_eq!(drive.locate(2), good(0));
    assert_eq!(drive.read(8, false).1, [2; 8]);
}

#[test]
fn a_jam_stays_until_the_power_is_cut() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    changer.0.script(vec![Fault::new(When::Opcode { op: 0xa5, nth: 2 }, Effect::Jam)].into());
    assert_eq!(changer.move_medium(STORAGE, DRIVE), good(0));
    for _ in 0..3 {
        assert_eq!(code(&changer.move_medium(DRIVE, STORAGE)), (4, 0x15, 1));
    }
    let status = changer.reply(&[0xb8, 4, 0, 0, 0, 9, 0, 0, 0xff, 0xff, 0, 0], 999);
    assert_eq!(status[8 + 8 + 2] & 1, 1, "nothing moved, and status still answers");
    rig.library.power_cut().unwrap();
    assert_eq!(code(&changer.ready()), (6, 0x29, 0));
    assert_eq!(changer.move_medium(DRIVE, STORAGE), good(0));
}

#[test]
fn alert_flags_are_read_once_in_one_page_and_stay_in_the_other() {
    let alert = |flag| Fault::new(When::NthCommand(1), Effect::AlertFlag(flag));
    let (_rig, mut drive) = scripted(vec![alert(20), alert(4)]);
    assert_eq!(drive.ready(), good(0));
    assert_eq!(drive.ready(), good(0));
    let page =
        |drive: &mut Host, code: u8| drive.reply(&[0x4d, 0, 0x40 | code, 0, 0, 0, 0, 2, 0, 0], 512);
    let expected = (1u64 << (64 - 20) | 1 << (64 - 4)).to_be_bytes();
    assert_eq!(page(&mut drive, 0x12)[8..16], expected);
    let flags = |page: Vec<u8>| -> Vec<u8> {
        page[4..].chunks(5).filter(|each| each[4] == 1).map(|each| each[1]).collect()
    };
    assert_eq!(flags(page(&mut drive, 0x2e)), [4, 20]);
    assert_eq!(flags(page(&mut drive, 0x2e)), []);
    assert_eq!(page(&mut drive, 0x12)[8..16], expected);
    assert_eq!(be(&page(&mut drive, 0x11)[8..9]) & 0x06, 0x06, "cleaning wanted now");
}

#[test]
fn a_script_in_the_directory_is_for_its_unit_alone() {
    let rig = Rig::new();
    let toml = r#"
        [[fault]]
        unit = "drive1"
        when = { nth-command = 1 }
        effect = "busy"
        times = 2

        [[fault]]
        when = { opcode = { op = 0x12, nth = 2 } }
        effect = { check = { key = 4, asc = 0x44, moment = "after" } }
    "#;
    std::fs::write(rig.library.dir().join("faults.toml"), toml).unwrap();
    let open = |unit: &str| Host(virt::Device::open(rig.library.dir(), unit).unwrap());
    let (mut first, mut second) = (open("drive0"), open("drive1"));
    assert_eq!(code(&first.ready()), (6, 0x29, 0));
    assert_eq!(second.ready(), Outcome::Busy);
    assert_eq!(second.ready(), Outcome::Busy);
    assert_eq!(code(&second.ready()), (6, 0x29, 0));
    let inquiry = [0x12, 0, 0, 0, 96, 0];
    first.reply(&inquiry, 96);
    assert_eq!(code(&first.execute(&inquiry, Data::In(&mut [0; 96]))), (4, 0x44, 0));
    assert_eq!((first.0.commands(), second.0.commands()), (3, 3));
    std::fs::write(rig.library.dir().join("faults.toml"), "[[fault]]\nwhen = 3").unwrap();
    drop(first);
    assert!(virt::Device::open(rig.library.dir(), "drive0").is_err(), "a wrong script is refused");
}

#[test]
fn every_effect_survives_the_file() {
    let effects = [
        Effect::Check(CheckSpec { information: Some(7), ..CheckSpec::new(1, 2, 3) }),
        Effect::Timeout(Moment::After),
        Effect::Gone { commands: None, moment: Moment::Before },
        Effect::Busy,
        Effect::ReservationConflict,
        Effect::TaskAborted(Moment::Before),
        Effect::Transport { host: 1, driver: 0, moment: Moment::After },
        Effect::Reset,
        Effect::DropBlock,
        Effect::DuplicateBlock,
        Effect::FlipBit { byte: 1 << 40, bit: 7 },
        Effect::ShortResidual(9),
        Effect::LocateOff(-1),
        Effect::Jam,
        Effect::AlertFlag(64),
        Effect::Slow,
    ];
    let whens = [When::NthCommand(1), When::Opcode { op: 0xa5, nth: 2 }, When::AtBlock(3)];
    let each = effects.iter().zip(whens.iter().cycle());
    let faults: Faults = each.map(|(e, w)| Fault::new(*w, *e).times(2)).collect::<Vec<_>>().into();
    let dir = tempfile::tempdir().unwrap();
    faults.save(dir.path()).unwrap();
    let text = std::fs::read_to_string(dir.path().join("faults.toml")).unwrap();
    assert_eq!(toml::from_str::<Faults>(&text).unwrap(), faults, "{text}");
}
