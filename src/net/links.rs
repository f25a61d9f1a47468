//! The links of the machine, and what of them differs from what is wanted.
//!
//! Owns which links are ours (Ethernet), by which names settings know them, and the list of changes that brings one
//! to what is wanted. Looks into `/sys`, and changes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::dhcp::Mac;
use crate::settings::{Link, LinkKey, Prefix, Settings};

/// Where the kernel shows its links.
pub const SHOWN: &str = "/sys/class/net";
/// ARPHRD_ETHER of the kernel.
const ETHERNET: &str = "1";
/// IFF_UP of the kernel.
const UP: u32 = 1;
/// Links that are looked at, at most.
const LINKS_MAX: usize = 64;
/// The metric of the first link's way out; the kernel takes the smallest.
const METRIC: u32 = 100;

/// A link, as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The kernel's number.
    pub index: u32,
    /// The kernel's name.
    pub name: String,
    /// Where it is on the PCI bus, if it is there.
    pub place: Option<String>,
    /// Its hardware address.
    pub mac: Mac,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether a cable is in.
    pub carrier: bool,
}

/// A hardware address as people write it.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn mac(text: &str) -> Option<Mac> {
    let bytes: Result<Vec<u8>, _> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes.ok()?.try_into().ok()
}

/// The place in the path of a device: that of the function it is, or, with virtio, that it is inside of.
fn place(device: &Path) -> Option<String> {
    let mut parts = device.iter().rev().filter_map(|part| part.to_str());
    let first = parts.find(|part| !part.starts_with("virtio"))?;
    // As settings write it.
    let is_place = first.contains('.') && LinkKey::try_from(first.to_owned()).is_ok();
    is_place.then(|| first.to_owned())
}

/// All Ethernet links under this folder, by their names.
///
/// # Errors
///
/// There is no such folder.
pub fn look(shown: &Path) -> io::Result<Vec<Found>> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(shown)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    // One that went away meanwhile is none.
    Ok(names.into_iter().filter_map(|name| link(shown, name)).take(LINKS_MAX).collect())
}

fn link(shown: &Path, name: String) -> Option<Found> {
    let folder = shown.join(&name);
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let word = |file: &str| read(file).map(|text| text.trim().to_owned());
    if word("type")? != ETHERNET {
        return None;
    }
    let flags = u32::from_str_radix(word("flags")?.trim_start_matches("0x"), 16).ok()?;
    let device = fs::canonicalize(folder.join("device")).ok();
    Some(Found {
        index: word("ifindex")?.parse().ok()?,
        place: device.as_deref().and_then(place),
        mac: mac(&word("address")?)?,
        up: flags & UP != 0,
        // It cannot be read of a link that is off.
        carrier: word("carrier").is_some_and(|carrier| carrier == "1"),
        name,
    })
}

/// What settings say of a link: by its place, its hardware address, or of all others.
pub fn settings_of<'a>(settings: &'a Settings, found: &Found) -> Option<&'a Link> {
    let keys = [found.place.clone(), Some(mac_text(found.mac)), Some("any".into())];
    let keys = keys.into_iter().flatten().filter_map(|key| LinkKey::try_from(key).ok());
    keys.into_iter().find_map(|key| settings.network.get(&key))
}

/// What a link is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its addresses.
    pub addresses: BTreeSet<Owned>,
    /// The way out.
    pub gateway: Option<IpAddr>,
}

/// An address and its prefix, in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owned {
    /// The address.
    pub address: IpAddr,
    /// Bits of the prefix.
    pub bits: u8,
}

impl From<Prefix> for Owned {
    fn from(prefix: Prefix) -> Owned {
        Owned { address: prefix.address, bits: prefix.bits }
    }
}

impl std::fmt::Display for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What a link has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// Addresses that somebody gave it.
    pub addresses: BTreeSet<Owned>,
    /// Those that the kernel made itself: IPv6, which are left alone.
    pub made: BTreeSet<Owned>,
    /// Ways out that somebody gave it: the gateway, none if everything is on the link, and the metric.
    pub ways: BTreeSet<(Option<IpAddr>, u32)>,
}

/// One change of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has this address no more.
    DropAddress(Owned),
    /// It has this address.
    AddAddress(Owned),
    /// Nothing goes out this way any more.
    DropWay(Option<IpAddr>, u32),
    /// This is the way out.
    AddWay(IpAddr, u32),
}

/// The metric of a link's way out, so that there can be several.
pub fn metric(index: u32) -> u32 {
    METRIC.saturating_add(index)
}

