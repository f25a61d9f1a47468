//! Protected frames over a socket: one thread sends, another receives.
//!
//! Owns how frames are protected: as TLS records, or in clear with a keyed BLAKE3 (32 bytes behind each
//! frame, over the frame's number, header and payload) under a key that comes of the TLS handshake. The
//! lock of the TLS state is never held while the socket is read or written, so a full socket one way does
//! not stop the other.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::frame::{Assembler, Header, Packet};
use super::tls::Tls;
use crate::stream::{Blame, Block, Fault};

/// Bytes read from the socket at once.
const READ_BYTES: usize = 512 * 1024;
/// How long a read waits before whoever reads may look around.
const LOOK_UP: Duration = Duration::from_millis(500);
/// Reads after a handshake that failed.
const ALERT_READS: usize = 32;
/// Bytes of a frame's authentication when it travels in clear.
const MAC_BYTES: usize = 32;

const CLEAR_OF_CLIENT: &str = "tapioca 2026-11 plumb: frames in clear, client to server";
const CLEAR_OF_SERVER: &str = "tapioca 2026-11 plumb: frames in clear, server to client";

/// Which end we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one that was connected to.
    Server,
}

/// Authenticates frames in clear.
struct Clear {
    key: Zeroizing<[u8; 32]>,
    number: u64,
}

impl Clear {
    fn mac(&mut self, header: &[u8], payload: &[u8]) -> [u8; MAC_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.number.to_le_bytes()).update(header).update(payload);
        self.number += 1;
        *hasher.finalize().as_bytes()
    }
}

type Shared = Arc<Mutex<Tls>>;

fn locked(tls: &Shared) -> std::sync::MutexGuard<'_, Tls> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end that sends.
pub struct Sender {
    socket: TcpStream,
    tls: Shared,
    clear: Option<Clear>,
    buffer: Vec<u8>,
}

/// The end that receives.
pub struct Receiver {
    socket: TcpStream,
    tls: Shared,
    clear: Option<Clear>,
    buffer: Vec<u8>,
    /// Bytes in the buffer that were not used up yet.
    filled: usize,
    assembler: Assembler,
    /// Frames that arrived before anybody asked for them.
    early: Vec<Frame>,
    closed: bool,
}

/// What [`Receiver::receive`] came back with.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Something arrived, perhaps less than a frame.
    Bytes,
    /// Nothing did for a while.
    Nothing,
    /// The other end closed as it should.
    Closed,
}

/// A frame that arrived.
pub type Frame = (Header, Block);

fn link_fault(what: &str, error: &std::io::Error) -> Fault {
    Fault::later(Blame::Link, format!("{what}: {error}"))
}

fn cut(why: &str) -> Fault {
    Fault::later(Blame::Link, format!("the link is cut: {why}"))
}

/// Makes the handshake, which must not take longer than `limit`.
pub fn establish(
    socket: TcpStream,
    tls: Tls,
    limit: Duration,
) -> Result<(Sender, Receiver), Fault> {
    let set = |e: std::io::Error| link_fault("cannot set up the connection", &e);
    socket.set_nodelay(true).map_err(set)?;
    socket.set_read_timeout(Some(LOOK_UP)).map_err(set)?;
    socket.set_write_timeout(Some(limit)).map_err(set)?;
    let deadline = Instant::now() + limit;
    let tls = Arc::new(Mutex::new(tls));
    let again = socket.try_clone().map_err(set)?;
    let mut sender = Sender { socket: again, tls: tls.clone(), clear: None, buffer: Vec::new() };
    let mut receiver = Receiver {
        socket,
        tls: tls.clone(),
        clear: None,
        buffer: vec![0; READ_BYTES],
        filled: 0,
        assembler: Assembler::default(),
        early: Vec::new(),
        closed: false,
    };
    // The client speaks first.
    match shake(&mut sender, &mut receiver, deadline) {
        Ok(early) => Ok((sender, Receiver { early, ..receiver })),
        Err(fault) => {
            sender.let_alert_arrive();
            Err(fault)
        }
    }
}

