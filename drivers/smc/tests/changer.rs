//! The changer against a script of commands and replies.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::*;
use scsi::vpd::Name;
use scsi::{ElementAddress, Outcome, VolumeTag};
use smc::{
    Changer, ChangerFault, Error, Inventory, LinkFault, MOVE_TIMEOUT, OperatorFault, OurFault,
};

const RANGES: [(u16, u16); 4] = [(1, 1), (1000, 3), (10, 1), (500, 2)];

fn attach(script: &Script) -> Changer {
    attach_with(script, RANGES)
}

fn attach_with(script: &Script, ranges: [(u16, u16); 4]) -> Changer {
    script
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Data(serial(b"R0001")))
        .expect(&ADDRESSES, Reply::Data(addresses(ranges)));
    Changer::attach(script.transport()).unwrap()
}

fn tag(text: &str) -> VolumeTag {
    VolumeTag::new(text.as_bytes()).unwrap()
}

/// DVCID answer of a library that calls every drive empty in it.
fn device_ids() -> Vec<u8> {
    let named = |address: u16, serial: &[u8; 10]| {
        let [a, b] = address.to_be_bytes();
        let mut bytes = vec![a, b, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 34];
        bytes.extend_from_slice(b"IBM     ULTRIUM-TD8     ");
        bytes.extend_from_slice(serial);
        bytes
    };
    status(4, 0, &[named(500, b"1210173183"), named(501, b"1210173184")])
}

fn expect_elements(script: &Script, flags: u8) {
    let slots = [
        element(1000, 0x09, "L00001L8", None),
        element(1001, 0x08, "", None),
        element(1002, 0x09, "CLN001L1", None),
    ];
    let drives = [element(500, 0x01, "L00002L8", Some(1001)), element(501, 0x08, "", None)];
    script
        .expect(
            &query(1, 1, 1, true, flags),
            Reply::Data(status(1, 0x80, &[element(1, 0, "", None)])),
        )
        .expect(&query(2, 1000, 3, true, flags), Reply::Data(status(2, 0x80, &slots)))
        .expect(
            &query(3, 10, 1, true, flags),
            Reply::Data(status(3, 0x80, &[element(10, 0x3a, "", None)])),
        )
        .expect(&query(4, 500, 2, true, flags), Reply::Data(status(4, 0x80, &drives)));
}

#[test]
fn attaching_tells_who_it_is_and_where_its_elements_are() {
    let script = Script::default();
    let changer = attach(&script);
    assert_eq!(changer.identity().inquiry.product, "ROBOT");
    assert_eq!(changer.identity().serial.as_deref(), Some("R0001"));
    assert_eq!(changer.addresses().storage.count, 3);
    assert_eq!(changer.generation(), 0);
    assert_eq!(changer.last_commands().iter().len(), 3);
}

#[test]
fn attaching_passes_over_unit_attentions_but_not_without_end() {
    let script = Script::default();
    script
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Sense(5, 0x24, 0x00))
        .expect(&ADDRESSES, Reply::Sense(6, 0x29, 0x01))
        .expect(&ADDRESSES, Reply::Sense(6, 0x28, 0x00))
        .expect(&ADDRESSES, Reply::Data(addresses(RANGES)));
    let changer = Changer::attach(script.transport()).unwrap();
    assert_eq!(changer.generation(), 2);
    assert_eq!(changer.identity().serial, None);

    let script = Script::default();
    script
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Data(serial(b"R0001")));
    for _ in 0..17 {
        script.expect(&ADDRESSES, Reply::Sense(6, 0x29, 0x00));
    }
    let error = Changer::attach(script.transport()).err().unwrap();
    assert!(matches!(error, Error::Changer(ChangerFault::Reset, _)), "{error}");
    assert_eq!(script.left(), 0);
}

#[test]
fn a_tape_drive_is_not_a_changer() {
    let script = Script::default();
    script.expect(&INQUIRY, Reply::Data(inquiry(1, b"ULTRIUM-HH9     ")));
    let error = Changer::attach(script.transport()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "scripted: cannot identify it: not a media changer; check the device path"
    );
}

#[test]
fn a_short_mode_page_is_an_error() {
    let script = Script::default();
    script
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Data(serial(b"R0001")))
        .expect(&ADDRESSES, Reply::Data(addresses(RANGES)[..12].to_vec()));
    let error = Changer::attach(script.transport()).err().unwrap();
    assert!(matches!(error, Error::Changer(ChangerFault::BadReply(_), _)), "{error}");
}

