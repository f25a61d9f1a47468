//! Logins that a machine checks by its own accounts.
//!
//! Owns the question to the entry `check_login` of the machine's gluepot. The password goes over the link and
//! nowhere else.

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use zeroize::Zeroizing;

use super::pull::Pull;
use super::shell::{Happen, Happening, send};
use crate::plumb::far;
use crate::stream::{Blame, Fault};
use crate::tapicom::login::AskMachine;
use crate::tapicom::message::Secret;
use crate::wire::message::{STDERR, STDIN, STDOUT};

/// The entry of a machine's gluepot.
const ENTRY: &str = "check_login";
/// The longest answer, bytes.
const ANSWER_BYTES_MAX: u64 = 16;
/// How long the loop may take to say where a machine is.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks machines.
pub struct Accounts {
    /// The service's loop, which knows where they are.
    pub happen: Happen,
    /// How they are called.
    pub pull: Pull,
}

impl Accounts {
    fn address(&self, machine: &str) -> Result<Option<String>, Fault> {
        let (tell, told) = channel();
        let machine = machine.to_owned();
        let look = Happening::Look(Box::new(move |view| {
            let known = view.state.records.machines.get(&machine);
            let address = known.and_then(|machine| machine.address.clone());
            if tell.send(address).is_err() {
                tracing::debug!("nobody asks for the address any more");
            }
        }));
        send(&self.happen, look);
        told.recv_timeout(LIMIT).map_err(|_| Fault::later(Blame::Host, "the service ends"))
    }
}

impl AskMachine for Accounts {
    fn is_right(&self, machine: &str, user: &str, password: &Secret) -> Result<bool, Fault> {
        let link = self.pull.far(self.address(machine)?, vec![ENTRY.into()])?.call()?;
        drop(link.reader(STDERR));
        let said = Zeroizing::new([user, "\0", password.reveal(), "\0"].concat());
        let mut to = link.writer(STDIN);
        let sent = to.write_all(said.as_bytes());
        sent.map_err(|e| Fault::host("cannot ask the machine", &e))?;
        drop(to);
        let mut answer = String::new();
        let read = link.reader(STDOUT).take(ANSWER_BYTES_MAX).read_to_string(&mut answer);
        read.map_err(|e| Fault::host("cannot hear the machine", &e))?;
        far::verdict(&link)?;
        far::finish(&link)?;
        match answer.as_str() {
            "yes\n" => Ok(true),
            "no\n" => Ok(false),
            _ => Err(Fault::later(Blame::Peer, format!("{machine} does not say yes or no"))),
        }
    }
}
