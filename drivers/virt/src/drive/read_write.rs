//! READ, WRITE, WRITE FILEMARKS, VERIFY, ERASE, READ BLOCK LIMITS.
//!
//! Owns what happens to logical objects: block lengths against what was asked, early warning,
//! overflow, write protection. Source: SSC-5 5 and 6; sense as in SSC-5 tables for each command.

use scsi::transport::Data;

use super::{Drive, Mounted};
use crate::device::Twist;
use crate::medium::{BLOCK_LIMIT, Object};
use crate::reply::{Reply, field};
use crate::sense::*;
use crate::shape::EarlyWarningStyle;

const FIXED: u8 = 0x01;
const SILI: u8 = 0x02;

/// Where on the medium the warnings begin, in bytes of capacity used.
pub(super) struct Zones {
    pub(super) programmable: Option<u64>,
    pub(super) early: u64,
    pub(super) end: u64,
}

/// How a READ or VERIFY names its blocks.
struct Request {
    fixed: bool,
    sili: bool,
    /// Blocks when fixed, bytes when not.
    length: u64,
    block_length: u32,
}

impl Drive {
    pub(super) fn zones(&self, mounted: &Mounted) -> Zones {
        let spec = &mounted.memory.spec;
        let early = spec.capacity_bytes.saturating_sub(spec.early_warning_bytes);
        let set = u64::from(self.state.mode.early_warning_mb) * 1_000_000;
        let zone = match (set, self.shape.early_warning) {
            (0, EarlyWarningStyle::Programmable) => Some(spec.early_warning_bytes),
            (0, _) => None,
            (set, _) => Some(set),
        };
        let programmable = zone.map(|zone| early.saturating_sub(zone));
        Zones { programmable, early, end: spec.capacity_bytes }
    }

    /// The medium, when it may be written at the present position.
    pub(super) fn writable(&mut self) -> Result<&mut Mounted, Fail> {
        let at = self.at.block;
        let mounted = self.ready()?;
        if mounted.memory.is_protected() {
            return Err(WRITE_PROTECTED.into());
        }
        if mounted.memory.is_worm() && at < mounted.tape.objects() {
            return Err(WORM_OVERWRITE.into());
        }
        if at == mounted.tape.objects() && mounted.tape.object(at) == (Object::End { lost: true }) {
            return Err(NO_END_OF_DATA.into()); // what comes after cannot be told: never append
        }
        Ok(mounted)
    }

    /// WRITE(6), SSC-5 5.x, opcode 0Ah.
    pub(super) fn write(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let length = field(cdb, 2, 3);
        let block_length = self.block_length(cdb[1], length)?;
        self.writable()?;
        let Data::Out(bytes) = data else {
            return if length == 0 { Ok(0) } else { Err(bad_cdb(2, None).into()) };
        };
        let fixed = cdb[1] & FIXED != 0;
        let expected = if fixed { length * u64::from(block_length) } else { length };
        if bytes.len() as u64 != expected {
            return Err(bad_cdb(2, None).into());
        }
        let mut warning = None;
        for (done, block) in bytes.chunks(block_length.max(1) as usize).enumerate() {
            let left = if fixed { length - done as u64 } else { length } as i64;
            match self.write_one(block) {
                Ok(warned) => warning = warned.or(warning),
                Err(fail) => {
                    let moved = done * block_length as usize + fail.moved;
                    return Err(fail.condition.information(left).after(moved));
                }
            }
        }
        if self.state.mode.buffered_mode == 0 {
            self.flush()?;
        }
        let short = match self.twist {
            Some(Twist::Short(short)) => bytes.len().min(short as usize),
            _ => 0,
        };
        let moved = bytes.len() - short;
        warning.map_or(Ok(moved), |warning: Condition| Err(warning.information(0).after(moved)))
    }

    /// Length of the blocks a READ or WRITE means.
    fn block_length(&self, flags: u8, length: u64) -> Result<u32, Fail> {
        match self.state.mode.block_length {
            0 if flags & FIXED != 0 => Err(bad_cdb(1, Some(0)).into()),
            set if flags & FIXED != 0 => Ok(set),
            _ if length > u64::from(BLOCK_LIMIT) => Err(bad_cdb(2, None).into()),
            _ => Ok(length as u32),
        }
    }

