//! The end: nobody is left, nothing is unwritten, and the machine stops or starts anew.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::process::{WaitOptions, wait};
use rustix::system::{RebootCommand, reboot};

use super::say;

/// What comes after the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Reboot,
    PowerOff,
}

/// How long what still holds the data file system may take to let go.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends everybody who is left, writes out what is unwritten, and stops the machine. Comes back only if the kernel
/// refuses; then the first process ends, which the kernel takes for a reason to start the machine anew.
pub(super) fn finish(how: How) {
    // Everybody but this process; that there is nobody is as good.
    let _nobody = kill(nix::unistd::Pid::from_raw(-1), Signal::SIGKILL);
    let begun = Instant::now();
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        match unmount("/data", UnmountFlags::empty()) {
            Ok(()) => {
                say("data is unmounted");
                break;
            }
            // It was never mounted.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => break,
            Err(error) if begun.elapsed() > PATIENCE => {
                say(&format!("data cannot be unmounted: {error}"));
                if let Err(error) = mount_remount("/data", MountFlags::RDONLY, c"") {
                    say(&format!("data cannot be made read-only: {error}"));
                }
                break;
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    rustix::fs::sync();
    let command = match how {
        How::Reboot => RebootCommand::Restart,
        How::PowerOff => RebootCommand::PowerOff,
    };
    if let Err(error) = reboot(command) {
        say(&format!("the kernel refuses: {error}"));
    }
}
