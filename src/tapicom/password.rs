//! Passwords that tapioca checks itself: argon2id, RFC 9106.
//!
//! Owns the cost of a guess and the text that is kept, in the PHC string format. Nobody waits here but a
//! thread made for it: a check takes 64 MiB and some tenths of a second, whether there is such a user or not.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

use super::message::Secret;
use super::ticket::random;
use crate::catalogue::record::Credential;
use crate::stream::{Blame, Fault};

/// Memory, KiB; passes; lanes.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
/// The most that a kept text may ask for.
const COST_MAX: Cost = Cost { memory_kib: 256 * 1024, passes: 16, lanes: 16 };
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// The longest password, bytes.
const PASSWORD_BYTES_MAX: usize = 1024;
/// The shortest one that may be chosen, characters.
const PASSWORD_CHARS_MIN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    fn is_at_most(self, most: Cost) -> bool {
        self.memory_kib <= most.memory_kib && self.passes <= most.passes && self.lanes <= most.lanes
    }

    fn hash(self, password: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; HASH_BYTES]>, Fault> {
        let failed = |e: argon2::Error| Fault::never(Blame::Ours, format!("cannot hash: {e}"));
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_BYTES));
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
        let mut hash = Zeroizing::new([0; HASH_BYTES]);
        let hashed = argon.hash_password_into(password.reveal().as_bytes(), salt, &mut *hash);
        hashed.map_err(failed).map(|()| hash)
    }
}

/// What is kept of a password.
struct Kept {
    cost: Cost,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl Kept {
    fn text(&self) -> String {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, hash) = (BASE64.encode(&self.salt), BASE64.encode(self.hash));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }

    fn parse(text: &str) -> Option<Kept> {
        let rest = text.strip_prefix("$argon2id$v=19$m=")?;
        let (memory, rest) = rest.split_once(",t=")?;
        let (passes, rest) = rest.split_once(",p=")?;
        let (lanes, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let number = |text: &str| text.parse::<u32>().ok();
        let cost =
            Cost { memory_kib: number(memory)?, passes: number(passes)?, lanes: number(lanes)? };
        let hash = BASE64.decode(hash).ok()?.try_into().ok()?;
        let salt = BASE64.decode(salt).ok()?;
        cost.is_at_most(COST_MAX).then_some(Kept { cost, salt, hash })
    }
}

/// Whether a password may be chosen, and if not, why.
pub fn complaint(password: &Secret) -> Option<String> {
    let text = password.reveal();
    if text.chars().count() < PASSWORD_CHARS_MIN {
        return Some(format!("a password has {PASSWORD_CHARS_MIN} characters or more"));
    }
    (text.len() > PASSWORD_BYTES_MAX)
        .then(|| format!("a password has {PASSWORD_BYTES_MAX} bytes at most"))
}

/// What is to be kept of a new password. Takes as long as a check: call it on a thread for that.
pub fn hash(password: &Secret) -> Result<Credential, Fault> {
    let salt: [u8; SALT_BYTES] = random()?;
    let hash = *COST.hash(password, &salt)?;
    Ok(Credential::Here(Kept { cost: COST, salt: salt.to_vec(), hash }.text()))
}

/// Whether `password` is the one of which `kept` is known. Without anything kept, or with something that
/// cannot be read, it takes as long and says no.
pub fn is_right(password: &Secret, kept: Option<&str>) -> Result<bool, Fault> {
    if password.reveal().len() > PASSWORD_BYTES_MAX {
        return Ok(false);
    }
    let nobody = || Kept { cost: COST, salt: vec![0; SALT_BYTES], hash: [0; HASH_BYTES] };
    let known = kept.and_then(Kept::parse);
    let is_known = known.is_some();
    let known = known.unwrap_or_else(nobody);
    let hash = known.cost.hash(password, &known.salt)?;
    // Hashes of hashes, as those are compared in constant time.
    Ok(blake3::hash(&*hash) == blake3::hash(&known.hash) && is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(password: &str) -> String {
        match hash(&Secret::new(password)).unwrap() {
            Credential::Here(text) => text,
            Credential::Machine => panic!("not kept here"),
        }
    }

    #[test]
    fn the_right_password_is_right() {
        let text = kept("correct horse");
        assert!(text.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"), "{text}");
        assert_ne!(text, kept("correct horse"), "salt is used again");
        let is_right = |password: &str, kept| is_right(&Secret::new(password), kept).unwrap();
        assert!(is_right("correct horse", Some(&text)));
        assert!(!is_right("correct hors", Some(&text)));
        assert!(!is_right("correct horse", None), "nobody has a password");
        assert!(!is_right("", None));
        let costly = text.replace("m=65536", "m=4000000");
        assert!(!is_right("correct horse", Some(&costly)), "any cost is paid");
        let cut = &text[..text.len() - 1];
        assert!(!is_right("correct horse", Some(cut)));
    }

    #[test]
    fn the_hash_is_the_one_of_rfc_9106() {
        // What the reference implementation gives for `password`, `somesalt`, 2 passes, 64 MiB, 1 lane.
        let cost = Cost { memory_kib: 65_536, passes: 2, lanes: 1 };
        let hash = cost.hash(&Secret::new("password"), b"somesalt").unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[test]
    fn short_and_endless_passwords_are_not_chosen() {
        assert!(complaint(&Secret::new("123456789")).is_some());
        assert!(complaint(&Secret::new("1234567890")).is_none());
        assert!(complaint(&Secret::new("x".repeat(1025))).is_some());
    }
}
