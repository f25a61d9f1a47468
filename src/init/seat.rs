//! A child's seat: the process in which it runs, and what that process may do.
//!
//! Owns the way from root to the user, the capabilities and the cage that the board says, taken in the child before
//! it does anything of its own and without another program being started in between.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use board::machine::{Machine, Process};
use nix::libc;
use rustix::process::{DumpableBehavior, Pid, Uid, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::{BOARD, DOORS, META, RUN, board, machine};
use crate::cage::{self, Cage, Closed, Tcp, confine};
use crate::stream::{Blame, Fault};

/// The word by which this executable is told to take a seat.
const WORD: &str = "seat";

/// Starts the process of a child. What it says goes into the kernel's log.
pub(super) fn spawn(process: &str, instance: Option<&str>, log: &str) -> std::io::Result<Pid> {
    let words = File::options().write(true).open("/dev/kmsg")?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("tapioca").arg(WORD).arg(process).args(instance);
    command.env_clear().env("TAPIOCA_LOG", log).env("LC_ALL", "C.UTF-8").current_dir("/");
    command.stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words);
    Ok(Pid::from_child(&command.spawn()?))
}

/// If `args` say so, gives up every right that the child they name has not, and returns the words of its command.
///
/// # Errors
///
/// The board knows no such child, or the kernel refuses: then nothing may be run.
pub fn take(args: Vec<OsString>) -> Result<Vec<OsString>, Fault> {
    let Some((name, instance)) = asked(&args) else { return Ok(args) };
    // Those that init reads are blocked in it, and so they would be here.
    nix::sys::signal::SigSet::all()
        .thread_unblock()
        .map_err(|e| Fault::host("cannot let signals in", &e.into()))?;
    let (machine, tape) = machine()?;
    let is_it = |process: &&Process| process.name == name;
    let process = machine
        .processes
        .iter()
        .find(is_it)
        .ok_or_else(|| Fault::usage(format!("the board has no process {name}")))?;
    let (cage, words) = prepare(&machine, tape, process, instance.as_deref())?;
    let refused = |what: &'static str| {
        move |e: rustix::io::Errno| Fault::host(format!("cannot {what}"), &e.into())
    };
    give_up(process).map_err(refused("give rights up"))?;
    if confine(&cage)? == Closed::WithoutSomeOfLandlock {
        // The kernel of the board is older than what is asked of it; what it knows is in force.
        eprintln!("{name}: this kernel knows Landlock in part");
    }
    Ok(std::iter::once("tapioca".into()).chain(words.into_iter().map(OsString::from)).collect())
}

fn asked(args: &[OsString]) -> Option<(String, Option<String>)> {
    let text = |n: usize| args.get(n).and_then(|word| word.to_str()).map(str::to_owned);
    let is_seat = args.len() <= 4 && text(1)? == WORD;
    is_seat.then_some((text(2)?, text(3)))
}

fn capabilities(process: &Process) -> Result<CapabilitySet, Fault> {
    let mut all = CapabilitySet::empty();
    for word in &process.capabilities {
        let name = word.strip_prefix("CAP_").unwrap_or(word);
        let unknown = || Fault::never(Blame::Operator, format!("no capability is called {word}"));
        all |= CapabilitySet::from_name(name).ok_or_else(unknown)?;
    }
    Ok(all)
}

