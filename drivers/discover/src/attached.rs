//! What is attached.
//!
//! Owns what becomes of devices that say the same of themselves:
//!
//! * in different places (host, channel, target) they are one device that can be reached in several ways: the first
//!   way, by address, is taken, the others are told;
//! * as units of one target they are several (some virtual libraries give all of theirs one number): the unit's
//!   number goes behind the name of each, as long as there are several;
//! * with one serial number and different designators they are several: eight digits that are a sum of both go
//!   behind the name of each, as long as there are several.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::key::{Address, Identity, Key};
use crate::sysfs::{Seen, see};

/// Nodes that are looked at, at most; the others are left out.
pub const DEVICES_MAX: usize = 256;

/// A device that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name, which stays.
    pub key: Key,
    /// Who it says it is.
    pub identity: Identity,
    /// T10 vendor identification.
    pub vendor: String,
    /// Product identification.
    pub product: String,
    /// Product revision: its firmware.
    pub revision: String,
    /// `/dev/sgN`, which does not stay.
    pub node: PathBuf,
    /// Where the kernel has it.
    pub address: Address,
    /// Other nodes of the same device.
    pub others: Vec<PathBuf>,
    /// Another number each time it comes: one that went and came back has none of what was open.
    pub appearance: u64,
}

impl Device {
    /// The same device, wherever it is now. What says nothing of itself is nobody's same.
    pub fn is_same(&self, other: &Device) -> bool {
        self.identity.is_known()
            && self.identity == other.identity
            && self.address.lun == other.address.lun
            && (&self.vendor, &self.product) == (&other.vendor, &other.product)
    }

    /// Whether it is reached by this node.
    pub fn has_node(&self, node: &Path) -> bool {
        self.node == node || self.others.iter().any(|other| other == node)
    }
}

/// Tape drives and changers of this machine, by address. None when the kernel has no sg driver.
///
/// # Errors
///
/// Sysfs cannot be read.
pub fn attached() -> io::Result<Vec<Device>> {
    attached_in(Path::new("/sys/class/scsi_generic"), Path::new("/dev"))
}

/// As [`attached`], with other folders in the place of sysfs's class and of `/dev`.
///
/// # Errors
///
/// As there.
pub fn attached_in(class: &Path, dev: &Path) -> io::Result<Vec<Device>> {
    let entries = match fs::read_dir(class) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut seen = Vec::new();
    for entry in entries.take(DEVICES_MAX) {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        seen.extend(see(class, dev, name)?);
    }
    seen.sort_by_key(|seen| (seen.address, seen.number));
    Ok(name(seen))
}

/// Gives every device a name of its own.
fn name(seen: Vec<Seen>) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for one in seen {
        let another_way = devices.iter_mut().find(|device| {
            one.identity.is_known()
                && device.identity == one.identity
                && device.address.lun == one.address.lun
                && device.address.place() != one.address.place()
        });
        match another_way {
            Some(device) => device.others.push(one.node),
            None => devices.push(Device {
                key: Key::of(&one.identity, &one.address),
                identity: one.identity,
                vendor: one.vendor,
                product: one.product,
                revision: one.revision,
                node: one.node,
                address: one.address,
                others: Vec::new(),
                appearance: one.appearance,
            }),
        }
    }
    apart(&mut devices);
    devices
}

/// Tells apart those that have one name.
fn apart(devices: &mut [Device]) {
    let mut named: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (at, device) in devices.iter().enumerate() {
        named.entry(device.key.clone()).or_default().push(at);
    }
    for (_, those) in named.into_iter().filter(|(_, those)| those.len() > 1) {
        let identities: Vec<Identity> =
            those.iter().map(|&at| devices[at].identity.clone()).collect();
        for &at in &those {
            let device = &mut devices[at];
            let alike = identities.iter().filter(|identity| **identity == device.identity).count();
            let differ = alike < those.len();
            if differ {
                device.key = device.key.clone().with_sum(&device.identity);
            }
            if alike > 1 {
                device.key = device.key.clone().with_lun(&device.address);
            }
        }
    }
}
