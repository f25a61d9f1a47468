//! The end that holds the device.

use std::convert::Infallible;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_send_buffer_size;
use scsi::{Data, Outcome, Transport};

use crate::doorway::SOCKET_BYTES;
use crate::wire::{Command, Reply, Request, Way, greet};

/// How long one who left may take to be gone.
const STEP_ASIDE: Duration = Duration::from_secs(1);

/// A device, and the memory its commands' data pass through.
struct Held {
    device: Box<dyn Transport>,
    buffer: Vec<u8>,
}

/// Who holds a device for others.
#[derive(Clone)]
pub struct Keeper(Arc<Mutex<Held>>);

impl Keeper {
    /// Holds `device`.
    pub fn new(device: Box<dyn Transport>) -> Keeper {
        Keeper(Arc::new(Mutex::new(Held { device, buffer: Vec::new() })))
    }

    /// Serves those who come, one at a time, for ever. `left` is told how each went.
    ///
    /// # Errors
    ///
    /// Nobody can be let in any more.
    pub fn serve(
        &self,
        door: &UnixListener,
        left: impl Fn(io::Result<()>) + Clone + Send + 'static,
    ) -> io::Result<Infallible> {
        loop {
            let (commander, _) = door.accept()?;
            let (keeper, left) = (self.clone(), left.clone());
            std::thread::Builder::new()
                .name("commander".into())
                .spawn(move || left(keeper.attend(commander)))?;
        }
    }

    /// Does what one commander asks for until he leaves.
    ///
    /// # Errors
    ///
    /// He says what no commander says, or is gone in the middle of it.
    pub fn attend(&self, mut commander: UnixStream) -> io::Result<()> {
        let Some(mut held) = self.hold() else { return greet(&mut commander, false) };
        set_socket_send_buffer_size(&commander, SOCKET_BYTES)?;
        greet(&mut commander, true)?;
        while let Some(request) = Request::read(&mut commander)? {
            match request {
                Request::Command(command) => held.command(&command, &mut commander)?,
                Request::Reopen => held.reopen().write(&mut commander, &[])?,
            }
        }
        Ok(())
    }
}

impl Keeper {
    /// The device, if nobody else has it. Who steps aside and comes back at once must not meet himself.
    fn hold(&self) -> Option<MutexGuard<'_, Held>> {
        let deadline = Instant::now() + STEP_ASIDE;
        loop {
            match self.0.try_lock() {
                Ok(held) => return Some(held),
                // Who panicked left the device as it is: the next one finds out.
                Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Held {
    fn command(&mut self, command: &Command, commander: &mut UnixStream) -> io::Result<()> {
        if self.buffer.len() < command.length {
            self.buffer.resize(command.length, 0);
        }
        let buffer = &mut self.buffer[..command.length];
        let data = match command.way {
            Way::None => Data::None,
            Way::In => Data::In(buffer),
            Way::Out => {
                commander.read_exact(buffer)?;
                Data::Out(buffer)
            }
        };
        let outcome = self.device.execute(command.cdb(), data, command.timeout);
        // Only what the device sent: the rest of the buffer is another command's.
        let came = match (command.way, &outcome) {
            (Way::In, Outcome::Good { residual } | Outcome::Check { residual, .. }) => {
                command.length.saturating_sub(*residual)
            }
            _ => 0,
        };
        Reply::Outcome(outcome).write(commander, &self.buffer[..came])
    }

    fn reopen(&mut self) -> Reply {
        match self.device.reopen() {
            Ok(()) => Reply::Reopened,
            Err(error) => Reply::Closed(error.to_string()),
        }
    }
}
