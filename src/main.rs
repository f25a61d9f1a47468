//! The executable with many names.
fn main() {}
