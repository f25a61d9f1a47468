//! The executable that libFuzzer drives; `FUZZ_TARGET` names the target, `--list` tells
//! their names and `--seeds DIR` writes first inputs.
//!
//! Owns the way from libFuzzer to the bodies in [`targets`]. Inputs are mutated as libFuzzer likes
//! and then, seven times of eight, given right checksums, so that the corpus holds true files.

#![no_main]

mod seeds;
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use targets::Target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn target() -> &'static Target {
    TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let names = || targets::ALL.iter().map(|t| t.name).collect::<Vec<_>>().join(" ");
        targets::ALL.iter().find(|t| t.name == name).unwrap_or_else(|| {
            eprintln!("fuzz: FUZZ_TARGET must be one of: {}", names());
            std::process::exit(2)
        })
    })
}

fuzz_target!(
    init: {
        if std::env::args().any(|argument| argument == "--list") {
            targets::ALL.iter().for_each(|target| println!("{}", target.name));
            std::process::exit(0);
        }
        if let Some(dir) = std::env::args().skip_while(|a| a != "--seeds").nth(1) {
            seeds::write(dir.as_ref());
            std::process::exit(0);
        }
        target();
    },
    |data: &[u8]| (target().run)(data)
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(8) {
        (target().repair)(&mut data[..size]);
    }
    size
});