#[test]
fn mode_sense_10_is_asked_when_the_short_one_is_refused() {
    let script = Script::default();
    let mut ten = vec![0, 26, 0, 0x10, 0, 0, 0, 0];
    ten.extend_from_slice(&addresses(RANGES)[4..]);
    script
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Data(serial(b"R0001")))
        .expect(&ADDRESSES, Reply::Sense(5, 0x20, 0x00))
        .expect(&[0x5a, 0, 0x1d, 0, 0, 0, 0, 0, 255, 0], Reply::Data(ten));
    let changer = Changer::attach(script.transport()).unwrap();
    assert_eq!(changer.addresses().drives.first, ElementAddress(500));
}

#[test]
fn inventory_merges_volume_tags_and_device_identifiers() {
    let script = Script::default();
    let mut changer = attach(&script);
    expect_elements(&script, 2);
    script.expect(&query(4, 500, 2, false, 3), Reply::Data(device_ids()));
    let inventory = changer.inventory().unwrap();
    assert_eq!(script.left(), 0);
    assert_eq!(inventory.missing, 0);

    let drive = inventory.drive_by_serial("1210173183").unwrap();
    assert_eq!(drive.address, ElementAddress(500));
    assert!(drive.full, "the second answer must not empty the drive");
    assert_eq!(drive.volume_tag, Some(tag("L00002L8")));
    assert_eq!(drive.source, Some(ElementAddress(1001)));
    assert_eq!(inventory.drive_by_serial("210173183"), None);
    assert_eq!(inventory.first_free_storage().unwrap().address, ElementAddress(1001));
    let found = inventory.with_volume_tag(&tag("L00001L8"));
    assert_eq!(found.iter().map(|e| e.address.0).collect::<Vec<_>>(), [1000]);
    assert!(!inventory.at(ElementAddress(10)).unwrap().full);
}

#[test]
fn refused_bits_are_left_out_and_not_asked_again() {
    let script = Script::default();
    let mut changer = attach(&script);
    script.expect(&query(1, 1, 1, true, 2), Reply::Sense(5, 0x24, 0x00));
    expect_elements(&script, 0);
    script
        .expect(&query(4, 500, 2, false, 3), Reply::Sense(5, 0x24, 0x00))
        .expect(&query(4, 500, 2, false, 1), Reply::Sense(5, 0x24, 0x00));
    let first = changer.inventory().unwrap();
    assert_eq!(first.drives[0].device, None);
    assert!(first.drives[0].full);
    expect_elements(&script, 0);
    assert_eq!(changer.inventory().unwrap(), first);
    assert_eq!(script.left(), 0);
}

#[test]
fn a_unit_attention_starts_the_inventory_over_and_raises_the_generation() {
    let script = Script::default();
    let mut changer = attach(&script);
    script
        .expect(
            &query(1, 1, 1, true, 2),
            Reply::Data(status(1, 0x80, &[element(1, 0x01, "OLD", None)])),
        )
        .expect(&query(2, 1000, 3, true, 2), Reply::Sense(6, 0x28, 0x01));
    expect_elements(&script, 2);
    script.expect(&query(4, 500, 2, false, 3), Reply::Data(device_ids()));
    let inventory = changer.inventory().unwrap();
    assert_eq!((inventory.generation, changer.generation()), (1, 1));
    assert!(!inventory.transports[0].full);
    assert_eq!(script.left(), 0);
}

#[test]
fn large_libraries_are_read_in_pieces_of_at_most_1000() {
    let script = Script::default();
    let mut changer = attach_with(&script, [(0, 0), (1000, 2500), (0, 0), (0, 0)]);
    let slots = |from: u16, to: u16| {
        let all: Vec<_> = (from..to).map(|a| element(a, 0x08, "", None)).collect();
        Reply::Data(status(2, 0x80, &all))
    };
    // The second answer is shorter than asked for: go on where it ended.
    script
        .expect(&query(2, 1000, 1000, true, 2), slots(1000, 2000))
        .expect(&query(2, 2000, 1000, true, 2), slots(2000, 2400))
        .expect(&query(2, 2400, 1000, true, 2), slots(2400, 3400))
        .expect(&query(2, 3400, 100, true, 2), slots(3400, 3499))
        .expect(&query(2, 3499, 1, true, 2), Reply::Data(status(2, 0x80, &[])));
    let inventory = changer.inventory().unwrap();
    assert_eq!(inventory.storage.len(), 2499);
    assert_eq!(inventory.missing, 1);
    assert!(inventory.storage.windows(2).all(|w| w[0].address < w[1].address));
    assert_eq!(script.left(), 0);
}

