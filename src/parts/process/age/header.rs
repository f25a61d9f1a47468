//! The header of an age file.
//!
//! Owns its text: the version line, a stanza for each recipient, and the MAC that binds them to the file
//! key (age-encryption.org/v1, "Header"). Wrapping and unwrapping the file key is the age crate's.

use age::Recipient;
use age_core::format::{FileKey, Stanza, read};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;

use super::Identities;
use super::piece::{NONCE_BYTES, derive};
use crate::stream::{Blame, Fault};

const VERSION: &[u8] = b"age-encryption.org/v1\n";
const MAC_MARK: &[u8] = b"---";
/// Bytes of a line of a stanza's body.
const BODY_LINE: usize = 64;
/// The longest header that is read or made: some eighty recipients.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

fn damaged(what: &str) -> Fault {
    Fault::stream(format!("the header of the encrypted stream is damaged: {what}"))
}

/// Writes a header that gives `key` to each of `recipients`.
pub fn make(key: &FileKey, recipients: &[Box<dyn Recipient + Send>]) -> Result<Vec<u8>, Fault> {
    let mut text = VERSION.to_vec();
    for recipient in recipients {
        let (stanzas, _) = recipient.wrap_file_key(key).map_err(|e| {
            Fault::never(Blame::Operator, format!("cannot encrypt to a recipient: {e}"))
        })?;
        stanzas.iter().for_each(|stanza| write_stanza(stanza, &mut text));
    }
    text.extend_from_slice(MAC_MARK);
    let mac = hmac::sign(&mac_key(key)?, &text);
    text.extend_from_slice(format!(" {}\n", BASE64.encode(mac)).as_bytes());
    match text.len() > HEADER_BYTES_MAX {
        true => Err(Fault::usage("too many recipients: the header would be longer than 16 KiB")),
        false => Ok(text),
    }
}

fn write_stanza(stanza: &Stanza, text: &mut Vec<u8>) {
    text.extend_from_slice(format!("-> {}", stanza.tag).as_bytes());
    for argument in &stanza.args {
        text.extend_from_slice(format!(" {argument}").as_bytes());
    }
    text.push(b'\n');
    let body = BASE64.encode(&stanza.body);
    // The last line is shorter than the others, and so may have to be empty.
    let mut rest = body.as_bytes();
    loop {
        let (line, more) = rest.split_at(rest.len().min(BODY_LINE));
        text.extend_from_slice(line);
        text.push(b'\n');
        if line.len() < BODY_LINE {
            return;
        }
        rest = more;
    }
}

fn mac_key(key: &FileKey) -> Result<hmac::Key, Fault> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &*derive(key, &[], "header")?))
}

/// Length of the header that `bytes` start with; none if more bytes are needed to say.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let start = bytes.len().min(VERSION.len());
    if bytes[..start] != VERSION[..start] {
        return Err(damaged("it does not begin as an age file does"));
    }
    let mark = bytes.windows(4).position(|window| window == b"\n---");
    let end =
        mark.and_then(|at| bytes[at + 1..].iter().position(|&b| b == b'\n').map(|n| at + n + 2));
    match end {
        None if bytes.len() >= HEADER_BYTES_MAX => Err(damaged("it does not end")),
        Some(end) if end > HEADER_BYTES_MAX => Err(damaged("it does not end")),
        end => Ok(end),
    }
}

/// Finds the file key with one of `identities` and checks the MAC.
pub fn open(header: &[u8], identities: &Identities) -> Result<FileKey, Fault> {
    let rest = header.strip_prefix(VERSION).ok_or_else(|| damaged("its version is unknown"))?;
    let (stanzas, rest) = stanzas(rest)?;
    let mac = rest
        .strip_prefix(MAC_MARK)
        .and_then(|rest| rest.strip_prefix(b" "))
        .and_then(|rest| rest.strip_suffix(b"\n"))
        .and_then(|mac| BASE64.decode(mac).ok())
        .ok_or_else(|| damaged("it has no checksum"))?;
    for identity in identities.iter() {
        let Some(unwrapped) = identity.unwrap_stanzas(&stanzas) else { continue };
        let key = unwrapped.map_err(|e| {
            Fault::never(Blame::Operator, format!("cannot decrypt with this identity: {e}"))
        })?;
        let signed = &header[..header.len() - rest.len() + MAC_MARK.len()];
        return match hmac::verify(&mac_key(&key)?, signed, &mac) {
            Ok(()) => Ok(key),
            Err(_) => Err(damaged("its checksum is wrong")),
        };
    }
    Err(Fault::never(Blame::Operator, "cannot decrypt: none of the identities is a recipient"))
}

/// Opens a head: a header and the nonce of the payload.
pub(super) fn unlock(
    head: &[u8],
    identities: &Identities,
) -> Result<(FileKey, [u8; NONCE_BYTES]), Fault> {
    let length = length(head)?.and_then(|length| head.split_at_checked(length));
    let Some((header, Ok(nonce))) = length.map(|(h, nonce)| (h, nonce.try_into())) else {
        return Err(Fault::stream("the head of the stream's encryption has the wrong length"));
    };
    Ok((open(header, identities)?, nonce))
}

fn stanzas(mut rest: &[u8]) -> Result<(Vec<Stanza>, &[u8]), Fault> {
    let mut stanzas = Vec::new();
    while rest.starts_with(b"-> ") {
        let (after, stanza) =
            read::age_stanza(rest).map_err(|_| damaged("a stanza cannot be read"))?;
        stanzas.push(stanza.into());
        rest = after;
    }
    Ok((stanzas, rest))
}
