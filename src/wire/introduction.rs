//! Who is at the other end, said to a service of this host by whoever made sure of it.
//!
//! Owns the bytes that a netplumber puts before those of a machine when it joins that machine to a unix
//! socket. They are the first on the connection, and the machine's own follow behind, so that nobody can put
//! others in their place.
//!
//! ```text
//!  0      4        5              37       38
//!  | tpi1 | 1      | BLAKE3       | length | name …
//!           version  of certificate
//! ```

use crate::stream::Fault;

const MAGIC: &[u8; 4] = b"tpi1";
const VERSION: u8 = 1;
const FIXED_BYTES: usize = 38;
/// The longest name, bytes.
const NAME_BYTES_MAX: usize = 63;

/// A machine and its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// The name that the certificate was given to.
    pub machine: String,
    /// BLAKE3 of the certificate, by which it is in the books.
    pub digest: [u8; 32],
}

/// What the beginning of some bytes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// An introduction, of so many bytes.
    Whole(Introduction, usize),
    /// One, perhaps, when more has come.
    Cut,
    /// None.
    Foreign,
}

/// As machines are named: letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
fn is_name(name: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    name.len() <= NAME_BYTES_MAX
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(plain)
}

impl Introduction {
    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Fault> {
        let name = self.machine.as_bytes();
        let length = u8::try_from(name.len()).ok().filter(|_| is_name(name));
        let length = length.ok_or_else(|| {
            Fault::usage(format!("{} is no name for a machine", self.machine.escape_debug()))
        })?;
        Ok([MAGIC, &[VERSION][..], &self.digest, &[length], name].concat())
    }

    /// Reads the beginning of `bytes`.
    pub fn parse(bytes: &[u8]) -> Parsed {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] || bytes.get(4).is_some_and(|v| *v != VERSION) {
            return Parsed::Foreign;
        }
        let Some(length) = bytes.get(FIXED_BYTES - 1).map(|length| usize::from(*length)) else {
            return Parsed::Cut;
        };
        if length == 0 || length > NAME_BYTES_MAX {
            return Parsed::Foreign;
        }
        let Some(name) = bytes.get(FIXED_BYTES..FIXED_BYTES + length) else { return Parsed::Cut };
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[5..FIXED_BYTES - 1]);
        match std::str::from_utf8(name) {
            Ok(machine) if is_name(name) => {
                let machine = machine.to_owned();
                Parsed::Whole(Introduction { machine, digest }, FIXED_BYTES + length)
            }
            _ => Parsed::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn introductions_have_golden_bytes_and_no_other() {
        let web = Introduction { machine: "web".into(), digest: [7; 32] };
        let mut golden = b"tpi1\x01".to_vec();
        golden.extend([7; 32]);
        golden.extend(b"\x03web");
        assert_eq!(web.encode().unwrap(), golden);
        for cut in 0..golden.len() {
            assert_eq!(Introduction::parse(&golden[..cut]), Parsed::Cut, "{cut}");
        }
        golden.extend(b"more");
        assert_eq!(Introduction::parse(&golden), Parsed::Whole(web.clone(), 41));
        for (at, byte) in [(0, b'T'), (4, 2), (37, 0), (37, 64), (38, b'-'), (39, b'/'), (39, 0)] {
            let mut other = golden.clone();
            other[at] = byte;
            assert_eq!(Introduction::parse(&other), Parsed::Foreign, "{at}");
        }
        for name in ["", "a/b", "-a", "é", &"x".repeat(64)] {
            let other = Introduction { machine: name.into(), ..web.clone() };
            assert!(other.encode().is_err(), "{name}");
        }
    }
}
