//! Every input the fuzzers keep, through the same targets, on the ordinary build.
//!
//! `tests/fuzz` finds inputs; this makes sure that none of them is ever forgotten.
#![allow(clippy::unwrap_used, reason = "in tests it says what failed and where")]

#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn inputs(target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(dir).unwrap();
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut there: Vec<String> = std::fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let mut names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(there, names);
    assert!(names.iter().all(|name| !inputs(name).is_empty()));
}

#[test]
fn no_kept_input_breaks_a_promise() {
    let mut broken = Vec::new();
    let mut ran = 0;
    for target in targets::ALL {
        for input in inputs(target.name) {
            let bytes = std::fs::read(&input).unwrap();
            ran += 1;
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes))).is_err() {
                broken.push(input);
            }
        }
    }
    assert!(ran >= 100, "only {ran} inputs");
    assert_eq!(broken, [""; 0].map(PathBuf::from));
}

#[test]
fn repairs_make_what_they_touch_right() {
    for target in targets::ALL {
        for input in inputs(target.name) {
            let mut bytes = std::fs::read(&input).unwrap();
            let length = bytes.len();
            (target.repair)(&mut bytes);
            assert_eq!(bytes.len(), length);
            let once = bytes.clone();
            (target.repair)(&mut bytes);
            assert!(bytes == once, "{}: repaired twice is not repaired once", input.display());
        }
    }
}
