//! TLS 1.3, as a value that does no I/O.
//!
//! Owns the step from bytes of a socket to application data and back; rustls does all of TLS. What is to
//! be sent is gathered in the order in which it was encrypted, and leaves by [`Tls::take_outgoing`].

use std::sync::{Arc, OnceLock};

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, KeyLog, ServerConfig};
use zeroize::Zeroizing;

use crate::stream::{Blame, Fault};

/// What a TLS record adds to its bytes, at most, and how many it holds.
const RECORD_EXTRA_BYTES: usize = 64;
const RECORD_BYTES: usize = 16 * 1024;

/// The name that every server's certificate has: a server is known by its authority, not by its address.
pub const SERVER_NAME: &str = "netplumber.tapioca.internal";

/// The secret of this connection that both ends know and nobody between them: TLS 1.3's exporter secret
/// (RFC 8446, section 7.5), from which [`Tls::key`] derives keys.
#[derive(Debug, Default)]
struct Exporter(OnceLock<Zeroizing<Vec<u8>>>);

const EXPORTER_LABEL: &str = "EXPORTER_SECRET";

impl KeyLog for Exporter {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if label == EXPORTER_LABEL {
            self.0.get_or_init(|| Zeroizing::new(secret.to_vec()));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == EXPORTER_LABEL
    }
}

/// Encrypted bytes that wait to be written.
#[derive(Default)]
struct Outgoing {
    /// Kept at its length, so that it is not filled with zeros again and again.
    bytes: Vec<u8>,
    filled: usize,
}

impl Outgoing {
    fn room(&mut self, count: usize) -> &mut [u8] {
        let needed = self.filled + count;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.filled..]
    }

    /// Encodes into as much room as it turns out to take.
    fn encode<E>(
        &mut self,
        mut room: usize,
        mut encode: impl FnMut(&mut [u8]) -> Result<usize, E>,
        needed: impl Fn(&E) -> Option<usize>,
    ) -> Result<(), E> {
        loop {
            match encode(self.room(room)) {
                Ok(count) => {
                    self.filled += count;
                    return Ok(());
                }
                Err(error) => room = needed(&error).ok_or(error)?,
            }
        }
    }
}

/// What is wanted when the connection is open and has nothing else to do.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

#[derive(PartialEq, Eq)]
enum Turned {
    /// There may be more to do.
    Again,
    /// The other end sends nothing more.
    PeerClosed,
    /// The handshake needs more bytes.
    Blocked,
    /// Open, the wish fulfilled.
    Open,
    /// Closed both ways.
    Closed,
}

type Plain<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>;

/// Either end of a connection: rustls has a type for each, with the same methods.
trait End: Send {
    /// One step; returns also how many of the incoming bytes are used up.
    fn turn(
        &mut self,
        incoming: &mut [u8],
        outgoing: &mut Outgoing,
        plain: Plain<'_>,
        wish: Wish<'_>,
    ) -> (usize, Result<Turned, Fault>);

    fn has_something_to_say(&self) -> bool;

    fn alpn(&self) -> Option<&[u8]>;

    fn peer(&self) -> Option<&CertificateDer<'static>>;
}

