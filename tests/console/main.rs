//! The console as people and programs meet it: on a pseudo-terminal, with a steward on a file as `meta` and, where
//! it is wanted, a real service with a virtual library.
#![allow(clippy::unwrap_used, reason = "in tests it says what failed and where")]

mod flood;
mod people;
mod programs;
mod rig;
#[path = "../common/typist.rs"]
#[allow(dead_code, reason = "shared with the tests of the boot")]
mod typist;
