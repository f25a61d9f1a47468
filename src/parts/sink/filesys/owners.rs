//! Whose a restored file shall be.
//!
//! Owns the lookup of user and group names on this host. A name that is known here wins over the
//! number beside it, as hosts number their users differently; with `--numeric-owner` numbers count.

use std::collections::HashMap;

use nix::unistd::{Group, User};

/// Names remembered; beyond it (a hostile archive) the memory starts afresh.
const NAMES_MAX: usize = 16 * 1024;

/// The largest id; all ones means "leave as it is" to the kernel.
const ID_MAX: u32 = u32::MAX - 1;

/// Names already looked up.
pub(super) struct Owners {
    numeric: bool,
    users: HashMap<Vec<u8>, Option<u32>>,
    groups: HashMap<Vec<u8>, Option<u32>>,
}

impl Owners {
    /// With `numeric`, names are ignored.
    pub fn new(numeric: bool) -> Owners {
        Owners { numeric, users: HashMap::new(), groups: HashMap::new() }
    }

    /// The user called `name` here, else number `id`, if that is one.
    pub fn user(&mut self, name: &[u8], id: Option<u32>) -> Option<u32> {
        let look_up = |n: &str| User::from_name(n).map(|u| u.map(|u| u.uid.as_raw()));
        let known = if self.numeric { None } else { remembered(&mut self.users, name, look_up) };
        known.or(id).filter(|&id| id <= ID_MAX)
    }

    /// The group called `name` here, else number `id`, if that is one.
    pub fn group(&mut self, name: &[u8], id: Option<u32>) -> Option<u32> {
        let look_up = |n: &str| Group::from_name(n).map(|g| g.map(|g| g.gid.as_raw()));
        let known = if self.numeric { None } else { remembered(&mut self.groups, name, look_up) };
        known.or(id).filter(|&id| id <= ID_MAX)
    }
}

fn remembered(
    names: &mut HashMap<Vec<u8>, Option<u32>>,
    name: &[u8],
    look_up: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> Option<u32> {
    if name.is_empty() {
        return None;
    }
    if let Some(id) = names.get(name) {
        return *id;
    }
    if names.len() >= NAMES_MAX {
        names.clear();
    }
    let id = std::str::from_utf8(name).ok().filter(|n| !n.contains('\0')).and_then(|text| {
        // A directory service that is down must not stop a restore; the number is then taken.
        look_up(text).inspect_err(|error| tracing::warn!(%error, name = text, "no such name")).ok()
    });
    names.insert(name.to_vec(), id.flatten());
    id.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_win_unless_numbers_are_asked_for() {
        let mut named = Owners::new(false);
        assert_eq!(named.user(b"root", Some(4711)), Some(0));
        assert_eq!(named.user(b"no such user here", Some(4711)), Some(4711));
        assert_eq!(named.group(b"root", Some(4711)), Some(0));
        assert_eq!(named.user(b"", None), None);
        let mut numeric = Owners::new(true);
        assert_eq!(numeric.user(b"root", Some(4711)), Some(4711));
        assert_eq!(numeric.group(b"root", Some(u32::MAX)), None);
    }
}
