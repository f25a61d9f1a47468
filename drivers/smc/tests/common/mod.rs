//! A scripted changer: each command must be the next one of the script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scsi::{Data, Outcome, Sense, Transport};

/// What the script answers.
pub enum Reply {
    Data(Vec<u8>),
    Sense(u8, u8, u8),
    Outcome(Outcome),
}

type Step = (Vec<u8>, Reply);

/// Shared with the test, so that it can see what is left and add steps.
#[derive(Clone, Default)]
pub struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    timeouts: Arc<Mutex<Vec<Duration>>>,
}

impl Script {
    pub fn expect(&self, cdb: &[u8], reply: Reply) -> &Script {
        self.steps.lock().unwrap().push_back((cdb.to_vec(), reply));
        self
    }

    pub fn left(&self) -> usize {
        self.steps.lock().unwrap().len()
    }

    pub fn last_timeout(&self) -> Duration {
        *self.timeouts.lock().unwrap().last().unwrap()
    }

    pub fn transport(&self) -> Box<dyn Transport> {
        Box::new(self.clone())
    }
}

impl Transport for Script {
    fn name(&self) -> &str {
        "scripted"
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        self.timeouts.lock().unwrap().push(timeout);
        let (expected, reply) = self.steps.lock().unwrap().pop_front().expect("script is over");
        assert_eq!(format!("{cdb:02x?}"), format!("{expected:02x?}"));
        match (reply, data) {
            (Reply::Outcome(outcome), _) => outcome,
            (Reply::Sense(key, asc, ascq), data) => {
                let raw = [0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0];
                Outcome::Check { sense: Sense::decode(&raw).unwrap(), residual: data.len() }
            }
            (Reply::Data(bytes), Data::In(buffer)) => {
                let moved = bytes.len().min(buffer.len());
                buffer[..moved].copy_from_slice(&bytes[..moved]);
                Outcome::Good { residual: buffer.len() - moved }
            }
            (Reply::Data(bytes), _) => {
                assert!(bytes.is_empty(), "data for a command without data");
                Outcome::Good { residual: 0 }
            }
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn inquiry(device_type: u8, product: &[u8; 16]) -> Vec<u8> {
    let mut bytes = vec![device_type, 0x80, 5, 2, 31, 0, 0, 0];
    bytes.extend_from_slice(b"TAPIOCA ");
    bytes.extend_from_slice(product);
    bytes.extend_from_slice(b"0107");
    bytes
}

pub fn serial(text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![8, 0x80, 0, u8::try_from(text.len()).unwrap()];
    bytes.extend_from_slice(text);
    bytes
}

/// MODE SENSE(6) reply: (first, count) of hands, slots, mail slots, drives.
pub fn addresses(ranges: [(u16, u16); 4]) -> Vec<u8> {
    let mut bytes = vec![23, 0, 0x10, 0, 0x1d, 18];
    for (first, count) in ranges {
        bytes.extend_from_slice(&first.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

/// One element for a status reply with primary volume tags.
pub fn element(address: u16, flags: u8, tag: &str, source: Option<u16>) -> Vec<u8> {
    let [a, b] = address.to_be_bytes();
    let mut bytes = vec![a, b, flags, 0, 0, 0, 0, 0, 0];
    bytes.push(if source.is_some() { 0x80 } else { 0 });
    bytes.extend_from_slice(&source.unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(format!("{tag:<32}").as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// A whole status reply of one page.
pub fn status(kind: u8, page_flags: u8, elements: &[Vec<u8>]) -> Vec<u8> {
    let size = elements.first().map_or(0, Vec::len);
    let body = elements.concat();
    let count = u16::try_from(elements.len()).unwrap().to_be_bytes();
    let first = elements.first().map_or([0, 0], |e| [e[0], e[1]]);
    let [_, r0, r1, r2] = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    let [_, p0, p1, p2] = u32::try_from(body.len()).unwrap().to_be_bytes();
    let [d0, d1] = u16::try_from(size).unwrap().to_be_bytes();
    let mut bytes = vec![first[0], first[1], count[0], count[1], 0, r0, r1, r2];
    bytes.extend_from_slice(&[kind, page_flags, d0, d1, 0, p0, p1, p2]);
    bytes.extend_from_slice(&body);
    bytes
}

/// READ ELEMENT STATUS as the driver asks it.
pub fn query(kind: u8, first: u16, count: u16, tags: bool, flags: u8) -> Vec<u8> {
    let [f0, f1] = first.to_be_bytes();
    let [c0, c1] = count.to_be_bytes();
    vec![0xb8, u8::from(tags) << 4 | kind, f0, f1, c0, c1, flags, 1, 0, 0, 0, 0]
}

pub const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 96, 0];
pub const SERIAL: [u8; 6] = [0x12, 1, 0x80, 0, 255, 0];
pub const ADDRESSES: [u8; 6] = [0x1a, 0, 0x1d, 0, 255, 0];
