//! A drive without READ POSITION and LOCATE must do for a backup: every address is reachable, the
//! count is right, and the position says that it was counted.

#![allow(clippy::unwrap_used, reason = "test code, though not in a test function")]

mod common;

use common::StillClock;
use common::poor::{Manners, Object, Poor};
use ssc::{BlockAddress, Confirmed, Drive, Error, Immediate, ReadOut, Spaced, Support, Written};

const BOTH: [Manners; 2] = [Manners::Standard, Manners::Clumsy];

fn block(n: u8) -> Object {
    Object::Block(vec![n; 100 + usize::from(n)])
}

/// b0 b1 | b3 | | b6 b7, where | is a filemark.
fn medium() -> Vec<Object> {
    use Object::Mark;
    vec![block(0), block(1), Mark, block(3), Mark, Mark, block(6), block(7)]
}

fn drive(manners: Manners, objects: Vec<Object>) -> Drive {
    let poor = Poor::new(manners, objects);
    Drive::attach_with(Box::new(poor), Box::new(StillClock::default())).unwrap()
}

fn read(drive: &mut Drive) -> ReadOut {
    drive.read_block(&mut [0; 4096]).unwrap()
}

#[test]
fn every_address_is_reached_from_every_other() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        for from in 0..=8 {
            for to in 0..=8 {
                drive.locate(BlockAddress(from)).unwrap();
                drive.locate(BlockAddress(to)).unwrap();
                let position = drive.position().unwrap();
                assert_eq!(position.block, BlockAddress(to), "{manners:?} {from}->{to}");
                assert_eq!(position.confirmed, Confirmed::Counted);
                let expected = match medium().get(to as usize) {
                    None => ReadOut::EndOfData,
                    Some(Object::Mark) => ReadOut::Filemark,
                    Some(Object::Block(bytes)) => ReadOut::Block(bytes.len()),
                };
                assert_eq!(read(&mut drive), expected, "{manners:?} {from}->{to}");
            }
        }
    }
}

#[test]
fn an_address_beyond_the_end_is_an_error_and_loses_the_count() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        let error = drive.locate(BlockAddress(9)).unwrap_err();
        assert!(matches!(error, Error::Medium { .. }), "{manners:?} {error:?}");
        assert!(error.to_string().ends_with("(08/00/05)"), "{error}");
    }
}

#[test]
fn before_the_first_rewind_the_position_is_not_made_up() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        assert!(matches!(drive.position(), Err(Error::Unsupported { .. })));
        drive.rewind().unwrap();
        assert_eq!(drive.position().unwrap().block, BlockAddress(0));
        assert_eq!(drive.capabilities().position_long, Support::No);
    }
}

#[test]
fn reading_through_counts_blocks_and_filemarks() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        drive.rewind().unwrap();
        let found: Vec<_> = (0..9).map(|_| read(&mut drive)).collect();
        use ReadOut::{Block, EndOfData, Filemark};
        assert_eq!(
            found,
            [
                Block(100),
                Block(101),
                Filemark,
                Block(103),
                Filemark,
                Filemark,
                Block(106),
                Block(107),
                EndOfData
            ]
        );
        let position = drive.position().unwrap();
        assert_eq!((position.block, position.filemarks), (BlockAddress(8), Some(3)));
    }
}

#[test]
fn a_block_longer_than_the_buffer_is_never_taken_for_whole() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        drive.rewind().unwrap();
        let out = drive.read_block(&mut [0; 60]).unwrap();
        let actual = if manners == Manners::Standard { 100 } else { ssc::BLOCK_BYTES_MAX };
        assert_eq!(out, ReadOut::TooLong { actual });
        assert_eq!(drive.position().unwrap().block, BlockAddress(1));
    }
}

#[test]
fn appending_after_the_end_of_data_keeps_the_count() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        drive.space_to_end_of_data().unwrap();
        assert_eq!(drive.position().unwrap().block, BlockAddress(8));
        assert_eq!(drive.write_block(&[9; 9]).unwrap(), Written::Fine);
        assert_eq!(drive.write_filemarks(2, Immediate::No).unwrap(), Written::Fine);
        let position = drive.position().unwrap();
        assert_eq!((position.block, position.filemarks), (BlockAddress(11), Some(5)));
        drive.locate(BlockAddress(8)).unwrap();
        assert_eq!(read(&mut drive), ReadOut::Block(9));
    }
}

#[test]
fn spacing_says_how_far_it_came() {
    for manners in BOTH {
        let mut drive = drive(manners, medium());
        drive.rewind().unwrap();
        assert_eq!(drive.space_blocks(5).unwrap(), Spaced::Filemark { done: 2 });
        assert_eq!(drive.position().unwrap().block, BlockAddress(3));
        assert_eq!(drive.space_filemarks(2).unwrap(), Spaced::All);
        assert_eq!(drive.position().unwrap().block, BlockAddress(6));
        assert_eq!(drive.space_filemarks(1).unwrap(), Spaced::EndOfData { done: 0 });
        assert_eq!(drive.space_blocks(-2).unwrap(), Spaced::All);
        assert_eq!(drive.position().unwrap().block, BlockAddress(6));
        assert_eq!(drive.space_blocks(9).unwrap(), Spaced::EndOfData { done: 2 });
        assert!(matches!(drive.space_filemarks(-1), Err(Error::Unsupported { .. })));
    }
}

#[test]
fn spacing_back_stops_at_the_beginning() {
    for manners in BOTH {
        let mut drive = drive(manners, vec![block(0), block(1), block(2)]);
        drive.locate(BlockAddress(2)).unwrap();
        assert_eq!(drive.space_blocks(-5).unwrap(), Spaced::Beginning { done: 2 });
        assert!(drive.position().unwrap().at_beginning);
    }
}

#[test]
fn an_empty_medium_has_nothing_at_its_beginning() {
    for manners in BOTH {
        let mut drive = drive(manners, Vec::new());
        drive.space_to_end_of_data().unwrap();
        assert_eq!(drive.position().unwrap().block, BlockAddress(0));
        assert_eq!(read(&mut drive), ReadOut::EndOfData);
        assert!(drive.locate(BlockAddress(1)).is_err());
        drive.configure().unwrap();
        assert_eq!(drive.capabilities().mode_select, Support::No);
        assert!(drive.alerts().unwrap().is_empty());
        assert_eq!(drive.medium().unwrap(), ssc::MediumInfo::default());
    }
}
