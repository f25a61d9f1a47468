//! Device names: `/dev/sgN`, `virtual:DIR#drive0`, `virtual:DIR#changer`.

use scsi::Transport;
use smc::Changer;
use ssc::Drive;

use crate::stream::{Blame, Fault};

/// Opens the device called `name`, for this process alone.
pub fn open(name: &str) -> Result<Box<dyn Transport>, Fault> {
    let refused = |why: String| {
        Fault::later(Blame::Operator, format!("cannot open {name}: {why}"))
            .hint("name a device as /dev/sgN, virtual:DIR#drive0 or virtual:DIR#changer")
    };
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
