//! Streams on volumes: what is acknowledged comes back, whatever happens in between.

mod append;
mod crash;
mod faults;
mod flips;
mod rig;
mod spanning;