    /// One block at the present position; the warning that comes with it.
    fn write_one(&mut self, block: &[u8]) -> Result<Option<Condition>, Fail> {
        let mut altered;
        let mut block = block;
        let mut copies = 1;
        match self.twist {
            Some(Twist::Drop) => return Ok(None),
            Some(Twist::Duplicate) => copies = 2,
            Some(Twist::Short(short)) => {
                block = &block[..block.len() - block.len().min(short as usize)]
            }
            Some(Twist::Flip { byte, bit }) => {
                altered = block.to_vec();
                flip(&mut altered, byte, bit);
                block = &altered;
            }
            _ => {}
        }
        let mut warning = None;
        for _ in 0..copies {
            warning = self.put(Some(block))?.or(warning);
        }
        Ok(warning)
    }

    /// Puts a block, or a filemark, at the present position.
    fn put(&mut self, block: Option<&[u8]>) -> Result<Option<Condition>, Fail> {
        let at = self.at.block;
        let Some(mounted) = &self.mounted else { return Err(NO_MEDIUM.into()) };
        let zones = self.zones(mounted);
        let before = mounted.tape.used_before(at);
        let after = before + block.map_or(32, |block| block.len() as u64);
        if after > zones.end {
            return Err(VOLUME_OVERFLOW.into());
        }
        let Some(mounted) = &mut self.mounted else { return Err(NO_MEDIUM.into()) };
        let put = match block {
            Some(block) => mounted.tape.write_block(at, block),
            None => mounted.tape.write_mark(at),
        };
        if let Err(why) = put {
            return Err(self.write_failed(&why));
        }
        self.count_written(block);
        Ok(self.warning(&zones, before, after))
    }

    fn count_written(&mut self, block: Option<&[u8]>) {
        self.at.block += 1;
        if let Some(block) = block {
            self.at.written_blocks += 1;
            self.at.written_bytes += block.len() as u64;
            self.at.mount_written_bytes += block.len() as u64;
        }
        self.state.written = true;
    }

    fn warning(&self, zones: &Zones, before: u64, after: u64) -> Option<Condition> {
        if after > zones.early {
            return Some(match self.shape.early_warning {
                EarlyWarningStyle::EomBit => Condition::new(0, 0x00, 0x00).eom(),
                _ => Condition::new(0, 0x00, 0x02).eom(),
            });
        }
        let zone = zones.programmable?;
        (before <= zone && after > zone).then(|| Condition::new(0, 0x00, 0x07).eom())
    }

    /// WRITE FILEMARKS(6), opcode 10h. Without IMMED everything buffered is on the medium when it
    /// returns GOOD; a count of 0 does only that.
    pub(super) fn write_filemarks(&mut self, cdb: &[u8]) -> Done {
        if cdb[1] & 0x02 != 0 {
            return Err(bad_cdb(1, Some(1)).into()); // setmarks are obsolete
        }
        let count = field(cdb, 2, 3);
        if count == 0 {
            self.ready()?;
        } else {
            self.writable()?;
        }
        let mut warning = None;
        for done in 0..count {
            if self.twist == Some(Twist::Drop) {
                break;
            }
            match self.put(None) {
                Ok(warned) => warning = warned.or(warning),
                Err(fail) => {
                    self.flush()?;
                    return Err(fail.condition.information((count - done) as i64).into());
                }
            }
        }
        if cdb[1] & 0x01 == 0 {
            self.flush()?;
        }
        warning.map_or(Ok(0), |warning: Condition| Err(warning.information(0).into()))
    }

    fn request(&self, cdb: &[u8]) -> Result<Request, Fail> {
        let (fixed, sili) = (cdb[1] & FIXED != 0, cdb[1] & SILI != 0);
        if fixed && sili {
            return Err(bad_cdb(1, Some(1)).into());
        }
        let length = field(cdb, 2, 3);
        let block_length = self.block_length(cdb[1], length)?;
        Ok(Request { fixed, sili, length, block_length })
    }

    /// READ(6), opcode 08h.
    pub(super) fn read(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let request = self.request(cdb)?;
        self.ready()?;
        self.flush()?;
        if request.length == 0 {
            return Ok(0);
        }
        let mut nothing = [];
        let buffer = match data {
            Data::In(buffer) => &mut **buffer,
            _ => &mut nothing[..],
        };
        self.read_all(&request, buffer)
    }

    fn read_all(&mut self, request: &Request, buffer: &mut [u8]) -> Done {
        let blocks = if request.fixed { request.length } else { 1 };
        let mut moved = 0;
        for done in 0..blocks {
            let left = if request.fixed { blocks - done } else { request.length } as i64;
            let rest = &mut buffer[moved..];
            let taken = rest.len().min(request.block_length as usize);
            let length = self
                .read_one(&mut rest[..taken])
                .map_err(|condition| condition.information(left).after(moved))?;
            let residual = i64::from(request.block_length) - length as i64;
            moved += length.min(taken);
            if self.incorrect(request, residual) {
                let information = if request.fixed { left } else { residual };
                let ili = Condition::new(0, 0x00, 0x00).ili();
                return Err(ili.information(information).after(moved));
            }
        }
        if let Some(Twist::Short(short)) = self.twist {
            moved -= moved.min(short as usize);
        }
        Ok(moved)
    }

