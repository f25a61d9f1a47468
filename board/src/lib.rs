//! A machine described as data.
//!
//! Owns the manifests in `boards/` (compiled in) and those an operator writes: TOML files of which
//! one may inherit others. Reads them, checks every key against one table ([`schema`]), merges them
//! and says of each setting which manifest it came from. Knows no device and opens none.

pub mod error;
mod found;
pub mod machine;
pub mod manifest;
pub mod matrix;
pub mod schema;

use std::collections::BTreeMap;
use std::fmt;

pub use error::Error;
use found::Found;
pub use machine::Machine;
use manifest::Origin;
pub use schema::{KEYS, Key, Kind, Value};

/// How many manifests may stand in line, each inheriting the next.
pub const DEPTH_MAX: usize = 8;

/// A value and the manifest that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What was said.
    pub value: Value,
    /// Name of the embedded manifest, or path of the file, that said it last.
    pub from: String,
}

/// What is written on tape, and how often it is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tape {
    /// Bytes of a logical block of a new volume.
    pub block_bytes: usize,
    /// Mebibytes between two syncs.
    pub sync_mib: u64,
}

/// A library that lives in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualLibrary {
    /// Data transfer elements.
    pub drives: u16,
    /// Storage elements.
    pub slots: u16,
    /// Import/export elements.
    pub mail_slots: u16,
    /// Data cartridges it is made with.
    pub cartridges: u16,
    /// Mebibytes of block data one of them holds.
    pub cartridge_mib: u64,
}

/// One machine: its manifest with all it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Name of the embedded manifest, or path of the file, that was asked for.
    pub name: String,
    /// What the machine is, in a few words.
    pub title: String,
    /// Tape settings.
    pub tape: Tape,
    /// The virtual library, when the machine has one.
    pub virtual_library: Option<VirtualLibrary>,
    /// What the bootable image of it is made of, when there is one: when a kernel is named.
    pub machine: Option<Machine>,
    settings: BTreeMap<String, Setting>,
}

impl Board {
    /// Names of the embedded manifests.
    pub fn names() -> impl Iterator<Item = &'static str> {
        manifest::EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// Names of the embedded mix-ins, which make no machine by themselves.
    pub fn mixins() -> impl Iterator<Item = &'static str> {
        manifest::MIXINS.iter().map(|(name, _)| *name)
    }

    /// Reads the embedded manifest called `name_or_file`, or the file when it has a slash or ends in
    /// `.toml`, and everything it inherits. `board+mixin` is the board with mix-ins.
    ///
    /// # Errors
    ///
    /// [`Error`] names the manifest and, where there is one, the key.
    pub fn load(name_or_file: &str) -> Result<Board, Error> {
        let asked = Origin::of(name_or_file);
        Board::from_settings(asked.to_string(), manifest::merged(asked)?)
    }

    fn from_settings(name: String, settings: BTreeMap<String, Setting>) -> Result<Board, Error> {
        let found = Found { name: &name, settings: &settings };
        let title = found.text("title")?;
        let tape = Tape {
            block_bytes: found.number("tape.block_bytes")?,
            sync_mib: found.number("tape.sync_mib")?,
        };
        let virtual_library =
            found.has("virtual_library").then(|| found.virtual_library()).transpose()?;
        let machine = found.has("kernel").then(|| found.machine()).transpose()?;
        Ok(Board { title, tape, virtual_library, machine, settings, name })
    }

    /// Every setting by its dotted key, in the order of the keys.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(key, setting)| (key.as_str(), setting))
    }
}

/// The merged manifest: one that needs no other, with the origin of each line behind it.
impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys of no section come first, as TOML wants it, and those of one stand together.
        let mut sections: BTreeMap<&str, Vec<(&str, &Setting)>> = BTreeMap::new();
        for (key, setting) in self.settings() {
            let (section, word) = key.rsplit_once('.').unwrap_or(("", key));
            sections.entry(section).or_default().push((word, setting));
        }
        for (section, settings) in sections {
            if !section.is_empty() {
                writeln!(f, "\n[{section}]")?;
            }
            for (word, setting) in settings {
                let line = format!("{word} = {}", setting.value.as_toml());
                writeln!(f, "{line:<40} # {}", setting.from)?;
            }
        }
        Ok(())
    }
}
