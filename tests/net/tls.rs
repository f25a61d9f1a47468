//! TLS by itself, in memory: what a peer that was let in may send besides data, and how long keys last.

#[path = "../fuzz/src/targets/peer.rs"]
mod peer;

use peer::{DATA, HANDSHAKE, Peer, configs, outgoing};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, aws_lc_rs::cipher_suite};
use rustls::{ClientConfig, ClientConnection, SupportedCipherSuite, Tls13CipherSuite};
use tapioca::wire::tls::{SERVER_NAME, Tls};

/// A netplumber's end, and the configuration of somebody whom it lets in.
fn ends(provider: CryptoProvider) -> (Tls, ClientConfig) {
    let (server, client) = configs(provider);
    (Tls::server(&server).unwrap(), client)
}

fn take(tls: &mut Tls, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut each = |bytes: &[u8]| {
        plain.extend_from_slice(bytes);
        Ok(())
    };
    let (_, taken) = tls.take(&mut bytes.to_vec(), &mut each);
    taken.map(|()| plain).map_err(|fault| fault.what)
}

const KEY_UPDATE: &[u8] = &[24, 0, 0, 1, 0];

fn let_in() -> (Tls, Peer) {
    let (mut server, client) = ends(rustls::crypto::aws_lc_rs::default_provider());
    let peer = Peer::let_in(&mut server, &client);
    (server, peer)
}

#[test]
fn a_handshake_message_in_pieces_is_a_fault_and_nothing_worse() {
    for cut in 1..KEY_UPDATE.len() {
        let (mut server, mut peer) = let_in();
        assert_eq!(take(&mut server, &peer.record(DATA, b"so far")).unwrap(), b"so far");
        let piece = peer.record(HANDSHAKE, &KEY_UPDATE[..cut]);
        // What is sent meanwhile is not sent by whoever receives.
        let taken = take(&mut server, &piece);
        assert!(server.encrypt(b"something").is_err() && server.close().is_err());
        assert!(taken.unwrap_err().contains("in pieces"), "{cut} bytes");
    }
}

#[test]
fn keys_are_renewed_when_the_peer_says_so() {
    let (mut server, mut peer) = let_in();
    take(&mut server, &peer.record(HANDSHAKE, KEY_UPDATE)).unwrap();
    server.encrypt(b"still here").unwrap();
    // Under the old key nothing is understood any more.
    assert!(take(&mut server, &peer.record(DATA, b"x")).is_err());
}

#[test]
fn what_failed_stays_failed() {
    let (mut server, mut peer) = let_in();
    let mut bad = peer.record(DATA, b"hello");
    bad[7] ^= 1;
    let why = take(&mut server, &bad).unwrap_err();
    let alert = outgoing(&mut server);
    assert!(!alert.is_empty(), "the other end is told");
    assert_eq!(take(&mut server, &peer.record(DATA, b"hello")).unwrap_err(), why);
    assert_eq!(take(&mut server, &[]).unwrap_err(), why);
    assert!(server.encrypt(b"x").is_err() && server.close().is_err());
    assert!(outgoing(&mut server).is_empty());
}

#[test]
fn whoever_refuses_data_may_still_say_so() {
    let (mut server, mut peer) = let_in();
    let mut record = peer.record(DATA, b"nonsense");
    let mut refuse = |_: &[u8]| Err(tapioca::stream::Fault::stream("that is nonsense"));
    assert!(server.take(&mut record, &mut refuse).1.is_err());
    server.encrypt(b"that was nonsense").unwrap();
    assert!(!outgoing(&mut server).is_empty());
}

#[test]
fn nothing_is_encrypted_before_the_handshake() {
    let (mut server, client) = ends(rustls::crypto::aws_lc_rs::default_provider());
    let name = SERVER_NAME.try_into().unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(client.into(), name).unwrap().write_tls(&mut hello).unwrap();
    // The beginning of a message in a record of its own.
    let piece = [&[22, 3, 1, 0, 20][..], &hello[5..25]].concat();
    take(&mut server, &piece).unwrap();
    assert!(server.encrypt(b"x").is_err() && server.close().is_err() && server.key("x").is_err());
}

/// A key is good for so many records; a long backup has more.
#[test]
fn keys_that_are_used_up_are_renewed_on_the_way() {
    let SupportedCipherSuite::Tls13(usual) = cipher_suite::TLS13_AES_256_GCM_SHA384 else {
        panic!("a suite of TLS 1.3 is one of another version");
    };
    let common = CipherSuiteCommon {
        suite: usual.common.suite,
        hash_provider: usual.common.hash_provider,
        confidentiality_limit: 8,
    };
    let short: &'static Tls13CipherSuite = Box::leak(Box::new(Tls13CipherSuite {
        common,
        hkdf_provider: usual.hkdf_provider,
        aead_alg: usual.aead_alg,
        quic: None,
    }));
    let provider = CryptoProvider {
        cipher_suites: vec![SupportedCipherSuite::Tls13(short)],
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let (mut server, client) = ends(provider);
    let mut client = Tls::client(&client).unwrap();
    take(&mut client, &[]).unwrap();
    while !(client.is_open() && server.is_open()) {
        take(&mut server, &outgoing(&mut client)).unwrap();
        take(&mut client, &outgoing(&mut server)).unwrap();
    }
    for round in 0..100u32 {
        client.encrypt(&round.to_le_bytes()).unwrap();
        assert_eq!(take(&mut server, &outgoing(&mut client)).unwrap(), round.to_le_bytes());
        server.encrypt(b"yes").unwrap();
        assert_eq!(take(&mut client, &outgoing(&mut server)).unwrap(), b"yes");
    }
}
