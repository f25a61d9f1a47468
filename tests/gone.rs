//! What a stream says is gone: what `sink_filesys` removes, and what it leaves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;
#[path = "common/restoring.rs"]
mod restoring;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;

use common::hard_tree;
use restoring::{Archive, command, frames, restore, run};
use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use tapioca::parts::sink::filesys::Options;
use tapioca::pax::encode_gone;

/// An archive that begins with paths that are gone.
fn without(paths: &[&[u8]]) -> Archive {
    let mut archive = Archive::default();
    encode_gone(&paths.join(&0), &mut archive.0);
    archive
}

fn tree(target: &Path) {
    fs::create_dir_all(target.join("d/e")).unwrap();
    for path in ["d/a", "d/e/b", "d/e/theirs", "f"] {
        fs::write(target.join(path), path).unwrap();
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_gone_is_removed_before_anything_is_restored() {
    let temp = tempfile::tempdir().unwrap();
    tree(temp.path());
    let paths: [&[u8]; 5] = [b"d/e/theirs", b"d/e/b", b"d/e", b"f", b"not/there"];
    // A file comes where a directory was, and a directory where a file was.
    let archive = without(&paths).file(b"d/e", b"new").dir(b"f").file(b"f/in it", b"new").end();
    assert_eq!(restore(temp.path(), Options::default(), &archive).unwrap(), 0);
    assert_eq!(fs::read(temp.path().join("d/e")).unwrap(), b"new");
    assert_eq!(fs::read(temp.path().join("f/in it")).unwrap(), b"new");
    assert!(temp.path().join("d/a").exists());
}

#[test]
fn a_directory_that_was_removed_can_come_again() {
    let temp = tempfile::tempdir().unwrap();
    tree(temp.path());
    let paths: [&[u8]; 4] = [b"d/e/theirs", b"d/e/b", b"d/e", b"d/a"];
    let archive = without(&paths).file(b"d/e/x", b"new").file(b"d/a", b"a").end();
    assert_eq!(restore(temp.path(), Options::default(), &archive).unwrap(), 0);
    assert_eq!(fs::read(temp.path().join("d/e/x")).unwrap(), b"new");
}

#[test]
fn a_directory_with_other_things_in_it_stays_and_is_named() {
    let temp = tempfile::tempdir().unwrap();
    tree(temp.path());
    let archive = without(&[b"d/e/b", b"d/e", b"f"]).end();
    let output = run(command(false).arg("-C").arg(temp.path()), &frames(&archive));
    assert_eq!(output.status.code(), Some(1));
    let said = words(&output);
    assert!(said.contains("left out d/e: it is gone, says the stream, but there are"), "{said}");
    assert!(
        said.contains("removed, as the stream says that it is gone (2, the first: d/e/b)"),
        "{said}"
    );
    assert!(temp.path().join("d/e/theirs").exists());
    assert!(!temp.path().join("d/e/b").exists() && !temp.path().join("f").exists());
}

#[test]
fn nothing_outside_is_removed_whatever_the_stream_says() {
    let temp = tempfile::tempdir().unwrap();
    let (target, outside) = (temp.path().join("target"), temp.path().join("outside"));
    tree(&target);
    tree(&outside);
    symlink("../outside", target.join("way")).unwrap();
    symlink(&outside, target.join("d/far")).unwrap();
    let absolute = outside.join("f").into_os_string().into_string().unwrap();
    let paths: [&[u8]; 7] = [
        b"way/f",
        b"way/d/a",
        b"d/far/d/a",
        b"../outside/f",
        b"d/../../outside/d/a",
        absolute.as_bytes(),
        b".",
    ];
    let archive = without(&paths).end();
    assert_eq!(
        restore(&target, Options::default(), &archive).unwrap(),
        3,
        "two `..` and the target"
    );
    for path in ["d/a", "d/e/b", "d/e/theirs", "f"] {
        assert!(outside.join(path).exists(), "{path}");
        assert!(target.join(path).exists(), "{path}");
    }
    // The links themselves may go, and nothing behind them.
    let archive = without(&[b"way", b"d/far"]).end();
    assert_eq!(restore(&target, Options::default(), &archive).unwrap(), 0);
    assert!(!target.join("way").is_symlink() && outside.join("f").exists());
}

#[test]
fn who_keeps_or_chooses_loses_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    tree(temp.path());
    let archive = without(&[b"d/a", b"f"]).end();
    let keep =
        run(command(false).arg("--keep-existing").arg("-C").arg(temp.path()), &frames(&archive));
    assert_eq!(keep.status.code(), Some(0));
    assert!(words(&keep).contains("gone, says the stream, and kept (2, the first: d/a)"));
    assert!(temp.path().join("d/a").exists() && temp.path().join("f").exists());
    let options = Options { only: vec![b"d".to_vec()], ..Options::default() };
    assert_eq!(restore(temp.path(), options, &archive).unwrap(), 0);
    assert!(!temp.path().join("d/a").exists() && temp.path().join("f").exists());
}

#[test]
fn what_is_gone_leaves_a_directory_that_is_closed() {
    if !hard_tree::is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    tree(temp.path());
    let everybody = |path: &str, mode| {
        let path = temp.path().join(path);
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    everybody("d", 0o555);
    everybody(".", 0o755);
    let archive = without(&[b"d/a"]).end();
    let output = run(command(true).arg("-C").arg(temp.path()), &frames(&archive));
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(!temp.path().join("d/a").exists());
    assert_eq!(fs::metadata(temp.path().join("d")).unwrap().permissions().mode() & 0o777, 0o555);
}

#[test]
fn attributes_of_directories_go_only_if_the_stream_goes_on_from_another() {
    let work = hard_tree::workspace();
    let target = work.path().join("t");
    tree(&target);
    let has = |path: &str| lgetxattr(target.join(path), "user.old", &mut [0; 9][..]).is_ok();
    lsetxattr(target.join("d"), "user.old", b"x", XattrFlags::empty()).unwrap();
    let plain = Archive::default().dir(b"d").end();
    assert_eq!(restore(&target, Options::default(), &plain).unwrap(), 0);
    assert!(has("d"), "an archive of tar may know nothing of attributes");
    let goes_on = without(&[]).dir(b"d").end();
    assert_eq!(restore(&target, Options::default(), &goes_on).unwrap(), 0);
    assert!(!has("d"));
}
