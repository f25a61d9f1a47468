//! The drive logic against the virtual library: a whole drive with the modern command set, and one
//! that lies by script.
#![allow(clippy::unwrap_used, reason = "test code, though not in a test function")]

mod common;

use std::time::Duration;

use common::StillClock;
use scsi::attribute::Attribute;
use ssc::{
    BlockAddress, Confirmed, Drive, DriveFault, Error, Immediate, Landed, LinkFault, ReadOut,
    Readiness, Spaced, Support, Written,
};
use tempfile::TempDir;
use virt::{CheckSpec, Effect, Fault, Faults, Library, MediumSpec, Moment, Options, Shape, When};

const WRITE: u8 = 0x0a;
const BLOCK: usize = 64 * 1024;

struct Bench {
    dir: TempDir,
    library: Library,
}

impl Bench {
    fn new(capacity_bytes: u64) -> Bench {
        Bench::with(capacity_bytes, Options { fsync: false, ..Options::default() })
    }

    /// A library whose one medium is in its first drive.
    fn with(capacity_bytes: u64, options: Options) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let media = vec![MediumSpec::data("TAP001L9", capacity_bytes)];
        let shape = Shape { media, ..Shape::default() };
        let library = Library::create_with(dir.path(), &shape, options).unwrap();
        let robot = virt::open(&library.changer_name()).unwrap();
        let mut changer = smc::Changer::attach(robot).unwrap();
        let stock = changer.inventory().unwrap();
        changer.move_medium(stock.storage[0].address, stock.drives[0].address).unwrap();
        Bench { dir, library }
    }

    fn drive(&self) -> Drive {
        let mut drive = Drive::attach(virt::open(&self.library.drives()[0]).unwrap()).unwrap();
        drive.load().unwrap();
        drive.configure().unwrap();
        drive
    }

    /// Faults for the drive opened next; `faults` count from its first command.
    fn drive_with(&self, fault: Fault) -> Drive {
        Faults { faults: vec![fault] }.save(self.dir.path()).unwrap();
        self.drive()
    }
}

fn block(n: u64) -> Vec<u8> {
    (0..BLOCK).map(|i| (n as usize * 31 + i * 7) as u8).collect()
}

fn at(drive: &mut Drive) -> u64 {
    drive.position().unwrap().block.0
}

#[test]
fn a_whole_medium_is_written_to_its_end_and_read_back() {
    let bench = Bench::new(4 << 20);
    let mut drive = bench.drive();
    drive.rewind().unwrap();
    let (mut blocks, mut warned) = (0, 0);
    loop {
        match drive.write_block(&block(blocks)).unwrap() {
            Written::Fine => assert_eq!(warned, 0, "the warning does not go away"),
            Written::EarlyWarning => warned += 1,
            Written::Full => break,
        }
        blocks += 1;
        assert!(blocks < 100, "a medium without end");
    }
    assert!(warned > 0 && blocks > 50, "{warned} of {blocks}");
    assert_ne!(drive.write_filemarks(0, Immediate::No).unwrap(), Written::Full);
    let position = drive.position().unwrap();
    assert_eq!((position.block.0, position.buffered_objects), (blocks, Some(0)));
    assert_eq!(position.confirmed, Confirmed::ByDrive);

    drive.rewind().unwrap();
    assert!(drive.position().unwrap().at_beginning);
    let mut buffer = vec![0; BLOCK];
    for n in 0..blocks {
        assert_eq!(drive.read_block(&mut buffer).unwrap(), ReadOut::Block(BLOCK));
        assert!(buffer == block(n), "block {n} differs");
    }
    assert_eq!(drive.read_block(&mut buffer).unwrap(), ReadOut::EndOfData);
}

#[test]
fn every_address_is_reached_and_confirmed() {
    let bench = Bench::new(16 << 20);
    let mut drive = bench.drive();
    for file in 0..4u64 {
        for n in 0..4 {
            let _ = drive.write_block(&block(file * 5 + n)).unwrap();
        }
        let _ = drive.write_filemarks(1, Immediate::Yes).unwrap();
    }
    let mut buffer = vec![0; BLOCK];
    for to in (0..20).rev().chain([0, 19, 7]) {
        drive.locate(BlockAddress(to)).unwrap();
        let found = drive.read_block(&mut buffer).unwrap();
        if to % 5 == 4 {
            assert_eq!(found, ReadOut::Filemark, "{to}");
        } else {
            assert!(found == ReadOut::Block(BLOCK) && buffer == block(to), "{to}");
        }
    }
    drive.rewind().unwrap();
    assert_eq!(drive.space_blocks(9).unwrap(), Spaced::Filemark { done: 4 });
    assert_eq!(drive.space_filemarks(9).unwrap(), Spaced::EndOfData { done: 3 });
    assert_eq!(drive.space_filemarks(-2).unwrap(), Spaced::All);
    assert_eq!(at(&mut drive), 14);
    assert_eq!(drive.space_blocks(-99).unwrap(), Spaced::Filemark { done: 4 });
    drive.space_to_end_of_data().unwrap();
    assert_eq!(at(&mut drive), 20);
}

