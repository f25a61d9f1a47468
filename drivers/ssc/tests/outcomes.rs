//! What a drive answers, and what this crate makes of it: outcome or error, whose fault, and
//! whether the object is on the medium.

mod common;

use std::time::Duration;

use common::Act::{Is, Sends};
use common::{Act, GOOD, Stage, check, check_left, deferred, sense, sense_with};
use scsi::Outcome;
use ssc::{
    AlertSource, BlockAddress, Confirmed, DriveFault, Error, Immediate, Landed, LinkFault, Need,
    ReadOut, Readiness, Spaced, Support, Written,
};

const WRITE: u8 = 0x0a;
const READ: u8 = 0x08;
const MARKS: u8 = 0x10;
const LOCATE_16: u8 = 0x92;
const POSITION: u8 = 0x34;

fn write(outcome: Outcome) -> Result<Written, Error> {
    Stage::new([(WRITE, Is(outcome))]).drive.write_block(&[7; 512])
}

fn read(outcome: Outcome) -> Result<ReadOut, Error> {
    Stage::new([(READ, Is(outcome))]).drive.read_block(&mut [0; 512])
}

fn long_position(block: u64, flags: u8) -> Act {
    let mut reply = vec![0; 32];
    reply[0] = flags;
    reply[8..16].copy_from_slice(&block.to_be_bytes());
    Sends(reply)
}

#[test]
fn early_warning_in_all_its_forms_means_written() {
    for raw in
        [sense(0x40, 0, 2), sense(0x40, 0, 0), sense(0, 0, 2), sense(0, 0, 7), sense(0x41, 0, 2)]
    {
        assert_eq!(write(check(&raw)), Ok(Written::EarlyWarning), "{raw:02x?}");
    }
    assert_eq!(write(check(&sense_with(0x40, 0, 2, 0))), Ok(Written::EarlyWarning));
    assert_eq!(write(GOOD), Ok(Written::Fine));
}

#[test]
fn volume_overflow_means_not_written_and_is_not_an_error() {
    assert_eq!(write(check_left(&sense_with(0x4d, 0, 2, 512), 512)), Ok(Written::Full));
    let mut stage = Stage::new([(MARKS, Is(check(&sense_with(0x4d, 0, 2, 1))))]);
    assert_eq!(stage.drive.write_filemarks(1, Immediate::No), Ok(Written::Full));
}

#[test]
fn good_status_with_bytes_left_over_is_not_written() {
    for outcome in [
        Outcome::Good { residual: 12 },
        check_left(&sense(0x40, 0, 2), 12),
        check(&sense_with(0x40, 0, 2, 12)),
    ] {
        let error = write(outcome).unwrap_err();
        let expected = DriveFault::Short { residual: 12 };
        assert!(matches!(&error, Error::Drive { fault, .. } if *fault == expected), "{error:?}");
        assert_eq!(error.did_it_land(), Landed::Unknown);
    }
}

#[test]
fn a_recovered_error_is_success_and_is_counted() {
    let mut stage =
        Stage::new([(WRITE, Is(check(&sense(1, 0x0c, 1)))), (READ, Is(check(&sense(1, 0x17, 1))))]);
    assert_eq!(stage.drive.write_block(&[1]), Ok(Written::Fine));
    assert_eq!(stage.drive.read_block(&mut [0; 64]), Ok(ReadOut::Block(64)));
    assert_eq!(stage.drive.recovered(), 2);
}

