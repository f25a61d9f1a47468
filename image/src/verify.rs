//! What was made, read back: every layer is taken apart again and compared with what describes it.
//!
//! Owns the list of parts by which two images are compared, too.

use std::collections::BTreeMap;
use std::path::Path;

use board::Board;
use bundle::{KEY_FILE, Manifest, RELEASE_FILE, Uki};

use crate::build::{BUNDLE, CMDLINE, DISK, INITRD, MANIFEST, OS_RELEASE, SBOM, UKI, machine};
use crate::host::{read, sha256};
use crate::keys::Keys;
use crate::{Error, cpio, disk, initramfs, pe};

/// Reads an image's directory back.
///
/// # Errors
///
/// What is not as it should be.
pub fn verify(board: &Board, dir: &Path, keys: Option<&Keys>) -> Result<(), Error> {
    let machine = machine(board)?;
    let uki = read(&dir.join(UKI))?;
    let manifest = Manifest::parse(&read(&dir.join(MANIFEST))?)?;
    demand(manifest.uki == Uki::of(&uki), UKI, "is not what the manifest says")?;
    let max = machine.limits.uki_mib_max << 20;
    if uki.len() as u64 > max {
        return Err(Error::Limit { key: "limits.uki_mib_max", bytes: uki.len() as u64, max });
    }
    let sections: BTreeMap<String, &[u8]> = pe::sections(&uki)?.into_iter().collect();
    let section = |name: &str| sections.get(name).copied().unwrap_or_default();
    demand(section(CMDLINE) == machine.cmdline().as_bytes(), CMDLINE, "is not the board's")?;
    let version = &manifest.release.version;
    let release = String::from_utf8_lossy(section(OS_RELEASE)).into_owned();
    demand(release.contains(&format!("IMAGE_VERSION={version}\n")), OS_RELEASE, "has no version")?;
    let files = archived(&initramfs::decompress(section(INITRD))?)?;
    demand(
        files.get("board.toml") == Some(&board.to_string().into_bytes()),
        "board.toml",
        "is another board's",
    )?;
    let inside = files.get(RELEASE_FILE).and_then(|bytes| serde_json::from_slice(bytes).ok());
    demand(inside.as_ref() == Some(&manifest.release), RELEASE_FILE, "is not the manifest's")?;
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
        let inside = files.get(KEY_FILE).map(Vec::as_slice);
        demand(inside == Some(keys.update_public()), KEY_FILE, "is another key")?;
        let update = read(&dir.join(BUNDLE))?;
        let (described, body) = bundle::format::open(&update[..], keys.update_public())?;
        let mut inner = Vec::new();
        body.copy_to(&mut inner)?;
        let text = described.text();
        demand(read(&dir.join(MANIFEST))? == text.as_bytes(), BUNDLE, "has another manifest")?;
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
    Ok(cpio::files(bytes)?.into_iter().collect())
}