#[test]
fn elements_out_of_order_twice_or_out_of_range_make_one_sorted_list() {
    let script = Script::default();
    let mut changer = attach_with(&script, [(0, 0), (1000, 3), (0, 0), (0, 0)]);
    let odd = [1002, 1000, 1002, 7, 1001].map(|a| element(a, 0x09, &format!("T{a}"), None));
    script.expect(&query(2, 1000, 3, true, 2), Reply::Data(status(2, 0x80, &odd)));
    let inventory = changer.inventory().unwrap();
    let addresses: Vec<_> = inventory.elements().map(|e| e.address.0).collect();
    assert_eq!(addresses, [1000, 1001, 1002]);
    assert_eq!(inventory.missing, 0);
}

#[test]
fn unusable_device_identifiers_cost_the_names_not_the_inventory() {
    let whole = device_ids();
    for cut in [4, 10, 40] {
        let script = Script::default();
        let mut changer = attach(&script);
        expect_elements(&script, 2);
        script.expect(&query(4, 500, 2, false, 3), Reply::Data(whole[..cut].to_vec()));
        let inventory = changer.inventory().unwrap();
        assert_eq!(inventory.drives.len(), 2);
        assert!(inventory.drives.iter().all(|d| d.device.is_none()));
        assert_eq!(script.left(), 0);
    }
}

#[test]
fn two_drives_of_one_serial_number_are_neither() {
    let script = Script::default();
    let mut changer = attach(&script);
    expect_elements(&script, 2);
    let mut twins = device_ids();
    let last = twins.len() - 1;
    twins[last] = b'3';
    script.expect(&query(4, 500, 2, false, 3), Reply::Data(twins));
    let inventory = changer.inventory().unwrap();
    assert!(inventory.drives.iter().all(|d| d.is_device("1210173183")));
    assert_eq!(inventory.drive_by_serial("1210173183"), None);
}

#[test]
fn a_cut_status_reply_at_any_byte_is_an_error_or_a_retry_never_a_wrong_list() {
    let whole = status(2, 0x80, &[element(1000, 9, "A", None), element(1001, 9, "B", None)]);
    for cut in 0..whole.len() {
        let script = Script::default();
        let mut changer = attach_with(&script, [(0, 0), (1000, 2), (0, 0), (0, 0)]);
        script.expect(&query(2, 1000, 2, true, 2), Reply::Data(whole[..cut].to_vec()));
        let second = status(2, 0x80, &[element(1001, 9, "B", None)]);
        script.expect(&query(2, 1001, 1, true, 2), Reply::Data(second));
        let whole_elements = cut.saturating_sub(16) / 48;
        match changer.inventory() {
            Ok(inventory) => {
                assert!(whole_elements >= 1, "{cut} bytes");
                assert_eq!(inventory.storage.len(), 2, "{cut} bytes");
                assert_eq!(inventory.with_volume_tag(&tag("B")).len(), 1);
            }
            Err(error) => {
                assert_eq!(whole_elements, 0, "{cut} bytes: {error}");
                assert!(matches!(error, Error::Changer(_, _)), "{error}");
            }
        }
    }
}

