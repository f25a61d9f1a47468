//! The authority of a netplumber, and its books: machines and codes.
//!
//! Owns one folder:
//!
//! ```text
//! authority.key  authority.pem    signs machines; made when first needed
//! server.key     server.pem       what the netplumber shows
//! machines/NAME.json              one for each machine that enrolled: its certificate's digest, until when
//! codes/NAME.json                 one for each code that was not used yet
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustix::fs::{FlockOperation, flock};
use rustls::pki_types::CertificateSigningRequestDer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::code::Code;
use super::{ours, private_folder, random, read_small, sync_folder, write_private};
use crate::stream::{Blame, Fault};
use crate::wire::tls::SERVER_NAME;

/// How long the authority and the server's own certificate are good for, seconds.
const AUTHORITY_S: i64 = 30 * 365 * 86_400;
/// How long a machine's certificate is good for unless said otherwise.
pub const MACHINE_DAYS: u32 = 365;
/// How long a code is good for unless said otherwise.
pub const CODE_MINUTES: u32 = 15;
/// Wrong attempts after which a code is void.
pub const ATTEMPTS_MAX: u32 = 5;
/// Clocks differ a little.
const SLACK_S: i64 = 3600;

/// A machine that enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its certificate, hexadecimal.
    pub digest: String,
    /// When it enrolled, and when its certificate ends, seconds since the epoch.
    pub since_s: i64,
    /// When its certificate ends.
    pub until_s: i64,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_s: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    machine: String,
    key: String,
    until_s: i64,
    attempts: u32,
}

/// Why a machine is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It showed no certificate.
    NoCertificate,
    /// Its certificate is not in the books: it enrolled again since, or was struck out.
    Unknown,
    /// It was revoked.
    Revoked(String),
}

impl std::fmt::Display for Stranger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stranger::NoCertificate => f.write_str("it showed no certificate"),
            Stranger::Unknown => f.write_str("its certificate is not in the books any more"),
            Stranger::Revoked(name) => write!(f, "{name} was revoked"),
        }
    }
}

/// What a code that was used up gives: the machine's name, and the key that both sides know.
pub type Used = (String, Zeroizing<[u8; 32]>);

/// The folder of an authority.
pub struct Authority {
    folder: PathBuf,
}

/// A machine's name: letters, digits, `-`, `_` and `.`, at most 63, beginning with a letter or digit.
pub fn is_machine_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    first && name.len() <= 63 && name.chars().all(plain)
}

/// BLAKE3 of a certificate, hexadecimal.
pub fn digest_of(certificate: &[u8]) -> String {
    blake3::hash(certificate).to_hex().to_string()
}

fn params(name: &str, now_s: i64, seconds: i64) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(Vec::new()).map_err(|e| ours("certificate", e))?;
    params.distinguished_name.push(DnType::CommonName, name);
    let at = |s: i64| {
        let since = std::time::Duration::from_secs(u64::try_from(s).unwrap_or(0));
        rcgen::date_time_ymd(1970, 1, 1) + since
    };
    params.not_before = at(now_s - SLACK_S);
    params.not_after = at(now_s + seconds);
    let mut serial = [0; 16];
    random(&mut serial)?;
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

impl Authority {
    /// Opens the authority in `folder`, making it if it is not there.
    pub fn open(folder: &Path, now_s: i64) -> Result<Authority, Fault> {
        for path in [folder.to_owned(), folder.join("machines"), folder.join("codes")] {
            private_folder(&path)?;
        }
        let authority = Authority { folder: folder.to_owned() };
        let _lock = authority.lock()?;
        if !folder.join("server.pem").exists() {
            authority.make(now_s)?;
        }
        Ok(authority)
    }

    /// The authority in `folder`, which was opened before.
    pub fn in_folder(folder: &Path) -> Authority {
        Authority { folder: folder.to_owned() }
    }

