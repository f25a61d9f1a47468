//! The network of the box: links, addresses, names and the time.
//!
//! Owns what settings and the networks' own servers say of it, and brings the kernel there. Opens no port but the one by
//! which it asks for an address, and that only while it asks. What decides does nothing, and what does decides
//! nothing: [`dhcp`] and [`links`] know neither clock nor kernel.

pub mod clock;
pub mod dhcp;
pub mod kernel;
pub mod links;
pub mod names;
mod port;
pub mod run;
mod steward;
