//! What can be wrong with a manifest.
//!
//! All of it is the operator's to mend, so each message names the manifest and the key.

use std::fmt;

/// Why a board cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no embedded manifest of this name.
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// Path of the file.
        manifest: String,
        /// The system's word.
        why: String,
    },
    /// The file is no TOML.
    Syntax {
        /// Which manifest.
        manifest: String,
        /// Line, from 1, when it is known.
        line: Option<usize>,
        /// The parser's word.
        why: String,
    },
    /// A key that no manifest may have.
    UnknownKey {
        /// Which manifest.
        manifest: String,
        /// The dotted key.
        key: String,
    },
    /// A value of the wrong type, or out of its bounds.
    Value {
        /// Which manifest.
        manifest: String,
        /// The dotted key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A setting that neither the manifest nor one it inherits has.
    Missing {
        /// The manifest asked for.
        manifest: String,
        /// The dotted key.
        key: String,
    },
    /// [`INHERITED`](crate::schema::INHERITED) in a list that nothing inherited has.
    NothingInherited {
        /// The manifest asked for.
        manifest: String,
        /// The dotted key.
        key: String,
    },
    /// A manifest that inherits itself, by way of others.
    Cycle {
        /// The manifests in line, the first and the last the same.
        line: Vec<String>,
    },
    /// More than [`DEPTH_MAX`](crate::DEPTH_MAX) manifests in line.
    TooDeep {
        /// The manifest asked for.
        manifest: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unknown { name } => {
                let known: Vec<&str> =
                    crate::Board::names().chain(crate::Board::mixins()).collect();
                write!(f, "no board is called {name}; there are {}", known.join(", "))
            }
            Error::Unreadable { manifest, why } => write!(f, "cannot read {manifest}: {why}"),
            Error::Syntax { manifest, line: Some(line), why } => {
                write!(f, "{manifest}:{line}: {why}")
            }
            Error::Syntax { manifest, line: None, why } => write!(f, "{manifest}: {why}"),
            Error::UnknownKey { manifest, key } => write!(f, "{manifest}: unknown key {key}"),
            Error::Value { manifest, key, why } => write!(f, "{manifest}: {key}: {why}"),
            Error::Missing { manifest, key } => {
                write!(f, "{manifest}: {key} is missing, here and in all it inherits")
            }
            Error::NothingInherited { manifest, key } => {
                write!(
                    f,
                    "{manifest}: {key}: \"...\" stands for an inherited list, and there is none"
                )
            }
            Error::Cycle { line } => write!(f, "{} inherits itself", line.join(" inherits ")),
            Error::TooDeep { manifest } => {
                write!(f, "{manifest}: more than {} manifests in line", crate::DEPTH_MAX)
            }
        }
    }
}

impl std::error::Error for Error {}
