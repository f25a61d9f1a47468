//! The executable that libFuzzer drives; `FUZZ_TARGET` names the target, `--list` tells
//! their names and `--seeds DIR` writes first inputs.
//!
//! Owns the way from libFuzzer to the bodies in [`targets`]. Inputs are mutated as libFuzzer likes
//! and then, seven times of eight, given right checksums, so that the corpus holds true files.

#![no_main]

#[path = "../../tapicom/samples.rs"]
mod samples;
mod seeds;
mod targets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use targets::Target;

/// Bytes of memory that one input may take. A compressed chunk may say 64 MiB, and its bytes exist
/// once more in blocks; nothing else comes near.
const MEMORY_MAX: usize = 128 << 20;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(held, Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(held, Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(bytes, layout) }
    }
}

#[global_allocator]
static MEMORY: Counting = Counting;

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
    |data: &[u8]| {
        let before = HELD.load(Relaxed);
        MOST.store(before, Relaxed);
        (target().run)(data);
        let taken = MOST.load(Relaxed).saturating_sub(before);
        assert!(taken <= MEMORY_MAX, "{taken} bytes of memory for an input of {}", data.len());
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(8) {
        (target().repair)(&mut data[..size]);
    }
    size
});
