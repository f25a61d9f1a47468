//! POSIX ACLs: the kernel's bytes and the text of archives.
//!
//! Owns the translation between `system.posix_acl_*` attributes (little-endian, version 2: a 32-bit
//! version, then tag, permissions, id of 16, 16 and 32 bits each) and the short text form of POSIX
//! 1003.1e draft 17 that archives carry, ids as numbers.

/// Whose name an entry of the text form has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A user's.
    User,
    /// A group's.
    Group,
}

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The text of a kernel ACL, entries separated by commas; `None` when the bytes are no ACL.
pub fn text_of(xattr: &[u8]) -> Option<Vec<u8>> {
    let (version, entries) = xattr.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let mut text = Vec::with_capacity(entries.len() * 3);
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let perm = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        if !text.is_empty() {
            text.push(b',');
        }
        match tag {
            USER_OBJ => text.extend_from_slice(b"user::"),
            USER => text.extend_from_slice(format!("user:{id}:").as_bytes()),
            GROUP_OBJ => text.extend_from_slice(b"group::"),
            GROUP => text.extend_from_slice(format!("group:{id}:").as_bytes()),
            MASK => text.extend_from_slice(b"mask::"),
            OTHER => text.extend_from_slice(b"other::"),
            _ => return None,
        }
        for (bit, letter) in [(4, b'r'), (2, b'w'), (1, b'x')] {
            text.push(if perm & bit != 0 { letter } else { b'-' });
        }
    }
    Some(text)
}

/// The kernel's bytes for an ACL text, entries separated by commas or newlines, comments passed
/// over. `id_of` resolves names that are no numbers and come without a number behind the
/// permissions; `None` when it cannot or the text is malformed.
pub fn xattr_of(text: &[u8], id_of: &mut dyn FnMut(Who, &[u8]) -> Option<u32>) -> Option<Vec<u8>> {
    let mut entries = Vec::new();
    for entry in text.split(|b| matches!(b, b',' | b'\n')) {
        let entry = entry.split(|&b| b == b'#').next().unwrap_or(&[]).trim_ascii();
        if !entry.is_empty() {
            entries.push(parse_entry(entry, id_of)?);
        }
    }
    // The kernel wants them in the order of tags and ids.
    entries.sort_unstable();
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, id, perm) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&perm.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    Some(bytes)
}

fn parse_entry(
    entry: &[u8],
    id_of: &mut dyn FnMut(Who, &[u8]) -> Option<u32>,
) -> Option<(u16, u32, u16)> {
    let mut fields = entry.split(|&b| b == b':');
    let tag = fields.next()?;
    // The short form of mask and other leaves the name out.
    let mut name = fields.next()?;
    let perm = match fields.next() {
        Some(perm) => perm,
        None if matches!(tag, b"m" | b"mask" | b"o" | b"other") => std::mem::take(&mut name),
        None => return None,
    };
    let number = fields.next();
    let mut id = |who| {
        let text = number.unwrap_or(name);
        let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        parsed.or_else(|| id_of(who, name))
    };
    let (tag, id) = match (tag, name.is_empty()) {
        (b"u" | b"user", true) => (USER_OBJ, NO_ID),
        (b"u" | b"user", false) => (USER, id(Who::User)?),
        (b"g" | b"group", true) => (GROUP_OBJ, NO_ID),
        (b"g" | b"group", false) => (GROUP, id(Who::Group)?),
        (b"m" | b"mask", true) => (MASK, NO_ID),
        (b"o" | b"other", true) => (OTHER, NO_ID),
        _ => return None,
    };
    let perm = perm.iter().try_fold(0, |sum, letter| match letter {
        b'r' => Some(sum | 4),
        b'w' => Some(sum | 2),
        b'x' => Some(sum | 1),
        b'-' => Some(sum),
        _ => None,
    })?;
    Some((tag, id, perm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: Who, _: &[u8]) -> Option<u32> {
        None
    }

    #[test]
    fn text_and_bytes_agree() {
        let text = b"user::rwx,user:4000000:r--,group::r-x,group:7:-w-,mask::rwx,other::---";
        let bytes = xattr_of(text, &mut nobody).unwrap();
        assert_eq!(bytes.len(), 4 + 6 * 8);
        assert_eq!(&bytes[..12], [2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(text_of(&bytes).unwrap(), text);
    }

    #[test]
    fn the_forms_of_other_programs_are_read() {
        let wanted = xattr_of(b"user::rw-,user:7:r--,group::r--,mask::r--,other::r--", &mut nobody);
        let lines = b"other::r--\nuser::rw-\nuser:ann:r--\ngroup::r--\t#effective:r--\nm:r--\n";
        assert_eq!(
            xattr_of(lines, &mut |who, name| (who == Who::User && name == b"ann").then_some(7)),
            wanted
        );
        let numbered = b"user::rw-,group::r--,user:ann:r--:7,mask::r--,other::r--";
        assert_eq!(xattr_of(numbered, &mut nobody), wanted);
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        for bad in [&b"user"[..], b"user:", b"user:ann:r--", b"x::r--", b"mask:1:r--", b"user::q"] {
            assert!(xattr_of(bad, &mut nobody).is_none(), "{bad:?} was taken");
        }
        assert!(
            [&b""[..], &[2, 0, 0, 0, 1], &[1, 0, 0, 0], &[2, 0, 0, 0, 3, 0, 7, 0, 0, 0, 0, 0]]
                .iter()
                .all(|bad| text_of(bad).is_none())
        );
    }
}
