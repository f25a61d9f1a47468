//! The data file system: found, made where there is none, grown, mounted.
//!
//! Owns what becomes of a disk that is larger than its table says. Nothing here waits for the medium longer than
//! the step of the start that it belongs to.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use board::machine::Machine;
use disk::{Found, Grown};
use rustix::mount::{MountFlags, mount};

use super::META;

const DATA: &str = "/data";
/// An empty file system.
const TEMPLATE: &str = "/data.ext4.zst";
const STATE: &str = "/data/tapioca";
/// How long disks may take to show up.
const DISK_WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// Waits for our disk, and gives the raw partition to the steward.
pub(super) fn find(machine: &Machine) -> Result<Found, String> {
    let begun = Instant::now();
    let found = loop {
        match disk::find() {
            Ok(Some(found)) if found.meta.exists() => break found,
            Ok(_) if begun.elapsed() > DISK_WAIT => {
                return Err("no disk has a partition of ours".into());
            }
            Ok(_) => std::thread::sleep(LOOK),
            Err(error) => return Err(format!("cannot look for disks: {error}")),
        }
    };
    let given = match symlink(&found.meta, META) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => match user(machine, "steward") {
            Some(user) => chown(&found.meta, Some(user), Some(user)),
            None => Ok(()),
        },
    };
    given.map_err(|e| format!("{}: {e}", found.meta.display()))?;
    Ok(found)
}

/// User of a child.
pub(super) fn user(machine: &Machine, name: &str) -> Option<u32> {
    machine.processes.iter().find(|process| process.name == name).map(|process| process.user)
}

/// Mounts the data file system and makes it as large as the disk allows.
pub(super) fn bring(machine: &Machine, found: &Found) -> Result<String, String> {
    let (Some(node), Some(number)) = (&found.data, found.data_number) else {
        return Err(format!("{} has no data partition", found.disk.display()));
    };
    // What cannot grow is used as it is.
    let grown = grow(&found.disk, number);
    let made = lay(node).map_err(|e| format!("{}: {e}", node.display()))?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NOATIME;
    mount(node, DATA, "ext4", flags, c"errors=remount-ro")
        .map_err(|e| format!("{}: {e}", node.display()))?;
    give_state(machine).map_err(|e| format!("{STATE}: {e}"))?;
    let grown = grown?;
    disk::fill_file_system(Path::new(DATA), grown.bytes)
        .map_err(|e| format!("the data file system cannot be grown: {e}"))?;
    Ok(format!("{} MiB{made}", grown.bytes >> 20))
}

/// Makes a file system where none is; in words, whether it did.
fn lay(node: &Path) -> std::io::Result<&'static str> {
    if !disk::is_blank(node)? {
        return Ok("");
    }
    let template = fs::File::open(TEMPLATE)?;
    disk::lay(node, zstd::Decoder::new(template)?)?;
    Ok(", made new")
}

/// The folder of the service; the console's group may pass through it to the service's socket, and no further.
fn give_state(machine: &Machine) -> std::io::Result<()> {
    fs::create_dir_all(STATE)?;
    if let Some(serve) = user(machine, "serve") {
        let group = user(machine, "console").unwrap_or(serve);
        chown(STATE, Some(serve), Some(group))?;
    }
    fs::set_permissions(STATE, fs::Permissions::from_mode(0o2710))
}

fn grow(disk: &Path, number: u32) -> Result<Grown, String> {
    let grown = disk::grow_table(disk, number)
        .map_err(|e| format!("the table of {} cannot be grown: {e}", disk.display()))?;
    disk::tell_kernel(disk, number, &grown)
        .map_err(|e| format!("partition {number} of {} cannot be grown: {e}", disk.display()))?;
    Ok(grown)
}
