//! Faults: why a component gave up, and what to do about it.
//!
//! Owns the one error a component hands to its plumber. Sorted by whose fault it is, because that
//! decides who must act; says whether trying again can help, because that decides the exit status.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The cartridge.
    Medium,
    /// The tape drive.
    Drive,
    /// The robot.
    Changer,
    /// The path between us and the device or peer.
    Link,
    /// The stream we were fed.
    Peer,
    /// The component before or after us, which ended first and knows why.
    Neighbour,
    /// What we were asked to do cannot be done so.
    Operator,
    /// The host: disk, memory, permissions.
    Host,
    /// A defect of ours.
    Ours,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Blame::Medium => "medium",
            Blame::Drive => "drive",
            Blame::Changer => "changer",
            Blame::Link => "link",
            Blame::Peer => "peer",
            Blame::Neighbour => "neighbour",
            Blame::Operator => "operator",
            Blame::Host => "host",
            Blame::Ours => "defect",
        })
    }
}

/// Whether the same command may work another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Exit 2: the command line is wrong.
    Usage,
    /// Exit 100: not unless something changes.
    Never,
    /// Exit 111: it may.
    Later,
}

/// Why a component gave up, in one line, with what to do in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Whose fault.
    pub blame: Blame,
    /// Whether to try again.
    pub retry: Retry,
    /// `cannot VERB OBJECT: reason`, lower case, one line.
    pub what: String,
    /// What the reader should do, when there is something.
    pub hint: Option<String>,
    /// Other lines worth reading: the last commands of the device, the block's header.
    pub detail: Vec<String>,
}

impl Fault {
    /// A fault that may go away by itself.
    pub fn later(blame: Blame, what: impl Into<String>) -> Fault {
        Fault { blame, retry: Retry::Later, what: what.into(), hint: None, detail: Vec::new() }
    }

    /// A fault that stays until something changes.
    pub fn never(blame: Blame, what: impl Into<String>) -> Fault {
        Fault { blame, retry: Retry::Never, what: what.into(), hint: None, detail: Vec::new() }
    }

    /// A wrong command line.
    pub fn usage(what: impl Into<String>) -> Fault {
        let blame = Blame::Operator;
        Fault { blame, retry: Retry::Usage, what: what.into(), hint: None, detail: Vec::new() }
    }

    /// The stream we are fed is damaged.
    pub fn stream(what: impl Into<String>) -> Fault {
        Fault::later(Blame::Peer, what)
    }

    /// An edge was cut by whoever is at its other end: merely what follows from the fault over there.
    pub fn neighbour(what: impl Into<String>) -> Fault {
        Fault::later(Blame::Neighbour, what)
    }

    /// An I/O error on this host while doing `what` (`cannot write /x/y`). One that carries a fault is
    /// that fault.
    pub fn host(what: impl fmt::Display, error: &std::io::Error) -> Fault {
        let carried = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
        carried.cloned().unwrap_or_else(|| Fault::later(Blame::Host, format!("{what}: {error}")))
    }

    /// Adds what the reader should do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a line of detail.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Fault {
        self.detail.push(line.into());
        self
    }

    /// The process's exit status.
    pub fn exit_code(&self) -> u8 {
        match self.retry {
            Retry::Usage => 2,
            Retry::Never => 100,
            Retry::Later => 111,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}
