//! A device in a process of its own: commands over a local socket.
//!
//! Owns both ends of a door. Behind it is the one process that holds the device node and the right to send
//! it any command ([`Keeper`]); before it is whoever commands the device and needs neither ([`Doorway`], a
//! [`Transport`](scsi::Transport) like any other). Knows nothing of what the commands mean. One at a time
//! may stand before a door: a second is told so and sent away.

mod doorway;
mod keeper;
mod wire;

pub use doorway::Doorway;
pub use keeper::Keeper;
pub use wire::{DATA_BYTES_MAX, Reply, Request};
