//! The watchdog that resets a machine that nobody feeds.
//!
//! Owns the character device: its time limit, feeding, and disarming it at an orderly end. Whether anybody
//! deserves to be fed is not decided here. Source: the kernel's documentation, watchdog/watchdog-api.
#![allow(unsafe_code, reason = "the limit and the reason of the last start are told by ioctl")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::libc::c_int;

mod ioctl {
    use nix::libc::c_int;

    nix::ioctl_readwrite!(set_timeout, b'W', 6, c_int);
    nix::ioctl_read!(boot_status, b'W', 2, c_int);
}

const CARD_RESET: c_int = 0x20;

/// An armed watchdog. Dropping it leaves it armed: whoever forgets it is reset.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
    timeout_s: u32,
    has_reset: bool,
}

impl Watchdog {
    /// Opens the device, which arms it, and sets its limit. The device may round it.
    ///
    /// # Errors
    ///
    /// There is none at this path, or another has it.
    pub fn arm(path: &Path, timeout_s: u32) -> io::Result<Watchdog> {
        let device = File::options().write(true).open(path)?;
        let mut limit = c_int::try_from(timeout_s).map_err(io::Error::other)?;
        // SAFETY: the kernel reads and writes one int, which `limit` is, and keeps no pointer.
        match unsafe { ioctl::set_timeout(device.as_raw_fd(), &mut limit) } {
            // Some have a limit of their own, and say so.
            Ok(_) | Err(nix::errno::Errno::EOPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        let mut status = 0;
        // SAFETY: the kernel writes one int, which `status` is.
        let has_reset = unsafe { ioctl::boot_status(device.as_raw_fd(), &mut status) }.is_ok()
            && status & CARD_RESET != 0;
        let timeout_s = u32::try_from(limit).unwrap_or(timeout_s);
        Ok(Watchdog { device, timeout_s, has_reset })
    }

    /// Seconds without food until the reset.
    pub fn timeout_s(&self) -> u32 {
        self.timeout_s
    }

    /// Whether it was this that started the machine anew, as far as the device can tell.
    pub fn has_reset(&self) -> bool {
        self.has_reset
    }

    /// Feeds it.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn feed(&mut self) -> io::Result<()> {
        self.device.write_all(b"\0")
    }

    /// Disarms it: the machine may stop.
    ///
    /// # Errors
    ///
    /// The device is gone, or cannot be disarmed.
    pub fn disarm(mut self) -> io::Result<()> {
        self.device.write_all(b"V")
    }
}
