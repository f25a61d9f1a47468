//! What a member says beside its content.
//!
//! Owns the way from a `stat` structure, a user's number and the extended attributes to the fields
//! of a member. Reuses the member's memory: an ordinary file allocates nothing here.

use std::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::fs::{Stat, fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

use crate::accounts::Accounts;
use crate::pax::{Kind, Member, Time, acl};

/// The kernel's limit for a list of attributes and for a value (XATTR_LIST_MAX, XATTR_SIZE_MAX).
const XATTR_BYTES_MAX: usize = 65536;

/// Most files' lists are empty or short.
const LIST_BYTES: usize = 1024;

/// An empty member, to be filled again and again.
pub(super) fn blank() -> Member {
    Member {
        path: Vec::new(),
        kind: Kind::Directory,
        mode: 0,
        uid: 0,
        gid: 0,
        uname: Vec::new(),
        gname: Vec::new(),
        size: 0,
        mtime: Time::default(),
        atime: None,
        xattrs: Default::default(),
        acl_access: None,
        acl_default: None,
    }
}

/// Whose things are, by number and name.
pub(super) struct Owners {
    accounts: Accounts,
    last: Option<(u32, u32)>,
}

impl Default for Owners {
    fn default() -> Owners {
        Owners { accounts: Accounts::of_this_host(), last: None }
    }
}

impl Owners {
    /// Sets both numbers and names of a member whose fields, if any, were set by us before.
    fn set(&mut self, member: &mut Member, uid: u32, gid: u32) {
        if self.last.replace((uid, gid)) == Some((uid, gid)) {
            return;
        }
        (member.uid, member.gid) = (u64::from(uid), u64::from(gid));
        // Somebody without a name has a number, and that is what counts.
        member.uname.clear();
        member.uname.extend_from_slice(self.accounts.user_name(uid).unwrap_or_default());
        member.gname.clear();
        member.gname.extend_from_slice(self.accounts.group_name(gid).unwrap_or_default());
    }
}

/// Fills in what `stat` says, and no attributes.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_lossless,
    reason = "the fields' types differ between architectures"
)]
pub(super) fn describe(member: &mut Member, stat: &Stat, owners: &mut Owners, with_atime: bool) {
    owners.set(member, stat.st_uid, stat.st_gid);
    member.mode = stat.st_mode & 0o7777;
    member.size = 0;
    member.mtime = Time { s: stat.st_mtime as i64, ns: stat.st_mtime_nsec as u32 };
    member.atime =
        with_atime.then_some(Time { s: stat.st_atime as i64, ns: stat.st_atime_nsec as u32 });
    if !member.xattrs.is_empty() {
        member.xattrs.clear();
    }
    member.acl_access = None;
    member.acl_default = None;
}

/// Where attributes are read from.
pub(super) enum Holder<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A name that must not be opened, below the directory open as the descriptor.
    Name(BorrowedFd<'a>, &'a CStr),
}

impl Holder<'_> {
    /// The name seen through our own descriptor: nobody can put another directory there.
    fn path(directory: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
        use std::os::fd::AsRawFd;
        [format!("/proc/self/fd/{}/", directory.as_raw_fd()).as_bytes(), name.to_bytes()].concat()
    }

    fn list(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Holder::Open(fd) => flistxattr(fd, buffer),
            Holder::Name(directory, name) => llistxattr(Holder::path(*directory, name), buffer),
        }
    }

    fn value(&self, attribute: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Holder::Open(fd) => fgetxattr(fd, attribute, buffer),
            Holder::Name(directory, name) => {
                lgetxattr(Holder::path(*directory, name), attribute, buffer)
            }
        }
    }
}

/// Adds all attributes. A file system without any is no error; an attribute that goes away in
/// between is as if it had gone before. On an error the rest is missing.
pub(super) fn add_attributes(member: &mut Member, holder: &Holder<'_>) -> Result<(), Errno> {
    let mut short = [0; LIST_BYTES];
    match holder.list(&mut short) {
        Ok(0) | Err(Errno::NOTSUP) => Ok(()),
        Ok(length) => add_listed(member, holder, &short[..length]),
        Err(Errno::RANGE) => {
            let mut long = vec![0; XATTR_BYTES_MAX];
            let length = holder.list(&mut long)?;
            add_listed(member, holder, &long[..length])
        }
        Err(error) => Err(error),
    }
}

fn add_listed(member: &mut Member, holder: &Holder<'_>, names: &[u8]) -> Result<(), Errno> {
    let mut buffer = vec![0; XATTR_BYTES_MAX];
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        match holder.value(name, &mut buffer) {
            Ok(length) => add_one(member, name, &buffer[..length]),
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn add_one(member: &mut Member, name: &[u8], value: &[u8]) {
    let text = match name {
        b"system.posix_acl_access" | b"system.posix_acl_default" => acl::text_of(value),
        _ => None,
    };
    match (name, text) {
        (b"system.posix_acl_access", Some(text)) => member.acl_access = Some(text),
        (b"system.posix_acl_default", Some(text)) => member.acl_default = Some(text),
        _ => {
            member.xattrs.insert(name.to_vec(), value.to_vec());
        }
    }
}
