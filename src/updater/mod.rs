//! The box updates itself: a version is put aside, tested, tried, and accepted or left again.
//!
//! Owns the boot partition and the copies of what is on it. [`entry`] says which files the loader starts and in which
//! order they change, [`shelf`] keeps copies on the data file system and what happened, [`stock`] makes one of the
//! other, [`preflight`] has a new executable read what this box has before it is started, [`trial`] judges a version
//! that is tried, [`fate`] tells what became of the last one, [`work`] does what is wanted,
//! `desk` is asked, `judge` keeps time, and [`process`] is all of that. What is started is decided by the loader, which
//! counts; a version that never comes up needs nobody of here to be left.

mod desk;
pub mod entry;
pub mod fate;
mod judge;
pub mod preflight;
pub mod process;
pub mod shelf;
pub mod stock;
pub mod trial;
pub mod work;
