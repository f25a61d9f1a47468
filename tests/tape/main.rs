//! Streams on volumes: what is acknowledged comes back, whatever happens in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod append;
mod crash;
mod faults;
mod flips;
mod rig;
mod spanning;
mod turns;
