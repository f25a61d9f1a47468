//! What values may be.
//!
//! Owns a type for each sort of value, made of text and printed as the same text. What is wrong is told in words
//! that go behind the name of the setting.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use discover::Key;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The longest value, bytes.
const TEXT_MAX: usize = 256;

/// A value that is a text of some form.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<$name, String> {
                let check: fn(&str) -> Result<(), String> = $check;
                if text.len() > TEXT_MAX {
                    return Err(format!("a value has {TEXT_MAX} bytes at most"));
                }
                check(&text)?;
                Ok($name(text))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn is_label(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(fine)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn when(fine: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if fine { Ok(()) } else { Err(wrong()) }
}

text! {
    /// The name of the box: one label of a host's name, RFC 1123.
    HostName, |text| when(is_label(text), || {
        format!("{text:?} is no name of a host: letters, digits and - inside, 63 at most")
    })
}

text! {
    /// A host on the network, by name or address.
    Host, |text| when(text.parse::<IpAddr>().is_ok() || text.len() <= 253 && text.split('.').all(is_label), || {
        format!("{text:?} is neither a host's name nor an address")
    })
}

text! {
    /// A time zone by its name, as `Europe/Berlin`.
    Zone, |text| jiff::tz::TimeZone::get(text).map(drop).map_err(|_| {
        format!("{text:?} is no time zone: they are called like Europe/Berlin, or UTC")
    })
}

text! {
    /// A mail address, maybe with a name before it in front of `<…>`.
    Mailbox, |text| when(text.parse::<lettre::message::Mailbox>().is_ok() && is_plain(text), || {
        format!("{text:?} is no mail address: ops@example.org")
    })
}

text! {
    /// An address of the web.
    Url, |text| {
        let uri = text.parse::<hyper::Uri>().ok();
        let scheme = uri.as_ref().and_then(|uri| uri.scheme_str()).unwrap_or("");
        let fine = uri.as_ref().is_some_and(|uri| uri.host().is_some());
        when(fine && ["http", "https"].contains(&scheme), || format!("{text:?} is not https://HOST/PATH"))
    }
}

text! {
    /// A drive or changer by its key, or a word: [`EMBEDDED`], [`ATTACHED`], [`NONE`].
    Device, |text| when([EMBEDDED, ATTACHED, NONE].contains(&text) || text.parse::<Key>().is_ok(), || {
        format!("{text:?} is no key of a device: show devices lists them")
    })
}

/// The virtual library inside the box.
pub const EMBEDDED: &str = "embedded";
/// Whatever is attached.
pub const ATTACHED: &str = "attached";
/// No robot: people put cartridges in by hand.
pub const NONE: &str = "none";

impl Device {
    /// The key of a device; none: a word.
    pub fn key(&self) -> Option<Key> {
        self.0.parse().ok()
    }
}

text! {
    /// A serial line, as the kernel calls it: `ttyS0`.
    Port, |text| when(
        text.strip_prefix("tty").is_some_and(|rest| {
            (1..=16).contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_alphanumeric())
        }),
        || format!("{text:?} is no serial line: ttyS0"),
    )
}

text! {
    /// A link: `any`, its place on the PCI bus (`0000:00:02.0`), or its hardware address (`52:54:00:12:34:56`).
    LinkKey, |text| {
        let hex = |part: &str, length: usize| {
            part.len() == length && part.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
        };
        let parts: Vec<&str> = text.split([':', '.']).collect();
        let is_pci = matches!(parts[..], [d, b, s, f] if hex(d, 4) && hex(b, 2) && hex(s, 2) && hex(f, 1))
            && text.as_bytes().get(10) == Some(&b'.') && text.matches(':').count() == 2;
        let is_mac = parts.len() == 6 && parts.iter().all(|part| hex(part, 2)) && !text.contains('.');
        when(text == "any" || is_pci || is_mac, || {
            format!("{text:?} is no link: any, 0000:00:02.0 or 52:54:00:12:34:56, in small letters")
        })
    }
}

/// Nothing that is no text on a line.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// An address and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// Bits that say which network.
    pub bits: u8,
}

impl Prefix {
    /// Whether another address is in the same network.
    pub fn holds(&self, other: IpAddr) -> bool {
        let network = |number: u128, width: u8| {
            let rest = u32::from(width - self.bits.min(width));
            number.checked_shr(rest).unwrap_or(0)
        };
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                network(u32::from(a).into(), 32) == network(u32::from(b).into(), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => network(a.into(), 128) == network(b.into(), 128),
            _ => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Prefix, String> {
        let wrong = || {
            format!("{text:?} is neither dhcp, off, nor an address with its prefix: 10.0.0.5/24")
        };
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| (1..=most).contains(bits)).ok_or_else(wrong)?;
        let prefix = Prefix { address, bits };
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(format!("{address} is no address of a host"));
        }
        Ok(prefix)
    }
}

/// How a link gets its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// It asks.
    #[default]
    Dhcp,
    /// It is not used.
    Off,
    /// This one.
    Static(Prefix),
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        match text.as_str() {
            "dhcp" => Ok(Address::Dhcp),
            "off" => Ok(Address::Off),
            other => other.parse().map(Address::Static),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Dhcp => f.write_str("dhcp"),
            Address::Off => f.write_str("off"),
            Address::Static(prefix) => prefix.fmt(f),
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

/// How mail is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Begins in clear.
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// Speeds of a serial line, in the order in which a BREAK tries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Speed(u32);

impl Speed {
    /// All of them, baud.
    pub const ALL: [u32; 4] = [115_200, 57_600, 38_400, 9600];

    /// In baud.
    pub fn baud(self) -> u32 {
        self.0
    }

    /// What a BREAK tries next.
    #[must_use]
    pub fn next(self) -> Speed {
        let at = Speed::ALL.iter().position(|speed| *speed == self.0).unwrap_or(0);
        Speed(Speed::ALL[(at + 1) % Speed::ALL.len()])
    }
}

impl Default for Speed {
    fn default() -> Speed {
        Speed(Speed::ALL[0])
    }
}

impl TryFrom<u32> for Speed {
    type Error = String;

    fn try_from(baud: u32) -> Result<Speed, String> {
        let known = Speed::ALL.contains(&baud).then_some(Speed(baud));
        known.ok_or_else(|| {
            format!("{baud} is no speed of a serial line: 115200, 57600, 38400 or 9600")
        })
    }
}

impl From<Speed> for u32 {
    fn from(speed: Speed) -> u32 {
        speed.0
    }
}

/// A secret: kept, and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hidden(String);

impl Hidden {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl TryFrom<String> for Hidden {
    type Error = String;

    fn try_from(text: String) -> Result<Hidden, String> {
        when(!text.is_empty() && text.len() <= TEXT_MAX && is_plain(&text), || {
            format!("a secret is one line of {TEXT_MAX} bytes at most")
        })?;
        Ok(Hidden(text))
    }
}

impl From<Hidden> for String {
    fn from(hidden: Hidden) -> String {
        hidden.0.clone()
    }
}
