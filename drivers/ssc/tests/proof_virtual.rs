//! The proof that runs on real kernels, run against the virtual library: one logic for both.
#![allow(clippy::unwrap_used, reason = "test code, though not in a test function")]

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../examples/proof.rs"]
mod proof;

use virt::{Library, MediumSpec, Options, Shape};

#[test]
fn a_library_without_hardware_passes_the_proof() {
    let dir = tempfile::tempdir().unwrap();
    let media = vec![MediumSpec::data("TAP001L9", 64 << 20)];
    let options = Options { fsync: false, ..Options::default() };
    let shape = Shape { media, ..Shape::default() };
    let library = Library::create_with(dir.path(), &shape, options).unwrap();
    proof::prove(&library.changer_name(), &library.drives()).unwrap();
}
