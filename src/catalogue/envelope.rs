//! The envelope of a record: its version and its seal, then postcard.
//!
//! Owns the proof that bytes are those of a record of this table and key. The seal is the first half of a
//! BLAKE3 keyed for this use over table, key, version and bytes: a record that was changed, or lies under
//! another key than its own, does not open.
//!
//! ```text
//! 0   2   version, little-endian: 1
//! 2   16  seal
//! 18  …   postcard
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::stream::{Blame, Fault};

/// Version of all records that are written.
pub const VERSION: u16 = 1;
/// Longest record, bytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
const CONTEXT: &str = "tapioca 2026 catalogue, record";
const HEAD_BYTES: usize = 18;

fn seal(table: &str, key: &[u8], version: u16, bytes: &[u8]) -> [u8; 16] {
    static KEYED: std::sync::LazyLock<blake3::Hasher> =
        std::sync::LazyLock::new(|| blake3::Hasher::new_derive_key(CONTEXT));
    let mut hasher = KEYED.clone();
    for part in [table.as_bytes(), key] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.update(&version.to_le_bytes()).update(bytes);
    let mut seal = [0; 16];
    hasher.finalize_xof().fill(&mut seal);
    seal
}

/// Puts a value into an envelope for `table` and `key`.
pub fn close<T: Serialize>(table: &str, key: &[u8], value: &T) -> Result<Vec<u8>, Fault> {
    let failed = |why: String| {
        let name = name(table, key);
        Fault::never(Blame::Ours, format!("catalogue: cannot keep {name}: {why}"))
    };
    let bytes = postcard::to_stdvec(value).map_err(|e| failed(e.to_string()))?;
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(failed(format!("it has {} bytes", bytes.len())));
    }
    let seal = seal(table, key, VERSION, &bytes);
    Ok([&VERSION.to_le_bytes()[..], &seal, &bytes].concat())
}

/// Takes a value out of its envelope; the fault names table and key.
pub fn open<T: DeserializeOwned>(table: &str, key: &[u8], bytes: &[u8]) -> Result<T, Fault> {
    opened(table, key, bytes).map_err(|why| {
        let what = format!("catalogue: {}: {why}", name(table, key));
        Fault::never(Blame::Host, what)
            .hint("catalogue check tells what else is damaged; catalogue rebuild makes it anew")
    })
}

fn opened<T: DeserializeOwned>(table: &str, key: &[u8], bytes: &[u8]) -> Result<T, String> {
    let (head, bytes) =
        bytes.split_first_chunk::<HEAD_BYTES>().ok_or("it is too short for a record")?;
    let version = u16::from_le_bytes([head[0], head[1]]);
    if head[2..] != seal(table, key, version, bytes) {
        return Err("its checksum is wrong".into());
    }
    if version != VERSION {
        return Err(format!("its version {version} is not known here"));
    }
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
        Err(error) => Err(format!("it makes no sense: {error}")),
    }
}

/// A table and a key for a person: text as it is, eight bytes as a number, else hexadecimal.
pub fn name(table: &str, key: &[u8]) -> String {
    let is_plain = |text: &&str| !text.is_empty() && !text.contains(|c: char| c.is_control());
    match (<[u8; 8]>::try_from(key), std::str::from_utf8(key).ok().filter(is_plain)) {
        (_, Some(text)) => format!("{table} {text}"),
        (Ok(number), None) => format!("{table} {}", u64::from_be_bytes(number)),
        (Err(_), None) => {
            let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{table} {hex}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_under_its_own_key_only() {
        let bytes = close("pool", b"daily", &(7u32, "text")).unwrap();
        assert_eq!(open::<(u32, String)>("pool", b"daily", &bytes).unwrap(), (7, "text".into()));
        for (table, key) in [("pools", b"daily"), ("pool", b"dailx")] {
            let fault = open::<(u32, String)>(table, key, &bytes).unwrap_err();
            assert!(fault.what.contains(&name(table, key)), "{fault}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open::<(u32, String)>("pool", b"daily", &bad).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(open::<(u32, String)>("pool", b"daily", &bytes[..length]).is_err());
        }
    }

    #[test]
    fn keys_have_names() {
        assert_eq!(name("job", &7u64.to_be_bytes()), "job 7");
        assert_eq!(name("user", b"anna"), "user anna");
        assert_eq!(name("ticket", &[0xab; 2]), "ticket abab");
    }
}
