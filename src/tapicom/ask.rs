//! Asking a machine whether a password is right there.
//!
//! Owns the call: `plumb MACHINE -- check_login`, with login and password on standard input, and a word back.
//! The program behind it is the machine's own; its gluepot says which. Nothing is said on a command line, and
//! whatever is not a plain yes is a no.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use zeroize::Zeroizing;

use super::login::AskMachine;
use super::message::Secret;
use crate::identity::machine::Address;
use crate::plumb::far::{self, Far};
use crate::stream::{Blame, Fault};
use crate::wire::Link;
use crate::wire::link::Alive;
use crate::wire::message::{RECEIPTS_FROM_BELOW, RECEIPTS_UP, Request, STDERR, STDIN, STDOUT};

/// The name in the gluepots of machines.
pub const COMPONENT: &str = "check_login";
/// How long a machine may take.
const LIMIT: Duration = Duration::from_secs(15);
/// What it says when login and password belong together. Anything else is a no.
const YES: &[u8] = b"yes\n";
/// Longest login and password.
const TEXT_BYTES_MAX: usize = 512;

/// Where the netplumber of a machine is, if it has one.
pub type Whereabouts = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Asks by plumb.
pub struct ByPlumb {
    /// Folder of this host's identities, by which the machines know it.
    pub home: PathBuf,
    /// Who knows where the machines are.
    pub address: Box<Whereabouts>,
}

/// Login and password as they are written: each ended by a NUL. None: they cannot be anybody's.
pub fn question(user: &str, password: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let is_name = user.chars().all(plain) && user.starts_with(|c: char| c.is_ascii_alphanumeric());
    let text = password.reveal();
    let fits = |text: &str| text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
    if !is_name || !fits(user) || !fits(text) || text.is_empty() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(user.len() + text.len() + 2));
    for text in [user, text] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    Some(bytes)
}

impl AskMachine for ByPlumb {
    fn is_right(&self, name: &str, user: &str, password: &Secret) -> Result<bool, Fault> {
        let Some(question) = question(user, password) else { return Ok(false) };
        let unknown = || {
            let what = format!("it is not known where the netplumber of {name} is");
            Fault::never(Blame::Operator, what)
        };
        let address: Address =
            (self.address)(name).and_then(|address| address.parse().ok()).ok_or_else(unknown)?;
        let request = Request { words: vec![COMPONENT.into()], ..Request::default() };
        let alive = Alive::dead_after(LIMIT);
        let far = Far { address, home: self.home.clone(), alive, request };
        answer(&far.call()?, question)
    }
}

/// However slowly it answers, it has the time it has: the link is ended then.
fn answer(link: &Link, question: Zeroizing<Vec<u8>>) -> Result<bool, Fault> {
    drop([STDERR, RECEIPTS_UP].map(|handle| link.reader(handle)));
    drop(link.writer(RECEIPTS_FROM_BELOW));
    let (answered, hears) = sync_channel(1);
    let (mut to, from) = (link.writer(STDIN), link.reader(STDOUT));
    let asks = link.clone();
    let asking = std::thread::spawn(move || {
        let said = to.write_all(&question).and_then(|()| to.flush());
        drop(to);
        let mut word = Vec::new();
        let heard = from.take(YES.len() as u64 + 1).read_to_end(&mut word);
        let verdict = far::verdict(&asks);
        let is_yes = said.is_ok() && heard.is_ok() && word == YES;
        // Nobody waits any more when it took too long.
        answered.send(verdict.map(|left_out| is_yes && left_out == 0)).is_ok()
    });
    let too_long = || Fault::later(Blame::Peer, "the machine takes too long to check a login");
    let answer = hears.recv_timeout(LIMIT).unwrap_or_else(|_| Err(too_long()));
    match &answer {
        Ok(_) => far::finish(link)?,
        Err(fault) => link.fail(fault.clone()),
    }
    if asking.join().is_err() {
        return Err(Fault::never(Blame::Ours, "asking a machine panicked"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_somebody_is_asked() {
        let ask = |user: &str, password: &str| question(user, &Secret::new(password));
        assert_eq!(*ask("alice", "pass word").unwrap(), b"alice\0pass word\0");
        for (user, password) in [
            ("", "x"),
            ("-rf", "x"),
            ("a\0b", "x"),
            ("a b", "x"),
            ("../x", "x"),
            ("alice", ""),
            ("alice", "a\0b"),
            (&"x".repeat(513), "x"),
            ("alice", &"x".repeat(513)),
        ] {
            assert!(ask(user, password).is_none(), "{user:?} {password:?}");
        }
    }
}
