//! REWIND, SPACE, LOCATE and READ POSITION.
//!
//! Owns motion among logical objects. A block address counts blocks and filemarks alike (SSC-5
//! 4.2.8). Every motion flushes the write buffer first.

use scsi::transport::Data;

use super::Drive;
use crate::device::Twist;
use crate::medium::{Object, Tape};
use crate::reply::{Reply, field};
use crate::sense::*;

/// Where a motion ended, and why early.
type Landing = (u64, Option<Condition>);

impl Drive {
    /// The tape, flushed and free to move.
    fn movable(&mut self) -> Result<&Tape, Fail> {
        self.ready()?;
        self.flush()?;
        match &self.mounted {
            Some(mounted) => Ok(&mounted.tape),
            None => Err(NO_MEDIUM.into()),
        }
    }

    fn land(&mut self, (block, condition): Landing) -> Done {
        self.at.block = block;
        condition.map_or(Ok(0), |condition| Err(condition.into()))
    }

    /// REWIND, opcode 01h.
    pub(super) fn rewind(&mut self) -> Done {
        self.movable()?;
        self.land((0, None))
    }

    /// SPACE(6), opcode 11h: COUNT is 24 bits, signed.
    pub(super) fn space6(&mut self, cdb: &[u8]) -> Done {
        let count = (field(cdb, 2, 3) as i64) << 40 >> 40;
        self.space(cdb[1] & 0x0f, count)
    }

    /// SPACE(16), opcode 91h: COUNT is 64 bits, signed.
    pub(super) fn space16(&mut self, cdb: &[u8]) -> Done {
        self.space(cdb[1] & 0x0f, field(cdb, 4, 8) as i64)
    }

    fn space(&mut self, code: u8, count: i64) -> Done {
        if !matches!(code, 0 | 1 | 3) {
            return Err(bad_cdb(1, Some(3)).into());
        }
        let at = self.at.block;
        let tape = self.movable()?;
        let steps = count.unsigned_abs();
        let landing = match (code, count) {
            (3, _) => end(tape),
            (_, 0) => (at, None),
            (0, 1..) => blocks_forward(tape, at, steps),
            (0, _) => blocks_backward(tape, at, steps),
            (_, 1..) => marks_forward(tape, at, steps),
            _ => marks_backward(tape, at, steps),
        };
        self.land(landing)
    }

    /// LOCATE(10), opcode 2Bh. BT is ignored: there are no device-specific addresses.
    pub(super) fn locate10(&mut self, cdb: &[u8]) -> Done {
        if cdb[1] & 0x02 != 0 && cdb[8] != 0 {
            return Err(bad_cdb(8, None).into());
        }
        self.locate(0, field(cdb, 3, 4))
    }

    /// LOCATE(16), opcode 92h: by logical object, logical file or to end-of-data.
    pub(super) fn locate16(&mut self, cdb: &[u8]) -> Done {
        if cdb[1] & 0x02 != 0 && cdb[3] != 0 {
            return Err(bad_cdb(3, None).into());
        }
        let kind = cdb[1] >> 3 & 0x07;
        if !matches!(kind, 0 | 1 | 3) {
            return Err(bad_cdb(1, Some(5)).into());
        }
        self.locate(kind, field(cdb, 4, 8))
    }

    fn locate(&mut self, kind: u8, to: u64) -> Done {
        let twist = self.twist;
        let tape = self.movable()?;
        let mut landing = match kind {
            3 => end(tape),
            1 if to == 0 => (0, None),
            1 => marks_forward(tape, 0, to),
            _ if to <= tape.objects() => (to, None),
            _ => (tape.objects(), Some(end_of_data(tape))),
        };
        if let Some(Twist::LocateOff(delta)) = twist {
            landing.0 = landing.0.saturating_add_signed(delta).min(tape.objects());
        }
        landing.1 = landing.1.map(|condition| Condition { information: None, ..condition });
        self.land(landing)
    }

    /// READ POSITION, opcode 34h: short (00h), long (06h) and extended (08h) form. 01h asks for addresses as the vendor
    /// counts them, which are the same (as drives answer; the kernel's tape driver asks so).
    pub(super) fn read_position(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        self.ready()?;
        let reply = match cdb[1] & 0x1f {
            0x00 | 0x01 => self.position_short(),
            0x06 => self.position_long(),
            0x08 => self.position_extended(),
            _ => return Err(bad_cdb(1, Some(4)).into()),
        };
        // Only the extended form has an allocation length (SSC-5, READ POSITION).
        let extended = cdb[1] & 0x1f == 0x08;
        let allocation = if extended { field(cdb, 7, 2) as usize } else { usize::MAX };
        reply.send(data, allocation)
    }