/// What the drive answers, whether the error is the right one, whether it landed, how it reads.
type Case = (Outcome, fn(&Error) -> bool, Landed, &'static str);

#[test]
fn whose_fault_and_did_it_land() {
    use Landed::{No, Unknown};
    let cases: [Case; 13] = [
        (check(&sense(3, 0x0c, 0)), |e| matches!(e, Error::Medium { .. }), Unknown, "(03/0C/00)"),
        (check(&sense(4, 0x44, 0)), |e| matches!(e, Error::Drive { .. }), Unknown, "(04/44/00)"),
        (check(&sense(0xb, 0x47, 0)), |e| matches!(e, Error::Drive { .. }), Unknown, "(0B/47/00)"),
        (check(&sense(6, 0x29, 0)), |e| matches!(e, Error::Reset { .. }), No, "(06/29/00)"),
        (
            check(&deferred(3, 0x0c, 0)),
            |e| matches!(e, Error::Deferred { .. }),
            Unknown,
            "(03/0C/00)",
        ),
        (check(&sense(5, 0x20, 0)), |e| matches!(e, Error::Unsupported { .. }), No, "WRITE(6)"),
        (check(&sense(2, 0x3a, 0)), |e| need(e) == Some(Need::Medium), No, "(02/3A/00)"),
        (check(&sense(7, 0x27, 0)), |e| need(e) == Some(Need::Unprotected), No, "(07/27/00)"),
        (check(&sense(7, 0x30, 0x0c)), |e| need(e) == Some(Need::Appending), No, "(07/30/0C)"),
        (check(&sense(7, 0x74, 1)), |e| need(e) == Some(Need::Key), No, "(07/74/01)"),
        (Outcome::ReservationConflict, |e| need(e) == Some(Need::Reservation), No, "there"),
        (Outcome::Timeout, |e| link(e) == Some(&LinkFault::Timeout), Unknown, "limit"),
        (Outcome::Gone, |e| link(e) == Some(&LinkFault::Gone) && e.is_gone(), Unknown, "gone"),
    ];
    for (outcome, right, landed, tail) in cases {
        let error = write(outcome.clone()).unwrap_err();
        assert!(right(&error), "{outcome:?} became {error:?}");
        assert_eq!(error.did_it_land(), landed, "{outcome:?}");
        let line = error.to_string();
        assert!(line.starts_with("fake: ") && line.ends_with(tail), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

fn need(error: &Error) -> Option<Need> {
    match error {
        Error::Operator { need, .. } => Some(*need),
        _ => None,
    }
}

fn link(error: &Error) -> Option<&LinkFault> {
    match error {
        Error::Link { fault, .. } => Some(fault),
        _ => None,
    }
}

#[test]
fn nothing_of_unknown_effect_is_sent_twice() {
    let unknown = [
        Outcome::Timeout,
        Outcome::TaskAborted,
        Outcome::Transport { host: 7, driver: 0 },
        check(&sense(0xb, 0x4e, 0)),
        check(&sense(3, 0x0c, 0)),
    ];
    for outcome in unknown {
        let mut stage = Stage::new([(WRITE, Is(outcome.clone()))]);
        stage.drive.write_block(&[1; 32]).unwrap_err();
        assert_eq!(stage.opcodes(), [WRITE], "{outcome:?}");
    }
}

#[test]
fn busy_is_offered_again_for_a_minute_and_no_longer() {
    let busy = |n| (0..n).map(|_| (WRITE, Is(Outcome::Busy)));
    let mut stage = Stage::new(busy(5).chain([(WRITE, Is(GOOD))]));
    assert_eq!(stage.drive.write_block(&[1; 32]), Ok(Written::Fine));
    assert_eq!(stage.opcodes().len(), 6);

    let mut stage = Stage::new(busy(1000));
    let error = stage.drive.write_block(&[1; 32]).unwrap_err();
    assert!(matches!(error, Error::Drive { fault: DriveFault::Busy, .. }));
    assert_eq!(error.did_it_land(), Landed::No);
    let waited = *stage.clock.0.lock().unwrap();
    assert!((60..62).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_unit_attention_advances_the_generation_and_is_not_swallowed_by_a_write() {
    let mut stage = Stage::new([(WRITE, Is(check(&sense(6, 0x29, 0)))), (WRITE, Is(GOOD))]);
    let before = stage.drive.generation();
    assert!(matches!(stage.drive.write_block(&[1]), Err(Error::Reset { .. })));
    assert_eq!(stage.drive.generation(), before + 1);
    assert_eq!(stage.opcodes(), [WRITE]);
}

#[test]
fn read_lengths_come_from_information_in_both_directions() {
    assert_eq!(read(check_left(&sense_with(0x20, 0, 0, 112), 112)), Ok(ReadOut::Block(400)));
    // INFORMATION counts; an adapter that loses the residual does not make the block longer.
    assert_eq!(read(check_left(&sense_with(0x20, 0, 0, 112), 0)), Ok(ReadOut::Block(400)));
    assert_eq!(read(check(&sense_with(0x20, 0, 0, -88))), Ok(ReadOut::TooLong { actual: 600 }));
    assert_eq!(read(Outcome::Good { residual: 500 }), Ok(ReadOut::Block(12)));
    assert!(matches!(
        read(Outcome::Good { residual: 512 }),
        Err(Error::Drive { fault: DriveFault::Nonsense(_), .. })
    ));
}

#[test]
fn marks_and_ends_are_outcomes_of_a_read() {
    assert_eq!(read(check_left(&sense_with(0x80, 0, 1, 512), 512)), Ok(ReadOut::Filemark));
    assert_eq!(read(check_left(&sense_with(8, 0, 5, 512), 512)), Ok(ReadOut::EndOfData));
    assert_eq!(read(check_left(&sense(0x43, 0, 2), 512)), Ok(ReadOut::EndOfMedium));
    for raw in [sense(3, 0x11, 0), sense(3, 0x14, 3), sense(8, 0x14, 3)] {
        let error = read(check_left(&raw, 512)).unwrap_err();
        assert!(matches!(error, Error::Medium { .. }), "{error:?}");
    }
}

#[test]
fn reads_and_writes_are_variable_without_sili() {
    let mut stage = Stage::new([(READ, Is(GOOD)), (WRITE, Is(GOOD))]);
    assert_eq!(stage.drive.read_block(&mut vec![0; 0x01_0203]), Ok(ReadOut::Block(0x01_0203)));
    let _ = stage.drive.write_block(&vec![0; 0x04_0506]).unwrap();
    let log = stage.log.lock().unwrap();
    assert_eq!(log[0].0, [0x08, 0, 1, 2, 3, 0]);
    assert_eq!(log[1].0, [0x0a, 0, 4, 5, 6, 0]);
    assert_eq!(log[0].1, Duration::from_secs(2_340));
    assert_eq!(log[1].1, Duration::from_secs(1_500));
}

#[test]
fn a_block_that_no_command_can_carry_is_never_sent() {
    let mut stage = Stage::new([]);
    for block in [Vec::new(), vec![0; ssc::BLOCK_BYTES_MAX + 1]] {
        assert!(matches!(stage.drive.write_block(&block), Err(Error::Ours { .. })));
    }
    assert!(stage.opcodes().is_empty());
}

#[test]
fn readiness_has_a_word_for_each_state() {
    let cases = [
        (sense(2, 0x3a, 0), Readiness::NoMedium),
        (sense(2, 0x04, 1), Readiness::BecomingReady),
        (sense(2, 0x04, 2), Readiness::NeedsLoad),
        (sense(2, 0x30, 3), Readiness::Cleaning),
    ];
    for (raw, expected) in cases {
        let mut stage = Stage::new([(0, Is(check(&raw)))]);
        assert_eq!(stage.drive.ready(), Ok(expected));
    }
}

#[test]
fn calibration_is_waited_for_as_long_as_the_caller_says() {
    let becoming = || (0, Is(check(&sense(2, 4, 1))));
    let mut stage = Stage::new((0..4000).map(|_| becoming()));
    let limit = Duration::from_secs(7_200);
    assert_eq!(stage.drive.wait_ready(limit), Ok(Readiness::BecomingReady));
    assert_eq!(*stage.clock.0.lock().unwrap(), limit);

    let attentions = [(0, Is(check(&sense(6, 0x28, 0)))), becoming(), (0, Is(GOOD))];
    let mut stage = Stage::new(attentions);
    assert_eq!(stage.drive.wait_ready(limit), Ok(Readiness::Ready));
    assert_eq!(stage.drive.generation(), 1);
}

#[test]
fn a_drive_that_never_stops_announcing_is_given_up() {
    let mut stage = Stage::new((0..100).map(|_| (0, Is(check(&sense(6, 0x29, 0))))));
    assert!(matches!(stage.drive.ready(), Err(Error::Reset { .. })));
    assert!(!stage.script_is_over());
}

#[test]
fn a_locate_that_lands_elsewhere_is_tried_once_more_from_the_beginning() {
    let mut stage = Stage::new([
        (LOCATE_16, Is(GOOD)),
        (POSITION, long_position(41, 0)),
        (0x01, Is(GOOD)),
        (LOCATE_16, Is(GOOD)),
        (POSITION, long_position(41, 0)),
    ]);
    let error = stage.drive.locate(BlockAddress(42)).unwrap_err();
    let expected = DriveFault::WrongPlace { wanted: 42, found: 41 };
    assert!(matches!(&error, Error::Drive { fault, .. } if *fault == expected), "{error:?}");
    assert!(stage.script_is_over());
}

#[test]
fn space_reports_what_was_left() {
    for (outcome, expected) in [
        (check(&sense_with(0x80, 0, 1, 3)), Spaced::Filemark { done: 2 }),
        (check(&sense_with(8, 0, 5, 4)), Spaced::EndOfData { done: 1 }),
        (GOOD, Spaced::All),
    ] {
        let mut stage = Stage::new([(POSITION, long_position(7, 0)), (0x11, Is(outcome))]);
        assert_eq!(stage.drive.space_blocks(5), Ok(expected));
        assert!(stage.script_is_over());
    }
}

#[test]
fn a_position_carries_what_is_still_in_the_buffer() {
    let mut extended = vec![0; 32];
    extended[5..8].copy_from_slice(&[0, 0, 9]);
    let mut stage = Stage::new([(POSITION, long_position(77, 0x40)), (POSITION, Sends(extended))]);
    let position = stage.drive.position().unwrap();
    assert_eq!((position.block, position.buffered_objects), (BlockAddress(77), Some(9)));
    assert!(position.at_end && !position.at_beginning);
    assert_eq!(position.confirmed, Confirmed::ByDrive);
}

#[test]
fn a_position_that_contradicts_what_was_done_is_not_believed() {
    // Block 0 without BOP, after a block was written at the beginning.
    let no = || (POSITION, Is(check(&sense(5, 0x24, 0))));
    let mut stage =
        Stage::new([(0x01, Is(GOOD)), (WRITE, Is(GOOD)), (POSITION, long_position(0, 0)), no()]);
    stage.drive.rewind().unwrap();
    let _ = stage.drive.write_block(&[1; 32]).unwrap();
    let position = stage.drive.position().unwrap();
    assert_eq!((position.block, position.confirmed), (BlockAddress(1), Confirmed::Counted));
    assert_eq!(stage.drive.capabilities().position_long, Support::No);
}

#[test]
fn another_drive_behind_the_same_name_is_refused() {
    let mut stage = Stage::new([(0, Is(GOOD))]);
    let before = stage.drive.generation();
    stage.drive.reopen().unwrap();
    assert!(stage.drive.generation() > before);
    *stage.serial.lock().unwrap() = "S2";
    let error = stage.drive.reopen().unwrap_err();
    assert!(matches!(link(&error), Some(LinkFault::Stranger { .. })), "{error:?}");
}

#[test]
fn standing_at_the_end_of_data_already_is_no_error() {
    for answer in [GOOD, check(&sense_with(8, 0, 5, 0))] {
        let mut stage = Stage::new([(POSITION, long_position(7, 0)), (0x11, Is(answer))]);
        stage.drive.space_to_end_of_data().unwrap();
        assert!(stage.script_is_over());
    }
}

#[test]
fn locate_falls_back_to_ten_bytes_and_remembers() {
    let no = || Is(check(&sense(5, 0x20, 0)));
    let mut stage = Stage::new([
        (LOCATE_16, no()),
        (0x2b, Is(GOOD)),
        (POSITION, long_position(0x0102_0304, 0)),
        (0x2b, Is(GOOD)),
        (POSITION, long_position(5, 0)),
    ]);
    stage.drive.locate(BlockAddress(0x0102_0304)).unwrap();
    stage.drive.locate(BlockAddress(5)).unwrap();
    assert!(stage.script_is_over());
    assert_eq!(stage.log.lock().unwrap()[1].0, [0x2b, 0, 0, 1, 2, 3, 4, 0, 0, 0]);
    let known = stage.drive.capabilities();
    assert_eq!((known.locate_16, known.locate_10), (Support::No, Support::Yes));
}

#[test]
fn configure_asks_for_variable_blocks_and_a_buffer_and_leaves_a_drive_that_has_them() {
    let fixed = vec![11, 0, 0x02, 8, 0x60, 0, 0, 0, 0, 0, 2, 0];
    let mut stage = Stage::new([(0x1a, Sends(fixed)), (0x15, Is(GOOD))]);
    stage.drive.configure().unwrap();
    assert_eq!(stage.opcodes(), [0x1a, 0x15]);
    // Buffered mode 1, the speed and density as they were, block length 0.
    let list = vec![0, 0, 0x12, 8, 0x60, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(*stage.sent.lock().unwrap(), [list]);
    let right = vec![11, 0, 0x10, 8, 0x60, 0, 0, 0, 0, 0, 0, 0];
    let mut stage = Stage::new([(0x1a, Sends(right))]);
    stage.drive.configure().unwrap();
    assert_eq!(stage.opcodes(), [0x1a]);
}

#[test]
fn alerts_come_from_page_12h_and_only_without_it_from_2eh() {
    let response = vec![0x12, 0, 0, 12, 0, 0, 3, 8, 0, 0, 0x10, 0, 0, 0, 0, 0];
    let mut stage = Stage::with_logs(&[0x00, 0x12, 0x2e], [(0x4d, Sends(response))]);
    let alerts = stage.drive.alerts().unwrap();
    assert_eq!(alerts.iter().map(|flag| flag.number).collect::<Vec<_>>(), [20]);
    assert_eq!(stage.drive.alert_source(), AlertSource::Response);

    let flags = vec![0x2e, 0, 0, 10, 0, 3, 3, 1, 1, 0, 4, 3, 1, 0];
    let mut stage = Stage::with_logs(&[0x00, 0x2e], [(0x4d, Sends(flags))]);
    let alerts = stage.drive.alerts().unwrap();
    assert_eq!(alerts.iter().map(|flag| flag.number).collect::<Vec<_>>(), [3]);
    assert_eq!(stage.drive.alert_source(), AlertSource::ClearedByReading);
}

#[test]
fn news_of_the_drive_is_not_taken_for_a_missing_feature() {
    let script = [(0x1a, Is(check(&sense(6, 0x29, 0)))), (0x1a, Is(check(&deferred(3, 0x0c, 0))))];
    let mut stage = Stage::new(script);
    assert!(matches!(stage.drive.medium(), Err(Error::Reset { .. })));
    assert!(matches!(stage.drive.medium(), Err(Error::Deferred { .. })));
}

#[test]
fn faults_leave_a_trace() {
    let mut stage = Stage::new([(WRITE, Is(check(&sense(3, 0x0c, 0))))]);
    stage.drive.write_block(&[1; 32]).unwrap_err();
    let last = stage.drive.last_commands().last().unwrap().to_string();
    assert!(last.contains("WRITE") && last.contains("03/0C/00"), "{last}");
}
