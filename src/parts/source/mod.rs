//! Sources make streams.

pub mod exec;
pub mod file;
mod pour;
pub mod stdin;
