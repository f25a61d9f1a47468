//! The box's settings: what its administrator decides.
//!
//! Owns the values, their text form (TOML), the words by which they are set and shown, and the configuration of
//! `serve` that follows from them. Decides nothing: generations, candidates and timers are the steward's.
//! Everything may be left out; [`keys::KEYS`] is the one list of what there is.

pub mod keys;
mod lines;
mod render;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use discover::Kind;
use serde::{Deserialize, Serialize};

pub use lines::{Line, diff};
pub use render::{ADMINISTRATOR, Around, MAIL_PASSWORD, Rendered, WEBHOOK_TOKEN};
pub use values::{
    Address, Device, Hidden, Host, HostName, LinkKey, MailTls, Mailbox, Port, Prefix, Speed, Url,
    Zone,
};

use crate::stream::Fault;
use values::{ATTACHED, EMBEDDED, NONE};

/// The longest text of settings, bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Time servers, name servers of a link, drives, receivers of mail: at most so many of each.
pub const LIST_MAX: usize = 16;
/// Links that are named at most.
pub const LINKS_MAX: usize = 32;

/// What the administrator decided. What is left out holds as told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the box; `tapioca` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HostName>,
    /// By whose clocks schedules go; UTC if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// Who is asked for the time; what DHCP names if left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntp: Vec<Host>,
    /// The links; those that are not named, and `any` is not either, ask by DHCP.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub network: BTreeMap<LinkKey, Link>,
    /// The service.
    #[serde(skip_serializing_if = "is_default")]
    pub serve: Serve,
    /// Serial lines; 115,200 baud where nothing is said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub console: BTreeMap<Port, Console>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a link gets its address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// `dhcp` (if left out), `off`, or an address with the length of its prefix.
    #[serde(skip_serializing_if = "is_default")]
    pub address: Address,
    /// Where everything else is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Who knows names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
}

/// What the service is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// Where clients connect; port 7420 of every address if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Where Prometheus asks; nowhere if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// The drives, in the order of their numbers; `embedded`, a virtual library; or `attached`, whatever is. Left
    /// out, one of the two, as the board says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drives: Vec<Device>,
    /// The robot; `none`; or, left out, the one that is attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changer: Option<Device>,
    /// How far it goes.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Who gets mail.
    #[serde(skip_serializing_if = "is_default")]
    pub mail: Mail,
    /// What is told over HTTP.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: Webhook,
}

/// How far the service goes; what is left out is as the service has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "told by the table of keys, and in docs/serve.toml")]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams_per_drive: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_memory_mib: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_copy_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_after_s: Option<u32>,
}

/// Reports and requests by mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "told by the table of keys, and in docs/serve.toml")]
pub struct Mail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Host>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<MailTls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Mailbox>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Mailbox>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
}

/// The same as JSON, sent to an address by POST.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "told by the table of keys, and in docs/serve.toml")]
pub struct Webhook {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Hidden>,
}

/// A serial line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// How fast it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
}

/// One line: what a parser said may have several, and what a program typed anything.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrong(at: &str, what: impl std::fmt::Display) -> Fault {
    Fault::usage(one_line(&format!("{at}: {what}")))
}

