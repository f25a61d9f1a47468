//! The house rules: what can be told about the tree without running it.
//!
//! `BLESS=1` writes the baseline of the sizes anew; read the difference before you keep it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod arrows;
mod licences;
mod pages;
mod sizes;

use std::path::{Path, PathBuf};

/// The top of the tree.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the tree that somebody wrote, relative to its top, sorted.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(root().join(&dir)).unwrap() {
            let entry = entry.unwrap();
            let path = dir.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !is_made(&path) {
                waiting.push(path);
            } else if kind.is_file() && !is_made(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What git, cargo, Python and the fuzzers fill.
fn is_made(path: &Path) -> bool {
    let made = ["target", ".git", "__pycache__", "corpus", "artifacts", "coverage"];
    path.file_name().is_some_and(|name| made.iter().any(|made| name == *made))
}

/// Every Rust file with its text.
fn rust_files() -> Vec<(PathBuf, String)> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs");
    files().into_iter().filter(is_rust).map(|path| (path.clone(), text(&path))).collect()
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(path)).unwrap()).into_owned()
}

fn none_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
