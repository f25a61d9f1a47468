//! A cage: Landlock and seccomp, put on before a process is given a byte.
//!
//! Owns what the whole process may do from then on, for good: touch only the files it was given, open no
//! connection, and none of the system calls that nobody but the machine's keeper needs. What the kernel lacks of
//! Landlock is left out and told; without seccomp nothing is run. What goes into which cage is said elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::stream::{Blame, Fault};

/// What a process may do.
#[derive(Debug, Clone, Default)]
pub struct Cage {
    /// Files and folders it may read.
    pub read: Vec<PathBuf>,
    /// Those it may also execute.
    pub execute: Vec<PathBuf>,
    /// Those it may do everything with but execute.
    pub write: Vec<PathBuf>,
    /// TCP.
    pub tcp: Tcp,
    /// It may start programs.
    pub runs: bool,
    /// Address families of the sockets it may make (socket(2)); none, and it may make none and use none.
    pub sockets: &'static [libc::c_int],
    /// System calls it may make although hardly anybody may.
    pub calls: &'static [libc::c_long],
}

/// What a process may do by TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tcp {
    /// Nothing.
    #[default]
    None,
    /// Connect.
    Connect,
    /// Connect, and listen.
    Listen,
}

/// Sockets to processes of this machine.
pub const LOCAL: &[libc::c_int] = &[libc::AF_UNIX];
/// And to other machines. The C library asks the kernel by netlink which addresses it has.
pub const NETWORK: &[libc::c_int] =
    &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// How well the cage closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// All of it.
    Wholly,
    /// The kernel knows Landlock in part or not at all.
    WithoutSomeOfLandlock,
}

fn existing(paths: &[PathBuf]) -> Vec<&PathBuf> {
    paths.iter().filter(|path| path.exists()).collect()
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::never(Blame::Host, format!("cannot confine a process: {error}"))
}

/// Confines this process, which must have one thread only.
///
/// # Errors
///
/// The kernel refuses: nothing may be run then.
pub fn confine(cage: &Cage) -> Result<Closed, Fault> {
    let closed = landlock(cage)?;
    if !cage.sockets.is_empty() {
        refuse_families_but(cage.sockets)?;
    }
    refuse_calls(cage)?;
    Ok(closed)
}

fn landlock(cage: &Cage) -> Result<Closed, Fault> {
    let abi = ABI::V6;
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = read | AccessFs::Execute;
    let write = AccessFs::from_all(abi) & !AccessFs::Execute;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| match cage.tcp {
            Tcp::None => ruleset.handle_access(AccessNet::from_all(abi)),
            Tcp::Connect => ruleset.handle_access(AccessNet::BindTcp),
            Tcp::Listen => Ok(ruleset),
        })
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(existing(&cage.read), read)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(existing(&cage.execute), execute)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(existing(&cage.write), write)))
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(failed)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Closed::Wholly,
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => {
            Closed::WithoutSomeOfLandlock
        }
    })
}

/// System calls that hardly anybody needs.
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

/// What only those need that start programs.
const TO_RUN: &[libc::c_long] = &[libc::SYS_execve, libc::SYS_execveat];

/// What only those need that speak with others.
const TO_SPEAK: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

fn refuse(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: libc::c_int) -> Result<(), Fault> {
    let no = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().map_err(failed)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, no, arch).map_err(failed)?;
    let program: BpfProgram = filter.try_into().map_err(failed)?;
    seccompiler::apply_filter(&program).map_err(failed)
}

fn refuse_calls(cage: &Cage) -> Result<(), Fault> {
    let to_run = if cage.runs { &[] } else { TO_RUN };
    let to_speak = if cage.sockets.is_empty() { TO_SPEAK } else { &[] };
    let refused = NEVER.iter().chain(to_run).chain(to_speak);
    let refused = refused.filter(|call| !cage.calls.contains(call));
    refuse(refused.map(|&call| (call, Vec::new())).collect(), libc::EPERM)
}

/// Refuses sockets of families but these, in the words of a kernel that has no such family: libraries then do without,
/// where another error would end them. PAM is one, with the kernel's audit.
fn refuse_families_but(allowed: &[libc::c_int]) -> Result<(), Fault> {
    let is_not = |family: &libc::c_int| {
        let family = u64::from(family.unsigned_abs());
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
    };
    let conditions = allowed.iter().map(is_not).collect::<Result<_, _>>().map_err(failed)?;
    let other = SeccompRule::new(conditions).map_err(failed)?;
    refuse(BTreeMap::from([(libc::SYS_socket, vec![other])]), libc::EAFNOSUPPORT)
}
