//! Replies against those of real drives: same structure, field by field.
//!
//! The captured bytes were printed by other people from physical devices; each names its source.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use rig::*;
use scsi::transport::Data;

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// INQUIRY of an IBM ULT3580-HH8, firmware MA71 (github.com/RPi2User/rutbs4).
const INQUIRY_HH8: &str = "01 80 06 12 41 01 10 02 49 42 4d 20 20 20 20 20
    55 4c 54 33 35 38 30 2d 48 48 38 20 20 20 20 20 4d 41 37 31 00 00 6a 00 00 00 00 00 00 00 00 00
    30 31 50 4c 33 31 37 20 00 00 00 a2 0c 28 04 60 05 20 0a 28 05 02";

#[test]
fn inquiry_is_built_like_a_drive_of_ibm() {
    let captured = hex(INQUIRY_HH8);
    let rig = Rig::new();
    let ours = rig.host("drive0").reply(&[0x12, 0, 0, 0, 255, 0], 255);
    assert_eq!(ours.len(), captured.len());
    // Type, RMB, version, HISUP and format, additional length; MULTIP and CMDQUE.
    assert_eq!(ours[..5], captured[..5]);
    assert_eq!(ours[6..8], captured[6..8]);
    for text in [8..16, 16..32, 32..36] {
        assert!(ours[text].iter().all(|byte| (0x20..0x7f).contains(byte)));
    }
    // Of the version descriptors each is there or zero, the first is SAM's.
    assert!((0x00a0..0x00c0).contains(&be(&ours[58..60])));
    let robot = rig.host("changer").reply(&[0x12, 0, 0, 0, 255, 0], 255);
    assert_eq!((robot[0], robot.len()), (0x08, 70));
}

/// Page 83 of an IBM ULTRIUM-TD3 (the same project), and of an HPE Ultrium 9 (bareos unit test,
/// whose page length is 4 too short).
const VPD83_TD3: &str = "01 83 00 26 02 01 00 22 49 42 4d 20 20 20 20 20 55 4c 54 52 49 55 4d 2d
    54 44 33 20 20 20 20 20 31 32 31 30 31 37 33 31 38 33";
const VPD83_HPE: &str = "01 83 00 42 02 01 00 22 48 50 45 20 20 20 20 20 55 6c 74 72 69 75 6d 20
    39 2d 53 43 53 49 20 20 30 31 46 41 42 31 32 38 31 32 01 03 00 08 20 30 31 46 41 32 38 32 01 94
    00 04 00 00 00 01 01 93 00 08 21 30 31 46 41 32 38 32";

/// The four-byte heads of the designators.
fn designators(page: &[u8], end: usize) -> Vec<[u8; 4]> {
    let mut heads = Vec::new();
    let mut at = 4;
    while at < end {
        heads.push(page[at..at + 4].try_into().unwrap());
        at += 4 + usize::from(page[at + 3]);
    }
    assert_eq!(at, end, "the last designator ends where the page does");
    heads
}

#[test]
fn device_identification_has_the_designators_of_real_drives() {
    let rig = Rig::new();
    let ours = rig.host("drive0").reply(&[0x12, 1, 0x83, 0, 255, 0], 255);
    let length = be(&ours[2..4]) as usize;
    assert_eq!(ours.len(), length + 4);
    let heads = designators(&ours, ours.len());
    let (td3, hpe) = (hex(VPD83_TD3), hex(VPD83_HPE));
    assert_eq!(heads[..1], designators(&td3, td3.len()));
    assert_eq!(heads, designators(&hpe, hpe.len()));
    assert_eq!(ours[..2], hpe[..2]);
    let serial = rig.host("drive0").reply(&[0x12, 1, 0x80, 0, 255, 0], 255);
    assert_eq!(ours[32..42], serial[4..14], "as on real drives, ten characters after the product");
    assert_eq!(ours[46] >> 4, 3, "NAA locally assigned");
}

