//! Sources make streams.

pub mod exec;
pub mod file;
pub mod filesys;
mod pour;
pub mod stdin;
pub mod tape;
