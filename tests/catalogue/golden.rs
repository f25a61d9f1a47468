//! Catalogues of version 1, as they were written once: never edited, and read for ever.

use std::path::{Path, PathBuf};

use tapioca::catalogue::Catalogue;
use tapioca::catalogue::check::check;

use crate::common::{All, commit, first_records, full, list, puts, records, sorted, user};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// All that is in a golden file. `BLESS=1` makes one that is not there.
fn read(name: &str, make: impl FnOnce(&Path)) -> All {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    if std::env::var_os("BLESS").is_some() && !golden(name).exists() {
        make(&path);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(golden(name), zstd::bulk::compress(&bytes, 19).unwrap()).unwrap();
    }
    let packed = std::fs::read(golden(name)).unwrap();
    std::fs::write(&path, zstd::bulk::decompress(&packed, 64 << 20).unwrap()).unwrap();
    let catalogue = Catalogue::open(&path).unwrap();
    let snapshot = catalogue.reader().snapshot().unwrap();
    assert_eq!(check(&snapshot).unwrap().lines, [""; 0]);
    All::of(&snapshot).unwrap()
}

#[test]
fn version_1_is_read() {
    let all = read("catalogue-v1.redb.zst", |path| _ = full(path, 60));
    let mut expected = first_records();
    expected.insert(2, user("carl"));
    assert_eq!(all.records, expected);
    assert_eq!(all.lists[&1], sorted(list(60, 1)));
    assert_eq!(all.lists[&300], sorted(list(30, 2)));
}

#[test]
fn kinds_that_came_later_are_read() {
    let make = |path: &Path| {
        commit(&mut Catalogue::create(path).unwrap(), puts(records()), Vec::new());
    };
    assert_eq!(read("catalogue-v1-later.redb.zst", make).records, records());
}