/// READ POSITION long form at the beginning, IBM ULTRIUM-HH9 (LTFS project).
#[test]
fn position_at_the_beginning_is_that_of_a_real_drive() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let mut captured = vec![0; 32];
    captured[0] = 0x80;
    assert_eq!(drive.reply(&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 32), captured);
    assert_eq!(drive.write(b"abc"), good(0));
    assert_eq!(drive.marks(2, true), good(0));
    let short = drive.reply(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20);
    let fields: Vec<u64> = [4..8, 8..12, 13..16, 16..20].map(|at| be(&short[at])).to_vec();
    assert_eq!((short[0], fields), (0, vec![3, 0, 3, 3 + 64]));
    assert_eq!(drive.reply(&[0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0], 20), short);
    let extended = drive.reply(&[0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0], 99);
    assert_eq!((extended.len(), be(&extended[2..4])), (32, 0x1c));
    assert_eq!((be(&extended[8..16]), be(&extended[16..24])), (3, 0));
    assert_eq!(code(&drive.none(&[0x34, 5, 0, 0, 0, 0, 0, 0, 0, 0])), (5, 0x24, 0));
}

/// MODE SENSE(10) of all pages, IBM ULTRIUM-HH9 PA63 with an LTO-8 medium (LTFS project), as far
/// as page 11, and page 10/01 (same source).
const MODE_3F_HH9: &str = "00 e5 88 10 00 00 00 08 5e 00 00 00 00 00 00 00 01 0a 28 ff 00 00 00 00
    ff 00 00 00 02 0e 00 00 00 01 00 00 00 00 00 00 00 00 00 00 0a 0a 00 01 00 00 00 00 ff ff 00 00
    0f 0e c0 80 00 00 00 ff 00 00 00 ff 00 00 00 00 90 0e 00 00 00 00 01 2c 40 00 10 00 00 00 01 90
    11 0e 03 01 3c 03 19 00 00 73 2d f9 00 00 00 00";
const MODE_10_01_HH9: &str = "00 2e 88 10 00 00 00 08 5e 00 00 00 00 00 00 00 d0 01 00 1c 00 02 d6
    eb 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";

/// Code, subpage and body of each page behind an 8-byte header and a block descriptor.
fn pages(reply: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = &reply[8 + usize::from(reply[7])..];
    while !rest.is_empty() {
        let long = rest[0] & 0x40 != 0;
        let (head, length) =
            if long { (4, be(&rest[2..4]) as usize) } else { (2, usize::from(rest[1])) };
        let subpage = if long { rest[1] } else { 0 };
        found.push((rest[0] & 0x3f, subpage, rest[head..head + length].to_vec()));
        rest = &rest[head + length..];
    }
    found
}

#[test]
fn mode_pages_are_those_of_a_real_drive() {
    let rig = Rig::new();
    let ours = rig.loaded(0).reply(&[0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0, 0], 256);
    let captured = hex(MODE_3F_HH9);
    assert_eq!(be(&ours[..2]) as usize, ours.len() - 2);
    assert_eq!(ours[3..8], captured[3..8], "buffered mode 1, one short block descriptor");
    assert_eq!(ours[9..16], captured[9..16], "variable blocks");
    let (ours, captured) = (pages(&ours), pages(&captured));
    for (code, subpage, theirs) in &captured {
        let page = ours.iter().find(|page| (page.0, page.1) == (*code, *subpage));
        let (.., body) = page.unwrap_or_else(|| panic!("page {code:02x}"));
        match code {
            // DCE, DCC, DDE as there; algorithms and delays too.
            0x0a | 0x0f | 0x10 => assert_eq!(body, theirs, "page {code:02x}"),
            0x01 => {
                assert_eq!((body.len(), body[1], body[6]), (theirs.len(), theirs[1], theirs[6]))
            }
            // One partition here, two there: format recognition and unit exponent agree.
            0x11 => {
                assert_eq!((body[1], body[3], body[4] & 0x0f), (0, theirs[3], theirs[4] & 0x0f))
            }
            _ => assert_eq!(body.len(), theirs.len(), "page {code:02x}"),
        }
    }
    let ours = rig.host("drive0").reply(&[0x5a, 0, 0x10, 1, 0, 0, 0, 0, 255, 0], 255);
    let captured = hex(MODE_10_01_HH9);
    assert_eq!(ours.len(), captured.len());
    assert_eq!((&ours[..2], ours[16] & 0x7f), (&captured[..2], captured[16] & 0x7f));
    assert_eq!(ours[17..22], captured[17..22]);
}

