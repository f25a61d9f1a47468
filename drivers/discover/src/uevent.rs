//! The kernel's word that a device came or went.
//!
//! Owns the socket and the form of a message (`ACTION@PATH`, then `KEY=VALUE`, each ended by a zero byte) with its
//! limits. What a message says is only a reason to look: what is attached, sysfs knows. Source: the kernel's
//! `lib/kobject_uevent.c`, netlink(7).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

/// The kernel builds at most 2 KiB of variables, and a path before them.
const MESSAGE_BYTES_MAX: usize = 8192;
/// The kernel has at most 64 variables.
const VARIABLES_MAX: usize = 64;
/// The group to which the kernel itself speaks.
const KERNEL: u32 = 1;
/// The class of the nodes by which devices are commanded.
const SUBSYSTEM: &str = "scsi_generic";

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uevent<'a> {
    /// `add`, `remove`, `change`, `bind`…
    pub action: &'a str,
    /// Where in sysfs, from its root.
    pub path: &'a str,
    /// Class or bus.
    pub subsystem: &'a str,
    /// Name of the node below `/dev`, if there is one.
    pub node: Option<&'a str>,
}

impl Uevent<'_> {
    /// Takes a message apart; none: it is none of the kernel's.
    pub fn parse(message: &[u8]) -> Option<Uevent<'_>> {
        let mut lines = message.strip_suffix(b"\0")?.split(|byte| *byte == 0);
        let (action, path) = std::str::from_utf8(lines.next()?).ok()?.split_once('@')?;
        let (mut said_action, mut said_path, mut subsystem, mut node) = (None, None, None, None);
        for (count, line) in (1..).zip(lines) {
            let at = line.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
            let (key, value) = line.split_at(at.filter(|_| count <= VARIABLES_MAX)?);
            let place = match key {
                b"ACTION" => &mut said_action,
                b"DEVPATH" => &mut said_path,
                b"SUBSYSTEM" => &mut subsystem,
                b"DEVNAME" => &mut node,
                _ => continue,
            };
            let value = std::str::from_utf8(&value[1..]).ok()?;
            if place.replace(value).is_some() {
                return None;
            }
        }
        let agrees = said_action == Some(action) && said_path == Some(path);
        let subsystem = subsystem.filter(|_| agrees && path.starts_with('/'))?;
        Some(Uevent { action, path, subsystem, node })
    }
}

/// Where the kernel says what comes and goes.
#[derive(Debug)]
pub struct Uevents(OwnedFd);

impl Uevents {
    /// Listens from now on. What is attached already is not told.
    ///
    /// # Errors
    ///
    /// The kernel has no such socket, or refuses it.
    pub fn listen() -> io::Result<Uevents> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Ok(Uevents(socket))
    }

    /// Reads all that was said, without waiting. Whether a device that can be commanded came or went, or something
    /// was said that was lost: then it may have.
    ///
    /// # Errors
    ///
    /// The socket is broken.
    pub fn have_changed(&self) -> io::Result<bool> {
        let mut room = [MaybeUninit::uninit(); MESSAGE_BYTES_MAX];
        let mut changed = false;
        loop {
            let ((message, _), length, from) =
                match recvfrom(&self.0, &mut room[..], RecvFlags::TRUNC) {
                    Ok(received) => received,
                    Err(Errno::AGAIN) => return Ok(changed),
                    Err(Errno::INTR) => continue,
                    // More was said than the socket holds.
                    Err(Errno::NOBUFS) => {
                        changed = true;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            // Who may, can speak to the group like the kernel; but the kernel's own number is nobody else's.
            if from.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            let is_whole = length == message.len();
            changed |= !is_whole
                || Uevent::parse(message).is_some_and(|event| event.subsystem == SUBSYSTEM);
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's kernel 6.1 said it of a drive behind virtio-scsi.
    const ADD: &[u8] = b"add@/devices/pci0000:00/0000:00:04.0/virtio1/host2/target2:0:0/2:0:0:1/scsi_generic/sg1\0\
        ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:04.0/virtio1/host2/target2:0:0/2:0:0:1/scsi_generic/sg1\0\
        SUBSYSTEM=scsi_generic\0MAJOR=21\0MINOR=1\0DEVNAME=sg1\0SEQNUM=1234\0";

    #[test]
    fn a_message_is_taken_apart() {
        let event = Uevent::parse(ADD).unwrap();
        assert_eq!((event.action, event.subsystem, event.node), ("add", SUBSYSTEM, Some("sg1")));
        assert!(event.path.ends_with("2:0:0:1/scsi_generic/sg1"));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for end in 0..ADD.len() {
            // Cut behind a variable it may still be one, but says the same.
            assert!(
                Uevent::parse(&ADD[..end]).is_none_or(|event| event.subsystem == SUBSYSTEM),
                "{end}"
            );
        }
        let many = [b"a@/b\0ACTION=a\0DEVPATH=/b\0SUBSYSTEM=c\0".as_slice(), &b"X=1\0".repeat(62)]
            .concat();
        for strange in [
            b"libudev\0\xfe\xed\xca\xfeACTION=add\0".as_slice(),
            b"add@/x\0ACTION=remove\0DEVPATH=/x\0SUBSYSTEM=s\0",
            b"add@/x\0ACTION=add\0DEVPATH=/y\0SUBSYSTEM=s\0",
            b"add@/x\0ACTION=add\0DEVPATH=/x\0",
            b"add@/x\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=s\0SUBSYSTEM=t\0",
            b"add@/x\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=\xff\0",
            b"add@/x\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=s\0=\0",
            b"add@/x\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=s",
            &many,
        ] {
            assert_eq!(Uevent::parse(strange), None, "{}", String::from_utf8_lossy(strange));
        }
        assert!(Uevent::parse(&many[..many.len() - 4]).is_some());
    }

    #[test]
    fn nothing_was_said_by_anybody_but_the_kernel() {
        let events = Uevents::listen().unwrap();
        // Whatever else happens on this machine, nobody plugs in a library meanwhile.
        assert!(!events.have_changed().unwrap());
    }
}
