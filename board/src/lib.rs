//! A machine described as data.
//!
//! Owns the manifests in `boards/` (compiled in) and those an operator writes: TOML files of which
//! one may inherit another. Reads them, checks every key against one table ([`schema`]), merges them
//! and says of each setting which manifest it came from. Knows no device and opens none.

pub mod error;
pub mod manifest;
pub mod schema;

use std::collections::BTreeMap;
use std::fmt;

pub use error::Error;
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
    settings: BTreeMap<&'static str, Setting>,
}

impl Board {
    /// Names of the embedded manifests.
    pub fn names() -> impl Iterator<Item = &'static str> {
        manifest::EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// Reads the embedded manifest called `name_or_file`, or the file when it has a slash or ends in
    /// `.toml`, and everything it inherits.
    ///
    /// # Errors
    ///
    /// [`Error`] names the manifest and, where there is one, the key.
    pub fn load(name_or_file: &str) -> Result<Board, Error> {
        let asked = Origin::of(name_or_file);
        Board::from_settings(asked.to_string(), manifest::merged(asked)?)
    }

    fn from_settings(
        name: String,
        settings: BTreeMap<&'static str, Setting>,
    ) -> Result<Board, Error> {
        let found = Found { name: &name, settings: &settings };
        let title = found.text("title")?;
        let tape = Tape {
            block_bytes: found.number("tape.block_bytes")?,
            sync_mib: found.number("tape.sync_mib")?,
        };
        let has_library = settings.keys().any(|key| key.starts_with("virtual_library."));
        let virtual_library = has_library.then(|| found.virtual_library()).transpose()?;
        Ok(Board { title, tape, virtual_library, settings, name })
    }

    /// Every setting by its dotted key, in the order of the keys.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.settings.iter().map(|(key, setting)| (*key, setting))
    }
}

/// The merged settings, while they are taken apart.
struct Found<'a> {
    name: &'a str,
    settings: &'a BTreeMap<&'static str, Setting>,
}

impl Found<'_> {
    fn value(&self, key: &'static str) -> Result<&Value, Error> {
        let missing = || Error::Missing { manifest: self.name.to_owned(), key };
        self.settings.get(key).map(|setting| &setting.value).ok_or_else(missing)
    }

    fn text(&self, key: &'static str) -> Result<String, Error> {
        self.value(key).map(ToString::to_string)
    }

    /// A number that the schema bounds to what `T` holds.
    fn number<T: TryFrom<u64>>(&self, key: &'static str) -> Result<T, Error> {
        let wrong = || Error::Missing { manifest: self.name.to_owned(), key };
        match self.value(key)? {
            Value::Number(number) => T::try_from(*number).map_err(|_| wrong()),
            Value::Text(_) => Err(wrong()),
        }
    }

    fn virtual_library(&self) -> Result<VirtualLibrary, Error> {
        let library = VirtualLibrary {
            drives: self.number("virtual_library.drives")?,
            slots: self.number("virtual_library.slots")?,
            mail_slots: self.number("virtual_library.mail_slots")?,
            cartridges: self.number("virtual_library.cartridges")?,
            cartridge_mib: self.number("virtual_library.cartridge_mib")?,
        };
        if library.cartridges > library.slots {
            let why = format!("{} do not fit into {} slots", library.cartridges, library.slots);
            let key = "virtual_library.cartridges".to_owned();
            return Err(Error::Value { manifest: self.name.to_owned(), key, why });
        }
        Ok(library)
    }
}

/// The merged manifest: one that needs no other, with the origin of each line behind it.
impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        // Keys of no section come first, as TOML wants it; the others are sorted already.
        let (outer, inner): (Vec<_>, Vec<_>) =
            self.settings().partition(|(key, _)| !key.contains('.'));
        for (key, setting) in outer.into_iter().chain(inner) {
            let (of, word) = key.rsplit_once('.').unwrap_or(("", key));
            if of != section {
                section = of;
                writeln!(f, "\n[{section}]")?;
            }
            let line = format!("{word} = {}", setting.value.as_toml());
            writeln!(f, "{line:<40} # {}", setting.from)?;
        }
        Ok(())
    }
}
