//! TLS as a netplumber's process sees it: before the handshake, after it, and from a peer that has the keys.
//!
//! Promises: no panic, whatever is asked for after a fault; a stranger gets nothing through and is told
//! no secret; what a peer sends as data comes out as it was, up to the first fault.

use std::sync::OnceLock;

use rustls::{ClientConfig, ServerConfig};
use tapioca::stream::Fault;
use tapioca::wire::tls::Tls;

use super::peer::{self, DATA, HANDSHAKE, Peer};

/// Certificates are made once; nothing else is kept.
fn configs() -> &'static (ServerConfig, ClientConfig) {
    static CONFIGS: OnceLock<(ServerConfig, ClientConfig)> = OnceLock::new();
    CONFIGS.get_or_init(|| peer::configs(rustls::crypto::aws_lc_rs::default_provider()))
}

/// The end that is tried, with what a socket's buffer holds.
struct End {
    tls: Tls,
    waiting: Vec<u8>,
    plain: Vec<u8>,
    failed: Option<Fault>,
}

impl End {
    fn new() -> End {
        let tls = Tls::server(&configs().0).expect("the configuration is good");
        End { tls, waiting: Vec::new(), plain: Vec::new(), failed: None }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let plain = &mut self.plain;
        let each = &mut |bytes: &[u8]| {
            plain.extend_from_slice(bytes);
            Ok(())
        };
        let (used, taken) = self.tls.take(&mut self.waiting, each);
        self.waiting.drain(..used);
        match &self.failed {
            Some(fault) => assert_eq!(taken.as_ref(), Err(fault), "it recovered"),
            None => self.failed = taken.err(),
        }
    }

    /// What another thread may do between two pieces. Returns whether it was done.
    fn say(&mut self, op: u8) -> bool {
        let said = match op % 4 {
            0 => self.tls.encrypt(b"something"),
            1 => self.tls.encrypt(&[7; 20_000]),
            2 => self.tls.key("a purpose").map(|_| ()),
            _ => Ok(()),
        };
        if op.is_multiple_of(8) {
            peer::outgoing(&mut self.tls);
        }
        said.is_ok()
    }
}

/// A mode, a size of pieces, and what comes.
pub fn tls(bytes: &[u8]) {
    let Some((&[mode, piece], bytes)) = bytes.split_first_chunk() else { return };
    match mode % 3 {
        0 => stranger(usize::from(piece).max(1), bytes),
        1 => noise(usize::from(piece).max(1), bytes),
        _ => records(bytes),
    }
}

fn stranger(piece: usize, bytes: &[u8]) {
    let mut end = End::new();
    for (at, piece) in bytes.chunks(piece).enumerate() {
        end.take(piece);
        assert!(!end.say(at as u8) || at % 4 == 3, "something was said to a stranger");
    }
    assert!(!end.tls.is_open() && end.plain.is_empty());
    assert!(end.tls.close().is_err());
}

fn noise(piece: usize, bytes: &[u8]) {
    let mut end = End::new();
    Peer::let_in(&mut end.tls, &configs().1);
    for (at, piece) in bytes.chunks(piece).enumerate() {
        end.take(piece);
        end.say(at as u8);
    }
    assert!(end.plain.is_empty(), "nobody sealed that");
    assert!(end.tls.close().is_ok() || end.failed.is_some());
}

/// Records: a type, what is said then and how the record is cut, a length, so many bytes.
fn records(mut bytes: &[u8]) {
    let mut end = End::new();
    let mut peer = Peer::let_in(&mut end.tls, &configs().1);
    let mut data = Vec::new();
    while let Some((&[kind, op, length], rest)) = bytes.split_first_chunk() {
        let (content, rest) = rest.split_at(rest.len().min(usize::from(length)));
        bytes = rest;
        let kind = match kind {
            0 => DATA,
            1 => HANDSHAKE,
            other => other,
        };
        if kind == DATA {
            data.extend_from_slice(content);
        }
        let record = peer.record(kind, content);
        let (first, second) = record.split_at(usize::from(op) % record.len());
        end.take(first);
        end.say(op);
        end.take(second);
        end.say(op / 4);
    }
    assert!(data.starts_with(&end.plain), "something else came out");
    if end.failed.is_none() && !end.tls.is_closed_by_peer() {
        assert_eq!(end.plain, data);
        end.tls.close().expect("an open connection closes");
    }
}
