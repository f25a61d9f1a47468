//! The update bundle: what it is, a signature over that, and the bootable file.
//!
//! Owns the layout and who may be believed: nothing of a manifest is used before its signature was right, and the
//! bootable file is right only once all of it was read.
//!
//! ```text
//! 0        8      12        12+n         76+n
//! +--------+------+---------+------------+----------------…
//! |TAPIUPD1|   n  |manifest | signature  | bootable file
//! +--------+------+---------+------------+----------------…
//! ```
//!
//! n is little-endian; the manifest is JSON and has length and hash of the bootable file; the signature over the
//! manifest is Ed25519 (RFC 8032).

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::Error;

const MAGIC: &[u8; 8] = b"TAPIUPD1";
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Longest manifest, bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;
/// Longest bootable file, bytes.
pub const UKI_BYTES_MAX: u64 = 1 << 30;
/// Longest name of a board, bytes.
const BOARD_BYTES_MAX: usize = 64;

/// One to four numbers: `0.1.0`. Ordered as the loader orders them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Vec<u32>);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let wrong = || format!("{text:?} is no version: it has one to four numbers, as 0.1.0");
        let number = |word: &str| {
            // Written in one way only, as it becomes the name of a file.
            let number: u32 = word.parse().ok().filter(|n| *n < 1_000_000)?;
            (number.to_string() == word).then_some(number)
        };
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        numbers.filter(|numbers| numbers.len() <= 4).map(Version).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Version, String> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&words.join("."))
    }
}

/// What runs, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The board it is made for.
    pub board: String,
    /// Its version.
    pub version: Version,
    /// A box on which this runs takes none with a smaller number.
    pub security_floor: u32,
}

/// What a manifest says of the bootable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uki {
    /// Its length.
    pub bytes: u64,
    /// Its hash, hexadecimal.
    pub sha256: String,
}

impl Uki {
    /// Of a bootable file.
    pub fn of(bytes: &[u8]) -> Uki {
        Uki { bytes: bytes.len() as u64, sha256: hex(digest(&SHA256, bytes).as_ref()) }
    }
}

/// A package that went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its version.
    pub version: String,
    /// Its hash, hexadecimal.
    pub sha256: String,
}

/// What a bundle holds, as it says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is.
    #[serde(flatten)]
    pub release: Release,
    /// The bootable file.
    pub uki: Uki,
    /// What it was made of, by name.
    #[serde(default)]
    pub packages: BTreeMap<String, Package>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// It is too long, no manifest, or says what cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
        let wrong = |why: &str| Error::broken("manifest", why);
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(wrong("is too long"));
        }
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|e| wrong(&e.to_string()))?;
        let (uki, board) = (&manifest.uki, &manifest.release.board);
        let is_hash = uki.sha256.len() == 64
            && uki.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash {
            return Err(wrong("its hash is none"));
        }
        if uki.bytes > UKI_BYTES_MAX {
            return Err(wrong("its bootable file is too long"));
        }
        if board.len() > BOARD_BYTES_MAX || board.chars().any(char::is_control) {
            return Err(wrong("its board's name is none"));
        }
        Ok(manifest)
    }

    /// Its bytes, which are what is signed.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("it is texts and numbers");
        format!("{text}\n")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts a bundle together.
pub fn write(manifest: &str, signature: &[u8], uki: &[u8]) -> Vec<u8> {
    let length = u32::try_from(manifest.len()).unwrap_or(u32::MAX);
    let parts: [&[u8]; 5] = [MAGIC, &length.to_le_bytes(), manifest.as_bytes(), signature, uki];
    parts.concat()
}

/// The bootable file of a bundle whose manifest was believed: not yet read, so not yet right.
#[derive(Debug)]
pub struct Body<R> {
    from: R,
    wanted: Uki,
}

