//! What a box has: a boot partition in memory or in a file, copies of what is on it, and bundles.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bundle::cpio::{Header, Writer};
use bundle::{Manifest, Release, Uki, Version, format, pe};
use esp::{Esp, Medium};
use tapioca::updater::entry::Entry;

pub const BYTES: u64 = 64 << 20;
pub const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
pub const SETTINGS: &str = "loader/loader.conf";

/// A partition in memory whose power goes after some sectors were written.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    sectors: BTreeMap<u64, [u8; 512]>,
    left: Option<usize>,
}

impl Disk {
    /// The same content on another disk.
    pub fn copied(&self) -> Disk {
        let inner = Inner { left: None, ..self.inner.lock().unwrap().clone() };
        Disk { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Power for so many sectors; none: for all.
    pub fn power(&self, left: Option<usize>) {
        self.inner.lock().unwrap().left = left;
    }

    /// Changes one byte of the first sector of a content.
    pub fn flip(&self, content: &[u8]) {
        let mut inner = self.inner.lock().unwrap();
        let length = content.len().min(512);
        let found = inner.sectors.values_mut().find(|s| s[..length] == content[..length]);
        found.expect("it is on the disk")[7 % length] ^= 0x20;
    }

    /// Forgets sectors.
    pub fn zero(&self, sectors: std::ops::Range<u64>) {
        let mut inner = self.inner.lock().unwrap();
        sectors.for_each(|n| _ = inner.sectors.remove(&n));
    }
}

impl Medium for Disk {
    fn bytes(&self) -> io::Result<u64> {
        Ok(BYTES)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let inner = self.inner.lock().unwrap();
        let (mut left, mut at) = (bytes, at);
        while !left.is_empty() {
            let from = (at % 512) as usize;
            let (part, rest) = left.split_at_mut(left.len().min(512 - from));
            match inner.sectors.get(&(at / 512)) {
                Some(sector) => part.copy_from_slice(&sector[from..from + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            left = rest;
        }
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        for (content, n) in bytes.as_chunks::<512>().0.iter().zip(at / 512..) {
            match &mut inner.left {
                Some(0) => return Err(io::Error::other("the power is gone")),
                Some(left) => *left -= 1,
                None => {}
            }
            inner.sectors.insert(n, *content);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.inner.lock().unwrap().left {
            Some(0) => Err(io::Error::other("the power is gone")),
            _ => Ok(()),
        }
    }
}

pub fn version(text: &str) -> Version {
    text.parse().unwrap()
}

pub fn release(text: &str) -> Release {
    Release { board: "box".into(), version: version(text), security_floor: 2 }
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

pub fn public_key() -> Vec<u8> {
    key().public_key().as_ref().to_vec()
}

/// A bundle of a bootable file, signed.
pub fn bundled(release: &Release, uki: &[u8]) -> Vec<u8> {
    let release = release.clone();
    let text = Manifest { release, uki: Uki::of(uki), packages: BTreeMap::new() }.text();
    format::write(&text, key().sign(text.as_bytes()).as_ref(), uki)
}

/// The smallest executable that sections can be added to.
fn stub() -> Vec<u8> {
    let mut stub = vec![0; 0x400];
    stub[..2].copy_from_slice(b"MZ");
    stub[0x3c] = 0x40;
    stub[0x40..0x44].copy_from_slice(b"PE\0\0");
    let (coff, optional) = (0x44, 0x58);
    stub[coff + 16] = 240;
    stub[optional..optional + 2].copy_from_slice(&0x20b_u16.to_le_bytes());
    stub[optional + 36..optional + 40].copy_from_slice(&512_u32.to_le_bytes());
    stub[optional + 60..optional + 64].copy_from_slice(&0x400_u32.to_le_bytes());
    stub
}

/// A bootable file, but for a kernel, with this program for its first process.
pub fn uki(program: &Path) -> Vec<u8> {
    let program = std::fs::read(program).unwrap();
    let mut archive = Vec::new();
    let mut writer = Writer::new(&mut archive);
    let size = u32::try_from(program.len()).unwrap();
    let header = Header { mode: 0o100_755, links: 1, size, ..Header::default() };
    writer.entry(b"init", &header).unwrap();
    writer.content(&program).unwrap();
    writer.pad().unwrap();
    writer.finish().unwrap();
    let archive = zstd::encode_all(&archive[..], 1).unwrap();
    pe::with_sections(&stub(), &[(bundle::INITRD, &archive)]).unwrap()
}

/// A boot partition as the first image has it.
pub fn lay<M: Medium>(medium: M, first: &str, uki: &[u8]) {
    let mut esp = Esp::format(medium).unwrap();
    let mut put = |path: &str, bytes: &[u8]| {
        esp.put(path, bytes.len() as u64, &mut &bytes[..]).unwrap();
    };
    put(LOADER, &vec![1; 1000]);
    put(SETTINGS, b"timeout 0\n");
    put(&Entry::good(&version(first)).path(), uki);
}

/// All files of a boot partition; each must be whole.
pub fn files<M: Medium>(medium: M) -> BTreeMap<String, Vec<u8>> {
    let esp = Esp::open(medium).unwrap();
    let read = |file: &esp::File| {
        let mut bytes = Vec::new();
        esp.copy_to(&file.path, &mut bytes).unwrap();
        (file.path.clone(), bytes)
    };
    esp.files().iter().map(read).collect()
}

/// What of it the loader may start, as the names say it: `0.2.0+3`.
pub fn names<M: Medium>(medium: M) -> Vec<String> {
    let short = |path: &String| {
        Some(path.strip_prefix("EFI/Linux/tapioca_")?.strip_suffix(".efi")?.to_owned())
    };
    files(medium).keys().filter_map(short).collect()
}

/// What the loader does before it starts a version that is tried: the count is in the name.
pub fn count_down<M: Medium>(medium: M, from: &str, to: &str) {
    let path = |name: &str| format!("EFI/Linux/tapioca_{name}.efi");
    let mut esp = Esp::open(medium).unwrap();
    let mut bytes = Vec::new();
    esp.copy_to(&path(from), &mut bytes).unwrap();
    esp.put(&path(to), bytes.len() as u64, &mut &bytes[..]).unwrap();
    esp.remove(&path(from)).unwrap();
}
