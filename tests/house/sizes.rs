//! Sizes people enjoy, as a ratchet: what is long may shrink, and nothing else may become long.

use std::collections::BTreeMap;

use crate::{none_wrong, root, rust_files};

/// Lines of a function at which it should be asked whether it has two nouns.
const FUNCTION_LINES: usize = 70;
/// Lines of a file, likewise.
const FILE_LINES: usize = 600;
const BASELINE: &str = "tests/house/baseline";

/// Name and length of every function. Relies on rustfmt: a body ends at the first line that is
/// nothing but a brace under its `fn`.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (from, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        // A function of a trait may have no body.
        let bodiless = format!("{})", " ".repeat(indent));
        let one_line = line.ends_with('}') || line.ends_with(';');
        let count = lines[from..]
            .iter()
            .position(|line| *line == end || line.starts_with(&bodiless) && line.ends_with(';'));
        match count.filter(|_| !one_line) {
            Some(count) => found.push((name, count + 1)),
            None => found.push((name, 1)),
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.peek() {
        let is_before = ["const", "async", "unsafe", "extern"].contains(word)
            || word.starts_with("pub")
            || word.starts_with('"')
            || word.ends_with(')');
        match is_before {
            true => _ = words.next(),
            false => break,
        }
    }
    words.next_if_eq(&"fn")?;
    let rest = words.next()?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

/// What is longer than we like, and how long.
fn long_ones() -> BTreeMap<String, usize> {
    let mut long = BTreeMap::new();
    for (path, text) in rust_files() {
        let count = text.lines().count();
        if count > FILE_LINES {
            long.insert(format!("{}", path.display()), count);
        }
        for (name, lines) in functions(&text).into_iter().filter(|(_, n)| *n > FUNCTION_LINES) {
            let key = format!("{} {name}", path.display());
            let longest = long.entry(key).or_default();
            *longest = lines.max(*longest);
        }
    }
    long
}

fn baseline() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(root().join(BASELINE)).unwrap();
    let line = |line: &str| {
        let (lines, what) = line.split_once(' ').unwrap();
        (what.to_owned(), lines.parse().unwrap())
    };
    text.lines().map(line).collect()
}

#[test]
fn functions_are_measured() {
    let text = "pub(crate) const fn a() {\n    1\n}\nimpl B {\n    fn c(\n        d: u8,\n    ) -> u8 {\n        d\n    }\n    fn e() {}\n}\ntrait F {\n    fn g(\n        h: u8,\n    );\n\n    fn i(&self) {\n    }\n}\n";
    let found = functions(text);
    let expected =
        [("a", 3), ("c", 5), ("e", 1), ("g", 3), ("i", 2)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(found, expected);
}

#[test]
fn nothing_new_is_long() {
    let long = long_ones();
    if std::env::var_os("BLESS").is_some() {
        let lines: Vec<String> = long.iter().map(|(what, n)| format!("{n} {what}\n")).collect();
        std::fs::write(root().join(BASELINE), lines.concat()).unwrap();
        return;
    }
    let known = baseline();
    let mut wrong = Vec::new();
    for (what, lines) in &long {
        match known.get(what) {
            Some(before) if lines <= before => println!("long: {what}: {lines} lines"),
            Some(before) => wrong.push(format!("{what} grew from {before} to {lines} lines")),
            None => wrong.push(format!("{what} has {lines} lines: has it two nouns?")),
        }
    }
    wrong.sort();
    none_wrong(&wrong);
}
