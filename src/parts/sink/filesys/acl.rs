//! ACLs of a member as the attributes of a file.
//!
//! Owns the names of the attributes and whose id a name in an ACL becomes: as with owners, a name
//! known on this host wins over the number behind it. The bytes are [`crate::pax::acl`]'s.

use super::owners::Owners;
use crate::pax::acl::{Who, xattr_of};

/// The attribute that holds an access ACL.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute that holds a directory's default ACL.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

/// Bytes of the version, and of an entry.
const VERSION_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;

/// Why an ACL cannot be set.
pub(super) const NONSENSE: &str = "not an ACL, or it names somebody unknown here";

/// The kernel's bytes for an access ACL; empty when it says no more than the mode does (owner,
/// group, other). `None` for nonsense.
pub(super) fn access(text: &[u8], owners: &mut Owners) -> Option<Vec<u8>> {
    let mut bytes = bytes(text, owners)?;
    if bytes.len() <= VERSION_BYTES + 3 * ENTRY_BYTES {
        bytes.clear();
    }
    Some(bytes)
}

/// The kernel's bytes for a default ACL; empty when it has no entries. `None` for nonsense.
pub(super) fn default(text: &[u8], owners: &mut Owners) -> Option<Vec<u8>> {
    let mut bytes = bytes(text, owners)?;
    if bytes.len() == VERSION_BYTES {
        bytes.clear();
    }
    Some(bytes)
}

fn bytes(text: &[u8], owners: &mut Owners) -> Option<Vec<u8>> {
    let text = names_first(text, owners);
    xattr_of(&text, &mut |who, name| lookup(owners, who, name))
}

fn lookup(owners: &mut Owners, who: Who, name: &[u8]) -> Option<u32> {
    match who {
        Who::User => owners.user(name, None),
        Who::Group => owners.group(name, None),
    }
}

/// The text without the numbers of those whose names are known here.
fn names_first(text: &[u8], owners: &mut Owners) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for entry in text.split(|&b| b == b',' || b == b'\n') {
        let fields: Vec<&[u8]> = entry.split(|&b| b == b':').collect();
        let known = match *fields.as_slice() {
            [b"user" | b"u", name, _, _] => lookup(owners, Who::User, name).is_some(),
            [b"group" | b"g", name, _, _] => lookup(owners, Who::Group, name).is_some(),
            _ => false,
        };
        out.extend_from_slice(&fields[..fields.len() - usize::from(known)].join(&b':'));
        out.push(b'\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of the second entry, a named user's.
    fn second_id(text: &[u8], numeric: bool) -> u32 {
        let bytes = access(text, &mut Owners::new(numeric)).unwrap();
        u32::from_le_bytes(std::array::from_fn(|i| bytes[VERSION_BYTES + ENTRY_BYTES + 4 + i]))
    }

    #[test]
    fn a_known_name_wins_over_its_number() {
        let text = b"user::rw-,user:root:r--:77,group::---,mask::r--,other::---";
        assert_eq!(second_id(text, false), 0);
        assert_eq!(second_id(text, true), 77);
        let stranger = b"user::rw-,user:nobody we know:r--:77,group::---,mask::r--,other::---";
        assert_eq!(second_id(stranger, false), 77);
    }

    #[test]
    fn what_the_mode_says_needs_no_acl() {
        let owners = &mut Owners::new(true);
        assert_eq!(access(b"user::rw-,group::r--,other::---", owners), Some(Vec::new()));
        assert_eq!(default(b"user::rwx,group::r-x,other::---", owners).unwrap().len(), 28);
        assert_eq!(default(b" ", owners), Some(Vec::new()));
        assert_eq!(access(b"who::rwx", owners), None);
    }
}
