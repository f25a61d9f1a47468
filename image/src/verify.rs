//! What was made, read back: every layer is taken apart again and compared with what describes it.
//!
//! Owns the list of parts by which two images are compared, too.

use std::collections::BTreeMap;
use std::path::Path;

use board::Board;
use serde_json::Value;

use crate::build::{
    BUNDLE, CMDLINE, DISK, INITRD, MANIFEST, OS_RELEASE, SBOM, UKI, described, machine,
};
use crate::host::{read, sha256};
use crate::keys::Keys;
use crate::{Error, bundle, disk, initramfs, pe};

/// Reads an image's directory back.
///
/// # Errors
///
/// What is not as it should be.
pub fn verify(board: &Board, dir: &Path, keys: Option<&Keys>) -> Result<(), Error> {
    let machine = machine(board)?;
    let uki = read(&dir.join(UKI))?;
    let manifest: Value = serde_json::from_slice(&read(&dir.join(MANIFEST))?)
        .map_err(|e| Error::broken(MANIFEST, e))?;
    demand(manifest["uki"] == described(&uki), UKI, "is not what the manifest says")?;
    let max = machine.limits.uki_mib_max << 20;
    if uki.len() as u64 > max {
        return Err(Error::Limit { key: "limits.uki_mib_max", bytes: uki.len() as u64, max });
    }
    let sections: BTreeMap<String, &[u8]> = pe::sections(&uki)?.into_iter().collect();
    let section = |name: &str| sections.get(name).copied().unwrap_or_default();
    demand(section(CMDLINE) == machine.cmdline().as_bytes(), CMDLINE, "is not the board's")?;
    let version = manifest["version"].as_str().unwrap_or_default();
    let release = String::from_utf8_lossy(section(OS_RELEASE)).into_owned();
    demand(release.contains(&format!("IMAGE_VERSION={version}\n")), OS_RELEASE, "has no version")?;
    let files = archived(&initramfs::decompress(section(INITRD))?)?;
    demand(
        files.get("board.toml") == Some(&board.to_string().into_bytes()),
        "board.toml",
        "is another board's",
    )?;
    demand(
        files.get("sbom.spdx.json") == Some(&read(&dir.join(SBOM))?),
        SBOM,
        "is not the image's",
    )?;
    let mut content = disk::read(&dir.join(DISK))?;
    let on_esp = disk::esp_files(&mut content.esp)?;
    let path = format!("EFI/Linux/tapioca_{version}.efi");
    demand(on_esp.get(&path) == Some(&uki), DISK, "boots another file")?;
    demand(on_esp.contains_key("EFI/BOOT/BOOTX64.EFI"), DISK, "has no loader")?;
    if let Some(keys) = keys {
        let update = read(&dir.join(BUNDLE))?;
        let (_, inner) = bundle::open(&update, keys.update_public())?;
        demand(inner == uki, BUNDLE, "holds another bootable file")?;
    }
    Ok(())
}

fn demand(holds: bool, what: &str, why: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::broken(what, why)) }
}

/// Every part of an image by name, with length and hash.
///
/// # Errors
///
/// A part cannot be read.
pub fn parts(dir: &Path) -> Result<BTreeMap<String, (usize, String)>, Error> {
    let mut parts = BTreeMap::new();
    let mut add = |name: String, bytes: &[u8]| {
        parts.insert(name, (bytes.len(), sha256(bytes)));
    };
    let uki = read(&dir.join(UKI))?;
    for (name, bytes) in pe::sections(&uki)? {
        if name == INITRD {
            for (path, bytes) in archived(&initramfs::decompress(bytes)?)? {
                add(format!("{UKI}:/{path}"), &bytes);
            }
        } else {
            add(format!("{UKI}:{name}"), bytes);
        }
    }
    let mut content = disk::read(&dir.join(DISK))?;
    for (path, bytes) in disk::esp_files(&mut content.esp)? {
        add(format!("esp:/{path}"), &bytes);
    }
    add("meta".to_owned(), &content.meta);
    add("data".to_owned(), &content.data);
    Ok(parts)
}

/// What differs between two images, a line each.
///
/// # Errors
///
/// A part of either cannot be read.
pub fn diff(one: &Path, other: &Path) -> Result<Vec<String>, Error> {
    let (one, other) = (parts(one)?, parts(other)?);
    let mut lines = Vec::new();
    for (name, (length, hash)) in &one {
        match other.get(name) {
            None => lines.push(format!("- {name}  {length} bytes")),
            Some((_, new)) if new == hash => {}
            Some((new, _)) => lines.push(format!("~ {name}  {length} -> {new} bytes")),
        }
    }
    for (name, (length, _)) in other.iter().filter(|(name, _)| !one.contains_key(*name)) {
        lines.push(format!("+ {name}  {length} bytes"));
    }
    Ok(lines)
}

/// Files of a newc archive.
fn archived(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    let mut rest = bytes;
    loop {
        let entry = entry(rest).ok_or_else(|| Error::broken("initramfs", "is no newc archive"))?;
        match entry.name {
            "TRAILER!!!" => return Ok(files),
            name if entry.is_file => {
                files.insert(name.to_owned(), entry.content.to_vec());
            }
            _ => {}
        }
        rest = entry.rest;
    }
}

struct Entry<'a> {
    name: &'a str,
    is_file: bool,
    content: &'a [u8],
    rest: &'a [u8],
}

fn entry(bytes: &[u8]) -> Option<Entry<'_>> {
    let field = |n: usize| {
        let digits = bytes.get(6 + n * 8..14 + n * 8)?;
        usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    bytes.starts_with(b"070701").then_some(())?;
    let (mode, size, name_size) = (field(1)?, field(6)?, field(11)?);
    let name_end = 110_usize.checked_add(name_size)?;
    let from = name_end.next_multiple_of(4);
    let end = from.checked_add(size)?;
    Some(Entry {
        name: std::str::from_utf8(bytes.get(110..name_end.checked_sub(1)?)?).ok()?,
        is_file: mode & 0o170_000 == 0o100_000,
        content: bytes.get(from..end)?,
        rest: bytes.get(end.next_multiple_of(4)..).unwrap_or_default(),
    })
}
