//! Blocks and filemarks, to the medium and from it.
//!
//! Owns WRITE(6), WRITE FILEMARKS(6) and READ(6), always with FIXED = 0: one block per command, of
//! the length the command says, whatever block length the mode parameters name. Refuses to repeat a
//! transfer whose effect is unknown. Source: SSC-5 5.3, 5.6 and 5.7.

use scsi::cdb::{self, SpaceCode, Transfer};
use scsi::types::U24;
use scsi::{Data, Sense, SenseKey};

use crate::BLOCK_BYTES_MAX;
use crate::count::Count;
use crate::drive::{Answer, Drive, succeeded};
use crate::error::{DriveFault, END_OF_DATA_MISSING, Error};
use crate::outcome::{Immediate, ReadOut, Written};

impl Drive {
    /// Writes one block, 1 to [`BLOCK_BYTES_MAX`] bytes. Blocks while the drive's buffer is full;
    /// the data may still be in that buffer when this returns.
    ///
    /// # Errors
    ///
    /// After an error with [`Landed::Unknown`](crate::Landed) ask for the position: one past the
    /// last acknowledged block means it landed.
    pub fn write_block(&mut self, block: &[u8]) -> Result<Written, Error> {
        let cdb = cdb::write_6(Transfer::Variable(self.transfer_length(block.len())?));
        let answer = self.issue(&cdb, Data::Out(block))?;
        let written = self.written(&cdb, answer)?;
        if written != Written::Full {
            self.count.forward_blocks(1);
        }
        Ok(written)
    }

    /// Writes `count` filemarks, at most 2²⁴ − 1. With [`Immediate::No`] this is also the
    /// synchronise of tapes: good status means that everything before is on the medium. A count of
    /// 0 only synchronises.
    ///
    /// # Errors
    ///
    /// [`Error::Deferred`] here belongs to blocks written earlier.
    pub fn write_filemarks(&mut self, count: u32, immediate: Immediate) -> Result<Written, Error> {
        let Some(marks) = U24::new(count) else {
            return Err(self.ours(format!("{count} filemarks are too many for one command")));
        };
        let cdb = cdb::write_filemarks_6(marks, immediate == Immediate::Yes);
        let answer = self.issue(&cdb, Data::None)?;
        let written = self.written(&cdb, answer)?;
        match written {
            // Some of several may be there.
            Written::Full => self.count = Count::UNKNOWN,
            _ => self.count.forward_filemarks(u64::from(count)),
        }
        Ok(written)
    }

    fn written(&mut self, cdb: &[u8], answer: Answer) -> Result<Written, Error> {
        let (sense, residual) = match answer {
            Answer::Good { residual: 0 } => return Ok(Written::Fine),
            Answer::Good { residual } => return Err(self.short(cdb, residual)),
            Answer::Check { sense, residual } => (sense, residual),
        };
        if sense.key == SenseKey::VolumeOverflow {
            return Ok(Written::Full);
        }
        if !succeeded(&sense) {
            self.count = Count::UNKNOWN;
            return Err(self.refuse(cdb, sense));
        }
        let missing = untransferred(&sense).unwrap_or(0).max(residual);
        if missing > 0 {
            return Err(self.short(cdb, missing));
        }
        Ok(if early_warning(&sense) { Written::EarlyWarning } else { Written::Fine })
    }

    fn short(&mut self, cdb: &[u8], residual: usize) -> Error {
        self.count = Count::UNKNOWN;
        self.drive_fault(cdb, DriveFault::Short { residual })
    }

