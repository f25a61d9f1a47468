//! Doubles for the tests: a clock that never waits, a drive that follows a script, and a drive
//! poor in commands.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "test code, though not in a test function")]

pub mod poor;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scsi::{Data, Outcome, Sense, Transport};
use ssc::{Clock, Drive};

/// Time passes only by sleeping.
#[derive(Clone, Default)]
pub struct StillClock(pub Arc<Mutex<Duration>>);

impl Clock for StillClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&mut self, pause: Duration) {
        *self.0.lock().unwrap() += pause;
    }
}

/// One answer of the script.
pub enum Act {
    Is(Outcome),
    Sends(Vec<u8>),
}

/// What a scripted drive was asked, with the time limit.
pub type Log = Arc<Mutex<Vec<(Vec<u8>, Duration)>>>;

/// A drive that answers attach with the least there is, then follows its script; each step says
/// which operation code must come.
pub struct Scripted {
    pub steps: Arc<Mutex<VecDeque<(u8, Act)>>>,
    pub log: Log,
    pub attached: Arc<Mutex<bool>>,
    pub serial: Arc<Mutex<&'static str>>,
    pub log_pages: &'static [u8],
    pub sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Transport for Scripted {
    fn name(&self) -> &str {
        "fake"
    }

    fn execute(&mut self, cdb: &[u8], mut data: Data<'_>, timeout: Duration) -> Outcome {
        self.log.lock().unwrap().push((cdb.to_vec(), timeout));
        if let Data::Out(bytes) = &data {
            self.sent.lock().unwrap().push(bytes.to_vec());
        }
        if cdb[0] == 0x12 {
            return fill(&mut data, &inquiry(cdb, *self.serial.lock().unwrap()));
        }
        if !*self.attached.lock().unwrap() {
            return match cdb[0] {
                // No medium yet: attach asks for no position.
                0x00 => check(&sense(2, 0x3a, 0)),
                0x4d if !self.log_pages.is_empty() => fill(
                    &mut data,
                    &[&[0, 0, 0, self.log_pages.len() as u8], self.log_pages].concat(),
                ),
                _ => check(&sense(5, 0x20, 0)),
            };
        }
        let (opcode, act) = self.steps.lock().unwrap().pop_front().expect("script is over");
        assert_eq!(opcode, cdb[0], "another command was expected");
        match act {
            Act::Is(outcome) => outcome,
            Act::Sends(bytes) => fill(&mut data, &bytes),
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A scripted drive after attach, and handles on its script and log.
pub struct Stage {
    pub drive: Drive,
    pub clock: StillClock,
    pub log: Log,
    pub serial: Arc<Mutex<&'static str>>,
    /// What was sent with the commands, in order.
    pub sent: Arc<Mutex<Vec<Vec<u8>>>>,
    steps: Arc<Mutex<VecDeque<(u8, Act)>>>,
}

impl Stage {
    pub fn new(script: impl IntoIterator<Item = (u8, Act)>) -> Stage {
        Stage::with_logs(&[], script)
    }

    /// A drive with these log pages.
    pub fn with_logs(
        log_pages: &'static [u8],
        script: impl IntoIterator<Item = (u8, Act)>,
    ) -> Stage {
        let steps = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let attached = Arc::new(Mutex::new(false));
        let (log, clock) = (Log::default(), StillClock::default());
        let serial = Arc::new(Mutex::new("S1"));
        let sent = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let transport = Scripted {
            steps: steps.clone(),
            log: log.clone(),
            attached: attached.clone(),
            serial: serial.clone(),
            log_pages,
            sent: sent.clone(),
        };
        let drive = Drive::attach_with(Box::new(transport), Box::new(clock.clone())).unwrap();
        *attached.lock().unwrap() = true;
        log.lock().unwrap().clear();
        Stage { drive, clock, log, serial, sent, steps }
    }

    pub fn opcodes(&self) -> Vec<u8> {
        self.log.lock().unwrap().iter().map(|(cdb, _)| cdb[0]).collect()
    }

    pub fn script_is_over(&self) -> bool {
        self.steps.lock().unwrap().is_empty()
    }
}

/// The device's answer goes into the buffer as far as it fits.
pub fn fill(data: &mut Data<'_>, bytes: &[u8]) -> Outcome {
    let Data::In(buffer) = data else { panic!("data expected") };
    let moved = buffer.len().min(bytes.len());
    buffer[..moved].copy_from_slice(&bytes[..moved]);
    Outcome::Good { residual: buffer.len() - moved }
}

pub fn inquiry(cdb: &[u8], serial: &str) -> Vec<u8> {
    if cdb[1] & 1 == 1 {
        let mut page = vec![1, 0x80, 0, serial.len() as u8];
        page.extend_from_slice(serial.as_bytes());
        return page;
    }
    let mut reply = vec![1, 0x80, 6, 2, 31, 0, 0, 0];
    reply.extend_from_slice(b"ACME    OLD TAPE        0001");
    reply
}

pub fn check(raw: &[u8]) -> Outcome {
    Outcome::Check { sense: Sense::decode(raw).unwrap(), residual: 0 }
}

pub fn check_left(raw: &[u8], residual: usize) -> Outcome {
    Outcome::Check { sense: Sense::decode(raw).unwrap(), residual }
}

/// Fixed sense without INFORMATION; `flags` may carry FM (80h), EOM (40h), ILI (20h) beside the key.
pub fn sense(flags: u8, asc: u8, ascq: u8) -> [u8; 18] {
    let mut raw = [0; 18];
    (raw[0], raw[2], raw[7], raw[12], raw[13]) = (0x70, flags, 10, asc, ascq);
    raw
}

pub fn sense_with(flags: u8, asc: u8, ascq: u8, information: i32) -> [u8; 18] {
    let mut raw = sense(flags, asc, ascq);
    raw[0] = 0xf0;
    raw[3..7].copy_from_slice(&information.to_be_bytes());
    raw
}

pub fn deferred(key: u8, asc: u8, ascq: u8) -> [u8; 18] {
    let mut raw = sense(key, asc, ascq);
    raw[0] = 0x71;
    raw
}

pub const GOOD: Outcome = Outcome::Good { residual: 0 };