#[test]
fn mode_select_changes_what_it_may_and_refuses_the_rest_whole() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let mut select = |list: &[u8]| {
        let n = (list.len() as u16).to_be_bytes();
        drive.execute(&[0x55, 0x10, 0, 0, 0, 0, 0, n[0], n[1], 0], Data::Out(list))
    };
    let mut extension = hex(MODE_10_01_HH9);
    extension[0..3].copy_from_slice(&[0, 0x2e, 0]);
    (extension[8], extension[16]) = (0x60, 0x50);
    let refused = select(&extension);
    assert_eq!(code(&refused), (5, 0x26, 0), "the mode data length must be 0");
    assert_eq!(sense(&refused).key_specific, Some([0x80, 0, 0]));
    extension[1] = 0;
    assert_eq!(select(&extension), good(0));
    let mut wrong = extension.clone();
    (wrong[22], wrong[40]) = (0x11, 1);
    let refused = select(&wrong);
    assert_eq!((code(&refused), sense(&refused).key_specific), ((5, 0x26, 0), Some([0x80, 0, 40])));
    assert_eq!(code(&select(&extension[..40])), (5, 0x1a, 0));
    let read = |drive: &mut Host, control: u8| {
        drive.reply(&[0x5a, 8, control | 0x10, 1, 0, 0, 0, 0, 255, 0], 255)[12 + 2..12 + 4].to_vec()
    };
    assert_eq!(read(&mut drive, 0x00), [0xd6, 0xeb]);
    assert_eq!(read(&mut drive, 0x40), [0xff, 0xff]);
    assert_eq!(read(&mut drive, 0x80), [0, 0]);
    assert_eq!(code(&drive.none(&[0x5a, 8, 0xd0, 1, 0, 0, 0, 0, 255, 0])), (5, 0x39, 0));
    drop(drive);
    assert_eq!(read(&mut rig.host("drive0"), 0), [0xd6, 0xeb], "the drive keeps it");
}

/// REPORT DENSITY SUPPORT of an HP Ultrium 5 with a medium (sg3_utils `inhex`), both forms.
const DENSITY_HP: &str = "00 36 00 00 58 58 a0 00 00 00 3b 26 00 7f 05 00 00 17 85 3e 4c 54 4f 2d
    43 56 45 20 55 2d 35 31 36 20 20 20 55 6c 74 72 69 75 6d 20 35 2f 31 36 54 20 20 20 20 20 20 20";
const TYPES_HP: &str = "00 3a 00 00 00 00 00 34 01 58 00 00 00 00 00 00 00 00 00 7f 03 4e 00 00 48
    50 20 20 20 20 20 20 4c 54 4f 35 44 61 74 61 55 6c 74 72 69 75 6d 20 35 20 44 61 74 61 20 54 61
    70 65 20";

#[test]
fn density_descriptors_are_laid_out_like_those_of_a_real_drive() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let (density, types) = (hex(DENSITY_HP), hex(TYPES_HP));
    let ours = drive.reply(&[0x44, 1, 0, 0, 0, 0, 0, 1, 0, 0], 256);
    assert_eq!((ours.len(), &ours[..4]), (density.len(), &density[..4]));
    assert_eq!((ours[4], ours[5], ours[6]), (0x60, 0x60, density[6]));
    assert_eq!((&ours[12..14], &ours[20..28]), (&density[12..14], &density[20..28]));
    assert_eq!(be(&ours[16..20]), (1 << 30) / 1_000_000);
    let ours = drive.reply(&[0x44, 3, 0, 0, 0, 0, 0, 1, 0, 0], 256);
    assert_eq!((ours.len(), &ours[..9]), (types.len(), &types[..9]));
    assert_eq!(ours[18..20], types[18..20]);
    let every = drive.reply(&[0x44, 2, 0, 0, 0, 0, 0, 1, 0, 0], 256);
    assert_eq!((every.len(), every[4], every[4 + 56]), (4 + 2 * 56, 0, 1));
    assert_eq!(code(&rig.host("drive1").none(&[0x44, 1, 0, 0, 0, 0, 0, 1, 0, 0])), (2, 0x3a, 0));
}

/// READ ELEMENT STATUS with DVCID of four HPE Ultrium 9 drives (bareos unit test), first drive.
const ELEMENTS_HPE: &str = "00 01 00 04 00 00 00 d0 04 00 00 32 00 00 00 c8 01 00 08 00 00 00 00 00
    00 00 00 00 02 01 00 22 48 50 45 20 20 20 20 20 55 6c 74 72 69 75 6d 20 39 2d 53 43 53 49 20 20
    34 45 37 37 46 45 34 31 35 46";