    /// One process at a time changes the books.
    fn lock(&self) -> Result<File, Fault> {
        let failed =
            |e: &std::io::Error| Fault::host(format!("cannot lock {}", self.folder.display()), e);
        let file = File::open(&self.folder).map_err(|e| failed(&e))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|e| failed(&e.into()))?;
        Ok(file)
    }

    fn make(&self, now_s: i64) -> Result<(), Fault> {
        let failed = |e: rcgen::Error| ours("cannot make an authority", e);
        let key = KeyPair::generate().map_err(failed)?;
        let mut identity = [0; 8];
        random(&mut identity)?;
        let name = format!("tapioca authority {:016x}", u64::from_be_bytes(identity));
        let mut authority = params(&name, now_s, AUTHORITY_S)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = authority.self_signed(&key).map_err(failed)?;
        let server_key = KeyPair::generate().map_err(failed)?;
        let mut server = params(SERVER_NAME, now_s, AUTHORITY_S)?;
        server.subject_alt_names =
            vec![rcgen::SanType::DnsName(SERVER_NAME.try_into().map_err(failed)?)];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issuer = Issuer::from_params(&authority, &key);
        let server = server.signed_by(&server_key, &issuer).map_err(failed)?;
        self.write("authority.key", &Zeroizing::new(key.serialize_pem()))?;
        self.write("authority.pem", &certificate.pem())?;
        self.write("server.key", &Zeroizing::new(server_key.serialize_pem()))?;
        self.write("server.pem", &server.pem())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Fault> {
        write_private(&self.folder.join(name), text.as_bytes())
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a code with which one machine may enrol as `machine`, until `until_s`.
    pub fn new_code(&self, machine: &str, now_s: i64, until_s: i64) -> Result<Code, Fault> {
        if !is_machine_name(machine) {
            return Err(Fault::usage(format!(
                "{machine:?} is no name for a machine: letters, digits, - _ . are, up to 63"
            )));
        }
        let _lock = self.lock()?;
        self.forget_old_codes(now_s)?;
        let code = loop {
            let code = Code::new()?;
            if !self.code_file(code.name()).exists() {
                break code;
            }
        };
        let key = Zeroizing::new(blake3::Hash::from_bytes(*code.key()).to_hex().to_string());
        let pending =
            Pending { machine: machine.to_owned(), key: key.to_string(), until_s, attempts: 0 };
        self.write_json(&self.code_file(code.name()), &pending)?;
        Ok(code)
    }

    fn forget_old_codes(&self, now_s: i64) -> Result<(), Fault> {
        for path in files_in(&self.folder.join("codes"))? {
            let is_old = read_json::<Pending>(&path).is_ok_and(|pending| pending.until_s <= now_s);
            if is_old {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn code_file(&self, name: &str) -> PathBuf {
        self.folder.join("codes").join(format!("{name}.json"))
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), Fault> {
        let text = serde_json::to_vec(value).map_err(|e| ours("cannot write JSON", e))?;
        write_private(path, &Zeroizing::new(text))
    }

    /// Uses up the code called `name`, if `proves` says of its key that the other side knows it. Returns
    /// the machine's name and the key. Every wrong attempt counts; too many, and the code is void.
    pub fn use_code(
        &self,
        name: &str,
        now_s: i64,
        proves: impl FnOnce(&[u8; 32]) -> bool,
    ) -> Result<Option<Used>, Fault> {
        let is_name = name.len() == 3 && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let path = self.code_file(name);
        let _lock = self.lock()?;
        if !is_name || !path.exists() {
            return Ok(None);
        }
        let mut pending: Pending = read_json(&path)?;
        let key = blake3::Hash::from_hex(&pending.key).map_err(|e| ours("a code's key", e))?;
        let key = Zeroizing::new(*key.as_bytes());
        if pending.until_s <= now_s {
            remove(&path)?;
            return Ok(None);
        }
        if proves(&key) {
            remove(&path)?;
            sync_folder(&self.folder.join("codes"))?;
            return Ok(Some((pending.machine, key)));
        }
        pending.attempts += 1;
        match pending.attempts >= ATTEMPTS_MAX {
            true => remove(&path)?,
            false => self.write_json(&path, &pending)?,
        }
        Ok(None)
    }

    /// Signs the key of a request as that of `machine` and writes it into the books. Whatever else the
    /// request asks for is ignored.
    pub fn sign(
        &self,
        machine: &str,
        request: &[u8],
        now_s: i64,
        days: u32,
    ) -> Result<Vec<u8>, Fault> {
        let der = CertificateSigningRequestDer::from(request);
        let asked = CertificateSigningRequestParams::from_der(&der)
            .map_err(|e| Fault::stream(format!("not a request for a certificate: {e}")))?;
        let key = Zeroizing::new(self.text("authority.key")?);
        let key = KeyPair::from_pem(&key).map_err(|e| ours("the authority's key", e))?;
        let issuer = Issuer::from_ca_cert_pem(&self.text("authority.pem")?, key)
            .map_err(|e| ours("the authority's certificate", e))?;
        let seconds = i64::from(days) * 86_400;
        let mut ours_only = params(machine, now_s, seconds)?;
        ours_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = ours_only.signed_by(&asked.public_key, &issuer);
        let signed = signed.map_err(|e| ours("cannot sign", e))?.der().to_vec();
        let enrolled = Enrolled {
            name: machine.to_owned(),
            digest: digest_of(&signed),
            since_s: now_s,
            until_s: now_s + seconds,
            revoked_s: None,
        };
        let _lock = self.lock()?;
        self.write_json(&self.machine_file(machine), &enrolled)?;
        Ok(signed)
    }

    /// The authority's certificate, DER.
    pub fn certificate(&self) -> Result<Vec<u8>, Fault> {
        use rustls::pki_types::pem::PemObject;
        let pem = self.text("authority.pem")?;
        let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes());
        Ok(der.map_err(|e| ours("the authority's certificate", e))?.to_vec())
    }

    fn text(&self, name: &str) -> Result<String, Fault> {
        let bytes = read_small(&self.folder.join(name))?;
        String::from_utf8(bytes.to_vec()).map_err(|e| ours(name, e))
    }

    fn machine_file(&self, name: &str) -> PathBuf {
        self.folder.join("machines").join(format!("{name}.json"))
    }

    /// Which machine shows a certificate that the authority signed.
    pub fn who(&self, certificate: &[u8]) -> Result<Result<String, Stranger>, Fault> {
        let digest = digest_of(certificate);
        let enrolled = self.machines()?.into_iter().find(|machine| machine.digest == digest);
        Ok(match enrolled {
            Some(Enrolled { revoked_s: Some(_), name, .. }) => Err(Stranger::Revoked(name)),
            Some(enrolled) => Ok(enrolled.name),
            None => Err(Stranger::Unknown),
        })
    }

    /// Whether a machine with this certificate may still be served.
    pub fn is_good(&self, name: &str, digest: &str) -> bool {
        let enrolled = read_json::<Enrolled>(&self.machine_file(name));
        enrolled.is_ok_and(|machine| machine.revoked_s.is_none() && machine.digest == digest)
    }

    /// Revokes a machine: it is refused from now on.
    pub fn revoke(&self, name: &str, now_s: i64) -> Result<(), Fault> {
        let _lock = self.lock()?;
        let path = self.machine_file(name);
        if !is_machine_name(name) || !path.exists() {
            return Err(Fault::never(Blame::Operator, format!("no machine {name} is enrolled")));
        }
        let enrolled: Enrolled = read_json(&path)?;
        let revoked_s = enrolled.revoked_s.or(Some(now_s));
        self.write_json(&path, &Enrolled { revoked_s, ..enrolled })
    }

    /// All machines that ever enrolled, by name.
    pub fn machines(&self) -> Result<Vec<Enrolled>, Fault> {
        let mut machines: Vec<Enrolled> = files_in(&self.folder.join("machines"))?
            .iter()
            .map(|path| read_json(path))
            .collect::<Result<_, _>>()?;
        machines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(machines)
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Fault> {
    let bytes = read_small(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Fault::never(Blame::Host, format!("{} is damaged: {e}", path.display())))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot list {}", folder.display()), &e);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
    let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect())
}

fn remove(path: &Path) -> Result<(), Fault> {
    std::fs::remove_file(path)
        .map_err(|e| Fault::host(format!("cannot remove {}", path.display()), &e))
}
