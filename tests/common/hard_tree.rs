//! A tree with everything in it that backups get wrong.
//!
//! Owns its building, below one directory, the same each time. What needs root is left out without
//! it, and said so.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, UTIME_OMIT, XattrFlags, chmodat, chownat,
    linkat, lsetxattr, makedev, mknodat, utimensat,
};
use rustix::process::{Gid, Uid};

/// Where trees are built: tmpfs where there is one, as it takes large attributes and far times.
pub fn workspace() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }
        .expect("a directory for the test")
}

/// True when we may make devices and set owners; says so when not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: no devices, owners, capabilities, trusted attributes in the tree");
    }
    root
}

/// Builds the tree in the empty directory `dir`.
pub fn build(dir: &Path) {
    names(dir);
    contents(dir);
    modes_and_times(dir);
    attributes(dir);
    nodes_and_links(dir);
    if is_root() {
        what_needs_root(dir);
    }
    // Last, as everything above changes the times of directories.
    let odd = [("empty-dir", -1_000_000_000, 123_456_789), ("", 1_600_000_000, 1)];
    std::fs::create_dir(dir.join("empty-dir")).expect("a directory");
    odd.iter().for_each(|(name, s, ns)| set_mtime(&dir.join(name), *s, *ns));
}

fn write(path: PathBuf, content: &[u8]) {
    std::fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Bytes that do not compress or repeat by block.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn names(dir: &Path) {
    let here = dir.join("names");
    std::fs::create_dir(&here).expect("a directory");
    let odd: [&[u8]; 14] = [
        b"\xff\xfe not utf-8",
        b"new\nline",
        b"-rf",
        b"--checkpoint-action=exec=false",
        b"@LongLink",
        b"@archive",
        b"././@x",
        b" leading and trailing ",
        b"back\\slash\\012",
        b"tab\tbell\x07",
        b"*?[a]",
        "\u{e4}\u{f6}\u{fc} \u{65e5}\u{672c}".as_bytes(),
        b"PaxHeaders",
        b"=17 path=x",
    ];
    for name in odd.iter().filter(|name| !name.contains(&b'/')) {
        write(here.join(OsStr::from_bytes(name)), name);
    }
    write(here.join(OsStr::from_bytes(&[0xfe; 255])), b"255 bytes");
    // Stored paths of every length around the borders of the ustar fields.
    for length in (96..=103).chain(152..=160).chain(253..=258) {
        let mut path = vec![b'n'; length - "names/".len()];
        (100..path.len()).step_by(100).for_each(|at| path[at] = b'/');
        let path = here.join(OsStr::from_bytes(&path));
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("directories");
        write(path, &length.to_le_bytes());
        std::fs::create_dir(here.join("d".repeat((length - 6).min(255)))).expect("a directory");
    }
    let mut deep = here;
    for level in 0..13 {
        deep.push(OsStr::from_bytes(&[b'a' + level, 0xc3, 0x28].repeat(80)));
    }
    std::fs::create_dir_all(&deep).expect("a path of more than 3000 bytes");
    write(deep.join("bottom"), b"deep");
    symlink("t".repeat(3000), deep.join("long-link")).expect("a link");
    std::fs::hard_link(deep.join("bottom"), deep.join("second")).expect("a link");
}

fn contents(dir: &Path) {
    let here = dir.join("contents");
    std::fs::create_dir(&here).expect("a directory");
    for size in [0, 1, 511, 512, 513, 4096, 65536, 262_143, 262_144, 262_145, 3_000_000] {
        write(here.join(format!("size-{size}")), &noise(size as u64, size));
    }
    write(here.join("zeros"), &vec![0; 200_000]);
    sparse(&here.join("one-island"), 20 << 30, &[(10 << 30, 5000)]);
    sparse(&here.join("all-hole"), 20 << 30, &[]);
    sparse(&here.join("data-first"), 1 << 20, &[(0, 4096)]);
    sparse(&here.join("data-last"), (1 << 20) + 77, &[((1 << 20) - 4096, 4096 + 77)]);
    let islands: Vec<(u64, usize)> = (0..500).map(|i| (i * 65536, 4096)).collect();
    sparse(&here.join("many-islands"), 500 * 65536, &islands);
}

fn sparse(path: &Path, size: u64, islands: &[(u64, usize)]) {
    let file = File::create(path).expect("a file");
    file.set_len(size).expect("a size");
    for &(at, length) in islands {
        file.write_all_at(&noise(at, length), at).expect("data");
    }
}

fn modes_and_times(dir: &Path) {
    let here = dir.join("modes");
    std::fs::create_dir(&here).expect("a directory");
    for mode in [0o000, 0o400, 0o644, 0o4755, 0o2755, 0o1777, 0o7777] {
        let path = here.join(format!("file-{mode:o}"));
        write(path.clone(), b"mode");
        chmodat(CWD, &path, Mode::from_raw_mode(mode), AtFlags::empty()).expect("a mode");
        if mode & 0o700 == 0o700 {
            let path = here.join(format!("dir-{mode:o}"));
            std::fs::create_dir(&path).expect("a directory");
            chmodat(CWD, &path, Mode::from_raw_mode(mode), AtFlags::empty()).expect("a mode");
        }
    }
    let times: [(i64, i64); 8] = [
        (0, 0),
        (0, 1),
        (-1, 999_999_999),
        (-2_000_000_000, 5),
        (1_700_000_000, 123_456_789),
        (1 << 31, 0),
        ((1 << 33) - 1, 999_999_999),
        (1 << 33, 7),
    ];
    for (s, ns) in times {
        let path = here.join(format!("time{s}.{ns}"));
        write(path.clone(), b"time");
        set_mtime(&path, s, ns);
        let path = here.join(format!("link{s}.{ns}"));
        symlink("nowhere", &path).expect("a link");
        set_mtime(&path, s, ns);
    }
}

/// Times to set: the modification time, and no other.
pub fn times(s: i64, ns: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: s, tv_nsec: ns },
    }
}