/// Turns until the handshake is over; returns frames that came along with its end.
fn shake(
    sender: &mut Sender,
    receiver: &mut Receiver,
    deadline: Instant,
) -> Result<Vec<Frame>, Fault> {
    let mut early = Vec::new();
    let mut turned = receiver.process(&mut early);
    loop {
        let flushed = sender.flush();
        turned?;
        flushed?;
        if locked(&sender.tls).is_open() {
            return Ok(early);
        }
        if Instant::now() >= deadline {
            return Err(cut("the handshake takes too long"));
        }
        turned = receiver.receive(&mut early).and_then(|received| match received {
            Received::Closed => Err(cut("it was closed during the handshake")),
            Received::Bytes | Received::Nothing => Ok(()),
        });
    }
}

impl Sender {
    /// Sends frames.
    pub fn send(&mut self, packets: &[Packet]) -> Result<(), Fault> {
        match &mut self.clear {
            Some(clear) => {
                for packet in packets {
                    let (header, payload) = packet.bytes().split_at(super::frame::HEADER_BYTES);
                    let mac = clear.mac(header, payload);
                    write_all(&mut self.socket, packet.bytes())?;
                    write_all(&mut self.socket, &mac)?;
                }
                Ok(())
            }
            None => {
                let mut tls = locked(&self.tls);
                packets.iter().try_for_each(|packet| tls.encrypt(packet.bytes()))?;
                drop(tls);
                self.flush()
            }
        }
    }

    /// Writes what TLS has to say by itself.
    fn flush(&mut self) -> Result<(), Fault> {
        let count = locked(&self.tls).take_outgoing(&mut self.buffer);
        match count {
            0 => Ok(()),
            count => write_all(&mut self.socket, &self.buffer[..count]),
        }
    }

    /// A socket that is closed with bytes unread takes back what was written last: an alert, say. Reads
    /// them, as far as they come at once and are not many.
    fn let_alert_arrive(&mut self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        for _ in 0..ALERT_READS {
            match self.socket.read(&mut [0; 4096]) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// From now on frames leave in clear.
    pub fn unseal(&mut self, side: Side) -> Result<(), Fault> {
        let purpose = match side {
            Side::Client => CLEAR_OF_CLIENT,
            Side::Server => CLEAR_OF_SERVER,
        };
        self.clear = Some(Clear { key: locked(&self.tls).key(purpose)?, number: 0 });
        Ok(())
    }

    /// Says that nothing more follows. What the other end sends can still be received; reading it to its
    /// end is what keeps the last bytes from being lost.
    pub fn close(&mut self) -> Result<(), Fault> {
        if self.clear.is_none() {
            locked(&self.tls).close()?;
            self.flush()?;
        }
        match self.socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != ErrorKind::NotConnected => {
                Err(link_fault("cannot close the link", &error))
            }
            // The other end may have closed first.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Ends the connection both ways, so that whoever waits for it comes back.
    pub fn cut(&mut self) {
        if let Err(error) = self.socket.shutdown(Shutdown::Both) {
            tracing::trace!(%error, "cutting a link");
        }
    }

    /// A writer blocked for longer than this has no reader any more.
    pub fn patience(&mut self, limit: Duration) -> Result<(), Fault> {
        let set = self.socket.set_write_timeout(Some(limit));
        set.map_err(|e| link_fault("cannot set up the connection", &e))
    }

    /// The certificate that the other end proved to own; none if it showed none.
    pub fn peer(&self) -> Option<CertificateDer<'static>> {
        locked(&self.tls).peer().cloned()
    }

    /// The protocol that was agreed on.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        locked(&self.tls).alpn().map(<[u8]>::to_vec)
    }

    /// A key for `purpose` that only the two ends of this connection can derive.
    pub fn key(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, Fault> {
        locked(&self.tls).key(purpose)
    }
}

fn write_all(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), Fault> {
    socket.write_all(bytes).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => cut("the other end takes nothing any more"),
        _ => cut(&error.to_string()),
    })
}

