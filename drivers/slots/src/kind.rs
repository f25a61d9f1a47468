//! Kinds of records, and where each has its cells.
//!
//! Owns the table. It is the layout of partitions that are out there: a kind is never moved and its cells never
//! become more or larger; new kinds go to the end.

use std::fmt;

use crate::HALF_BYTES;
use crate::cell::{BLOCK_BYTES, HEADER_BYTES};

/// What a record is about. The numbers are on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Who the box is.
    Identity = 1,
    /// Who may change it.
    Administrator = 2,
    /// What it is set to; 16 generations.
    Settings = 3,
    /// How it started.
    Boot = 4,
    /// How an update goes.
    Update = 5,
    /// What is to be reset at the next start.
    Reset = 6,
    /// A time that was.
    TimeFloor = 7,
    /// What went on lately, and shortly before the end.
    Flight = 8,
}

/// Where a kind's cells are.
struct Place {
    kind: Kind,
    name: &'static str,
    /// Bytes from the beginning of a half.
    offset: u64,
    cells: usize,
    cell_bytes: usize,
}

const KIB: usize = 1024;

const fn place(
    kind: Kind,
    name: &'static str,
    offset_kib: u64,
    cells: usize,
    cell_kib: usize,
) -> Place {
    Place { kind, name, offset: offset_kib * 1024, cells, cell_bytes: cell_kib * KIB }
}

/// The first block of a half stays free: what writes a boot sector by mistake hits no record.
const PLACES: [Place; 8] = [
    place(Kind::Identity, "identity", 64, 2, 16),
    place(Kind::Administrator, "administrator", 128, 2, 16),
    place(Kind::Settings, "settings", 1024, 17, 128),
    place(Kind::Boot, "boot", 192, 4, 16),
    place(Kind::Update, "update", 256, 4, 64),
    place(Kind::Reset, "reset", 512, 2, 4),
    place(Kind::TimeFloor, "time floor", 576, 16, 4),
    place(Kind::Flight, "flight", 4096, 256, 4),
];

// Cells are whole blocks, there are two at least, and no two kinds overlap.
const _: () = {
    let mut i = 0;
    while i < PLACES.len() {
        let a = &PLACES[i];
        let a_end = a.offset + (a.cells * a.cell_bytes) as u64;
        assert!(a.kind as usize == i + 1);
        assert!(a.cells >= 2 && a.cell_bytes.is_multiple_of(BLOCK_BYTES));
        assert!(a.offset >= BLOCK_BYTES as u64 && a_end <= HALF_BYTES);
        let mut j = 0;
        while j < i {
            let b = &PLACES[j];
            let b_end = b.offset + (b.cells * b.cell_bytes) as u64;
            assert!(a_end <= b.offset || b_end <= a.offset);
            j += 1;
        }
        i += 1;
    }
};

impl Kind {
    /// All there are.
    pub const ALL: [Kind; PLACES.len()] = {
        let mut all = [Kind::Identity; PLACES.len()];
        let mut i = 0;
        while i < PLACES.len() {
            all[i] = PLACES[i].kind;
            i += 1;
        }
        all
    };

    fn place(self) -> &'static Place {
        &PLACES[self as usize - 1]
    }

    /// How many records are kept, the newest ones.
    pub fn generations(self) -> usize {
        self.cells() - 1
    }

    /// The longest payload, bytes.
    pub fn payload_bytes_max(self) -> usize {
        self.cell_bytes() - HEADER_BYTES
    }

    pub(crate) fn cells(self) -> usize {
        self.place().cells
    }

    pub(crate) fn cell_bytes(self) -> usize {
        self.place().cell_bytes
    }

    /// The cell in which a generation lies.
    pub(crate) fn cell_of(self, generation: u64) -> usize {
        usize::try_from(generation % self.cells() as u64).expect("cells are few")
    }

    /// Where the first copy of a cell begins, bytes.
    pub(crate) fn offset(self, cell: usize) -> u64 {
        self.place().offset + (cell * self.cell_bytes()) as u64
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place().name)
    }
}
