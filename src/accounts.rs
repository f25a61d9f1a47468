//! Names of users and groups of this host.
//!
//! Owns the reading of `passwd(5)` and `group(5)`, once. The C library's own look-up loads modules
//! at run time, which a static executable must not do: with other modules than it was built for it
//! dies. So names that only a directory service knows are not known here; numbers then count.

use std::collections::HashMap;

/// Both directions of one file.
#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<Vec<u8>, u32>,
    by_id: HashMap<u32, Vec<u8>>,
}

/// The users and groups of this host.
#[derive(Debug, Default)]
pub struct Accounts {
    users: Table,
    groups: Table,
}

impl Accounts {
    /// Those of this host. A file that cannot be read holds no names.
    pub fn of_this_host() -> Accounts {
        let read = |path: &str| {
            std::fs::read(path)
                .inspect_err(|error| tracing::warn!(%error, path, "names are not known"))
                .unwrap_or_default()
        };
        Accounts::parse(&read("/etc/passwd"), &read("/etc/group"))
    }

    /// From the text of the two files. Lines that make no sense are passed over; of two lines with
    /// one name or number the first counts, as the C library has it.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Accounts {
        Accounts { users: Table::parse(passwd), groups: Table::parse(group) }
    }

    /// The user's name.
    pub fn user_name(&self, uid: u32) -> Option<&[u8]> {
        self.users.by_id.get(&uid).map(Vec::as_slice)
    }

    /// The group's name.
    pub fn group_name(&self, gid: u32) -> Option<&[u8]> {
        self.groups.by_id.get(&gid).map(Vec::as_slice)
    }

    /// The user's number.
    pub fn user_id(&self, name: &[u8]) -> Option<u32> {
        self.users.by_name.get(name).copied()
    }

    /// The group's number.
    pub fn group_id(&self, name: &[u8]) -> Option<u32> {
        self.groups.by_name.get(name).copied()
    }
}

impl Table {
    fn parse(text: &[u8]) -> Table {
        let mut table = Table::default();
        for line in text.split(|&b| b == b'\n') {
            let mut fields = line.split(|&b| b == b':');
            let (name, id) = (fields.next().unwrap_or_default(), fields.nth(1));
            let id = id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
            if let (false, Some(id)) = (name.is_empty() || name.starts_with(b"#"), id) {
                table.by_name.entry(name.to_vec()).or_insert(id);
                table.by_id.entry(id).or_insert_with(|| name.to_vec());
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_and_nonsense_is_not() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nodd\xff:x:7:7::/:\ntoor:x:0:0::/:\n+::::::\n#a:x:9:\nb:x:-1:\n\n";
        let accounts = Accounts::parse(passwd, b"wheel:x:10:root,bin\ncut:x");
        assert_eq!(accounts.user_name(0), Some(&b"root"[..]));
        assert_eq!(accounts.user_id(b"toor"), Some(0));
        assert_eq!(accounts.user_name(7), Some(&b"odd\xff"[..]));
        assert_eq!(accounts.user_name(9), None);
        assert_eq!((accounts.user_id(b"b"), accounts.user_id(b"+")), (None, None));
        assert_eq!((accounts.group_id(b"wheel"), accounts.group_id(b"cut")), (Some(10), None));
    }
}
