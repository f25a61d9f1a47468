//! The robot: what it knows, what it moves, and what people do at the mail slot.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use rig::*;
use scsi::transport::{Data, Outcome};
use virt::{EarlyWarningStyle, Error, MediumSpec, Options, Shape};

/// One element descriptor, cut at the fields of SMC-3.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Element {
    kind: u8,
    address: u16,
    flags: u8,
    source: Option<u16>,
    medium_type: u8,
    tag: Option<String>,
    identifier: Vec<u8>,
}

const VOLTAG: u8 = 0x10;
const DVCID: u8 = 0x01;

fn status_cdb(kind: u8, flags: (u8, u8), start: u16, count: u16) -> [u8; 12] {
    let (s, c) = (start.to_be_bytes(), count.to_be_bytes());
    [0xb8, kind | flags.0, s[0], s[1], c[0], c[1], flags.1, 0, 0xff, 0xff, 0, 0]
}

/// Walks a READ ELEMENT STATUS reply, checking every length in it against the others.
fn walk(reply: &[u8]) -> Vec<Element> {
    assert_eq!(be(&reply[5..8]) as usize, reply.len() - 8);
    let mut elements = Vec::new();
    let mut pages = &reply[8..];
    while !pages.is_empty() {
        let (kind, voltag) = (pages[0], pages[1] & 0x80 != 0);
        let (each, bytes) = (be(&pages[2..4]) as usize, be(&pages[5..8]) as usize);
        assert_eq!(bytes % each, 0);
        for raw in pages[8..8 + bytes].chunks(each) {
            let rest = if voltag { 48 } else { 12 };
            let tag = String::from_utf8(raw[12..44.min(rest.max(12))].to_vec()).unwrap();
            let id_length = usize::from(raw[rest + 3]);
            elements.push(Element {
                kind,
                address: be(&raw[..2]) as u16,
                flags: raw[2],
                source: (raw[9] & 0x80 != 0).then(|| be(&raw[10..12]) as u16),
                medium_type: raw[9] & 7,
                tag: (voltag && raw[12] != 0).then(|| tag.trim_end().to_owned()),
                identifier: raw[rest + 4..rest + 4 + id_length].to_vec(),
            });
        }
        pages = &pages[8 + bytes..];
    }
    assert_eq!(be(&reply[2..4]) as usize, elements.len());
    if let Some(first) = elements.iter().map(|e| e.address).min() {
        assert_eq!(be(&reply[..2]) as u16, first);
    }
    elements
}

fn all(changer: &mut Host) -> Vec<Element> {
    walk(&changer.reply(&status_cdb(0, (VOLTAG, 0), 0, 0xffff), 0xffff))
}

#[test]
fn status_names_every_element_once() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let elements = all(&mut changer);
    let addresses: Vec<(u8, u16)> = elements.iter().map(|e| (e.kind, e.address)).collect();
    let mut expected = vec![(1, 1), (3, 16), (3, 17), (4, 256), (4, 257)];
    expected.extend((0..8).map(|i| (2, 1024 + i)));
    assert_eq!(addresses, expected);
    let slot = |i: usize| &elements[5 + i];
    assert_eq!(slot(0).tag.as_deref(), Some("T00000L9"));
    assert_eq!((slot(0).flags, slot(0).medium_type), (0x09, 1));
    assert_eq!((slot(3).tag.as_deref(), slot(3).medium_type), (Some("CLN001L9"), 2));
    assert_eq!((slot(6).tag.as_deref(), slot(6).flags), (None, 0x08));
}

#[test]
fn status_can_be_asked_for_in_pieces() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let drives = walk(&changer.reply(&status_cdb(4, (0, 0), 0, 0xffff), 0xffff));
    assert_eq!(drives.len(), 2);
    let two = walk(&changer.reply(&status_cdb(2, (VOLTAG, 0), 1026, 2), 0xffff));
    assert_eq!(two.iter().map(|e| e.address).collect::<Vec<_>>(), [1026, 1027]);
    let whole = changer.reply(&status_cdb(0, (0, 0), 0, 0xffff), 0xffff);
    let head = changer.reply(&status_cdb(0, (0, 0), 0, 0xffff), 8);
    assert_eq!(head, whole[..8], "a short answer announces the whole");
    let none = changer.reply(&status_cdb(2, (0, 0), 2000, 5), 0xffff);
    assert_eq!(none, [0; 8]);
    assert_eq!(code(&changer.none(&status_cdb(5, (0, 0), 0, 1))), (5, 0x24, 0));
}

