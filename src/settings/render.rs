//! The configuration of `serve` that follows from the settings.
//!
//! Owns the text, and which secrets go to files beside it: the service reads both at its start. Writes nothing.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::values::{ATTACHED, EMBEDDED};
use super::{Hidden, Limits, Mail, Serve, Settings, Webhook};

/// Name of the file with the mail server's password.
pub const MAIL_PASSWORD: &str = "mail-password";
/// Name of the file with the webhook's token.
pub const WEBHOOK_TOKEN: &str = "webhook-token";

/// Name of the file with what is kept of the administrator's password.
pub const ADMINISTRATOR: &str = "administrator";

/// Where clients connect if nothing is said.
const LISTEN: &str = "0.0.0.0:7420";

/// What the service's file says that is no setting, and what holds where settings say nothing.
#[derive(Debug, Clone)]
pub struct Around {
    /// Folder of everything the service keeps.
    pub state: PathBuf,
    /// Folder of the files beside its configuration.
    pub beside: PathBuf,
    /// Folder of the sockets by which attached devices are reached.
    pub doors: PathBuf,
    /// Whether the service takes what is attached, rather than a virtual library.
    pub takes_attached: bool,
    /// What a drive keeps in memory if nothing is set, MiB.
    pub sync_memory_mib: Option<u32>,
    /// Whether there is an administrator, whose file is beside.
    pub is_claimed: bool,
    /// A word for each time the catalogue is to be made anew.
    pub rebuild: Option<String>,
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
    /// The service's file.
    pub fn render(&self, around: &Around) -> Rendered {
        let beside = around.beside.as_path();
        let serve = &self.serve;
        let mut file = Table::new();
        let mut secrets = Vec::new();
        file.insert("state".into(), text(around.state.display()));
        if around.is_claimed {
            file.insert("administrator_file".into(), text(beside.join(ADMINISTRATOR).display()));
        }
        if let Some(word) = &around.rebuild {
            file.insert("rebuild".into(), text(word));
        }
        file.insert("listen".into(), serve.listen.map_or(text(LISTEN), text));
        if let Some(metrics) = serve.metrics {
            file.insert("metrics".into(), text(metrics));
        }
        if let Some(zone) = &self.time_zone {
            file.insert("time_zone".into(), text(zone));
        }
        devices(serve, around, &mut file);
        let sync_memory_mib = serve.limits.sync_memory_mib.or(around.sync_memory_mib);
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

fn devices(serve: &Serve, around: &Around, file: &mut Table) {
    let says_nothing = serve.drives.is_empty() && serve.changer.is_none();
    if serve.says(EMBEDDED) || says_nothing && !around.takes_attached {
        return;
    }
    file.insert("doors".into(), text(around.doors.display()));
    if !serve.drives.is_empty() && !serve.says(ATTACHED) {
        file.insert("drives".into(), Value::Array(serve.drives.iter().map(text).collect()));
    }
    if let Some(changer) = &serve.changer {
        file.insert("changer".into(), text(changer));
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
