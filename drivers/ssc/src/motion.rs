//! Moving the medium.
//!
//! Owns REWIND, LOCATE and SPACE, and what stands in for them on a drive that lacks them or answers
//! them poorly. Positions are block addresses, which all makers count alike. Every LOCATE is checked
//! by READ POSITION when the drive has it. Source: SSC-5 5.5 and 7.2 to 7.11.

use scsi::cdb::{self, LocateTo, SpaceCode};
use scsi::{BlockAddress, Data, Sense, SenseKey};

use crate::capability::Support;
use crate::count::Count;
use crate::drive::{Answer, Drive, succeeded};
use crate::error::{DriveFault, END_OF_DATA_MISSING, Error};
use crate::outcome::{ReadOut, Spaced};

/// Most a SPACE(6) can do in one go: its count has 24 bits with sign.
const SPACE_MAX: u64 = 0x7f_ffff;

/// Enough to find out what the next object is; what a read cuts off is passed over all the same.
const PEEK_BYTES: usize = 64;

/// Why a SPACE stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Filemark,
    EndOfData,
    Beginning,
}

impl Drive {
    /// Rewinds to the beginning of the partition.
    pub fn rewind(&mut self) -> Result<(), Error> {
        self.moving(&cdb::rewind(false))?;
        self.count = Count::BEGINNING;
        Ok(())
    }

    /// Moves to a block address in the current partition.
    ///
    /// With LOCATE(16), else LOCATE(10), else from the beginning (or from here, when the target is
    /// ahead) by SPACE, counting objects.
    ///
    /// # Errors
    ///
    /// [`Error::Medium`] with key 8 when the address lies beyond the end of data;
    /// [`DriveFault::WrongPlace`] when the drive stands elsewhere after a second try.
    pub fn locate(&mut self, to: BlockAddress) -> Result<(), Error> {
        if !self.locate_by_command(to)? {
            return self.locate_by_counting(to.0);
        }
        if self.arrived(to)?.is_none() {
            return Ok(());
        }
        self.rewind()?;
        self.locate_by_command(to)?;
        match self.arrived(to)? {
            None => Ok(()),
            Some(found) => Err(self.drive_fault(
                &locate_16(to),
                DriveFault::WrongPlace { wanted: to.0, found: found.0 },
            )),
        }
    }

    /// False when the drive has no LOCATE that reaches there.
    fn locate_by_command(&mut self, to: BlockAddress) -> Result<bool, Error> {
        if self.capabilities.locate_16 != Support::No {
            let support = self.locate_with(&locate_16(to), to)?;
            self.capabilities.locate_16 = support;
            if support == Support::Yes {
                return Ok(true);
            }
        }
        let Ok(short) = u32::try_from(to.0) else { return Ok(false) };
        if self.capabilities.locate_10 == Support::No {
            return Ok(false);
        }
        self.capabilities.locate_10 = self.locate_with(&cdb::locate_10(short, None, false), to)?;
        Ok(self.capabilities.locate_10 == Support::Yes)
    }

    fn locate_with(&mut self, cdb: &[u8], to: BlockAddress) -> Result<Support, Error> {
        match self.moving(cdb) {
            Ok(()) => {
                self.count = Count { objects: Some(to.0), filemarks: None };
                Ok(Support::Yes)
            }
            Err(Error::Unsupported { .. }) => Ok(Support::No),
            Err(error) => Err(error),
        }
    }

    /// Where the drive says it is, if that is not `to`. A drive that cannot tell is believed.
    fn arrived(&mut self, to: BlockAddress) -> Result<Option<BlockAddress>, Error> {
        let position = self.position_by_drive()?;
        if let Some(position) = &position {
            self.adopt(position);
        }
        Ok(position.map(|position| position.block).filter(|&found| found != to))
    }

    /// Spaces over everything but the last object and peeks at that one, so that a drive that stops
    /// at the end of data without saying how far it came is still understood: an object was there or
    /// it was not.
    fn locate_by_counting(&mut self, to: u64) -> Result<(), Error> {
        let mut at = match self.count.objects {
            Some(at) if at <= to => at,
            _ => {
                self.rewind()?;
                0
            }
        };
        while to - at > 1 {
            at += self.space_objects((to - at - 1).min(SPACE_MAX))?;
            self.count = Count { objects: Some(at), filemarks: None };
        }
        if at == to {
            return Ok(());
        }
        match self.peek()? {
            ReadOut::EndOfData | ReadOut::EndOfMedium => Err(self.beyond_end()),
            ReadOut::Block(_) | ReadOut::TooLong { .. } | ReadOut::Filemark => Ok(()),
        }
    }

