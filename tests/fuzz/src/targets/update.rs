//! What an update is made of, and the boot partition it goes to.
//!
//! Promises: of a bundle nothing counts that is not signed, and what it gives is as long as it says; an archive or
//! executable is read or refused, and what is found is what was written; a boot partition of which a failing disk changed
//! anything is damaged, or every file on it that is whole can be read, and a new one disturbs none of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bundle::cpio::{self, Header, Writer};
use bundle::format::{self, SIGNATURE_BYTES};
use bundle::{Manifest, pe, root_file};
use esp::{Esp, Medium};

/// What bundles of the fuzzers are signed with.
pub fn key() -> &'static Ed25519KeyPair {
    static KEY: OnceLock<Ed25519KeyPair> = OnceLock::new();
    KEY.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"))
}

/// A bundle.
pub fn bundle(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let again = Manifest::parse(manifest.text().as_bytes()).expect("it was one");
        assert_eq!(again, manifest);
    }
    let Ok((manifest, body)) = format::open(bytes, key().public_key().as_ref()) else { return };
    assert_eq!(
        manifest.release.version.to_string().parse().as_ref(),
        Ok(&manifest.release.version)
    );
    let mut uki = Vec::new();
    if body.copy_to(&mut uki).is_ok() {
        assert_eq!(bundle::Uki::of(&uki), manifest.uki);
        assert!(bytes.ends_with(&uki));
        // Of what another signed nothing is believed.
        assert!(format::open(bytes, &[1; 32]).is_err());
    }
}

/// Where the manifest, the signature and what follows are.
fn parts(bytes: &mut [u8]) -> Option<(&mut [u8], &mut [u8], &mut [u8])> {
    let (head, rest) = bytes.split_at_mut_checked(12)?;
    let length = u32::from_le_bytes(*head.last_chunk()?);
    let (manifest, rest) = rest.split_at_mut_checked(usize::try_from(length).ok()?)?;
    let (signature, uki) = rest.split_at_mut_checked(SIGNATURE_BYTES)?;
    Some((manifest, signature, uki))
}

/// The hash in the manifest, and the signature over it.
pub fn repair(bytes: &mut [u8]) {
    let Some((manifest, signature, uki)) = parts(bytes) else { return };
    let word = b"\"sha256\": \"";
    let found = manifest.windows(word.len()).position(|window| window == word);
    if let Some(place) = found.and_then(|at| manifest.get_mut(at + word.len()..)?.get_mut(..64)) {
        let hash = digest(&SHA256, uki);
        let text: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        place.copy_from_slice(text.as_bytes());
    }
    signature.copy_from_slice(key().sign(manifest).as_ref());
}

/// An archive.
pub fn newc(bytes: &[u8]) {
    let Ok(files) = cpio::files(bytes) else { return };
    let whole: usize = files.iter().map(|(_, content)| content.len()).sum();
    assert!(whole <= bytes.len());
    let mut written = Vec::new();
    let mut writer = Writer::new(&mut written);
    for (name, content) in &files {
        let size = u32::try_from(content.len()).expect("it came out of a field so long");
        let header = Header { mode: 0o100_644, links: 1, size, ..Header::default() };
        writer.entry(name.as_bytes(), &header).expect("memory is written");
        writer.content(content).expect("memory is written");
        writer.pad().expect("memory is written");
    }
    writer.finish().expect("memory is written");
    // Names that are no text come back longer, and the last name ends an archive.
    if files.iter().all(|(name, _)| name.len() <= 1000 && name != "TRAILER!!!") {
        assert!(cpio::files(&written[..]).expect("it was just written") == files);
    }
    if let Some((name, content)) = files.first().filter(|(name, _)| !name.contains('\u{fffd}')) {
        let found = cpio::find(bytes, name, content.len() as u64).expect("it is there");
        assert!(found == *content);
    }
}

/// An executable with its sections.
pub fn executable(bytes: &[u8]) {
    // Refused or found, within a limit.
    if let Ok(found) = root_file(bytes, "init", 1 << 16) {
        assert!(found.len() <= 1 << 16);
    }
    let Ok(sections) = pe::sections(bytes) else { return };
    assert!(sections.iter().all(|(_, content)| content.len() <= bytes.len()));
    let Ok(more) = pe::with_sections(bytes, &[(".one", b"first"), (".two", b"second")]) else {
        return;
    };
    if let Ok(found) = pe::sections(&more) {
        let last: Vec<&[u8]> = found.iter().rev().take(2).map(|(_, content)| *content).collect();
        assert_eq!(last, [&b"second"[..], b"first"]);
    }
    let before = pe::signed_digest(&more).expect("it is an executable");
    let signed = pe::with_signature(&more, b"signature").expect("it is small");
    assert_eq!(pe::signed_digest(&signed).expect("it is an executable"), before);
}

