//! A USB stick's file system, to be read.
//!
//! Owns which block devices count: removable ones that are none of the box's own disk. The first whose FAT can be mounted
//! is, read-only, with nothing executed and no device node of it in force; a thread of its own waits for it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{STICK, say};

/// Has the file system of a stick there, or not there any more.
pub(super) fn want(wanted: bool) -> Result<(), String> {
    let work = move || match wanted {
        true => match bring() {
            Ok(node) => say(&format!("{} is a stick, at {STICK}", node.display())),
            Err(why) => say(&format!("no stick: {why}")),
        },
        false => take_away(),
    };
    let spawned = std::thread::Builder::new().name("stick".into()).spawn(work);
    spawned.map(drop).map_err(|e| format!("cannot start a thread: {e}"))
}

fn take_away() {
    match unmount(STICK, UnmountFlags::DETACH) {
        // There was none.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
        Err(error) => say(&format!("{STICK}: {error}")),
    }
}

fn bring() -> Result<PathBuf, String> {
    take_away();
    fs::create_dir_all(STICK).map_err(|e| format!("{STICK}: {e}"))?;
    let own = disk::find().map_err(|e| e.to_string())?.map(|found| found.disk);
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    let mut why = "no removable disk is here".to_owned();
    for node in nodes(own.as_deref())? {
        match mount(&node, STICK, "vfat", flags, c"") {
            Ok(()) => return Ok(node),
            Err(error) => why = format!("{}: {error}", node.display()),
        }
    }
    Err(why)
}

/// Removable disks and their partitions, those of the box's own disk left out.
fn nodes(own: Option<&Path>) -> Result<Vec<PathBuf>, String> {
    let class = Path::new("/sys/class/block");
    let mut nodes = Vec::new();
    for entry in fs::read_dir(class).map_err(|e| format!("{}: {e}", class.display()))? {
        let name = entry.map_err(|e| e.to_string())?.file_name();
        let there = fs::canonicalize(class.join(&name)).map_err(|e| e.to_string())?;
        let disk = match there.join("partition").exists() {
            true => there.parent().unwrap_or(&there),
            false => &there,
        };
        let is_own = own.is_some_and(|own| own.file_name() == disk.file_name());
        let is_removable =
            fs::read_to_string(disk.join("removable")).is_ok_and(|n| n.trim() == "1");
        let is_usb =
            disk.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"));
        if !is_own && (is_removable || is_usb) {
            nodes.push(Path::new("/dev").join(name));
        }
    }
    nodes.sort();
    Ok(nodes)
}
