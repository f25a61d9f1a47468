//! Lines on standard error.
//!
//! Owns that each is one write: on a box standard error is the kernel's log, and each write is a record of it.

use std::fmt::Arguments;
use std::io::Write;

/// Says a line. Nobody is left to hear that it failed.
pub(crate) fn say(line: Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
