//! Chains of processes, as a shell would start them.
//!
//! Owns the wiring: data from each component's descriptor 1 to the next one's 0, receipts from each
//! one's 3 to the 4 of the one before it, and those of the first to whoever started the chain. Every
//! component is the running executable under another name, and says on a descriptor of its own how it
//! ended.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::CommandFdExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::run::{Ended, Verdict, late};
use super::said::Said;
use super::wires::Wires;
use crate::stream::{Blame, Fault};

/// One component with its arguments: `["src_tape", "--drive", …]`.
pub type Step = Vec<OsString>;

/// Makes a step of words.
pub fn step<S: AsRef<std::ffi::OsStr>>(words: impl IntoIterator<Item = S>) -> Step {
    words.into_iter().map(|word| word.as_ref().to_owned()).collect()
}

/// The chain as a line for a shell, without the receipts.
pub fn as_shell(steps: &[Step]) -> String {
    let quoted = |word: &OsString| {
        let text = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        match !text.is_empty() && text.chars().all(plain) {
            true => text.into_owned(),
            false => format!("'{}'", text.replace('\'', "'\\''")),
        }
    };
    let line = |step: &Step| {
        std::iter::once("tapioca".to_owned())
            .chain(step.iter().map(quoted))
            .collect::<Vec<_>>()
            .join(" ")
    };
    steps.iter().map(line).collect::<Vec<_>>().join(" | ")
}

/// The longest verdict that is read, bytes.
const VERDICT_BYTES_MAX: u64 = 1024 * 1024;

/// What the first component reads and the last one prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// `/dev/null`.
    Closed,
    /// Standard input and output of this process.
    Ours,
}

struct Running {
    who: String,
    child: Child,
    /// Names the process also when it has ended, and no other after it.
    pidfd: OwnedFd,
    verdict: PipeReader,
}

/// How a chain is joined to others, by pipes: data into it and receipts out of it at its head, data out
/// of it and receipts into it at its foot.
#[derive(Default)]
pub struct Joints {
    /// Before each line of what its components say; nothing: they say it themselves.
    label: Option<String>,
    heads: Vec<(PipeReader, PipeWriter)>,
    feet: Vec<(PipeWriter, PipeReader)>,
}

impl Joints {
    /// Joined to nothing yet; what its components say has this before it.
    pub fn labelled(label: String) -> Joints {
        Joints { label: Some(label), ..Joints::default() }
    }

    /// Lets `from` flow into `to`.
    pub fn flow(from: &mut Joints, to: &mut Joints) -> Result<(), Fault> {
        let no_pipe = |e: io::Error| Fault::host("cannot make a pipe", &e);
        let (data, give) = io::pipe().map_err(no_pipe)?;
        let (receipts, tell) = io::pipe().map_err(no_pipe)?;
        from.feet.push((give, receipts));
        to.heads.push((data, tell));
        Ok(())
    }
}

/// A chain that runs.
pub struct Chain {
    children: Vec<Running>,
    receipts: Option<PipeReader>,
    said: Said,
}

/// Asks a chain to end, by its source: those below then see their edge cut and clear up.
pub struct Stop(OwnedFd);

impl Stop {
    /// Sends the source SIGTERM. One that has ended is not there any more, which is what was wanted.
    pub fn stop(&self) {
        if let Err(error) = pidfd_send_signal(&self.0, Signal::TERM) {
            tracing::debug!(%error, "stopping a source");
        }
    }
}

impl Chain {
    /// Starts `steps` with this executable; standard input of the first and standard output of the
    /// last are `/dev/null`. With `receipts` they travel up, and to [`Chain::receipts`].
    pub fn start(steps: &[Step], receipts: bool) -> Result<Chain, Fault> {
        let program =
            std::env::current_exe().map_err(|e| Fault::host("cannot find this executable", &e))?;
        Chain::start_as(&program, steps, receipts, Ends::Closed)
    }

    /// As [`start`](Chain::start), with another executable, and with other ends.
    pub fn start_as(
        program: &Path,
        steps: &[Step],
        receipts: bool,
        ends: Ends,
    ) -> Result<Chain, Fault> {
        Chain::start_joined(program, steps, receipts, ends, Joints::default())
    }

    /// As [`start_as`](Chain::start_as), joined to other chains.
    pub fn start_joined(
        program: &Path,
        steps: &[Step],
        receipts: bool,
        ends: Ends,
        joints: Joints,
    ) -> Result<Chain, Fault> {
        let said = Said::new(joints.label.clone());
        let mut chain = Chain { children: Vec::new(), receipts: None, said };
        match chain.start_all(program, steps, receipts, ends, joints) {
            Ok(()) => Ok(chain),
            // Dropping the chain closes its pipes and ends those that were started.
            Err(error) => Err(Fault::host(format!("cannot start {}", as_shell(steps)), &error)),
        }
    }

