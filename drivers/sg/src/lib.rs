//! SG_IO: one command to one device node.
//!
//! Owns the Linux SCSI generic driver, version 3 interface: opening a node exclusively, the one
//! ioctl, and the sorting of its three status bytes into an [`Outcome`](scsi::Outcome). Knows
//! nothing of what the commands mean. All unsafe code of the workspace is in [`ioctl`]. Source:
//! `scsi/sg.h`, and the kernel's sg driver for what it really does with signals and statuses.

mod ioctl;
mod node;
mod status;

pub use node::{Node, open};
pub use status::HOST_NOT_SENT;