#[test]
fn element_descriptors_are_laid_out_like_those_of_a_published_reply() {
    let captured = hex(ELEMENTS_HPE);
    let rig = Rig::new();
    let mut changer = rig.host("changer");
    let ours = changer.reply(&[0xb8, 4, 0, 0, 0, 9, 1, 0, 0xff, 0xff, 0, 0], 999);
    assert_eq!(ours[8..12], captured[8..12], "type, no tags, descriptors of 50 bytes");
    assert_eq!(
        ours[16..32],
        captured[16..32],
        "address 256, ACCESS, empty, identifier of 34 bytes"
    );
}

/// READ ATTRIBUTE from 0406h, IBM LTO drive, Fujifilm medium (arogge/maminfo).
const MAM_IBM: &str = "00 00 00 65 04 06 81 00 08 32 30 31 34 30 35 30 37 04 07 80 00 08 00 00 00
    00 00 00 40 00 04 08 80 00 01 00";

#[test]
fn attributes_are_laid_out_like_those_of_a_real_medium() {
    let captured = hex(MAM_IBM);
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let read = |drive: &mut Host, action: u8, first: u16| {
        let f = first.to_be_bytes();
        drive.reply(&[0x8c, action, 0, 0, 0, 0, 0, 0, f[0], f[1], 0, 0, 4, 0, 0, 0], 1024)
    };
    let ours = read(&mut drive, 0, 0x0406);
    for head in [4..9, 17..22, 30..35] {
        assert_eq!(ours[head.clone()], captured[head]);
    }
    assert_eq!(be(&ours[..4]) as usize, ours.len() - 4);
    let cdb = [0x8c, 0, 0, 0, 0, 0, 0, 0, 0x03, 0x33, 0, 0, 4, 0, 0, 0];
    let refused = drive.execute(&cdb, Data::In(&mut [0; 64]));
    // As the IBM LTO drive in the same place said it: 70 00 05 … 24 00 30 cf 00 08.
    assert_eq!((code(&refused), sense(&refused).key_specific), ((5, 0x24, 0), Some([0xcf, 0, 8])));
    let list = read(&mut drive, 1, 0);
    assert!(list[4..].chunks(2).any(|id| id == [0x04, 0x08]));
    assert!(!list[4..].chunks(2).any(|id| id == [0x08, 0x06]));
    assert!(read(&mut drive, 5, 0)[4..].chunks(2).any(|id| id == [0x08, 0x06]));
}

#[test]
fn attributes_written_stay_with_the_medium() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let write = |drive: &mut Host, list: &[u8]| {
        let n = (list.len() as u32).to_be_bytes();
        let cdb = [0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, n[0], n[1], n[2], n[3], 0, 0];
        drive.execute(&cdb, Data::Out(list))
    };
    let list = hex("00 00 00 14 08 00 01 00 08 54 41 50 49 4f 43 41 20 08 0c 00 00 02 aa bb");
    let short = hex("00 00 00 15 08 00 01 00 08 54 41 50 49 4f 43 41 20 08 0c 00 00 02 aa bb");
    assert_eq!(code(&write(&mut drive, &short)), (5, 0x1a, 0));
    assert_eq!(write(&mut drive, &list), good(0));
    let foreign = hex("00 00 00 07 00 00 00 00 02 00 01");
    assert_eq!(code(&write(&mut drive, &foreign)), (5, 0x26, 0), "the drive's own");
    let descending = hex("00 00 00 0c 08 05 00 00 01 00 08 00 01 00 01 41");
    assert_eq!(code(&write(&mut drive, &descending)), (5, 0x26, 0));
    drop(drive);
    let mut changer = rig.host("changer");
    assert_eq!(changer.move_medium(DRIVE, DRIVE + 1), good(0));
    let mut drive = rig.host("drive1");
    let cdb = [0x8c, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0];
    assert_eq!(drive.reply(&cdb, 1024), list);
    assert_eq!(write(&mut drive, &hex("00 00 00 05 08 00 01 00 00")), good(0));
    assert_eq!(code(&drive.none(&cdb)), (5, 0x24, 0), "taken away by a length of 0");
    let drives = drive.reply(&[0x8c, 0, 0, 0, 0, 0, 0, 0, 2, 10, 0, 0, 4, 0, 0, 0], 1024);
    let serials = rig.library.drive_serials();
    assert_eq!(drives[4 + 5 + 8..4 + 5 + 18], *serials[1].as_bytes());
    assert_eq!(drives[4 + 45 + 5 + 8..4 + 45 + 5 + 18], *serials[0].as_bytes());
}

