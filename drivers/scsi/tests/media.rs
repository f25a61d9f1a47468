//! What drives and changers said of media, modes and positions.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::load;
use scsi::attribute::{Attributes, Format, identifiers};
use scsi::density::{Densities, MediumTypes};
use scsi::element::{ElementKind, ElementStatus};
use scsi::mode::{ModeParameters, select_6, select_10};
use scsi::mode_pages::{
    BlockProtection, Compression, Control, DeviceConfiguration, DeviceConfigurationExtension,
    ElementAddresses, InformationalExceptions, MediumConfiguration, MediumPartitions,
};
use scsi::position::{BlockLimits, BufferPosition, LongPosition};
use scsi::vpd::Name;
use scsi::{BlockAddress, ElementAddress, Error, Partition, U24, VolumeTag};

#[test]
fn all_mode_pages_of_a_drive_as_far_as_they_were_published() {
    let all = ModeParameters::decode_10(&load("mode10-3f-ibm-ultrium-hh9-127-of-231")).unwrap();
    assert!(all.truncated);
    assert_eq!((all.data_length, all.medium_type), (229, 0x88));
    assert_eq!((all.write_protected, all.buffered_mode, all.speed), (false, 1, 0));
    let block = all.block.unwrap();
    assert_eq!((block.density, block.blocks.value(), block.block_length.value()), (0x5e, 0, 0));
    let order: Vec<_> = all.pages.iter().map(|p| p.page).collect();
    assert_eq!(order, [0x01, 0x02, 0x0a, 0x0f, 0x10, 0x11, 0x18, 0x19]);
    let cut: Vec<_> = all.pages.iter().map(|p| p.truncated).collect();
    assert_eq!(cut, [false, false, false, false, false, false, false, true]);
    let bytes = |page| all.page(page, 0).unwrap().bytes.as_slice();
    assert_eq!((bytes(0x01)[2], bytes(0x01)[3], bytes(0x01)[8]), (0x28, 255, 255));
    assert_eq!(bytes(0x18)[2], 0x16);
    assert_eq!(
        (bytes(0x19)[2], bytes(0x19)[4..6].to_vec()),
        (0x46, 2000u16.to_be_bytes().to_vec())
    );

    let compression = Compression::decode(bytes(0x0f)).unwrap();
    assert!(compression.compress && compression.capable && compression.decompress);
    assert_eq!((compression.algorithm, compression.decompression_algorithm), (0xff, 0xff));

    assert!(all.page(0x10, 0).unwrap().saveable);
    let device = DeviceConfiguration::decode(bytes(0x10)).unwrap();
    assert_eq!((device.active_partition, device.write_delay_ds), (Partition(0), 300));
    assert!(device.object_identifiers && device.end_of_data_generated);
    assert_eq!((device.compression, device.worm_tamper, device.rewind_on_reset), (1, 2, 2));
    assert!(!device.explicit_address && !device.permanent_write_protect);

    let partitions = MediumPartitions::decode(bytes(0x11)).unwrap();
    assert_eq!((partitions.maximum_additional, partitions.additional), (3, 1));
    assert_eq!(partitions.defined_by, [false, false, true]);
    assert_eq!((partitions.size_unit, partitions.on_format), (3, true));
    assert_eq!((partitions.format_recognition, partitions.partitioning_type), (3, 1));
    assert_eq!((partitions.units, partitions.sizes), (9, vec![115, 11769, 0, 0]));
    assert!(!Control::decode(bytes(0x0a)).unwrap().descriptor_sense);
}