/// Sets the modification time of a path, also of a link.
pub fn set_mtime(path: &Path, s: i64, ns: i64) {
    utimensat(CWD, path, &times(s, ns), AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

fn attributes(dir: &Path) {
    let here = dir.join("attributes");
    std::fs::create_dir(&here).expect("a directory");
    let path = here.join("file");
    write(path.clone(), b"attributes");
    let all_bytes: Vec<u8> = (0..=255).collect();
    set_xattr(&path, "user.text", b"hello");
    set_xattr(&path, "user.empty", b"");
    set_xattr(&path, "user.binary", &all_bytes);
    set_xattr(&path, "user.60k", &noise(60, 60_000));
    let directory = here.join("directory");
    std::fs::create_dir(&directory).expect("a directory");
    set_xattr(&directory, "user.of.directory", b"\0\n=");
    set_xattr(&directory, "system.posix_acl_default", &acl(&[(7, 5), (4_000_000, 6)]));
    set_xattr(&directory, "system.posix_acl_access", &acl(&[(8, 7)]));
    let file = here.join("acl");
    write(file.clone(), b"acl");
    set_xattr(&file, "system.posix_acl_access", &acl(&[(7, 4), (1_000_000, 6)]));
}

/// An attribute the test's file system must be able to keep.
fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|e| panic!("{name} on {} ({} bytes): {e}", path.display(), value.len()));
}

/// A kernel ACL with entries for some users.
fn acl(users: &[(u32, u16)]) -> Vec<u8> {
    let none = u32::MAX;
    let mut entries = vec![(1u16, 7u16, none)];
    entries.extend(users.iter().map(|&(id, perm)| (2, perm, id)));
    entries.extend([(4, 5, none), (16, 7, none), (32, 0, none)]);
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        bytes.extend([tag.to_le_bytes(), perm.to_le_bytes()].as_flattened());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn nodes_and_links(dir: &Path) {
    let here = dir.join("nodes");
    std::fs::create_dir(&here).expect("a directory");
    let fifo = here.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o620), 0).expect("a fifo");
    std::os::unix::net::UnixListener::bind(here.join("socket")).expect("a socket");
    symlink("../contents/size-512", here.join("soft")).expect("a link");
    symlink("/", here.join("root")).expect("a link");
    symlink(OsStr::from_bytes(b"\xff/\n"), here.join("odd")).expect("a link");
    for (length, name) in [(100, "l100"), (101, "l101"), (255, "l255")] {
        symlink("x".repeat(length), here.join(name)).expect("a link");
    }
    link(&dir.join("contents/size-513"), &here.join("hard-file"));
    link(&dir.join("contents/one-island"), &here.join("hard-sparse"));
    link(&dir.join("contents/size-0"), &here.join("hard-empty"));
    link(&here.join("soft"), &here.join("hard-soft"));
    link(&fifo, &here.join("hard-fifo"));
}

/// Another name of `old`, also where that is a symbolic link.
fn link(old: &Path, new: &Path) {
    linkat(CWD, old, CWD, new, AtFlags::empty()).expect("a link");
}

fn what_needs_root(dir: &Path) {
    let here = dir.join("nodes");
    let mode = Mode::from_raw_mode(0o640);
    mknodat(CWD, here.join("null"), FileType::CharacterDevice, mode, makedev(1, 3))
        .expect("a device");
    mknodat(CWD, here.join("loop"), FileType::BlockDevice, mode, makedev(7, 300))
        .expect("a device");
    mknodat(CWD, here.join("far"), FileType::CharacterDevice, mode, makedev(4095, 1_048_575))
        .expect("a device");
    link(&here.join("null"), &here.join("hard-null"));
    let here = dir.join("attributes");
    let owners = [(4_000_000, 4_000_001), (0o7_777_777, 0o10_000_000), (u32::MAX - 1, 12)];
    for (uid, gid) in owners {
        let path = here.join(format!("owner-{uid}"));
        write(path.clone(), b"owner");
        chown(&path, uid, gid);
        let path = here.join(format!("link-{uid}"));
        symlink("x", &path).expect("a link");
        chown(&path, uid, gid);
    }
    let path = here.join("capability");
    write(path.clone(), b"capability");
    // Version 2, effective: cap_net_raw permitted.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&path, "security.capability", &capability);
    set_xattr(&path, "trusted.secret", b"only root");
    symlink("file", here.join("soft")).expect("a link");
    set_xattr(&here.join("soft"), "trusted.of.link", b"link");
    mknodat(CWD, here.join("fifo"), FileType::Fifo, mode, 0).expect("a fifo");
    set_xattr(&here.join("fifo"), "trusted.of.fifo", b"fifo");
    // Setting an owner clears these bits, so the mode comes after it.
    let path = here.join("setuid-of-another");
    write(path.clone(), b"setuid");
    chown(&path, 12, 13);
    chmodat(CWD, &path, Mode::from_raw_mode(0o6755), AtFlags::empty()).expect("a mode");
}

fn chown(path: &Path, uid: u32, gid: u32) {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).expect("an owner");
}
