//! POSIX ACLs from archive text to the kernel's bytes.
//!
//! Owns the translation of the text form (POSIX.1e draft 17, section 23.3.1; archives write it in
//! `SCHILY.acl.*` records, some with the numeric id as a fourth field) to the value of the
//! attributes `system.posix_acl_access` and `system.posix_acl_default`. Little-endian:
//!
//! ```text
//! 0  4  version  2
//! then, for each entry, sorted by tag and id:
//! 0  2  tag      1 owner, 2 user, 4 owning group, 8 group, 10h mask, 20h other
//! 2  2  permissions  4 read, 2 write, 1 execute
//! 4  4  id       FFFFFFFFh where the tag has none
//! ```

use super::owners::Owners;

/// The attribute that holds an access ACL.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute that holds a directory's default ACL.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

/// Entries an ACL may have; file systems hold far fewer.
const ENTRIES_MAX: usize = 8192;

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    Owner = 0x01,
    User = 0x02,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Other = 0x20,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: Tag,
    id: u32,
    permissions: u16,
}

/// The kernel's bytes for an access ACL. `Ok(None)`: it says no more than the mode does. The error
/// is the entry that makes no sense.
pub(super) fn access(text: &[u8], owners: &mut Owners) -> Result<Option<Vec<u8>>, String> {
    let entries = entries(text, owners)?;
    let base = |e: &Entry| matches!(e.tag, Tag::Owner | Tag::OwningGroup | Tag::Other);
    Ok((!entries.iter().all(base)).then(|| pack(&entries)))
}

/// The kernel's bytes for a default ACL. `Ok(None)`: it is empty.
pub(super) fn default(text: &[u8], owners: &mut Owners) -> Result<Option<Vec<u8>>, String> {
    let entries = entries(text, owners)?;
    Ok((!entries.is_empty()).then(|| pack(&entries)))
}

fn entries(text: &[u8], owners: &mut Owners) -> Result<Vec<Entry>, String> {
    let text = String::from_utf8_lossy(text);
    let mut entries = Vec::new();
    for part in text.split([',', '\n']) {
        let part = part.split('#').next().unwrap_or_default().trim();
        if part.is_empty() {
            continue;
        }
        let entry = entry(part, owners).ok_or_else(|| format!("not an ACL entry: {part:?}"))?;
        entries.push(entry);
        if entries.len() > ENTRIES_MAX {
            return Err(format!("an ACL of over {ENTRIES_MAX} entries"));
        }
    }
    entries.sort();
    Ok(entries)
}

fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for entry in entries {
        bytes.extend_from_slice(&(entry.tag as u16).to_le_bytes());
        bytes.extend_from_slice(&entry.permissions.to_le_bytes());
        bytes.extend_from_slice(&entry.id.to_le_bytes());
    }
    bytes
}

fn entry(text: &str, owners: &mut Owners) -> Option<Entry> {
    let fields: Vec<&str> = text.split(':').map(str::trim).collect();
    let (word, name, permissions, id) = match *fields.as_slice() {
        [word, permissions] => (word, "", permissions, None),
        [word, name, permissions] => (word, name, permissions, None),
        [word, name, permissions, id] => (word, name, permissions, Some(id.parse().ok()?)),
        _ => return None,
    };
    let (tag, id) = tag_and_id(word, name, id, owners)?;
    Some(Entry { tag, id, permissions: bits(permissions)? })
}

fn tag_and_id(
    word: &str,
    name: &str,
    id: Option<u32>,
    owners: &mut Owners,
) -> Option<(Tag, u32)> {
    let id = id.or_else(|| name.parse().ok());
    match (word, name) {
        ("user" | "u", "") => Some((Tag::Owner, NO_ID)),
        ("group" | "g", "") => Some((Tag::OwningGroup, NO_ID)),
        ("mask" | "m", "") => Some((Tag::Mask, NO_ID)),
        ("other" | "o", "") => Some((Tag::Other, NO_ID)),
        ("user" | "u", name) => Some((Tag::User, owners.user(name.as_bytes(), id)?)),
        ("group" | "g", name) => Some((Tag::Group, owners.group(name.as_bytes(), id)?)),
        _ => None,
    }
}

fn bits(text: &str) -> Option<u16> {
    text.bytes().try_fold(0, |bits, byte| match byte {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &[u8]) -> Result<Option<Vec<u8>>, String> {
        access(text, &mut Owners::new(true))
    }

    #[test]
    fn text_becomes_the_kernels_bytes_in_order() {
        let bytes = plain(b"user::rw-,other::r--,group::r-x\nmask::rwx,user:1000:r--").unwrap();
        let wanted = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 4, 0, 232, 3, 0, 0],
            &[4, 0, 5, 0, 255, 255, 255, 255],
            &[16, 0, 7, 0, 255, 255, 255, 255],
            &[32, 0, 4, 0, 255, 255, 255, 255],
        ]
        .concat();
        assert_eq!(bytes.unwrap(), wanted);
    }

    #[test]
    fn the_fourth_field_is_the_id() {
        let bytes = plain(b"user::rw-,user:nobody-we-know:r--:77,group::---,mask::r--,other::---");
        assert_eq!(bytes.unwrap().unwrap()[4 + 8 + 4..][..4], [77, 0, 0, 0]);
    }

    #[test]
    fn what_the_mode_says_needs_no_acl() {
        assert_eq!(plain(b"user::rw-,group::r--,other::---").unwrap(), None);
        assert_eq!(plain(b"").unwrap(), None);
        let default = |text: &[u8]| default(text, &mut Owners::new(true)).unwrap();
        assert_eq!(default(b"user::rwx,group::r-x,other::---").unwrap().len(), 4 + 3 * 8);
        assert_eq!(default(b" "), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [&b"user::rwz"[..], b"who::rwx", b"user:a:b:c:d", b"user", b"user:x:r--:y"] {
            assert!(plain(bad).is_err(), "{bad:?} was taken");
        }
        assert!(plain(&b"user:1:r--,".repeat(ENTRIES_MAX + 1)).is_err());
    }
}
