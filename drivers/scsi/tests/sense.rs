//! Sense data that tape drives and changers sent.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::load;
use scsi::sense::FieldPointer;
use scsi::sense_text::sense_text;
use scsi::{Sense, SenseKey};

fn sense(name: &str) -> Sense {
    Sense::decode(&load(name)).unwrap()
}

/// name, deferred, numbers, INFORMATION, truncated.
#[test]
fn numbers_information_and_age_of_every_fixed_capture() {
    let table = [
        ("sense-hp-t4000s-hardware-info", false, "04/40/81", Some(4), false),
        ("sense-hp-t4000s-unit-attention", false, "06/28/00", None, false),
        ("sense-hp-t4000s-hardware", false, "04/40/B6", None, false),
        ("sense-conner-blank-check-info", false, "08/14/03", Some(36), true),
        ("sense-conner-filemark-info", false, "00/00/01", Some(64), true),
        ("sense-conner-invalid-opcode", false, "05/20/00", None, true),
        ("sense-conner-deferred-info", true, "03/11/03", Some(16363), true),
        ("sense-dlt1-deferred-info", true, "03/80/01", Some(8192), false),
        ("sense-dlt1-write-error-info", false, "03/0C/00", Some(1), false),
        ("sense-seagate-dat-power-on", false, "06/29/00", None, false),
        ("sense-onstream-usb-8-bytes", false, "02/--/--", None, false),
        ("sense-streamer-ili-info", false, "00/00/00", Some(28), false),
        ("sense-ibm-lto-invalid-field-cdb-32-of-96", false, "05/24/00", None, true),
        ("sense-lto-invalid-field-parameter", false, "05/26/00", None, false),
        ("sense-ibm-td4-deferred-load-failed", true, "04/53/00", None, false),
        ("sense-ibm-3573tl-changer-hardware", false, "04/81/8F", None, false),
        ("sense-ibm-t400-cartridge-fault", false, "03/52/00", None, false),
    ];
    for (name, deferred, numbers, information, truncated) in table {
        let sense = sense(name);
        assert_eq!(sense.to_string(), numbers, "{name}");
        assert_eq!(sense.deferred, deferred, "{name}");
        assert_eq!(sense.information, information, "{name}");
        assert_eq!(sense.truncated(), truncated, "{name}");
        assert_eq!(sense.raw, load(name), "{name}");
    }
}

#[test]
fn tape_flags_are_told_apart() {
    let flags = |name| {
        let sense = sense(name);
        (sense.filemark, sense.eom, sense.ili)
    };
    assert_eq!(flags("sense-conner-filemark-info"), (true, false, false));
    assert_eq!(flags("sense-conner-blank-check-info"), (false, false, false));
    assert_eq!(flags("sense-streamer-ili-info"), (false, false, true));
}

#[test]
fn a_code_that_was_not_sent_is_absent() {
    let onstream = sense("sense-onstream-usb-8-bytes");
    assert_eq!((onstream.key, onstream.code), (SenseKey::NotReady, None));
    assert_eq!(sense_text(&onstream), "not ready");
}

#[test]
fn command_specific_information_and_unit_codes() {
    assert_eq!(sense("sense-dlt1-deferred-info").command_specific, Some(0xe6c2));
    assert_eq!(sense("sense-dlt1-write-error-info").command_specific, Some(0xe6c2));
    assert_eq!(sense("sense-ibm-td4-deferred-load-failed").fru, Some(0x86));
    assert_eq!(sense("sense-ibm-t400-cartridge-fault").fru, Some(0x07));
    assert_eq!(sense("sense-ibm-lto-invalid-field-cdb-32-of-96").fru, Some(0x30));
}

#[test]
fn field_pointers_only_where_the_device_vouches_for_them() {
    let pointer = |name| sense(name).field_pointer();
    assert_eq!(
        pointer("sense-ibm-lto-invalid-field-cdb-32-of-96"),
        Some(FieldPointer { in_cdb: true, byte: 8, bit: Some(7) })
    );
    assert_eq!(
        pointer("sense-lto-invalid-field-parameter"),
        Some(FieldPointer { in_cdb: false, byte: 8, bit: Some(7) })
    );
    // SKSV clear: the bytes are the vendor's.
    assert_eq!(sense("sense-seagate-dat-power-on").key_specific, None);
    assert_eq!(sense("sense-ibm-td4-deferred-load-failed").key_specific, None);
    assert_eq!(sense("sense-ibm-3573tl-changer-hardware").key_specific, None);
}

#[test]
fn descriptor_format() {
    let disk = sense("sense-descriptor-sas-disk-fru");
    assert_eq!(disk.to_string(), "05/26/99");
    assert_eq!((disk.fru, disk.information, disk.deferred), (Some(5), None, false));

    let all = sense("sense-descriptor-handmade-all");
    assert_eq!(all.to_string(), "01/03/02");
    assert_eq!(all.information, Some(0x1122_3344_5566_77bb));
    assert_eq!(all.command_specific, Some(0x3344_5566_77bb_ccff));
    assert_eq!(all.retries(), Some(257));
    assert_eq!(all.fru, Some(0x45));
    assert_eq!(all.progress(), None);
    assert!(!all.truncated());
}

#[test]
fn progress_of_a_long_operation() {
    let mut raw = [0; 18];
    raw[0] = 0x70;
    raw[2] = 2;
    raw[7] = 10;
    raw[12..18].copy_from_slice(&[0x04, 0x04, 0, 0x80, 0x40, 0x00]);
    assert_eq!(Sense::decode(&raw).unwrap().progress(), Some(0x4000));
}

#[test]
fn what_is_not_sense_data_is_not_decoded() {
    assert_eq!(Sense::decode(&[]), None);
    assert_eq!(Sense::decode(&[0; 18]), None);
    assert_eq!(Sense::decode(&[0x7f; 18]), None);
}