fn give_up(process: &Process) -> Result<(), rustix::io::Errno> {
    let kept = capabilities(process).map_err(|_| rustix::io::Errno::INVAL)?;
    // A session and a group of its own, so that what it starts ends with it.
    setsid()?;
    for bit in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            // There are no more.
            Err(rustix::io::Errno::INVAL) => break,
            done => done?,
        }
    }
    set_thread_groups(&[])?;
    set_keep_capabilities(true)?;
    let (user, group) = (Uid::from_raw(process.user), Gid::from_raw(process.user));
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })?;
    set_keep_capabilities(false)?;
    set_no_new_privs(true)?;
    // Or it could not look at itself.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
}

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
fn prepare(
    machine: &Machine,
    tape: board::Tape,
    process: &Process,
    instance: Option<&str>,
) -> Result<(Cage, Vec<String>), Fault> {
    let mut cage = Cage { read: paths(READ), sockets: cage::LOCAL, ..Cage::default() };
    cage.write = paths(&[RUN, "/dev/null"]);
    let owned = |path: &str| {
        fs::create_dir_all(path)
            .and_then(|()| chown(path, Some(process.user), Some(process.user)))
            .map_err(|e| Fault::host(format!("cannot give {path} to {}", process.name), &e))
    };
    let mut words = vec![process.name.clone()];
    match process.sandbox.as_str() {
        "steward" => {
            // What the steward writes there belongs to the group of serve, which has to read it.
            let group = super::data::user(machine, "serve").unwrap_or(process.user);
            chown(RUN, Some(process.user), Some(group))
                .and_then(|()| fs::set_permissions(RUN, fs::Permissions::from_mode(0o2755)))
                .map_err(|e| Fault::host(format!("cannot give {RUN} away"), &e))?;
            cage.write.extend(fs::canonicalize(META));
            words.extend(["--meta".into(), META.into(), "--doors".into(), DOORS.into()]);
            // A board with a library inside has it unless settings say otherwise.
            if board()?.virtual_library.is_none() {
                words.push("--attached".into());
            }
            // The service takes no less than 16.
            words.extend(["--sync-mib".into(), tape.sync_mib.max(16).to_string()]);
            for other in machine.processes.iter().filter(|other| other.name != process.name) {
                let sort = if other.sandbox == "console" { "--console" } else { "--peer" };
                words.extend([sort.into(), other.user.to_string()]);
            }
        }
        "console" => {
            let missing = || Fault::usage("a console needs a serial port");
            let port = instance.ok_or_else(missing)?;
            let serial = machine.serial.iter().find(|serial| serial.port == port);
            let serial = serial.ok_or_else(|| Fault::usage(format!("the board has no {port}")))?;
            let line = format!("/dev/{port}");
            chown(&line, Some(process.user), Some(process.user))
                .map_err(|e| Fault::host(format!("cannot give {line} away"), &e))?;
            cage.write.push(line.clone().into());
            words.extend(["--port".into(), line]);
            if let Some(speed) = serial.speeds_baud.first() {
                words.extend(["--speed".into(), speed.to_string()]);
            }
        }
        "updater" => {
            owned("/run/tapioca/updater")?;
            let found = disk::find().ok().flatten().and_then(|found| found.esp);
            let missing = || Fault::later(Blame::Host, "no disk has a boot partition of ours");
            let esp = found.ok_or_else(missing)?;
            chown(&esp, Some(process.user), Some(process.user))
                .map_err(|e| Fault::host(format!("cannot give {} away", esp.display()), &e))?;
            // Without the data file system nothing can be kept, and whoever tries this version has to know.
            let data = is_mounted("/data");
            let shelf = if data { "/data/images" } else { "/run/tapioca/updater/images" };
            owned(shelf)?;
            cage.read.extend(paths(&["/release.json", "/update.pub"]));
            cage.write.extend([shelf.into(), esp.clone()]);
            // The executable of an update is tested, out of memory.
            cage.runs = true;
            words.extend(["--esp".into(), esp.display().to_string()]);
            words.extend(["--shelf".into(), shelf.into()]);
            words.extend(data.then(|| "--data".into()));
            words.extend(["--settle-s".into(), machine.update.settle_s.to_string()]);
            words.extend(["--deadline-s".into(), machine.update.deadline_s.to_string()]);
            for peer in ["steward", "serve"] {
                let user = super::data::user(machine, peer);
                words.extend(user.into_iter().flat_map(|user| ["--peer".into(), user.to_string()]));
            }
        }
        "net" => {
            owned("/run/tapioca/net")?;
            cage.sockets = cage::NETWORK;
            cage.calls = &[libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex];
            words.extend((!machine.net.dhcp).then(|| "--no-dhcp".into()));
            words.extend(machine.net.ntp.iter().flat_map(|host| ["--ntp".into(), host.clone()]));
        }
        "scsi_door" => {
            let missing = || Fault::usage("a door needs a device");
            let node = give_device(machine, process, instance.ok_or_else(missing)?)?;
            cage.write = vec![DOORS.into(), "/dev/null".into(), node.clone()];
            let socket = format!("{DOORS}/{}", instance.unwrap_or_default());
            words = vec!["door".into(), "--device".into(), node.display().to_string()];
            words.extend(["--socket".into(), socket]);
        }
        "serve" => {
            cage.execute = paths(&["/init"]);
            cage.write.extend(paths(&["/data/tapioca", "/tmp"]));
            cage.tcp = Tcp::Listen;
            cage.sockets = cage::NETWORK;
            cage.runs = true;
            // What it makes in a folder that a group may pass through is its own.
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
            words.extend(["--config".into(), format!("{RUN}/serve.toml")]);
            words.extend(["--board".into(), BOARD.into()]);
        }
        other => {
            let what = format!("process {}: no sandbox is called {other}", process.name);
            return Err(Fault::never(Blame::Operator, what));
        }
    }
    Ok((cage, words))
}
