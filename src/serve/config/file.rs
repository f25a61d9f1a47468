//! The service's file as it is written, and what may stand there.
//!
//! Owns the keys, their limits, and the places of complaints. Everything may be left out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use discover::{Key, Kind};
use lettre::message::Mailbox;
use serde::Deserialize;
use toml::Spanned;

use super::{
    CONFIG_BYTES_MAX, Config, DRIVES_MAX, Devices, Doors, Limits, MAIL_TO_MAX, Mail, MailTls,
    Robot, Webhook,
};
use crate::serve::calendar;
use crate::stream::Fault;

/// Text with its place.
type Text = Spanned<String>;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    state: Option<Text>,
    drives: Option<Spanned<Vec<Text>>>,
    changer: Option<Text>,
    doors: Option<Text>,
    listen: Option<Text>,
    metrics: Option<Text>,
    administrator_file: Option<Text>,
    rebuild: Option<Text>,
    time_zone: Option<Text>,
    limits: LimitsFile,
    mail: Option<Spanned<MailFile>>,
    webhook: Option<WebhookFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsFile {
    streams_per_drive: Option<Spanned<i64>>,
    sync_memory_mib: Option<Spanned<i64>>,
    sync_s: Option<Spanned<i64>>,
    records_copy_s: Option<Spanned<i64>>,
    verify_after_s: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailFile {
    server: Text,
    port: Option<Spanned<i64>>,
    tls: Option<Text>,
    ca_file: Option<Text>,
    from: Text,
    to: Spanned<Vec<Text>>,
    user: Option<Text>,
    password_file: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookFile {
    url: Text,
    bearer_file: Option<Text>,
    ca_file: Option<Text>,
}

/// Complains about the byte at `at` of `text`.
fn wrong(text: &str, at: usize, what: impl std::fmt::Display) -> Fault {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    Fault::usage(format!("{line}:{column}: {what}"))
}

impl File {
    pub(super) fn parse(text: &str) -> Result<File, Fault> {
        if text.len() > CONFIG_BYTES_MAX {
            let what = format!("there are more than {CONFIG_BYTES_MAX} bytes");
            return Err(wrong(text, CONFIG_BYTES_MAX, what));
        }
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(text, at, error.message().replace('\n', ", "))
                .hint("every key with an example is in docs/serve.toml")
        })
    }

    pub(super) fn check(self, text: &str) -> Result<Config, Fault> {
        let at = Place { text };
        let default = Config::default();
        let state = at.folder(self.state)?.unwrap_or(default.state);
        let zone = self
            .time_zone
            .map(|name| calendar::zone(name.get_ref()).map_err(|fault| at.fault(&name, fault)));
        Ok(Config {
            devices: match self.doors {
                Some(doors) => at.doors(doors, self.drives, self.changer)?,
                None => at.devices(self.drives, self.changer, &state)?,
            },
            listen: at.address(self.listen)?.unwrap_or(default.listen),
            metrics: at.address(self.metrics)?,
            administrator_file: at.folder(self.administrator_file)?,
            rebuild: at.word(self.rebuild)?,
            zone: zone.transpose()?.unwrap_or(default.zone),
            limits: at.limits(self.limits)?,
            mail: self.mail.map(|mail| at.mail(mail)).transpose()?,
            webhook: self.webhook.map(|webhook| at.webhook(webhook)).transpose()?,
            state,
        })
    }
}

/// The longest word.
const WORD_BYTES_MAX: usize = 64;

/// Knows the text, so that it can say where something is wrong.
struct Place<'a> {
    text: &'a str,
}