impl Receiver {
    /// Waits for bytes, not for long, and adds the frames that are complete with them to `frames`.
    pub fn receive(&mut self, frames: &mut Vec<Frame>) -> Result<Received, Fault> {
        if !self.early.is_empty() {
            frames.append(&mut self.early);
            return Ok(Received::Bytes);
        }
        if self.closed {
            return Ok(Received::Closed);
        }
        match self.socket.read(&mut self.buffer[self.filled..]) {
            Ok(0) => self.at_end(),
            Ok(count) => {
                self.filled += count;
                self.process(frames)?;
                Ok(Received::Bytes)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Ok(Received::Nothing)
                }
                _ => Err(cut(&error.to_string())),
            },
        }
    }

    /// The end of TCP is the end of the data only if TLS said so, or in clear a frame did.
    fn at_end(&mut self) -> Result<Received, Fault> {
        let is_said = self.clear.is_some() || locked(&self.tls).is_closed_by_peer();
        if !is_said || self.filled > 0 || !self.assembler.is_empty() {
            return Err(cut("it closed without saying so"));
        }
        self.closed = true;
        Ok(Received::Closed)
    }

    fn process(&mut self, frames: &mut Vec<Frame>) -> Result<(), Fault> {
        let used = match self.clear {
            Some(_) => self.process_clear(frames)?,
            None => self.process_sealed(frames)?,
        };
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(())
    }

    fn process_sealed(&mut self, frames: &mut Vec<Frame>) -> Result<usize, Fault> {
        let assembler = &mut self.assembler;
        let mut plain = |bytes: &[u8]| {
            let each = &mut |header, payload| {
                frames.push((header, payload));
                Ok(())
            };
            assembler.take(bytes, each).map_err(Fault::stream)
        };
        let incoming = &mut self.buffer[..self.filled];
        let (used, taken) = locked(&self.tls).take(incoming, &mut plain);
        taken.map(|()| used)
    }

    fn process_clear(&mut self, frames: &mut Vec<Frame>) -> Result<usize, Fault> {
        let Some(clear) = &mut self.clear else { return Ok(0) };
        let each = &mut |header: Header, mut payload: Block| {
            let mac = payload.data()[header.length..].to_vec();
            payload.truncate(header.length);
            // Hashes compare in constant time.
            let right = blake3::Hash::from_bytes(clear.mac(&header.encode(), payload.data()));
            if right != blake3::Hash::from_slice(&mac).map_err(|e| e.to_string())? {
                return Err("a frame in clear was changed, or is not where it belongs".into());
            }
            frames.push((header, payload));
            Ok(())
        };
        self.assembler.take(&self.buffer[..self.filled], each).map_err(Fault::stream)?;
        Ok(self.filled)
    }

    /// From now on frames arrive in clear.
    pub fn unseal(&mut self, side: Side) -> Result<(), Fault> {
        let purpose = match side {
            Side::Client => CLEAR_OF_SERVER,
            Side::Server => CLEAR_OF_CLIENT,
        };
        self.clear = Some(Clear { key: locked(&self.tls).key(purpose)?, number: 0 });
        self.assembler = Assembler::with_tail(MAC_BYTES);
        Ok(())
    }

    /// The next frame, waited for no longer than `limit`. For the time before a link runs.
    pub fn frame(&mut self, limit: Duration) -> Result<Frame, Fault> {
        let deadline = Instant::now() + limit;
        let mut frames = Vec::new();
        loop {
            let received = self.receive(&mut frames)?;
            match ((!frames.is_empty()).then(|| frames.remove(0)), received) {
                (Some(frame), _) => {
                    self.early = frames;
                    return Ok(frame);
                }
                (None, Received::Closed) => return Err(cut("it was closed too early")),
                (None, _) if Instant::now() >= deadline => {
                    return Err(cut("the other end says nothing"));
                }
                (None, _) => {}
            }
        }
    }
}