    fn start_all(
        &mut self,
        program: &Path,
        steps: &[Step],
        receipts: bool,
        ends: Ends,
        joints: Joints,
    ) -> io::Result<()> {
        let outer = || match ends {
            Ends::Closed => Stdio::null(),
            Ends::Ours => Stdio::inherit(),
        };
        let mut next = Wires::head(joints.heads, outer());
        if receipts && next.up.is_none() && next.named.is_empty() {
            let (reader, writer) = io::pipe()?;
            (self.receipts, next.up) = (Some(reader), Some(writer.into()));
        }
        let mut feet = Some(joints.feet);
        for (at, step) in steps.iter().enumerate() {
            let mut wires = std::mem::take(&mut next);
            if at + 1 == steps.len() {
                wires.foot(feet.take().unwrap_or_default(), receipts, outer);
            } else {
                let (reader, writer) = io::pipe()?;
                (wires.stdout, next.stdin) = (Some(writer.into()), Some(reader.into()));
                if receipts {
                    let (reader, writer) = io::pipe()?;
                    (wires.below, next.up) = (Some(reader.into()), Some(writer.into()));
                }
            }
            self.spawn(program, step, wires, receipts)?;
            // The command holds our ends of the pipes; it goes there, so that they close.
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        program: &Path,
        step: &Step,
        wires: Wires,
        receipts: bool,
    ) -> io::Result<()> {
        let who = step.first().map(|name| name.to_string_lossy().into_owned());
        let who = who.unwrap_or_default();
        let mut command = Command::new(program);
        let (verdict, told) = io::pipe()?;
        command.args(step);
        let mappings = wires.connect(&mut command, told, receipts);
        let said = self.said.pipe(&mut command)?;
        let mapped = command.fd_mappings(mappings);
        mapped.map_err(|e| io::Error::other(e.to_string()))?;
        let child = command.spawn()?;
        drop(command);
        self.said.follow(said, &who);
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        self.children.push(Running { who, child, pidfd, verdict });
        Ok(())
    }

    /// The receipts of the whole chain, one line of JSON each, until its end.
    pub fn receipts(&mut self) -> Option<File> {
        self.receipts.take().map(|reader| File::from(OwnedFd::from(reader)))
    }

    /// What ends it. A chain has a source at least.
    pub fn stop(&self) -> Result<Stop, Fault> {
        let source = self.children.first().map(|running| running.pidfd.try_clone());
        let source = source.ok_or_else(|| Fault::usage("a chain without components"))?;
        source.map(Stop).map_err(|e| Fault::host("cannot watch a component", &e))
    }

    /// Waits for all and tells how each one ended, by its own account where it gave one. Once one gave
    /// up the others have `grace` to end by themselves, and as much again when asked to.
    pub fn wait(mut self, grace: Duration) -> Result<Vec<Ended>, Fault> {
        // A reader that nobody empties must not make a component wait for us.
        self.receipts = None;
        let mut verdicts: Vec<Option<Verdict>> = self.children.iter().map(|_| None).collect();
        let (mut deadline, mut urging): (Option<Instant>, _) =
            (None, [Signal::TERM, Signal::KILL].iter());
        while verdicts.iter().any(Option::is_none) {
            let ready = self.ended_by(&verdicts, deadline)?;
            for &at in &ready {
                let verdict = self.children[at].verdict()?;
                if verdict.is_err() {
                    deadline.get_or_insert_with(|| Instant::now() + grace);
                }
                let was_made_to = urging.len() < 2 && verdict.is_err();
                verdicts[at] = Some(if was_made_to { late() } else { verdict });
            }
            if ready.is_empty() {
                let signal = *urging.next().unwrap_or(&Signal::KILL);
                let running = self.children.iter().zip(&verdicts);
                running
                    .filter(|(_, verdict)| verdict.is_none())
                    .for_each(|(r, _)| r.signal(signal));
                deadline = Some(Instant::now() + grace);
            }
        }
        self.said.wait();
        let names = self.children.drain(..).map(|running| running.who);
        let verdicts = verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(late));
        Ok(names.zip(verdicts).map(|(who, verdict)| Ended { who, verdict }).collect())
    }

    /// Those without a verdict that have ended; none if the deadline passed first.
    fn ended_by(
        &self,
        verdicts: &[Option<Verdict>],
        deadline: Option<Instant>,
    ) -> Result<Vec<usize>, Fault> {
        let open: Vec<usize> = (0..verdicts.len()).filter(|&at| verdicts[at].is_none()).collect();
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|&at| PollFd::new(&self.children[at].verdict, PollFlags::IN)).collect();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return self.ended_by(verdicts, deadline),
            Err(error) => return Err(Fault::host("cannot wait for a component", &error.into())),
        }
        let ready = open.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(&at, _)| at).collect())
    }
}