#[test]
fn drives_are_identified_by_the_serial_they_give_themselves() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let drives = walk(&changer.reply(&status_cdb(4, (VOLTAG, DVCID), 0, 9), 0xffff));
    for (i, drive) in drives.iter().enumerate() {
        let mut host = rig.host(&format!("drive{i}"));
        let vpd = host.reply(&[0x12, 1, 0x83, 0, 255, 0], 255);
        assert_eq!(drive.identifier, vpd[8..8 + usize::from(vpd[7])]);
        let serial = host.reply(&[0x12, 1, 0x80, 0, 255, 0], 255);
        assert!(drive.identifier.ends_with(&serial[4..]));
        assert_eq!(String::from_utf8_lossy(&serial[4..]), rig.library.drive_serials()[i]);
        let address = host.reply(&[0x12, 1, 0xb4, 0, 255, 0], 255);
        assert_eq!(be(&address[6..8]) as u16, drive.address);
        let robot = host.reply(&[0x12, 1, 0xb3, 0, 255, 0], 255);
        assert_eq!(robot[4..], *rig.library.changer_serial().as_bytes());
    }
}

#[test]
fn quirks_refuse_both_flags_and_hide_full() {
    let options = Options { refuse_voltag_with_dvcid: true, dvcid_clears_full: true, ..quick() };
    let rig = Rig::with(options, EarlyWarningStyle::EomBit);
    drop(rig.loaded(0));
    let mut changer = rig.host("changer");
    let both = changer.none(&status_cdb(4, (VOLTAG, DVCID), 0, 9));
    assert_eq!((code(&both), sense(&both).key_specific), ((5, 0x24, 0), Some([0xc8, 0, 6])));
    let tagged = walk(&changer.reply(&status_cdb(4, (VOLTAG, 0), 0, 9), 999));
    let named = walk(&changer.reply(&status_cdb(4, (0, DVCID), 0, 9), 999));
    assert_eq!((tagged[0].flags & 1, named[0].flags & 1), (1, 0));
}

#[test]
fn a_medium_moves_with_its_tag_and_remembers_where_from() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    assert_eq!(changer.move_medium(STORAGE, DRIVE + 1), good(0));
    let elements = all(&mut changer);
    assert_eq!(elements[4].tag.as_deref(), Some("T00000L9"));
    assert_eq!(elements[4].source, Some(STORAGE));
    assert_eq!(elements[5].flags & 1, 0);
    assert_eq!(changer.move_medium(DRIVE + 1, STORAGE + 7), good(0));
    drop(changer);
    let elements = all(&mut rig.host("changer"));
    assert_eq!(
        (elements[12].tag.as_deref(), elements[12].source),
        (Some("T00000L9"), Some(STORAGE))
    );
}

#[test]
fn impossible_moves_move_nothing() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let before = all(&mut changer);
    for (from, to, expected) in [
        (STORAGE, STORAGE + 1, (5, 0x3b, 0x0d)),
        (STORAGE + 6, DRIVE, (5, 0x3b, 0x0e)),
        (STORAGE, 2000, (5, 0x21, 1)),
        (999, DRIVE, (5, 0x21, 1)),
        (DRIVE, STORAGE + 6, (5, 0x3b, 0x0e)),
    ] {
        assert_eq!(code(&changer.move_medium(from, to)), expected, "{from} to {to}");
    }
    let wrong_transport = [0xa5, 0, 0, 2, 4, 0, 1, 0, 0, 0, 0, 0];
    assert_eq!(code(&changer.none(&wrong_transport)), (5, 0x21, 1));
    assert_eq!(all(&mut changer), before);
}