/// Parameter heads of page 02, IBM 3592 (cern-cta/CTA), and of page 2E, mhVTL.
#[test]
fn log_pages_are_walkable_and_count_what_happened() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    let parameters = |drive: &mut Host, page: u8| {
        let reply = drive.reply(&[0x4d, 0, 0x40 | page, 0, 0, 0, 0, 4, 0, 0], 1024);
        assert_eq!((reply[0], reply[1]), (page, 0));
        assert_eq!(be(&reply[2..4]) as usize, reply.len() - 4);
        let mut found = Vec::new();
        let mut rest = &reply[4..];
        while !rest.is_empty() {
            let length = usize::from(rest[3]);
            found.push((be(&rest[..2]) as u16, rest[2], rest[4..4 + length].to_vec()));
            rest = &rest[4 + length..];
        }
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
        found
    };
    let value = |parameters: &[(u16, u8, Vec<u8>)], code: u16| {
        be(&parameters.iter().find(|each| each.0 == code).unwrap().2)
    };
    for _ in 0..3 {
        assert_eq!(drive.write(&vec![0; 1 << 20]), good(0));
    }
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(1 << 20, false).0, good(0));
    assert_eq!(value(&parameters(&mut drive, 0x02), 5), 3 << 20);
    assert_eq!(value(&parameters(&mut drive, 0x03), 5), 1 << 20);
    let access = parameters(&mut drive, 0x0c);
    assert_eq!((value(&access, 0), value(&access, 3), value(&access, 4)), (3 << 20, 1 << 20, 3));
    let capacity = parameters(&mut drive, 0x31);
    let all = ((1u64 << 30) / 16 * 15) >> 20;
    assert_eq!((value(&capacity, 1), value(&capacity, 3)), (all - 1, all));
    let volume = parameters(&mut drive, 0x17);
    assert_eq!((value(&volume, 0), value(&volume, 1), value(&volume, 0x10)), (1, 1, 3));
    // Per-partition records as an IBM LTO-6 has them: 02 03 43 20 07 00 00 00 … (LTFS project).
    let used = volume.iter().find(|each| each.0 == 0x0203).unwrap();
    assert_eq!(used.2, [7, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(value(&parameters(&mut drive, 0x14), 0), 1);
    assert_eq!(parameters(&mut drive, 0x2e).len(), 64);
    assert_eq!(parameters(&mut drive, 0x11)[0].2[1] & 0x17, 0x17, "present, mounted");
    let pages = drive.reply(&[0x4d, 0, 0x40, 0, 0, 0, 0, 4, 0, 0], 1024);
    assert_eq!(pages[4..], [0, 2, 3, 0x0c, 0x11, 0x12, 0x14, 0x17, 0x2e, 0x31]);
    let from = drive.reply(&[0x4d, 0, 0x43, 0, 0, 0, 6, 4, 0, 0], 1024);
    assert_eq!((be(&from[2..4]), from[5]), (8, 6), "from parameter 6 on");
    assert_eq!(code(&drive.none(&[0x4d, 0, 0x7f, 0, 0, 0, 0, 4, 0, 0])), (5, 0x24, 0));
    let mut empty = rig.host("drive1");
    assert_eq!(value(&parameters(&mut empty, 0x17), 0), 0, "page not valid without a medium");
}

#[test]
fn supported_opcodes_are_exactly_those_that_are_not_refused() {
    let rig = Rig::new();
    for unit in ["drive1", "changer"] {
        let mut host = rig.host(unit);
        let all = host.reply(&[0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 0x10, 0, 0, 0], 4096);
        assert_eq!(be(&all[..4]) as usize, all.len() - 4);
        let listed: Vec<(u8, u64)> = all[4..].chunks(20).map(|d| (d[0], be(&d[6..8]))).collect();
        for descriptor in all[4..].chunks(20) {
            assert_eq!((descriptor[5] & 2, be(&descriptor[8..10])), (2, 10), "with timeouts");
            let (nominal, recommended) = (be(&descriptor[12..16]), be(&descriptor[16..20]));
            assert!(nominal >= 1 && recommended >= 60);
        }
        for op in 0..=255u8 {
            let mut cdb = vec![0; 16];
            cdb[0] = op;
            let refused = match host.none(&cdb) {
                scsi::transport::Outcome::Check { sense, .. } => sense.code == Some((0x20, 0)),
                _ => false,
            };
            let known = listed.iter().find(|each| each.0 == op);
            assert_eq!(refused, known.is_none(), "{unit} {op:02x}");
            if let Some((_, length)) = known {
                let expected = match op >> 5 {
                    0 => 6,
                    1 | 2 => 10,
                    4 => 16,
                    5 => 12,
                    _ => 10,
                };
                assert_eq!(*length, expected, "{op:02x}");
            }
        }
        let one = host.reply(&[0xa3, 0x0c, 0x81, 0x12, 0, 0, 0, 0, 1, 0, 0, 0], 256);
        assert_eq!((one[1], be(&one[2..4]), one.len()), (0x83, 6, 4 + 6 + 12));
        assert_eq!(one[4], 0x12);
        let none = host.reply(&[0xa3, 0x0c, 0x01, 0xff, 0, 0, 0, 0, 1, 0, 0, 0], 256);
        assert_eq!(none, [0, 1, 0, 0]);
    }
}

#[test]
fn attentions_come_first_but_not_to_those_who_only_ask_who_it_is() {
    let rig = Rig::new();
    let mut drive = Host(virt::Device::open(rig.library.dir(), "drive0").unwrap());
    drive.reply(&[0x12, 0, 0, 0, 96, 0], 96);
    drive.reply(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0], 16);
    assert_eq!(code(&drive.none(&[0xff, 0, 0, 0, 0, 0])), (6, 0x29, 0));
    assert_eq!(code(&drive.none(&[0xff, 0, 0, 0, 0, 0])), (5, 0x20, 0));
    rig.library.power_cut().unwrap();
    let told = drive.reply(&[0x03, 0, 0, 0, 18, 0], 18);
    assert_eq!((told[0], told[2], told[7], told[12], told[13]), (0x70, 6, 10, 0x29, 0));
    let told = drive.reply(&[0x03, 0, 0, 0, 18, 0], 18);
    assert_eq!((told[2], told[12], told[13]), (2, 0x3a, 0));
}