#[test]
fn an_emulators_captured_reply_names_its_drives() {
    // 208 of 216 bytes: the identifier of the last drive is cut, so it is asked for again.
    let text =
        include_str!("../../scsi/tests/captures/elements-dvcid-mhvtl-ibm-td8-208-of-216.hex");
    let captured: Vec<u8> =
        text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let script = Script::default();
    let mut changer = attach_with(&script, [(0, 0), (0, 0), (0, 0), (500, 4)]);
    let drives: Vec<_> = (500..504).map(|a| element(a, 0x09, "", None)).collect();
    script
        .expect(&query(4, 500, 4, true, 2), Reply::Data(status(4, 0x80, &drives)))
        .expect(&query(4, 500, 4, false, 3), Reply::Data(captured))
        .expect(&query(4, 503, 1, false, 3), Reply::Data(status(4, 0, &[])));
    let mut inventory = changer.inventory().unwrap();
    let serial = |name: &str| inventory.drive_by_serial(name).map(|d| d.address.0);
    assert_eq!(serial("XYZZY_A1"), Some(500));
    assert_eq!(serial("XYZZY_A3"), Some(502));
    assert_eq!(inventory.drives[3].device, None);
    let bays = |inventory: &Inventory, names: &[&str]| -> Vec<Option<u16>> {
        let serials: Vec<_> = names.iter().map(|name| Some((*name).to_owned())).collect();
        inventory.bays_of(&serials).into_iter().map(|bay| Some(bay?.address.0)).collect()
    };
    // Of four that are known the fourth is in the bay that is left; of fewer nobody knows.
    let all = ["XYZZY_A1", "XYZZY_A2", "XYZZY_A3", "XYZZY_A4"];
    let (each, without_last) =
        ([500, 501, 502, 503].map(Some), [Some(500), Some(501), Some(502), None]);
    assert_eq!(bays(&inventory, &all), each);
    assert_eq!(bays(&inventory, &all[1..]), [Some(501), Some(502), None]);
    assert_eq!(
        bays(&inventory, &["XYZZY_A1", "a", "XYZZY_A3", "b"]),
        [Some(500), None, Some(502), None]
    );
    // As much of its name as came must be right.
    let mut told = |id: &str| {
        let mut device = inventory.drives[0].device.clone().unwrap();
        device.name = Name::T10 { vendor: "IBM".into(), id: id.into() };
        inventory.drives[3].device = Some(device);
        bays(&inventory, &all)
    };
    assert_eq!(told("ULT3580-TD8     XY"), each);
    assert_eq!(told("ULT3580-TD8     XZ"), without_last);
}