#[test]
fn the_robot_ejects_or_insists_that_the_host_does() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    assert_eq!(drive.write(b"buffered"), good(0));
    let mut changer = rig.host("changer");
    assert_eq!(changer.move_medium(DRIVE, DRIVE + 1), good(0));
    assert_eq!(code(&drive.ready()), (2, 0x3a, 0));
    let mut second = rig.host("drive1");
    assert_eq!(second.read(8, false).1, b"buffered", "the eject flushed it");

    let options = Options { eject_before_move: true, ..quick() };
    let rig = Rig::with(options, EarlyWarningStyle::EomBit);
    let mut drive = rig.loaded(0);
    let mut changer = rig.host("changer");
    let access = |changer: &mut Host| all(changer)[3].flags & 0x08;
    assert_eq!(access(&mut changer), 0);
    assert_eq!(code(&changer.move_medium(DRIVE, STORAGE)), (4, 0x53, 1));
    assert_eq!(drive.load(false), good(0));
    assert_eq!(access(&mut changer), 0x08);
    assert_eq!(changer.move_medium(DRIVE, STORAGE), good(0));
}

#[test]
fn a_drive_that_loads_by_hand_waits_for_load() {
    let options = Options { auto_load: false, ..quick() };
    let rig = Rig::with(options, EarlyWarningStyle::EomBit);
    let mut drive = rig.loaded(0);
    assert_eq!(code(&drive.ready()), (2, 4, 2));
    assert_eq!(drive.load(true), good(0));
    assert_eq!(code(&drive.ready()), (6, 0x28, 0));
    assert_eq!(drive.ready(), good(0));
}

#[test]
fn exchange_swaps_and_shifts() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let exchange = |from: u16, to: u16, then: u16| {
        let (f, t, n) = (from.to_be_bytes(), to.to_be_bytes(), then.to_be_bytes());
        [0xa6, 0, 0, 1, f[0], f[1], t[0], t[1], n[0], n[1], 0, 0]
    };
    let tag = |changer: &mut Host, i: usize| all(changer)[5 + i].tag.clone().unwrap_or_default();
    assert_eq!(changer.none(&exchange(STORAGE, STORAGE + 1, STORAGE)), good(0));
    assert_eq!(tag(&mut changer, 0), "T00001L9");
    assert_eq!(tag(&mut changer, 1), "T00000L9");
    assert_eq!(changer.none(&exchange(STORAGE, STORAGE + 1, STORAGE + 7)), good(0));
    assert_eq!(tag(&mut changer, 1), "T00001L9");
    assert_eq!(tag(&mut changer, 7), "T00000L9");
    assert_eq!(code(&changer.none(&exchange(STORAGE, STORAGE + 1, DRIVE))), (5, 0x3b, 0x0e));
    assert_eq!(
        code(&changer.none(&exchange(STORAGE + 1, STORAGE + 2, STORAGE + 3))),
        (5, 0x3b, 0x0d)
    );
    // A drive's medium changed for another in one command.
    assert_eq!(changer.move_medium(STORAGE + 1, DRIVE), good(0));
    assert_eq!(changer.none(&exchange(STORAGE + 7, DRIVE, STORAGE + 1)), good(0));
    let elements = all(&mut changer);
    assert_eq!(elements[3].tag.as_deref(), Some("T00000L9"));
    assert_eq!(rig.host("drive0").ready(), good(0));
}

#[test]
fn people_use_the_mail_slot() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let fresh = MediumSpec::data("FRESH1L9", 1 << 20);
    rig.library.insert_mail(1, fresh.clone()).unwrap();
    assert!(matches!(rig.library.insert_mail(1, fresh.clone()), Err(Error::BadPlace(_))));
    assert_eq!(code(&changer.ready()), (6, 0x28, 1));
    let mail = all(&mut changer)[2].clone();
    assert_eq!((mail.tag.as_deref(), mail.flags), (Some("FRESH1L9"), 0x3b));
    assert_eq!(changer.move_medium(MAIL + 1, STORAGE + 6), good(0));
    assert_eq!(changer.move_medium(STORAGE + 6, MAIL), good(0));
    assert_eq!(all(&mut changer)[1].flags, 0x39, "put there by the robot");
    assert_eq!(changer.none(&[0x1e, 0, 0, 0, 1, 0]), good(0));
    assert!(rig.library.take_mail(0).is_err(), "locked");
    assert_eq!(code(&changer.none(&[0x1b, 0, 0, 16, 0, 0])), (5, 0x53, 2));
    assert_eq!(changer.none(&[0x1e, 0, 0, 0, 0, 0]), good(0));
    assert_eq!(changer.none(&[0x1b, 0, 0, 16, 0, 0]), good(0));
    assert_eq!(all(&mut changer)[1].flags & 0x08, 0, "open: out of the robot's reach");
    let (number, tag) = rig.library.take_mail(0).unwrap();
    assert_eq!(tag, "FRESH1L9");
    assert_eq!(code(&changer.ready()), (6, 0x28, 1));
    assert_eq!(all(&mut changer)[1].tag, None);
    rig.library.put_back(0, number).unwrap();
    assert!(rig.library.put_back(1, number).is_err(), "there is only one of it");
    assert!(rig.library.insert_mail(2, fresh).is_err(), "no such slot");
}

