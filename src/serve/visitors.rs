//! Who comes in by the service's socket.
//!
//! Owns the socket: netplumber brings machines there, and whoever is at the box itself comes directly.
//! It can be reached by root and the service's own user alone.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use crate::plumb::visit::{Visit, tell};
use crate::stream::{Blame, Fault};

/// Visitors that have not said who they are, at once.
const STRANGERS_MAX: usize = 64;

/// Takes visitors in on a thread of its own and hands each to `come`, from a thread that is the visitor's.
///
/// # Errors
///
/// The socket cannot be made.
pub fn receive(path: &Path, come: impl Fn(Visit) + Send + Sync + 'static) -> Result<(), Fault> {
    let failed =
        |e: std::io::Error| Fault::host(format!("cannot listen at {}", path.display()), &e);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    let mode = std::fs::Permissions::from_mode(mode_in(path.parent()).map_err(failed)?);
    std::fs::set_permissions(path, mode).map_err(failed)?;
    let come = Arc::new(come);
    let strangers = Arc::new(());
    let accept = move || {
        for socket in listener.incoming() {
            match socket {
                Ok(socket) if Arc::strong_count(&strangers) > STRANGERS_MAX => {
                    let busy = "too many come at once";
                    tell(&socket, &Err(Fault::later(Blame::Host, busy)));
                }
                Ok(socket) => meet(socket, come.clone(), strangers.clone()),
                Err(error) => {
                    tracing::error!(%error, "cannot take a visitor in");
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("door".into()).spawn(accept);
    thread.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}

/// The folder's group is let in where the folder lets nobody else come by, as it is made for a console that is
/// another user. What the service makes by itself is its user's alone.
fn mode_in(folder: Option<&Path>) -> std::io::Result<u32> {
    const FOR_A_GROUP: u32 = 0o710;
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let mode = std::fs::metadata(folder.unwrap_or(Path::new(".")))?.permissions().mode();
    Ok(if mode & 0o777 == FOR_A_GROUP { 0o660 } else { 0o600 })
}

fn meet(socket: UnixStream, come: Arc<impl Fn(Visit) + Send + Sync + 'static>, stranger: Arc<()>) {
    let met = move || match Visit::receive(socket) {
        Ok(visit) => {
            drop(stranger);
            come(visit);
        }
        Err(fault) => tracing::warn!(%fault, "refused a visitor"),
    };
    if let Err(error) = std::thread::Builder::new().name("visitor".into()).spawn(met) {
        tracing::error!(%error, "cannot start a thread for a visitor");
    }
}
