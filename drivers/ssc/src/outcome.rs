//! What can happen without anything being wrong.
//!
//! Owns the outcomes of writing, reading, moving and asking. The end of a medium, a filemark and an
//! empty drive are part of the work, so they are not errors. Source: SSC-5 4.2 and 5.

use scsi::Sense;

/// What became of a block or of filemarks given to the drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// Taken.
    Fine,
    /// Taken, and the end is near: EOM bit, 00/02, or 00/07 (programmable early warning). Finish
    /// what must be finished and change the medium.
    EarlyWarning,
    /// VOLUME OVERFLOW: this object is **not** on the medium. It belongs on the next one.
    Full,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ReadOut {
    /// A block of this many bytes, now at the start of the buffer.
    Block(usize),
    /// A filemark; the medium stands after it.
    Filemark,
    /// End of data: nothing was ever written from here on.
    EndOfData,
    /// The block is longer than the buffer and was cut; the medium stands after it. Never use the
    /// data: space back one block and offer more.
    TooLong {
        /// Bytes to offer to get it whole: the block's length when the drive told it, otherwise
        /// [`BLOCK_BYTES_MAX`](crate::BLOCK_BYTES_MAX).
        actual: usize,
    },
    /// The physical end came before any end of data: the tail of this medium was never finished.
    EndOfMedium,
}

/// How far a SPACE went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Spaced {
    /// All the way.
    All,
    /// A filemark was met while spacing over blocks; the medium stands beyond it in the direction
    /// of travel. `done` blocks were passed, the filemark not counted.
    Filemark {
        /// Blocks passed.
        done: u64,
    },
    /// End of data was met.
    EndOfData {
        /// Blocks or filemarks passed.
        done: u64,
    },
    /// Beginning of the partition was met while going back.
    Beginning {
        /// Blocks or filemarks passed.
        done: u64,
    },
}

/// IMMED: answer before or after the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Immediate {
    /// The drive answers as soon as it has accepted the command; filemarks may still be in its
    /// buffer.
    Yes,
    /// The drive answers when everything before and with this command is on the medium.
    No,
}

/// Whether the drive can work with a medium now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Readiness {
    /// A medium is mounted.
    Ready,
    /// Threading, calibrating (up to two hours for a new LTO-9 cartridge), or finishing another
    /// immediate command: ask again.
    BecomingReady,
    /// No medium.
    NoMedium,
    /// A medium is there but not mounted: issue `load`.
    NeedsLoad,
    /// A cleaning cartridge is in the drive, or cleaning is in progress.
    Cleaning,
    /// Somebody must do something; the sense says what.
    Other(Sense),
}
