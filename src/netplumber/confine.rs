//! The cage of a component, put on before it is given a byte.
//!
//! Owns what goes into it beside the rights that a gluepot gives: what every component reads, and what a program
//! that is none of ours needs to start at all. How a cage is closed is [`cage`](crate::cage)'s affair.

use std::path::{Path, PathBuf};

use super::gluepot::Rights;
use crate::cage::{self, Cage, Closed, Tcp};
use crate::stream::Fault;

/// What every component may read: who is called what, itself, and chance.
const READ_ALWAYS: &[&str] =
    &["/etc/passwd", "/etc/group", "/proc/self", "/dev/urandom", "/dev/random"];
/// What a program that is no component of ours needs to start at all.
const PROGRAMS: &[&str] = &["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache"];
/// What writes nowhere.
const WRITE_ALWAYS: &[&str] = &["/dev/null"];

fn with(paths: &[&str], more: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).chain(more.iter().cloned()).collect()
}

/// Confines this process, which must have one thread only. `folder` is where the component runs; `runs`
/// says whether it may start programs at all.
pub fn confine(rights: &Rights, folder: &Path, runs: bool) -> Result<Closed, Fault> {
    let mut write = with(WRITE_ALWAYS, &rights.write);
    write.push(folder.to_owned());
    let sockets = match (runs, rights.network) {
        (true, true) => cage::NETWORK,
        (true, false) => cage::LOCAL,
        (false, _) => &[],
    };
    cage::confine(&Cage {
        read: with(READ_ALWAYS, &rights.read),
        execute: with(if runs { PROGRAMS } else { &[] }, &rights.execute),
        write,
        tcp: if rights.network { Tcp::Connect } else { Tcp::None },
        runs,
        sockets,
        calls: &[],
    })
}
