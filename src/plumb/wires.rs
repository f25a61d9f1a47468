//! What one component process is wired to.
//!
//! Owns the numbers its descriptors get. A component with one edge on a side has it on 0 or 1 and its
//! receipts on 3 and 4. One with several has them from 10 on, and is told by their paths.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::{OwnedFd, RawFd};
use std::process::{Command, Stdio};

use command_fds::FdMapping;

use super::descriptors::{FIRST_BY_PATH, RECEIPTS_FROM_BELOW, RECEIPTS_UP, VERDICT};

/// Ends of pipes for one process.
#[derive(Default)]
pub(super) struct Wires {
    pub(super) stdin: Option<Stdio>,
    pub(super) stdout: Option<Stdio>,
    pub(super) up: Option<OwnedFd>,
    pub(super) below: Option<OwnedFd>,
    /// Data and receipts of several edges on one side.
    pub(super) named: Vec<(OwnedFd, OwnedFd)>,
    /// The option that names where the receipts of these are.
    option: &'static str,
}

impl Wires {
    /// For the first component of a chain into which these flow.
    pub(super) fn head(heads: Vec<(PipeReader, PipeWriter)>, outer: Stdio) -> Wires {
        let mut ends: Vec<(OwnedFd, OwnedFd)> =
            heads.into_iter().map(|(data, tell)| (data.into(), tell.into())).collect();
        match (ends.pop(), ends.is_empty()) {
            (None, _) => Wires { stdin: Some(outer), ..Wires::default() },
            (Some((data, tell)), true) => {
                Wires { stdin: Some(data.into()), up: Some(tell), ..Wires::default() }
            }
            (Some(last), false) => {
                ends.push(last);
                Wires { named: ends, option: "--up", ..Wires::default() }
            }
        }
    }

    /// For the last component of a chain that flows into these.
    pub(super) fn foot(
        &mut self,
        feet: Vec<(PipeWriter, PipeReader)>,
        receipts: bool,
        outer: impl Fn() -> Stdio,
    ) {
        let mut ends: Vec<(OwnedFd, OwnedFd)> =
            feet.into_iter().map(|(give, hear)| (give.into(), hear.into())).collect();
        match (ends.pop(), ends.is_empty()) {
            (None, _) => self.stdout = Some(outer()),
            (Some((give, hear)), true) => {
                self.stdout = Some(give.into());
                self.below = Some(hear).filter(|_| receipts);
            }
            (Some(last), false) => {
                ends.push(last);
                (self.named, self.option) = (ends, "--below");
            }
        }
    }

    /// Gives a command what it is wired to, and names by their paths what has no number of its own.
    pub(super) fn connect(
        self,
        command: &mut Command,
        verdict: PipeWriter,
        receipts: bool,
    ) -> Vec<FdMapping> {
        command.stdin(self.stdin.unwrap_or_else(Stdio::null));
        command.stdout(self.stdout.unwrap_or_else(Stdio::null));
        let own = [
            (Some(verdict.into()), VERDICT),
            (self.up, RECEIPTS_UP),
            (self.below, RECEIPTS_FROM_BELOW),
        ];
        let own = own.into_iter().filter_map(|(end, number)| Some((end?, number)));
        let (data, told): (Vec<OwnedFd>, Vec<OwnedFd>) = self.named.into_iter().unzip();
        let told = if receipts { told } else { Vec::new() };
        let path = |number: RawFd| format!("/dev/fd/{number}");
        let named: Vec<(OwnedFd, RawFd)> =
            data.into_iter().chain(told).zip(FIRST_BY_PATH..).collect();
        let (edges, receipts) = named.split_at(match receipts {
            true => named.len() / 2,
            false => named.len(),
        });
        command.args(edges.iter().map(|(_, number)| path(*number)));
        if !receipts.is_empty() {
            command.arg(self.option).args(receipts.iter().map(|(_, number)| path(*number)));
        }
        let all = own.chain(named);
        all.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect()
    }
}
