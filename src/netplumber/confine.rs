//! The cage of a component: Landlock and seccomp, put on before it is given a byte.
//!
//! Owns what the whole process may do from then on, for good: touch only the files it was given, open no
//! connection, and none of the system calls that no component needs. What the kernel lacks of Landlock is
//! left out and told; without seccomp nothing is run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::gluepot::Rights;
use crate::stream::{Blame, Fault};

/// What every component may read: who is called what, itself, and chance.
const READ_ALWAYS: &[&str] =
    &["/etc/passwd", "/etc/group", "/proc/self", "/dev/urandom", "/dev/random"];
/// What a program that is no component of ours needs to start at all.
const PROGRAMS: &[&str] = &["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache"];
/// What writes nowhere.
const WRITE_ALWAYS: &[&str] = &["/dev/null"];

/// How well the cage closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// All of it.
    Wholly,
    /// The kernel knows Landlock in part or not at all.
    WithoutSomeOfLandlock,
}

fn existing(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.exists()).collect()
}

fn named(paths: &[&str]) -> impl Iterator<Item = PathBuf> {
    paths.iter().map(PathBuf::from)
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::never(Blame::Host, format!("cannot confine the component: {error}"))
}

/// Confines this process, which must have one thread only. `folder` is where the component runs; `runs`
/// says whether it may start programs at all.
pub fn confine(rights: &Rights, folder: &Path, runs: bool) -> Result<Closed, Fault> {
    let closed = landlock(rights, folder, runs)?;
    seccompiler::apply_filter(&filter(runs)?).map_err(failed)?;
    Ok(closed)
}

fn landlock(rights: &Rights, folder: &Path, runs: bool) -> Result<Closed, Fault> {
    let abi = ABI::V6;
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = read | AccessFs::Execute;
    let write = AccessFs::from_all(abi) & !AccessFs::Execute;
    let programs = if runs { PROGRAMS } else { &[] };
    let readable = existing(named(READ_ALWAYS).chain(rights.read.iter().cloned()));
    let runnable = existing(named(programs).chain(rights.execute.iter().cloned()));
    let writable = named(WRITE_ALWAYS).chain(rights.write.iter().cloned());
    let writable = existing(writable.chain([folder.to_owned()]));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| match rights.network {
            true => ruleset.handle_access(AccessNet::BindTcp),
            false => ruleset.handle_access(AccessNet::from_all(abi)),
        })
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(readable, read)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(runnable, execute)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(writable, write)))
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(failed)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Closed::Wholly,
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => {
            Closed::WithoutSomeOfLandlock
        }
    })
}

/// System calls that no component needs.
const NEVER: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// What only a component that starts programs needs.
const TO_RUN: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

fn filter(runs: bool) -> Result<BpfProgram, Fault> {
    let to_run = if runs { &[] } else { TO_RUN };
    let refused = NEVER.iter().chain(to_run);
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        refused.map(|&call| (call, Vec::new())).collect();
    let no = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().map_err(failed)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, no, arch).map_err(failed)?;
    filter.try_into().map_err(failed)
}
