//! Who devices said they are, and what they said they can do.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::load;
use scsi::inquiry::{DeviceType, Inquiry};
use scsi::opcodes::{OneCommand, Support, SupportedCommands};
use scsi::vpd::{self, Association, DeviceIdentification, Name};
use scsi::{ElementAddress, Error};

fn inquiry(name: &str) -> Inquiry {
    Inquiry::decode(&load(name)).unwrap()
}

#[test]
fn names_versions_and_lengths_of_every_inquiry() {
    let table = [
        ("inquiry-hp-ultrium1-e12d", "HP Ultrium 1-SCSI E12D", 3, 50, false),
        ("inquiry-ibm-ult3580-td1-18n2", "IBM ULT3580-TD1 18N2", 3, 38, false),
        ("inquiry-ibm-ultrium-td2-4770", "IBM ULTRIUM-TD2 4770", 3, 58, false),
        ("inquiry-ibm-ultrium-td3-5cm0", "IBM ULTRIUM-TD3 5CM0", 3, 58, false),
        ("inquiry-ibm-ult3580-hh8-ma71", "IBM ULT3580-HH8 MA71", 6, 70, false),
        ("inquiry-ibm-ultrium-hh9-pa63-64-of-70", "IBM ULTRIUM-HH9 PA63", 6, 70, true),
    ];
    for (name, text, version, announced, truncated) in table {
        let inquiry = inquiry(name);
        assert_eq!(inquiry.to_string(), text);
        assert_eq!(inquiry.device_type, DeviceType::Tape, "{name}");
        assert!(inquiry.removable && inquiry.has_identity(), "{name}");
        assert_eq!(inquiry.format, 2, "{name}");
        assert_eq!((inquiry.version, inquiry.announced), (version, announced), "{name}");
        assert_eq!(inquiry.truncated, truncated, "{name}");
    }
}

#[test]
fn flags_of_a_parallel_and_a_serial_drive() {
    let old = inquiry("inquiry-hp-ultrium1-e12d");
    assert!(old.parallel.addr16 && old.parallel.wbus16 && old.parallel.sync);
    assert!(!old.command_queueing);
    assert!(old.version_descriptors.is_empty());
    assert_eq!(inquiry("inquiry-ibm-ultrium-td2-4770").parallel.clocking, 3);

    let new = inquiry("inquiry-ibm-ult3580-hh8-ma71");
    assert!(new.hierarchical && new.protect && new.multi_port && new.command_queueing);
    assert_eq!(new.version_descriptors, [0x00a2, 0x0c28, 0x0460, 0x0520, 0x0a28, 0x0502]);
    assert_eq!(&new.vendor_specific[12..20], b"01PL317 ");
    let cut = inquiry("inquiry-ibm-ultrium-hh9-pa63-64-of-70");
    assert_eq!(cut.version_descriptors, [0x00a2, 0x0c28, 0x0460]);
    assert_eq!(&cut.vendor_specific[12..20], b"02XW616 ");
}

#[test]
fn a_reply_too_short_for_a_name_has_no_name() {
    let bytes = load("inquiry-ibm-ultrium-td3-5cm0");
    let cut = Inquiry::decode(&bytes[..20]).unwrap();
    assert_eq!((cut.vendor.as_str(), cut.product.as_str()), ("IBM", ""));
    assert!(cut.truncated && !cut.has_identity());
    assert!(matches!(Inquiry::decode(&bytes[..4]), Err(Error::TooShort { have: 4, .. })));
}

#[test]
fn nothing_behind_a_unit_is_told_by_the_qualifier() {
    let bytes = [0x7f, 0, 5, 2, 31];
    assert_eq!(Inquiry::decode(&bytes).unwrap().device_type, DeviceType::Absent);
    let bytes = [0x21, 0, 5, 2, 31];
    assert_eq!(Inquiry::decode(&bytes).unwrap().device_type, DeviceType::Absent);
}

#[test]
fn one_designator_of_a_drive() {
    let page = DeviceIdentification::decode(&load("vpd83-ibm-ultrium-td3")).unwrap();
    assert!(!page.truncated);
    assert_eq!(page.designators.len(), 1);
    assert_eq!(page.designators[0].association, Association::LogicalUnit);
    let name = Name::T10 { vendor: "IBM".into(), id: "ULTRIUM-TD3     1210173183".into() };
    assert_eq!(page.designators[0].name, name);
    assert_eq!(page.world_wide_name(), None);
}