#[test]
fn short_and_long_blocks_are_told_from_whole_ones() {
    let bench = Bench::new(16 << 20);
    let mut drive = bench.drive();
    let _ = drive.write_block(&block(1)[..1000]).unwrap();
    let _ = drive.write_block(&block(2)).unwrap();
    drive.rewind().unwrap();
    let mut buffer = vec![0; 4096];
    assert_eq!(drive.read_block(&mut buffer).unwrap(), ReadOut::Block(1000));
    assert_eq!(buffer[..1000], block(1)[..1000]);
    assert_eq!(drive.read_block(&mut buffer).unwrap(), ReadOut::TooLong { actual: BLOCK });
    assert_eq!(at(&mut drive), 2);
}

/// The question after every lost answer: did it land? The position knows.
#[test]
fn a_lost_answer_is_settled_by_the_position() {
    let lost: [fn(Moment) -> Effect; 3] = [Effect::Timeout, Effect::TaskAborted, |moment| {
        Effect::Transport { host: 7, driver: 0, moment }
    }];
    for effect in lost {
        for (moment, landed) in [(Moment::Before, 2), (Moment::After, 3)] {
            let bench = Bench::new(16 << 20);
            let third = When::Opcode { op: WRITE, nth: 3 };
            let mut drive = bench.drive_with(Fault::new(third, effect(moment)));
            let _ = drive.write_block(&block(0)).unwrap();
            let _ = drive.write_block(&block(1)).unwrap();
            let error = drive.write_block(&block(2)).unwrap_err();
            assert_eq!(error.did_it_land(), Landed::Unknown, "{error}");
            assert_eq!(at(&mut drive), landed, "{error}, {moment:?}");
        }
    }
}

#[test]
fn a_reset_is_an_error_of_its_own_and_the_drive_goes_on_after_it() {
    let bench = Bench::new(16 << 20);
    let second = When::Opcode { op: WRITE, nth: 2 };
    let mut drive = bench.drive_with(Fault::new(second, Effect::Reset));
    let _ = drive.write_block(&block(0)).unwrap();
    let before = drive.generation();
    let error = drive.write_block(&block(1)).unwrap_err();
    assert!(matches!(error, Error::Reset { .. }), "{error:?}");
    assert!(drive.generation() > before);
    drive.configure().unwrap();
    assert_eq!(drive.ready().unwrap(), Readiness::Ready);
    assert_eq!(at(&mut drive), 0, "the block in the buffer was lost with the reset");
    let _ = drive.write_block(&block(1)).unwrap();
    assert_eq!(at(&mut drive), 1);
}

#[test]
fn a_deferred_error_blames_the_past() {
    let bench = Bench::new(16 << 20);
    let check = CheckSpec { deferred: true, ..CheckSpec::new(3, 0x0c, 0) };
    let filemarks = When::Opcode { op: 0x10, nth: 1 };
    let mut drive = bench.drive_with(Fault::new(filemarks, Effect::Check(check)));
    let _ = drive.write_block(&block(0)).unwrap();
    let error = drive.write_filemarks(1, Immediate::No).unwrap_err();
    assert!(matches!(error, Error::Deferred { .. }), "{error:?}");
    assert!(error.to_string().contains("earlier command"), "{error}");
}

#[test]
fn a_short_write_with_good_status_is_refused() {
    let bench = Bench::new(16 << 20);
    let first = When::Opcode { op: WRITE, nth: 1 };
    let mut drive = bench.drive_with(Fault::new(first, Effect::ShortResidual(100)));
    let error = drive.write_block(&block(0)).unwrap_err();
    let short = DriveFault::Short { residual: 100 };
    assert!(matches!(&error, Error::Drive { fault, .. } if *fault == short), "{error:?}");
}

