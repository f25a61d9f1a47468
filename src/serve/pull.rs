//! Backups that the authority asks for.
//!
//! Owns the call to a client's netplumber. What runs there is the entry `backup` of its gluepot, which the
//! client's owner has put there: it begins the client's side of the job just as if somebody had typed it
//! there. So nothing is ever read on a client but by that client's leave.

use std::path::PathBuf;
use std::time::Duration;

use crate::catalogue::record::JobId;
use crate::identity::machine::Address;
use crate::plumb::far::{self, Far};
use crate::stream::{Blame, Fault};
use crate::wire::link::Alive;
use crate::wire::message::{Request, STDERR};

/// The entry of a client's gluepot.
pub const ENTRY: &str = "backup";

/// Asks clients.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Folder of the appliance's identities with its clients.
    pub home: PathBuf,
    /// When a silent client counts as gone.
    pub dead_after: Duration,
}

impl Pull {
    /// Asks the netplumber at `address` to begin the client's side of a job, on a thread. `failed` is told when
    /// it does not, or when it ends in a fault.
    pub fn ask(
        &self,
        job: JobId,
        address: Option<String>,
        paths: Vec<String>,
        failed: impl FnOnce(String) + Send + 'static,
    ) {
        let own = self.clone();
        let ask = move || {
            if let Err(fault) = own.call(job, address, paths) {
                failed(fault.to_string());
            }
        };
        if let Err(error) = std::thread::Builder::new().name("pull".into()).spawn(ask) {
            tracing::error!(%error, %job, "cannot start a thread to ask a client");
        }
    }

    /// A component of a client.
    ///
    /// # Errors
    ///
    /// Nobody knows where the client's netplumber is.
    pub fn far(&self, address: Option<String>, words: Vec<String>) -> Result<Far, Fault> {
        let unknown = || {
            Fault::never(Blame::Operator, "it is not known where this machine's netplumber is")
                .hint("tapicli machine put NAME --address HOST:PORT")
        };
        let address: Address = address
            .ok_or_else(unknown)?
            .parse()
            .map_err(|why| Fault::never(Blame::Operator, format!("its address: {why}")))?;
        Ok(Far {
            address,
            home: self.home.clone(),
            alive: Alive::dead_after(self.dead_after),
            request: Request { words, ..Request::default() },
        })
    }

    fn call(&self, job: JobId, address: Option<String>, paths: Vec<String>) -> Result<(), Fault> {
        let words = [ENTRY.into(), "--job".into(), job.to_string()];
        let link = self.far(address, words.into_iter().chain(paths).collect())?.call()?;
        let mut said = link.reader(STDERR);
        std::thread::spawn(move || {
            let mut text = String::new();
            match std::io::Read::read_to_string(&mut said, &mut text) {
                Ok(_) => tracing::debug!(%job, "the client says: {text}"),
                Err(error) => tracing::debug!(%job, %error, "the client says nothing"),
            }
        });
        far::verdict(&link)?;
        far::finish(&link)
    }
}
