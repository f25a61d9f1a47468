//! What the kernel keeps of a device: `/sys/class/scsi_generic/sgN/device`.
//!
//! Owns the reading of attributes, bounded, and the difference between what is not there and what cannot be read.
//! A device that goes away while it is read is one that is not there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use scsi::reader::text;
use scsi::vpd::{DeviceIdentification, unit_serial_number};

use crate::key::{Address, Identity, Kind, best};

/// An attribute is a page of memory at most.
const ATTRIBUTE_BYTES_MAX: u64 = 4096;

/// A node, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub number: u32,
    pub node: PathBuf,
    pub address: Address,
    pub identity: Identity,
    pub vendor: String,
    pub product: String,
    pub revision: String,
    pub appearance: u64,
}

/// The node called `name`; none: it is of another type, or went away.
pub(crate) fn see(class: &Path, dev: &Path, name: &str) -> io::Result<Option<Seen>> {
    let Some(number) = name.strip_prefix("sg").and_then(|number| number.parse().ok()) else {
        return Ok(None);
    };
    let Some(device) = there(fs::canonicalize(class.join(name).join("device")))? else {
        return Ok(None);
    };
    let Some(kind) = attribute(&device, "type")?.and_then(|code| Kind::of_type(&text(&code)))
    else {
        return Ok(None);
    };
    let address =
        device.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let (Some(address), Some(found)) = (address, there(fs::metadata(&device))?) else {
        return Ok(None);
    };
    let words = |name| Ok::<_, io::Error>(text(&attribute(&device, name)?.unwrap_or_default()));
    let serial = bytes(&device, "vpd_pg80")?.and_then(|page| unit_serial_number(&page).ok());
    let pages =
        bytes(&device, "vpd_pg83")?.and_then(|page| DeviceIdentification::decode(&page).ok());
    Ok(Some(Seen {
        number,
        node: dev.join(name),
        address,
        identity: Identity {
            kind,
            designator: pages.and_then(|page| best(&page.designators)),
            serial: serial.filter(|serial| !serial.is_empty()),
        },
        vendor: words("vendor")?,
        product: words("model")?,
        revision: words("rev")?,
        appearance: found.ino(),
    }))
}

/// A text, without the end of its line.
fn attribute(device: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    Ok(bytes(device, name)?.map(|mut bytes| {
        bytes.pop_if(|last| *last == b'\n');
        bytes
    }))
}

fn bytes(device: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = there(File::open(device.join(name)))? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = file.take(ATTRIBUTE_BYTES_MAX).read_to_end(&mut bytes);
    Ok(there(read)?.map(|_| bytes))
}

/// None for what is not there, or says that it has no such thing, or is going this moment.
fn there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    use rustix::io::Errno;
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::INVAL) => Ok(None),
            _ => Err(error),
        },
    }
}
