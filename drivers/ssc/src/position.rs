//! Where the medium stands.
//!
//! Owns READ POSITION in its forms and the decision whether to believe it. Some devices answer the
//! command with good status and an answer that cannot be true; then, and when a drive has no READ
//! POSITION at all, the objects this crate counted itself are the position, and it says so.
//! Source: SSC-5 7.7.

use scsi::cdb::{self, PositionForm};
use scsi::position::{BufferPosition, LongPosition};
use scsi::{BlockAddress, Partition};

use crate::capability::Support;
use crate::count::Count;
use crate::drive::Drive;
use crate::error::Error;

/// Who says where the medium stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// READ POSITION.
    ByDrive,
    /// Counted by this crate since the last rewind; the drive cannot tell.
    Counted,
}

/// Where the medium stands: the object that is read or written next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Partition.
    pub partition: Partition,
    /// Logical object number: blocks and filemarks before this point.
    pub block: BlockAddress,
    /// Filemarks before this point, when known.
    pub filemarks: Option<u64>,
    /// At the beginning of the partition.
    pub at_beginning: bool,
    /// Between early warning and the end of the partition.
    pub at_end: bool,
    /// Objects the drive holds in its buffer and has not put on the medium, when it tells.
    pub buffered_objects: Option<u32>,
    /// Who says so.
    pub confirmed: Confirmed,
}

impl Drive {
    /// Where the medium stands. Moves nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] when the drive cannot tell and counting has lost its anchor (after
    /// `attach`, an error or a unit attention): `rewind` gives it back.
    pub fn position(&mut self) -> Result<Position, Error> {
        if let Some(mut position) = self.position_by_drive()? {
            self.adopt(&position);
            if position.buffered_objects.is_none() {
                position.buffered_objects = self.buffered_objects()?;
            }
            return Ok(position);
        }
        let Some(objects) = self.count.objects else {
            return Err(self.unsupported("telling its position; rewind first"));
        };
        Ok(Position {
            partition: Partition(0),
            block: BlockAddress(objects),
            filemarks: self.count.filemarks,
            at_beginning: objects == 0,
            at_end: false,
            buffered_objects: None,
            confirmed: Confirmed::Counted,
        })
    }

    /// The drive's word goes into the count.
    pub(crate) fn adopt(&mut self, position: &Position) {
        self.count = Count { objects: Some(position.block.0), filemarks: position.filemarks };
    }

    /// What READ POSITION says, long form if there is one; `None` when it says nothing of use.
    pub(crate) fn position_by_drive(&mut self) -> Result<Option<Position>, Error> {
        match self.position_long()? {
            None => self.position_short(),
            position => Ok(position),
        }
    }

    fn position_long(&mut self) -> Result<Option<Position>, Error> {
        if self.capabilities.position_long == Support::No {
            return Ok(None);
        }
        let Some(raw) = self.position_raw(PositionForm::Long, 32)? else {
            self.capabilities.position_long = Support::No;
            return Ok(None);
        };
        let long = LongPosition::decode(&raw).ok().filter(|long| self.believable(&raw, long));
        let Some(long) = long else {
            self.capabilities.position_long = Support::No;
            return Ok(None);
        };
        self.capabilities.position_long = Support::Yes;
        Ok(long.block.zip(long.partition).map(|(block, partition)| Position {
            partition,
            block,
            filemarks: long.file,
            at_beginning: long.beginning,
            at_end: long.end,
            buffered_objects: None,
            confirmed: Confirmed::ByDrive,
        }))
    }

    /// False for answers that contradict the standard or what was just done. A known emulator
    /// sends good status, the length of the answer in its flag byte, and zeros: block 0 for ever.
    fn believable(&self, raw: &[u8], long: &LongPosition) -> bool {
        const RESERVED: u8 = 0x32;
        let at_zero = long.block == Some(BlockAddress(0));
        let contradiction =
            at_zero && !long.beginning && self.count.objects.is_some_and(|counted| counted > 0);
        raw[0] & RESERVED == 0 && !contradiction
    }

    fn position_short(&mut self) -> Result<Option<Position>, Error> {
        let Some(short) = self.buffer_position(PositionForm::Short)? else {
            return Ok(None);
        };
        let Some(block) = short.first else {
            // A drive that is lost while we are not never knows: do not ask again and again.
            if self.count.objects.is_some() {
                self.capabilities.position_short = Support::No;
            }
            return Ok(None);
        };
        Ok(Some(Position {
            partition: short.partition,
            block,
            filemarks: None,
            at_beginning: short.beginning,
            at_end: short.end,
            buffered_objects: short.objects_in_buffer,
            confirmed: Confirmed::ByDrive,
        }))
    }

    fn buffered_objects(&mut self) -> Result<Option<u32>, Error> {
        if let Some(extended) = self.buffer_position(PositionForm::Extended)? {
            return Ok(extended.objects_in_buffer);
        }
        let short = self.buffer_position(PositionForm::Short)?;
        Ok(short.and_then(|short| short.objects_in_buffer))
    }

    /// The extended or short form; `None` when the drive does not have it.
    fn buffer_position(&mut self, form: PositionForm) -> Result<Option<BufferPosition>, Error> {
        if *self.form_support(form) == Support::No {
            return Ok(None);
        }
        let room = if form == PositionForm::Extended { 32 } else { 20 };
        let decoded = self.position_raw(form, room)?.and_then(|raw| match form {
            PositionForm::Extended => BufferPosition::decode_extended(&raw).ok(),
            _ => BufferPosition::decode_short(&raw).ok(),
        });
        *self.form_support(form) = if decoded.is_some() { Support::Yes } else { Support::No };
        Ok(decoded)
    }

    fn form_support(&mut self, form: PositionForm) -> &mut Support {
        match form {
            PositionForm::Short => &mut self.capabilities.position_short,
            PositionForm::Long => &mut self.capabilities.position_long,
            PositionForm::Extended => &mut self.capabilities.position_extended,
        }
    }

    fn position_raw(&mut self, form: PositionForm, room: usize) -> Result<Option<Vec<u8>>, Error> {
        match self.fetch(&cdb::read_position(form), room) {
            Ok(raw) => Ok(Some(raw)),
            Err(Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