    /// Spaces forward over up to `objects` objects; returns how many were passed, the filemark
    /// that stopped it counted. A drive that takes filemarks for blocks passes the same number.
    fn space_objects(&mut self, objects: u64) -> Result<u64, Error> {
        match self.space_once(SpaceCode::Blocks, objects as i64)? {
            None => Ok(objects),
            Some((Stop::Filemark, Some(left))) => Ok(objects.saturating_sub(left) + 1),
            Some((Stop::EndOfData, _)) => Err(self.beyond_end()),
            Some(_) => Err(self.lost()),
        }
    }

    fn beyond_end(&self) -> Error {
        const BLANK: [u8; 14] = [0x70, 0, 8, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 5];
        let sense = Sense::decode(&BLANK).expect("fixed format");
        self.refuse(&locate_16(BlockAddress(0)), sense)
    }

    /// Spaces over `count` filemarks; towards the beginning when negative. Afterwards the medium
    /// stands behind the last one in the direction of travel.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for going back on a drive that cannot tell its position: `locate`.
    pub fn space_filemarks(&mut self, count: i64) -> Result<Spaced, Error> {
        self.space(SpaceCode::Filemarks, count)
    }

    /// Spaces over `count` blocks; towards the beginning when negative. Stops behind a filemark.
    pub fn space_blocks(&mut self, count: i64) -> Result<Spaced, Error> {
        self.space(SpaceCode::Blocks, count)
    }

    /// Moves to where the next block can be appended.
    pub fn space_to_end_of_data(&mut self) -> Result<(), Error> {
        if self.knows_position()? {
            // Some drives that are there already say so instead of good status.
            let stopped = self.space_once(SpaceCode::EndOfData, 0)?;
            self.count = Count::UNKNOWN;
            return match stopped {
                None | Some((Stop::EndOfData, _)) => Ok(()),
                Some(_) => Err(self.lost()),
            };
        }
        if self.count.objects.is_none() {
            self.rewind()?;
        }
        loop {
            match self.peek()? {
                ReadOut::EndOfData => return Ok(()),
                ReadOut::EndOfMedium => return Err(self.lost()),
                ReadOut::Block(_) | ReadOut::TooLong { .. } | ReadOut::Filemark => {}
            }
        }
    }

    fn space(&mut self, code: SpaceCode, count: i64) -> Result<Spaced, Error> {
        if self.knows_position()? {
            return self.space_far(code, count);
        }
        match (code, count < 0) {
            (SpaceCode::Filemarks, true) => {
                Err(self.unsupported("spacing back over filemarks without READ POSITION"))
            }
            (_, true) => self.space_far(code, count),
            (_, false) => self.walk(code, count.unsigned_abs()),
        }
    }

    /// One object at a time, each looked at: for drives that neither tell their position nor can
    /// be trusted to stop at a filemark.
    fn walk(&mut self, code: SpaceCode, wanted: u64) -> Result<Spaced, Error> {
        let mut done = 0;
        while done < wanted {
            match (self.peek()?, code) {
                (ReadOut::Filemark, SpaceCode::Blocks) => return Ok(Spaced::Filemark { done }),
                (ReadOut::Filemark, _) => done += 1,
                (ReadOut::EndOfData, _) => return Ok(Spaced::EndOfData { done }),
                (ReadOut::EndOfMedium, _) => return Err(self.lost()),
                (ReadOut::Block(_) | ReadOut::TooLong { .. }, SpaceCode::Blocks) => done += 1,
                (ReadOut::Block(_) | ReadOut::TooLong { .. }, _) => {}
            }
        }
        Ok(Spaced::All)
    }

    /// Passes over the next object and says what it was.
    fn peek(&mut self) -> Result<ReadOut, Error> {
        self.read_block(&mut [0; PEEK_BYTES])
    }

    fn space_far(&mut self, code: SpaceCode, count: i64) -> Result<Spaced, Error> {
        let wanted = count.unsigned_abs();
        let mut done = 0;
        while done < wanted {
            let step = (wanted - done).min(SPACE_MAX);
            let before = self.count;
            let Some((stop, left)) = self.space_once(code, step as i64 * count.signum())? else {
                if let Some(there) = self.silently_at_beginning(code, count, step) {
                    self.rewind()?;
                    return Ok(Spaced::Beginning { done: done + there });
                }
                self.passed(code, count > 0, step);
                done += step;
                continue;
            };
            let passed = match left {
                Some(left) => step.saturating_sub(left),
                None => self.passed_by_position(code, stop, before)?,
            };
            self.passed(code, count > 0, passed);
            return Ok(self.stopped(stop, count > 0, done + passed));
        }
        Ok(Spaced::All)
    }

