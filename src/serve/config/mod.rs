//! The file of `serve --config FILE`, in TOML.
//!
//! Owns its form, what each value may be, and what holds where nothing is said: without a file there is a
//! virtual library below the state folder, and nothing listens but on this host. Everything wrong is told with
//! its line. Opens no device and no socket. `docs/serve.toml` shows every key.

mod file;

use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use discover::Key;
use jiff::tz::TimeZone;
use lettre::message::Mailbox;
use zeroize::Zeroizing;

use crate::stream::Fault;

/// The longest file, bytes.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Drives one service has at most.
pub const DRIVES_MAX: usize = 64;
/// Addresses that get mail at most.
pub const MAIL_TO_MAX: usize = 16;
/// The longest password or bearer token, bytes.
pub const SECRET_BYTES_MAX: u64 = 4096;

/// What the service is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The folder of everything it keeps.
    pub state: PathBuf,
    /// The drives and the robot.
    pub devices: Devices,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where Prometheus asks, if it does.
    pub metrics: Option<SocketAddr>,
    /// The file with what is kept of the administrator's password, if that is set elsewhere.
    pub administrator_file: Option<PathBuf>,
    /// A word that was not said before: the catalogue is made anew of what lies on cartridges.
    pub rebuild: Option<String>,
    /// By whose clocks schedules go and reports tell the time.
    pub zone: TimeZone,
    /// How far it goes.
    pub limits: Limits,
    /// Who is told by mail, if anybody.
    pub mail: Option<Mail>,
    /// What is told over HTTP, if anything.
    pub webhook: Option<Webhook>,
}

/// The drives and the robot, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// Drives, in the order of their numbers.
    pub drives: Vec<String>,
    /// The robot, if there is one.
    pub changer: Option<String>,
    /// The folder of the virtual library that is used because no device was named; made when it is not there.
    pub embedded: Option<PathBuf>,
    /// Devices that other processes hold, if it is those; drives and robot above are none then.
    pub doors: Option<Doors>,
}

/// Devices that other processes hold, each behind a socket of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doors {
    /// The folder of the sockets.
    pub folder: PathBuf,
    /// The drives in the order of their numbers; none: all that come.
    pub drives: Vec<Key>,
    /// The robot.
    pub changer: Robot,
}

/// Which robot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Robot {
    /// The one that is there. Of several none is taken.
    #[default]
    Whichever,
    /// None: people put cartridges in by hand.
    None,
    /// This one, and no other.
    This(Key),
}

/// How far the service goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Streams that share a drive at most.
    pub streams_per_drive: u32,
    /// What a drive keeps in memory until it is durable, mebibytes.
    pub sync_memory_mib: u64,
    /// How long a byte waits for being made durable, seconds.
    pub sync_s: u64,
    /// How often the records are copied to tape, seconds; 0: never.
    pub records_copy_s: u64,
    /// How old a proof may be until a backup is read back, seconds; 0: none is.
    pub verify_after_s: u64,
}

/// How a connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    None,
    /// It begins in clear and goes on with TLS, or not at all.
    Starttls,
    /// It is TLS from its first byte.
    Tls,
}

impl MailTls {
    /// The usual port.
    fn port(self) -> u16 {
        match self {
            MailTls::None => 25,
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
        }
    }
}

/// Who is told by mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The server that takes it.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub tls: MailTls,
    /// The only authority its certificate may be from; none: those that browsers know.
    pub ca_file: Option<PathBuf>,
    /// Whom it is from.
    pub from: Mailbox,
    /// Whom it is for.
    pub to: Vec<Mailbox>,
    /// Who logs in, and the file of the password.
    pub login: Option<(String, PathBuf)>,
}

/// What is told over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// The file of the token that goes with it.
    pub bearer_file: Option<PathBuf>,
    /// The only authority its certificate may be from; none: those that browsers know.
    pub ca_file: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            streams_per_drive: 8,
            sync_memory_mib: 512,
            sync_s: 60,
            records_copy_s: 86_400,
            verify_after_s: 7_776_000,
        }
    }
}

impl Default for Config {
    /// What holds without a file.
    fn default() -> Config {
        let state = PathBuf::from("/var/lib/tapioca");
        Config {
            devices: Devices::embedded(&state),
            state,
            listen: SocketAddr::from(([127, 0, 0, 1], crate::identity::machine::PORT)),
            metrics: None,
            administrator_file: None,
            rebuild: None,
            zone: TimeZone::UTC,
            limits: Limits::default(),
            mail: None,
            webhook: None,
        }
    }
}

impl Devices {
    /// A virtual library below the state folder.
    pub fn embedded(state: &Path) -> Devices {
        let folder = state.join("library");
        let device = |name: &str| format!("virtual:{}#{name}", folder.display());
        Devices {
            drives: vec![device("drive0"), device("drive1")],
            changer: Some(device("changer")),
            embedded: Some(folder),
            doors: None,
        }
    }
}

impl Config {
    /// Reads a file. The fault begins with `FILE:LINE:COLUMN`.
    pub fn read(path: &Path) -> Result<Config, Fault> {
        let bytes = small(path, CONFIG_BYTES_MAX as u64)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            Fault::usage(format!("{}:{line}: this is not UTF-8", path.display()))
        })?;
        Config::parse(text).map_err(|mut fault| {
            fault.what = format!("{}:{}", path.display(), fault.what);
            fault
        })
    }

    /// Reads the text of a file. The fault begins with `LINE:COLUMN`.
    pub fn parse(text: &str) -> Result<Config, Fault> {
        file::File::parse(text)?.check(text)
    }
}

/// A password or token: the first line of a file that nobody else may read.
pub fn secret(path: &Path) -> Result<Zeroizing<String>, Fault> {
    let failed = |e: &std::io::Error| Fault::host(format!("cannot read {}", path.display()), e);
    let told = std::fs::metadata(path).map_err(|e| failed(&e))?;
    // Another user who writes it for the service can but let the service's group read it.
    let is_for_us = told.uid() != rustix::process::geteuid().as_raw()
        && told.gid() == rustix::process::getegid().as_raw();
    let others = if is_for_us { 0o037 } else { 0o077 };
    if told.permissions().mode() & others != 0 {
        let what = format!("others may read the secret in {}", path.display());
        return Err(Fault::usage(what).hint(format!("chmod 600 {}", path.display())));
    }
    let bytes = small(path, SECRET_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || line.chars().any(char::is_control) {
        let what = format!("there is no secret in {}", path.display());
        return Err(Fault::usage(what).hint("its first line is the password or token, in UTF-8"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// All of a file, which is wiped from memory after use.
pub(super) fn small(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let failed = |e: &std::io::Error| Fault::host(format!("cannot read {}", path.display()), e);
    let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max as usize + 1));
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    match bytes.len() as u64 <= bytes_max {
        true => Ok(bytes),
        false => Err(Fault::usage(format!("{} has more than {bytes_max} bytes", path.display()))),
    }
}
