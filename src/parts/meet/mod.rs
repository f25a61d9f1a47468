//! Where streams meet and part: funnels and tees.
//!
//! Owns [`mux`], which lets streams take turns on one edge, by the rule in [`turns`]; [`demux`], which
//! parts them again; and [`mirror`], which doubles what comes. None of them changes a byte of a stream.

pub mod demux;
pub mod mirror;
pub mod mux;
pub mod turns;
