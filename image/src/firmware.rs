//! The firmware's variables, with keys of ours enrolled: Secure Boot as a machine's owner sets it up.
//!
//! Owns the store of authenticated variables as far as variables are put behind those there are.
//! Source: EDK II, MdeModulePkg, `VariableFormat.h`; UEFI specification, section 32.4 (signature
//! lists).

use std::path::Path;

use uuid::{Uuid, uuid};

use crate::Error;
use crate::host::read;
use crate::keys::{Keys, NAMES};

/// Debian's OVMF that starts anything.
pub const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// Debian's OVMF that can do Secure Boot.
pub const CODE_SECURE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
/// Variables of a machine nobody set up.
pub const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

const GLOBAL: Uuid = uuid!("8be4df61-93ca-11d2-aa0d-00e098032b8c");
const IMAGE_SECURITY: Uuid = uuid!("d719b2cb-3d3a-4596-a3bc-dad00e67656f");
const X509: Uuid = uuid!("a5c059a1-94e4-4aa7-87b5-ab155c2bf072");
const OWNER: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000006");
const STORE: Uuid = uuid!("aaf32c78-947b-439a-a180-2e144ec37792");

/// Kept, readable while booting and later, changed only by who can sign.
const ATTRIBUTES: u32 = 0x27;
const START: u16 = 0x55aa;
const VALID: u8 = 0x3f;
const STORE_HEADER: usize = 28;
const VARIABLE_HEADER: usize = 60;
/// 2026-01-01 00:00:00, as EFI_TIME: year, month, day and the rest.
const TIME: [u8; 16] = [0xea, 0x07, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Variables of a new machine; with keys, of one that starts only what `db` of these signed.
///
/// # Errors
///
/// OVMF is not there, or its variables are of another format.
pub fn variables(keys: Option<&Keys>) -> Result<Vec<u8>, Error> {
    let mut bytes = read(Path::new(VARIABLES))?;
    let Some(keys) = keys else { return Ok(bytes) };
    let mut at = end_of_variables(&bytes)
        .ok_or_else(|| Error::broken(VARIABLES, "is no store of authenticated variables"))?;
    for (name, certificate) in NAMES.iter().zip(keys.certificates()) {
        let vendor = if *name == "db" { IMAGE_SECURITY } else { GLOBAL };
        let variable = variable(name, vendor, &signature_list(certificate));
        let room = bytes.get_mut(at..at + variable.len());
        let room = room.filter(|room| room.iter().all(|byte| *byte == 0xff));
        let room = room.ok_or_else(|| Error::broken(VARIABLES, "has no room"))?;
        room.copy_from_slice(&variable);
        at = (at + variable.len()).next_multiple_of(4);
    }
    Ok(bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
}

/// Where the next variable goes.
fn end_of_variables(bytes: &[u8]) -> Option<usize> {
    // The firmware volume's header says how long it is; the store follows.
    let store = usize::from(half(bytes, 48)?);
    if bytes.get(40..44)? != b"_FVH" || bytes.get(store..store + 16)? != STORE.to_bytes_le() {
        return None;
    }
    let mut at = store + STORE_HEADER;
    while half(bytes, at)? == START {
        let length = word(bytes, at + 36)?.checked_add(word(bytes, at + 40)?)?;
        at = (at + VARIABLE_HEADER).checked_add(length)?.next_multiple_of(4);
    }
    Some(at)
}

fn signature_list(certificate: &[u8]) -> Vec<u8> {
    let size = 16 + certificate.len();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let parts: [&[u8]; 6] = [
        &X509.to_bytes_le(),
        &number(28 + size),
        &number(0),
        &number(size),
        &OWNER.to_bytes_le(),
        certificate,
    ];
    parts.concat()
}

fn variable(name: &str, vendor: Uuid, data: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let parts: [&[u8]; 11] = [
        &START.to_le_bytes(),
        &[VALID, 0],
        &ATTRIBUTES.to_le_bytes(),
        // A counter of old kinds of variables, and the index of a key that is found by the time.
        &[0; 8],
        &TIME,
        &number(0),
        &number(name.len()),
        &number(data.len()),
        &vendor.to_bytes_le(),
        &name,
        data,
    ];
    parts.concat()
}