macro_rules! end {
    ($connection:ty) => {
        impl End for $connection {
            fn turn(
                &mut self,
                incoming: &mut [u8],
                outgoing: &mut Outgoing,
                plain: Plain<'_>,
                wish: Wish<'_>,
            ) -> (usize, Result<Turned, Fault>) {
                let UnbufferedStatus { discard, state } = self.process_tls_records(incoming);
                let turned = match state {
                    Err(error) => Err(fault(&error)),
                    Ok(ConnectionState::EncodeTlsData(mut data)) => {
                        let encoded = outgoing.encode(
                            4096,
                            |room| data.encode(room),
                            |e| match e {
                                EncodeError::InsufficientSize(needed) => Some(needed.required_size),
                                EncodeError::AlreadyEncoded => None,
                            },
                        );
                        encoded.map(|()| Turned::Again).map_err(|e| ours(&e))
                    }
                    Ok(ConnectionState::TransmitTlsData(data)) => {
                        data.done();
                        Ok(Turned::Again)
                    }
                    Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                        let mut read = Ok(Turned::Again);
                        while let (Ok(_), Some(record)) = (&read, traffic.next_record()) {
                            let record = record.map_err(|e| fault(&e));
                            read = record.and_then(|r| plain(r.payload)).map(|()| Turned::Again);
                        }
                        read
                    }
                    Ok(ConnectionState::PeerClosed) => Ok(Turned::PeerClosed),
                    Ok(ConnectionState::Closed) => Ok(Turned::Closed),
                    Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                        let needed = |e: &EncryptError| match e {
                            EncryptError::InsufficientSize(needed) => Some(needed.required_size),
                            EncryptError::EncryptExhausted => None,
                        };
                        let fulfilled = match wish {
                            Wish::Nothing => Ok(()),
                            Wish::Encrypt(bytes) => outgoing.encode(
                                sealed_bytes(bytes.len()),
                                |room| traffic.encrypt(bytes, room),
                                needed,
                            ),
                            Wish::Close => {
                                outgoing.encode(256, |r| traffic.queue_close_notify(r), needed)
                            }
                        };
                        fulfilled.map(|()| Turned::Open).map_err(|e| ours(&e))
                    }
                    Ok(_) => Ok(Turned::Blocked),
                };
                (discard, turned)
            }

            fn has_something_to_say(&self) -> bool {
                self.wants_write()
            }

            fn alpn(&self) -> Option<&[u8]> {
                self.alpn_protocol()
            }

            fn peer(&self) -> Option<&CertificateDer<'static>> {
                self.peer_certificates()?.first()
            }
        }
    };
}

end!(UnbufferedClientConnection);
end!(UnbufferedServerConnection);

fn sealed_bytes(plain: usize) -> usize {
    plain + (plain / RECORD_BYTES + 2) * RECORD_EXTRA_BYTES
}

fn fault(error: &rustls::Error) -> Fault {
    let fault = Fault::never(Blame::Peer, format!("TLS: {error}"));
    match error {
        rustls::Error::AlertReceived(_) => {
            fault.hint("the other end refused us: enrol this machine with it, or look at its log")
        }
        rustls::Error::InvalidCertificate(_) => {
            fault.hint("this is not the netplumber that this machine enrolled with")
        }
        _ => fault,
    }
}

fn ours(error: &impl std::fmt::Display) -> Fault {
    Fault::never(Blame::Ours, format!("TLS: {error}"))
}

/// One end of a TLS connection.
pub struct Tls {
    end: Box<dyn End>,
    exporter: Arc<Exporter>,
    outgoing: Outgoing,
    peer_closed: bool,
    open: bool,
    /// Why nothing more is taken.
    failed: Option<Fault>,
    /// TLS itself failed: rustls must not be asked for anything any more.
    broken: bool,
}

impl Tls {
    /// The client's end, before the handshake.
    pub fn client(config: &ClientConfig) -> Result<Tls, Fault> {
        let exporter = Arc::new(Exporter::default());
        let mut config = config.clone();
        config.key_log = exporter.clone();
        let config = Arc::new(config);
        let name = ServerName::try_from(SERVER_NAME).map_err(|e| ours(&e))?;
        let end = UnbufferedClientConnection::new(config, name).map_err(|e| fault(&e))?;
        Ok(Tls::over(Box::new(end), exporter))
    }

    /// The server's end, before the handshake.
    pub fn server(config: &ServerConfig) -> Result<Tls, Fault> {
        let exporter = Arc::new(Exporter::default());
        let mut config = config.clone();
        config.key_log = exporter.clone();
        let config = Arc::new(config);
        let end = UnbufferedServerConnection::new(config).map_err(|e| fault(&e))?;
        Ok(Tls::over(Box::new(end), exporter))
    }

    fn over(end: Box<dyn End>, exporter: Arc<Exporter>) -> Tls {
        Tls {
            end,
            exporter,
            outgoing: Outgoing::default(),
            peer_closed: false,
            open: false,
            failed: None,
            broken: false,
        }
    }

