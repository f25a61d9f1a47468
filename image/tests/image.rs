//! Images: the same bytes for the same input, and nothing in them that their board does not say.
//!
//! Kernel and loader are fetched as the tool does; where there is no package client nothing is tested,
//! and that is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::{Path, PathBuf};
use std::process::Command;

use board::Board;
use bundle::format;
use image::build::{BUNDLE, DISK, Input, MANIFEST, SBOM, UKI, build};
use image::fetch::Packages;
use image::keys::Keys;
use image::modules::Tree;
use image::{Error, disk, pe, verify};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Option<Packages> {
    if Command::new("apt-get").arg("--version").output().is_err() {
        eprintln!("SKIPPED, everything about whole images: there is no apt-get");
        return None;
    }
    Some(Packages::fetch("linux-image-amd64", &root().join("target/image/cache")).unwrap())
}

/// A static executable, small and fast to build.
fn small_exe(dir: &Path) -> PathBuf {
    let (source, exe) = (dir.join("small.rs"), dir.join("small"));
    std::fs::write(&source, "fn main() {}").unwrap();
    let built = Command::new("rustc")
        .args(["-C", "target-feature=+crt-static", "-o"])
        .args([&exe, &source])
        .status();
    assert!(built.unwrap().success());
    exe
}

fn make(
    board: &Board,
    packages: &Packages,
    exe: &Path,
    keys: &Keys,
    out: &Path,
) -> Result<(), Error> {
    let lock = root().join("Cargo.lock");
    let input = Input {
        board,
        packages,
        exe,
        cargo_lock: &lock,
        keys: Some(keys),
        version: "1.2.3",
        level: 3,
    };
    build(&input, out).map(|_| ())
}

#[test]
fn two_builds_in_different_folders_are_the_same_bytes_and_every_change_shows() {
    let Some(packages) = packages() else { return };
    let board = Board::load("standalone").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::open(&dir.path().join("keys")).unwrap();
    let exe = small_exe(dir.path());
    let (one, other) = (dir.path().join("one"), dir.path().join("deep/er/other"));
    make(&board, &packages, &exe, &keys, &one).unwrap();
    make(&board, &packages, &exe, &keys, &other).unwrap();
    for file in [UKI, DISK, BUNDLE, MANIFEST, SBOM] {
        let is_same =
            std::fs::read(one.join(file)).unwrap() == std::fs::read(other.join(file)).unwrap();
        assert!(is_same, "{file} differs");
    }
    verify::verify(&board, &one, Some(&keys)).unwrap();
    assert_eq!(verify::diff(&one, &other).unwrap(), Vec::<String>::new());

    // Another board's image is another image, and is not taken for this one's.
    let lab = Board::load("standalone+lab").unwrap();
    make(&lab, &packages, &exe, &keys, &other).unwrap();
    assert!(verify::verify(&board, &other, Some(&keys)).is_err());
    let differs = verify::diff(&one, &other).unwrap();
    assert!(differs.iter().any(|line| line.contains("/board.toml")), "{differs:?}");

    // The update: any changed byte of it is seen.
    let update = std::fs::read(one.join(BUNDLE)).unwrap();
    let read = |bundle: &[u8], keys: &Keys| -> Result<_, bundle::Error> {
        let (manifest, body) = format::open(bundle, keys.update_public())?;
        let mut uki = Vec::new();
        body.copy_to(&mut uki).map(|()| (manifest, uki))
    };
    let (manifest, uki) = read(&update, &keys).unwrap();
    assert_eq!(manifest.release.version.to_string(), "1.2.3");
    assert!(uki == std::fs::read(one.join(UKI)).unwrap());
    let init = bundle::root_file(&uki, "init", 64 << 20).unwrap();
    assert!(init.starts_with(b"\x7fELF"));
    for at in [0, 9, 40, update.len() - uki.len() - 1, update.len() - 1] {
        let mut changed = update.clone();
        changed[at] ^= 4;
        assert!(read(&changed, &keys).is_err(), "byte {at}");
    }
    let strangers = Keys::open(&dir.path().join("others")).unwrap();
    assert!(read(&update, &strangers).is_err());
}

