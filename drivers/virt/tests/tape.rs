//! Logical objects: writing, reading, moving among them, and what is said at each edge.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use rig::*;

#[test]
fn blocks_and_filemarks_come_back_in_order() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for block in [&b"one"[..], b"two two", b"three"] {
        assert_eq!(drive.write(block), good(0));
    }
    assert_eq!(drive.marks(1, false), good(0));
    assert_eq!(drive.write(b"four"), good(0));
    assert_eq!(drive.block(), 5);
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(3, false), (good(0), b"one".to_vec()));
    assert_eq!(drive.read(7, false), (good(0), b"two two".to_vec()));
    assert_eq!(drive.read(100, true), (good(95), b"three".to_vec()));
    let (outcome, bytes) = drive.read(100, true);
    assert_eq!((code(&outcome), bytes), ((0, 0, 1), vec![]));
    assert!(sense(&outcome).filemark);
    assert_eq!(sense(&outcome).information, Some(100));
    assert_eq!(
        drive.standing(),
        Standing { block: 4, file: 1, buffered_objects: 0, buffered_bytes: 0 }
    );
    assert_eq!(drive.read(4, false).1, b"four");
    let (outcome, _) = drive.read(4, false);
    assert_eq!(code(&outcome), (8, 0, 5));
    assert_eq!(drive.block(), 5);
}

/// Blocks A B | C D | E, then at the beginning.
fn five_objects() -> (Rig, Host) {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for block in [&b"A"[..], b"BB"] {
        assert_eq!(drive.write(block), good(0));
    }
    assert_eq!(drive.marks(1, true), good(0));
    for block in [&b"CCC"[..], b"DDDD"] {
        assert_eq!(drive.write(block), good(0));
    }
    assert_eq!(drive.marks(1, false), good(0));
    assert_eq!(drive.write(b"EEEEE"), good(0));
    assert_eq!(drive.rewind(), good(0));
    (rig, drive)
}

#[test]
fn a_longer_or_shorter_block_is_told_with_signed_information() {
    let (_rig, mut drive) = five_objects();
    assert_eq!(drive.locate(3), good(0));
    let (outcome, bytes) = drive.read(10, false);
    assert_eq!((code(&outcome), bytes), ((0, 0, 0), b"CCC".to_vec()));
    assert_eq!((sense(&outcome).ili, sense(&outcome).information), (true, Some(7)));
    assert_eq!(drive.block(), 4);
    let (outcome, bytes) = drive.read(1, false);
    assert_eq!(bytes, b"D");
    assert_eq!((sense(&outcome).ili, sense(&outcome).information), (true, Some(-3)));
    assert_eq!(drive.block(), 5);
    // SILI with a variable block descriptor says nothing of either.
    assert_eq!(drive.locate(4), good(0));
    assert_eq!(drive.read(1, true), (good(0), b"D".to_vec()));
}

#[test]
fn space_stops_at_filemarks_and_at_both_ends_with_the_residue() {
    let (_rig, mut drive) = five_objects();
    let mut expect = |kind, count, told: Option<((u8, u8, u8), i64)>, block| {
        let outcome = drive.space(kind, count);
        match told {
            None => assert_eq!(outcome, good(0)),
            Some((expected, left)) => {
                assert_eq!(code(&outcome), expected);
                assert_eq!(sense(&outcome).information, Some(left));
                assert_eq!(sense(&outcome).filemark, expected == (0, 0, 1));
                assert_eq!(sense(&outcome).eom, expected == (0, 0, 4));
            }
        }
        assert_eq!(drive.block(), block);
    };
    expect(0, 2, None, 2);
    expect(0, 3, Some(((0, 0, 1), 3)), 3);
    expect(0, 2, None, 5);
    expect(0, -3, Some(((0, 0, 1), 1)), 2);
    expect(0, -5, Some(((0, 0, 4), 3)), 0);
    expect(1, 2, None, 6);
    expect(1, 1, Some(((8, 0, 5), 1)), 7);
    expect(1, -1, None, 5);
    expect(1, -3, Some(((0, 0, 4), 2)), 0);
    expect(0, 0, None, 0);
    expect(3, 0, None, 7);
    expect(0, 4, Some(((8, 0, 5), 4)), 7);
}

#[test]
fn space_of_16_bytes_takes_counts_that_24_bits_cannot_hold() {
    let (_rig, mut drive) = five_objects();
    let outcome = drive.space16(1, 1 << 40);
    assert_eq!(code(&outcome), (8, 0, 5));
    assert_eq!(sense(&outcome).information, None, "four bytes cannot hold it: VALID is clear");
    let outcome = drive.space16(0, -(1 << 31));
    assert_eq!((code(&outcome), drive.block()), ((0, 0, 1), 5));
    assert_eq!(sense(&outcome).information.map(|i| i as u32), Some((1 << 31) - 1));
    assert_eq!(code(&drive.space16(2, 1)), (5, 0x24, 0));
}