#[test]
fn subpages_of_a_drive() {
    let early = ModeParameters::decode_10(&load("mode10-10-01-ibm-ultrium-hh9")).unwrap();
    assert!(!early.truncated);
    let page = early.page(0x10, 0x01).unwrap();
    assert!(page.saveable);
    assert_eq!((page.bytes[5], page.bytes.len()), (0x02, 32));
    let extension = DeviceConfigurationExtension::decode(&page.bytes).unwrap();
    assert_eq!((extension.early_warning_mb, extension.write_mode), (55019, 0));
    assert_eq!(extension.short_erase_mode, 2);

    let guard = ModeParameters::decode_10(&load("mode10-0a-f0-ibm-ultrium-hh9")).unwrap();
    let page = guard.page(0x0a, 0xf0).unwrap();
    assert!(!page.saveable);
    let protection = BlockProtection::decode(&page.bytes).unwrap();
    assert_eq!((protection.method, protection.length), (0, 0));
    assert!(!protection.on_write && !protection.on_read && !protection.on_recover);
}

#[test]
fn a_changed_page_keeps_every_bit_that_was_not_meant() {
    let early = ModeParameters::decode_10(&load("mode10-10-01-ibm-ultrium-hh9")).unwrap();
    let original = early.page(0x10, 0x01).unwrap().bytes.clone();
    let mut page = original.clone();
    DeviceConfigurationExtension::set_early_warning_mb(&mut page, 0x0102).unwrap();
    DeviceConfigurationExtension::set_append_only(&mut page, true).unwrap();
    let changed: Vec<_> = (0..page.len()).filter(|&i| page[i] != original[i]).collect();
    assert_eq!(changed, [5, 6, 7]);
    assert_eq!(page[5], 0x12, "short erase mode stays");

    let list = select_10(1, 0, early.block, &[&page]);
    assert_eq!(list[..8], [0, 0, 0, 0x10, 0, 0, 0, 8], "no data length");
    assert_eq!(list[16], 0x50, "PS is cleared");
    let read = ModeParameters::decode_10(&[&[0, 46], &list[2..]].concat()).unwrap();
    assert_eq!(read.block, early.block);
    let extension =
        DeviceConfigurationExtension::decode(&read.page(0x10, 0x01).unwrap().bytes).unwrap();
    assert_eq!((extension.early_warning_mb, extension.write_mode), (0x0102, 1));
    assert_eq!(select_6(1, 0, None, &[&[0x8f, 0]]), [0, 0, 0x10, 0, 0x0f, 0]);

    let guard = ModeParameters::decode_10(&load("mode10-0a-f0-ibm-ultrium-hh9")).unwrap();
    let mut page = guard.page(0x0a, 0xf0).unwrap().bytes.clone();
    let wanted =
        BlockProtection { method: 2, length: 4, on_write: true, on_read: true, on_recover: false };
    wanted.set_into(&mut page).unwrap();
    assert_eq!(BlockProtection::decode(&page).unwrap(), wanted);
}

#[test]
fn pages_no_capture_has() {
    let mut page = vec![0x1d, 0x1e, 0x01, 0, 0x02, 0x03];
    page.resize(32, 0);
    let medium = MediumConfiguration::decode(&page).unwrap();
    assert_eq!(
        (medium.worm, medium.label_restrictions, medium.filemark_restrictions),
        (true, 2, 3)
    );
    let page = [0x1c, 10, 0x08, 0x03, 0, 0, 0, 10, 0, 0, 0, 1];
    let exceptions = InformationalExceptions::decode(&page).unwrap();
    assert!(exceptions.disabled && !exceptions.test);
    assert_eq!((exceptions.method, exceptions.interval_ds, exceptions.report_count), (3, 10, 1));
    assert!(matches!(
        Compression::decode(&[0x10; 16]),
        Err(Error::WrongPage { expected: 0x0f, found: 0x10, .. })
    ));
}

