//! Bit flips in the file: each changes nothing that is read, or is found out and named.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tapioca::catalogue::Catalogue;

use crate::common::{All, full};

/// What became of a flip.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Came {
    Unread,
    Named,
    /// redb panicked, and that was made a fault of.
    Caught,
}

fn came(path: &Path, expected: &All) -> Came {
    let read = catch_unwind(AssertUnwindSafe(|| {
        let catalogue = Catalogue::open(path)?;
        All::of(&catalogue.reader().snapshot()?)
    }));
    match read.expect("a panic came through") {
        Ok(all) => {
            assert!(all == *expected, "wrong data");
            Came::Unread
        }
        Err(fault) => {
            assert!(fault.what.starts_with("catalogue: "), "{fault}");
            match fault.what.contains("gave up") {
                true => Came::Caught,
                false => Came::Named,
            }
        }
    }
}

#[test]
fn a_flipped_bit_changes_nothing_or_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    let expected = full(&path, 700);
    let image = std::fs::read(&path).unwrap();
    let last = std::fs::read(folder.path().join("catalogue.last")).unwrap();
    let is_long = std::env::var_os("TAPIOCA_LONG").is_some();
    // Every bit of the header, and a bit of each so many bytes of the rest.
    let step = if is_long { 8 * 7 + 3 } else { (image.len() * 8 / 600) | 1 };
    let header = (0..320 * 8).step_by(if is_long { 1 } else { 5 });
    let mut counts = std::collections::BTreeMap::<Came, usize>::new();
    for bit in header.chain((320 * 8..image.len() * 8).step_by(step)) {
        let mut bad = image.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bad).unwrap();
        std::fs::write(folder.path().join("catalogue.last"), &last).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| came(&path, &expected)));
        *counts.entry(outcome.unwrap_or_else(|_| panic!("bit {bit}"))).or_default() += 1;
    }
    println!("{} bytes: {counts:?}", image.len());
    assert!(counts[&Came::Named] > 50, "{counts:?}");
}

#[test]
fn a_catalogue_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    let expected = full(&path, 700);
    let image = std::fs::read(&path).unwrap();
    for part in [1, 2, 4, 7, 8] {
        std::fs::write(&path, &image[..image.len() * part / 9]).unwrap();
        assert_ne!(came(&path, &expected), Came::Unread);
    }
    std::fs::write(&path, b"").unwrap();
    assert_ne!(came(&path, &expected), Came::Unread);
}
