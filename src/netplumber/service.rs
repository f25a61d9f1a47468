//! An entry of the gluepot that is served by whoever listens on a socket of this machine.
//!
//! Owns the moving of bytes between a link's handles and the descriptors of a
//! [visit](crate::plumb::visit). Who the machine is comes from its certificate, never from the machine.

use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use super::run::{pour, pump};
use crate::plumb::run::Verdict;
use crate::plumb::visit::{Ends, Hello, verdict};
use crate::stream::Fault;
use crate::wire::Link;
use crate::wire::message::{RECEIPTS_FROM_BELOW, RECEIPTS_UP, STDERR, STDIN, STDOUT};

/// A visitor of another machine that was brought to a service.
pub struct Brought {
    socket: UnixStream,
    pumps: Vec<JoinHandle<()>>,
}

impl Brought {
    /// Brings the machine at the other end of `link` to the service that `socket` is connected to.
    pub fn start(socket: UnixStream, hello: &Hello, link: &Link) -> Result<Brought, Fault> {
        let ends = Ends::say(&socket, hello)?;
        pour("stdin", link.reader(STDIN), ends.input);
        if let Some(to) = ends.receipts_from_below {
            pour("receipts", link.reader(RECEIPTS_FROM_BELOW), to);
        }
        let mut pumps = vec![
            pump("stdout", ends.output, link.writer(STDOUT)),
            pump("stderr", ends.errors, link.writer(STDERR)),
        ];
        let up = ends.receipts_up.map(|from| pump("receipts", from, link.writer(RECEIPTS_UP)));
        pumps.extend(up);
        Ok(Brought { socket, pumps })
    }

    /// What ends it: the service sees its visitor gone.
    pub fn ends(&self) -> Result<Gone, Fault> {
        self.socket.try_clone().map(Gone).map_err(|e| Fault::host("cannot watch the service", &e))
    }

    /// Waits for the verdict and until all that the service wrote was passed on.
    pub fn wait(self) -> Verdict {
        let told = verdict(&self.socket);
        if self.pumps.into_iter().map(JoinHandle::join).filter(Result::is_err).count() > 0 {
            tracing::debug!("a pump panicked");
        }
        told
    }
}

/// Ends a visit.
pub struct Gone(UnixStream);

impl Gone {
    /// From here on the visitor is gone; the verdict may still come.
    pub fn go(&self) {
        if let Err(error) = self.0.shutdown(std::net::Shutdown::Write) {
            tracing::debug!(%error, "the service is gone already");
        }
    }
}
