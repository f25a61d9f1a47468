//! Random commands against a model of a tape that fits on one screen.
//!
//! The model is a list of objects, where the drive stands, and how many of them are safe. Each
//! seed is one run; a failure names it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use rig::*;
use scsi::transport::Outcome;
use virt::Spared;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Object {
    Block(Vec<u8>),
    Mark,
}

#[derive(Debug, Default)]
struct Model {
    objects: Vec<Object>,
    at: usize,
    synced: usize,
}

impl Model {
    fn put(&mut self, object: Object) {
        self.objects.truncate(self.at);
        self.synced = self.synced.min(self.at);
        self.objects.push(object);
        self.at += 1;
    }

    fn sync(&mut self) {
        self.synced = self.objects.len();
    }

    fn read(&mut self) -> Result<Vec<u8>, (u8, u8, u8)> {
        self.sync();
        let object = self.objects.get(self.at).ok_or((8, 0, 5))?;
        self.at += 1;
        match object {
            Object::Block(bytes) => Ok(bytes.clone()),
            Object::Mark => Err((0, 0, 1)),
        }
    }

    /// One step at a time, as the standard tells it.
    fn space(&mut self, marks: bool, count: i64) -> Result<(), ((u8, u8, u8), i64)> {
        self.sync();
        let mut left = count.abs();
        while left > 0 {
            let next = if count > 0 { Some(self.at) } else { self.at.checked_sub(1) };
            let Some(object) = next.and_then(|next| self.objects.get(next)) else {
                return Err((if count > 0 { (8, 0, 5) } else { (0, 0, 4) }, left));
            };
            let is_mark = *object == Object::Mark;
            self.at = if count > 0 { self.at + 1 } else { self.at - 1 };
            if is_mark && !marks {
                return Err(((0, 0, 1), left));
            }
            left -= i64::from(is_mark == marks);
        }
        Ok(())
    }

    fn marks_before(&self) -> u64 {
        self.objects[..self.at].iter().filter(|object| **object == Object::Mark).count() as u64
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

fn told(outcome: &Outcome) -> Result<(), ((u8, u8, u8), i64)> {
    match outcome {
        Outcome::Good { .. } => Ok(()),
        check => Err((code(check), sense(check).information.unwrap_or(i64::MIN))),
    }
}

fn step(rig: &Rig, drive: &mut Host, model: &mut Model, dice: &mut Dice) {
    match dice.roll(16) {
        0..=4 => {
            let block = vec![dice.roll(256) as u8; 1 + dice.roll(50) as usize];
            assert_eq!(drive.write(&block), good(0));
            model.put(Object::Block(block));
        }
        5 | 6 => {
            let (count, immediate) = (dice.roll(3), dice.roll(2) == 0);
            assert_eq!(drive.marks(count as u32, immediate), good(0));
            (0..count).for_each(|_| model.put(Object::Mark));
            if !immediate {
                model.sync();
            }
        }
        7..=9 => {
            let (outcome, bytes) = drive.read(64, true);
            match model.read() {
                Ok(expected) => assert_eq!((outcome, bytes), (good(64 - expected.len()), expected)),
                Err(expected) => assert_eq!(code(&outcome), expected),
            }
        }
        10 | 11 => {
            let (marks, count) = (dice.roll(2) == 1, dice.roll(9) as i64 - 4);
            let outcome = if dice.roll(2) == 0 {
                drive.space(marks.into(), count)
            } else {
                drive.space16(marks.into(), count)
            };
            assert_eq!(told(&outcome), model.space(marks, count), "space {marks} {count}");
        }
        12 | 13 => {
            let to = dice.roll(model.objects.len() as u64 + 1);
            assert_eq!(drive.locate(to), good(0));
            model.sync();
            model.at = to as usize;
        }
        14 => *drive = Host(reopened(rig, drive)),
        _ => {
            let lost = rig.library.power_cut_sparing(Spared::Nothing).unwrap();
            assert_eq!(lost as usize, model.objects.len() - model.synced);
            model.objects.truncate(model.synced);
            model.at = 0;
            assert_eq!(code(&drive.ready()), (6, 0x29, 0));
        }
    }
}

/// The drive as the next process finds it.
fn reopened(rig: &Rig, drive: &mut Host) -> virt::Device {
    // The unit is exclusive: park this handle on the other drive while the first is let go.
    let other = virt::Device::open(rig.library.dir(), "drive1").unwrap();
    drop(std::mem::replace(&mut drive.0, other));
    virt::Device::open(rig.library.dir(), "drive0").unwrap()
}

#[test]
fn a_drive_agrees_with_the_model_on_any_commands() {
    for seed in 1..=60u64 {
        let rig = Rig::new();
        let mut drive = rig.loaded(0);
        let (mut model, mut dice) = (Model::default(), Dice(seed * 0x9e37_79b9));
        for n in 0..200 {
            step(&rig, &mut drive, &mut model, &mut dice);
            let standing = drive.standing();
            let expected = Standing {
                block: model.at as u64,
                file: model.marks_before(),
                buffered_objects: (model.objects.len() - model.synced) as u64,
                buffered_bytes: standing.buffered_bytes,
            };
            assert_eq!(standing, expected, "seed {seed}, command {n}: {model:?}");
        }
    }
}
