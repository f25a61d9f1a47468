//! Extended header records: what a member's ustar fields cannot say.
//!
//! Owns the meaning of each keyword (POSIX.1-2017 pax, "pax Extended Header Keywords", and the
//! vendor keywords of star, GNU tar, libarchive and Red Hat) and gathers them, with the long names
//! of old GNU archives, until the member's own header comes. Unknown keywords are passed over, as
//! the standard asks.

use std::collections::BTreeMap;

use super::number::{decimal, time};
use super::sparse::SparseRecords;
use super::{PATH_BYTES_MAX, Time};

/// What extended headers said about the next member.
#[derive(Clone, Default)]
pub(super) struct Extras {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) uname: Option<Vec<u8>>,
    pub(super) gname: Option<Vec<u8>>,
    pub(super) mtime: Option<Time>,
    pub(super) atime: Option<Time>,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) acl_access: Option<Vec<u8>>,
    pub(super) acl_default: Option<Vec<u8>>,
    pub(super) sparse: SparseRecords,
}

impl Extras {
    /// Takes all records of an extended header. The error says what is wrong with them.
    pub(super) fn take_all(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let (key, value, rest) =
                split(bytes).ok_or("a record of an extended header is malformed")?;
            self.take(key, value)
                .ok_or_else(|| format!("bad value for {}", String::from_utf8_lossy(key)))?;
            bytes = rest;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = name(value)?,
            b"linkpath" => self.link = name(value)?,
            b"size" => self.size = unless_empty(value, decimal)?,
            b"uid" => self.uid = unless_empty(value, decimal)?,
            b"gid" => self.gid = unless_empty(value, decimal)?,
            b"uname" => self.uname = name(value)?,
            b"gname" => self.gname = name(value)?,
            b"mtime" => self.mtime = unless_empty(value, time)?,
            b"atime" => self.atime = unless_empty(value, time)?,
            b"SCHILY.devmajor" => self.major = unless_empty(value, device)?,
            b"SCHILY.devminor" => self.minor = unless_empty(value, device)?,
            b"SCHILY.acl.access" => self.acl_access = name(value)?,
            b"SCHILY.acl.default" => self.acl_default = name(value)?,
            b"RHT.security.selinux" => self.xattr(b"security.selinux", value)?,
            _ => return self.take_vendor(key, value),
        }
        Some(())
    }

    fn take_vendor(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(what) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.take(what, value);
        }
        if let Some(attribute) = key.strip_prefix(b"SCHILY.xattr.") {
            return self.xattr(&unescaped(attribute), value);
        }
        // The same attributes again, in a form that survives transcoding; the plain form wins.
        if let Some(attribute) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
            let attribute = percent_decoded(attribute)?;
            if !self.xattrs.contains_key(&attribute) {
                self.xattr(&attribute, &base64_decoded(value)?)?;
            }
        }
        Some(())
    }

    fn xattr(&mut self, attribute: &[u8], value: &[u8]) -> Option<()> {
        if attribute.is_empty() || attribute.contains(&0) {
            return None;
        }
        self.xattrs.insert(attribute.to_vec(), value.to_vec());
        Some(())
    }
}

/// Keyword of ours, in global headers only: paths that are there no more, separated by NUL.
pub(super) const GONE: &[u8] = b"TAPIOCA.gone";

/// What a global header tells to be gone. Maybe nothing: then it only says that the archive goes on
/// from earlier ones.
pub(super) struct Gone<'a> {
    /// Paths as stored, none empty.
    pub(super) paths: Vec<&'a [u8]>,
    /// Bytes of the records that say so, which nobody need remember.
    pub(super) bytes: u64,
}

impl Gone<'_> {
    /// From the records of a header. The error says what is wrong with them.
    pub(super) fn of(mut bytes: &[u8]) -> Result<Option<Gone<'_>>, String> {
        let mut gone = Gone { paths: Vec::new(), bytes: 0 };
        while let Some((key, value, rest)) = split(bytes) {
            if key == GONE {
                gone.bytes += (bytes.len() - rest.len()) as u64;
                gone.paths.extend(value.split(|&b| b == 0).filter(|path| !path.is_empty()));
            }
            bytes = rest;
        }
        match gone.paths.iter().all(|path| path.len() <= PATH_BYTES_MAX) {
            true => Ok((gone.bytes > 0).then_some(gone)),
            false => Err("a path that is gone is longer than 1 MiB".into()),
        }
    }
}

/// Splits the first record, `LENGTH KEY=VALUE\n`, off.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(21).position(|&b| b == b' ')?;
    let length = usize::try_from(decimal(&bytes[..blank])?).ok()?;
    let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&b| b == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

/// An empty value takes back what was said before.
fn unless_empty<T>(value: &[u8], parse: fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

fn name(value: &[u8]) -> Option<Option<Vec<u8>>> {
    unless_empty(value, |value| {
        (value.len() <= PATH_BYTES_MAX && !value.contains(&0)).then(|| value.to_vec())
    })
}

fn device(value: &[u8]) -> Option<u32> {
    decimal(value)?.try_into().ok()
}

/// Undoes what the writer of `SCHILY.xattr` keywords does to `=` and `%`.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        let (byte, left) = match rest {
            [b'%', b'3', b'D', left @ ..] => (b'=', left),
            [b'%', b'2', b'5', left @ ..] => (b'%', left),
            _ => (*first, tail),
        };
        out.push(byte);
        rest = left;
    }
    out
}

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let ([high, low], tail) = rest.split_first_chunk::<2>()?;
        let digit = |b: u8| (b as char).to_digit(16);
        out.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = tail;
    }
    Some(out)
}

/// Base 64 with or without padding.
fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for b in text.iter().take_while(|b| **b != b'=') {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> Result<Extras, String> {
        let mut extras = Extras::default();
        extras.take_all(bytes).map(|()| extras)
    }

    #[test]
    fn records_may_hold_any_byte() {
        let extras =
            taken(b"24 SCHILY.xattr.user.a=\0\n\n19 path=x\xff=\ny z 9\n").map(|_| ()).unwrap_err();
        assert!(extras.contains("malformed"), "the first length is one short");
        let extras = taken(b"27 SCHILY.xattr.user.a=\0\n=\n16 path=x\xff=\ny z\n").unwrap();
        assert_eq!(extras.xattrs[&b"user.a"[..]], b"\0\n=");
        assert_eq!(extras.path.unwrap(), b"x\xff=\ny z");
    }

    #[test]
    fn the_plain_form_of_an_attribute_wins() {
        let extras = taken(b"38 LIBARCHIVE.xattr.user.%61=AAECAw==\n").unwrap();
        assert_eq!(extras.xattrs[&b"user.a"[..]], [0, 1, 2, 3]);
        let both = b"26 SCHILY.xattr.user.a=xy\n32 LIBARCHIVE.xattr.user.a=AAEC\n";
        assert_eq!(taken(both).unwrap().xattrs[&b"user.a"[..]], b"xy");
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [
            &b"6 path"[..],
            b"99 path=a\n",
            b"5 a=b\n",
            b"3 \n",
            b"0 path=a\n",
            b"11 size=-1x\n",
            b"12 path=a\0b\n",
            b"99999999999999999999999 a=b\n",
        ] {
            assert!(taken(bad).is_err(), "{:?} was taken", String::from_utf8_lossy(bad));
        }
    }
}
