//! Device names: `/dev/sgN`, `virtual:DIR#drive0`, `virtual:DIR#changer`, and `door:SOCKET` for one that another
//! process holds.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use discover::{Device, Kind};
use scsi::Transport;
use smc::Changer;
use ssc::Drive;

use crate::stream::{Blame, Fault};

/// How long a device may be in use by somebody who is just leaving: a process that dies, or one that was
/// started this moment and still holds what its parent had open.
const LEAVING: Duration = Duration::from_secs(1);

/// Opens the device called `name`, for this process alone.
pub fn open(name: &str) -> Result<Box<dyn Transport>, Fault> {
    open_within(name, LEAVING)
}

/// Opens it; while it is in use by another, tries again for so long.
///
/// # Errors
///
/// It is not there, is no device, or is in use still.
pub fn open_within(name: &str, patience: Duration) -> Result<Box<dyn Transport>, Fault> {
    let start = Instant::now();
    let mut is_told = false;
    loop {
        match open_now(name) {
            Ok(device) => return Ok(device),
            Err(error) if error.kind() == ErrorKind::ResourceBusy && start.elapsed() < patience => {
                if start.elapsed() >= LEAVING && !is_told {
                    tracing::warn!(%error, "waiting up to {} s for {name}", patience.as_secs());
                    is_told = true;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => {
                let what = format!("cannot open {name}: {error}");
                return Err(Fault::later(Blame::Operator, what).hint(NAMES));
            }
        }
    }
}

const NAMES: &str =
    "name a device as /dev/sgN, virtual:DIR#drive0, virtual:DIR#changer or door:SOCKET";

fn open_now(name: &str) -> std::io::Result<Box<dyn Transport>> {
    if let Some(socket) = name.strip_prefix("door:") {
        return Ok(Box::new(door::Doorway::open(Path::new(socket))?));
    }
    if name.starts_with("virtual:") {
        return Ok(virt::open(name)?);
    }
    Ok(Box::new(sg::open(Path::new(name))?))
}

/// Tape drives and changers that this machine has.
///
/// # Errors
///
/// The kernel does not tell.
pub fn attached() -> Result<Vec<Device>, Fault> {
    discover::attached().map_err(|e| Fault::host("cannot look for drives and changers", &e))
}

/// Opens a tape drive and finds out what it can do.
pub fn open_drive(name: &str) -> Result<Drive, Fault> {
    open_drive_within(name, LEAVING)
}

/// A tape drive, as [`open_within`].
///
/// # Errors
///
/// As there, or it is no tape drive.
pub fn open_drive_within(name: &str, patience: Duration) -> Result<Drive, Fault> {
    Drive::attach(open_within(name, patience)?)
        .map_err(|e| Fault::later(Blame::Drive, format!("cannot use {name} as a tape drive: {e}")))
}

/// Opens a media changer and finds out where its elements are.
pub fn open_changer(name: &str) -> Result<Changer, Fault> {
    Changer::attach(open(name)?).map_err(|e| {
        Fault::later(Blame::Changer, format!("cannot use {name} as a media changer: {e}"))
    })
}

/// The device of the drive at an element of the changer called `changer`, told by serial number:
/// among the drives of the same virtual library, or the tape drives of this machine. `None` when it
/// cannot be told.
pub fn find_drive(changer: &str, bay: &smc::Element) -> Result<Option<String>, Fault> {
    if let Some((dir, _)) = changer.strip_prefix("virtual:").and_then(|name| name.split_once('#')) {
        let library = virt::Library::open(Path::new(dir))
            .map_err(|e| Fault::later(Blame::Operator, format!("cannot open {changer}: {e}")))?;
        let mut drives = library.drives().into_iter().zip(library.drive_serials());
        return Ok(drives.find(|(_, serial)| bay.is_device(serial)).map(|(name, _)| name));
    }
    let found = attached()?;
    let is_it = |device: &&Device| {
        let serial = device.identity.serial.as_ref();
        device.identity.kind == Kind::Drive && serial.is_some_and(|serial| bay.is_device(serial))
    };
    Ok(found.iter().find(is_it).map(|device| device.node.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_just_leaving_is_waited_for_and_who_stays_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let library = virt::Library::create(folder.path(), &virt::Shape::default()).unwrap();
        let name = library.changer_name();
        let holder = virt::open(&name).unwrap();
        let error = open(&name).err().unwrap();
        assert!(error.to_string().contains("in use by pid"), "{error}");
        let leaving = std::thread::spawn(move || {
            std::thread::sleep(LEAVING / 4);
            drop(holder);
        });
        open(&name).unwrap();
        leaving.join().unwrap();
    }
}
