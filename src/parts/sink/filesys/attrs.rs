//! Owners, modes, times, attributes and ACLs, set on what was just made.
//!
//! Owns the order in which they are set and what happens where one cannot be. The order follows
//! from what the kernel takes away: changing the owner clears set-user-ID and file capabilities
//! (chown(2), capabilities(7)), so the owner is first and `security.capability` comes after the
//! mode; times are last. Nothing is reached by path: open files by descriptor, nodes by a handle,
//! symbolic links by their name in a directory handle, not followed.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::acl;
use super::owners::Owners;
use super::report::{Report, reason};
use super::tree::{Dir, proc_path};
use crate::pax::{Member, Time};

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const CAPABILITY: &[u8] = b"security.capability";

/// What an archive says about an object beside its content.
#[derive(Debug, Clone)]
pub(super) struct Attrs {
    mode: u32,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Time,
    atime: Option<Time>,
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Clone)]
struct Extra {
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    access: Option<Vec<u8>>,
    default: Option<Vec<u8>>,
}

impl Attrs {
    /// The attributes of a member, with owners as ids of this host.
    pub fn of(member: &Member, owners: &mut Owners) -> Attrs {
        let id = |id: u64| u32::try_from(id).ok();
        let plain =
            member.xattrs.is_empty() && member.acl_access.is_none() && member.acl_default.is_none();
        let extra = (!plain).then(|| {
            let xattrs = member.xattrs.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            let (access, default) = (member.acl_access.clone(), member.acl_default.clone());
            Box::new(Extra { xattrs, access, default })
        });
        Attrs {
            mode: member.mode & 0o7777,
            uid: owners.user(&member.uname, id(member.uid)),
            gid: owners.group(&member.gname, id(member.gid)),
            mtime: member.mtime,
            atime: member.atime,
            extra,
        }
    }

    /// Permission bits to make a file with: its own where that saves a call, else the owner's
    /// alone. Attributes need an owner who may write.
    pub fn first_mode(&self) -> Mode {
        let safe = self.extra.is_none() && self.mode & 0o7000 == 0;
        Mode::from_raw_mode(if safe { self.mode } else { 0o600 })
    }

    /// The times, where an access time is not recorded it stays.
    fn times(&self) -> Timestamps {
        let spec = |t: Time| Timespec { tv_sec: t.s, tv_nsec: t.ns.into() };
        let untouched = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        Timestamps {
            last_access: self.atime.map_or(untouched, spec),
            last_modification: spec(self.mtime),
        }
    }
}