    /// Reads the next object into `buffer` (1 to [`BLOCK_BYTES_MAX`] bytes offered).
    ///
    /// # Errors
    ///
    /// After [`Error::Medium`] the position is uncertain; locate before trying again.
    pub fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOut, Error> {
        // SILI is left off. With SILI on and a mode block length of zero, SSC-5 suppresses the
        // report of a block that is too *long* as well as of one that is too short, so a cut block
        // would look whole; and the length of a short one would rest on the adapter's residual
        // alone. With SILI off the drive reports both, with the true difference in INFORMATION, at
        // the price of a CHECK CONDITION for each block shorter than the buffer; readers that offer
        // exactly the volume's block size never pay it.
        let offered = buffer.len();
        let cdb = cdb::read_6(Transfer::Variable(self.transfer_length(offered)?), false);
        let out = match self.issue(&cdb, Data::In(buffer))? {
            Answer::Good { residual } if residual < offered => ReadOut::Block(offered - residual),
            Answer::Good { .. } => {
                self.count = Count::UNKNOWN;
                return Err(self.drive_fault(&cdb, DriveFault::Nonsense("a block of no bytes")));
            }
            Answer::Check { sense, residual } => self.read_check(&cdb, sense, offered, residual)?,
        };
        match out {
            ReadOut::Block(_) | ReadOut::TooLong { .. } => self.count.forward_blocks(1),
            ReadOut::Filemark => self.count.forward_filemarks(1),
            ReadOut::EndOfData | ReadOut::EndOfMedium => {}
        }
        Ok(out)
    }

    fn read_check(
        &mut self,
        cdb: &[u8],
        sense: Sense,
        offered: usize,
        residual: usize,
    ) -> Result<ReadOut, Error> {
        if sense.key == SenseKey::BlankCheck && sense.code != Some(END_OF_DATA_MISSING) {
            return Ok(ReadOut::EndOfData);
        }
        if sense.key == SenseKey::MediumError && sense.code == Some((0x00, 0x02)) {
            return Ok(ReadOut::EndOfMedium);
        }
        if !succeeded(&sense) {
            self.count = Count::UNKNOWN;
            return Err(self.refuse(cdb, sense));
        }
        if sense.filemark {
            return Ok(ReadOut::Filemark);
        }
        match sense.information.filter(|_| sense.ili) {
            Some(difference) if difference < 0 => Ok(ReadOut::TooLong {
                actual: offered.saturating_add(difference.unsigned_abs() as usize),
            }),
            Some(difference) if (difference as usize) < offered => {
                Ok(ReadOut::Block(offered - difference as usize))
            }
            Some(_) => Err(self.drive_fault(cdb, DriveFault::Nonsense("a block of no bytes"))),
            None => self.read_unexplained(cdb, &sense, offered, residual),
        }
    }

    /// A check without INFORMATION: only the residual tells. Old drives and one emulator answer so
    /// to every incorrect length, and the emulator to a filemark too, without crossing it.
    fn read_unexplained(
        &mut self,
        cdb: &[u8],
        sense: &Sense,
        offered: usize,
        residual: usize,
    ) -> Result<ReadOut, Error> {
        let nothing_said = sense.key == SenseKey::NoSense && !sense.ili && !sense.eom;
        if residual >= offered {
            if !nothing_said {
                return Err(self.drive_fault(cdb, DriveFault::Nonsense("a block of no bytes")));
            }
            return self.cross_filemark();
        }
        if residual > 0 || !(sense.ili || nothing_said) {
            return Ok(ReadOut::Block(offered - residual));
        }
        Ok(ReadOut::TooLong { actual: BLOCK_BYTES_MAX })
    }

    /// Steps over the filemark that stopped a read in front of it.
    fn cross_filemark(&mut self) -> Result<ReadOut, Error> {
        let cdb = cdb::space_6(SpaceCode::Filemarks, 1).expect("1 fits 24 bits");
        self.simple(&cdb, Data::None)?;
        Ok(ReadOut::Filemark)
    }

    fn transfer_length(&self, bytes: usize) -> Result<U24, Error> {
        u32::try_from(bytes)
            .ok()
            .filter(|&bytes| bytes > 0)
            .and_then(U24::new)
            .ok_or_else(|| self.ours(format!("a block of {bytes} bytes cannot be transferred")))
    }
}

/// The INFORMATION of a write: bytes of the block that were not taken.
fn untransferred(sense: &Sense) -> Option<usize> {
    sense.information.and_then(|n| usize::try_from(n).ok())
}

/// Early warning, however the drive puts it: EOM, 00/02, or 00/07 (programmable early warning).
fn early_warning(sense: &Sense) -> bool {
    sense.eom || matches!(sense.code, Some((0x00, 0x02 | 0x07)))
}