impl Settings {
    /// Reads the text form. That the values agree with each other is [`check`](Settings::check)ed apart.
    ///
    /// # Errors
    ///
    /// `LINE:COLUMN: what is wrong there`.
    pub fn parse(text: &str) -> Result<Settings, Fault> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong("1:1", format!("there are more than {TEXT_BYTES_MAX} bytes")));
        }
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            wrong(&format!("{line}:{column}"), one_line(error.message()))
        })
    }

    /// The text form, which [`parse`](Settings::parse) reads. Has secrets in it.
    pub fn text(&self) -> String {
        toml::to_string(self).expect("settings are tables of texts and numbers")
    }

    /// Whether the values agree with each other.
    ///
    /// # Errors
    ///
    /// `WHERE: what`, where being the words by which it is set.
    pub fn check(&self) -> Result<(), Fault> {
        if self.text().len() > TEXT_BYTES_MAX {
            return Err(wrong("settings", format!("more than {TEXT_BYTES_MAX} bytes of them")));
        }
        for (what, count) in [
            ("ntp", self.ntp.len()),
            ("serve drives", self.serve.drives.len()),
            ("serve mail to", self.serve.mail.to.len()),
        ] {
            if count > LIST_MAX {
                return Err(wrong(what, format!("{count} of them are more than {LIST_MAX}")));
            }
        }
        if self.network.len() > LINKS_MAX {
            return Err(wrong("network", format!("more than {LINKS_MAX} links")));
        }
        self.network.iter().try_for_each(|(key, link)| link.check(key))?;
        self.serve.check()
    }
}

impl Link {
    fn check(&self, key: &LinkKey) -> Result<(), Fault> {
        let at = |word: &str| format!("network {key} {word}");
        if self.dns.len() > LIST_MAX {
            return Err(wrong(&at("dns"), format!("more than {LIST_MAX} of them")));
        }
        let Address::Static(own) = &self.address else {
            let given = [("gateway", self.gateway.is_some()), ("dns", !self.dns.is_empty())];
            return match given.iter().find(|(_, given)| *given) {
                Some((word, _)) => Err(wrong(&at(word), "goes with an address of its own only")
                    .hint(format!("set network {key} address ADDRESS/PREFIX"))),
                None => Ok(()),
            };
        };
        match self.gateway {
            Some(gateway) if !own.holds(gateway) => {
                Err(wrong(&at("gateway"), format!("{gateway} is not in the network of {own}")))
            }
            Some(gateway) if gateway == own.address => {
                Err(wrong(&at("gateway"), format!("{gateway} is the address of the link itself")))
            }
            _ => Ok(()),
        }
    }
}

impl Serve {
    /// A word about the drives that stands in the place of their keys.
    fn says(&self, word: &str) -> bool {
        self.drives.iter().any(|drive| **drive == *word)
    }

    fn check_devices(&self) -> Result<(), Fault> {
        let beside = self.drives.len() > 1;
        if self.says(EMBEDDED) && (beside || self.changer.is_some()) {
            return Err(wrong(
                "serve drives",
                "embedded is a whole library: nothing goes beside it",
            ));
        }
        if self.says(ATTACHED) && beside {
            return Err(wrong("serve drives", "attached are all drives: none goes beside it"));
        }
        for (nth, drive) in self.drives.iter().enumerate() {
            if self.drives[..nth].contains(drive) {
                return Err(wrong("serve drives", format!("{drive} is named twice")));
            }
            let is_drive = drive.key().map_or(**drive != *NONE, |key| key.kind() == Kind::Drive);
            if !is_drive {
                return Err(wrong("serve drives", format!("{drive} is no drive")));
            }
        }
        match &self.changer {
            Some(changer) if **changer == *NONE => Ok(()),
            Some(changer) if changer.key().is_none_or(|key| key.kind() != Kind::Changer) => {
                Err(wrong("serve changer", format!("{changer} is no changer"))
                    .hint("show devices lists them; none: cartridges are put in by hand"))
            }
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        self.check_devices()?;
        let mail = &self.mail;
        if *mail != Mail::default() {
            let needs = |what| wrong(what, "is needed for mail");
            mail.server.as_ref().ok_or_else(|| needs("serve mail server"))?;
            mail.from.as_ref().ok_or_else(|| needs("serve mail from"))?;
            mail.to.first().ok_or_else(|| needs("serve mail to"))?;
            if mail.user.is_some() != mail.password.is_some() {
                return Err(wrong("serve mail user", "user and password go together"));
            }
        }
        if self.webhook.token.is_some() && self.webhook.url.is_none() {
            return Err(wrong("serve webhook url", "is needed for a webhook"));
        }
        Ok(())
    }
}