#[test]
fn what_was_made_is_what_others_read() {
    let Some(packages) = packages() else { return };
    let board = Board::load("qemu-q35").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::open(&dir.path().join("keys")).unwrap();
    make(&board, &packages, &small_exe(dir.path()), &keys, dir.path()).unwrap();
    let uki = std::fs::read(dir.path().join(UKI)).unwrap();
    let kernel = packages.kernel.kernel_version().unwrap();
    let linux = packages.kernel.file(format!("boot/vmlinuz-{kernel}")).unwrap();
    let sections = pe::sections(&uki).unwrap();
    let linux_at = sections.iter().position(|(name, _)| name == ".linux").unwrap();
    assert!(sections[linux_at].1 == linux);

    // e2fsck is the other opinion on the data file system; dosfstools' on the ESP where they are.
    let content = disk::read(&dir.path().join(DISK)).unwrap();
    for (name, bytes, checker) in
        [("data", &content.data, "e2fsck"), ("esp", &content.esp, "fsck.vfat")]
    {
        let checker = Path::new("/usr/sbin").join(checker);
        if !checker.exists() {
            eprintln!("SKIPPED, the other opinion on {name}: there is no {}", checker.display());
            continue;
        }
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let run = Command::new(&checker).arg("-n").arg(&path).output().unwrap();
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stdout));
    }
}

#[test]
fn more_than_the_board_allows_is_refused() {
    let Some(packages) = packages() else { return };
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small.toml");
    std::fs::write(&small, "inherits = \"standalone\"\n[limits]\nuki_mib_max = 4\n").unwrap();
    let board = Board::load(small.to_str().unwrap()).unwrap();
    let keys = Keys::open(&dir.path().join("keys")).unwrap();
    let refused = make(&board, &packages, &small_exe(dir.path()), &keys, &dir.path().join("out"));
    let Err(Error::Limit { key, bytes, max }) = refused else { panic!("not refused: {refused:?}") };
    assert_eq!((key, max), ("limits.uki_mib_max", 4 << 20));
    assert!(bytes > max);
    assert!(!dir.path().join("out").join(DISK).exists());
    // A dynamic executable would find no loader.
    let dynamic = Path::new("/bin/true");
    let refused = make(
        &Board::load("standalone").unwrap(),
        &packages,
        dynamic,
        &keys,
        &dir.path().join("out"),
    );
    assert!(refused.unwrap_err().to_string().contains("is not static"));
}

#[test]
fn every_module_that_a_board_names_is_in_its_kernel() {
    let Some(packages) = packages() else { return };
    let tree = Tree::of(&packages.kernel).unwrap();
    let mut missing = Vec::new();
    for name in Board::names() {
        let Some(machine) = Board::load(name).unwrap().machine else { continue };
        for (group, modules) in machine.modules.groups() {
            let lost = modules.iter().filter(|module| !tree.has(module));
            missing.extend(lost.map(|module| format!("{name}: modules.{group}: {module}")));
        }
        let selected = tree.select(&machine.modules).unwrap();
        // What ext4 asks for while it runs nobody would load.
        assert!(selected.iter().any(|module| module.file == "crc32c_generic.ko"), "{name}");
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn no_header_of_an_executable_makes_it_read_what_is_not_there() {
    let Some(packages) = packages() else { return };
    let stub = packages.loader.file("usr/lib/systemd/boot/efi/linuxx64.efi.stub").unwrap();
    let whole = pe::with_sections(&stub, &[(".one", b"1"), (".two", &[2; 5000])]).unwrap();
    let added: Vec<_> = pe::sections(&whole).unwrap().into_iter().rev().take(2).collect();
    assert_eq!(added[1], (".one".to_owned(), &b"1"[..]));
    assert_eq!(added[0], (".two".to_owned(), &[2; 5000][..]));

    // Any outcome is fine that is no panic.
    let try_all = |bytes: &[u8]| {
        let _ = pe::sections(bytes);
        let _ = pe::signed_digest(bytes).and_then(|_| pe::with_signature(bytes, &[0; 9]));
        let _ = pe::with_sections(bytes, &[(".one", b"1")]);
    };
    let mut short = whole[..2048].to_vec();
    (0..short.len()).for_each(|length| try_all(&short[..length]));
    for at in 0..1024 {
        for value in [0, 1, 0x7f, 0xff] {
            let before = std::mem::replace(&mut short[at], value);
            try_all(&short);
            short[at] = before;
        }
    }
}
