//! What the processes of the box may reach: a cage for each, and the words of its command.
//!
//! Owns which files, sockets and calls a kind of process has, and gives it what is to be its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use board::machine::{Machine, Process};
use nix::libc;

use super::{BOARD, DOORS, META, RUN, board};
use crate::cage::{self, Cage, Tcp};
use crate::stream::{Blame, Fault};

/// Whether a file system of its own is there.
fn is_mounted(path: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &str| fs::metadata(path).map(|meta| meta.dev()).ok();
    device(path).is_some_and(|own| Some(own) != device("/"))
}

fn paths(list: &[&str]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

/// What everybody may read. A static executable takes random bytes from `urandom`, once `random` says it is ready.
const READ: &[&str] =
    &["/board.toml", "/etc", "/proc", "/sys", "/dev/random", "/dev/urandom", "/sbom.spdx.json"];

/// Gives a drive or changer to the process that holds it for others, and that a place for its socket: what is made
/// there belongs to the group of serve, which has to find and reach it. Its node.
fn give_device(machine: &Machine, process: &Process, key: &str) -> Result<PathBuf, Fault> {
    let failed =
        |what: String| move |e: std::io::Error| Fault::host(format!("cannot give {what} away"), &e);
    let attached =
        discover::attached().map_err(|e| Fault::host("cannot look for drives and changers", &e))?;
    let device = attached.into_iter().find(|device| device.key.as_str() == key);
    let gone = || Fault::later(Blame::Host, format!("{key} is not attached"));
    let node = device.ok_or_else(gone)?.node;
    let group = super::data::user(machine, "serve").unwrap_or(process.user);
    fs::create_dir_all(DOORS)
        .and_then(|()| chown(DOORS, Some(process.user), Some(group)))
        .and_then(|()| fs::set_permissions(DOORS, fs::Permissions::from_mode(0o2750)))
        .map_err(failed(DOORS.into()))?;
    chown(&node, Some(process.user), Some(process.user))
        .and_then(|()| fs::set_permissions(&node, fs::Permissions::from_mode(0o600)))
        .map_err(failed(node.display().to_string()))?;
    Ok(node)
}

/// The cage of a child and the words of its command; what it owns is given to it.
///
/// # Errors
///
/// What it needs is not there, or cannot be given away.
pub(super) fn prepare(
    machine: &Machine,
    tape: board::Tape,
    process: &Process,
    instance: Option<&str>,
) -> Result<(Cage, Vec<String>), Fault> {
    let mut cage = Cage { read: paths(READ), sockets: cage::LOCAL, ..Cage::default() };
    cage.write = paths(&[RUN, "/dev/null"]);
    let words = vec![process.name.clone()];
    let mut sandbox = Sandbox { machine, tape, process, instance, cage, words };
    match process.sandbox.as_str() {
        "steward" => sandbox.steward()?,
        "console" => sandbox.console()?,
        "updater" => sandbox.updater()?,
        "net" => sandbox.net()?,
        "scsi_door" => sandbox.door()?,
        "serve" => sandbox.serve(),
        other => {
            let what = format!("process {}: no sandbox is called {other}", process.name);
            return Err(Fault::never(Blame::Operator, what));
        }
    }
    Ok((sandbox.cage, sandbox.words))
}

struct Sandbox<'a> {
    machine: &'a Machine,
    tape: board::Tape,
    process: &'a Process,
    instance: Option<&'a str>,
    cage: Cage,
    words: Vec<String>,
}