/// What brings a link nearer to what is wanted; none: it is there. The kernel takes ways away with addresses, so they
/// are changed only when the addresses are as wanted, and it has to be looked again after each time.
pub fn changes(wanted: &Wanted, actual: &Actual, metric: u32) -> Vec<Change> {
    let gone = actual.addresses.difference(&wanted.addresses).copied();
    let new = wanted.addresses.difference(&actual.addresses).copied();
    let addresses: Vec<Change> =
        gone.map(Change::DropAddress).chain(new.map(Change::AddAddress)).collect();
    if !addresses.is_empty() {
        return addresses;
    }
    let way = wanted.gateway.map(|gateway| (Some(gateway), metric));
    let gone = actual.ways.iter().filter(|own| Some(**own) != way);
    let mut ways: Vec<Change> =
        gone.map(|(gateway, metric)| Change::DropWay(*gateway, *metric)).collect();
    if let Some(gateway) = wanted.gateway.filter(|_| way.is_some_and(|w| !actual.ways.contains(&w)))
    {
        ways.push(Change::AddWay(gateway, metric));
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Owned {
        text.parse::<Prefix>().unwrap().into()
    }

    fn wanted(addresses: &[&str], gateway: Option<&str>) -> Wanted {
        Wanted {
            addresses: addresses.iter().map(|text| own(text)).collect(),
            gateway: gateway.map(|text| text.parse().unwrap()),
        }
    }

    fn actual(addresses: &[&str], ways: &[(Option<&str>, u32)]) -> Actual {
        let way = |(gateway, metric): &(Option<&str>, u32)| {
            (gateway.map(|text| text.parse().unwrap()), *metric)
        };
        Actual {
            addresses: addresses.iter().map(|text| own(text)).collect(),
            made: [own("fe80::1/64")].into(),
            ways: ways.iter().map(way).collect(),
        }
    }

    #[test]
    fn addresses_change_first_then_ways_and_then_nothing() {
        let want = wanted(&["10.0.0.5/24"], Some("10.0.0.1"));
        let gateway: IpAddr = "10.0.0.1".parse().unwrap();
        let old = actual(&["10.0.0.9/24", "10.0.0.5/16"], &[(Some("10.0.0.9"), 102), (None, 0)]);
        assert_eq!(
            changes(&want, &old, 102),
            [
                Change::DropAddress(own("10.0.0.5/16")),
                Change::DropAddress(own("10.0.0.9/24")),
                Change::AddAddress(own("10.0.0.5/24")),
            ]
        );
        let half = Actual { addresses: want.addresses.clone(), ..old };
        assert_eq!(
            changes(&want, &half, 102),
            [
                Change::DropWay(None, 0),
                Change::DropWay(Some("10.0.0.9".parse().unwrap()), 102),
                Change::AddWay(gateway, 102),
            ]
        );
        let done = actual(&["10.0.0.5/24"], &[(Some("10.0.0.1"), 102)]);
        assert_eq!(changes(&want, &done, 102), []);
        // The same way by another metric is another's.
        assert_eq!(
            changes(&want, &done, 103),
            [Change::DropWay(Some(gateway), 102), Change::AddWay(gateway, 103)]
        );
    }

    #[test]
    fn a_link_that_is_to_have_nothing_keeps_what_the_kernel_made() {
        let old = actual(&["10.0.0.5/24"], &[]);
        let nothing = Wanted::default();
        assert_eq!(changes(&nothing, &old, 100), [Change::DropAddress(own("10.0.0.5/24"))]);
        assert_eq!(changes(&nothing, &actual(&[], &[]), 100), []);
    }

    #[test]
    fn a_place_is_the_pci_function_and_nothing_below_a_usb_port() {
        let at = |path: &str| place(Path::new(path));
        let place = Some("0000:00:02.0".to_owned());
        assert_eq!(at("/sys/devices/pci0000:00/0000:00:02.0"), place);
        assert_eq!(at("/sys/devices/pci0000:00/0000:00:02.0/virtio0"), place);
        assert_eq!(at("/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0"), None);
        assert_eq!(at("/sys/devices/virtual/net/veth0"), None);
    }

    #[test]
    fn links_are_found_by_their_kind_and_settings_by_place_hardware_or_any() {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().join("class");
        let device = folder.path().join("pci0000:00/0000:00:03.0/virtio1");
        fs::create_dir_all(&device).unwrap();
        for (name, kind, index) in [("lo", "772", "1"), ("eth1", "1", "3"), ("eth0", "1", "2")] {
            let link = shown.join(name);
            fs::create_dir_all(&link).unwrap();
            let put = |file: &str, text: &str| fs::write(link.join(file), text).unwrap();
            put("type", &format!("{kind}\n"));
            put("ifindex", &format!("{index}\n"));
            put("flags", "0x1003\n");
            put("address", &format!("52:54:00:12:34:0{index}\n"));
        }
        fs::write(shown.join("eth1/carrier"), "1\n").unwrap();
        std::os::unix::fs::symlink(&device, shown.join("eth1/device")).unwrap();
        let found = look(&shown).unwrap();
        let [first, second] = &found[..] else { panic!("{found:?}") };
        assert_eq!((first.name.as_str(), first.index, first.carrier), ("eth0", 2, false));
        assert_eq!((second.place.as_deref(), second.carrier), (Some("0000:00:03.0"), true));
        assert!(first.up && second.mac == [0x52, 0x54, 0, 0x12, 0x34, 3]);

        let settings = |text: &str| Settings::parse(text).unwrap();
        let both = settings(
            "[network.any]\naddress = \"off\"\n[network.\"0000:00:03.0\"]\naddress = \"10.0.0.1/8\"\n[network.\"52:54:00:12:34:03\"]\naddress = \"dhcp\"\n",
        );
        let address = |settings: &Settings, found| {
            settings_of(settings, found).map(|link| link.address.to_string())
        };
        assert_eq!(address(&both, second).as_deref(), Some("10.0.0.1/8"));
        assert_eq!(address(&both, first).as_deref(), Some("off"));
        let hardware = settings("[network.\"52:54:00:12:34:02\"]\naddress = \"off\"\n");
        assert_eq!(address(&hardware, first).as_deref(), Some("off"));
        assert_eq!(address(&hardware, second), None);
    }
}
