//! Who is at the authority's socket.
//!
//! Owns the first bytes of a connection there. Only root and the service's own user may connect at all, which
//! the kernel knows; the socket is of mode 0600 besides. Of those, a netplumber introduces a machine before
//! it passes on anything of it; whoever does not introduce anybody is a console on the appliance.

use super::door::Peer;
use crate::wire::introduction::{Introduction, Parsed};

/// What tapicom itself begins with.
const TAPICOM: &[u8] = b"tpc1";

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Who is there, and how many of the bytes said so; the others are tapicom.
    Peer(Peer, usize),
    /// More bytes have to come. Some tens are enough.
    More,
    /// Nobody who may be there.
    Refused,
}

/// Judges the first bytes of a connection by a process of user `uid` to a service of user `own_uid`.
pub fn opened(bytes: &[u8], uid: u32, own_uid: u32) -> Opened {
    if uid != 0 && uid != own_uid {
        return Opened::Refused;
    }
    let known = bytes.len().min(TAPICOM.len());
    if known == TAPICOM.len() && bytes.starts_with(TAPICOM) {
        return Opened::Peer(Peer::Console, 0);
    }
    match Introduction::parse(bytes) {
        Parsed::Whole(introduction, count) => Opened::Peer(Peer::Machine(introduction), count),
        Parsed::Cut => Opened::More,
        Parsed::Foreign if bytes[..known] == TAPICOM[..known] => Opened::More,
        Parsed::Foreign => Opened::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_who_the_kernel_and_the_netplumber_say() {
        let web = Introduction { machine: "web".into(), digest: [1; 32] };
        let mut bytes = web.encode().unwrap();
        let length = bytes.len();
        bytes.extend(b"tpc1");
        let machine = Opened::Peer(Peer::Machine(web), length);
        assert_eq!(opened(&bytes, 0, 500), machine);
        assert_eq!(opened(&bytes, 500, 500), machine);
        assert_eq!(opened(&bytes, 501, 500), Opened::Refused);
        assert_eq!(opened(b"tpc1", 501, 500), Opened::Refused);
        assert_eq!(opened(b"tpc1", 0, 500), Opened::Peer(Peer::Console, 0));
        for cut in [&b""[..], b"t", b"tp", b"tpc", b"tpi", b"tpi1", &bytes[..length - 1]] {
            assert_eq!(opened(cut, 0, 500), Opened::More, "{cut:?}");
        }
        for foreign in [&b"x"[..], b"tpx", b"tpi2", b"tpc2", b"GET / HTTP/1.1"] {
            assert_eq!(opened(foreign, 0, 500), Opened::Refused, "{foreign:?}");
        }
    }
}
