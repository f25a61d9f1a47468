//! Drive and changer errors as faults: whose, whether to retry, what to do.

use smc::Changer;
use ssc::Drive;

use crate::stream::{Blame, Fault};

/// How many of a device's last commands go with a fault.
const COMMANDS_TOLD: usize = 8;

/// A drive's error as a fault; `what` is `cannot VERB OBJECT`.
pub(crate) fn drive_fault(drive: &Drive, what: &str, error: &ssc::Error) -> Fault {
    let blame = match error {
        ssc::Error::Medium { .. } => Blame::Medium,
        ssc::Error::Drive { .. } | ssc::Error::Deferred { .. } | ssc::Error::Reset { .. } => {
            Blame::Drive
        }
        ssc::Error::Link { .. } => Blame::Link,
        ssc::Error::Operator { .. } | ssc::Error::Unsupported { .. } => Blame::Operator,
        ssc::Error::Ours { .. } => Blame::Ours,
    };
    let line = format!("{what}: {error}");
    let mut fault = match blame {
        Blame::Link | Blame::Drive => Fault::later(blame, line),
        _ => Fault::never(blame, line),
    };
    fault.detail = last_commands(drive);
    fault
}

fn last_commands(drive: &Drive) -> Vec<String> {
    let lines: Vec<String> = drive.last_commands().iter().map(ToString::to_string).collect();
    lines[lines.len().saturating_sub(COMMANDS_TOLD)..].to_vec()
}

/// A changer's error as a fault; `what` is `cannot VERB OBJECT`.
pub(crate) fn changer_fault(changer: &Changer, what: &str, error: &smc::Error) -> Fault {
    let blame = match error {
        smc::Error::Changer { .. } => Blame::Changer,
        smc::Error::Operator { .. } => Blame::Operator,
        smc::Error::Link { .. } => Blame::Link,
        smc::Error::Ours { .. } => Blame::Ours,
    };
    let mut fault = Fault::later(blame, format!("{what}: {error}"));
    let lines: Vec<String> = changer.last_commands().iter().map(ToString::to_string).collect();
    fault.detail = lines[lines.len().saturating_sub(COMMANDS_TOLD)..].to_vec();
    fault
}
