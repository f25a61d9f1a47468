//! The socket at which init listens.
//!
//! Owns a few connections at once, none of which is waited for: a packet that is there is answered, and who does
//! not take the answer goes without. The kernel says who is at the other end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::{fs, io};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, listen, recv, send, socket_with,
};

use super::message::{PACKET_BYTES_MAX, Reply, Request, SOCKET, cut};

/// Connections at once; the oldest makes room for a new one.
const CONNECTIONS_MAX: usize = 32;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub user: u32,
}

pub(super) struct Control {
    listener: OwnedFd,
    connections: Vec<OwnedFd>,
}

impl Control {
    pub(super) fn listen() -> io::Result<Control> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        match fs::remove_file(SOCKET) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        bind(&listener, &SocketAddrUnix::new(SOCKET)?)?;
        listen(&listener, 16)?;
        // Who may do what is judged by who it is.
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666))?;
        Ok(Control { listener, connections: Vec::with_capacity(CONNECTIONS_MAX) })
    }

    /// What is to be waited for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.connections.iter().map(AsFd::as_fd))
    }

    /// Answers what is there; at most one packet of each.
    pub(super) fn serve(&mut self, mut answer: impl FnMut(Peer, Request) -> Reply) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(connection) = accept_with(&self.listener, flags) {
            if self.connections.len() == CONNECTIONS_MAX {
                self.connections.remove(0);
            }
            self.connections.push(connection);
        }
        self.connections.retain(|connection| stays(connection, &mut answer));
    }
}

fn stays(connection: &OwnedFd, answer: &mut impl FnMut(Peer, Request) -> Reply) -> bool {
    let mut packet = [0; PACKET_BYTES_MAX];
    let length = match recv(connection, &mut packet, RecvFlags::empty()) {
        Ok((_, 0)) => return false,
        Ok((_, length)) => length,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return true,
        Err(_) => return false,
    };
    let Ok(credentials) = socket_peercred(connection) else { return false };
    let peer = Peer { user: credentials.uid.as_raw() };
    let reply = match parse(packet.get(..length).unwrap_or_default()) {
        Some(request) => answer(peer, request),
        None => Reply::Refused(cut("not understood")),
    };
    let Ok(bytes) = postcard::to_slice(&reply, &mut packet) else { return false };
    send(connection, bytes, SendFlags::NOSIGNAL).is_ok()
}

/// A packet is one request and nothing else.
pub(super) fn parse(packet: &[u8]) -> Option<Request> {
    match postcard::take_from_bytes(packet) {
        Ok((request, [])) => Some(request),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_one_request_and_nothing_else() {
        let mut room = [0; 64];
        let request = Request::Start(cut("serve"));
        let bytes = postcard::to_slice(&request, &mut room).unwrap();
        assert_eq!(parse(bytes), Some(request));
        assert_eq!(parse(&[bytes, b"x"].concat()), None);
        assert_eq!(parse(&bytes[..3]), None);
        assert_eq!(parse(&[0x63]), None);
        assert_eq!(parse(&[2, 200, 1]), None);
    }
}
