//! The table of everything a manifest may say.
//!
//! Owns the keys, their types and their bounds. A key that is not here is an error wherever it
//! stands, so a misspelt one is never silently a default.

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// A whole number.
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
        /// It must be a multiple of this.
        step: u64,
    },
}

/// One thing a manifest may say.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted: `section.word`.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
}

const fn number(path: &'static str, min: u64, max: u64, step: u64) -> Key {
    Key { path, kind: Kind::Number { min, max, step } }
}

/// Every key but `inherits`, which is the manifests' own affair.
pub const KEYS: &[Key] = &[
    Key { path: "title", kind: Kind::Text },
    number("tape.block_bytes", 65_536, 1_048_576, 4096),
    number("tape.sync_mib", 1, 1 << 20, 1),
    number("virtual_library.drives", 1, 256, 1),
    number("virtual_library.slots", 1, 32_768, 1),
    number("virtual_library.mail_slots", 0, 240, 1),
    number("virtual_library.cartridges", 0, 32_768, 1),
    number("virtual_library.cartridge_mib", 1, 1 << 30, 1),
];

/// A value that was checked against its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One line of text.
    Text(String),
    /// A whole number.
    Number(u64),
}

impl Value {
    /// As it stands in a manifest.
    pub fn as_toml(&self) -> String {
        match self {
            Value::Text(text) => toml::Value::String(text.clone()).to_string(),
            Value::Number(number) => number.to_string(),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => number.fmt(f),
        }
    }
}

/// The key of this dotted path.
pub fn key(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

impl Key {
    /// Takes a value from TOML, or says why not.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to stand behind the key's name.
    pub fn check(&self, value: &toml::Value) -> Result<Value, String> {
        match (self.kind, value) {
            (Kind::Text, toml::Value::String(text)) if text.contains(char::is_control) => {
                Err("must be one line".to_owned())
            }
            (Kind::Text, toml::Value::String(text)) => Ok(Value::Text(text.clone())),
            (Kind::Text, other) => Err(format!("must be text, not {}", other.type_str())),
            (Kind::Number { min, max, step }, toml::Value::Integer(number)) => {
                let fits = |n: &u64| (min..=max).contains(n) && n.is_multiple_of(step);
                let number = u64::try_from(*number).ok().filter(fits);
                number.map(Value::Number).ok_or_else(|| bounds(min, max, step))
            }
            (Kind::Number { .. }, other) => {
                Err(format!("must be a whole number, not {}", other.type_str()))
            }
        }
    }
}

fn bounds(min: u64, max: u64, step: u64) -> String {
    match step {
        1 => format!("must be {min} to {max}"),
        _ => format!("must be a multiple of {step} from {min} to {max}"),
    }
}
