//! Debian's packages that the image takes files from.
//!
//! Owns their download by the host's own package client, the unpacked copies in a cache, and the
//! record of what was used last (`kernel.lock`). A newer version than the recorded one is a warning:
//! what Debian withdrew cannot be had again. Nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::host::{make_dir, output, program, read, sha256};

/// The package of the loader and of the stub that becomes the bootable file.
pub const LOADER_PACKAGE: &str = "systemd-boot-efi";

/// One package, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the package file, hexadecimal.
    pub sha256: String,
    /// Where its files are.
    pub root: PathBuf,
}

impl Package {
    /// Version of the kernel in it, as its modules' directory is called.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn kernel_version(&self) -> Result<String, Error> {
        let dir = self.root.join("lib/modules");
        let first = fs::read_dir(&dir).map_err(Error::input(&dir))?.next();
        match first {
            Some(Ok(entry)) => Ok(entry.file_name().to_string_lossy().into_owned()),
            Some(Err(error)) => Err(Error::Input { path: dir, error }),
            None => Err(Error::broken(&self.name, "holds no modules")),
        }
    }

    /// One of its files.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
        read(&self.root.join(path))
    }
}

/// Kernel and loader of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The kernel.
    pub kernel: Package,
    /// systemd-boot and its stub.
    pub loader: Package,
}

impl Packages {
    /// Fetches what a board's kernel package means today, should the cache not have it.
    ///
    /// # Errors
    ///
    /// The package client failed or knows no such package.
    pub fn fetch(kernel_package: &str, cache: &Path) -> Result<Packages, Error> {
        make_dir(cache)?;
        // One at a time: the others find everything there.
        let path = cache.join("lock");
        let turn = fs::File::create(&path).map_err(Error::write(&path))?;
        turn.lock().map_err(Error::write(&path))?;
        let kernel = package(&real_name(kernel_package)?, cache)?;
        Ok(Packages { kernel, loader: package(LOADER_PACKAGE, cache)? })
    }

    /// What `kernel.lock` says of these packages.
    pub fn lock(&self) -> String {
        let mut text = String::from("# What the last image was made of: recorded, not required.\n");
        for package in [&self.kernel, &self.loader] {
            text.push_str(&format!(
                "\n[{}]\nversion = \"{}\"\nsha256 = \"{}\"\n",
                package.name, package.version, package.sha256
            ));
        }
        text
    }
}

impl Package {
    fn of(name: &str, rest: &str, file: &Path, cache: &Path) -> Option<Package> {
        let version = rest.rsplit_once('_')?.0.replace("%3a", ":");
        let root = cache.join(file.file_stem()?);
        let bytes = root.is_dir().then(|| fs::read(file).ok())??;
        Some(Package { name: name.to_owned(), version, sha256: sha256(&bytes), root })
    }
}

/// The package that a meta package depends on; another is what it is.
fn real_name(package: &str) -> Result<String, Error> {
    let said = output(Command::new("apt-cache").args(["depends", package]))?;
    let said = String::from_utf8_lossy(&said);
    let depends = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let real = depends.filter(|name| name.starts_with("linux-image-")).map(str::to_owned).next();
    if said.trim().is_empty() {
        let why = format!("knows no package {package}; run apt-get update");
        return Err(Error::Program { program: "apt-cache".to_owned(), why });
    }
    Ok(real.unwrap_or_else(|| package.to_owned()))
}

fn package(name: &str, cache: &Path) -> Result<Package, Error> {
    let debs = cache.join("deb");
    make_dir(&debs)?;
    // Asked first: which file it would be.
    let uris = output(Command::new("apt-get").args(["download", "--print-uris", name]))?;
    let uris = String::from_utf8_lossy(&uris).into_owned();
    let file = uris.split_whitespace().find(|word| word.ends_with(".deb")).map(str::to_owned);
    let file = file.ok_or_else(|| Error::Program {
        program: "apt-get".to_owned(),
        why: format!("does not say where {name} is; run apt-get update"),
    })?;
    let path = debs.join(&file);
    if !path.exists() {
        forget_others(name, &debs, &file)?;
        output(Command::new("apt-get").args(["-q", "download", name]).current_dir(&debs))?;
    }
    let rest = file.split_once('_').map_or("", |(_, rest)| rest);
    unpack(&path, &cache.join(path.file_stem().unwrap_or_default()))?;
    Package::of(name, rest, &path, cache)
        .ok_or_else(|| Error::broken(path.display(), "is no package"))
}

/// An old version of a package is of no use once there is a new one.
fn forget_others(name: &str, debs: &Path, keep: &str) -> Result<(), Error> {
    for entry in fs::read_dir(debs).map_err(Error::input(debs))?.flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        if other != keep && other.split('_').next() == Some(name) {
            fs::remove_file(entry.path()).map_err(Error::write(&entry.path()))?;
        }
    }
    Ok(())
}

fn unpack(deb: &Path, root: &Path) -> Result<(), Error> {
    if root.is_dir() {
        return Ok(());
    }
    let parent = root.parent().unwrap_or(Path::new("."));
    let partial = tempfile::tempdir_in(parent).map_err(Error::write(parent))?;
    let inner = partial.path().join("root");
    output(program("dpkg-deb").arg("-x").arg(deb).arg(&inner))?;
    match fs::rename(&inner, root) {
        // Somebody else was faster, with the same files.
        Err(_) if root.is_dir() => Ok(()),
        moved => moved.map_err(Error::write(root)),
    }
}