#[test]
fn a_locate_that_lands_beside_is_set_right_or_given_up() {
    let bench = Bench::new(16 << 20);
    let locate = When::Opcode { op: 0x92, nth: 1 };
    for (times, right) in [(1, true), (2, false)] {
        let fault = Fault::new(locate, Effect::LocateOff(1)).times(times);
        let mut drive = bench.drive_with(fault);
        drive.rewind().unwrap();
        for n in 0..8 {
            let _ = drive.write_block(&block(n)).unwrap();
        }
        let result = drive.locate(BlockAddress(4));
        assert_eq!(result.is_ok(), right, "{result:?}");
        if right {
            assert_eq!(at(&mut drive), 4);
        }
    }
}

#[test]
fn a_drive_that_vanished_is_found_again() {
    let bench = Bench::new(16 << 20);
    let second = When::Opcode { op: WRITE, nth: 2 };
    let gone = Effect::Gone { commands: None, moment: Moment::Before };
    let mut drive = bench.drive_with(Fault::new(second, gone));
    let _ = drive.write_block(&block(0)).unwrap();
    let error = drive.write_block(&block(1)).unwrap_err();
    assert!(error.is_gone(), "{error:?}");
    let gone = drive.write_block(&block(1)).unwrap_err();
    assert!(matches!(gone, Error::Link { fault: LinkFault::Gone, .. }));
    drive.reopen().unwrap();
    drive.configure().unwrap();
    drive.rewind().unwrap();
    let _ = drive.write_block(&block(1)).unwrap();
}

#[test]
fn a_new_cartridge_that_calibrates_is_waited_for() {
    let options = Options { fsync: false, becoming_ready: 5, ..Options::default() };
    let bench = Bench::with(16 << 20, options);
    let transport = virt::open(&bench.library.drives()[0]).unwrap();
    let clock = StillClock::default();
    let mut drive = Drive::attach_with(transport, Box::new(clock.clone())).unwrap();
    assert_eq!(drive.wait_ready(Duration::from_secs(60)).unwrap(), Readiness::Ready);
    assert!(*clock.0.lock().unwrap() > Duration::ZERO, "it was ready at once");
}

#[test]
fn unit_attentions_while_attaching_cost_no_feature() {
    let bench = Bench::new(16 << 20);
    let whole = bench.drive().capabilities().clone();
    let attention = Effect::Check(CheckSpec::new(6, 0x2a, 1));
    for nth in 3..9 {
        let drive = bench.drive_with(Fault::new(When::NthCommand(nth), attention));
        assert_eq!(*drive.capabilities(), whole, "command {nth}");
    }
}

#[test]
fn an_empty_drive_says_so() {
    let bench = Bench::new(16 << 20);
    let mut drive = Drive::attach(virt::open(&bench.library.drives()[1]).unwrap()).unwrap();
    assert_eq!(drive.ready().unwrap(), Readiness::NoMedium);
    let error = drive.load().unwrap_err();
    assert!(matches!(error, Error::Operator { .. }), "{error:?}");
    assert_eq!(error.did_it_land(), Landed::No);
}

#[test]
fn what_is_known_of_drive_and_medium() {
    let bench = Bench::new(16 << 20);
    let alert = Fault::new(When::NthCommand(1), Effect::AlertFlag(20));
    let mut drive = bench.drive_with(alert);
    assert_eq!(drive.identity().serial, bench.library.drive_serials()[0]);
    let known = drive.capabilities().clone();
    assert_eq!((known.operation_codes, known.locate_16), (Support::Yes, Support::Yes));
    assert!(drive.limits().stated() > 10);

    let name = Attribute::host_text(0x0801, "TAPIOCA").unwrap();
    drive.write_attribute(&name).unwrap();
    assert_eq!(drive.read_attribute(0x0801).unwrap().unwrap().text(), "TAPIOCA");
    let medium = drive.medium().unwrap();
    assert_eq!(medium.write_protected, Some(false));
    assert_eq!(medium.worm, Some(false));
    assert_eq!(medium.application_name.as_deref(), Some("TAPIOCA"));
    assert!(medium.serial.is_some() && medium.maximum_mib.is_some(), "{medium:?}");

    let alerts = drive.alerts().unwrap();
    assert_eq!(alerts.iter().map(|flag| flag.number).collect::<Vec<_>>(), [20]);
    drive.compression(true).unwrap();
    drive.compression(false).unwrap();
    drive.prevent_removal().unwrap();
    drive.allow_removal().unwrap();
    drive.unload().unwrap();
    assert_ne!(drive.ready().unwrap(), Readiness::Ready);
    drive.load().unwrap();
}
