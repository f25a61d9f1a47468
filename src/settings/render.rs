//! The configuration of `serve` that follows from the settings.
//!
//! Owns the text, and which secrets go to files beside it: the service reads both at its start. Writes nothing.

use std::path::Path;

use toml::{Table, Value};

use super::{Device, Hidden, Limits, Mail, Settings, Webhook};

/// Name of the file with the mail server's password.
pub const MAIL_PASSWORD: &str = "mail-password";
/// Name of the file with the webhook's token.
pub const WEBHOOK_TOKEN: &str = "webhook-token";

/// Name of the file with what is kept of the administrator's password.
pub const ADMINISTRATOR: &str = "administrator";

/// Where clients connect if nothing is said.
const LISTEN: &str = "0.0.0.0:7420";

/// The name under which a device of a key is opened.
pub type DeviceName<'a> = &'a dyn Fn(&Device) -> String;

/// What the service's file says that is no setting.
pub struct Place<'a> {
    /// The folder of everything the service keeps.
    pub state: &'a Path,
    /// The folder of the secrets.
    pub beside: &'a Path,
    /// What a drive keeps in memory if nothing is set, MiB.
    pub sync_memory_mib: Option<u32>,
    /// Whether there is an administrator, whose file is beside.
    pub is_claimed: bool,
    /// Knows devices.
    pub name: DeviceName<'a>,
}

/// What the service reads.
#[derive(Debug)]
pub struct Rendered {
    /// Its file.
    pub text: String,
    /// Files beside it, that nobody else may read.
    pub secrets: Vec<(&'static str, Hidden)>,
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

impl Settings {
    /// The service's file on a box.
    pub fn render(&self, own: &Place<'_>) -> Rendered {
        let (serve, beside, name) = (&self.serve, own.beside, own.name);
        let mut file = Table::new();
        let mut secrets = Vec::new();
        file.insert("state".into(), text(own.state.display()));
        if own.is_claimed {
            let path = beside.join(ADMINISTRATOR);
            file.insert("administrator_file".into(), text(path.display()));
        }
        file.insert("listen".into(), serve.listen.map_or(text(LISTEN), text));
        if let Some(metrics) = serve.metrics {
            file.insert("metrics".into(), text(metrics));
        }
        if let Some(zone) = &self.time_zone {
            file.insert("time_zone".into(), text(zone));
        }
        if !serve.drives.is_empty() && !serve.drives.iter().any(|drive| drive.is_embedded()) {
            let drives = serve.drives.iter().map(|drive| text(name(drive))).collect();
            file.insert("drives".into(), Value::Array(drives));
            if let Some(changer) = &serve.changer {
                file.insert("changer".into(), text(name(changer)));
            }
        }
        let sync_memory_mib = serve.limits.sync_memory_mib.or(own.sync_memory_mib);
        let limits = Limits { sync_memory_mib, ..serve.limits.clone() };
        let limits = Table::try_from(&limits).expect("limits are numbers");
        if !limits.is_empty() {
            file.insert("limits".into(), Value::Table(limits));
        }
        if let Some(table) = mail(&serve.mail, beside, &mut secrets) {
            file.insert("mail".into(), Value::Table(table));
        }
        if let Some(table) = webhook(&serve.webhook, beside, &mut secrets) {
            file.insert("webhook".into(), Value::Table(table));
        }
        Rendered { text: file.to_string(), secrets }
    }
}

fn mail(mail: &Mail, beside: &Path, secrets: &mut Vec<(&'static str, Hidden)>) -> Option<Table> {
    mail.server.as_ref()?;
    let mut table = Table::try_from(mail).expect("mail is texts and numbers");
    if let Some(password) = &mail.password {
        table.remove("password");
        table.insert("password_file".into(), text(beside.join(MAIL_PASSWORD).display()));
        secrets.push((MAIL_PASSWORD, password.clone()));
    }
    Some(table)
}

fn webhook(
    hook: &Webhook,
    beside: &Path,
    secrets: &mut Vec<(&'static str, Hidden)>,
) -> Option<Table> {
    let mut table = Table::new();
    table.insert("url".into(), text(hook.url.as_ref()?));
    if let Some(token) = &hook.token {
        table.insert("bearer_file".into(), text(beside.join(WEBHOOK_TOKEN).display()));
        secrets.push((WEBHOOK_TOKEN, token.clone()));
    }
    Some(table)
}
