//! Who a machine is: certificates of a small authority, and how a machine gets one.
//!
//! Owns the authority of a netplumber ([`authority`]), what an enrolled machine keeps ([`machine`]), the
//! one-time codes ([`code`]) and their exchange ([`enrol`]), and the TLS configurations made of all that
//! ([`config`]). A server is known by its authority, which the client pinned when it enrolled; a client by
//! its certificate and the record kept of it, so that revoking is one file. Private keys are files of mode
//! 0600, wiped from memory after use.

pub mod authority;
pub mod code;
pub mod config;
pub mod enrol;
pub mod machine;

use std::io::Write;
use std::path::Path;

use zeroize::Zeroizing;

use crate::stream::{Blame, Fault};

/// The largest file of ours, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Puts a file that only we can read in its place, whole and durable.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let failed = |e: &std::io::Error| Fault::host(format!("cannot write {}", path.display()), e);
    let folder = path.parent().unwrap_or(Path::new("."));
    // Temporary files are of mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|e| failed(&e))?;
    file.persist(path).map_err(|e| failed(&e.error))?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), Fault> {
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|e| Fault::host(format!("cannot sync {}", folder.display()), &e))
}

/// Makes a folder that only we can enter, and those above it.
fn private_folder(path: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Fault::host(format!("cannot make {}", path.display()), &e))
}

/// A small file, wiped from memory after use.
fn read_small(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    use std::io::Read;
    let failed = |e: &std::io::Error| Fault::host(format!("cannot read {}", path.display()), e);
    let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
    let bytes = file.metadata().map_err(|e| failed(&e))?.len();
    if bytes > FILE_BYTES_MAX {
        let what = format!("{} is too large: {bytes} bytes", path.display());
        return Err(Fault::never(Blame::Host, what));
    }
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut all = Zeroizing::new(Vec::with_capacity(usize::try_from(bytes).unwrap_or(0) + 1));
    file.take(FILE_BYTES_MAX).read_to_end(&mut all).map_err(|e| failed(&e))?;
    Ok(all)
}

fn random(bytes: &mut [u8]) -> Result<(), Fault> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Fault::later(Blame::Host, "cannot get random bytes"))
}

fn ours(what: &str, error: impl std::fmt::Display) -> Fault {
    Fault::never(Blame::Ours, format!("{what}: {error}"))
}
