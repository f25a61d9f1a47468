//! The tool that lays out the bootable image.
fn main() {}