    /// Is the length to be reported? SSC-5, READ(6), SILI.
    fn incorrect(&self, request: &Request, residual: i64) -> bool {
        match residual {
            0 => false,
            _ if !request.sili => true,
            1.. => false,
            _ => self.state.mode.block_length != 0,
        }
    }

    /// The block at the present position; its length. The drive is past it afterwards, also when
    /// it could not be read.
    fn read_one(&mut self, buffer: &mut [u8]) -> Result<usize, Condition> {
        let at = self.at.block;
        let Some(mounted) = &self.mounted else { return Err(NO_MEDIUM) };
        match mounted.tape.object(at) {
            Object::End { lost: true } => return Err(NO_END_OF_DATA),
            Object::End { .. } if at == 0 && self.options.blank_is_plain => return Err(BLANK),
            Object::End { .. } => return Err(END_OF_DATA),
            Object::Filemark => {
                self.at.block += 1;
                return Err(FILEMARK);
            }
            Object::Block { .. } => self.at.block += 1,
        }
        let length = mounted.tape.read_block(at, buffer).map_err(|why| self.read_failed(&why))?;
        self.at.read_blocks += 1;
        self.at.read_bytes += length as u64;
        self.at.mount_read_bytes += length as u64;
        if let Some(Twist::Flip { byte, bit }) = self.twist {
            flip(buffer, byte, bit);
        }
        Ok(length)
    }

    /// VERIFY(6), opcode 13h: reads without a data phase.
    pub(super) fn verify(&mut self, cdb: &[u8]) -> Done {
        if cdb[1] & 0x02 != 0 {
            return Err(bad_cdb(1, Some(1)).into()); // byte compare
        }
        let fixed = cdb[1] & FIXED != 0;
        let length = field(cdb, 2, 3);
        let block_length = self.block_length(cdb[1], length)?;
        self.ready()?;
        self.flush()?;
        let request = Request { fixed, sili: false, length, block_length };
        if length == 0 {
            return Ok(0);
        }
        let bytes = if fixed { length * u64::from(block_length) } else { length };
        let result = match usize::try_from(bytes) {
            Ok(bytes) if !fixed => self.read_all(&request, &mut vec![0; bytes]),
            _ => self.verify_fixed(&request),
        };
        result.map(|_| 0).map_err(|fail| fail.condition.into())
    }

    fn verify_fixed(&mut self, request: &Request) -> Done {
        let mut block = vec![0; request.block_length as usize];
        for done in 0..request.length {
            let one = Request { length: 1, ..*request };
            let left = (request.length - done) as i64;
            self.read_all(&one, &mut block)
                .map_err(|fail| fail.condition.information(left).after(0))?;
        }
        Ok(0)
    }

    /// ERASE(6), opcode 19h. Short: end-of-data is recorded here. Long: the same, and nothing is
    /// left of what lay behind.
    pub(super) fn erase(&mut self, _cdb: &[u8]) -> Done {
        self.writable()?;
        self.flush()?;
        let at = self.at.block;
        let Some(mounted) = &mut self.mounted else { return Err(NO_MEDIUM.into()) };
        let erased = mounted.tape.truncate(at);
        self.state.written = true;
        erased.map(|()| 0).map_err(|why| self.write_failed(&why))
    }

    /// FORMAT MEDIUM, opcode 04h: one partition, blank. Only at the beginning.
    pub(super) fn format_medium(&mut self, cdb: &[u8]) -> Done {
        if cdb[2] & 0x0f != 0 {
            return Err(bad_cdb(2, Some(3)).into()); // partitions: this drive makes one
        }
        self.ready()?;
        if self.at.block != 0 {
            return Err(Condition::new(5, 0x3b, 0x0c).into()); // position past beginning of medium
        }
        self.erase(cdb)
    }

    /// READ BLOCK LIMITS, opcode 05h.
    pub(super) fn read_block_limits(&mut self, data: &mut Data<'_>) -> Done {
        let mut reply = Reply::new();
        reply.u8(0).u24(BLOCK_LIMIT).u16(1);
        reply.send(data, 6)
    }
}

fn flip(block: &mut [u8], byte: u64, bit: u8) {
    if let Some(cell) = usize::try_from(byte).ok().and_then(|byte| block.get_mut(byte)) {
        *cell ^= 1 << (bit & 7);
    }
}
