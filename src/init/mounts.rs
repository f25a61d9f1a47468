//! What is mounted before anything else, and the switches of the kernel that go with it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_remount};

use super::RUN;

const PLAIN: MountFlags = MountFlags::NODEV.union(MountFlags::NOSUID).union(MountFlags::NOEXEC);

/// Source and kind, target, flags, options.
const MOUNTS: &[(&str, &str, MountFlags, &std::ffi::CStr)] = &[
    ("proc", "/proc", PLAIN, c""),
    ("sysfs", "/sys", PLAIN, c""),
    ("devtmpfs", "/dev", MountFlags::NOSUID.union(MountFlags::NOEXEC), c"mode=0755"),
    ("tmpfs", "/run", PLAIN, c"mode=0755,size=32m"),
    ("tmpfs", "/tmp", PLAIN, c"mode=1777,size=64m"),
];

/// Switches, each with what is written there.
const SWITCHES: &[(&str, &str)] = &[
    // A terminal server that is switched on sends a BREAK, which must not be a command to the kernel.
    ("/proc/sys/kernel/sysrq", "0"),
    ("/proc/sys/kernel/printk", "4 4 1 4"),
    // Nobody looks for a program that loads modules.
    ("/proc/sys/kernel/modprobe", ""),
    ("/proc/sys/kernel/kptr_restrict", "2"),
    ("/proc/sys/kernel/dmesg_restrict", "1"),
];

fn at(what: impl std::fmt::Display, error: impl std::fmt::Display) -> String {
    format!("{what}: {error}")
}

/// Mounts all of them. What is there already stays.
pub(super) fn mount_all() -> Result<(), String> {
    let mut wrong = Vec::new();
    for (kind, target, flags, options) in MOUNTS {
        let mounted = mount(*kind, *target, *kind, *flags, *options);
        match mounted {
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(error) => wrong.push(at(target, error)),
        }
    }
    for (path, value) in SWITCHES {
        match fs::write(path, value) {
            // Not every kernel has each of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => wrong.push(at(path, error)),
            Ok(()) => {}
        }
    }
    let folder = |path: &str, mode| {
        fs::create_dir_all(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    if let Err(error) = folder(RUN, 0o755) {
        wrong.push(at(RUN, error));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Mounts the firmware's variables to be read, should the firmware have some.
pub(super) fn mount_firmware() -> Result<(), String> {
    let target = "/sys/firmware/efi/efivars";
    if !Path::new(target).exists() {
        return Ok(());
    }
    match mount("efivarfs", target, "efivarfs", PLAIN | MountFlags::RDONLY, c"") {
        Ok(()) | Err(rustix::io::Errno::BUSY) => Ok(()),
        Err(error) => Err(at(target, error)),
    }
}

/// From now on no module is loaded, and nothing is written to the root.
pub(super) fn lock() -> Result<(), String> {
    let modules = "/proc/sys/kernel/modules_disabled";
    let disabled = match fs::write(modules, "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(|e| at(modules, e)),
    };
    let flags = MountFlags::RDONLY;
    let read_only = mount_remount("/", flags, c"").map_err(|e| at("/", e));
    disabled.and(read_only)
}
