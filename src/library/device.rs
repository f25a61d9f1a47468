//! Device names: `/dev/sgN`, `virtual:DIR#drive0`, `virtual:DIR#changer`, and `door:SOCKET` for one that another
//! process holds.

use scsi::Transport;
use smc::Changer;
use ssc::Drive;

use crate::stream::{Blame, Fault};

/// Opens the device called `name`, for this process alone.
pub fn open(name: &str) -> Result<Box<dyn Transport>, Fault> {
    let refused = |why: String| {
        Fault::later(Blame::Operator, format!("cannot open {name}: {why}")).hint(
            "name a device as /dev/sgN, virtual:DIR#drive0, virtual:DIR#changer or door:SOCKET",
        )
    };
    if let Some(socket) = name.strip_prefix("door:") {
        return match door::Doorway::open(std::path::Path::new(socket)) {
            Ok(device) => Ok(Box::new(device)),
            Err(error) => Err(refused(error.to_string())),
        };
    }
    if name.starts_with("virtual:") {
        return virt::open(name).map_err(|e| refused(e.to_string()));
    }
    match sg::open(std::path::Path::new(name)) {
        Ok(node) => Ok(Box::new(node)),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Opens a tape drive and finds out what it can do.
pub fn open_drive(name: &str) -> Result<Drive, Fault> {
    Drive::attach(open(name)?)
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
        let library = virt::Library::open(std::path::Path::new(dir))
            .map_err(|e| Fault::later(Blame::Operator, format!("cannot open {changer}: {e}")))?;
        let mut drives = library.drives().into_iter().zip(library.drive_serials());
        return Ok(drives.find(|(_, serial)| bay.is_device(serial)).map(|(name, _)| name));
    }
    let found = sg::discover().map_err(|e| Fault::host("cannot look for tape drives", &e))?;
    let is_it = |found: &&sg::Found| {
        found.kind == sg::Kind::Tape && found.serial.as_ref().is_some_and(|s| bay.is_device(s))
    };
    Ok(found.iter().find(is_it).map(|found| found.node.display().to_string()))
}
