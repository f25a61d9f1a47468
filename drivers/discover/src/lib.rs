//! Which tape drives and changers are attached, and names for them that stay.
//!
//! Owns the reading of sysfs ([`attached`]), the [`Key`] by which a device is known wherever it is plugged in, and
//! the kernel's word that something came or went ([`Uevents`]). Opens no device and sends no command: what the
//! kernel asked at its scan is enough, so that looking disturbs nobody. Node numbers follow the order of that scan
//! and mean nothing.

mod attached;
mod key;
mod sysfs;
mod uevent;

pub use attached::{DEVICES_MAX, Device, attached, attached_in};
pub use key::{Address, Identity, KEY_BYTES_MAX, Key, Kind};
pub use uevent::{Uevent, Uevents};
