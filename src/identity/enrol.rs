//! Enrolling: a machine and a netplumber that share a one-time code become known to each other.
//!
//! Neither knows the other's certificate yet, so TLS alone proves nothing. Both therefore prove that they
//! know the code *and* see the same TLS connection: the key of the proofs is derived from the code's 80
//! random bits and from the secret of the connection. Somebody in between has two connections, with two
//! secrets, so no proof can be passed on; and guessing 80 bits from a proof that was seen is out of reach,
//! which is why a plain keyed hash will do where a short code would need a PAKE. At the netplumber a code
//! is good once, for minutes, and void after a few wrong attempts.
//!
//! ```text
//! machine                                        netplumber
//!   Ask { name of the code, request, proof }  ->
//!                                             <-  Granted { certificate, authority, proof }
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authority::Authority;
use super::code::Code;
use super::machine::{Draft, Machine};
use crate::stream::{Blame, Fault};
use crate::wire::channel::{Receiver, Sender, Side};
use crate::wire::frame::{CLIENT_CONTROL, Kind, Packet, SERVER_CONTROL};
use crate::wire::message;

const PURPOSE_CONNECTION: &str = "tapioca 2026-11 enrolment: this connection";
const PURPOSE_PROOF: &str = "tapioca 2026-11 enrolment: proofs";
/// What a failed enrolment is told, whatever was wrong.
const REFUSAL: &str = "the code is wrong, was used, or is too old";

/// What a machine asks.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The public part of the code.
    pub code: String,
    /// PKCS#10 request for a certificate, DER.
    pub request: Vec<u8>,
    /// That it knows the code.
    pub proof: [u8; 32],
}

/// What a netplumber answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// No, and why.
    Refused(String),
    /// Welcome.
    Granted {
        /// The machine's certificate, DER.
        certificate: Vec<u8>,
        /// The authority's, DER.
        authority: Vec<u8>,
        /// That the netplumber knows the code.
        proof: [u8; 32],
    },
}

/// The key of the proofs on one connection.
fn proof_key(code_key: &[u8; 32], sender: &Sender) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let connection = sender.key(PURPOSE_CONNECTION)?;
    let both = Zeroizing::new([code_key.as_slice(), connection.as_slice()].concat());
    Ok(Zeroizing::new(blake3::derive_key(PURPOSE_PROOF, &both)))
}

/// Compares in constant time.
fn proof(key: &[u8; 32], side: Side, said: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(match side {
        Side::Client => b"machine   ",
        Side::Server => b"netplumber",
    });
    for part in said {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize()
}

fn say<T: Serialize>(sender: &mut Sender, control: u8, message: &T) -> Result<(), Fault> {
    sender.send(&[Packet::new(Kind::Message, control, &message::encode(message)?)])
}

fn hear<T: serde::de::DeserializeOwned>(
    receiver: &mut Receiver,
    limit: Duration,
) -> Result<T, Fault> {
    match receiver.frame(limit)? {
        (header, payload) if header.kind == Kind::Message => message::decode(payload.data()),
        _ => Err(Fault::stream("the other end talks of something else")),
    }
}

/// The machine's side. Nothing is kept unless the netplumber proved that it knows the code.
pub fn ask(
    (mut sender, mut receiver): (Sender, Receiver),
    code: &Code,
    machine: &Machine,
    limit: Duration,
) -> Result<(), Fault> {
    let draft = Draft::new()?;
    let key = proof_key(&code.key(), &sender)?;
    let proven = proof(&key, Side::Client, &[&draft.request]);
    let request = draft.request.clone();
    let ask = Ask { code: code.name().to_owned(), request, proof: *proven.as_bytes() };
    say(&mut sender, CLIENT_CONTROL, &ask)?;
    let answer = hear(&mut receiver, limit)?;
    sender.close()?;
    match answer {
        Answer::Refused(why) => Err(Fault::never(Blame::Operator, format!("not enrolled: {why}"))
            .hint("ask for a new code there: netplumber enrol NAME")),
        Answer::Granted { certificate, authority, proof: theirs } => {
            let wanted = proof(&key, Side::Server, &[&certificate, &authority]);
            if wanted != blake3::Hash::from_bytes(theirs) {
                return Err(Fault::never(
                    Blame::Peer,
                    "not enrolled: who answers does not know the code, so it is not that netplumber",
                ));
            }
            machine.keep(&draft, &certificate, &authority)
        }
    }
}

/// The netplumber's side. Returns the machine that enrolled, or why none did.
pub fn answer(
    (sender, receiver): (&mut Sender, &mut Receiver),
    authority: &Authority,
    now_s: i64,
    days: u32,
    limit: Duration,
) -> Result<Result<String, String>, Fault> {
    let ask: Ask = hear(receiver, limit)?;
    let connection_key = |key: &[u8; 32]| proof_key(key, sender);
    let mut failed = None;
    let proves = |key: &[u8; 32]| match connection_key(key) {
        Ok(key) => {
            proof(&key, Side::Client, &[&ask.request]) == blake3::Hash::from_bytes(ask.proof)
        }
        Err(fault) => {
            failed = Some(fault);
            false
        }
    };
    let used = authority.use_code(&ask.code, now_s, proves)?;
    if let Some(fault) = failed {
        return Err(fault);
    }
    let Some((machine, key)) = used else {
        say(sender, SERVER_CONTROL, &Answer::Refused(REFUSAL.into()))?;
        return Ok(Err(format!("enrolment refused: {REFUSAL}")));
    };
    let certificate = authority.sign(&machine, &ask.request, now_s, days)?;
    let authority = authority.certificate()?;
    let key = proof_key(&key, sender)?;
    let proven = *proof(&key, Side::Server, &[&certificate, &authority]).as_bytes();
    say(sender, SERVER_CONTROL, &Answer::Granted { certificate, authority, proof: proven })?;
    Ok(Ok(machine))
}
