//! TLS configurations: version 1.3 and nothing older, mutual, no resumption, no early data.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use super::{ours, read_small};
use crate::stream::Fault;
use crate::wire::message::{ALPN_ENROL, ALPN_PLUMB};

fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::cipher_suite;
    let cipher_suites = vec![
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() })
}

fn certificate(path: &Path) -> Result<CertificateDer<'static>, Fault> {
    let pem = read_small(path)?;
    CertificateDer::from_pem_slice(&pem).map_err(|e| ours(&path.display().to_string(), e))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let pem = read_small(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| ours(&path.display().to_string(), e))
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(path)?).map_err(|e| ours(&path.display().to_string(), e))?;
    Ok(Arc::new(roots))
}

/// For a netplumber whose authority's folder is `folder`. A client may show no certificate, as it has none
/// before it enrolled: whoever serves looks at that.
pub fn server(folder: &Path) -> Result<ServerConfig, Fault> {
    let failed = |e: &dyn std::fmt::Display| ours("cannot set up TLS", e);
    let roots = roots(&folder.join("authority.pem"))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let verifier = verifier.allow_unauthenticated().build().map_err(|e| failed(&e))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|e| failed(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate(&folder.join("server.pem"))?],
            key(&folder.join("server.key"))?,
        )
        .map_err(|e| failed(&e))?;
    config.alpn_protocols = vec![ALPN_PLUMB.to_vec(), ALPN_ENROL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// For a machine that enrolled.
pub fn client(folder: &Path) -> Result<ClientConfig, Fault> {
    let failed = |e: &dyn std::fmt::Display| ours("cannot set up TLS", e);
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|e| failed(&e))?
        .with_root_certificates(roots(&folder.join("authority.pem"))?)
        .with_client_auth_cert(
            vec![certificate(&folder.join("machine.pem"))?],
            key(&folder.join("machine.key"))?,
        );
    let mut config = config.map_err(|e| failed(&e))?;
    config.alpn_protocols = vec![ALPN_PLUMB.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// For a machine that is about to enrol: any server will do, as the code proves which one it is.
pub fn enrolling() -> Result<ClientConfig, Fault> {
    let failed = |e: &dyn std::fmt::Display| ours("cannot set up TLS", e);
    let algorithms = provider().signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|e| failed(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(algorithms)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_ENROL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any certificate, but the server must own its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
