//! The other end of init's socket: a child, or whoever asks how things are.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

use super::message::{PACKET_BYTES_MAX, Reply, Request, SOCKET};
use crate::stream::{Blame, Fault};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether an init keeps processes here.
pub fn is_here() -> bool {
    Path::new(SOCKET).exists()
}

/// The answer to a request; a refusal is one.
///
/// # Errors
///
/// Nobody answers.
pub fn ask(request: &Request) -> Result<Reply, Fault> {
    let failed = |e: io::Error| Fault::later(Blame::Host, format!("init does not answer: {e}"));
    let answer = || -> io::Result<Reply> {
        let socket = reach()?;
        let mut packet = [0; PACKET_BYTES_MAX];
        let bytes = postcard::to_slice(request, &mut packet).map_err(io::Error::other)?;
        send(&socket, bytes, SendFlags::NOSIGNAL)?;
        let (_, length) = recv(&socket, &mut packet, RecvFlags::empty())?;
        postcard::from_bytes(packet.get(..length).unwrap_or_default()).map_err(io::Error::other)
    };
    answer().map_err(failed)
}

fn reach() -> io::Result<OwnedFd> {
    let kind = SocketType::SEQPACKET;
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
    set_socket_timeout(&socket, Timeout::Send, Some(LIMIT))?;
    connect(&socket, &SocketAddrUnix::new(SOCKET)?)?;
    Ok(socket)
}

/// Has something done.
///
/// # Errors
///
/// Nobody answers, or it is refused.
pub fn command(request: &Request) -> Result<(), Fault> {
    match ask(request)? {
        Reply::Refused(why) => Err(Fault::never(Blame::Host, format!("init refuses: {why}"))),
        Reply::Done | Reply::Status(_) => Ok(()),
    }
}