/// Reads the beginning of a bundle as far as its bootable file.
///
/// # Errors
///
/// It is none, cut off, or not signed by this key.
pub fn open<R: Read>(mut from: R, public_key: &[u8]) -> Result<(Manifest, Body<R>), Error> {
    let wrong = |why: &str| Error::broken("update", why);
    let mut head = [0; 12];
    from.read_exact(&mut head)?;
    let (magic, length) = head.split_at(8);
    if magic != MAGIC {
        return Err(wrong("is none"));
    }
    let length = length.try_into().map_or(u32::MAX, u32::from_le_bytes);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MANIFEST_BYTES_MAX {
        return Err(wrong("has too long a manifest"));
    }
    let mut manifest = vec![0; length];
    from.read_exact(&mut manifest)?;
    let mut signature = [0; SIGNATURE_BYTES];
    from.read_exact(&mut signature)?;
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    key.verify(&manifest, &signature).map_err(|_| wrong("is not signed by this box's key"))?;
    let manifest = Manifest::parse(&manifest)?;
    let wanted = manifest.uki.clone();
    Ok((manifest, Body { from, wanted }))
}

impl<R: Read> Body<R> {
    /// Copies the bootable file. What was written is worth nothing unless this succeeds.
    ///
    /// # Errors
    ///
    /// It is shorter, longer or another one than the manifest says; or one end failed.
    pub fn copy_to(mut self, to: &mut impl Write) -> Result<(), Error> {
        let wrong = |why: &str| Error::broken("update", why);
        let mut hash = Context::new(&SHA256);
        let mut buffer = vec![0; 64 * 1024];
        let mut left = self.wanted.bytes;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = match self.from.read(&mut buffer[..most]) {
                Ok(0) => return Err(wrong("is cut off")),
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            };
            hash.update(&buffer[..count]);
            to.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        if self.from.read(&mut buffer[..1])? > 0 {
            return Err(wrong("is longer than it says"));
        }
        match hex(hash.finish().as_ref()) == self.wanted.sha256 {
            true => Ok(()),
            false => Err(wrong("holds another bootable file than its manifest says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn made(board: &str, uki: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let release =
            Release { board: board.into(), version: "1.2".parse().unwrap(), security_floor: 3 };
        let text = Manifest { release, uki: Uki::of(uki), packages: BTreeMap::new() }.text();
        let signature = key.sign(text.as_bytes());
        (write(&text, signature.as_ref(), uki), key.public_key().as_ref().to_vec())
    }

    fn read(bundle: &[u8], key: &[u8]) -> Result<Vec<u8>, Error> {
        let (_, body) = open(bundle, key)?;
        let mut uki = Vec::new();
        body.copy_to(&mut uki).map(|()| uki)
    }

    #[test]
    fn what_was_signed_is_read_and_nothing_else() {
        let (bundle, key) = made("box", b"bootable");
        assert_eq!(read(&bundle, &key).unwrap(), b"bootable");
        for at in 0..bundle.len() {
            assert!(read(&bundle[..at], &key).is_err(), "cut at {at}");
            let mut changed = bundle.clone();
            changed[at] ^= 1;
            assert!(read(&changed, &key).is_err(), "byte {at}");
        }
        assert!(read(&[&bundle[..], b"x"].concat(), &key).is_err());
        assert!(read(&bundle, &[1; 32]).is_err());
    }

    #[test]
    fn the_signature_of_what_cannot_be_does_not_help() {
        let (bundle, key) = made("two\nlines", b"x");
        assert!(read(&bundle, &key).unwrap_err().to_string().contains("board"));
    }

    #[test]
    fn versions_are_written_in_one_way_and_ordered_by_their_numbers() {
        for wrong in ["", "1.", "01", "1.2.3.4.5", "1+3", "../1", "1.x", "1000000", "1.-2"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
        let all: Vec<Version> =
            ["0.1.0", "0.9", "0.10.0", "1", "1.0"].iter().map(|v| v.parse().unwrap()).collect();
        assert!(all.is_sorted());
        assert_eq!(all[2].to_string(), "0.10.0");
    }
}
