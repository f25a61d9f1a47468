//! Archive paths made harmless.
//!
//! Owns the rule of which stored paths may become names below the target directory. Leading `/`
//! and `.` components are dropped; `..`, NUL, names longer than a directory entry and absurd depth
//! are refused. What comes out is relative and has no special component.

use std::fmt;

/// Bytes one component may have (Linux `NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// Components a path may have.
const DEPTH_MAX: usize = 1024;

/// A relative path of ordinary components; empty for the target directory itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clean {
    bytes: Vec<u8>,
    /// The stored path began with `/`.
    pub absolute: bool,
}

/// Why a stored path cannot be a name below the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    DotDot,
    Nul,
    LongName,
    TooDeep,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::DotDot => f.write_str("its path has a .. component"),
            Refused::Nul => f.write_str("its path has a NUL byte"),
            Refused::LongName => write!(f, "a name in its path is over {NAME_BYTES_MAX} bytes"),
            Refused::TooDeep => write!(f, "its path is over {DEPTH_MAX} directories deep"),
        }
    }
}

impl Clean {
    /// Cleans a stored path.
    pub fn of(stored: &[u8]) -> Result<Clean, Refused> {
        let mut bytes = Vec::with_capacity(stored.len());
        let mut depth = 0;
        for name in stored.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".") {
            check(name)?;
            depth += 1;
            if depth > DEPTH_MAX {
                return Err(Refused::TooDeep);
            }
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(name);
        }
        Ok(Clean { bytes, absolute: stored.first() == Some(&b'/') })
    }

    /// The whole path.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// True for the target directory itself.
    pub fn is_target(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Parent path (empty for the target directory) and last component.
    pub fn split(&self) -> (&[u8], &[u8]) {
        split(&self.bytes)
    }
}

fn check(name: &[u8]) -> Result<(), Refused> {
    match name {
        b".." => Err(Refused::DotDot),
        name if name.contains(&0) => Err(Refused::Nul),
        name if name.len() > NAME_BYTES_MAX => Err(Refused::LongName),
        _ => Ok(()),
    }
}

/// Parent and last component of a clean path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_paths_are_made_plain() {
        for (stored, plain) in [
            (&b"a/b"[..], &b"a/b"[..]),
            (b"./a//b/.", b"a/b"),
            (b"/etc/passwd", b"etc/passwd"),
            (b"...", b"..."),
            (b".", b""),
            (b"", b""),
            (b"///", b""),
        ] {
            assert_eq!(Clean::of(stored).unwrap().bytes(), plain, "{stored:?}");
        }
        assert!(Clean::of(b"/x").unwrap().absolute);
        assert_eq!(Clean::of(b"a/b/c").unwrap().split(), (&b"a/b"[..], &b"c"[..]));
        assert_eq!(Clean::of(b"c").unwrap().split(), (&b""[..], &b"c"[..]));
    }

    #[test]
    fn harmful_paths_are_refused() {
        assert_eq!(Clean::of(b"a/../b"), Err(Refused::DotDot));
        assert_eq!(Clean::of(b".."), Err(Refused::DotDot));
        assert_eq!(Clean::of(b"/../x"), Err(Refused::DotDot));
        assert_eq!(Clean::of(b"a\0b"), Err(Refused::Nul));
        assert_eq!(Clean::of(&[b'x'; 256]), Err(Refused::LongName));
        assert!(Clean::of(&[b'x'; 255]).is_ok());
        assert_eq!(Clean::of(&b"d/".repeat(1025)), Err(Refused::TooDeep));
        assert!(Clean::of(&b"d/".repeat(1024)).is_ok());
    }
}
