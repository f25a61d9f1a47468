//! A virtual tape library that answers commands from files.
//!
//! Owns drives and a robot that execute SCSI command descriptor blocks behind
//! [`scsi::transport::Transport`], and [`Library`], the directory they live in. It is the
//! appliance's device when there is no hardware, and the adversary of every test: [`Faults`] make
//! it lie by script. Reply bytes are laid out here from the standards (SPC-5, SSC-5, SMC-3) and
//! not with the crates that decode them. Refuses to know what the blocks mean.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use virt::{Library, MediumSpec, Shape};
//!
//! let shape = Shape { media: vec![MediumSpec::data("TAP001L9", 1 << 30)], ..Shape::default() };
//! let library = Library::create(dir.path(), &shape)?;
//! let drive = virt::open(&library.drives()[0])?;
//! let refused = virt::open(&library.drives()[0]).err().unwrap();
//! assert!(refused.to_string().contains("in use by pid"));
//! # drop(drive);
//! # Ok::<(), virt::Error>(())
//! ```
#![forbid(unsafe_code)]

mod changer;
mod device;
mod drive;
mod error;
mod fault;
mod library;
mod medium;
mod memory;
mod opcodes;
mod reply;
mod robot;
mod sense;
mod shape;
mod store;

pub use device::{Device, open};
pub use error::Error;
pub use fault::{CheckSpec, Effect, Fault, Faults, Moment, When};
pub use library::{Library, Spared};
pub use shape::{EarlyWarningStyle, MediumKind, MediumSpec, Options, Shape};
