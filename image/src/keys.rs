//! Keys made once for each checkout, and what they sign.
//!
//! Owns three RSA keys with certificates for Secure Boot (`PK`, `KEK`, `db`) and the Ed25519 key of
//! update bundles, as files that only their owner may read. Signatures are deterministic: they bear
//! no time. Source: RFC 2315 (PKCS #7); Microsoft's "Windows Authenticode Portable Executable
//! Signature Format".

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::der::{BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context, element, first};
use crate::host::{read, write};
use crate::{Error, pe};

/// The keys that Secure Boot knows: of the platform, of those who may change keys, of what may boot.
pub const NAMES: [&str; 3] = ["PK", "KEK", "db"];

/// A checkout's keys.
#[derive(Debug)]
pub struct Keys {
    db: RsaKeyPair,
    certificates: [Vec<u8>; 3],
    update: Ed25519KeyPair,
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::Key(what.to_string())
}

impl Keys {
    /// Reads the keys of a directory; those that are not there are made.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written, or holds no key.
    pub fn open(dir: &Path) -> Result<Keys, Error> {
        for name in NAMES {
            if !dir.join(format!("{name}.crt")).exists() {
                make(dir, name)?;
            }
        }
        let update = dir.join("update.key");
        if !update.exists() {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
            write(&update, made.as_ref())?;
        }
        let [pk, kek, db] = NAMES.map(|name| read(&dir.join(format!("{name}.crt"))));
        let db_key = read(&dir.join("db.key"))?;
        Ok(Keys {
            db: RsaKeyPair::from_pkcs8(&db_key).map_err(failed)?,
            certificates: [pk?, kek?, db?],
            update: Ed25519KeyPair::from_pkcs8(&read(&update)?).map_err(failed)?,
        })
    }

    /// Certificates of [`NAMES`], DER.
    pub fn certificates(&self) -> &[Vec<u8>; 3] {
        &self.certificates
    }

    /// What an update's signature is checked with, 32 bytes.
    pub fn update_public(&self) -> &[u8] {
        self.update.public_key().as_ref()
    }

    /// Ed25519, 64 bytes.
    pub fn sign_update(&self, bytes: &[u8]) -> Vec<u8> {
        self.update.sign(bytes).as_ref().to_vec()
    }

    /// Signs an executable for Secure Boot.
    ///
    /// # Errors
    ///
    /// It is no executable, or the key does not sign.
    pub fn sign_executable(&self, pe: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.authenticode(&pe::signed_digest(pe)?)?;
        Ok(pe::with_signature(pe, &signature)?)
    }

    fn authenticode(&self, image_digest: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let certificate = &self.certificates[2];
        let content = indirect_data(image_digest);
        let inner = first(&content).ok_or_else(|| failed("DER of our own"))?.content;
        let attributes = attributes(inner);
        let signed = element(SET, &[&attributes]);
        let mut signature = vec![0; self.db.public_modulus_len()];
        self.db
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &signed, &mut signature)
            .map_err(failed)?;
        let signer = element(
            SEQUENCE,
            &[
                &element(INTEGER, &[&[1]]),
                &issuer_and_serial(certificate)?,
                &algorithm(SHA_256),
                &element(context(0), &[&attributes]),
                &algorithm(RSA),
                &element(OCTET_STRING, &[&signature]),
            ],
        );
        let data = element(
            SEQUENCE,
            &[
                &element(INTEGER, &[&[1]]),
                &element(SET, &[&algorithm(SHA_256)]),
                &element(
                    SEQUENCE,
                    &[&element(OID, &[INDIRECT_DATA]), &element(context(0), &[&content])],
                ),
                &element(context(0), &[certificate]),
                &element(SET, &[&signer]),
            ],
        );
        let data = element(context(0), &[&data]);
        Ok(element(SEQUENCE, &[&element(OID, &[SIGNED_DATA]), &data]))
    }
}

fn make(dir: &Path, name: &str) -> Result<(), Error> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Tapioca {name}"));
    let certificate = params.self_signed(&key).map_err(failed)?;
    write(&dir.join(format!("{name}.key")), &key.serialize_der())?;
    write(&dir.join(format!("{name}.crt")), certificate.der())
}

// Object identifiers, without tag and length.
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.3
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 2.16.840.1.101.3.4.2.1
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.3.6.1.4.1.311.2.1.4
const INDIRECT_DATA: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04];
/// 1.3.6.1.4.1.311.2.1.15
const PE_IMAGE_DATA: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0f];

fn algorithm(oid: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&element(OID, &[oid]), &[0x05, 0x00]])
}

/// Which bytes are signed: a PE image of this digest, with no name.
fn indirect_data(image_digest: &[u8; 32]) -> Vec<u8> {
    let no_name = element(context(0), &[&element(context(2), &[&[0x80, 0x00]])]);
    let image = element(SEQUENCE, &[&element(BIT_STRING, &[&[0]]), &no_name]);
    let kind = element(SEQUENCE, &[&element(OID, &[PE_IMAGE_DATA]), &image]);
    let digest = element(SEQUENCE, &[&algorithm(SHA_256), &element(OCTET_STRING, &[image_digest])]);
    element(SEQUENCE, &[&kind, &digest])
}

/// What the signature itself covers, in the order DER wants of a set.
fn attributes(content: &[u8]) -> Vec<u8> {
    let attribute =
        |oid, value: &[u8]| element(SEQUENCE, &[&element(OID, &[oid]), &element(SET, &[value])]);
    let hash = digest(&SHA256, content);
    let mut all = [
        attribute(CONTENT_TYPE, &element(OID, &[INDIRECT_DATA])),
        attribute(MESSAGE_DIGEST, &element(OCTET_STRING, &[hash.as_ref()])),
    ];
    all.sort();
    all.concat()
}

/// By which a signature names its certificate. Source: RFC 5280, section 4.1.
fn issuer_and_serial(certificate: &[u8]) -> Result<Vec<u8>, Error> {
    let find = || {
        let signed = first(first(certificate)?.content)?.content;
        let version = first(signed)?;
        let serial = first(version.rest)?;
        let algorithm = first(serial.rest)?;
        let issuer = first(algorithm.rest)?;
        Some(element(SEQUENCE, &[issuer.whole, serial.whole]))
    };
    find().ok_or_else(|| failed("db.crt is no certificate"))
}
