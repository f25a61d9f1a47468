//! Logical objects: writing, reading, moving among them, and what is said at each edge.

mod rig;

use rig::*;

#[test]
fn blocks_and_filemarks_come_back_in_order() {
    let rig = Rig::new();
    let mut drive = rig.loaded(0);
    for block in [&b"one"[..], b"two two", b"three"] {
        assert_eq!(drive.write(block), good(0));
    }
    assert_eq!(drive.marks(1, false), good(0));
    assert_eq!(drive.write(b"four"), good(0));
    assert_eq!(drive.block(), 5);
    assert_eq!(drive.rewind(), good(0));
    assert_eq!(drive.read(3, false), (good(0), b"one".to_vec()));
    assert_eq!(drive.read(7, false), (good(0), b"two two".to_vec()));
    assert_eq!(drive.read(100, true), (good(95), b"three".to_vec()));
    let (outcome, bytes) = drive.read(100, true);
    assert_eq!((code(&outcome), bytes), ((0, 0, 1), vec![]));
    assert!(sense(&outcome).filemark);
    assert_eq!(sense(&outcome).information, Some(100));
    assert_eq!(
        drive.standing(),
        Standing { block: 4, file: 1, buffered_objects: 0, buffered_bytes: 0 }
    );
    assert_eq!(drive.read(4, false).1, b"four");
    let (outcome, _) = drive.read(4, false);
    assert_eq!(code(&outcome), (8, 0, 5));
    assert_eq!(drive.block(), 5);
}
