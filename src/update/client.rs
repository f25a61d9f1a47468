//! The other end: whoever asks the updater something.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::message::{Answer, Ask, State, Wish};
use crate::packet::{read, write};
use crate::stream::{Blame, Fault};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A connection.
pub struct Updater {
    socket: UnixStream,
}

impl Updater {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens there.
    pub fn connect(path: &Path) -> Result<Updater, Fault> {
        let failed = |e: std::io::Error| {
            Fault::later(Blame::Host, format!("the updater is not there: {e}"))
                .hint("only a box that booted an image updates itself")
        };
        let socket = UnixStream::connect(path).map_err(failed)?;
        socket.set_read_timeout(Some(LIMIT)).map_err(failed)?;
        socket.set_write_timeout(Some(LIMIT)).map_err(failed)?;
        Ok(Updater { socket })
    }

    /// The answer to something.
    ///
    /// # Errors
    ///
    /// There is none, or it is a refusal.
    pub fn ask(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        write(ask, &mut self.socket)?;
        let lost = || Fault::later(Blame::Link, "the updater closed the connection");
        match read(&mut self.socket)?.ok_or_else(lost)? {
            Answer::Refused { what, hint } => {
                Err(Fault { hint, ..Fault::never(Blame::Operator, what) })
            }
            answer => Ok(answer),
        }
    }

    /// Has something done for an administrator.
    ///
    /// # Errors
    ///
    /// As [`ask`](Updater::ask).
    pub fn wish(&mut self, wish: Wish) -> Result<State, Fault> {
        match self.ask(&Ask::Wish(wish))? {
            Answer::State(state) => Ok(state),
            _ => Err(Fault::stream("the updater answers something else than was asked")),
        }
    }
}
