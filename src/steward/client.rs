//! The other end: whoever asks the steward something.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::message::{Answer, Ask, read, write};
use crate::stream::{Blame, Fault};

/// How long an answer may take beyond what was asked to be waited for: a slow machine works on a password.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection. Who logged in on it is the administrator on it alone.
pub struct Steward {
    socket: UnixStream,
}

impl Steward {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens there.
    pub fn connect(path: &Path) -> Result<Steward, Fault> {
        let failed = |e: std::io::Error| {
            let what = format!("the steward does not answer at {}: {e}", path.display());
            Fault::later(Blame::Host, what)
        };
        let socket = UnixStream::connect(path).map_err(failed)?;
        socket.set_read_timeout(Some(LIMIT)).map_err(failed)?;
        socket.set_write_timeout(Some(LIMIT)).map_err(failed)?;
        Ok(Steward { socket })
    }

    /// The answer to something; a refusal is one.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn ask(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        if let Ask::Watch { wait_ms, .. } = ask {
            let longer = LIMIT + Duration::from_millis(u64::from(*wait_ms));
            self.socket
                .set_read_timeout(Some(longer))
                .map_err(|e| Fault::host("cannot wait for the steward", &e))?;
        }
        write(ask, &mut self.socket)?;
        read(&mut self.socket)?
            .ok_or_else(|| Fault::later(Blame::Link, "the steward closed the connection"))
    }
}
