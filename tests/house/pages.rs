//! Pages: links lead somewhere, files say what they are, and nothing is left half done.

use std::path::{Path, PathBuf};

use crate::{files, none_wrong, root, rust_files, text};

/// Texts and targets of the links of a page: `[text](target)`. What is in code fences does not count.
fn links(page: &str) -> Vec<(String, String)> {
    let prose: Vec<&str> = page.split("\n```").step_by(2).collect();
    let mut found = Vec::new();
    for piece in prose {
        for (at, _) in piece.match_indices("](") {
            let text_from = piece[..at].rfind('[').map_or(at, |open| open + 1);
            let Some(end) = piece[at..].find(')') else { continue };
            found.push((piece[text_from..at].to_owned(), piece[at + 2..at + end].to_owned()));
        }
    }
    found
}

/// The anchor that a heading gets: lower case, hyphens for spaces, no other marks.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_';
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

fn has_heading(page: &str, wanted: &str) -> bool {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).any(|a| a == wanted)
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// What a link's text in backticks names: the last word of `Type::function()`.
fn named(label: &str) -> Option<&str> {
    let code = label.strip_prefix('`')?.strip_suffix('`')?;
    let last = code.trim_end_matches("()").rsplit("::").next()?;
    last.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(last)
}

fn check_link(page: &Path, label: &str, target: &str) -> Result<(), String> {
    if target.contains("://") {
        return Ok(());
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        _ => page.parent().unwrap().join(file),
    };
    let full = root().join(&path);
    if !full.exists() {
        return Err(format!("{target} is not there"));
    }
    if full.is_dir() {
        return Ok(());
    }
    let there = std::fs::read_to_string(&full).unwrap_or_default();
    if !heading.is_empty() && !has_heading(&there, heading) {
        return Err(format!("{target}: no such heading"));
    }
    let is_rust = path.extension().is_some_and(|e| e == "rs");
    match named(label).filter(|word| is_rust && !has_word(&there, word)) {
        Some(word) => Err(format!("{file} does not say {word}")),
        None => Ok(()),
    }
}

#[test]
fn links_are_found_and_judged() {
    let page = "See [`a::b()`](x.rs) and [c](#d).\n```\n[no](nowhere)\n```\nthen [e](f.md)";
    let found = links(page);
    let targets: Vec<&str> = found.iter().map(|(_, target)| target.as_str()).collect();
    assert_eq!(targets, ["x.rs", "#d", "f.md"]);
    assert_eq!(named(&found[0].0), Some("b"));
    assert!(has_heading("# One\n## Two, and 3\n", "two-and-3"));
    assert!(has_word("fn ab(c)", "ab") && !has_word("fn abc", "ab"));
    assert!(check_link(Path::new("README.md"), "x", "nowhere.md").is_err());
    assert!(check_link(Path::new("README.md"), "`no_such_function`", "src/main.rs").is_err());
    assert!(check_link(Path::new("README.md"), "`main`", "src/main.rs").is_ok());
}

#[test]
fn links_lead_to_what_is_there() {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|e| e == "md");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in files().into_iter().filter(is_page) {
        for (label, target) in links(&text(&page)) {
            count += 1;
            if let Err(why) = check_link(&page, &label, &target) {
                wrong.push(format!("{}: {why}", page.display()));
            }
        }
    }
    none_wrong(&wrong);
    assert!(count > 20, "only {count} links were found");
}

#[test]
fn every_file_opens_with_what_it_is() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or("");
        if !first.starts_with("//! ") {
            wrong.push(format!("{}: no tagline (//! …) on top", path.display()));
        }
    }
    none_wrong(&wrong);
}

#[test]
fn nothing_speaks_of_elsewhere_or_later() {
    // Written in halves, or this file would be one of those it looks for.
    let words = [
        ["../", "shared"],
        ["/wo", "rk/"],
        ["TO", "DO"],
        ["FIX", "ME"],
        ["to", "do!("],
        ["unimple", "mented!("],
    ];
    let words = words.map(|halves| halves.concat());
    let mut wrong = Vec::new();
    for path in files() {
        let text = text(&path);
        for word in words.iter().filter(|word| text.contains(word.as_str())) {
            wrong.push(format!("{}: says {word}", path.display()));
        }
    }
    none_wrong(&wrong);
}
