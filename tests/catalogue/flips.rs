//! Bit flips in the file: each changes nothing that is read, or is found out and named.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tapioca::catalogue::Catalogue;

use crate::common::{All, commit, full, puts, user};

/// What became of a flip.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Came {
    Unread,
    Named,
    /// The state before the last commit was taken for the last.
    WentBack,
    /// redb panicked, and that was made a fault of.
    Caught,
}

/// In memory if there is such a place: each flip is opened, and opening syncs.
fn room() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
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
            match &fault.what {
                what if what.contains("gave up") => Came::Caught,
                what if what.contains("is lost") => Came::WentBack,
                _ => Came::Named,
            }
        }
    }
}

#[test]
fn a_flipped_bit_changes_nothing_or_is_named() {
    let folder = room();
    let path = folder.path().join("catalogue");
    let expected = full(&path, 700);
    let image = std::fs::read(&path).unwrap();
    let last = std::fs::read(folder.path().join("catalogue.last")).unwrap();
    let is_long = std::env::var_os("TAPIOCA_LONG").is_some();
    // In the long campaign every bit of the header and one of every byte of the rest.
    let step = if is_long { 7 } else { (image.len() * 8 / 600) | 1 };
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
fn a_flip_after_a_crash_takes_no_commit_away_unnoticed() {
    let folder = room();
    let path = folder.path().join("catalogue");
    full(&path, 100);
    let mut catalogue = Catalogue::open(&path).unwrap();
    commit(&mut catalogue, puts(vec![user("dora")]), Vec::new());
    let expected = All::of(&catalogue.reader().snapshot().unwrap()).unwrap();
    // As a crash leaves it: the header still knows the state before.
    let image = std::fs::read(&path).unwrap();
    let last = std::fs::read(folder.path().join("catalogue.last")).unwrap();
    drop(catalogue);
    let mut went_back = 0;
    for bit in (0..64 * 8).chain((64 * 8..320 * 8).step_by(13)) {
        let mut bad = image.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bad).unwrap();
        std::fs::write(folder.path().join("catalogue.last"), &last).unwrap();
        went_back += u32::from(came(&path, &expected) == Came::WentBack);
    }
    assert!(went_back > 0, "the file beside the catalogue would not be needed");
}

#[test]
fn a_catalogue_cut_short_is_refused() {
    let folder = room();
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
