//! Messages of the control handles.
//!
//! Owns what starts a component on another machine and what ends it: postcard in a frame of kind message.
//! The version of all this is in the ALPN name; a newer one is another name.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::stream::Fault;

/// ALPN name of connections that run a component.
pub const ALPN_PLUMB: &[u8] = b"tapioca-plumb/1";
/// ALPN name of connections that enrol a machine.
pub const ALPN_ENROL: &[u8] = b"tapioca-enrol/1";
/// The longest message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The most words of a command.
pub const WORDS_MAX: usize = 64;
/// The longest word, bytes.
pub const WORD_BYTES_MAX: usize = 4096;

/// The handle of standard input; of standard output, of standard error, of receipts to above and from
/// below; named pipes follow.
pub const STDIN: u8 = 0;
/// Standard output.
pub const STDOUT: u8 = 1;
/// Standard error.
pub const STDERR: u8 = 2;
/// Receipts towards the source.
pub const RECEIPTS_UP: u8 = 3;
/// Receipts from below.
pub const RECEIPTS_FROM_BELOW: u8 = 4;
/// The first named pipe.
pub const PIPES: u8 = 5;
/// The most named pipes.
pub const PIPES_MAX: usize = super::frame::HANDLES - PIPES as usize;

/// How data is protected on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seal {
    /// TLS 1.3.
    #[default]
    Encrypt,
    /// In clear, each frame with a keyed BLAKE3 whose key comes of the TLS handshake.
    None,
}

/// A named pipe that the command has at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPipe {
    /// Its name in the folder where the component runs.
    pub name: String,
    /// Whether bytes go to the component.
    pub to_component: bool,
}

/// What the client wants run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Name of an entry of the gluepot, and what is added to it.
    pub words: Vec<String>,
    /// From here on.
    pub seal: Seal,
    /// Whether somebody wants the receipts.
    pub receipts_up: bool,
    /// Whether receipts come from below.
    pub receipts_from_below: bool,
    /// Named pipes, handle [`PIPES`] first.
    pub pipes: Vec<NamedPipe>,
}

impl Request {
    /// Handles that such a link has.
    pub fn handles(&self) -> usize {
        usize::from(PIPES) + self.pipes.len()
    }

    /// What is wrong with the form of it.
    pub fn complaint(&self) -> Option<String> {
        let is_name = |name: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            (1..=64).contains(&name.len())
                && name.chars().all(plain)
                && !name.starts_with(['-', '.'])
        };
        if self.words.is_empty() || self.words.len() > WORDS_MAX {
            return Some(format!("a command has 1 to {WORDS_MAX} words"));
        }
        if let Some(word) = self.words.iter().find(|w| w.len() > WORD_BYTES_MAX || w.contains('\0'))
        {
            return Some(format!("a word of {} bytes, or with a NUL", word.len()));
        }
        if self.pipes.len() > PIPES_MAX {
            return Some(format!("{} named pipes: at most {PIPES_MAX}", self.pipes.len()));
        }
        let names: std::collections::BTreeSet<&str> =
            self.pipes.iter().map(|pipe| pipe.name.as_str()).collect();
        if names.len() < self.pipes.len() {
            return Some("two named pipes of one name".into());
        }
        let bad = names.into_iter().find(|name| !is_name(name))?;
        Some(format!("{bad:?} is no name for a pipe: letters, digits, - _ . are"))
    }
}

/// What the client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromClient {
    /// First, once.
    Start(Request),
    /// The first frame in clear, when nothing is sealed any more.
    Unsealed,
    /// The component is to end: 2 or 15, as signals are numbered.
    Signal(u8),
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromServer {
    /// The component was not started, and why.
    Refused(Fault),
    /// It runs.
    Started,
    /// It ended: how many things it left out, or its fault.
    Ended(Result<u64, Fault>),
}

/// A message as bytes.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Fault> {
    let bytes = postcard::to_stdvec(message)
        .map_err(|e| Fault::never(crate::stream::Blame::Ours, format!("cannot encode: {e}")))?;
    match bytes.len() <= MESSAGE_BYTES_MAX {
        true => Ok(bytes),
        false => Err(Fault::usage(format!(
            "the command is longer than the {MESSAGE_BYTES_MAX} bytes of a message"
        ))),
    }
}

/// Reads a message. All of the bytes must belong to it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) if bytes.len() <= MESSAGE_BYTES_MAX => Ok(message),
        _ => Err(Fault::stream("a message of the other plumber cannot be understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_golden_bytes() {
        let request = Request {
            words: vec!["sink_tape".into(), "--volume".into(), "TAP001L9".into()],
            seal: Seal::None,
            receipts_up: true,
            receipts_from_below: false,
            pipes: vec![NamedPipe { name: "up".into(), to_component: true }],
        };
        let start = FromClient::Start(request);
        let bytes = encode(&start).unwrap();
        let golden =
            b"\x00\x03\x09sink_tape\x08--volume\x08TAP001L9\x01\x01\x00\x01\x02up\x01".to_vec();
        assert_eq!(bytes, golden);
        assert_eq!(decode::<FromClient>(&bytes).unwrap(), start);
        assert_eq!(encode(&FromClient::Unsealed).unwrap(), [1]);
        assert_eq!(encode(&FromClient::Signal(15)).unwrap(), [2, 15]);
        let fault = Fault::never(crate::stream::Blame::Operator, "no");
        assert_eq!(encode(&FromServer::Refused(fault)).unwrap(), b"\x00\x06\x01\x02no\x00\x00");
        assert_eq!(encode(&FromServer::Started).unwrap(), [1]);
        assert_eq!(encode(&FromServer::Ended(Ok(300))).unwrap(), [2, 0, 0xac, 0x02]);
        assert!(decode::<FromServer>(&[1, 0]).is_err(), "bytes behind a message");
    }

    #[test]
    fn requests_are_judged_by_their_form() {
        let request = |words: &[&str], pipes: &[&str]| Request {
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            pipes: pipes
                .iter()
                .map(|name| NamedPipe { name: (*name).to_owned(), to_component: true })
                .collect(),
            ..Request::default()
        };
        assert_eq!(request(&["x"], &["a", "b.up"]).complaint(), None);
        let long = "x".repeat(WORD_BYTES_MAX + 1);
        for bad in [
            request(&[], &[]),
            request(&["x"; WORDS_MAX + 1], &[]),
            request(&[&long], &[]),
            request(&["a\0b"], &[]),
            request(&["x"], &["a", "a"]),
            request(&["x"], &["../a"]),
            request(&["x"], &["a/b"]),
            request(&["x"], &[".."]),
            request(&["x"], &["-a"]),
            request(&["x"], &[""]),
        ] {
            assert!(bad.complaint().is_some(), "{bad:?}");
        }
    }
}
