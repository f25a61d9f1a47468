//! Records on a raw partition that a power cut leaves old or new, never half.
//!
//! Owns the layout of the partition `meta`. Every kind of record has a ring of cells, and the record of
//! generation g lies in cell g mod cells: what is written never lies where the newest valid one is. Every cell
//! exists twice, in the two halves of the partition; the second copy is written when the first is flushed, so
//! that one bad sector loses nothing either. A partition of zeros is an empty one: nothing has to be made
//! first. Knows nothing of what the records say.
//!
//! ```text
//! cell     0        8 9 10  12     16         24       28       32
//!          +--------+-+-+---+------+----------+--------+--------+---------…
//!          |TAPISLOT|v|k| 0 |length|generation|   0    | CRC-32C| payload
//!          +--------+-+-+---+------+----------+--------+--------+---------…
//! ```
//!
//! Numbers are little-endian; v is 1, k the kind; the checksum covers bytes 0 to 28 and the payload.

mod cell;
mod error;
mod kind;
mod medium;

use std::fs::File;
use std::path::Path;

use cell::{BLOCK_BYTES, Cell, HEADER_BYTES, Head};
pub use error::Error;
pub use kind::Kind;
pub use medium::Medium;

/// Where the second copies begin, bytes.
const HALF_BYTES: u64 = 8 << 20;
/// The least that a partition must have, bytes.
pub const PARTITION_BYTES: u64 = 2 * HALF_BYTES;

/// A record as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number among those of its kind, from 1.
    pub generation: u64,
    /// What it says.
    pub payload: Vec<u8>,
}

/// The records of one partition.
///
/// Several may be open at once, in several processes: who writes holds a lock meanwhile.
#[derive(Debug)]
pub struct Slots<M = File> {
    medium: M,
}

/// What the cells of a kind hold.
struct Survey {
    /// Valid ones, newest first: generation, and where the copy begins that is sound.
    valid: Vec<(Head, u64)>,
    /// Whether some cell has something in both its copies, and neither can be read. No power cut does that.
    damaged: bool,
}

impl Slots<File> {
    /// Opens a partition, or a file in its place.
    ///
    /// # Errors
    ///
    /// It cannot be opened for reading and writing, or is smaller than [`PARTITION_BYTES`].
    pub fn open(path: impl AsRef<Path>) -> Result<Slots, Error> {
        let path = path.as_ref();
        let file = File::options().read(true).write(true).open(path);
        let file = file.map_err(|e| Error::io(format!("cannot open {}", path.display()), e))?;
        Slots::on(file)
    }

    /// Opens a partition and takes everything out of it.
    ///
    /// # Errors
    ///
    /// As [`open`](Slots::open), or it cannot be written: then some kinds may be gone and others not.
    pub fn format(path: impl AsRef<Path>) -> Result<Slots, Error> {
        let mut slots = Slots::open(path)?;
        Kind::ALL.iter().try_for_each(|kind| slots.erase(*kind))?;
        Ok(slots)
    }
}

impl<M: Medium> Slots<M> {
    /// Takes what is on `medium`.
    ///
    /// # Errors
    ///
    /// It is too small, or cannot be flushed. What an earlier owner wrote and did not flush must not be seen
    /// now and be gone after a power cut.
    pub fn on(mut medium: M) -> Result<Slots<M>, Error> {
        let bytes = medium.bytes().map_err(|e| Error::io("cannot find the size", e))?;
        if bytes < PARTITION_BYTES {
            return Err(Error::TooSmall { bytes });
        }
        medium.flush().map_err(|e| Error::io("cannot flush", e))?;
        Ok(Slots { medium })
    }

    /// The newest record of a kind; none: there never was one, or it was erased.
    ///
    /// # Errors
    ///
    /// There was one and it cannot be read any more.
    pub fn latest(&self, kind: Kind) -> Result<Option<Record>, Error> {
        self.back(kind, 0)
    }

    /// The record so many before the newest.
    ///
    /// # Errors
    ///
    /// As [`latest`](Slots::latest).
    pub fn back(&self, kind: Kind, n: u32) -> Result<Option<Record>, Error> {
        let survey = self.survey(kind)?;
        if survey.valid.is_empty() && survey.damaged {
            return Err(Error::Damaged { kind });
        }
        // The oldest cell of the ring is the next to be written, and is not counted on.
        let mut kept = survey.valid.iter().take(kind.generations());
        let Some((head, at)) = kept.nth(usize::try_from(n).unwrap_or(usize::MAX)) else {
            return Ok(None);
        };
        let mut payload = vec![0; head.length];
        self.medium
            .read_at(&mut payload, at + HEADER_BYTES as u64)
            .map_err(|e| Error::io(format!("cannot read {kind} {}", head.generation), e))?;
        Ok(Some(Record { generation: head.generation, payload }))
    }

