//! What is found on machines whose sysfs is written down in `machines/`.
//!
//! Folders and links are as the kernel lays them out; what a line of a file says is below `device` of a node.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use discover::{Device, Kind, attached_in};

/// A sysfs in a folder.
struct Sysfs(tempfile::TempDir);

impl Sysfs {
    fn empty() -> Sysfs {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("class/scsi_generic")).unwrap();
        Sysfs(folder)
    }

    /// The machine of a file: `sgN HOST:CHANNEL:TARGET:LUN PATH`, then lines of `attribute = text` or, with `:=`,
    /// hexadecimal.
    fn of(name: &str) -> Sysfs {
        let sysfs = Sysfs::empty();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines").join(name);
        let text = fs::read_to_string(path).unwrap();
        let mut at = PathBuf::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            match line.trim().split_once('=') {
                None => {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    at = sysfs.plug(words[0], words[1], words[2]);
                }
                Some((name, hex)) if name.ends_with(':') => {
                    let bytes =
                        hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
                    fs::write(
                        at.join(name.trim_end_matches(':').trim()),
                        bytes.collect::<Vec<u8>>(),
                    )
                    .unwrap();
                }
                Some((name, text)) => {
                    fs::write(
                        at.join(name.trim()),
                        format!("{}\n", text.strip_prefix(' ').unwrap()),
                    )
                    .unwrap();
                }
            }
        }
        sysfs
    }

    /// A device and its node; the folder of its attributes.
    fn plug(&self, node: &str, address: &str, path: &str) -> PathBuf {
        let device = self.0.path().join("devices").join(path).join(address);
        let generic = device.join("scsi_generic").join(node);
        fs::create_dir_all(&generic).unwrap();
        symlink("../../../".to_owned() + address, generic.join("device")).unwrap();
        symlink(&generic, self.0.path().join("class/scsi_generic").join(node)).unwrap();
        device
    }

    fn unplug(&self, node: &str) {
        let link = self.0.path().join("class/scsi_generic").join(node);
        fs::remove_dir_all(fs::canonicalize(link.join("device")).unwrap()).unwrap();
        fs::remove_file(link).unwrap();
    }

    fn found(&self) -> Vec<Device> {
        attached_in(&self.0.path().join("class/scsi_generic"), Path::new("/dev")).unwrap()
    }

    /// `KEY NODE` of all.
    fn names(&self) -> Vec<String> {
        let found = self.found();
        found.iter().map(|device| format!("{} {}", device.key, device.node.display())).collect()
    }
}

/// A device at an address that says this serial number, and a designator if there is one.
fn say(sysfs: &Sysfs, node: &str, address: &str, kind: &str, serial: &str, designator: Option<u8>) {
    let device = sysfs.plug(node, address, "pci0000:00/host/target");
    fs::write(device.join("type"), format!("{kind}\n")).unwrap();
    let page =
        [&[kind.parse().unwrap(), 0x80, 0, u8::try_from(serial.len()).unwrap()], serial.as_bytes()];
    fs::write(device.join("vpd_pg80"), page.concat()).unwrap();
    if let Some(last) = designator {
        let page = [1, 0x83, 0, 12, 1, 3, 0, 8, 0x50, 0, 0, 0, 0, 0, 0, last];
        fs::write(device.join("vpd_pg83"), page).unwrap();
    }
}

