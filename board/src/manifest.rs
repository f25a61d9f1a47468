//! Manifests: where they are found, and how one inherits others.
//!
//! Owns the embedded ones and the walk along `inherits`. A name means a file beside the one that
//! names it or, should there be none, an embedded manifest. What is nearer wins, key by key: of the
//! manifests in one `inherits` the later, and one that is reached on two ways counts where it is
//! farthest. A mix-in inherits nothing and is no machine by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::schema::{self, INHERITED, Value};
use crate::{DEPTH_MAX, Error, Setting};

pub(crate) const EMBEDDED: &[(&str, &str)] = &[
    ("base", include_str!("../boards/base.toml")),
    ("box", include_str!("../boards/box.toml")),
    ("dev-host", include_str!("../boards/dev-host.toml")),
    ("generic-x86_64", include_str!("../boards/generic-x86_64.toml")),
    ("qemu-q35", include_str!("../boards/qemu-q35.toml")),
    ("standalone", include_str!("../boards/standalone.toml")),
];

pub(crate) const MIXINS: &[(&str, &str)] =
    &[("dev", include_str!("../boards/dev.toml")), ("lab", include_str!("../boards/lab.toml"))];

/// Where a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Embedded(String),
    File(PathBuf),
    /// `board+mixin`: a manifest that only inherits these, in this order.
    Mixed(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Embedded(name) | Origin::Mixed(name) => f.write_str(name),
            Origin::File(path) => path.display().fmt(f),
        }
    }
}

impl Origin {
    pub(crate) fn of(name_or_file: &str) -> Origin {
        if name_or_file.contains('/') || name_or_file.ends_with(".toml") {
            Origin::File(name_or_file.into())
        } else if name_or_file.contains('+') {
            Origin::Mixed(name_or_file.to_owned())
        } else {
            Origin::Embedded(name_or_file.to_owned())
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
                let found = EMBEDDED.iter().chain(MIXINS).find(|(known, _)| known == name);
                let unknown = || Error::Unknown { name: name.clone() };
                found.map(|(_, text)| (*text).to_owned()).ok_or_else(unknown)
            }
            Origin::File(path) => std::fs::read_to_string(path).map_err(|e| Error::Unreadable {
                manifest: path.display().to_string(),
                why: e.to_string(),
            }),
            Origin::Mixed(names) => {
                let names: Vec<String> = names.split('+').map(|name| format!("{name:?}")).collect();
                Ok(format!("inherits = [{}]", names.join(", ")))
            }
        }
    }
}

/// One manifest by itself.
#[derive(Debug, Default)]
struct Manifest {
    inherits: Vec<String>,
    values: Vec<(String, Value)>,
}

/// The settings of a manifest and all it inherits.
pub(crate) fn merged(asked: Origin) -> Result<BTreeMap<String, Setting>, Error> {
    let name = asked.to_string();
    let mut reached = Vec::new();
    walk(asked, &mut Vec::new(), &mut reached)?;
    let mut settings: BTreeMap<String, Setting> = BTreeMap::new();
    for (at, (origin, manifest)) in reached.iter().enumerate() {
        if reached[at + 1..].iter().any(|(later, _)| later == origin) {
            continue;
        }
        for (key, value) in &manifest.values {
            match settings.get_mut(key) {
                Some(setting) => setting.inherit(value, origin),
                None => {
                    let setting = Setting { value: value.clone(), from: origin.to_string() };
                    settings.insert(key.clone(), setting);
                }
            }
        }
    }
    match settings.iter().find(|(_, setting)| setting.is_open()) {
        Some((key, _)) => Err(Error::NothingInherited { manifest: name, key: key.clone() }),
        None => Ok(settings),
    }
}

/// Every manifest on every way, what is nearer first.
fn walk(
    origin: Origin,
    line: &mut Vec<Origin>,
    reached: &mut Vec<(Origin, Manifest)>,
) -> Result<(), Error> {
    if line.contains(&origin) {
        let line = line.iter().chain([&origin]).map(ToString::to_string).collect();
        return Err(Error::Cycle { line });
    }
    if line.len() == DEPTH_MAX || reached.len() == REACHED_MAX {
        return Err(Error::TooDeep { manifest: line[0].to_string() });
    }
    let manifest = read(&origin)?;
    let parents: Vec<Origin> =
        manifest.inherits.iter().rev().map(|name| origin.parent(name)).collect();
    reached.push((origin.clone(), manifest));
    line.push(origin);
    for parent in parents {
        walk(parent, line, reached)?;
    }
    line.pop();
    Ok(())
}

/// How many manifests may be read for one, however often each.
const REACHED_MAX: usize = 64;

impl Setting {
    /// A list that waits for what is inherited takes it; everything else was said already.
    fn inherit(&mut self, inherited: &Value, origin: &Origin) {
        let (Value::Texts(mine), Value::Texts(theirs)) = (&mut self.value, inherited) else {
            return;
        };
        let Some(at) = mine.iter().position(|text| text == INHERITED) else { return };
        let new: Vec<String> = theirs.iter().filter(|text| !mine.contains(text)).cloned().collect();
        let keeps_open = theirs.iter().any(|text| text == INHERITED);
        mine.splice(at..=at, new);
        if keeps_open {
            // Where it stood among theirs does not matter: what is farther only ever adds.
            mine.push(INHERITED.to_owned());
        }
        self.from = format!("{}, {origin}", self.from);
    }

    fn is_open(&self) -> bool {
        matches!(&self.value, Value::Texts(texts) if texts.iter().any(|text| text == INHERITED))
    }
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
            if !is_name(&word) {
                let key = format!("{section}.{word:?}").trim_start_matches('.').to_owned();
                return Err(Error::UnknownKey { manifest: origin.to_string(), key });
            }
            let path = match section {
                "" => word,
                _ => format!("{section}.{word}"),
            };
            match (path.as_str(), value, schema::find(&path)) {
                ("inherits", value, _) => self.inherits = parent_names(origin, &value)?,
                (_, value, Some(key)) => {
                    let wrong =
                        |why| Error::Value { manifest: origin.to_string(), key: path.clone(), why };
                    let value = key.check(&value).map_err(wrong)?;
                    self.values.push((path, value));
                }
                (_, toml::Value::Table(inner), None) if schema::is_section(&path) => {
                    self.take(origin, &path, inner)?;
                }
                _ => return Err(Error::UnknownKey { manifest: origin.to_string(), key: path }),
            }
        }
        Ok(())
    }
}

/// What may stand between two dots of a key, and what a board may be called.
fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&word.len()) && word.chars().all(plain)
}

fn parent_names(origin: &Origin, value: &toml::Value) -> Result<Vec<String>, Error> {
    let names = match value {
        toml::Value::Array(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    let named: Option<Vec<String>> =
        names.iter().map(|name| name.as_str().filter(|n| is_name(n)).map(str::to_owned)).collect();
    named.ok_or_else(|| Error::Value {
        manifest: origin.to_string(),
        key: "inherits".to_owned(),
        why: "must be the name of a board, or a list of names: letters, digits, - and _".to_owned(),
    })
}
