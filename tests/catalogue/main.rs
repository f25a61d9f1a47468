//! The catalogue from outside: what is committed stays, what is damaged is named, what is lost comes back
//! from the media.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;
mod crash;
mod flips;
mod golden;
mod lookups;
mod rebuild;
mod store;