    /// Whether a cell of this kind cannot be read although it was written: a record newer than the
    /// [`latest`](Slots::latest) may be lost.
    ///
    /// # Errors
    ///
    /// None now; the medium's faults are damage.
    pub fn is_damaged(&self, kind: Kind) -> Result<bool, Error> {
        Ok(self.survey(kind)?.damaged)
    }

    /// Writes a record and returns its generation: it is durable then. If this fails, or the power goes, it is
    /// there whole or not at all, and those before it are.
    ///
    /// # Errors
    ///
    /// The payload is longer than [`Kind::payload_bytes_max`], or the medium refuses.
    pub fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<u64, Error> {
        if payload.len() > kind.payload_bytes_max() {
            return Err(Error::TooLong { kind, bytes: payload.len() });
        }
        self.locked(|slots| {
            let newest = slots.survey(kind)?.valid.first().map_or(0, |(head, _)| head.generation);
            let generation = newest.checked_add(1).ok_or(Error::Exhausted { kind })?;
            let bytes = cell::encode(kind, generation, payload);
            slots.put(kind, kind.cell_of(generation), &bytes)?;
            Ok(generation)
        })
    }

    /// Takes all records of a kind out, the oldest first: after a power cut the newest is there as long as any.
    ///
    /// # Errors
    ///
    /// The medium refuses.
    pub fn erase(&mut self, kind: Kind) -> Result<(), Error> {
        let blank = vec![0; kind.cell_bytes()];
        self.locked(|slots| {
            let survey = slots.survey(kind)?;
            let valid = survey.valid.iter().rev().map(|(head, _)| kind.cell_of(head.generation));
            let valid: Vec<usize> = valid.collect();
            let others = (0..kind.cells()).filter(|cell| !valid.contains(cell));
            others.chain(valid.iter().copied()).try_for_each(|cell| slots.put(kind, cell, &blank))
        })
    }

    fn locked<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.medium.lock().map_err(|e| Error::io("cannot lock", e))?;
        let done = act(self);
        let unlocked = self.medium.unlock().map_err(|e| Error::io("cannot unlock", e));
        done.and_then(|done| unlocked.map(|()| done))
    }

    /// Both copies of a cell, one after the other.
    fn put(&mut self, kind: Kind, cell: usize, bytes: &[u8]) -> Result<(), Error> {
        for half in [0, HALF_BYTES] {
            let at = half + kind.offset(cell);
            self.medium
                .write_at(bytes, at)
                .and_then(|()| self.medium.flush())
                .map_err(|e| Error::io(format!("cannot write {kind} at {at}"), e))?;
        }
        Ok(())
    }

    fn survey(&self, kind: Kind) -> Result<Survey, Error> {
        let mut survey = Survey { valid: Vec::new(), damaged: false };
        for cell in 0..kind.cells() {
            let copies = [0, HALF_BYTES].map(|half| half + kind.offset(cell));
            let copies = copies.map(|at| (self.look(kind, cell, at), at));
            let sound = copies.iter().filter_map(|(copy, at)| match copy {
                Cell::Valid(head) => Some((*head, *at)),
                _ => None,
            });
            // After a cut between the two copies they differ.
            let newest = sound.max_by_key(|(head, at)| (head.generation, std::cmp::Reverse(*at)));
            survey.valid.extend(newest);
            survey.damaged |= copies.iter().all(|(copy, _)| *copy == Cell::Unreadable);
        }
        survey.valid.sort_by_key(|(head, _)| std::cmp::Reverse(head.generation));
        Ok(survey)
    }

    fn look(&self, kind: Kind, cell: usize, at: u64) -> Cell {
        let mut bytes = vec![0; BLOCK_BYTES];
        if self.medium.read_at(&mut bytes, at).is_err() {
            return Cell::Unreadable;
        }
        let Some(length) = cell::needed(&bytes).filter(|length| *length <= kind.cell_bytes())
        else {
            return cell::decode(kind, cell, &bytes);
        };
        bytes.resize(length.max(BLOCK_BYTES), 0);
        match self.medium.read_at(&mut bytes[BLOCK_BYTES..], at + BLOCK_BYTES as u64) {
            Ok(()) => cell::decode(kind, cell, &bytes),
            Err(_) => Cell::Unreadable,
        }
    }
}
