//! What an enrolled machine keeps for each netplumber it enrolled with.
//!
//! Owns the folder `HOST:PORT/` below the machine's own: `machine.key`, `machine.pem`, and
//! `authority.pem`, by which it knows the server again.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};
use zeroize::Zeroizing;

use super::{ours, private_folder, write_private};
use crate::stream::{Blame, Fault};

/// The port a netplumber listens on unless told otherwise.
pub const PORT: u16 = 7420;

/// Where a netplumber is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or number of the host.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let wrong = || format!("{text:?} is not HOST, HOST:PORT or [IPv6]:PORT");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(wrong()),
                    port => (host, port),
                }
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return Err(wrong());
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None => PORT,
        };
        Ok(Address { host: host.to_owned(), port })
    }
}

/// The folder of this machine's identity with one netplumber.
pub struct Machine {
    folder: PathBuf,
}

/// The key that a machine makes when it enrols.
pub struct Draft {
    key: KeyPair,
    /// The request for a certificate, DER.
    pub request: Vec<u8>,
}

impl Draft {
    /// Makes a key, which never leaves this machine.
    pub fn new() -> Result<Draft, Fault> {
        let failed = |e: rcgen::Error| ours("cannot make a key", e);
        let key = KeyPair::generate().map_err(failed)?;
        let params = CertificateParams::new(Vec::new()).map_err(failed)?;
        let request = params.serialize_request(&key).map_err(failed)?.der().to_vec();
        Ok(Draft { key, request })
    }
}

impl Machine {
    /// Below `home`, for the netplumber at `address`.
    pub fn at(home: &Path, address: &Address) -> Machine {
        Machine { folder: home.join(address.to_string()) }
    }

    /// The folder, if this machine enrolled there.
    pub fn folder(&self) -> Result<&Path, Fault> {
        match self.folder.join("machine.pem").exists() {
            true => Ok(&self.folder),
            false => Err(Fault::never(
                Blame::Operator,
                format!("this machine is not enrolled: {} is missing", self.folder.display()),
            )
            .hint("there: netplumber enrol NAME; here: plumb enrol HOST CODE")),
        }
    }

    /// Keeps what enrolling gave. The certificate comes last: with it the folder counts.
    pub fn keep(&self, draft: &Draft, certificate: &[u8], authority: &[u8]) -> Result<(), Fault> {
        private_folder(&self.folder)?;
        let pem = |der: &[u8]| pem_of("CERTIFICATE", der);
        let key = Zeroizing::new(draft.key.serialize_pem());
        write_private(&self.folder.join("machine.key"), key.as_bytes())?;
        write_private(&self.folder.join("authority.pem"), pem(authority).as_bytes())?;
        write_private(&self.folder.join("machine.pem"), pem(certificate).as_bytes())
    }
}

fn pem_of(what: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_or_the_usual_one() {
        for (text, host, port, shown) in [
            ("box", "box", PORT, "box:7420"),
            ("box.example:99", "box.example", 99, "box.example:99"),
            ("10.0.0.1", "10.0.0.1", PORT, "10.0.0.1:7420"),
            ("::1", "::1", PORT, "[::1]:7420"),
            ("[::1]:5", "::1", 5, "[::1]:5"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), shown);
        }
        for bad in
            ["", ":5", "box:", "box:99999", "a b", "../x", "[::1", "a/b:1", "[::1]5", "[::1]x:5"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