#[test]
fn locate_finds_objects_files_and_the_end() {
    let (_rig, mut drive) = five_objects();
    assert_eq!(drive.locate(6), good(0));
    assert_eq!(drive.read(5, false).1, b"EEEEE");
    assert_eq!(drive.locate_kind(1, 1), good(0));
    assert_eq!((drive.standing().block, drive.standing().file), (3, 1));
    assert_eq!(drive.locate_kind(3, 0), good(0));
    assert_eq!((drive.standing().block, drive.standing().file), (7, 2));
    assert_eq!(code(&drive.locate(8)), (8, 0, 5));
    assert_eq!(drive.block(), 7);
    assert_eq!(code(&drive.locate_kind(1, 3)), (8, 0, 5));
    assert_eq!(drive.none(&[0x2b, 0, 0, 0, 0, 0, 4, 0, 0, 0]), good(0));
    assert_eq!(drive.block(), 4);
    let outcome = drive.none(&[0x2b, 2, 0, 0, 0, 0, 4, 0, 1, 0]);
    assert_eq!((code(&outcome), sense(&outcome).key_specific), ((5, 0x24, 0), Some([0xc0, 0, 8])));
}

#[test]
fn writing_in_the_middle_ends_the_tape_there() {
    let (_rig, mut drive) = five_objects();
    assert_eq!(drive.locate(1), good(0));
    assert_eq!(drive.write(b"new"), good(0));
    assert_eq!(code(&drive.read(9, true).0), (8, 0, 5));
    assert_eq!(drive.space(3, 0), good(0));
    assert_eq!((drive.standing().block, drive.standing().file), (2, 0));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(9, true).1, b"A");
    assert_eq!(drive.read(9, true).1, b"new");
}

#[test]
fn erase_and_format_leave_nothing_behind() {
    let (_rig, mut drive) = five_objects();
    assert_eq!(drive.locate(3), good(0));
    assert_eq!(code(&drive.none(&[0x04, 0, 0, 0, 0, 0])), (5, 0x3b, 0x0c));
    assert_eq!(drive.none(&[0x19, 0, 0, 0, 0, 0]), good(0));
    assert_eq!((drive.space(3, 0), drive.block()), (good(0), 3));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.none(&[0x04, 0, 0, 0, 0, 0]), good(0));
    assert_eq!(code(&drive.read(1, true).0), (8, 0, 5));
    assert_eq!(code(&drive.none(&[0x04, 0, 1, 0, 0, 0])), (5, 0x24, 0));
}

#[test]
fn fixed_blocks_move_many_at_once() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let bytes: Vec<u8> = (0..40).collect();
    let fixed = [0x0a, 1, 0, 0, 4, 0];
    assert_eq!(code(&drive.execute(&fixed, scsi::transport::Data::Out(&bytes))), (5, 0x24, 0));
    let select = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 10];
    let cdb = [0x15, 0x10, 0, 0, 12, 0];
    assert_eq!(drive.execute(&cdb, scsi::transport::Data::Out(&select)), good(0));
    assert_eq!(drive.execute(&fixed, scsi::transport::Data::Out(&bytes)), good(0));
    assert_eq!(drive.block(), 4);
    assert_eq!(drive.write(b"odd"), good(0));
    assert_eq!(drive.rewind(), good(0));
    let mut room = [0; 60];
    let outcome = drive.execute(&[0x08, 1, 0, 0, 6, 0], scsi::transport::Data::In(&mut room));
    assert!(sense(&outcome).ili);
    assert_eq!(sense(&outcome).information, Some(2), "the odd block is not among the whole ones");
    assert_eq!(room[..43], [&bytes[..], b"odd"].concat());
    let outcome = drive.execute(&[0x08, 3, 0, 0, 1, 0], scsi::transport::Data::In(&mut room));
    assert_eq!((code(&outcome), sense(&outcome).key_specific), ((5, 0x24, 0), Some([0xc9, 0, 1])));
}

#[test]
fn verify_reads_without_data() {
    let (_rig, mut drive) = five_objects();
    assert_eq!(drive.none(&[0x13, 0, 0, 0, 1, 0]), good(0));
    let outcome = drive.none(&[0x13, 0, 0, 0, 9, 0]);
    assert_eq!((sense(&outcome).ili, sense(&outcome).information), (true, Some(7)));
    assert_eq!(code(&drive.none(&[0x13, 0, 0, 0, 9, 0])), (0, 0, 1));
    assert_eq!(drive.block(), 3);
}

#[test]
fn nothing_to_read_is_said_as_the_option_wants() {
    let rig = Rig::with(
        virt::Options { blank_is_plain: true, ..quick() },
        virt::EarlyWarningStyle::EomBit,
    );
    assert_eq!(code(&rig.loaded(0).read(1, true).0), (8, 0, 0));
}

#[test]
fn read_block_limits_and_longest_block() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let limits = drive.reply(&[0x05, 0, 0, 0, 0, 0], 6);
    let longest = be(&limits[1..4]) as usize;
    assert_eq!(be(&limits[4..6]), 1);
    let block = vec![7; longest];
    assert_eq!(drive.write(&block), good(0));
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(longest, false), (good(0), block));
    assert_eq!(code(&drive.write(&vec![7; longest + 1])), (5, 0x24, 0));
    assert_eq!(drive.write(b""), good(0));
    assert_eq!(drive.block(), 1, "a WRITE of length 0 writes nothing");
}
