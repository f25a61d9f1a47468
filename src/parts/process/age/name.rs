//! The name of a sealed stream.
//!
//! Owns the word that stands where the name was: `age:` and base64 of the name, filled up so that its
//! length is hidden, too, and sealed. A name in clear may stand before it, if the operator wants one.

use age_core::format::FileKey;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::piece::{NONCE_BYTES, PieceKey, Use, Which};
use crate::stream::Fault;

/// What a sealed name begins with.
const MARK: &str = "age:";
/// Names are filled up to a multiple of this, bytes.
const FILL_BYTES: usize = 64;
/// There is one name, and it is the last.
const WHICH: Which = Which { number: 0, last: true };

/// What a reader without the key is shown.
pub const SEALED: &str = "(sealed)";

/// Seals `name`; what is to be read by anybody is `clear`.
pub(super) fn seal(
    name: &str,
    clear: Option<&str>,
    key: &FileKey,
    nonce: &[u8; NONCE_BYTES],
) -> Result<String, Fault> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(FILL_BYTES).max(FILL_BYTES), 0);
    let tag = PieceKey::new(key, nonce, Use::Name)?.seal(WHICH, &[], &mut bytes)?;
    bytes.extend_from_slice(&tag);
    let sealed = BASE64.encode(&bytes);
    Ok(match clear {
        Some(clear) => format!("{clear} {MARK}{sealed}"),
        None => format!("{MARK}{sealed}"),
    })
}

/// The name in clear, and the sealed one.
fn split(name: &str) -> Option<(&str, &str)> {
    let (clear, last) = name.rsplit_once(' ').unwrap_or(("", name));
    Some((clear, last.strip_prefix(MARK)?))
}

/// What everybody may see of a stream's name.
pub fn shown(name: &str) -> &str {
    match split(name) {
        Some(("", _)) => SEALED,
        Some((clear, _)) => clear,
        None => name,
    }
}

/// The name that was sealed; one that is not sealed stays as it is.
pub(super) fn open(name: &str, key: &FileKey, nonce: &[u8; NONCE_BYTES]) -> Result<String, Fault> {
    let Some((_, sealed)) = split(name) else { return Ok(name.to_owned()) };
    let changed = || Fault::stream("the sealed name of the stream was changed");
    let mut bytes = BASE64.decode(sealed).map_err(|_| changed())?;
    let key = PieceKey::new(key, nonce, Use::Name)?;
    let opened = key.open(WHICH, &[], &mut bytes).ok_or_else(changed)?;
    let end = opened.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
    String::from_utf8(opened[..end].to_vec()).map_err(|_| changed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_does_not_show() {
        let key = FileKey::init_with_mut(|bytes| bytes.fill(7));
        for name in ["", "host /srv/secret plans", "age:", &"é".repeat(70)] {
            for (clear, to_see) in [(None, SEALED), (Some("nightly one"), "nightly one")] {
                let sealed = seal(name, clear, &key, &[1; 16]).unwrap();
                assert_eq!(open(&sealed, &key, &[1; 16]).unwrap(), name);
                assert_eq!(shown(&sealed), to_see);
                assert!(open(&sealed, &key, &[2; 16]).is_err());
                assert!(open(&sealed[..sealed.len() - 4], &key, &[1; 16]).is_err());
            }
        }
        let length = |name| seal(name, None, &key, &[1; 16]).unwrap().len();
        assert_eq!(length("a"), length(&"b".repeat(64)));
        assert_eq!(open("plain name", &key, &[1; 16]).unwrap(), "plain name");
    }
}
