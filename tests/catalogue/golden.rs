//! A catalogue of version 1, as it was written once: never edited, and read for ever.

use std::path::{Path, PathBuf};

use tapioca::catalogue::Catalogue;
use tapioca::catalogue::check::check;

use crate::common::{All, full, list, records, sorted, user};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/catalogue-v1.redb.zst")
}

#[test]
fn version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    if std::env::var_os("BLESS").is_some() && !golden().exists() {
        full(&path, 60);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(golden(), zstd::bulk::compress(&bytes, 19).unwrap()).unwrap();
    }
    let packed = std::fs::read(golden()).unwrap();
    std::fs::write(&path, zstd::bulk::decompress(&packed, 64 << 20).unwrap()).unwrap();
    let catalogue = Catalogue::open(&path).unwrap();
    let snapshot = catalogue.reader().snapshot().unwrap();
    let all = All::of(&snapshot).unwrap();
    let mut expected = records();
    expected.insert(2, user("carl"));
    assert_eq!(all.records, expected);
    assert_eq!(all.lists[&1], sorted(list(60, 1)));
    assert_eq!(all.lists[&300], sorted(list(30, 2)));
    assert_eq!(check(&snapshot).unwrap().lines, [""; 0]);
}
