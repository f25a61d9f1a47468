//! Every dependency's licence is one of those in deny.toml.

use std::process::Command;

use crate::{none_wrong, root, text};

/// What cargo knows of the workspace and all it builds on, without asking the network.
pub fn metadata() -> serde_json::Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform"])
        .arg(platform)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

fn allowed() -> Vec<String> {
    let config: toml::Table = text("deny.toml".as_ref()).parse().unwrap();
    let list = config["licenses"]["allow"].as_array().unwrap();
    list.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// An SPDX expression, read from the left: `OR` binds weaker than `AND`.
struct Expression<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
    allowed: &'a [String],
}

impl Expression<'_> {
    fn may_be_used(text: &str, allowed: &[String]) -> bool {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        Expression { words: words.into_iter().peekable(), allowed }.any()
    }

    fn any(&mut self) -> bool {
        let mut fine = self.all();
        while self.words.next_if_eq(&"OR").is_some() {
            fine |= self.all();
        }
        fine
    }

    fn all(&mut self) -> bool {
        let mut fine = self.one();
        while self.words.next_if_eq(&"AND").is_some() {
            fine &= self.one();
        }
        fine
    }

    fn one(&mut self) -> bool {
        if self.words.next_if_eq(&"(").is_some() {
            let fine = self.any();
            return self.words.next() == Some(")") && fine;
        }
        let mut name = self.words.next().unwrap_or("").to_owned();
        if self.words.next_if_eq(&"WITH").is_some() {
            name = format!("{name} WITH {}", self.words.next().unwrap_or(""));
        }
        self.allowed.contains(&name)
    }
}

#[test]
fn expressions_mean_what_they_say() {
    let allowed = ["A".to_owned(), "B WITH x".to_owned()];
    for (text, fine) in [
        ("A", true),
        ("C", false),
        ("C OR A", true),
        ("C/A", true),
        ("C AND A", false),
        ("(C OR A) AND B WITH x", true),
        ("B", false),
        ("C OR C AND A", false),
        ("", false),
    ] {
        assert_eq!(Expression::may_be_used(text, &allowed), fine, "{text}");
    }
}

#[test]
fn every_dependency_may_be_used() {
    let (metadata, allowed) = (metadata(), allowed());
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 20, "cargo tells of {} packages", packages.len());
    let mut wrong = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("");
        if !Expression::may_be_used(licence, &allowed) {
            wrong.push(format!("{}: licence {licence:?} is not in deny.toml", package["name"]));
        }
    }
    none_wrong(&wrong);
}
