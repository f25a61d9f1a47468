//! The data file system: found, grown, mounted.
//!
//! Owns what becomes of a disk that is larger than its table says. Nothing here waits for the medium longer than
//! the step of the start that it belongs to.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use board::machine::Machine;
use disk::{Found, Grown};
use rustix::mount::{MountFlags, mount};

use super::META;

const DATA: &str = "/data";
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
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NOATIME;
    mount(node, DATA, "ext4", flags, c"errors=remount-ro")
        .map_err(|e| format!("{}: {e}", node.display()))?;
    fs::create_dir_all(STATE)
        .and_then(|()| match user(machine, "serve") {
            Some(user) => chown(STATE, Some(user), Some(user)),
            None => Ok(()),
        })
        .map_err(|e| format!("{STATE}: {e}"))?;
    let grown = grown?;
    disk::fill_file_system(Path::new(DATA), grown.bytes)
        .map_err(|e| format!("the data file system cannot be grown: {e}"))?;
    Ok(format!("{} MiB", grown.bytes >> 20))
}

fn grow(disk: &Path, number: u32) -> Result<Grown, String> {
    let grown = disk::grow_table(disk, number)
        .map_err(|e| format!("the table of {} cannot be grown: {e}", disk.display()))?;
    disk::tell_kernel(disk, number, &grown)
        .map_err(|e| format!("partition {number} of {} cannot be grown: {e}", disk.display()))?;
    Ok(grown)
}
