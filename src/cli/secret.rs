//! Arguments of the components that encrypt and decrypt. Secrets come from files, never from the
//! command line.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString;
use age::{Identity, IdentityFile, Recipient, scrypt, x25519};
use clap::Args;
use zeroize::Zeroizing;

use crate::parts::process::age::{Decrypt, Encrypt, Identities};
use crate::stream::Fault;

/// The largest file of keys or of a passphrase, bytes.
const KEY_FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct ProcEncrypt {
    /// Encrypt to this recipient: age1…, as `key public` prints it. May be given again
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "passphrase_file")]
    to: Vec<String>,
    /// Encrypt to the recipients in this file, one a line; lines that begin with # are remarks
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    to_file: Vec<PathBuf>,
    /// Encrypt with the passphrase that is the first line of this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Name of the stream that everybody may read; its own is sealed with the rest
    #[arg(long, value_name = "NAME")]
    clear_name: Option<String>,
}

impl ProcEncrypt {
    pub(super) fn process(self, receipts: bool) -> Result<Encrypt, Fault> {
        let mut recipients: Vec<Box<dyn Recipient + Send>> = Vec::new();
        for text in &self.to {
            recipients.push(Box::new(recipient(text, "--to")?));
        }
        for path in &self.to_file {
            let text = secret_text(path)?;
            let lines = text.lines().map(str::trim).zip(1..);
            for (line, number) in lines.filter(|(l, _)| !l.is_empty() && !l.starts_with('#')) {
                let place = format!("{}, line {number}", path.display());
                recipients.push(Box::new(recipient(line, &place)?));
            }
        }
        if let Some(path) = &self.passphrase_file {
            recipients.push(Box::new(scrypt::Recipient::new(passphrase(path)?)));
        }
        Ok(Encrypt::new(recipients, receipts)?.clear_name(self.clear_name))
    }
}

fn recipient(text: &str, place: &str) -> Result<x25519::Recipient, Fault> {
    text.parse().map_err(|why| {
        Fault::usage(format!("{place}: not a recipient: {why}"))
            .hint("a recipient begins with age1; an identity (AGE-SECRET-KEY-1…) is none")
    })
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct ProcDecrypt {
    /// File with identities, as `key new` and age-keygen make it. May be given again
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// File whose first line is the passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl ProcDecrypt {
    pub(super) fn process(self, receipts: bool) -> Result<Decrypt, Fault> {
        let all = all_identities(&self.identity, self.passphrase_file.as_deref())?;
        Ok(Decrypt::new(all).expecting_receipts(receipts))
    }
}

/// What opens an index that is sealed, where one is met.
#[derive(Args)]
pub(super) struct Opening {
    /// Open the index of a sealed stream with the identities in this file, as proc_decrypt does. May be
    /// given again
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// Open it with the passphrase that is the first line of this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Opening {
    /// The identities, if any were given.
    pub(super) fn identities(&self) -> Result<Option<Identities>, Fault> {
        let all = all_identities(&self.identity, self.passphrase_file.as_deref())?;
        Ok((!all.is_empty()).then_some(all))
    }
}

fn all_identities(paths: &[PathBuf], passphrase_file: Option<&Path>) -> Result<Identities, Fault> {
    let mut all: Vec<Box<dyn Identity + Send + Sync>> = Vec::new();
    for path in paths {
        all.append(&mut identities(path)?);
    }
    if let Some(path) = passphrase_file {
        all.push(Box::new(scrypt::Identity::new(passphrase(path)?)));
    }
    Ok(Arc::new(all))
}

fn identities(path: &Path) -> Result<Vec<Box<dyn Identity + Send + Sync>>, Fault> {
    let text = secret_text(path)?;
    let file = IdentityFile::from_buffer(text.as_bytes());
    let file = file.map_err(|e| Fault::host(format!("{}: no identity", path.display()), &e))?;
    let identities = file.into_identities();
    let identities = identities
        .map_err(|e| Fault::usage(format!("{}: cannot use the identity: {e}", path.display())))?;
    match identities.is_empty() {
        true => Err(Fault::usage(format!("{} holds no identity", path.display()))),
        false => Ok(identities),
    }
}

fn passphrase(path: &Path) -> Result<SecretString, Fault> {
    let text = secret_text(path)?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(SecretString::from(line.to_owned())),
        None => Err(Fault::usage(format!("{} has an empty first line", path.display()))),
    }
}

/// A small file of text that is wiped from memory after use.
pub(super) fn secret_text(path: &Path) -> Result<Zeroizing<String>, Fault> {
    let what = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).map_err(|e| Fault::host(what(), &e))?;
    // Room for all of it at once: a string that grows leaves copies behind.
    let bytes = file.metadata().map_or(0, |meta| meta.len().min(KEY_FILE_BYTES_MAX));
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(bytes).unwrap_or(0) + 1));
    let read = file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|e| Fault::host(what(), &e))?;
    Ok(text)
}
