//! The catalogue: what the authority remembers.

pub mod record;
pub mod run;
