//! Chains of processes, as a shell would start them.
//!
//! Owns the wiring: data from each component's descriptor 1 to the next one's 0, receipts from each
//! one's 3 to the 4 of the one before it, and those of the first to whoever started the chain. Every
//! component is the running executable under another name. Interprets no exit status.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use command_fds::{CommandFdExt, FdMapping};

use super::descriptors::{RECEIPTS_FROM_BELOW, RECEIPTS_UP};
use crate::stream::Fault;

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

/// A chain that runs.
pub struct Chain {
    children: Vec<(String, Child)>,
    receipts: Option<PipeReader>,
}

impl Chain {
    /// Starts `steps` with this executable; standard input of the first and standard output of the
    /// last are `/dev/null`. With `receipts` they travel up, and to [`Chain::receipts`].
    pub fn start(steps: &[Step], receipts: bool) -> Result<Chain, Fault> {
        let program =
            std::env::current_exe().map_err(|e| Fault::host("cannot find this executable", &e))?;
        Chain::start_as(&program, steps, receipts)
    }

    /// As [`start`](Chain::start), with another executable.
    pub fn start_as(program: &Path, steps: &[Step], receipts: bool) -> Result<Chain, Fault> {
        let mut chain = Chain { children: Vec::new(), receipts: None };
        match chain.start_all(program, steps, receipts) {
            Ok(()) => Ok(chain),
            // Dropping the chain closes its pipes and ends those that were started.
            Err(error) => Err(Fault::host(format!("cannot start {}", as_shell(steps)), &error)),
        }
    }

    fn start_all(&mut self, program: &Path, steps: &[Step], receipts: bool) -> io::Result<()> {
        let mut input = Stdio::null();
        let mut up: Option<PipeWriter> = None;
        if receipts {
            let (reader, writer) = io::pipe()?;
            (self.receipts, up) = (Some(reader), Some(writer));
        }
        for (at, step) in steps.iter().enumerate() {
            let last = at + 1 == steps.len();
            let mut command = Command::new(program);
            command.args(step).stdin(std::mem::replace(&mut input, Stdio::null()));
            let mut mappings = Vec::new();
            if let Some(up) = up.take() {
                mappings.push(FdMapping { parent_fd: OwnedFd::from(up), child_fd: RECEIPTS_UP });
            }
            if last {
                command.stdout(Stdio::null());
            } else {
                let (reader, writer) = io::pipe()?;
                command.stdout(writer);
                input = reader.into();
                if receipts {
                    let (reader, writer) = io::pipe()?;
                    let parent_fd = OwnedFd::from(reader);
                    mappings.push(FdMapping { parent_fd, child_fd: RECEIPTS_FROM_BELOW });
                    up = Some(writer);
                }
            }
            let mapped = command.fd_mappings(mappings);
            mapped.map_err(|e| io::Error::other(e.to_string()))?;
            let name = step.first().map(|name| name.to_string_lossy().into_owned());
            self.children.push((name.unwrap_or_default(), command.spawn()?));
            // The command holds our ends of the pipes; it goes here, so that they close.
        }
        Ok(())
    }

    /// The receipts of the whole chain, one line of JSON each, until its end.
    pub fn receipts(&mut self) -> Option<File> {
        self.receipts.take().map(|reader| File::from(OwnedFd::from(reader)))
    }

    /// Waits for all and tells each one's name and exit status.
    pub fn wait(mut self) -> Result<Vec<(String, ExitStatus)>, Fault> {
        // A reader that nobody empties must not make a component wait for us.
        self.receipts = None;
        let mut statuses = Vec::new();
        for (name, child) in &mut self.children {
            let status = child.wait();
            let status = status.map_err(|e| Fault::host(format!("cannot wait for {name}"), &e))?;
            statuses.push((name.clone(), status));
        }
        self.children.clear();
        Ok(statuses)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        for (name, child) in &mut self.children {
            let ended = child.kill().and_then(|()| child.wait());
            if let Err(error) = ended {
                tracing::debug!(%error, name, "ending a component");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

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
        let mut chain = Chain::start_as(Path::new("/bin/sh"), &steps, true).unwrap();
        let mut receipts = String::new();
        chain.receipts().unwrap().read_to_string(&mut receipts).unwrap();
        let statuses = chain.wait().unwrap();
        assert!(statuses.iter().all(|(_, status)| status.success()), "{statuses:?}");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "download\n");
        assert_eq!(receipts, "REceipt\n");
    }

    #[test]
    fn each_status_is_told() {
        let steps = [shell("exit 3"), shell("cat >/dev/null; exit 0")];
        let chain = Chain::start_as(Path::new("/bin/sh"), &steps, false).unwrap();
        let codes: Vec<_> = chain.wait().unwrap().iter().map(|(_, s)| s.code()).collect();
        assert_eq!(codes, [Some(3), Some(0)]);
    }

    #[test]
    fn lines_can_be_pasted() {
        let steps = [step(["src_tape", "--drive", "virtual:/a b#drive0"]), step(["sink_null"])];
        let line = "tapioca src_tape --drive 'virtual:/a b#drive0' | tapioca sink_null";
        assert_eq!(as_shell(&steps), line);
        assert_eq!(as_shell(&[step(["it's"])]), "tapioca 'it'\\''s'");
    }
}
