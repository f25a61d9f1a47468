//! The port by which a link asks for an address.
//!
//! Owns the socket: UDP, bound to the device, so that no right to send raw frames is needed. The sender's address is
//! the link's own, or 0.0.0.0 as long as the box has none.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use dhcproto::v4::{CLIENT_PORT, SERVER_PORT};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use super::dhcp::PACKET_BYTES_MAX;

/// What came, and to which link.
pub(super) type Heard = (u32, Vec<u8>);

/// An open port. It is closed with this.
pub(super) struct Port {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Port {
    /// Opens it on a link. What comes is told with the link's number; when nobody takes it, it is lost, as it may be on
    /// the way.
    pub(super) fn open(name: &str, index: u32, to: Sender<Heard>) -> io::Result<Port> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(name.as_bytes()))?;
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, CLIENT_PORT));
        socket.bind(&any.into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let reader = tokio::spawn(read(socket.clone(), index, to));
        Ok(Port { socket, reader })
    }

    /// Sends to a server, or to everybody on the link.
    pub(super) async fn send(&self, to: Option<Ipv4Addr>, bytes: &[u8]) -> io::Result<()> {
        let to = SocketAddrV4::new(to.unwrap_or(Ipv4Addr::BROADCAST), SERVER_PORT);
        self.socket.send_to(bytes, SocketAddr::from(to)).await.map(drop)
    }
}

async fn read(socket: Arc<UdpSocket>, index: u32, to: Sender<Heard>) {
    // One byte more, so that what is too long is seen to be.
    let mut bytes = [0; PACKET_BYTES_MAX + 1];
    loop {
        match socket.recv_from(&mut bytes).await {
            Ok((length, from)) if from.port() == SERVER_PORT => {
                if to.try_send((index, bytes[..length].to_vec())).is_err() {
                    tracing::debug!(index, "an answer came while there were too many");
                }
            }
            Ok(_) => {}
            Err(error) => {
                // A link that went down, or an ICMP message: the next one may come.
                tracing::debug!(index, %error, "nothing can be heard");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}
