//! Updates of the box on files: no machine, no loader, and every power cut.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod process;
mod stock;
mod world;
