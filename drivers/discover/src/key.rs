//! Who a device is, and the name made of it.
//!
//! Owns the rules by which a name stays the same:
//!
//! * A device is who its type, its designator (vital product data page 83h) and its serial number (page 80h) say.
//!   The type is a part of it: there are libraries whose robot says the same as their first drive.
//! * Its name is its type and its serial number, `drive-HU1234ABCD`; without a serial number its designator,
//!   `drive-naa.500110a0008b1de8`. What has no place in a file's name is left out, and then eight digits are put
//!   behind that are a sum of all it said.
//! * A device that says neither is called after where it is, `drive-at-2.0.0.1` (host, channel, target, unit): as
//!   long as it is plugged in there and found in the same order, it keeps that.
//!
//! What becomes of two that have one name is said where devices are [found](crate::attached).

use std::fmt;
use std::str::FromStr;

use scsi::vpd::{Association, Designator, Name};

/// The longest name, bytes.
pub const KEY_BYTES_MAX: usize = 46;
/// What of a serial number or designator goes into a name, bytes.
const BODY_BYTES_MAX: usize = 20;

/// The two kinds of device that a tape library is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Peripheral device type 1.
    Drive,
    /// Peripheral device type 8.
    Changer,
}

impl Kind {
    /// Of a peripheral device type (SPC-5 table 145).
    pub fn of_type(code: &str) -> Option<Kind> {
        match code {
            "1" => Some(Kind::Drive),
            "8" => Some(Kind::Changer),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Drive => "drive",
            Kind::Changer => "changer",
        })
    }
}

/// Where the kernel has a device: host, channel, target, unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The adapter.
    pub host: u32,
    /// Its channel.
    pub channel: u32,
    /// The device's own address there.
    pub target: u32,
    /// The logical unit.
    pub lun: u64,
}

impl Address {
    /// Host, channel and target: what has several units, or is one of several ways to a unit.
    pub fn place(&self) -> (u32, u32, u32) {
        (self.host, self.channel, self.target)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.host, self.channel, self.target, self.lun)
    }
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Address, ()> {
        let parts: Vec<&str> = text.split(':').collect();
        let [host, channel, target, lun] = parts[..] else { return Err(()) };
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Address {
            host: number(host)?,
            channel: number(channel)?,
            target: number(target)?,
            lun: lun.parse().map_err(|_| ())?,
        })
    }
}

/// Who a device says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its type.
    pub kind: Kind,
    /// What names its logical unit best.
    pub designator: Option<Name>,
    /// Unit serial number.
    pub serial: Option<String>,
}

impl Identity {
    /// Whether it says anything by which it can be told from others.
    pub fn is_known(&self) -> bool {
        self.designator.is_some() || self.serial.is_some()
    }

    /// Eight digits that differ when anything it says does.
    fn sum(&self) -> String {
        let serial = self.serial.as_deref().unwrap_or_default();
        let designator = self.designator.as_ref().map(ToString::to_string).unwrap_or_default();
        format!(
            "{:08x}",
            crc32c::crc32c(format!("{}\n{designator}\n{serial}", self.kind).as_bytes())
        )
    }
}

/// What names the logical unit best: a world-wide name, then what vendor and product made of it.
pub(crate) fn best(designators: &[Designator]) -> Option<Name> {
    let rank = |name: &Name| match name {
        Name::Naa(_) => 0,
        Name::Eui64(_) => 1,
        Name::T10 { .. } => 2,
        Name::ScsiName(_) => 3,
        Name::Other { .. } | Name::RelativePort(_) => 4,
    };
    let of_unit = |d: &&Designator| d.association == Association::LogicalUnit;
    let names = designators.iter().filter(of_unit).map(|d| &d.name);
    names.filter(|name| rank(name) < 4).min_by_key(|name| rank(name)).cloned()
}

