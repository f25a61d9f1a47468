//! A drive of the poorest kind: writes, reads, rewinds, spaces, and little else. What it lacks and
//! how clumsily it answers is set by its manners.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scsi::{Data, Outcome, Transport};

use super::{GOOD, check, check_left, fill, inquiry, sense, sense_with};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    Block(Vec<u8>),
    Mark,
}

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// As SSC says, only without READ POSITION and LOCATE: filemarks stop it, INFORMATION counts.
    Standard,
    /// Takes filemarks for blocks when spacing, stops in front of one when reading, says neither FM
    /// nor ILI nor INFORMATION, stops at the beginning without a word, and answers READ POSITION
    /// with good status and zeros.
    Clumsy,
}

pub struct Poor {
    pub manners: Manners,
    pub objects: Arc<Mutex<Vec<Object>>>,
    pub at: usize,
}

impl Poor {
    pub fn new(manners: Manners, objects: Vec<Object>) -> Poor {
        Poor { manners, objects: Arc::new(Mutex::new(objects)), at: 0 }
    }

    fn clumsy(&self) -> bool {
        self.manners == Manners::Clumsy
    }

    fn append(&mut self, object: Object) -> Outcome {
        let mut objects = self.objects.lock().unwrap();
        objects.truncate(self.at);
        objects.push(object);
        self.at += 1;
        GOOD
    }

    fn read(&mut self, data: &mut Data<'_>) -> Outcome {
        let object = self.objects.lock().unwrap().get(self.at).cloned();
        let offered = data.len();
        match object {
            None => check_left(&sense(0x48, 0, 5), offered),
            Some(Object::Mark) if self.clumsy() => check_left(&sense(0, 0, 0), offered),
            Some(Object::Mark) => {
                self.at += 1;
                check_left(&sense_with(0x80, 0, 1, offered as i32), offered)
            }
            Some(Object::Block(block)) => {
                self.at += 1;
                let Outcome::Good { residual } = fill(data, &block) else { unreachable!() };
                let difference = offered as i32 - block.len() as i32;
                match difference {
                    0 => GOOD,
                    _ if self.clumsy() => check_left(&sense(0, 0, 0), residual),
                    _ => check_left(&sense_with(0x20, 0, 0, difference), residual),
                }
            }
        }
    }

    fn space(&mut self, code: u8, mut left: i32) -> Outcome {
        let forward = left > 0;
        while left != 0 {
            let next = if forward { Some(self.at) } else { self.at.checked_sub(1) };
            let Some(next) = next else {
                return if self.clumsy() { GOOD } else { self.stop(0x40, 4, left) };
            };
            let object = self.objects.lock().unwrap().get(next).cloned();
            let Some(object) = object else {
                return self.stop(if self.clumsy() { 0 } else { 8 }, 5, left);
            };
            self.at = if forward { self.at + 1 } else { next };
            let mark = object == Object::Mark;
            if mark && code == 0 && !self.clumsy() {
                return self.stop(0x80, 1, left);
            }
            if mark || code == 0 {
                left -= left.signum();
            }
            // The clumsy one looks at where it has come to before it looks at its count.
            if self.clumsy() && code == 0 && self.at == self.objects.lock().unwrap().len() {
                return self.stop(0, 5, left);
            }
        }
        GOOD
    }

    fn stop(&self, flags: u8, ascq: u8, left: i32) -> Outcome {
        if self.clumsy() {
            return check(&sense(flags & 0x0f, 0, ascq));
        }
        check(&sense_with(flags, 0, ascq, left.abs()))
    }
}

impl Transport for Poor {
    fn name(&self) -> &str {
        "poor"
    }

    fn execute(&mut self, cdb: &[u8], mut data: Data<'_>, _: Duration) -> Outcome {
        match cdb[0] {
            0x00 => GOOD,
            0x01 => {
                self.at = 0;
                GOOD
            }
            0x08 => self.read(&mut data),
            0x0a => {
                let Data::Out(block) = data else { panic!("data expected") };
                self.append(Object::Block(block.to_vec()))
            }
            0x10 => (0..cdb[4]).map(|_| self.append(Object::Mark)).last().unwrap_or(GOOD),
            0x11 => self.space(cdb[1], i32::from_be_bytes([cdb[2], cdb[3], cdb[4], 0]) >> 8),
            0x12 => fill(&mut data, &inquiry(cdb, "P1")),
            0x34 if self.clumsy() => match cdb[1] {
                0x00 => fill(&mut data, &[&[20u8][..], &[0; 19]].concat()),
                0x06 => fill(&mut data, &[&[32u8][..], &[0; 31]].concat()),
                _ => check(&sense(5, 0x24, 0)),
            },
            _ => check(&sense(5, 0x20, 0)),
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
