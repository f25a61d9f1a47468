//! A child's seat: the process in which it runs, and what that process may do.
//!
//! Owns the way from root to the user, the capabilities and the cage that the board says, taken in the child before
//! it does anything of its own and without another program being started in between.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use board::machine::Process;
use rustix::process::{DumpableBehavior, Pid, Uid, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::{machine, sandbox};
use crate::cage::{Closed, confine};
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
    let (cage, words) = sandbox::prepare(&machine, tape, process, instance.as_deref())?;
    let refused = |what: &'static str| {
        move |e: rustix::io::Errno| Fault::host(format!("cannot {what}"), &e.into())
    };
    give_up(process).map_err(refused("give rights up"))?;
    if confine(&cage)? == Closed::WithoutSomeOfLandlock {
        // The kernel of the board is older than what is asked of it; what it knows is in force.
        crate::say::say(format_args!("{name}: this kernel knows Landlock in part"));
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