/// The name of a device that stays: safe as the name of a file, and at most [`KEY_BYTES_MAX`] long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The name of a device that is alone with it.
    pub(crate) fn of(identity: &Identity, address: &Address) -> Key {
        let kind = identity.kind;
        let said =
            identity.serial.clone().or_else(|| identity.designator.as_ref().map(Name::to_string));
        Key(match said {
            Some(said) => match plain(&said) {
                body if body == said => format!("{kind}-{body}"),
                body => format!("{kind}-{body}-{}", identity.sum()),
            },
            None => {
                let Address { host, channel, target, lun } = address;
                let place = format!("{host}.{channel}.{target}.{lun}");
                match plain(&place) {
                    body if body == place => format!("{kind}-at-{body}"),
                    body => format!("{kind}-at-{body}-{:08x}", crc32c::crc32c(place.as_bytes())),
                }
            }
        })
    }

    /// The same for one of several that say the same serial number, and something else of themselves.
    pub(crate) fn with_sum(self, identity: &Identity) -> Key {
        match self.0.ends_with(&identity.sum()) {
            true => self,
            false => self.behind(&identity.sum()),
        }
    }

    /// The same for one of several units of one target that say the same of themselves.
    pub(crate) fn with_lun(self, address: &Address) -> Key {
        match address.lun {
            lun @ 0..1000 => self.behind(&format!("lun{lun}")),
            lun => self.behind(&format!("{:08x}", crc32c::crc32c(&lun.to_be_bytes()))),
        }
    }

    fn behind(self, what: &str) -> Key {
        let room = KEY_BYTES_MAX - what.len() - 1;
        Key(format!("{}-{what}", self.0.get(..room).unwrap_or(&self.0)))
    }

    /// What kind of device has it.
    pub fn kind(&self) -> Kind {
        match self.0.starts_with("changer-") {
            true => Kind::Changer,
            false => Kind::Drive,
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let body = text.strip_prefix("drive-").or_else(|| text.strip_prefix("changer-"));
        match body {
            Some(body)
                if !body.is_empty()
                    && body.chars().all(is_plain)
                    && text.len() <= KEY_BYTES_MAX =>
            {
                Ok(Key(text.to_owned()))
            }
            _ => Err(format!("{text:?} is no name of a drive or changer: drive-…, changer-…")),
        }
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// As much of a text as a name can have.
fn plain(text: &str) -> String {
    text.chars().filter(|c| is_plain(*c)).take(BODY_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(serial: Option<&str>, designator: Option<Name>) -> Identity {
        Identity { kind: Kind::Drive, serial: serial.map(str::to_owned), designator }
    }

    fn at(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn key(identity: &Identity) -> String {
        Key::of(identity, &at("2:0:0:1")).to_string()
    }

    #[test]
    fn names_are_made_of_what_the_device_says() {
        let naa = Name::Naa(vec![0x50, 0x01, 0x10, 0xa0, 0x00, 0x8b, 0x1d, 0xe8]);
        for (serial, designator, expected) in [
            (Some("HU1234ABCD"), Some(naa.clone()), "drive-HU1234ABCD"),
            (None, Some(naa.clone()), "drive-naa.500110a0008b1de8"),
            (None, None, "drive-at-2.0.0.1"),
            (Some("../etc/x y"), None, "drive-..etcxy-947d9a40"),
        ] {
            assert_eq!(key(&identity(serial, designator)), expected);
        }
    }

    #[test]
    fn whatever_a_device_says_its_name_is_a_short_name_of_a_file_and_reads_back() {
        let long = "0123456789".repeat(20);
        for serial in [long.as_str(), "/", "..", "a/b", "\u{fc}", "?", "-", " "] {
            for designator in [None, Some(Name::ScsiName(long.clone()))] {
                let who = identity(Some(serial), designator);
                let address = at("4294967295:4294967295:4294967295:18446744073709551615");
                for key in [
                    Key::of(&who, &address),
                    Key::of(&who, &address).with_sum(&who),
                    Key::of(&who, &address).with_lun(&address),
                    Key::of(&identity(None, None), &address).with_lun(&at("1:0:0:999")),
                ] {
                    assert_eq!(key.as_str().parse(), Ok(key.clone()));
                    assert!(!key.as_str().contains('/'), "{key}");
                }
            }
        }
        let (a, b) = (format!("{long}a"), format!("{long}b"));
        assert_ne!(key(&identity(Some(&a), None)), key(&identity(Some(&b), None)));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "drive-",
            "tape-1",
            "drive-a/b",
            "changer-a b",
            &format!("drive-{}", "x".repeat(99)),
        ] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_unit_is_named_by_its_world_wide_name_before_others_and_not_by_its_ports() {
        let one = |association, name| Designator { association, name };
        let t10 = Name::T10 { vendor: "IBM".into(), id: "X 1".into() };
        let naa = Name::Naa(vec![5; 8]);
        let all = [
            one(Association::TargetPort, Name::Naa(vec![6; 8])),
            one(Association::LogicalUnit, t10.clone()),
            one(Association::LogicalUnit, naa.clone()),
        ];
        assert_eq!(best(&all), Some(naa));
        assert_eq!(best(&all[..2]), Some(t10));
        assert_eq!(best(&all[..1]), None);
    }
}
