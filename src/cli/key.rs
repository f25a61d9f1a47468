//! `key`: identities for `proc_decrypt`, and how they survive on paper.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::Done;
use super::secret::secret_text;
use super::table::print;
use crate::stream::{Blame, Fault};

/// What every identity begins with.
const PREFIX: &str = "AGE-SECRET-KEY-1";
/// Characters of a group on paper, and groups of a line.
const GROUP: usize = 4;
const GROUPS: usize = 4;

/// Make and look after the keys that open what proc_encrypt sealed
#[derive(Subcommand)]
pub(super) enum Key {
    /// Make a new identity and print its recipient
    #[command(name = "new")]
    New {
        /// Where to keep it; must not exist
        file: PathBuf,
    },
    /// Print the recipient of an identity: what proc_encrypt --to wants
    #[command(name = "public")]
    Public {
        /// The identity
        file: PathBuf,
    },
    /// Print an identity so that it can be typed back from paper
    #[command(name = "print")]
    Print {
        /// The identity
        file: PathBuf,
    },
    /// Type an identity back: read from standard input, blanks and lower case allowed
    #[command(name = "type")]
    Type {
        /// Where to keep it; must not exist
        file: PathBuf,
    },
}

impl Key {
    pub(super) fn run(self) -> Result<Done, Fault> {
        match self {
            Key::New { file } => {
                let identity = Identity::generate();
                keep(&file, &identity)?;
                public(&identity)?;
            }
            Key::Public { file } => public(&read(&file)?)?,
            Key::Print { file } => on_paper(&read(&file)?)?,
            Key::Type { file } => {
                let identity = typed()?;
                keep(&file, &identity)?;
                public(&identity)?;
            }
        }
        Ok(Done::Whole)
    }
}

fn public(identity: &Identity) -> Result<(), Fault> {
    print(|out| writeln!(out, "{}", identity.to_public()))
}

/// Writes an identity file only its owner can read.
fn keep(path: &Path, identity: &Identity) -> Result<(), Fault> {
    let what = || format!("cannot make {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Fault::never(Blame::Operator, format!("{}: it is there already", what()))
        }
        _ => Fault::host(what(), &e),
    })?;
    let secret = identity.to_string();
    let text = Zeroizing::new(format!(
        "# public key: {}\n{}\n",
        identity.to_public(),
        secret.expose_secret()
    ));
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|e| Fault::host(what(), &e))
}

fn read(path: &Path) -> Result<Identity, Fault> {
    let text = secret_text(path)?;
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(line), None) => line
            .trim()
            .parse()
            .map_err(|why| Fault::usage(format!("{} holds no identity: {why}", path.display()))),
        _ => Err(Fault::usage(format!("{} does not hold one identity", path.display()))),
    }
}

fn on_paper(identity: &Identity) -> Result<(), Fault> {
    let secret = identity.to_string();
    let body = Zeroizing::new(secret.expose_secret()[PREFIX.len()..].to_owned());
    print(|out| {
        writeln!(out, "Recovery key. Whoever has it can read the backups made for")?;
        writeln!(out, "{}", identity.to_public())?;
        writeln!(out, "Type the lines below into `tapioca key type FILE`.\n")?;
        writeln!(out, "  {PREFIX}")?;
        for (at, character) in body.chars().enumerate() {
            match (at % (GROUP * GROUPS), at % GROUP) {
                (0, _) if at > 0 => write!(out, "\n  {character}")?,
                (0, _) => write!(out, "  {character}")?,
                (_, 0) => write!(out, " {character}")?,
                (_, _) => write!(out, "{character}")?,
            }
        }
        writeln!(out)
    })
}

fn typed() -> Result<Identity, Fault> {
    let mut text = Zeroizing::new(String::with_capacity(4096));
    let read = std::io::stdin().take(4096).read_to_string(&mut text);
    read.map_err(|e| Fault::host("cannot read standard input", &e))?;
    let mut key = Zeroizing::new(String::with_capacity(128));
    key.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()));
    if !key.starts_with(PREFIX) {
        let rest = Zeroizing::new(std::mem::take(&mut *key));
        key.reserve_exact(PREFIX.len() + rest.len());
        key.push_str(PREFIX);
        key.push_str(&rest);
    }
    key.parse().map_err(|_| {
        Fault::usage("that is no recovery key: a character is wrong, missing or too many")
    })
}
