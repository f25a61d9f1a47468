//! A disk in a file: found by what is on it, grown once, and whole whenever the power goes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use disk::{DATA_TYPE, META_TYPE, find_in, grow_table};
use gpt::partition_types::{OperatingSystem, Type};

const MIB: u64 = 1 << 20;

fn make(path: &Path) {
    File::create(path).unwrap().set_len(64 * MIB).unwrap();
    let config = gpt::GptConfig::new().writable(true);
    let mut table = config.create(path).unwrap();
    table.update_partitions(BTreeMap::new()).unwrap();
    let of = |guid| Type { guid, os: OperatingSystem::None };
    table.add_partition("meta", 16 * MIB, of(META_TYPE), 0, None).unwrap();
    table.add_partition("data", 32 * MIB, of(DATA_TYPE), 0, None).unwrap();
    table.write().unwrap();
}

#[test]
fn the_disk_is_found_by_its_types_and_grown_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (class, dev) = (folder.path().join("class"), folder.path().join("dev"));
    for name in ["sda", "sdb", "sdb1"] {
        fs::create_dir_all(class.join(name)).unwrap();
    }
    fs::write(class.join("sdb1/partition"), "1\n").unwrap();
    fs::create_dir(&dev).unwrap();
    fs::write(dev.join("sda"), vec![0; 1 << 20]).unwrap();
    let disk = dev.join("sdb");
    make(&disk);
    let found = find_in(&class, &dev).unwrap().unwrap();
    assert_eq!((&found.disk, found.data_number), (&disk, Some(2)));
    assert_eq!((found.meta, found.data), (dev.join("sdb1"), Some(dev.join("sdb2"))));

    let before = grow_table(&disk, 2).unwrap();
    File::options().write(true).open(&disk).unwrap().set_len(200 * MIB).unwrap();
    let grown = grow_table(&disk, 2).unwrap();
    assert_eq!(grown.before_bytes, before.bytes);
    assert_eq!(grown.start_bytes + grown.bytes, 199 * MIB);
    let again = grow_table(&disk, 2).unwrap();
    assert_eq!((again.before_bytes, again.bytes), (grown.bytes, grown.bytes));
    let table = gpt::GptConfig::new().only_valid_headers(true).open(&disk).unwrap();
    assert_eq!(table.backup_header().unwrap().current_lba, 200 * MIB / 512 - 1);
    assert!(grow_table(&disk, 1).unwrap_err().to_string().contains("not the last"));
    assert!(grow_table(&disk, 9).unwrap_err().to_string().contains("no partition 9"));
}

#[test]
fn a_table_that_was_cut_while_it_grew_is_read_by_its_other_copy() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    make(&disk);
    File::options().write(true).open(&disk).unwrap().set_len(100 * MIB).unwrap();
    let before = fs::read(&disk).unwrap();
    let grown = grow_table(&disk, 2).unwrap();
    let after = fs::read(&disk).unwrap();
    // Sectors that changed, in the order in which they are durable: those behind, then those before.
    let changed = |range: std::ops::Range<usize>| {
        let differs = |n: &usize| before[n * 512..][..512] != after[n * 512..][..512];
        range.filter(differs).collect::<Vec<_>>()
    };
    let sectors = before.len() / 512;
    let (first, second) = (changed(sectors / 2..sectors), changed(0..sectors / 2));
    assert!(first.len() >= 2 && second.len() >= 2);
    let mut count = 0;
    for (fixed, moving) in [(&[][..], &first), (&first[..], &second)] {
        for subset in 0..1_u32 << moving.len() {
            let mut bytes = before.clone();
            let taken = moving.iter().enumerate().filter(|(nth, _)| subset & (1 << nth) != 0);
            for n in fixed.iter().chain(taken.map(|(_, n)| n)) {
                bytes[n * 512..][..512].copy_from_slice(&after[n * 512..][..512]);
            }
            fs::write(&disk, bytes).unwrap();
            let again = grow_table(&disk, 2).unwrap();
            assert_eq!(again.bytes, grown.bytes);
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} cuts");
}
