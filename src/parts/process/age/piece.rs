//! What is sealed in numbered pieces: STREAM over ChaCha20-Poly1305, as the payload of an age file is.
//!
//! Owns the keys that come of a file key, one for each use, and the nonces of the pieces: an 11-byte
//! big-endian counter and a byte that is 1 for the last piece and otherwise 0. A piece that was moved,
//! doubled or cut off does not open.

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

/// Which piece: its number from 0, and whether it is the last.
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

/// What a key is for. Each use has a key of its own, so that numbers can start at 0 in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The chunks of the stream, as age has it.
    Payload,
    /// Index lines.
    Index,
    /// The name of the stream.
    Name,
}

impl Use {
    fn label(self) -> &'static str {
        match self {
            Use::Payload => "payload",
            Use::Index => "tapioca index",
            Use::Name => "tapioca name",
        }
    }
}

/// Seals and opens numbered pieces.
pub(super) struct PieceKey(LessSafeKey);

impl PieceKey {
    /// The key for one use in the stream whose payload starts with `nonce`.
    pub(super) fn new(
        key: &FileKey,
        nonce: &[u8; NONCE_BYTES],
        used: Use,
    ) -> Result<PieceKey, Fault> {
        let bytes = derive(key, nonce, used.label())?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*bytes).map_err(|_| ours("make a key"))?;
        Ok(PieceKey(LessSafeKey::new(key)))
    }

    /// Encrypts `piece` in place and returns its tag, which also vouches for `front`, bytes that stay in
    /// clear. Each number is sealed once.
    pub(super) fn seal(
        &self,
        which: Which,
        front: &[u8],
        piece: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Fault> {
        let sealed = self.0.seal_in_place_separate_tag(which.nonce(), Aad::from(front), piece);
        let tag = sealed.map_err(|_| ours("encrypt"))?;
        tag.as_ref().try_into().map_err(|_| ours("encrypt: the tag has another length"))
    }

    /// Decrypts `sealed` in place and returns the plain bytes, if they are what was sealed as this very
    /// piece behind this `front`. If not, what `sealed` then holds is of no use.
    pub(super) fn open<'a>(
        &self,
        which: Which,
        front: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.0.open_in_place(which.nonce(), Aad::from(front), sealed).ok()
    }
}
