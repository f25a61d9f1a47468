//! Components: each one step of a pudding, each a plain value that a plumber runs.

pub mod meet;
pub mod names;
pub mod process;
pub mod recover;
pub mod sink;
pub mod source;
pub mod whole_file;
