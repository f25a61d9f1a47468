//! Somebody who was let in, has the keys of a TLS connection, and keeps no rules.
//!
//! Owns a netplumber's end in memory and the sealing of records of any type. The tests of the network use it,
//! too.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ClientConnection, ConnectionTrafficSecrets, ServerConfig};
use tapioca::identity::authority::Authority;
use tapioca::identity::config;
use tapioca::netplumber::connection::now_s;
use tapioca::wire::tls::{SERVER_NAME, Tls};

/// Content types of records, RFC 8446 section 5.1.
pub const HANDSHAKE: u8 = 22;
/// Application data.
pub const DATA: u8 = 23;

/// The configuration of a netplumber, and that of somebody whom it lets in.
pub fn configs(provider: CryptoProvider) -> (ServerConfig, ClientConfig) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let authority = Authority::open(folder.path(), now_s()).expect("an authority can be made");
    let mut roots = rustls::RootCertStore::empty();
    let certificate = authority.certificate().expect("it has a certificate");
    roots.add(certificate.into()).expect("the certificate is one");
    let mut client = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("there is TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"tapioca-plumb/1".to_vec()];
    client.enable_secret_extraction = true;
    (config::server(folder.path()).expect("all files are there"), client)
}

/// Bytes that wait to be written.
pub fn outgoing(tls: &mut Tls) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = tls.take_outgoing(&mut bytes);
    bytes.truncate(count);
    bytes
}

/// The other end of a connection.
pub struct Peer {
    key: LessSafeKey,
    iv: [u8; 12],
    number: u64,
}

impl Peer {
    /// Makes the handshake with `server`.
    pub fn let_in(server: &mut Tls, client: &ClientConfig) -> Peer {
        let name = SERVER_NAME.try_into().expect("a name");
        let mut client = ClientConnection::new(client.clone().into(), name).expect("a client");
        while client.is_handshaking() || !server.is_open() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).expect("memory takes it");
            server.take(&mut bytes, &mut |_| Ok(())).1.expect("the server agrees");
            client.read_tls(&mut outgoing(server).as_slice()).expect("memory gives it");
            client.process_new_packets().expect("the client agrees");
        }
        let secrets = client.dangerous_extract_secrets().expect("it was asked for");
        let (number, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
            panic!("another cipher suite");
        };
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("a key of that size");
        let iv = iv.as_ref().try_into().expect("twelve bytes");
        Peer { key: LessSafeKey::new(key), iv, number }
    }

    /// A record of this type, RFC 8446 section 5.2.
    pub fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut inner = [content, &[kind]].concat();
        let length = u16::try_from(inner.len() + AES_256_GCM.tag_len()).expect("a short record");
        let [high, low] = length.to_be_bytes();
        let head = [DATA, 3, 3, high, low];
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= number;
        }
        self.number += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner);
        sealed.expect("it is not too long");
        [&head[..], &inner].concat()
    }
}
