//! Which nodes are tape drives and changers.
//!
//! Owns the reading of `/sys/class/scsi_generic`. Opens no device and sends no command: what the
//! kernel learnt at its scan is enough, so asking disturbs nobody. Node numbers follow the scan
//! order and mean nothing; the type and the serial number do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use scsi::reader::text;
use scsi::vpd::unit_serial_number;

/// The two kinds of device this project drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Peripheral device type 1.
    Tape,
    /// Peripheral device type 8.
    Changer,
}

/// A device that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `/dev/sgN`.
    pub node: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// T10 vendor identification.
    pub vendor: String,
    /// Product identification.
    pub product: String,
    /// Unit serial number (vital product data page 80h), when the kernel has it.
    pub serial: Option<String>,
}

impl Found {
    /// The same device, wherever it is now.
    pub(crate) fn same_device(&self, other: &Found) -> bool {
        self.serial.is_some()
            && (self.kind, &self.vendor, &self.product, &self.serial)
                == (other.kind, &other.vendor, &other.product, &other.serial)
    }
}

/// Tape drives and changers of this machine, in the order of their node numbers. None when the
/// kernel has no sg driver loaded.
pub fn discover() -> io::Result<Vec<Found>> {
    discover_in(Path::new("/sys/class/scsi_generic"), Path::new("/dev"))
}

/// As [`discover`], with other directories in the place of sysfs's class and of `/dev`.
pub fn discover_in(class: &Path, dev: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(class) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(node_number) else { continue };
        if let Some(device) = device(&entry.path().join("device"), dev.join(&name))? {
            found.push((number, device));
        }
    }
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, device)| device).collect())
}

fn node_number(name: &str) -> Option<u32> {
    name.strip_prefix("sg")?.parse().ok()
}

/// `None` for other device types, and for a device that went away while we looked.
fn device(sysfs: &Path, node: PathBuf) -> io::Result<Option<Found>> {
    let Some(kind) = attribute(sysfs, "type")? else { return Ok(None) };
    let kind = match text(&kind).as_str() {
        "1" => Kind::Tape,
        "8" => Kind::Changer,
        _ => return Ok(None),
    };
    let words = |name| Ok::<_, io::Error>(text(&attribute(sysfs, name)?.unwrap_or_default()));
    let page = attribute(sysfs, "vpd_pg80")?;
    let serial = page.and_then(|page| unit_serial_number(&page).ok());
    Ok(Some(Found {
        node,
        kind,
        vendor: words("vendor")?,
        product: words("model")?,
        serial: serial.filter(|serial| !serial.is_empty()),
    }))
}

fn attribute(sysfs: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(sysfs.join(name)) {
        Ok(mut bytes) => {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // What the kernel says of attributes of a device that is being removed, or has none.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(class: &Path, name: &str, files: &[(&str, &[u8])]) {
        let device = class.join(name).join("device");
        fs::create_dir_all(&device).unwrap();
        for (file, bytes) in files {
            fs::write(device.join(file), bytes).unwrap();
        }
    }

    #[test]
    fn drives_and_changers_are_found_by_type_in_node_order() {
        let class = tempfile::tempdir().unwrap();
        let at = class.path();
        let page = b"\x01\x80\x00\x06DRV001";
        let tape: [(&str, &[u8]); 4] = [
            ("type", b"1\n"),
            ("vendor", b"IBM     \n"),
            ("model", b"ULT3580-TD8     \n"),
            ("vpd_pg80", page),
        ];
        fake(at, "sg10", &tape);
        fake(at, "sg2", &[("type", b"8\n"), ("vendor", b"ACME\n"), ("model", b"ROBOT\n")]);
        fake(at, "sg0", &[("type", b"0\n"), ("vendor", b"QEMU\n"), ("model", b"DISK\n")]);
        fake(at, "sg3", &[]);
        fs::write(at.join("README"), b"not a device").unwrap();

        let found = discover_in(at, Path::new("/dev")).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].node, Path::new("/dev/sg2"));
        assert_eq!((found[0].kind, found[0].serial.as_deref()), (Kind::Changer, None));
        assert_eq!(
            found[1],
            Found {
                node: PathBuf::from("/dev/sg10"),
                kind: Kind::Tape,
                vendor: "IBM".into(),
                product: "ULT3580-TD8".into(),
                serial: Some("DRV001".into()),
            }
        );
    }

    #[test]
    fn a_device_is_known_again_by_its_serial_number_only() {
        let was = Found {
            node: "/dev/sg1".into(),
            kind: Kind::Tape,
            vendor: "IBM".into(),
            product: "X".into(),
            serial: Some("1".into()),
        };
        let moved = Found { node: "/dev/sg7".into(), ..was.clone() };
        assert!(moved.same_device(&was));
        assert!(!Found { serial: Some("2".into()), ..was.clone() }.same_device(&was));
        let nameless = Found { serial: None, ..was };
        assert!(!nameless.clone().same_device(&nameless));
    }

    #[test]
    fn no_sg_driver_means_no_devices() {
        assert_eq!(discover_in(Path::new("/nonexistent"), Path::new("/dev")).unwrap(), []);
    }
}
