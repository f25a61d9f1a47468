//! Programs and files of the host.
//!
//! Owns how a program is run and how a file comes to its place: whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// Runs a program and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| Error::Program { program: program.clone(), why };
    let run = command.output().map_err(|e| failed(format!("cannot be run: {e}")))?;
    match run.status.success() {
        true => Ok(run.stdout),
        false => Err(failed(String::from_utf8_lossy(&run.stderr).trim().to_owned())),
    }
}

/// Finds a program that plain users may not have in their search path.
pub(crate) fn program(name: &str) -> Command {
    let there = ["/usr/sbin", "/sbin"].iter().map(|dir| Path::new(dir).join(name));
    let found = there.into_iter().find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| PathBuf::from(name)))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::input(path))
}

pub(crate) fn make_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::write(path))
}

/// Writes a file beside its place and moves it there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let dir = path.parent().unwrap_or(Path::new("."));
    make_dir(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(Error::write(path))?;
    std::io::Write::write_all(&mut file, bytes).map_err(Error::write(path))?;
    file.persist(path).map_err(|e| Error::write(path)(e.error))?;
    Ok(())
}

/// SHA-256, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
