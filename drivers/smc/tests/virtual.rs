//! The changer against the virtual library.
#![allow(clippy::unwrap_used, reason = "a test may")]

use scsi::{ElementAddress, VolumeTag};
use smc::{Changer, Error, OperatorFault, OurFault};
use virt::{Library, MediumSpec, Shape};

fn tag(text: &str) -> VolumeTag {
    VolumeTag::new(text.as_bytes()).unwrap()
}

#[test]
fn a_cartridge_goes_to_a_drive_and_back_and_mistakes_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let media = ["TAP001L9", "TAP002L9"].map(|name| MediumSpec::data(name, 1 << 20)).to_vec();
    let library = Library::create(dir.path(), &Shape { media, ..Shape::default() }).unwrap();
    let mut changer = Changer::attach(virt::open(&library.changer_name()).unwrap()).unwrap();
    assert_eq!(changer.identity().serial, Some(library.changer_serial()));

    let stock = changer.inventory().unwrap();
    assert_eq!(stock.missing, 0);
    assert_eq!(stock.drives.len(), library.drives().len());
    for (drive, serial) in stock.drives.iter().zip(library.drive_serials()) {
        assert_eq!(stock.drive_by_serial(&serial).unwrap().address, drive.address);
    }
    let home = stock.with_volume_tag(&tag("TAP001L9"))[0].address;
    let other = stock.with_volume_tag(&tag("TAP002L9"))[0].address;
    let drive = stock.drives[0].address;

    changer.move_medium(home, drive).unwrap();
    let loaded = changer.inventory().unwrap();
    let element = loaded.at(drive).unwrap();
    assert!(element.full);
    assert_eq!((element.volume_tag.clone(), element.source), (Some(tag("TAP001L9")), Some(home)));
    assert!(!loaded.at(home).unwrap().full);

    let before = changer.generation();
    let full = changer.move_medium(other, drive).unwrap_err();
    assert!(matches!(full, Error::Operator(OperatorFault::DestinationFull, _)), "{full}");
    let spare = stock.first_free_storage().unwrap().address;
    let empty = changer.move_medium(home, spare).unwrap_err();
    assert!(matches!(empty, Error::Operator(OperatorFault::SourceEmpty, _)), "{empty}");
    let nowhere = changer.move_medium(ElementAddress(0xfff0), home).unwrap_err();
    assert!(matches!(nowhere, Error::Ours(OurFault::BadElement, _)), "{nowhere}");
    assert!(changer.generation() > before);

    changer.move_medium(drive, home).unwrap();
    let back = changer.inventory().unwrap();
    assert!(back.at(home).unwrap().full && !back.at(drive).unwrap().full);
}
