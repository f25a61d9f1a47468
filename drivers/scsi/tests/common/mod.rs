//! Bytes that devices sent; see `captures/PROVENANCE.md`.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;

/// The bytes of one capture.
pub fn load(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    let text = std::fs::read_to_string(path.with_extension("hex")).unwrap();
    text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The names of all captures that start with `prefix`, sorted.
pub fn names(prefix: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".hex").map(str::to_owned))
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}

/// A log page around a published run of parameters.
pub fn log_page(page: u8, parameters: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(parameters.len()).unwrap().to_be_bytes();
    [&[page, 0, high, low], parameters].concat()
}