#[test]
fn a_page_length_that_cuts_the_last_designator_gives_the_first_three() {
    let page = DeviceIdentification::decode(&load("vpd83-hpe-ultrium9")).unwrap();
    assert!(page.truncated);
    let names: Vec<_> = page.designators.iter().map(|d| &d.name).collect();
    let [Name::T10 { vendor, id }, naa @ Name::Naa(bytes), Name::RelativePort(1)] = names[..]
    else {
        panic!("{names:?}");
    };
    assert_eq!((vendor.as_str(), id.as_str()), ("HPE", "Ultrium 9-SCSI  01FAB12812"));
    assert_eq!(u64::from_be_bytes(bytes[..].try_into().unwrap()), 0x2030_3146_4132_3832);
    assert_eq!(naa.to_string(), "naa.2030314641323832");
}

#[test]
fn small_pages() {
    assert_eq!(vpd::supported_pages(&[1, 0, 0, 3, 0, 0x80, 0x83]).unwrap(), [0, 0x80, 0x83]);
    assert_eq!(vpd::unit_serial_number(b"\x01\x80\0\x0a  HU1234\0\0").unwrap(), "HU1234");
    assert_eq!(vpd::automation_serial_number(&[1, 0xb3, 0, 0]).unwrap(), "");
    let address = |body: &[u8]| {
        let length = u8::try_from(body.len()).unwrap();
        vpd::data_transfer_element_address(&[&[1, 0xb4, 0, length], body].concat())
    };
    assert_eq!(address(&[0x01, 0xf4]), Ok(Some(ElementAddress(500))));
    assert_eq!(address(&[0, 0, 0x01, 0xf4]), Ok(Some(ElementAddress(500))));
    assert_eq!(address(&[]), Ok(None));
    assert!(matches!(address(&[1, 0, 0, 0]), Err(Error::BadField { value: 0x0100_0000, .. })));
    assert!(vpd::TapeCapabilities::decode(&[1, 0xb0, 0, 2, 1, 0]).unwrap().worm);
    assert!(matches!(
        vpd::unit_serial_number(&[1, 0x83, 0, 0]),
        Err(Error::WrongPage { expected: 0x80, found: 0x83, .. })
    ));
    let mut flags = vec![1, 0xb2, 0, 8, 0xe0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(format!("{:?}", vpd::tape_alert_supported(&flags).unwrap()), "{1, 2, 3}");
    flags.pop();
    assert!(vpd::tape_alert_supported(&flags).is_err());
}

#[test]
fn all_operation_codes() {
    let all = SupportedCommands::decode(&load("opcodes-linux-scsi-debug")).unwrap();
    assert!(!all.truncated);
    assert_eq!(all.commands.len(), 52);
    let head: Vec<_> = all.commands[..6].iter().map(|c| (c.opcode, c.cdb_length)).collect();
    assert_eq!(head, [(0x12, 6), (0xa0, 12), (0x03, 6), (0x00, 6), (0x5a, 10), (0x1a, 6)]);
    let tail: Vec<_> = all.commands[49..].iter().map(|c| (c.opcode, c.service_action)).collect();
    assert_eq!(tail, [(0x94, Some(4)), (0x95, Some(0)), (0x95, Some(6))]);
    assert_eq!(all.find(0x95, Some(6)).unwrap().cdb_length, 16);
    assert!(all.commands.iter().all(|c| c.timeouts.is_none()));
}

#[test]
fn timeouts_of_all_and_of_one() {
    let timed = [0, 10, 0, 0, 0, 0, 0, 5, 0, 0, 0x06, 0x54];
    let mut all = vec![0, 0, 0, 28, 0x0a, 0, 0, 0, 0, 2, 0, 6];
    all.extend_from_slice(&timed);
    all.extend_from_slice(&[0x19, 0, 0, 0, 0, 0, 0, 6]);
    let list = SupportedCommands::decode(&all).unwrap();
    assert!(!list.truncated);
    let times = list.find(0x0a, None).unwrap().timeouts.unwrap();
    assert_eq!(times.nominal.unwrap().as_secs(), 5);
    assert_eq!(times.recommended.unwrap().as_secs(), 1620);
    assert_eq!(list.find(0x19, None).unwrap().timeouts, None);

    let mut one = vec![0, 0x83, 0, 6, 0x0a, 1, 0xff, 0xff, 0xff, 0];
    one.extend_from_slice(&timed);
    let write = OneCommand::decode(&one).unwrap();
    assert_eq!((write.support, write.usage.len()), (Support::Standard, 6));
    assert_eq!(write.timeouts, Some(times));
    assert!(OneCommand::decode(&one[..20]).unwrap().truncated);
    assert_eq!(OneCommand::decode(&[0, 1, 0, 0]).unwrap().support, Support::No);
}
