//! Command descriptor blocks, byte by byte.
#![allow(clippy::unwrap_used, reason = "a test may")]

use scsi::cdb::*;
use scsi::element::ElementKind;
use scsi::{BlockAddress, ElementAddress, Partition, U24};

fn bytes(text: &str) -> Vec<u8> {
    text.split(' ').map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn check(cases: &[(&[u8], &str)]) {
    for (cdb, expected) in cases {
        assert_eq!(format!("{cdb:02x?}"), format!("{:02x?}", bytes(expected)));
    }
}

#[test]
fn commands_of_both_device_classes() {
    let now = PageControl::Current;
    check(&[
        (&test_unit_ready(), "00 00 00 00 00 00"),
        (&request_sense(252), "03 00 00 00 fc 00"),
        (&inquiry(96), "12 00 00 00 60 00"),
        (&inquiry_vpd(0x83, 0x0104), "12 01 83 01 04 00"),
        (&mode_sense_6(now, 0x1d, 0, 255), "1a 00 1d 00 ff 00"),
        (&mode_sense_10(PageControl::Changeable, 0x10, 1, 512), "5a 00 50 01 00 00 00 02 00 00"),
        (&mode_sense_10(PageControl::Saved, 0x3f, 0xff, 512), "5a 00 ff ff 00 00 00 02 00 00"),
        (&mode_select_6(false, 12), "15 10 00 00 0c 00"),
        (&mode_select_10(true, 0x0130), "55 11 00 00 00 00 00 01 30 00"),
        (&log_sense(0x17, 1, 0x0203, 0x4000), "4d 00 57 01 00 02 03 40 00 00"),
        (&prevent_allow_medium_removal(true), "1e 00 00 00 01 00"),
        (
            &read_attribute(AttributeAction::List, Partition(1), 0x0801, 0x1_0000),
            "8c 01 00 00 00 00 00 01 08 01 00 01 00 00 00 00",
        ),
        (&write_attribute(Partition(2), 0x0123), "8d 01 00 00 00 00 00 02 00 00 00 00 01 23 00 00"),
        (
            &report_supported_operation_codes(OpcodeQuery::All, true, 0x2000),
            "a3 0c 80 00 00 00 00 00 20 00 00 00",
        ),
        (
            &report_supported_operation_codes(OpcodeQuery::One(0x0a), false, 64),
            "a3 0c 01 0a 00 00 00 00 00 40 00 00",
        ),
        (
            &report_supported_operation_codes(OpcodeQuery::Action(0xa3, 0x0c), true, 64),
            "a3 0c 82 a3 00 0c 00 00 00 40 00 00",
        ),
    ]);
}

#[test]
fn commands_that_move_blocks() {
    let block = Transfer::Variable(U24::new(0x10_0000).unwrap());
    let blocks = Transfer::Fixed(U24::from(64));
    check(&[
        (&read_6(block, true), "08 02 10 00 00 00"),
        (&read_6(blocks, false), "08 01 00 00 40 00"),
        (&write_6(block), "0a 00 10 00 00 00"),
        (&write_6(blocks), "0a 01 00 00 40 00"),
        (&verify_6(blocks, true), "13 05 00 00 40 00"),
        (&verify_6_to_filemark(U24::from(1), false), "13 08 00 00 01 00"),
        (&verify_6_to_filemark(U24::from(0), true), "13 24 00 00 00 00"),
        (&write_filemarks_6(U24::from(0), false), "10 00 00 00 00 00"),
        (&write_filemarks_6(U24::from(2), true), "10 01 00 00 02 00"),
        (&read_block_limits(), "05 00 00 00 00 00"),
    ]);
}

#[test]
fn commands_that_move_the_tape() {
    let far = BlockAddress(0x0001_0203_0405_0607);
    check(&[
        (&rewind(true), "01 01 00 00 00 00"),
        (&space_6(SpaceCode::Filemarks, -1).unwrap(), "11 01 ff ff ff 00"),
        (&space_6(SpaceCode::EndOfData, 0).unwrap(), "11 03 00 00 00 00"),
        (&space_16(SpaceCode::Blocks, -2), "91 00 00 00 ff ff ff ff ff ff ff fe 00 00 00 00"),
        (&locate_10(0x0102_0304, Some(Partition(1)), false), "2b 02 00 01 02 03 04 00 01 00"),
        (
            &locate_16(LocateTo::Object(far), None, false),
            "92 00 00 00 00 01 02 03 04 05 06 07 00 00 00 00",
        ),
        (
            &locate_16(LocateTo::File(9), Some(Partition(1)), true),
            "92 0b 00 01 00 00 00 00 00 00 00 09 00 00 00 00",
        ),
        (
            &locate_16(LocateTo::EndOfData, None, false),
            "92 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
        ),
        (&read_position(PositionForm::Short), "34 00 00 00 00 00 00 00 00 00"),
        (&read_position(PositionForm::Long), "34 06 00 00 00 00 00 00 00 00"),
        (&read_position(PositionForm::Extended), "34 08 00 00 00 00 00 00 20 00"),
        (&load(false), "1b 00 00 00 01 00"),
        (&load_hold(true), "1b 01 00 00 09 00"),
        (&unload(true), "1b 01 00 00 00 00"),
    ]);
    assert_eq!(space_6(SpaceCode::Blocks, 0x80_0000), None);
    assert_eq!(space_6(SpaceCode::Blocks, -0x80_0001), None);
}

#[test]
fn commands_that_change_the_medium() {
    check(&[
        (&erase_6(true, true), "19 03 00 00 00 00"),
        (&erase_6(false, false), "19 00 00 00 00 00"),
        (&format_medium(Format::DefaultThenPartition, false, true), "04 01 02 00 00 00"),
        (&set_capacity(0x8000, false), "0b 00 00 80 00 00"),
        (&report_density_support(true, true, 0x0400), "44 03 00 00 00 00 00 04 00 00"),
        (
            &allow_overwrite(Overwrite::At(Partition(1), BlockAddress(5))),
            "82 00 01 01 00 00 00 00 00 00 00 05 00 00 00 00",
        ),
        (&allow_overwrite(Overwrite::Format), "82 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00"),
    ]);
}

#[test]
fn commands_of_a_changer() {
    let at = ElementAddress;
    let query = ElementQuery {
        kind: Some(ElementKind::DataTransfer),
        first: at(500),
        count: 1000,
        volume_tags: true,
        device_ids: true,
        current_data: true,
    };
    let all = ElementQuery {
        kind: None,
        first: at(0),
        count: 0xffff,
        volume_tags: false,
        device_ids: false,
        current_data: false,
    };
    let length = U24::new(0x01_0203).unwrap();
    check(&[
        (&initialize_element_status(), "07 00 00 00 00 00"),
        (&initialize_element_status_with_range(at(1000), 40), "37 01 03 e8 00 00 00 28 00 00"),
        (&read_element_status(query, length), "b8 14 01 f4 03 e8 03 01 02 03 00 00"),
        (&read_element_status(all, length), "b8 00 00 00 ff ff 00 01 02 03 00 00"),
        (&move_medium(at(1), at(1000), at(500)), "a5 00 00 01 03 e8 01 f4 00 00 00 00"),
        (
            &exchange_medium(at(1), at(1000), at(500), at(1001)),
            "a6 00 00 01 03 e8 01 f4 03 e9 00 00",
        ),
        (&position_to_element(at(1), at(500)), "2b 00 00 01 01 f4 00 00 00 00"),
        (&open_import_export(at(10)), "1b 00 00 0a 00 00"),
        (&close_import_export(at(10)), "1b 00 00 0a 01 00"),
    ]);
}