#[test]
fn a_move_names_hand_source_and_destination_and_may_take_fifty_minutes() {
    let script = Script::default();
    let mut changer = attach(&script);
    let cdb = [0xa5, 0, 0, 1, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
    script.expect(&cdb, Reply::Data(Vec::new()));
    changer.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    assert_eq!(script.last_timeout(), MOVE_TIMEOUT);
    assert_eq!(MOVE_TIMEOUT.as_secs(), 50 * 60);
    // Recovered errors are success.
    script.expect(&cdb, Reply::Sense(1, 0x15, 0x01));
    changer.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();

    let exchange = [0xa6, 0, 0, 1, 0x03, 0xe8, 0x01, 0xf4, 0x03, 0xe9, 0, 0];
    script.expect(&exchange, Reply::Data(Vec::new()));
    changer.exchange(ElementAddress(1000), ElementAddress(500), ElementAddress(1001)).unwrap();
    assert_eq!(changer.generation(), 0);
}

/// Every trap of moving, told apart, never repeated; whether it voids the inventory; whether the
/// cartridge may have moved.
#[test]
fn moves_that_fail_say_why() {
    use ChangerFault::{Attention, Hardware, Initialising, Jam, NotReady, Reset};
    use OperatorFault::{
        DestinationFull, DoorOpened, Magazine, MailSlotAccessed, NotEjected, Offline,
        RemovalPrevented, SourceEmpty,
    };
    enum Expect {
        C(ChangerFault),
        O(OperatorFault),
        L(LinkFault),
        U(OurFault),
    }
    use Expect::{C, L, O, U};
    let table = [
        ((5, 0x3b, 0x0d), O(DestinationFull), 1, false),
        ((5, 0x3b, 0x0e), O(SourceEmpty), 1, false),
        ((5, 0x21, 0x01), U(OurFault::BadElement), 0, false),
        ((5, 0x53, 0x02), O(RemovalPrevented), 0, false),
        ((4, 0x53, 0x01), O(NotEjected), 0, false),
        ((4, 0x15, 0x01), C(Jam), 1, true),
        ((4, 0x3b, 0x16), C(Jam), 1, true),
        ((4, 0x81, 0x8f), C(Hardware), 1, true),
        ((6, 0x28, 0x01), O(MailSlotAccessed), 1, false),
        ((6, 0x28, 0x00), O(DoorOpened), 1, false),
        ((6, 0x29, 0x02), C(Reset), 1, false),
        ((6, 0x3f, 0x01), C(Attention), 1, false),
        ((2, 0x04, 0x01), C(Initialising), 0, false),
        ((2, 0x04, 0x8e), C(NotReady), 0, false),
        ((2, 0x04, 0x12), O(Offline), 0, false),
        ((2, 0x3b, 0x12), O(Magazine), 0, false),
        ((5, 0x3b, 0x11), O(Magazine), 0, false),
        ((5, 0x24, 0x00), U(OurFault::Refused), 0, false),
        ((0xb, 0x47, 0x00), L(LinkFault::Transport), 1, true),
    ];
    for ((key, asc, ascq), expected, raised, unknown) in table {
        let script = Script::default();
        let mut changer = attach(&script);
        let cdb = [0xa5, 0, 0, 1, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
        script.expect(&cdb, Reply::Sense(key, asc, ascq));
        let error = changer.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap_err();
        let right = match (&error, expected) {
            (Error::Changer(found, _), C(fault)) => *found == fault,
            (Error::Operator(found, _), O(fault)) => *found == fault,
            (Error::Link(found, _), L(fault)) => *found == fault,
            (Error::Ours(found, _), U(fault)) => *found == fault,
            _ => false,
        };
        assert!(right, "{key:x}/{asc:x}/{ascq:x}: {error:?}");
        assert_eq!(changer.generation(), raised, "{error}");
        assert_eq!(error.effect_unknown(), unknown, "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("({key:02X}/{asc:02X}/{ascq:02X} ")), "{text}");
        assert!(!text.contains('\n'));
        assert_eq!(script.left(), 0);
    }
}

#[test]
fn an_error_is_one_line_with_advice() {
    let script = Script::default();
    let mut changer = attach(&script);
    let cdb = [0xa5, 0, 0, 1, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
    script.expect(&cdb, Reply::Sense(5, 0x3b, 0x0d));
    let error = changer.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "scripted: cannot move 1000 to 500: destination is full \
         (05/3B/0D medium destination element full); take the inventory anew"
    );
    let last = changer.last_commands().last().unwrap();
    assert_eq!(last.cdb, cdb);
    assert_eq!(last.sequence, 4);
}

#[test]
fn link_failures_of_a_move_void_the_inventory_unless_nothing_was_taken() {
    let outcomes = [
        (Outcome::Timeout, LinkFault::Timeout, 1),
        (Outcome::Gone, LinkFault::Gone, 1),
        (Outcome::TaskAborted, LinkFault::TaskAborted, 1),
        (Outcome::Transport { host: 3, driver: 0 }, LinkFault::Transport, 1),
        (Outcome::Busy, LinkFault::Busy, 0),
    ];
    for (outcome, fault, raised) in outcomes {
        let script = Script::default();
        let mut changer = attach(&script);
        let cdb = [0xa5, 0, 0, 1, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
        script.expect(&cdb, Reply::Outcome(outcome));
        let error = changer.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap_err();
        assert!(matches!(error, Error::Link(found, _) if found == fault), "{error}");
        assert_eq!(changer.generation(), raised, "{error}");
    }
}

#[test]
fn check_condition_without_a_reason_is_never_taken_for_a_finished_move() {
    let bare = scsi::Sense::decode(&[0x70, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut deferred = vec![0x71, 0, 1, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x15, 0x01];
    deferred.resize(18, 0);
    let deferred = scsi::Sense::decode(&deferred).unwrap();
    for (sense, fault) in [(bare, ChangerFault::Unexplained), (deferred, ChangerFault::Deferred)] {
        let script = Script::default();
        let mut changer = attach(&script);
        let cdb = [0xa5, 0, 0, 1, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
        script.expect(&cdb, Reply::Outcome(Outcome::Check { sense, residual: 0 }));
        let error = changer.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap_err();
        assert!(matches!(&error, Error::Changer(found, _) if *found == fault), "{error}");
    }
}

#[test]
fn taking_stock_raises_the_generation() {
    let script = Script::default();
    let mut changer = attach(&script);
    script
        .expect(&[7, 0, 0, 0, 0, 0], Reply::Sense(6, 0x28, 0x00))
        .expect(&[7, 0, 0, 0, 0, 0], Reply::Data(Vec::new()));
    changer.initialize().unwrap();
    assert_eq!(changer.generation(), 2);
    assert_eq!(script.left(), 0);
}

#[test]
fn another_changer_at_the_same_path_is_refused() {
    let script = Script::default();
    let mut changer = attach(&script);
    script
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Data(serial(b"R0002")));
    let error = changer.reattach().unwrap_err();
    assert!(matches!(error, Error::Changer(ChangerFault::Replaced, _)), "{error}");

    script
        .expect(&INQUIRY, Reply::Sense(6, 0x29, 0x00))
        .expect(&INQUIRY, Reply::Data(inquiry(8, b"ROBOT           ")))
        .expect(&SERIAL, Reply::Data(serial(b"R0001")))
        .expect(&ADDRESSES, Reply::Data(addresses(RANGES)));
    changer.reattach().unwrap();
    assert_eq!(changer.generation(), 3);
}
