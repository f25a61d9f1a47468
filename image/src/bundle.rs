//! The update bundle: what it is, a signature over that, and the bootable file.
//!
//! Owns the layout: the magic `TAPIUPD1`, length of the manifest (4 bytes, little-endian), manifest
//! (JSON, which has length and hash of the bootable file), Ed25519 signature over the manifest (64
//! bytes), bootable file.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::Error;
use crate::build::{Input, described, label};
use crate::host::sha256;
use crate::keys::Keys;

const MAGIC: &[u8; 8] = b"TAPIUPD1";
const SIGNATURE_BYTES: usize = 64;
/// Longest manifest, bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// The manifest of an image: what it is for, and its parts.
pub fn manifest(input: &Input, uki: &[u8]) -> String {
    let package = |p: &crate::fetch::Package| json!({ "version": p.version, "sha256": p.sha256 });
    let (kernel, loader) = (&input.packages.kernel, &input.packages.loader);
    let manifest = json!({
        "board": label(input.board),
        "version": input.version,
        // An image refuses to be replaced by one with a smaller number.
        "security_floor": 1,
        "uki": described(uki),
        "packages": {
            kernel.name.clone(): package(kernel),
            loader.name.clone(): package(loader),
        },
    });
    format!("{manifest:#}\n")
}

/// Puts a bundle together.
pub fn make(manifest: &str, uki: &[u8], keys: &Keys) -> Vec<u8> {
    let length = u32::try_from(manifest.len()).unwrap_or(u32::MAX);
    let signature = keys.sign_update(manifest.as_bytes());
    let parts: [&[u8]; 5] = [MAGIC, &length.to_le_bytes(), manifest.as_bytes(), &signature, uki];
    parts.concat()
}

/// Takes a bundle apart, once its signature and the hash of the bootable file are right.
///
/// # Errors
///
/// What is wrong with it.
pub fn open<'a>(bundle: &'a [u8], public_key: &[u8]) -> Result<(Value, &'a [u8]), Error> {
    let broken = |why: &str| Error::broken("update bundle", why);
    let rest = bundle.strip_prefix(MAGIC).ok_or_else(|| broken("is none"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("is cut off"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MANIFEST_BYTES_MAX || rest.len() < length + SIGNATURE_BYTES {
        return Err(broken("is cut off, or its manifest is too long"));
    }
    let (manifest, rest) = rest.split_at(length);
    let (signature, uki) = rest.split_at(SIGNATURE_BYTES);
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    key.verify(manifest, signature).map_err(|_| broken("is not signed by this key"))?;
    let manifest: Value = serde_json::from_slice(manifest).map_err(|e| broken(&e.to_string()))?;
    if manifest["uki"]["sha256"] != json!(sha256(uki)) {
        return Err(broken("holds another bootable file than its manifest says"));
    }
    Ok((manifest, uki))
}
