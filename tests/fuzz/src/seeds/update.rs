//! A bundle, its archive and its executable; places of a boot partition.

use std::path::Path;

use bundle::cpio::{Header, Writer};
use bundle::{Manifest, Release, Uki, format, pe};

use super::put;
use crate::targets::update_key;

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

/// Writes them.
pub fn write(dir: &Path) {
    let mut archive = Vec::new();
    let mut writer = Writer::new(&mut archive);
    let entries: [(&str, u32, &[u8]); 3] = [
        ("etc", 0o040_755, b""),
        ("etc/os-release", 0o100_644, b"ID=tapioca\n"),
        ("init", 0o100_755, b"run"),
    ];
    for (name, mode, content) in entries {
        let size = u32::try_from(content.len()).expect("it is short");
        writer
            .entry(name.as_bytes(), &Header { mode, links: 1, size, ..Header::default() })
            .expect("memory");
        writer.content(content).expect("memory");
        writer.pad().expect("memory");
    }
    writer.finish().expect("memory");
    put(dir, "newc", "three", &archive);
    put(dir, "newc", "cut", &archive[..archive.len() - 130]);

    // Stored, so that a mutation stays an archive.
    let packed = zstd::encode_all(&archive[..], 1).expect("memory");
    let uki = pe::with_sections(&stub(), &[(".cmdline", b"quiet"), (bundle::INITRD, &packed)])
        .expect("a stub");
    put(dir, "executable", "stub", &stub());
    put(dir, "executable", "sections", &uki);
    let signed = pe::with_signature(&uki, b"a signature").expect("it is small");
    put(dir, "executable", "signed", &signed);

    let release = Release {
        board: "box".into(),
        version: "0.2.0".parse().expect("a version"),
        security_floor: 1,
    };
    let bootable = b"bootable file";
    let text = Manifest { release, uki: Uki::of(bootable), packages: Default::default() }.text();
    let signature = update_key().sign(text.as_bytes());
    let whole = format::write(&text, signature.as_ref(), bootable);
    put(dir, "bundle", "whole", &whole);
    put(dir, "bundle", "cut", &whole[..whole.len() - 4]);
    put(dir, "bundle", "manifest", text.as_bytes());

    // Sector in use, place, four bytes: the boot sector, the tables, names.
    put(dir, "partition", "nothing", b"");
    put(dir, "partition", "boot-sector", &[0, 0, 13, 0, 2, 32, 0, 2]);
    put(dir, "partition", "table", &[4, 0, 12, 0, 3, 0, 0, 0, 5, 0, 12, 0, 3, 0, 0, 0]);
    let ends: Vec<u8> =
        (0..16_u8).flat_map(|n| [n, 0, n * 16, 0, 0xff, 0xff, 0xff, 0x0f]).collect();
    put(dir, "partition", "ends", &ends);
    let names: Vec<u8> = (4..16_u8).flat_map(|n| [n, 0, 64, 0, 0xe5, 0x41, 0x0f, n]).collect();
    put(dir, "partition", "names", &names);
}