#[test]
fn element_addresses_of_a_changer() {
    let mode = ModeParameters::decode_6(&load("mode6-1d-mhvtl-stk-l80")).unwrap();
    let addresses = ElementAddresses::decode(&mode.page(0x1d, 0).unwrap().bytes).unwrap();
    let ranges =
        [addresses.transports, addresses.storage, addresses.import_export, addresses.drives]
            .map(|r| (r.first.0, r.count));
    assert_eq!(ranges, [(1, 1), (1000, 40), (10, 4), (500, 4)]);
    assert!(addresses.storage.contains(ElementAddress(1039)));
    assert!(!addresses.storage.contains(ElementAddress(1040)));
    assert!(!addresses.storage.contains(ElementAddress(999)));
    assert!(!mode.truncated);
}

#[test]
fn positions() {
    let long = LongPosition::decode(&load("position-long-ibm-ultrium-hh9")).unwrap();
    assert!(long.beginning && !long.end);
    assert_eq!(long.partition, Some(Partition(0)));
    assert_eq!((long.block, long.file, long.set), (Some(BlockAddress(0)), Some(0), Some(0)));

    // The emulator says both "unknown" and a number.
    let lying = LongPosition::decode(&load("position-long-mhvtl-td5")).unwrap();
    assert_eq!((lying.block, lying.partition), (None, None));

    let mut far = [0; 32];
    far[7] = 1;
    far[8..16].copy_from_slice(&0x0001_0203_0405_0607u64.to_be_bytes());
    let far = LongPosition::decode(&far).unwrap();
    assert_eq!(far.partition, Some(Partition(1)));
    assert_eq!(far.block, Some(BlockAddress(0x0001_0203_0405_0607)));
    let mut absurd = [0; 32];
    absurd[6] = 1;
    assert!(matches!(LongPosition::decode(&absurd), Err(Error::BadField { value: 256, .. })));
}

#[test]
fn what_is_in_the_buffer() {
    let mut extended = [0; 32];
    extended[1] = 1;
    extended[3] = 28;
    extended[7] = 3;
    extended[15] = 10;
    extended[23] = 7;
    extended[29] = 3;
    let position = BufferPosition::decode_extended(&extended).unwrap();
    assert_eq!(position.partition, Partition(1));
    assert_eq!((position.first, position.last), (Some(BlockAddress(10)), Some(BlockAddress(7))));
    assert_eq!((position.objects_in_buffer, position.bytes_in_buffer), (Some(3), Some(0x3_0000)));
    extended[0] = 0x34;
    let unknown = BufferPosition::decode_extended(&extended).unwrap();
    assert_eq!((unknown.first, unknown.objects_in_buffer), (None, None));
    assert_eq!(unknown.bytes_in_buffer, None);

    let mut short = [0; 20];
    short[0] = 0x43;
    short[7] = 9;
    short[11] = 8;
    short[15] = 1;
    short[18] = 1;
    let position = BufferPosition::decode_short(&short).unwrap();
    assert!(position.end && position.overflow && position.beyond_early_warning);
    assert_eq!((position.first, position.last), (Some(BlockAddress(9)), Some(BlockAddress(8))));
    assert_eq!((position.objects_in_buffer, position.bytes_in_buffer), (Some(1), Some(256)));
    let limits = BlockLimits::decode(&[0xe2, 0x80, 0, 0, 0, 1]).unwrap();
    assert_eq!((limits.granularity, limits.maximum_bytes, limits.minimum_bytes), (2, 0x80_0000, 1));
}

#[test]
fn densities_of_a_drive_and_of_its_medium() {
    let all = Densities::decode(&load("density-hp-ultrium5")).unwrap();
    assert!(!all.truncated);
    let seen: Vec<_> = all
        .densities
        .iter()
        .map(|d| (d.code, d.writable, d.default, d.bits_per_mm, d.tracks, d.capacity_mb))
        .collect();
    assert_eq!(
        seen,
        [
            (0x44, false, false, 9638, 704, 400_000),
            (0x46, true, false, 12725, 896, 800_000),
            (0x58, true, true, 15142, 1280, 1_500_000),
        ]
    );
    assert!(all.densities.iter().all(|d| d.width_tenths_mm == 127 && d.organisation == "LTO-CVE"));
    let names: Vec<_> = all.densities.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["U-316", "U-416", "U-516"]);
    assert_eq!(all.densities[0].description, "Ultrium 3/16T");

    let loaded = Densities::decode(&load("density-hp-ultrium5-loaded-medium")).unwrap();
    assert_eq!(loaded.densities.len(), 1);
    assert_eq!((loaded.densities[0].code, loaded.densities[0].capacity_mb), (0x58, 1_541_438));
}

