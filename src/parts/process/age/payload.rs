//! The payload of an age file: STREAM over ChaCha20-Poly1305.
//!
//! Owns the key of a payload and the nonces of its chunks: an 11-byte big-endian counter and a byte that
//! is 1 for the last chunk and otherwise 0. A chunk that was moved, doubled or cut off does not open.

use age_core::format::FileKey;
use age_core::secrecy::ExposeSecret;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use super::TAG_BYTES;
use crate::stream::{Blame, Fault};

/// Bytes of the nonce between header and first chunk.
pub(super) const NONCE_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn ours(what: &str) -> Fault {
    Fault::never(Blame::Ours, format!("cannot {what}"))
}

/// HKDF-SHA-256 of a file key, 32 bytes.
pub(super) fn derive(
    key: &FileKey,
    salt: &[u8],
    label: &str,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, Fault> {
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(key.expose_secret());
    let info = [label.as_bytes()];
    let expanded = extracted.expand(&info, Length(KEY_BYTES));
    let filled = expanded.and_then(|okm| okm.fill(&mut *derived));
    filled.map_err(|_| ours("derive a key"))?;
    Ok(derived)
}

/// Which chunk: its number from 0, and whether it is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Which {
    pub number: u64,
    pub last: bool,
}

impl Which {
    fn nonce(self) -> Nonce {
        let mut bytes = [0; 12];
        bytes[3..11].copy_from_slice(&self.number.to_be_bytes());
        bytes[11] = u8::from(self.last);
        Nonce::assume_unique_for_key(bytes)
    }
}

/// Seals and opens chunks of one payload.
pub(super) struct PayloadKey(LessSafeKey);

impl PayloadKey {
    /// The key of the payload that starts with `nonce`.
    pub(super) fn new(key: &FileKey, nonce: &[u8; NONCE_BYTES]) -> Result<PayloadKey, Fault> {
        let bytes = derive(key, nonce, "payload")?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*bytes).map_err(|_| ours("make a key"))?;
        Ok(PayloadKey(LessSafeKey::new(key)))
    }

    /// Encrypts `chunk` in place and returns its tag. Each chunk number is sealed once.
    pub(super) fn seal(&self, which: Which, chunk: &mut [u8]) -> Result<[u8; TAG_BYTES], Fault> {
        let sealed = self.0.seal_in_place_separate_tag(which.nonce(), Aad::empty(), chunk);
        let tag = sealed.map_err(|_| ours("encrypt"))?;
        tag.as_ref().try_into().map_err(|_| ours("encrypt: the tag has another length"))
    }

    /// Decrypts `sealed` in place and returns the plain bytes, if they are what was sealed as this very
    /// chunk. If not, what `sealed` then holds is of no use.
    pub(super) fn open<'a>(&self, which: Which, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.0.open_in_place(which.nonce(), Aad::empty(), sealed).ok()
    }
}
