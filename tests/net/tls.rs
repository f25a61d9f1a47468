//! TLS by itself, in memory: what a peer that was let in may send besides data, and how long keys last.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, aws_lc_rs::cipher_suite};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, SupportedCipherSuite,
    Tls13CipherSuite,
};
use tapioca::identity::authority::Authority;
use tapioca::identity::config;
use tapioca::netplumber::connection::now_s;
use tapioca::wire::tls::{SERVER_NAME, Tls};

/// A netplumber's end, and the configuration of somebody whom it lets in.
fn ends(provider: CryptoProvider) -> (Tls, ClientConfig) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), now_s()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().unwrap().into()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"tapioca-plumb/1".to_vec()];
    client.enable_secret_extraction = true;
    (Tls::server(&config::server(folder.path()).unwrap()).unwrap(), client)
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

fn outgoing(tls: &mut Tls) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = tls.take_outgoing(&mut bytes);
    bytes.truncate(count);
    bytes
}

/// Somebody who has the keys of a connection and keeps no rules.
struct Peer {
    key: LessSafeKey,
    iv: [u8; 12],
    number: u64,
}

impl Peer {
    fn let_in(server: &mut Tls, client: ClientConfig) -> Peer {
        let name = SERVER_NAME.try_into().unwrap();
        let mut client = ClientConnection::new(client.into(), name).unwrap();
        while client.is_handshaking() || !server.is_open() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            take(server, &bytes).unwrap();
            client.read_tls(&mut outgoing(server).as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        let (number, secrets) = client.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else {
            panic!("another cipher suite");
        };
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        Peer { key, iv: iv.as_ref().try_into().unwrap(), number }
    }

    /// A record as RFC 8446 has it, section 5.2.
    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut inner = [content, &[kind]].concat();
        let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        let head = [23, 3, 3, high, low];
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= number;
        }
        self.number += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner).unwrap();
        [&head[..], &inner].concat()
    }
}

const DATA: u8 = 23;
const HANDSHAKE: u8 = 22;
const KEY_UPDATE: &[u8] = &[24, 0, 0, 1, 0];

fn let_in() -> (Tls, Peer) {
    let (mut server, client) = ends(rustls::crypto::aws_lc_rs::default_provider());
    let peer = Peer::let_in(&mut server, client);
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
    let SupportedCipherSuite::Tls13(usual) = cipher_suite::TLS13_AES_256_GCM_SHA384;
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