#[test]
fn mode_pages_describe_the_shape() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let page = changer.reply(&[0x1a, 8, 0x1d, 0, 255, 0], 255);
    let words: Vec<u64> = page[6..22].chunks(2).map(be).collect();
    assert_eq!(words, [1, 1, 1024, 8, 16, 2, 256, 2]);
    let all = changer.reply(&[0x5a, 8, 0x3f, 0, 0, 0, 0, 1, 0, 0], 256);
    assert_eq!(be(&all[..2]) as usize, all.len() - 2);
    assert_eq!((all[8], all[8 + 20], all[8 + 24]), (0x1d, 0x1e, 0x1f));
    assert_eq!(code(&changer.none(&[0x1a, 8, 0x11, 0, 255, 0])), (5, 0x24, 0));
}

#[test]
fn inventory_and_positioning_are_accepted_in_range() {
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    assert_eq!(changer.none(&[0x07, 0, 0, 0, 0, 0]), good(0));
    assert_eq!(changer.none(&[0x37, 1, 4, 0, 0, 0, 0, 2, 0, 0]), good(0));
    assert_eq!(code(&changer.none(&[0x37, 1, 9, 9, 0, 0, 0, 2, 0, 0])), (5, 0x21, 1));
    assert_eq!(changer.none(&[0x2b, 0, 0, 1, 4, 0, 0, 0, 0, 0]), good(0));
    assert_eq!(code(&changer.none(&[0x2b, 0, 0, 1, 9, 9, 0, 0, 0, 0])), (5, 0x21, 1));
    assert_eq!(code(&changer.none(&[0x08, 0, 0, 0, 0, 0])), (5, 0x20, 0));
}

#[test]
fn libraries_are_made_once_and_found_by_name() {
    let rig = Rig::new();
    let dir = rig.library.dir().to_owned();
    assert!(matches!(virt::Library::create(&dir, &Shape::default()), Err(Error::Exists(_))));
    assert!(matches!(virt::Library::open(rig.dir.path()), Err(Error::Missing(_))));
    for bad in ["drive0", "virtual:x", "virtual:/nowhere#changer"] {
        assert!(virt::open(bad).is_err(), "{bad}");
    }
    for bad in ["drive2", "drive00", "drive", "robot", ""] {
        let name = format!("virtual:{}#{bad}", dir.display());
        assert!(matches!(virt::open(&name), Err(Error::BadName(_))), "{name}");
    }
    let mut device = virt::open(&rig.library.changer_name()).unwrap();
    assert_eq!(device.name(), rig.library.changer_name());
    let first = device.execute(&[0; 6], Data::None, std::time::Duration::from_secs(1));
    assert_eq!(code(&first), (6, 0x29, 0));
    let tags: Vec<String> = vec!["a".repeat(33), "tab\t".to_owned(), "ä".to_owned()];
    for tag in tags {
        let shape = Shape { media: vec![MediumSpec::data(&tag, 1)], ..Shape::default() };
        assert!(matches!(
            virt::Library::create(&rig.dir.path().join("n"), &shape),
            Err(Error::BadShape(_))
        ));
    }
    assert!(matches!(
        device.execute(&[0; 6], Data::None, std::time::Duration::ZERO),
        Outcome::Good { .. }
    ));
}