    /// Blocks there were to pass, when good status claims more than that: one emulator stops at the
    /// beginning without a word.
    fn silently_at_beginning(&self, code: SpaceCode, count: i64, step: u64) -> Option<u64> {
        let back = code == SpaceCode::Blocks && count < 0;
        self.count.objects.filter(|&there| back && there < step)
    }

    fn stopped(&mut self, stop: Stop, forward: bool, done: u64) -> Spaced {
        match stop {
            Stop::Filemark if forward => self.count.forward_filemarks(1),
            Stop::Filemark => self.count.back_filemark(),
            Stop::Beginning => self.count = Count::BEGINNING,
            Stop::EndOfData => {}
        }
        match stop {
            Stop::Filemark => Spaced::Filemark { done },
            Stop::EndOfData => Spaced::EndOfData { done },
            Stop::Beginning => Spaced::Beginning { done },
        }
    }

    fn passed(&mut self, code: SpaceCode, forward: bool, number: u64) {
        match (code, forward) {
            (SpaceCode::Blocks, true) => self.count.forward_blocks(number),
            (SpaceCode::Blocks, false) => self.count.back_blocks(number),
            (_, forward) => {
                let change = if forward { number as i64 } else { -(number as i64) };
                let marks = self.count.filemarks.and_then(|n| n.checked_add_signed(change));
                self.count = Count { objects: None, filemarks: marks };
            }
        }
    }

    /// How many were passed, by where the drive stood and stands, when it did not say.
    fn passed_by_position(
        &mut self,
        code: SpaceCode,
        stop: Stop,
        before: Count,
    ) -> Result<u64, Error> {
        if stop == Stop::Beginning && code == SpaceCode::Blocks {
            return before.objects.ok_or_else(|| self.lost());
        }
        let after = self.position()?;
        self.count = before;
        let passed = if code == SpaceCode::Blocks {
            let mark = u64::from(stop == Stop::Filemark);
            before.objects.map(|was| was.abs_diff(after.block.0).saturating_sub(mark))
        } else {
            before.filemarks.zip(after.filemarks).map(|(was, is)| was.abs_diff(is))
        };
        passed.ok_or_else(|| self.lost())
    }

    /// One SPACE(6); `None` when it went all the way, otherwise why it stopped and how many were
    /// left to do, when the drive says.
    fn space_once(
        &mut self,
        code: SpaceCode,
        count: i64,
    ) -> Result<Option<(Stop, Option<u64>)>, Error> {
        let cdb = cdb::space_6(code, count as i32).expect("a step fits 24 bits");
        let sense = match self.issue(&cdb, Data::None)? {
            Answer::Good { .. } => return Ok(None),
            Answer::Check { sense, .. } => sense,
        };
        let left = sense.information.map(i64::unsigned_abs);
        let stop = match (sense.key, sense.code) {
            (SenseKey::BlankCheck, code) if code != Some(END_OF_DATA_MISSING) => Stop::EndOfData,
            _ if !succeeded(&sense) => {
                self.count = Count::UNKNOWN;
                return Err(self.refuse(&cdb, sense));
            }
            (_, Some((0x00, 0x05))) => Stop::EndOfData,
            (_, Some((0x00, 0x04))) => Stop::Beginning,
            _ if sense.filemark => Stop::Filemark,
            _ if sense.eom && count < 0 => Stop::Beginning,
            _ => return Ok(None),
        };
        self.capabilities.space_residue = if left.is_some() { Support::Yes } else { Support::No };
        Ok(Some((stop, left)))
    }

    /// True when READ POSITION gives an answer that can be believed now.
    fn knows_position(&mut self) -> Result<bool, Error> {
        if !self.capabilities.may_know_position() {
            return Ok(false);
        }
        match self.position_by_drive()? {
            None => Ok(false),
            Some(position) => {
                self.adopt(&position);
                Ok(true)
            }
        }
    }

    fn lost(&mut self) -> Error {
        self.count = Count::UNKNOWN;
        let cdb = cdb::space_6(SpaceCode::Blocks, 0).expect("0 fits 24 bits");
        self.drive_fault(&cdb, DriveFault::Nonsense("it stopped and cannot say where"))
    }

    /// A command after whose failure the position is not known.
    pub(crate) fn moving(&mut self, cdb: &[u8]) -> Result<(), Error> {
        match self.simple(cdb, Data::None) {
            Ok(_) => Ok(()),
            Err(error) => {
                if !matches!(error, Error::Unsupported { .. }) {
                    self.count = Count::UNKNOWN;
                }
                Err(error)
            }
        }
    }
}

fn locate_16(to: BlockAddress) -> [u8; 16] {
    cdb::locate_16(LocateTo::Object(to), None, false)
}
