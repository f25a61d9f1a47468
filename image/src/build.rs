//! A board made into files: the bootable one, the disk, and what describes them.
//!
//! Owns the order of making and the names of what comes out. What goes in is named by the caller;
//! nothing else of the host, its clock or its folders is in the result.

use std::path::{Path, PathBuf};

use board::{Board, Machine};
use bundle::{Manifest, Package, Release, Uki};

use crate::disk::{self, Content};
use crate::fetch::Packages;
use crate::host::{make_dir, output, program, read, write};
use crate::initramfs::{self, Initramfs};
use crate::keys::Keys;
use crate::modules::{self, Module, Tree};
use crate::{Error, pe, sbom};

/// What an image is made of.
#[derive(Debug)]
pub struct Input<'a> {
    /// The machine.
    pub board: &'a Board,
    /// Kernel and loader.
    pub packages: &'a Packages,
    /// The static executable that becomes `/init`.
    pub exe: &'a Path,
    /// Cargo.lock of what the executable was built from.
    pub cargo_lock: &'a Path,
    /// Signs, if given.
    pub keys: Option<&'a Keys>,
    /// Version of the image.
    pub version: &'a str,
    /// zstd's, 1 to 19.
    pub level: i32,
}

/// Names of the files in the output directory.
pub const UKI: &str = "tapioca.efi";
/// The disk image.
pub const DISK: &str = "disk.img";
/// What there is, with hashes.
pub const MANIFEST: &str = "manifest.json";
/// The update bundle.
pub const BUNDLE: &str = "update.tapioca";
/// The list of what is inside.
pub const SBOM: &str = "sbom.spdx.json";

/// Sections of the bootable file.
pub(crate) const CMDLINE: &str = ".cmdline";
pub(crate) use bundle::INITRD;
pub(crate) const LINUX: &str = ".linux";
pub(crate) const OS_RELEASE: &str = ".osrel";
const UNAME: &str = ".uname";

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where.
    pub dir: PathBuf,
    /// Bytes of the bootable file.
    pub uki_bytes: u64,
    /// Bytes of the archive in it, unpacked.
    pub initramfs_bytes: u64,
    /// Modules in it.
    pub modules: usize,
    /// Version of the kernel.
    pub kernel: String,
}

/// Makes everything in `out`.
///
/// # Errors
///
/// [`Error`]; what `out` held before is partly replaced then.
pub fn build(input: &Input, out: &Path) -> Result<Built, Error> {
    let machine = machine(input.board)?;
    make_dir(out)?;
    let modules = Tree::of(&input.packages.kernel)?.select(&machine.modules)?;
    let data = disk::data(machine.disk.data_mib)?;
    let sbom = sbom::spdx(input)?;
    let archive = content(input, &modules, &data, &sbom)?.archive()?;
    let uki = uki(input, machine, &initramfs::compress(&archive, input.level)?)?;
    let max = machine.limits.uki_mib_max << 20;
    if uki.len() as u64 > max {
        return Err(Error::Limit { key: "limits.uki_mib_max", bytes: uki.len() as u64, max });
    }
    let loader = loader(input)?;
    let name = format!("EFI/Linux/tapioca_{}.efi", input.version);
    let esp = disk::esp(
        machine.disk.esp_mib,
        &[
            ("EFI/BOOT/BOOTX64.EFI", &loader),
            ("loader/loader.conf", LOADER_CONF.as_bytes()),
            (&name, &uki),
        ],
    )?;
    let meta = vec![0; usize::try_from(machine.disk.meta_mib << 20).unwrap_or(usize::MAX)];
    disk::write(&out.join(DISK), &machine.disk, &Content { esp, meta, data })?;
    write(&out.join(UKI), &uki)?;
    write(&out.join(SBOM), sbom.as_bytes())?;
    let manifest = manifest(input, &uki)?.text();
    write(&out.join(MANIFEST), manifest.as_bytes())?;
    if let Some(keys) = input.keys {
        let signature = keys.sign_update(manifest.as_bytes());
        write(&out.join(BUNDLE), &bundle::format::write(&manifest, &signature, &uki))?;
    }
    Ok(Built {
        dir: out.to_owned(),
        uki_bytes: uki.len() as u64,
        initramfs_bytes: archive.len() as u64,
        modules: modules.len(),
        kernel: input.packages.kernel.kernel_version()?,
    })
}

/// Boots what is newest and not exhausted, without asking. A `default` would win over boot counting.
const LOADER_CONF: &str = "timeout 0\nconsole-mode keep\neditor no\n";

/// A box refuses a bundle with a smaller number than the one it runs: larger as soon as going back would be unsafe.
const SECURITY_FLOOR: u32 = 1;

fn release(input: &Input) -> Result<Release, Error> {
    let version = input.version.parse().map_err(Error::Asked)?;
    Ok(Release { board: label(input.board), version, security_floor: SECURITY_FLOOR })
}

