//! Arrows point one way: what may use what.

use std::collections::BTreeSet;

use crate::licences::metadata;
use crate::{none_wrong, rust_files};

/// Modules of the executable, each with all it may use.
const MODULES: &[(&str, &[&str])] = &[
    ("stream", &[]),
    ("cage", &["stream"]),
    ("only", &[]),
    ("say", &[]),
    ("accounts", &[]),
    ("list", &["stream"]),
    ("table", &["stream"]),
    ("packet", &["stream"]),
    ("settings", &["stream"]),
    ("update", &["stream", "packet"]),
    ("pax", &["stream"]),
    ("volume", &["stream", "list"]),
    // Identities speak over the wire when they enrol; the wire knows none of them.
    ("wire", &["stream"]),
    ("identity", &["stream", "wire"]),
    ("plumb", &["stream", "wire", "identity"]),
    ("library", &["stream", "list", "volume"]),
    ("parts", &["accounts", "stream", "list", "only", "pax", "volume", "library"]),
    ("demo", &["stream", "list", "plumb"]),
    ("glue", &["stream", "plumb"]),
    // What may be run is handed to it, so that it knows no component.
    ("netplumber", &["cage", "stream", "wire", "identity", "plumb", "glue"]),
    ("catalogue", &["stream", "list", "only", "volume", "library"]),
    // Decides, and does nothing: no clock, no files, no devices.
    ("authority", &["catalogue", "stream"]),
    ("tapicom", &["stream", "wire", "identity", "plumb", "catalogue", "update"]),
    (
        "serve",
        &[
            "stream",
            "list",
            "volume",
            "wire",
            "identity",
            "plumb",
            "library",
            "parts",
            "glue",
            "netplumber",
            "catalogue",
            "authority",
            "tapicom",
            "update",
        ],
    ),
    ("steward", &["stream", "packet", "catalogue", "tapicom", "serve", "settings", "update"]),
    (
        "console",
        &["init", "stream", "catalogue", "tapicom", "settings", "steward", "table", "update"],
    ),
    (
        "updater",
        &["say", "stream", "packet", "catalogue", "serve", "settings", "steward", "update"],
    ),
    // Asks the steward for settings, and does what follows.
    ("net", &["stream", "settings", "steward"]),
    // Reads what is asked of a start where the steward keeps it, and tells it how the start was.
    ("init", &["cage", "say", "stream", "steward"]),
    (
        "cli",
        &[
            "init",
            "net",
            "console",
            "say",
            "settings",
            "steward",
            "table",
            "update",
            "updater",
            "catalogue",
            "authority",
            "tapicom",
            "serve",
            "stream",
            "list",
            "only",
            "pax",
            "volume",
            "wire",
            "identity",
            "plumb",
            "library",
            "parts",
            "demo",
            "glue",
            "netplumber",
        ],
    ),
];

/// Arrows that point the wrong way and wait to be turned round. None may be added.
const WRONG_YET: &[(&str, &str)] = &[];

/// Crates of the workspace, each with those it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("scsi", &[]),
    ("discover", &["scsi"]),
    ("sg", &["discover", "scsi"]),
    ("ssc", &["scsi"]),
    ("smc", &["scsi"]),
    ("virt", &["scsi"]),
    ("door", &["scsi"]),
    ("iscsi", &["scsi", "virt"]),
    ("slots", &[]),
    ("board", &[]),
    ("bundle", &[]),
    ("esp", &[]),
    ("image", &["board", "bundle", "esp", "disk"]),
    ("disk", &[]),
    ("kmod", &[]),
    ("watchdog", &[]),
    (
        "tapioca",
        &[
            "scsi", "discover", "sg", "ssc", "smc", "slots", "virt", "door", "board", "bundle",
            "esp", "disk", "kmod", "watchdog",
        ],
    ),
];

/// Modules of its own crate that a text names: `crate::a`, `crate::{a, b::c}`. Comments do not count.
fn used(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(top_level(list)),
            None => found.extend(word(rest)),
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// First words of a list in braces, not those of lists inside.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut at_start, mut found) = (0, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if depth == 0 && at_start && !c.is_whitespace() => {
                found.extend(word(&list[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_use_is_seen_however_it_is_written() {
    let text = "use crate::{a::{b, c}, d};\n// crate::e\nlet x = crate::f::g(); use crate::h;";
    let found: Vec<String> = used(text).into_iter().collect();
    assert_eq!(found, ["a", "d", "f", "h"]);
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in rust_files() {
        let Ok(inner) = path.strip_prefix("src") else { continue };
        let first = inner.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || module == "main" {
            continue;
        }
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!(
                "{}: say in tests/house/arrows.rs what {module} may use",
                path.display()
            ));
            continue;
        };
        seen.insert(module.to_owned());
        for used in used(&text) {
            let is_known = MODULES.iter().any(|(name, _)| *name == used);
            let is_waiting =
                WRONG_YET.iter().any(|(file, to)| path.to_str() == Some(*file) && used == *to);
            if is_known && used != module && !allowed.contains(&used.as_str()) && !is_waiting {
                wrong.push(format!("{}: {module} must not use {used}", path.display()));
            }
        }
    }
    none_wrong(&wrong);
    assert_eq!(seen.len(), MODULES.len(), "a module of the table is gone");
}

#[test]
fn crates_depend_only_on_what_is_below_them() {
    let metadata = metadata();
    let members: Vec<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !package["source"].is_null() {
            continue;
        }
        let Some((_, allowed)) = CRATES.iter().find(|(member, _)| *member == name) else {
            wrong.push(format!("say in tests/house/arrows.rs what {name} may depend on"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().unwrap();
        // What only tests use may come from anywhere but the appliance.
        for dependency in dependencies {
            let on = dependency["name"].as_str().unwrap();
            let is_dev = dependency["kind"].as_str() == Some("dev") && on != "tapioca";
            if members.contains(&on) && !allowed.contains(&on) && !is_dev {
                wrong.push(format!("{name} must not depend on {on}"));
            }
        }
    }
    none_wrong(&wrong);
}

#[test]
fn drivers_know_nothing_of_backups() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        if path.starts_with("drivers") && text.contains("tapioca::") {
            wrong.push(format!("{}: a driver uses the appliance", path.display()));
        }
    }
    none_wrong(&wrong);
}