#[test]
fn vital_product_data_is_what_page_00_lists() {
    let rig = Rig::new();
    for unit in ["drive0", "changer"] {
        let mut host = rig.host(unit);
        let pages = host.reply(&[0x12, 1, 0, 0, 255, 0], 255);
        for code in 0..=255u8 {
            let cdb = [0x12, 1, code, 0, 255, 0];
            let mut room = [0; 255];
            let there = host.execute(&cdb, Data::In(&mut room));
            assert_eq!(
                matches!(there, scsi::transport::Outcome::Good { .. }),
                pages[4..].contains(&code),
                "{unit} {code:02x}"
            );
        }
        let refused = host.none(&[0x12, 0, 1, 0, 255, 0]);
        assert_eq!(
            (code(&refused), sense(&refused).key_specific),
            ((5, 0x24, 0), Some([0xc0, 0, 2]))
        );
    }
}

/// Commands cut short, bits at random: an answer always comes.
#[test]
fn no_command_panics() {
    for unit in ["drive0", "changer"] {
        let rig = Rig::new();
        drop(rig.loaded(0));
        let mut host = rig.host(unit);
        let mut seed = 7u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for _ in 0..4_000 {
            let length = [0, 1, 6, 10, 12, 16][next() as usize % 6];
            let mut cdb: Vec<u8> = (0..length).map(|_| next() as u8 & next() as u8).collect();
            if let Some(op) = cdb.first_mut() {
                *op = [
                    0x08,
                    0x0a,
                    0x10,
                    0x11,
                    0x15,
                    0x1a,
                    0x34,
                    0x4d,
                    0x55,
                    0x5a,
                    0x8c,
                    0x8d,
                    0x91,
                    0x92,
                    0xa3,
                    0xb8,
                    0xa5,
                    0xa6,
                    0x37,
                    0x03,
                    0x12,
                    0x13,
                    0x44,
                    0x1b,
                    0x2b,
                    next() as u8,
                ][next() as usize % 26];
            }
            if let [0x10, _, high, middle, ..] = &mut cdb[..] {
                (*high, *middle) = (0, 0); // millions of filemarks take their time
            }
            let mut bytes: Vec<u8> =
                (0..next() as usize % 64).map(|_| next() as u8 & 0x1f).collect();
            match next() % 3 {
                0 => host.none(&cdb),
                1 => host.execute(&cdb, Data::In(&mut bytes)),
                _ => host.execute(&cdb, Data::Out(&bytes)),
            };
        }
        assert_eq!(host.0.host_error(), None);
    }
}