#[test]
fn medium_types_of_a_drive_and_of_its_medium() {
    let all = MediumTypes::decode(&load("density-medium-types-hp-ultrium5")).unwrap();
    assert!(!all.truncated);
    let mut seen: Vec<_> =
        all.types.iter().map(|t| (t.densities.clone(), t.code, t.length_m)).collect();
    seen.sort();
    let expected = [(0x44, 680), (0x46, 820), (0x58, 846)]
        .map(|(code, length)| [(vec![code], 0, length), (vec![code], 1, length)])
        .concat();
    assert_eq!(seen, expected);
    assert!(all.types.iter().all(|t| t.width_tenths_mm == 127 && t.organisation == "HP"));
    assert!(all.types.iter().any(|t| t.name == "LTO5WORM"));

    let loaded = MediumTypes::decode(&load("density-medium-types-hp-ultrium5-loaded")).unwrap();
    let [medium] = &loaded.types[..] else { panic!("{loaded:?}") };
    assert_eq!((medium.code, medium.length_m, medium.name.as_str()), (0, 846, "LTO5Data"));
    assert_eq!(medium.description, "Ultrium 5 Data Tape");
}

#[test]
fn cartridge_memory_cut_in_the_middle() {
    let memory = Attributes::decode(&load("mam-ibm-lto-from-0406-64-of-105")).unwrap();
    assert!(memory.truncated);
    assert_eq!(memory.available, 101);
    let ids: Vec<_> = memory.attributes.iter().map(|a| a.id).collect();
    assert_eq!(ids, [0x0406, 0x0407, 0x0408, 0x0409], "the cut 1000h is left out");
    assert!(memory.attributes.iter().all(|a| a.read_only));
    let date = memory.find(0x0406).unwrap();
    assert_eq!((date.format, date.text().as_str()), (Format::Ascii, "20140507"));
    assert_eq!(date.name(), Some("medium manufacture date"));
    assert_eq!(memory.find(0x0407).unwrap().number(), Some(16384));
    assert_eq!(memory.find(0x0408).unwrap().number(), Some(0));
    assert_eq!(memory.find(0x0409).unwrap().number(), Some(0));
    assert_eq!(identifiers(&[0, 0, 0, 4, 0, 1, 8, 6, 9]).unwrap(), [0x0001, 0x0806]);
}

/// Addresses and the vendors' identifiers of drives.
fn drives(status: &ElementStatus) -> Vec<(u16, String)> {
    let name = |name: &Name| match name {
        Name::T10 { vendor, id } => format!("{vendor}|{id}"),
        other => panic!("{other:?}"),
    };
    status
        .of_kind(ElementKind::DataTransfer)
        .map(|e| (e.address.0, e.device.as_ref().map_or_else(String::new, |d| name(&d.name))))
        .collect()
}

#[test]
fn drives_whose_header_names_another_first_element() {
    let status = ElementStatus::decode(&load("elements-dvcid-hpe-ultrium9-4-drives")).unwrap();
    assert!(!status.truncated && !status.inconsistent);
    assert_eq!((status.first, status.available), (ElementAddress(1), 4));
    assert_eq!((status.report_bytes, status.pages[0].descriptor_length), (208, 50));
    let expected = [
        (256, "HPE|Ultrium 9-SCSI  4E77FE415F"),
        (257, "HPE|Ultrium 9-SCSI  435B009B43"),
        (258, "HPE|Ultrium 9-SCSI  47C135A147"),
        (259, "HPE|Ultrium 9-SCSI  01FAB12812"),
    ]
    .map(|(address, id)| (address, id.to_owned()));
    assert_eq!(drives(&status), expected);
    let mut all = status.of_kind(ElementKind::DataTransfer);
    assert!(all.all(|e| e.access && !e.full && e.except.is_none() && e.source.is_none()));
    assert_eq!(status.of_kind(ElementKind::Storage).count(), 0);
}