impl Running {
    /// One that has ended is not there any more, which is what was wanted.
    fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.pidfd, signal) {
            tracing::debug!(%error, who = self.who, "ending a component");
        }
    }

    fn verdict(&mut self) -> Result<Verdict, Fault> {
        let who = &self.who;
        let mut line = Vec::new();
        let told = (&mut self.verdict).take(VERDICT_BYTES_MAX).read_to_end(&mut line);
        told.map_err(|e| Fault::host(format!("cannot hear how {who} ended"), &e))?;
        let status = self.child.wait();
        let status = status.map_err(|e| Fault::host(format!("cannot wait for {who}"), &e))?;
        Ok(serde_json::from_slice(&line).unwrap_or_else(|_| without_a_word(status)))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        for running in &mut self.children {
            running.signal(Signal::KILL);
            if let Err(error) = running.child.wait() {
                tracing::debug!(%error, who = running.who, "waiting for a component");
            }
        }
    }
}

/// The verdict on a process that gave none: it was killed, or is no component of ours.
pub(crate) fn without_a_word(status: ExitStatus) -> Verdict {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(0),
        (Some(1), _) => Ok(1),
        (Some(code @ (2 | 100)), _) => {
            Err(Fault::never(Blame::Operator, format!("ended with status {code}")))
        }
        (Some(code), _) => Err(Fault::later(Blame::Host, format!("ended with status {code}"))),
        (None, Some(signal)) => {
            Err(Fault::later(Blame::Host, format!("was killed by signal {signal}")))
        }
        (None, None) => Err(Fault::later(Blame::Host, status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::root_cause;
    use super::*;

    fn shell(script: &str) -> Step {
        step(["-c", script])
    }

    #[test]
    fn data_flows_down_and_receipts_flow_up() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        let steps = [
            shell("echo payload; exec >&-; cat <&4 >&3"),
            shell("sed s/pay/down/; exec >&-; sed s/re/RE/ <&4 >&3"),
            shell(&format!("cat > {}; echo receipt >&3", kept.display())),
        ];
        let mut chain = Chain::start_as(Path::new("/bin/sh"), &steps, true, Ends::Closed).unwrap();
        let mut receipts = String::new();
        chain.receipts().unwrap().read_to_string(&mut receipts).unwrap();
        let ended = chain.wait(Duration::from_secs(600)).unwrap();
        assert!(ended.iter().all(|part| part.verdict == Ok(0)), "{ended:?}");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "download\n");
        assert_eq!(receipts, "REceipt\n");
    }

    #[test]
    fn each_verdict_is_told() {
        let steps = [
            shell("exit 3"),
            shell("cat >/dev/null; exit 1"),
            shell("kill -KILL $$"),
            shell(r#"echo '{"Ok":7}' >&5; exit 1"#),
            shell("exit 0"),
        ];
        let chain = Chain::start_as(Path::new("/bin/sh"), &steps, false, Ends::Closed).unwrap();
        let ended = chain.wait(Duration::from_secs(600)).unwrap();
        let told: Vec<_> =
            ended.iter().map(|part| part.verdict.clone().map_err(|f| f.what)).collect();
        let fault = |what: &str| Err(what.to_owned());
        let killed = fault("was killed by signal 9");
        assert_eq!(told, [fault("ended with status 3"), Ok(1), killed, Ok(7), Ok(0)]);
    }

    #[test]
    fn one_that_does_not_end_is_made_to() {
        for deaf in ["exec sleep 600", "trap '' TERM; while :; do :; done"] {
            let steps = [shell("exit 3"), shell(deaf)];
            let chain = Chain::start_as(Path::new("/bin/sh"), &steps, false, Ends::Closed).unwrap();
            let ended = chain.wait(Duration::from_millis(100)).unwrap();
            assert_eq!(ended[1].verdict, late(), "{deaf}");
            assert_eq!(
                root_cause(&ended).map(|(_, f)| f.what.as_str()),
                Some("ended with status 3")
            );
        }
    }

    #[test]
    fn lines_can_be_pasted() {
        let steps = [step(["src_tape", "--drive", "virtual:/a b#drive0"]), step(["sink_null"])];
        let line = "tapioca src_tape --drive 'virtual:/a b#drive0' | tapioca sink_null";
        assert_eq!(as_shell(&steps), line);
        assert_eq!(as_shell(&[step(["it's"])]), "tapioca 'it'\\''s'");
    }
}
