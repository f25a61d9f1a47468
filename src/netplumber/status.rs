//! What a netplumber and the process of one connection tell each other: lines of JSON on a socket pair.
//!
//! The socket is also how each learns that the other is gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::stream::Fault;

/// The longest line, bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// From the connection's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// A machine proved who it is.
    Hello {
        /// Its name.
        machine: String,
        /// Digest of its certificate.
        digest: String,
    },
    /// A component runs.
    Running(String),
    /// It ended, or nothing was ever run: why.
    Ended(String),
    /// Somebody was refused: why. Nothing follows.
    Refused(String),
    /// A machine enrolled. Nothing follows.
    Enrolled(String),
}

/// To the connection's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The machine is served.
    Go,
    /// It is not, or not any more: why.
    Stop(String),
}

/// A message as a line.
pub fn line<T: Serialize>(message: &T) -> Result<Vec<u8>, Fault> {
    let mut line = serde_json::to_vec(message)
        .map_err(|e| Fault::never(crate::stream::Blame::Ours, format!("cannot report: {e}")))?;
    line.push(b'\n');
    Ok(line)
}

/// The end that a connection's process has.
pub struct Status {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Status {
    /// Over the socket it was given.
    pub fn new(socket: UnixStream) -> Result<Status, Fault> {
        let again = socket.try_clone().map_err(|e| Fault::host("cannot report", &e))?;
        Ok(Status { to: again, from: BufReader::new(socket) })
    }

    /// Another end for reports.
    pub fn reporter(&self) -> Result<Reporter, Fault> {
        Ok(Reporter(self.to.try_clone().map_err(|e| Fault::host("cannot report", &e))?))
    }

    /// Waits for the order to stop.
    pub fn last_order(mut self) -> Order {
        loop {
            if let stop @ Order::Stop(_) = self.order() {
                return stop;
            }
        }
    }

    /// The next order; a netplumber that is gone wants everything to stop.
    pub fn order(&mut self) -> Order {
        let mut line = Vec::new();
        let read = (&mut self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let order = read.ok().and_then(|_| serde_json::from_slice(&line).ok());
        order.unwrap_or_else(|| Order::Stop("the netplumber is gone".into()))
    }
}

/// Where reports go.
pub struct Reporter(UnixStream);

impl Reporter {
    /// Tells the netplumber. If it is gone, the order to stop comes by itself.
    pub fn tell(&mut self, report: &Report) {
        let told = line(report).map_err(std::io::Error::other).and_then(|l| self.0.write_all(&l));
        if let Err(error) = told {
            tracing::debug!(%error, "nobody hears our report");
        }
    }
}
