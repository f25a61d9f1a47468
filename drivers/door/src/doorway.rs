//! The commander's end: a device like any other.

use std::io::{self, IoSlice, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::set_socket_send_buffer_size;
use scsi::{Data, Outcome, Transport};

use crate::wire::{Reply, Request, greeted};

/// How long the keeper may take to say anything beyond the time of the command itself.
const GRACE: Duration = Duration::from_secs(60);
/// What a socket holds: a block of the usual size. The kernel gives what it allows.
pub(crate) const SOCKET_BYTES: usize = 1 << 20;

/// A device behind a door.
#[derive(Debug)]
pub struct Doorway {
    path: PathBuf,
    name: String,
    keeper: Option<UnixStream>,
}

impl Doorway {
    /// Steps before the door whose socket is at `path`.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` when somebody else commands the device; those of connecting.
    pub fn open(path: &Path) -> io::Result<Doorway> {
        let keeper = connect(path)?;
        Ok(Doorway {
            path: path.to_owned(),
            name: format!("door:{}", path.display()),
            keeper: Some(keeper),
        })
    }

    fn ask(&self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Reply> {
        let mut keeper = self.keeper.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let request = Request::command(cdb, &data, timeout)?;
        keeper.set_read_timeout(Some(timeout.saturating_add(GRACE)))?;
        match data {
            Data::Out(bytes) => {
                write_both(keeper, &request, bytes)?;
                Reply::read(&mut keeper, &mut [])
            }
            Data::In(buffer) => {
                keeper.write_all(&request)?;
                Reply::read(&mut keeper, buffer)
            }
            Data::None => {
                keeper.write_all(&request)?;
                Reply::read(&mut keeper, &mut [])
            }
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let mut keeper = UnixStream::connect(path)?;
    keeper.set_read_timeout(Some(GRACE))?;
    set_socket_send_buffer_size(&keeper, SOCKET_BYTES)?;
    greeted(&mut keeper)?;
    Ok(keeper)
}

/// A request and its data with as few calls as there can be.
fn write_both(mut to: &UnixStream, request: &[u8], data: &[u8]) -> io::Result<()> {
    let written = to.write_vectored(&[IoSlice::new(request), IoSlice::new(data)])?;
    match written.checked_sub(request.len()) {
        Some(of_data) => to.write_all(&data[of_data..]),
        None => to.write_all(&request[written..]).and_then(|()| to.write_all(data)),
    }
}

impl Transport for Doorway {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        let error = match self.ask(cdb, data, timeout) {
            Ok(Reply::Outcome(outcome)) => return outcome,
            Ok(Reply::Reopened | Reply::Closed(_)) => io::ErrorKind::InvalidData.into(),
            Err(error) => error,
        };
        // Whatever comes next through this socket may belong to the command that failed.
        self.keeper = None;
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Outcome::Timeout,
            _ => Outcome::Gone,
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        // One at a time stands before a door: the old place must be left first.
        self.keeper = None;
        let mut keeper = connect(&self.path)?;
        keeper.write_all(&Request::reopen())?;
        match Reply::read(&mut keeper, &mut [])? {
            Reply::Reopened => self.keeper = Some(keeper),
            Reply::Closed(why) => return Err(io::Error::other(why)),
            Reply::Outcome(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(())
    }
}