    /// BOP, EOP, BPEW, and objects and bytes in the buffer.
    fn standing(&self) -> (u8, u64, u64) {
        let Some(mounted) = &self.mounted else { return (0, 0, 0) };
        let (objects, bytes) = mounted.tape.buffered(self.options.buffer_bytes);
        let used = mounted.tape.used_before(self.at.block.min(mounted.tape.objects()));
        let zones = self.zones(mounted);
        let flags = u8::from(self.at.block == 0) << 7
            | u8::from(used > zones.early) << 6
            | u8::from(zones.programmable.is_some_and(|zone| used > zone));
        (flags, objects, bytes)
    }

    fn position_short(&self) -> Reply {
        let (flags, objects, bytes) = self.standing();
        let mut reply = Reply::new();
        match u32::try_from(self.at.block) {
            Ok(block) => {
                let last = block.saturating_sub(objects as u32);
                reply.u8(flags).zeros(3).u32(block).u32(last);
            }
            Err(_) => {
                reply.u8(flags | 0x06).zeros(11); // LOLU, PERR: does not fit
            }
        }
        reply.u8(0).wide(objects, 3).wide(bytes, 4);
        reply
    }

    fn position_long(&self) -> Reply {
        let (flags, ..) = self.standing();
        let files = self.mounted.as_ref().map_or(0, |m| m.tape.marks_before(self.at.block));
        let mut reply = Reply::new();
        reply.u8(flags).zeros(3).u32(0).u64(self.at.block).u64(files).u64(0);
        reply
    }

    fn position_extended(&self) -> Reply {
        let (flags, objects, bytes) = self.standing();
        let mut reply = Reply::new();
        reply.u8(flags).u8(0).u16(0x1c).u8(0).wide(objects, 3);
        reply.u64(self.at.block).u64(self.at.block.saturating_sub(objects)).u64(bytes);
        reply
    }
}

fn end_of_data(tape: &Tape) -> Condition {
    match tape.object(tape.objects()) {
        Object::End { lost: true } => NO_END_OF_DATA,
        _ => END_OF_DATA,
    }
}

fn end(tape: &Tape) -> Landing {
    let lost = tape.object(tape.objects()) == Object::End { lost: true };
    (tape.objects(), lost.then_some(NO_END_OF_DATA))
}

fn blocks_forward(tape: &Tape, at: u64, steps: u64) -> Landing {
    let mark = tape.marks().get(tape.marks_before(at) as usize).copied();
    let free = mark.unwrap_or(tape.objects()).saturating_sub(at);
    let left = steps.saturating_sub(free) as i64;
    match mark {
        _ if left == 0 => (at + steps, None),
        Some(mark) => (mark + 1, Some(FILEMARK.information(left))),
        None => (tape.objects(), Some(end_of_data(tape).information(left))),
    }
}

fn blocks_backward(tape: &Tape, at: u64, steps: u64) -> Landing {
    let before = tape.marks_before(at) as usize;
    let mark = before.checked_sub(1).map(|last| tape.marks()[last]);
    let free = at - mark.map_or(0, |mark| mark + 1);
    let left = steps.saturating_sub(free) as i64;
    match mark {
        _ if left == 0 => (at - steps, None),
        Some(mark) => (mark, Some(FILEMARK.information(left))),
        None => (0, Some(BEGINNING.information(left))),
    }
}

fn marks_forward(tape: &Tape, at: u64, steps: u64) -> Landing {
    let before = tape.marks_before(at);
    let found = usize::try_from(before.saturating_add(steps - 1)).ok();
    match found.and_then(|found| tape.marks().get(found)) {
        Some(mark) => (mark + 1, None),
        None => {
            let left = steps - (tape.marks().len() as u64 - before);
            (tape.objects(), Some(end_of_data(tape).information(left as i64)))
        }
    }
}

fn marks_backward(tape: &Tape, at: u64, steps: u64) -> Landing {
    let before = tape.marks_before(at);
    match before.checked_sub(steps) {
        Some(found) => (tape.marks()[found as usize], None),
        None => (0, Some(BEGINNING.information((steps - before) as i64))),
    }
}
