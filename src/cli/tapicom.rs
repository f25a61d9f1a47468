//! `tapicom`: the authority's socket as standard input and output.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::stream::Fault;

/// Bytes moved at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Speak with the authority of this appliance, as its console
///
/// Passes bytes on, both ways. Machines reach it by an entry of the gluepot that names the same socket:
/// `plumb BOX -- tapicom`.
#[derive(Args)]
pub(super) struct TapicomArgs {
    /// Where the authority listens
    #[arg(long, value_name = "PATH", default_value = "/run/tapioca/tapicom")]
    socket: PathBuf,
}

impl TapicomArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let failed = |e: &io::Error| {
            Fault::host(format!("cannot reach the authority at {}", self.socket.display()), e)
                .hint("is it running? tapioca serve")
        };
        let to = UnixStream::connect(&self.socket).map_err(|e| failed(&e))?;
        let from = to.try_clone().map_err(|e| failed(&e))?;
        // It ends with this process: when the authority closes, nobody waits for standard input.
        std::thread::spawn(move || {
            let passed = pass(io::stdin().lock(), &to).and_then(|()| to.shutdown(Shutdown::Write));
            if let Err(error) = passed {
                tracing::debug!(%error, "the authority does not hear everything");
            }
        });
        pass(from, io::stdout().lock()).map_err(|e| Fault::host("cannot pass on", &e))?;
        Ok(Done::Whole)
    }
}

fn pass(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&piece[..count]).and_then(|()| to.flush())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