    /// Takes bytes of the socket and gives application data to `plain`. Returns how many bytes were used
    /// up; the others must come first the next time. With a fault, an alert for the other end may wait among
    /// the outgoing bytes, and whatever comes later gets the same fault.
    pub fn take(&mut self, incoming: &mut [u8], plain: Plain<'_>) -> (usize, Result<(), Fault>) {
        if let Some(fault) = &self.failed {
            return (0, Err(fault.clone()));
        }
        let mut refused = Ok(());
        let each = &mut |bytes: &[u8]| {
            if refused.is_ok() {
                refused = plain(bytes);
            }
            Ok(())
        };
        let (used, turned) = self.turns(incoming, each, Wish::Nothing);
        // The alert, if there is one. Not a byte more may be looked at; the fault that counts is the first.
        while turned.is_err() && self.end.has_something_to_say() {
            let nothing = &mut |_: &[u8]| Ok(());
            if self.end.turn(&mut [], &mut self.outgoing, nothing, Wish::Nothing).1.is_err() {
                break;
            }
        }
        let taken = turned.and_then(|_| self.all_read(&incoming[used..]));
        self.broken = taken.is_err();
        let taken = refused.and(taken);
        self.failed = taken.as_ref().err().cloned();
        (used, taken)
    }

    /// A whole record that stays behind when the connection is open holds part of a handshake message.
    /// rustls would want to find it in front of the bytes of the next call, whatever that is for, and nobody
    /// has a reason to cut a message of five bytes in two.
    fn all_read(&self, rest: &[u8]) -> Result<(), Fault> {
        match *rest {
            [_, _, _, high, low, ref body @ ..]
                if self.open
                    && !self.peer_closed
                    && body.len() >= usize::from(u16::from_be_bytes([high, low])) =>
            {
                Err(Fault::never(Blame::Peer, "TLS: a handshake message in pieces"))
            }
            _ => Ok(()),
        }
    }

    fn turns(
        &mut self,
        incoming: &mut [u8],
        plain: Plain<'_>,
        wish: Wish<'_>,
    ) -> (usize, Result<Turned, Fault>) {
        let mut used = 0;
        loop {
            let rest = &mut incoming[used..];
            let (count, turned) = self.end.turn(rest, &mut self.outgoing, plain, wish);
            used += count;
            match turned {
                Ok(Turned::Again) => {}
                Ok(Turned::PeerClosed) => self.peer_closed = true,
                Ok(turned) => {
                    self.open |= turned == Turned::Open;
                    return (used, Ok(turned));
                }
                Err(fault) => return (used, Err(fault)),
            }
        }
    }

    /// Encrypts `bytes` behind what waits.
    pub fn encrypt(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.wish(Wish::Encrypt(bytes))
    }

    /// Says that nothing more will be sent.
    pub fn close(&mut self) -> Result<(), Fault> {
        self.wish(Wish::Close)
    }

    fn wish(&mut self, wish: Wish<'_>) -> Result<(), Fault> {
        let not_open = || Fault::later(Blame::Link, "TLS: the connection is not open");
        if self.broken || !self.open {
            return Err(not_open());
        }
        match self.turns(&mut [], &mut |_| Ok(()), wish).1? {
            Turned::Open => Ok(()),
            _ => Err(not_open()),
        }
    }

    /// Swaps the bytes to be written for an empty buffer that was used before; returns how many they are.
    pub fn take_outgoing(&mut self, buffer: &mut Vec<u8>) -> usize {
        std::mem::swap(&mut self.outgoing.bytes, buffer);
        std::mem::take(&mut self.outgoing.filled)
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the other end said that it sends nothing more.
    pub fn is_closed_by_peer(&self) -> bool {
        self.peer_closed
    }

    /// The protocol that was agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.end.alpn()
    }

    /// The other end's certificate, which was verified; none if it showed none.
    pub fn peer(&self) -> Option<&CertificateDer<'static>> {
        self.end.peer()
    }

    /// A key for `purpose` that both ends of this connection can derive, and nobody else.
    pub fn key(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let secret = self.exporter.0.get().filter(|_| self.open);
        let secret = secret.ok_or_else(|| ours(&"there is no secret to derive a key from"))?;
        Ok(Zeroizing::new(blake3::derive_key(purpose, secret)))
    }
}
