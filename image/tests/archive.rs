//! Archives as GNU cpio and bsdtar read them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::{Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

fn archive(dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_image")).arg("cpio").arg(dir).output().unwrap()
}

/// Runs a shell line with `bytes` on its standard input, in `dir`.
fn shell(line: &str, bytes: &[u8], dir: &Path) -> String {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(bytes).unwrap();
    input.rewind().unwrap();
    let run = Command::new("sh")
        .args(["-ec", line])
        .current_dir(dir)
        .env("LC_ALL", "C")
        .stdin(input)
        .output()
        .unwrap();
    assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(at("bin/inner")).unwrap();
    std::fs::write(at("bin/init"), "#!/bin/sh\necho up\n").unwrap();
    std::fs::set_permissions(at("bin/init"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::hard_link(at("bin/init"), at("a-link")).unwrap();
    std::fs::hard_link(at("bin/init"), at("z-link")).unwrap();
    std::fs::write(at("bin/inner/empty"), "").unwrap();
    std::fs::write(at("bin-next"), vec![7; 1_000_001]).unwrap();
    symlink("bin/init", at("init")).unwrap();
    dir
}

#[test]
fn both_referees_unpack_the_same_tree() {
    let dir = tree();
    let made = archive(dir.path());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let expected = "a-link\nbin\nbin-next\nbin/init\nbin/inner\nbin/inner/empty\ninit\nz-link\n";
    for (list, unpack) in
        [("cpio -it --quiet", "cpio -idu --quiet"), ("bsdtar -tf -", "bsdtar -xf -")]
    {
        let room = tempfile::tempdir().unwrap();
        let listed = shell(list, &made.stdout, room.path());
        let listed = listed.replace("bin/\n", "bin\n").replace("inner/\n", "inner\n");
        assert_eq!(listed, expected, "{list}");
        let out = room.path().join("out");
        std::fs::create_dir(&out).unwrap();
        shell(unpack, &made.stdout, &out);
        let differing =
            shell(&format!("diff -r --no-dereference {} .", dir.path().display()), b"", &out);
        assert_eq!(differing, "", "{unpack}");
        let inode = |name: &str| std::fs::symlink_metadata(out.join(name)).unwrap().ino();
        assert_eq!(inode("a-link"), inode("z-link"), "{unpack}");
        assert_eq!(inode("a-link"), inode("bin/init"), "{unpack}");
        let mode = std::fs::metadata(out.join("bin/init")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o755, "{unpack}");
    }
}

#[test]
fn the_same_tree_is_the_same_bytes() {
    let (one, two) = (tree(), tree());
    // Made in another order, at another time.
    std::fs::remove_file(two.path().join("bin-next")).unwrap();
    std::fs::write(two.path().join("bin-next"), vec![7; 1_000_001]).unwrap();
    assert_eq!(archive(one.path()).stdout, archive(two.path()).stdout);
    std::fs::write(two.path().join("bin-next"), vec![8; 1_000_001]).unwrap();
    assert_ne!(archive(one.path()).stdout, archive(two.path()).stdout);
}

#[test]
fn device_nodes_keep_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let line = "mknod node c 300 70000 2>/dev/null && mknod pipe p";
    let made = Command::new("sh").args(["-c", line]).current_dir(dir.path()).status().unwrap();
    if !made.success() {
        eprintln!("not allowed to make device nodes here");
        return;
    }
    let made = archive(dir.path());
    let room = tempfile::tempdir().unwrap();
    let listed = shell("cpio -itv --quiet", &made.stdout, room.path());
    assert!(listed.contains("300,70000") || listed.contains("300, 70000"), "{listed}");
    assert!(listed.starts_with('c') && listed.contains("\np"), "{listed}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let big = std::fs::File::create(dir.path().join("big")).unwrap();
    big.set_len(1 << 32).unwrap();
    let refused = archive(dir.path());
    assert_eq!(refused.status.code(), Some(100));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("big: it is larger than 4 GiB"));

    let dir = tempfile::tempdir().unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    assert_eq!(archive(dir.path()).status.code(), Some(100));
    assert_eq!(archive(&dir.path().join("none")).status.code(), Some(111));
}