const BYTES: u64 = 40 << 20;
type Sectors = BTreeMap<u64, [u8; 512]>;

/// A boot partition as a box has it, changed in places.
#[derive(Clone, Default)]
struct Disk(Sectors);

impl Medium for Disk {
    fn bytes(&self) -> io::Result<u64> {
        Ok(BYTES)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        assert!(at.is_multiple_of(32) && at + bytes.len() as u64 <= BYTES, "outside of the disk");
        let (mut left, mut at) = (bytes, at);
        while !left.is_empty() {
            let from = usize::try_from(at % 512).expect("it is less than a sector");
            let (part, rest) = left.split_at_mut(left.len().min(512 - from));
            match self.0.get(&(at / 512)) {
                Some(sector) => part.copy_from_slice(&sector[from..from + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            left = rest;
        }
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        assert!(at.is_multiple_of(512) && bytes.len().is_multiple_of(512));
        assert!(at + bytes.len() as u64 <= BYTES, "outside of the disk");
        for (content, n) in bytes.as_chunks::<512>().0.iter().zip(at / 512..) {
            self.0.insert(n, *content);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn usual() -> &'static Sectors {
    static USUAL: OnceLock<Sectors> = OnceLock::new();
    USUAL.get_or_init(|| {
        let mut disk = Disk::default();
        let mut esp = Esp::format(Shared(&mut disk)).expect("it is large enough");
        for (path, bytes) in [
            ("EFI/BOOT/BOOTX64.EFI", 700_u64),
            ("loader/loader.conf", 30),
            ("EFI/Linux/tapioca_0.1.0.efi", 1500),
            ("EFI/Linux/tapioca_0.2.0+2-1.efi", 1200),
        ] {
            esp.put(path, bytes, &mut io::repeat(7)).expect("there is room");
        }
        drop(esp);
        disk.0
    })
}

/// A disk that is looked at afterwards.
struct Shared<'a>(&'a mut Disk);

impl Medium for Shared<'_> {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_at(bytes, at)
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn content(esp: &Esp<Shared<'_>>, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    esp.copy_to(path, &mut bytes).expect("it is whole");
    bytes
}

/// Files that are whole, each under a path that only one has.
fn whole(esp: &Esp<Shared<'_>>) -> BTreeMap<String, Vec<u8>> {
    let same =
        |path: &str| esp.files().iter().filter(|f| f.path.eq_ignore_ascii_case(path)).count();
    let mut found = BTreeMap::new();
    for file in esp.files().iter().filter(|file| file.whole && same(&file.path) == 1) {
        let bytes = content(esp, &file.path);
        assert_eq!(bytes.len() as u64, file.bytes, "{}", file.path);
        found.insert(file.path.clone(), bytes);
    }
    found
}

/// Changes, eight bytes each: which sector in use, where in it, and four bytes that are there instead.
pub fn partition(bytes: &[u8]) {
    let mut disk = Disk(usual().clone());
    let used: Vec<u64> = usual().keys().copied().collect();
    for [a, b, c, d, value @ ..] in bytes.as_chunks::<8>().0 {
        let at = usize::from(u16::from_le_bytes([*a, *b])) % used.len();
        let from = usize::from(u16::from_le_bytes([*c, *d])) % 509;
        let sector = disk.0.get_mut(&used[at]).expect("it is in use");
        sector[from..from + 4].copy_from_slice(value);
    }
    let new = "EFI/Linux/tapioca_0.3.0+3.efi";
    let before = {
        let Ok(mut esp) = Esp::open(Shared(&mut disk)) else { return };
        let before = whole(&esp);
        if esp.file(new).is_some() || esp.put(new, 1300, &mut io::repeat(9)).is_err() {
            return;
        }
        before
    };
    {
        let mut esp = Esp::open(Shared(&mut disk)).expect("it was just written");
        let after = whole(&esp);
        assert!(after[new] == [9; 1300]);
        assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)));
        esp.remove(new).expect("it is there");
    }
    let esp = Esp::open(Shared(&mut disk)).expect("it was just written");
    assert!(esp.file(new).is_none());
    let after = whole(&esp);
    assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)));
}