impl Sandbox<'_> {
    /// Makes a folder that belongs to the process.
    fn owned(&self, path: &str) -> Result<(), Fault> {
        let Process { name, user, .. } = self.process;
        fs::create_dir_all(path)
            .and_then(|()| chown(path, Some(*user), Some(*user)))
            .map_err(|e| Fault::host(format!("cannot give {path} to {name}"), &e))
    }

    /// The steward has the raw partition, and everybody speaks with it.
    fn steward(&mut self) -> Result<(), Fault> {
        // What the steward writes there belongs to the group of serve, which has to read it.
        let group = super::data::user(self.machine, "serve").unwrap_or(self.process.user);
        chown(RUN, Some(self.process.user), Some(group))
            .and_then(|()| fs::set_permissions(RUN, fs::Permissions::from_mode(0o2755)))
            .map_err(|e| Fault::host(format!("cannot give {RUN} away"), &e))?;
        self.cage.write.extend(fs::canonicalize(META));
        self.words.extend(["--meta".into(), META.into(), "--doors".into(), DOORS.into()]);
        // A board with a library inside has it unless settings say otherwise.
        if board()?.virtual_library.is_none() {
            self.words.push("--attached".into());
        }
        // The service takes no less than 16.
        self.words.extend(["--sync-mib".into(), self.tape.sync_mib.max(16).to_string()]);
        for other in self.machine.processes.iter().filter(|other| other.name != self.process.name) {
            let sort = match other.sandbox.as_str() {
                "console" => "--console",
                "net" => "--net",
                "updater" => "--updater",
                _ => "--peer",
            };
            self.words.extend([sort.into(), other.user.to_string()]);
        }
        Ok(())
    }

    /// A console has its line, and shows the kernel's.
    fn console(&mut self) -> Result<(), Fault> {
        let missing = || Fault::usage("a console needs a serial port");
        let port = self.instance.ok_or_else(missing)?;
        let serial = self.machine.serial.iter().find(|serial| serial.port == port);
        let serial = serial.ok_or_else(|| Fault::usage(format!("the board has no {port}")))?;
        let line = format!("/dev/{port}");
        chown(&line, Some(self.process.user), Some(self.process.user))
            .map_err(|e| Fault::host(format!("cannot give {line} away"), &e))?;
        self.cage.write.push(line.clone().into());
        self.cage.read.push("/dev/kmsg".into());
        self.words.extend(["--port".into(), line]);
        if let Some(speed) = serial.speeds_baud.first() {
            self.words.extend(["--speed".into(), speed.to_string()]);
        }
        Ok(())
    }

    /// The updater has the boot partition and its shelf.
    fn updater(&mut self) -> Result<(), Fault> {
        self.owned("/run/tapioca/updater")?;
        let found = disk::find().ok().flatten().and_then(|found| found.esp);
        let missing = || Fault::later(Blame::Host, "no disk has a boot partition of ours");
        let esp = found.ok_or_else(missing)?;
        chown(&esp, Some(self.process.user), Some(self.process.user))
            .map_err(|e| Fault::host(format!("cannot give {} away", esp.display()), &e))?;
        // Without the data file system nothing can be kept, and whoever tries this version has to know.
        let data = is_mounted("/data");
        let shelf = if data { "/data/images" } else { "/run/tapioca/updater/images" };
        self.owned(shelf)?;
        self.cage.read.extend(paths(&["/release.json", "/update.pub"]));
        self.cage.write.extend([shelf.into(), esp.clone()]);
        // The executable of an update is tested, out of memory.
        self.cage.runs = true;
        self.words.extend(["--esp".into(), esp.display().to_string()]);
        self.words.extend(["--shelf".into(), shelf.into()]);
        self.words.extend(data.then(|| "--data".into()));
        self.words.extend(["--settle-s".into(), self.machine.update.settle_s.to_string()]);
        self.words.extend(["--deadline-s".into(), self.machine.update.deadline_s.to_string()]);
        for peer in ["steward", "serve"] {
            let user = super::data::user(self.machine, peer);
            self.words
                .extend(user.into_iter().flat_map(|user| ["--peer".into(), user.to_string()]));
        }
        Ok(())
    }

    /// The network may be changed, and the clock set.
    fn net(&mut self) -> Result<(), Fault> {
        self.owned("/run/tapioca/net")?;
        self.cage.sockets = cage::NETWORK;
        self.cage.calls = &[libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex];
        self.words.extend((!self.machine.net.dhcp).then(|| "--no-dhcp".into()));
        self.words
            .extend(self.machine.net.ntp.iter().flat_map(|host| ["--ntp".into(), host.clone()]));
        Ok(())
    }

    /// A door has its device, and nothing else.
    fn door(&mut self) -> Result<(), Fault> {
        let missing = || Fault::usage("a door needs a device");
        let node = give_device(self.machine, self.process, self.instance.ok_or_else(missing)?)?;
        self.cage.write = vec![DOORS.into(), "/dev/null".into(), node.clone()];
        let socket = format!("{DOORS}/{}", self.instance.unwrap_or_default());
        self.words = vec!["door".into(), "--device".into(), node.display().to_string()];
        self.words.extend(["--socket".into(), socket]);
        Ok(())
    }

    /// The service has its state, and listens.
    fn serve(&mut self) {
        self.cage.execute = paths(&["/init"]);
        self.cage.write.extend(paths(&["/data/tapioca", "/tmp"]));
        self.cage.tcp = Tcp::Listen;
        self.cage.sockets = cage::NETWORK;
        self.cage.runs = true;
        // What it makes in a folder that a group may pass through is its own.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        self.words.extend(["--config".into(), format!("{RUN}/serve.toml")]);
        self.words.extend(["--board".into(), BOARD.into()]);
    }
}
