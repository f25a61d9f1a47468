//! Manifests: where they are found, and how one inherits another.
//!
//! Owns the embedded ones and the walk along `inherits`. A name means a file beside the one that
//! names it or, should there be none, an embedded manifest. What is nearer wins, key by key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::schema::{self, Value};
use crate::{DEPTH_MAX, Error, Setting};

pub(crate) const EMBEDDED: &[(&str, &str)] = &[
    ("base", include_str!("../boards/base.toml")),
    ("dev-host", include_str!("../boards/dev-host.toml")),
];

/// Where a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Embedded(String),
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Embedded(name) => f.write_str(name),
            Origin::File(path) => path.display().fmt(f),
        }
    }
}

impl Origin {
    pub(crate) fn of(name_or_file: &str) -> Origin {
        match name_or_file.contains('/') || name_or_file.ends_with(".toml") {
            true => Origin::File(name_or_file.into()),
            false => Origin::Embedded(name_or_file.to_owned()),
        }
    }

    /// What `inherits = "name"` in this manifest means.
    fn parent(&self, name: &str) -> Origin {
        let Origin::File(path) = self else { return Origin::Embedded(name.to_owned()) };
        let beside = path.parent().unwrap_or(Path::new("")).join(format!("{name}.toml"));
        match beside.exists() && beside != *path {
            true => Origin::File(beside),
            false => Origin::Embedded(name.to_owned()),
        }
    }

    fn text(&self) -> Result<String, Error> {
        match self {
            Origin::Embedded(name) => {
                let found = EMBEDDED.iter().find(|(known, _)| known == name);
                let unknown = || Error::Unknown { name: name.clone() };
                found.map(|(_, text)| (*text).to_owned()).ok_or_else(unknown)
            }
            Origin::File(path) => std::fs::read_to_string(path).map_err(|e| Error::Unreadable {
                manifest: path.display().to_string(),
                why: e.to_string(),
            }),
        }
    }
}

/// One manifest by itself.
#[derive(Debug, Default)]
struct Manifest {
    inherits: Option<String>,
    values: Vec<(&'static str, Value)>,
}

/// The settings of a manifest and all it inherits.
pub(crate) fn merged(asked: Origin) -> Result<BTreeMap<&'static str, Setting>, Error> {
    let mut settings = BTreeMap::new();
    let mut line: Vec<Origin> = Vec::new();
    let mut next = Some(asked);
    while let Some(origin) = next {
        if line.contains(&origin) {
            let line = line.iter().chain([&origin]).map(ToString::to_string).collect();
            return Err(Error::Cycle { line });
        }
        if line.len() == DEPTH_MAX {
            return Err(Error::TooDeep { manifest: line[0].to_string() });
        }
        let manifest = read(&origin)?;
        for (key, value) in manifest.values {
            settings.entry(key).or_insert_with(|| Setting { value, from: origin.to_string() });
        }
        next = manifest.inherits.map(|name| origin.parent(&name));
        line.push(origin);
    }
    Ok(settings)
}

fn read(origin: &Origin) -> Result<Manifest, Error> {
    let text = origin.text()?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| Error::Syntax {
        manifest: origin.to_string(),
        line: e.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        why: e.message().to_owned(),
    })?;
    let mut manifest = Manifest::default();
    manifest.take(origin, "", table)?;
    Ok(manifest)
}

impl Manifest {
    fn take(&mut self, origin: &Origin, section: &str, table: toml::Table) -> Result<(), Error> {
        for (word, value) in table {
            let path = match section {
                "" => word,
                _ => format!("{section}.{word}"),
            };
            match (path.as_str(), value, schema::key(&path)) {
                ("inherits", value, _) => self.inherits = Some(parent_name(origin, value)?),
                (_, value, Some(key)) => {
                    let wrong =
                        |why| Error::Value { manifest: origin.to_string(), key: path.clone(), why };
                    self.values.push((key.path, key.check(&value).map_err(wrong)?));
                }
                (_, toml::Value::Table(inner), None) if is_section(&path) => {
                    self.take(origin, &path, inner)?;
                }
                _ => return Err(Error::UnknownKey { manifest: origin.to_string(), key: path }),
            }
        }
        Ok(())
    }
}

fn is_section(path: &str) -> bool {
    schema::KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|r| r.starts_with('.')))
}

fn parent_name(origin: &Origin, value: toml::Value) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match value {
        toml::Value::String(name) if !name.is_empty() && name.chars().all(plain) => Ok(name),
        _ => Err(Error::Value {
            manifest: origin.to_string(),
            key: "inherits".to_owned(),
            why: "must be the name of a board: letters, digits, - and _".to_owned(),
        }),
    }
}