#[test]
fn a_library_behind_a_sas_adapter_is_found_among_disks() {
    let sysfs = Sysfs::of("sas-library");
    let found = sysfs.found();
    let shown: Vec<String> = found
        .iter()
        .map(|d| {
            format!(
                "{} {} {} {} {} {}",
                d.key,
                d.address,
                d.node.display(),
                d.vendor,
                d.product,
                d.revision
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "drive-1210173183 6:0:0:0 /dev/sg3 IBM ULTRIUM-TD3 5CM0",
            "changer-00L4U78A1234_LL0 6:0:0:1 /dev/sg4 IBM 3573-TL 4.09",
            "drive-01FAB12812 6:0:1:0 /dev/sg10 HPE Ultrium 9-SCSI R2G1",
        ]
    );
    let names: Vec<String> = found
        .iter()
        .map(|d| d.identity.designator.as_ref().map(ToString::to_string).unwrap_or_default())
        .collect();
    assert_eq!(names, ["t10.IBM ULTRIUM-TD3     1210173183", "", "naa.2030314641323832"]);
    assert_eq!(found[1].identity.kind, Kind::Changer);
}

#[test]
fn a_library_behind_virtio_is_found_as_the_kernel_shows_it() {
    let sysfs = Sysfs::of("virtio-library");
    assert_eq!(
        sysfs.names(),
        ["drive-DRV001 /dev/sg2", "drive-DRV002 /dev/sg1", "changer-CHG001 /dev/sg0"]
    );
}

#[test]
fn a_device_that_comes_back_elsewhere_has_its_name_and_another_appearance() {
    let sysfs = Sysfs::empty();
    say(&sysfs, "sg1", "2:0:0:0", "1", "A", Some(1));
    say(&sysfs, "sg2", "2:0:1:0", "1", "B", Some(2));
    let before = sysfs.found();
    sysfs.unplug("sg1");
    assert_eq!(sysfs.names(), ["drive-B /dev/sg2"]);
    // A file system on a disk gives the numbers of what is gone again; that of the kernel does not.
    for n in 0..64 {
        fs::create_dir(sysfs.0.path().join(format!("taken-{n}"))).unwrap();
    }
    say(&sysfs, "sg7", "3:0:9:0", "1", "A", Some(1));
    let after = sysfs.found();
    assert_eq!(sysfs.names(), ["drive-B /dev/sg2", "drive-A /dev/sg7"]);
    assert_eq!(after[0], before[1]);
    assert!(after[1].is_same(&before[0]));
    assert_ne!(after[1].appearance, before[0].appearance);
}

#[test]
fn one_device_on_two_ways_is_one() {
    let sysfs = Sysfs::empty();
    say(&sysfs, "sg5", "2:0:0:0", "1", "A", Some(1));
    say(&sysfs, "sg2", "3:0:0:0", "1", "A", Some(1));
    let found = sysfs.found();
    assert_eq!(sysfs.names(), ["drive-A /dev/sg5"]);
    assert_eq!(found[0].others, [PathBuf::from("/dev/sg2")]);
    assert!(found[0].has_node(Path::new("/dev/sg2")));
    sysfs.unplug("sg5");
    assert_eq!(sysfs.names(), ["drive-A /dev/sg2"]);
}

#[test]
fn units_that_say_the_same_are_told_apart_by_their_numbers() {
    let sysfs = Sysfs::empty();
    say(&sysfs, "sg1", "2:0:0:1", "1", "A", Some(1));
    say(&sysfs, "sg2", "2:0:0:2", "1", "A", Some(1));
    say(&sysfs, "sg3", "2:0:0:0", "8", "A", Some(1));
    assert_eq!(
        sysfs.names(),
        ["changer-A /dev/sg3", "drive-A-lun1 /dev/sg1", "drive-A-lun2 /dev/sg2"]
    );
}

#[test]
fn one_serial_number_of_two_makers_is_two_devices() {
    let sysfs = Sysfs::empty();
    say(&sysfs, "sg1", "2:0:0:0", "1", "1234", Some(1));
    say(&sysfs, "sg2", "2:0:1:0", "1", "1234", Some(2));
    let names = sysfs.names();
    assert!(names.iter().all(|name| name.starts_with("drive-1234-")), "{names:?}");
    assert_ne!(names[0].split(' ').next(), names[1].split(' ').next());
    sysfs.unplug("sg1");
    assert_eq!(sysfs.names(), ["drive-1234 /dev/sg2"]);
}

#[test]
fn what_says_nothing_of_itself_is_called_after_its_place() {
    let sysfs = Sysfs::empty();
    for (node, address) in [("sg1", "2:0:0:1"), ("sg2", "2:0:0:2")] {
        let device = sysfs.plug(node, address, "pci0000:00/host/target");
        fs::write(device.join("type"), "1\n").unwrap();
        fs::write(device.join("vpd_pg83"), [1, 0x83, 0xff]).unwrap();
    }
    let found = sysfs.found();
    assert_eq!(sysfs.names(), ["drive-at-2.0.0.1 /dev/sg1", "drive-at-2.0.0.2 /dev/sg2"]);
    assert!(!found[0].is_same(&found[0]));
}

#[test]
fn what_is_no_device_or_is_just_going_is_passed_over() {
    let sysfs = Sysfs::empty();
    let class = sysfs.0.path().join("class/scsi_generic");
    fs::write(class.join("README"), "no device").unwrap();
    symlink("nowhere", class.join("sg9")).unwrap();
    sysfs.plug("sg1", "2:0:0:1", "pci0000:00/host/target");
    assert_eq!(sysfs.names(), [""; 0]);
    assert_eq!(attached_in(&class.join("nowhere"), Path::new("/dev")).unwrap(), []);
}