impl Place<'_> {
    fn wrong<T>(&self, at: &Spanned<T>, what: impl std::fmt::Display) -> Fault {
        wrong(self.text, at.span().start, what)
    }

    fn fault<T>(&self, at: &Spanned<T>, fault: Fault) -> Fault {
        Fault { what: self.wrong(at, &fault.what).what, ..fault }
    }

    fn word(&self, value: Option<Text>) -> Result<Option<String>, Fault> {
        let is_fine = |word: &Text| (1..=WORD_BYTES_MAX).contains(&word.get_ref().len());
        match value {
            Some(word) if !is_fine(&word) => {
                Err(self.wrong(&word, format!("a word has 1 to {WORD_BYTES_MAX} bytes")))
            }
            word => Ok(word.map(Spanned::into_inner)),
        }
    }

    fn folder(&self, value: Option<Text>) -> Result<Option<PathBuf>, Fault> {
        let is_fine = |path: &Text| path.get_ref().starts_with('/') && plain(path.get_ref());
        match value {
            Some(path) if !is_fine(&path) => Err(self
                .wrong(&path, format!("{:?} is no path from the root", path.get_ref()))
                .hint(
                    "paths here begin with /, as nobody knows from where the service is started",
                )),
            path => Ok(path.map(|path| PathBuf::from(path.into_inner()))),
        }
    }

    fn address(&self, value: Option<Text>) -> Result<Option<SocketAddr>, Fault> {
        let Some(value) = value else { return Ok(None) };
        value.get_ref().parse().map(Some).map_err(|_| {
            self.wrong(&value, format!("{:?} is no address to listen on", value.get_ref()))
                .hint("addresses are numbers: 0.0.0.0:7420, 127.0.0.1:9420 or [::]:7420")
        })
    }

    fn number(
        &self,
        value: Option<Spanned<i64>>,
        from: i64,
        to: i64,
    ) -> Result<Option<u64>, Fault> {
        let Some(value) = value else { return Ok(None) };
        let number = *value.get_ref();
        match u64::try_from(number).ok().filter(|_| (from..=to).contains(&number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(&value, format!("{number} is not between {from} and {to}"))),
        }
    }

    fn limits(&self, file: LimitsFile) -> Result<Limits, Fault> {
        let default = Limits::default();
        let streams = self.number(file.streams_per_drive, 1, 64)?;
        Ok(Limits {
            streams_per_drive: streams.map_or(default.streams_per_drive, |n| n as u32),
            sync_memory_mib: self
                .number(file.sync_memory_mib, 16, 65536)?
                .unwrap_or(default.sync_memory_mib),
            sync_s: self.number(file.sync_s, 1, 3600)?.unwrap_or(default.sync_s),
            records_copy_s: self
                .number(file.records_copy_s, 0, 31_536_000)?
                .unwrap_or(default.records_copy_s),
            verify_after_s: self
                .number(file.verify_after_s, 0, 315_360_000)?
                .unwrap_or(default.verify_after_s),
        })
    }

    fn devices(
        &self,
        drives: Option<Spanned<Vec<Text>>>,
        changer: Option<Text>,
        state: &std::path::Path,
    ) -> Result<Devices, Fault> {
        let drives = match (drives, &changer) {
            (Some(drives), _) => drives,
            (None, None) => return Ok(Devices::embedded(state)),
            (None, Some(changer)) => {
                let what = "a changer needs drives: where are they?";
                return Err(self.wrong(changer, what).hint(DRIVES));
            }
        };
        self.each_once(&drives)?;
        drives.get_ref().iter().try_for_each(|drive| self.device(drive, "drive"))?;
        if let Some(changer) = &changer {
            self.device(changer, "changer")?;
        }
        let drives = drives.into_inner().into_iter().map(Spanned::into_inner).collect();
        Ok(Devices {
            drives,
            changer: changer.map(Spanned::into_inner),
            embedded: None,
            doors: None,
        })
    }

    /// There are drives, not too many, and none stands there twice.
    fn each_once(&self, drives: &Spanned<Vec<Text>>) -> Result<(), Fault> {
        if drives.get_ref().is_empty() || drives.get_ref().len() > DRIVES_MAX {
            let what = format!("there can be 1 to {DRIVES_MAX} drives");
            return Err(self.wrong(drives, what).hint(DRIVES));
        }
        let mut seen = BTreeSet::new();
        match drives.get_ref().iter().find(|drive| !seen.insert(drive.get_ref())) {
            Some(twice) => {
                Err(self.wrong(twice, format!("{} stands there twice", twice.get_ref())))
            }
            None => Ok(()),
        }
    }

    /// Devices behind doors: `drives` and `changer` are their keys.
    fn doors(
        &self,
        folder: Text,
        drives: Option<Spanned<Vec<Text>>>,
        changer: Option<Text>,
    ) -> Result<Devices, Fault> {
        let folder = self.folder(Some(folder))?.unwrap_or_default();
        let drives = match drives {
            Some(drives) => {
                self.each_once(&drives)?;
                drives.get_ref().iter().map(|drive| self.key(drive, Kind::Drive)).collect()
            }
            None => Ok(Vec::new()),
        };
        let changer = match &changer {
            None => Robot::Whichever,
            Some(changer) if changer.get_ref() == "none" => Robot::None,
            Some(changer) => Robot::This(self.key(changer, Kind::Changer)?),
        };
        let doors = Some(Doors { folder, drives: drives?, changer });
        Ok(Devices { drives: Vec::new(), changer: None, embedded: None, doors })
    }

    fn key(&self, name: &Text, kind: Kind) -> Result<Key, Fault> {
        let key = name.get_ref().parse::<Key>().ok().filter(|key| key.kind() == kind);
        key.ok_or_else(|| {
            self.wrong(name, format!("{:?} is no key of a {kind}", name.get_ref())).hint(
                "with doors, drives are named drive-SERIAL and a changer changer-SERIAL, or none",
            )
        })
    }

    /// The form of a device's name: `/dev/sgN`, `virtual:DIR#UNIT` or `door:SOCKET`.
    fn device(&self, name: &Text, unit: &str) -> Result<(), Fault> {
        let told = name.get_ref();
        let is_virtual = told.strip_prefix("virtual:").and_then(|rest| rest.rsplit_once('#'));
        let is_door = told.strip_prefix("door:").is_some_and(|path| path.starts_with('/'));
        let fine = match is_virtual {
            Some((folder, of)) => folder.starts_with('/') && of.starts_with(unit),
            None => is_door || told.starts_with("/dev/") && told.len() > "/dev/".len(),
        };
        match fine && plain(told) {
            true => Ok(()),
            false => Err(self.wrong(name, format!("{told:?} is no {unit}")).hint(match unit {
                "drive" => DRIVES,
                _ => "a changer is /dev/sgN or virtual:/DIR#changer",
            })),
        }
    }

    fn mail(&self, mail: Spanned<MailFile>) -> Result<Mail, Fault> {
        let whole = self.wrong(&mail, "");
        let mail = mail.into_inner();
        let tls = self.mail_tls(mail.tls)?;
        let to = mail.to.get_ref();
        if to.is_empty() || to.len() > MAIL_TO_MAX {
            return Err(self.wrong(&mail.to, format!("mail has 1 to {MAIL_TO_MAX} addresses")));
        }
        let to = to.iter().map(|to| self.mailbox(to)).collect::<Result<Vec<Mailbox>, Fault>>()?;
        let login = match (mail.user, self.folder(mail.password_file)?) {
            (None, None) => None,
            (Some(user), Some(_)) if tls == MailTls::None => {
                let what = "with tls = \"none\" the password would go over the network in clear";
                return Err(self.wrong(&user, what).hint("say tls = \"starttls\", or no user"));
            }
            (Some(user), Some(file)) => Some((user.into_inner(), file)),
            (Some(user), None) => {
                let what = "a user needs a password_file";
                return Err(self.wrong(&user, what).hint("the file's first line is the password"));
            }
            (None, Some(_)) => {
                return Err(Fault {
                    what: format!("{}a password_file needs a user", whole.what),
                    ..whole
                });
            }
        };
        let name = mail.server.get_ref();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
        {
            return Err(self.wrong(&mail.server, format!("{name:?} is no name of a server")));
        }
        Ok(Mail {
            port: self.number(mail.port, 1, 65535)?.map_or(tls.port(), |port| port as u16),
            from: self.mailbox(&mail.from)?,
            ca_file: self.folder(mail.ca_file)?,
            server: mail.server.into_inner(),
            tls,
            to,
            login,
        })
    }

    fn mail_tls(&self, tls: Option<Text>) -> Result<MailTls, Fault> {
        let Some(tls) = tls else { return Ok(MailTls::Starttls) };
        match tls.get_ref().as_str() {
            "none" => Ok(MailTls::None),
            "starttls" => Ok(MailTls::Starttls),
            "tls" => Ok(MailTls::Tls),
            other => Err(self
                .wrong(&tls, format!("{other:?} is not known here"))
                .hint("tls is \"starttls\" (port 587), \"tls\" (port 465) or \"none\" (port 25)")),
        }
    }

    fn mailbox(&self, address: &Text) -> Result<Mailbox, Fault> {
        address.get_ref().parse().map_err(|_| {
            self.wrong(address, format!("{:?} is no mail address", address.get_ref()))
                .hint("addresses are like ops@example.org or Operators <ops@example.org>")
        })
    }

    fn webhook(&self, file: WebhookFile) -> Result<Webhook, Fault> {
        let url = file.url.get_ref();
        let parsed = url.parse::<hyper::Uri>().ok().filter(|uri| uri.host().is_some());
        let scheme = parsed.as_ref().and_then(|uri| uri.scheme_str()).unwrap_or("");
        let Some(uri) = parsed.as_ref().filter(|_| ["http", "https"].contains(&scheme)) else {
            let what = format!("{url:?} is no address of a webhook");
            return Err(self
                .wrong(&file.url, what)
                .hint("https://HOST/PATH, or http for a host nearby"));
        };
        let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&uri.host().unwrap_or(""));
        if let Some(bearer) = file.bearer_file.as_ref().filter(|_| scheme == "http" && !is_here) {
            let what = "with http the token would go over the network in clear";
            return Err(self.wrong(bearer, what).hint("say https in url, or no bearer_file"));
        }
        Ok(Webhook {
            bearer_file: self.folder(file.bearer_file)?,
            ca_file: self.folder(file.ca_file)?,
            url: file.url.into_inner(),
        })
    }
}

const DRIVES: &str = "drives = [\"/dev/sg1\"], or [\"virtual:/DIR#drive0\"], or neither drives nor \
     changer for a virtual library below the state folder";

/// No control characters, which have no place in names.
fn plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