/// How to reach an object without naming a path.
#[derive(Clone, Copy)]
pub(super) enum Object<'a> {
    /// A file or directory that is open.
    Open(BorrowedFd<'a>),
    /// A named pipe or device, as an `O_PATH` handle.
    Node(BorrowedFd<'a>),
    /// A symbolic link: its name in a directory.
    Symlink(&'a Dir, &'a [u8]),
}

impl Object<'_> {
    fn chown(self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
        match self {
            Object::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Object::Node(fd) => rustix::fs::chownat(fd, "", uid, gid, AtFlags::EMPTY_PATH),
            Object::Symlink(dir, name) => {
                rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn chmod(self, mode: Mode) -> Result<(), Errno> {
        match self {
            Object::Open(fd) => rustix::fs::fchmod(fd, mode),
            Object::Node(fd) => rustix::fs::chmodat(CWD, proc_path(fd), mode, AtFlags::empty()),
            Object::Symlink(..) => Ok(()),
        }
    }

    fn set_times(self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Object::Open(fd) => rustix::fs::futimens(fd, times),
            Object::Node(fd) => rustix::fs::utimensat(CWD, proc_path(fd), times, AtFlags::empty()),
            Object::Symlink(dir, name) => {
                rustix::fs::utimensat(dir, name, times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn set_xattr(self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let how = XattrFlags::empty();
        match self {
            Object::Open(fd) => rustix::fs::fsetxattr(fd, name, value, how),
            Object::Node(fd) => rustix::fs::setxattr(proc_path(fd), name, value, how),
            Object::Symlink(dir, link) => {
                rustix::fs::lsetxattr(path_in(dir, link), name, value, how)
            }
        }
    }

    fn remove_xattr(self, name: &[u8]) -> Result<(), Errno> {
        match self {
            Object::Open(fd) => rustix::fs::fremovexattr(fd, name),
            Object::Node(fd) => rustix::fs::removexattr(proc_path(fd), name),
            Object::Symlink(dir, link) => rustix::fs::lremovexattr(path_in(dir, link), name),
        }
    }
}

fn path_in(dir: &Dir, name: &[u8]) -> Vec<u8> {
    [proc_path(dir.as_fd()).as_bytes(), b"/", name].concat()
}

/// Sets attributes as far as this process may.
pub(super) struct Setter {
    /// Names and numbers of owners.
    pub owners: Owners,
    keep_owner: bool,
    give_away: bool,
    uid: u32,
    umask: u32,
}

impl Setter {
    /// With `keep_owner` objects stay ours even if we could give them away.
    pub fn new(owners: Owners, keep_owner: bool) -> Setter {
        let uid = rustix::process::geteuid();
        let give_away = uid.is_root() && !keep_owner;
        Setter { owners, keep_owner, give_away, uid: uid.as_raw(), umask: umask() }
    }

    /// Sets everything on `object`. `fresh` is the mode it was made with in a directory without
    /// default ACL, `None` if anything may be set on it.
    pub fn apply(
        &mut self,
        object: Object<'_>,
        attrs: &Attrs,
        fresh: Option<Mode>,
        path: &[u8],
        report: &mut Report,
    ) {
        let (uid_is, gid_is) = self.own(object, attrs, path, report);
        for (name, value) in attrs.xattrs().filter(|(name, _)| name != CAPABILITY) {
            tell(report, path, kind_of(name), object.set_xattr(name, value));
        }
        let mode = allowed(attrs.mode, uid_is, gid_is);
        if !self.has_mode(fresh, mode) {
            tell(report, path, "modes", object.chmod(Mode::from_raw_mode(mode)));
        }
        if mode != attrs.mode && !matches!(object, Object::Symlink(..)) {
            report.note("set-user-ID or set-group-ID dropped where the owner is another", path);
        }
        self.set_acls(object, attrs, fresh, path, report);
        for (name, value) in attrs.xattrs().filter(|(name, _)| name == CAPABILITY) {
            tell(report, path, "file capabilities", object.set_xattr(name, value));
        }
        tell(report, path, "times", object.set_times(&attrs.times()));
    }

    /// Gives the object to its owner; says whether user and group now are who they should be.
    fn own(
        &self,
        object: Object<'_>,
        attrs: &Attrs,
        path: &[u8],
        report: &mut Report,
    ) -> (bool, bool) {
        let uid = attrs.uid.map(Uid::from_raw);
        let gid = attrs.gid.map(Gid::from_raw);
        if self.give_away {
            if uid.is_none() || gid.is_none() {
                report.failed("owners", path, "there is no such user or group number");
            }
            return match object.chown(uid, gid) {
                Ok(()) => (uid.is_some(), gid.is_some()),
                Err(error) => {
                    report.failed("owners", path, reason(error));
                    (false, false)
                }
            };
        }
        let ours = attrs.uid == Some(self.uid);
        // One of our own files may go to any group we are in.
        let group = ours && gid.is_some() && object.chown(None, gid).is_ok();
        if !(self.keep_owner || ours && group) {
            report.note("owners not restored: only root can give files away", path);
        }
        (ours, group)
    }

    fn has_mode(&self, fresh: Option<Mode>, wanted: u32) -> bool {
        fresh.is_some_and(|made| made.as_raw_mode() & !self.umask == wanted)
    }

    fn set_acls(
        &mut self,
        object: Object<'_>,
        attrs: &Attrs,
        fresh: Option<Mode>,
        path: &[u8],
        report: &mut Report,
    ) {
        let (access, default) = attrs.acls();
        let access = access.map(|text| acl::access(text, &mut self.owners));
        let default = default.map(|text| acl::default(text, &mut self.owners));
        for (name, value) in [(acl::ACCESS, access), (acl::DEFAULT, default)] {
            match value.unwrap_or(Some(Vec::new())) {
                Some(value) if !value.is_empty() => {
                    tell(report, path, "ACLs", object.set_xattr(name, &value));
                }
                // A new file has none to be removed.
                Some(_) if fresh.is_some() || matches!(object, Object::Symlink(..)) => {}
                Some(_) => remove_acl(object, name, path, report),
                None => report.failed("ACLs", path, acl::NONSENSE),
            }
        }
    }
}

fn tell(report: &mut Report, path: &[u8], what: &'static str, result: Result<(), Errno>) {
    if let Err(error) = result {
        report.failed(what, path, reason(error));
    }
}

fn remove_acl(object: Object<'_>, name: &[u8], path: &[u8], report: &mut Report) {
    match object.remove_xattr(name) {
        // None there, none possible there (only directories have a default ACL).
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(error) => report.failed("ACLs", path, reason(error)),
    }
}

impl Attrs {
    /// Extended attributes, ACLs not among them.
    pub fn xattrs(&self) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>)> {
        self.extra.iter().flat_map(|extra| &extra.xattrs)
    }

    fn acls(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        match &self.extra {
            Some(extra) => (extra.access.as_deref(), extra.default.as_deref()),
            None => (None, None),
        }
    }
}

/// The mode without the bits that would lend the rights of somebody else than the archive says.
fn allowed(mode: u32, uid_is: bool, gid_is: bool) -> u32 {
    let uid = if uid_is { 0 } else { SET_UID };
    let gid = if gid_is { 0 } else { SET_GID };
    mode & !(uid | gid)
}

fn kind_of(xattr: &[u8]) -> &'static str {
    match xattr.split(|&b| b == b'.').next() {
        Some(b"user") => "user.* attributes",
        Some(b"trusted") => "trusted.* attributes",
        Some(b"security") => "security.* attributes",
        Some(b"system") => "system.* attributes",
        _ => "extended attributes of unknown kinds",
    }
}

/// The permission bits this process withholds from what it makes; all, where the kernel does not
/// say, so that every mode is then set.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o777)
}