/// The manifest of an image: what it is for, and its parts.
fn manifest(input: &Input, uki: &[u8]) -> Result<Manifest, Error> {
    let of = |package: &crate::fetch::Package| {
        let (version, sha256) = (package.version.clone(), package.sha256.clone());
        (package.name.clone(), Package { version, sha256 })
    };
    let (kernel, loader) = (&input.packages.kernel, &input.packages.loader);
    let packages = [of(kernel), of(loader)].into();
    Ok(Manifest { release: release(input)?, uki: Uki::of(uki), packages })
}

/// What a board is called in an image: of a manifest file only the file's name, not its place.
pub fn label(board: &Board) -> String {
    let stem = Path::new(&board.name).file_stem().unwrap_or_default();
    match board.name.contains('/') || board.name.ends_with(".toml") {
        true => stem.to_string_lossy().into_owned(),
        false => board.name.clone(),
    }
}

/// The machine of a board that has an image.
///
/// # Errors
///
/// The board names no kernel.
pub fn machine(board: &Board) -> Result<&Machine, Error> {
    let none = || Error::Asked(format!("{} names no kernel: there is no image of it", board.name));
    board.machine.as_ref().ok_or_else(none)
}

fn content(input: &Input, modules: &[Module], data: &[u8], sbom: &str) -> Result<Initramfs, Error> {
    let mut tree = Initramfs::default();
    tree.file("init", 0o755, executable(input.exe)?);
    tree.file("board.toml", 0o644, input.board.to_string());
    tree.file("etc/os-release", 0o644, os_release(input));
    // The C library looks for name servers there; the process that keeps the network writes them here.
    tree.link("etc/resolv.conf", "/run/tapioca/net/resolv.conf");
    let release =
        serde_json::to_string(&release(input)?).map_err(|e| Error::broken("release", e))?;
    tree.file(bundle::RELEASE_FILE, 0o644, release);
    if let Some(keys) = input.keys {
        tree.file(bundle::KEY_FILE, 0o644, keys.update_public());
    }
    tree.file("sbom.spdx.json", 0o644, sbom);
    tree.file("data.ext4.zst", 0o644, initramfs::compress(data, input.level)?);
    tree.file("modules.list", 0o644, modules::list(modules));
    tree.file("modules.alias", 0o644, modules::aliases(modules));
    for module in modules {
        tree.file(&format!("modules/{}", module.file), 0o644, module.bytes.clone());
    }
    Ok(tree)
}

/// The executable without what only a debugger reads; a dynamic one would find no loader.
fn executable(exe: &Path) -> Result<Vec<u8>, Error> {
    let dir = tempfile::tempdir().map_err(Error::write(Path::new("temporary directory")))?;
    let stripped = dir.path().join("init");
    output(program("strip").arg("-o").arg(&stripped).arg(exe))?;
    let headers = output(program("readelf").arg("-lW").arg(&stripped))?;
    if String::from_utf8_lossy(&headers).contains(" INTERP ") {
        return Err(Error::broken(exe.display(), "is not static: build it with +crt-static"));
    }
    read(&stripped)
}

fn os_release(input: &Input) -> String {
    let version = input.version;
    format!(
        "ID=tapioca\nNAME=Tapioca\nPRETTY_NAME=\"Tapioca {version}\"\nVERSION_ID={version}\n\
         IMAGE_ID=tapioca\nIMAGE_VERSION={version}\nVARIANT_ID={}\n",
        label(input.board)
    )
}

fn uki(input: &Input, machine: &Machine, archive: &[u8]) -> Result<Vec<u8>, Error> {
    let stub = input.packages.loader.file("usr/lib/systemd/boot/efi/linuxx64.efi.stub")?;
    let kernel = input.packages.kernel.kernel_version()?;
    let linux = input.packages.kernel.file(format!("boot/vmlinuz-{kernel}"))?;
    let (cmdline, release) = (machine.cmdline(), os_release(input));
    let sections: [(&str, &[u8]); 5] = [
        (OS_RELEASE, release.as_bytes()),
        (CMDLINE, cmdline.as_bytes()),
        (UNAME, kernel.as_bytes()),
        (LINUX, &linux),
        (INITRD, archive),
    ];
    let pe = pe::with_sections(&stub, &sections)?;
    signed(input, pe)
}

fn loader(input: &Input) -> Result<Vec<u8>, Error> {
    let loader = input.packages.loader.file("usr/lib/systemd/boot/efi/systemd-bootx64.efi")?;
    signed(input, loader)
}

fn signed(input: &Input, pe: Vec<u8>) -> Result<Vec<u8>, Error> {
    match input.keys {
        Some(keys) => keys.sign_executable(&pe),
        None => Ok(pe),
    }
}
