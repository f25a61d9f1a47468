//! Whose a restored file shall be.
//!
//! Owns the lookup of user and group names on this host. A name that is known here wins over the
//! number beside it, as hosts number their users differently; with `--numeric-owner` numbers count.

use crate::accounts::Accounts;

/// The largest id; all ones means "leave as it is" to the kernel.
const ID_MAX: u32 = u32::MAX - 1;

/// Who is who here.
pub(super) struct Owners {
    /// `None`: numbers count.
    accounts: Option<Accounts>,
}

impl Owners {
    /// With `numeric`, names are ignored.
    pub fn new(numeric: bool) -> Owners {
        Owners { accounts: (!numeric).then(Accounts::of_this_host) }
    }

    /// The user called `name` here, else number `id`, if that is one.
    pub fn user(&self, name: &[u8], id: Option<u32>) -> Option<u32> {
        let known = self.accounts.as_ref().and_then(|accounts| accounts.user_id(name));
        known.or(id).filter(|&id| id <= ID_MAX)
    }

    /// The group called `name` here, else number `id`, if that is one.
    pub fn group(&self, name: &[u8], id: Option<u32>) -> Option<u32> {
        let known = self.accounts.as_ref().and_then(|accounts| accounts.group_id(name));
        known.or(id).filter(|&id| id <= ID_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_win_unless_numbers_are_asked_for() {
        let named = Owners::new(false);
        assert_eq!(named.user(b"root", Some(4711)), Some(0));
        assert_eq!(named.user(b"no such user here", Some(4711)), Some(4711));
        assert_eq!(named.group(b"root", Some(4711)), Some(0));
        assert_eq!(named.user(b"", None), None);
        let numeric = Owners::new(true);
        assert_eq!(numeric.user(b"root", Some(4711)), Some(4711));
        assert_eq!(numeric.group(b"root", Some(u32::MAX)), None);
    }
}
