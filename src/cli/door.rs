//! `door`: one device in a process of its own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::library::device;
use crate::stream::Fault;

/// Hold a device for others
///
/// This process alone opens the device and sends it commands; whoever may connect to the socket commands it as
/// door:SOCKET, and needs no right to the device itself. One at a time.
#[derive(Args)]
pub(super) struct DoorArgs {
    /// The device: /dev/sgN, virtual:DIR#drive0 or virtual:DIR#changer
    #[arg(long, value_name = "DEVICE")]
    device: String,
    /// The socket to make. One that is there already is replaced
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
}

impl DoorArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let keeper = door::Keeper::new(device::open(&self.device)?);
        let failed = |e: std::io::Error| {
            Fault::host(format!("cannot listen at {}", self.socket.display()), &e)
        };
        match std::fs::remove_file(&self.socket) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&self.socket).map_err(failed)?;
        // Owner and group: who may command the device.
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(&self.socket, mode).map_err(failed)?;
        let name = self.device.clone();
        let left = move |how: std::io::Result<()>| {
            if let Err(error) = how {
                tracing::warn!("{name}: a commander left in the middle of a sentence: {error}");
            }
        };
        match keeper.serve(&listener, left) {
            Ok(never) => match never {},
            Err(error) => Err(failed(error)),
        }
    }
}
