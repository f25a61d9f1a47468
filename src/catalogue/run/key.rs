//! Keys: paths in the order of a walk.
//!
//! Owns the form in which paths are sorted, compared and kept: components joined by a zero byte, so that
//! plain comparison of bytes puts what is in a directory right behind it, before any name that merely
//! begins alike. Bytes 0 and 1 inside a name are escaped. Different spellings of a path (`./a`, `a/`)
//! have one key.

use std::borrow::Cow;

/// What stands between components.
pub const SEPARATOR: u8 = 0;
const ESCAPE: u8 = 1;

/// The key of a path; that of the root is empty.
pub fn of_path(path: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(path.len());
    for name in components(path) {
        if !key.is_empty() {
            key.push(SEPARATOR);
        }
        push_name(&mut key, name);
    }
    key
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// A name as it stands in keys.
pub fn of_name(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    push_name(&mut key, name);
    key
}

fn push_name(key: &mut Vec<u8>, name: &[u8]) {
    if name.iter().all(|&b| b > ESCAPE) {
        return key.extend_from_slice(name);
    }
    for &byte in name {
        match byte {
            0 | ESCAPE => key.extend([ESCAPE, byte + 1]),
            _ => key.push(byte),
        }
    }
}

/// The key of a path that is spelled as [`path`] spells it, and has no byte to be escaped: most are, and
/// then nothing need be compared.
pub fn of_plain(path: &[u8]) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(path.len());
    let mut name = 0;
    for &byte in path {
        match byte {
            b'/' if is_name(&key[name..]) => {
                key.push(SEPARATOR);
                name = key.len();
            }
            b'/' | 0 | ESCAPE => return None,
            byte => key.push(byte),
        }
    }
    is_name(&key[name..]).then_some(key)
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, [] | b".")
}

/// The path of a key, `.` for the root; `None` for bytes that are no key.
pub fn path(key: &[u8]) -> Option<Vec<u8>> {
    if key.is_empty() {
        return Some(b".".to_vec());
    }
    let mut path = Vec::with_capacity(key.len());
    let (mut rest, mut name) = (key.iter(), 0);
    while let Some(&byte) = rest.next() {
        match byte {
            // No other spelling of this path may be a key.
            SEPARATOR if is_name(&path[name..]) => {
                path.push(b'/');
                name = path.len();
            }
            SEPARATOR | b'/' => return None,
            ESCAPE => path.push(rest.next().filter(|b| [1, 2].contains(*b))? - 1),
            _ => path.push(byte),
        }
    }
    is_name(&path[name..]).then_some(path)
}

/// What keys of everything in a directory begin with.
pub fn inside(directory: &[u8]) -> Cow<'_, [u8]> {
    match directory {
        [] => Cow::Borrowed(directory),
        _ => Cow::Owned([directory, &[SEPARATOR]].concat()),
    }
}

/// Whether `key` is that of `above` or of something in it.
pub fn is_at_or_in(key: &[u8], above: &[u8]) -> bool {
    let rest = key.strip_prefix(above);
    above.is_empty() || rest.is_some_and(|r| r.is_empty() || r[0] == SEPARATOR)
}

/// The first key behind all that is in a directory other than the root.
pub fn behind(directory: &[u8]) -> Vec<u8> {
    [directory, &[SEPARATOR + 1]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_a_walk_comes_in() {
        let walked: [&[u8]; 9] =
            [b".", b"a", b"a/x", b"a/x/y", b"a\x00b", b"a\x01", b"a b", b"a-b/c", b"a.c"];
        let keys: Vec<Vec<u8>> = walked.iter().map(|path| of_path(path)).collect();
        assert!(keys.is_sorted());
        for (key, walked) in keys.iter().zip(walked) {
            assert_eq!(path(key).as_deref(), Some(walked));
        }
        assert_eq!(of_path(b"./a//x/"), keys[2]);
        for path in [&b"a"[..], b"a/x", b"a/x/y", b"a-b/c", b"..", b"a/.b"] {
            assert_eq!(of_plain(path), Some(of_path(path)), "{path:?}");
        }
        for path in [&b"."[..], b"", b"a/", b"./a", b"a//b", b"a/./b", b"/a", b"a\0", b"a\x01b/c"] {
            assert_eq!(of_plain(path), None, "{path:?}");
        }
        assert!(behind(b"a") > of_path(b"a/\xff\xff") && behind(b"a") < of_path(b"a\x01"));
    }

    #[test]
    fn what_is_no_key_has_no_path() {
        for bad in [&b"\x00a"[..], b"a\x00", b"a\x00\x00b", b"a/b", b"\x01", b"\x01\x03", b"a\0."] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }
}