#[test]
fn cut_lists_of_drives_give_the_whole_ones() {
    let stk = ElementStatus::decode(&load("elements-dvcid-mhvtl-stk-l80-139-of-216")).unwrap();
    assert!(stk.truncated && !stk.inconsistent);
    let expected = [(500, "STK|T10000B         XYZZY_B1"), (501, "STK|T10000B         XYZZY_B2")]
        .map(|(address, id)| (address, id.to_owned()));
    assert_eq!(drives(&stk), expected);

    let ibm = ElementStatus::decode(&load("elements-dvcid-mhvtl-ibm-td8-208-of-216")).unwrap();
    assert!(ibm.truncated);
    assert_eq!(ibm.available, 0, "the header counts none");
    assert_eq!(drives(&ibm).iter().map(|d| d.0).collect::<Vec<_>>(), [500, 501, 502]);
    assert_eq!(drives(&ibm)[0].1, "IBM|ULT3580-TD8     XYZZY_A1");

    let scalar =
        ElementStatus::decode(&load("elements-dvcid-mhvtl-scalar-i6000-16-of-166")).unwrap();
    assert!(scalar.truncated && !scalar.inconsistent);
    assert_eq!((scalar.available, scalar.report_bytes), (3, 158));
    assert!(scalar.pages[0].elements.is_empty());
}

#[test]
fn slots_with_both_volume_tags_and_every_flag() {
    let mut element = vec![0x03, 0xe8, 0x3f, 0, 0x83, 0x02, 0, 0, 0, 0xca, 0x01, 0xf4];
    element.extend_from_slice(b"L00042L9                        \0\0\0\0");
    element.extend_from_slice(&[0; 36]);
    element.extend_from_slice(&[0, 0, 0, 0, 0xaa]);
    let size = u8::try_from(element.len()).unwrap();
    let mut bytes = vec![0x03, 0xe8, 0, 1, 0, 0, 0, size + 8, 3, 0xc0, 0, size, 0, 0, 0, size];
    bytes.extend_from_slice(&element);
    let status = ElementStatus::decode(&bytes).unwrap();
    assert!(!status.truncated && !status.inconsistent);
    let slot = status.of_kind(ElementKind::ImportExport).next().unwrap();
    assert_eq!(slot.volume_tag, VolumeTag::new(b"L00042L9"));
    assert_eq!(slot.alternate_volume_tag, None);
    assert_eq!(slot.except, Some((0x83, 0x02)));
    assert_eq!(slot.source, Some(ElementAddress(500)));
    assert!(slot.full && slot.operator_placed && slot.access && slot.inverted && slot.disabled);
    assert!(slot.import_enabled && slot.export_enabled);
    assert_eq!((slot.medium_type, slot.rest.as_slice()), (2, &[0xaa][..]));
}

#[test]
fn lengths_that_contradict_each_other_are_reported() {
    // Descriptors too short to be descriptors, and a page they do not fill.
    for descriptor_length in [0, 11, 13] {
        let mut bytes = vec![0, 1, 0, 1, 0, 0, 0, 20, 2, 0, 0, descriptor_length, 0, 0, 0, 12];
        bytes.resize(28, 0);
        let status = ElementStatus::decode(&bytes).unwrap();
        assert!(status.inconsistent, "{descriptor_length}");
        assert_eq!(status.pages[0].elements.len(), 0);
    }
    assert_eq!(U24::MAX.value(), 0x00ff_ffff);
}
