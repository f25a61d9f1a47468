//! The bootable image of a board.
//!
//! Owns the way from a board's manifest, Debian's kernel and loader packages and our static executable
//! to files that boot, without root, loop devices or mounts: [`fetch`] and [`modules`] choose what goes
//! in, [`initramfs`] (by [`cpio`]) and [`pe`] make the one bootable file, [`disk`] the disk, [`build`] the
//! update, [`sbom`] the list, [`keys`] sign, [`verify`] reads it all back. The same input gives the
//! same bytes. [`run`] has QEMU play the board, [`demo`] its first hour.

pub mod build;
pub mod demo;
mod der;
pub mod disk;
pub mod error;
pub mod fetch;
pub mod firmware;
mod host;
pub mod initramfs;
pub mod keys;
pub mod modules;
pub mod run;
pub mod sbom;
pub mod tree;
pub mod verify;

pub use bundle::{cpio, pe};
pub use error::Error;
