//! Sparse maps: which parts of a file are data.
//!
//! Owns the four forms archives use: the table in an old GNU header and the blocks after it, and
//! GNU's pax forms 0.0 (a record per run), 0.1 (one record) and 1.0 (text in front of the data).
//! A map is accepted only when its runs are in order, apart, within the file, and together as long
//! as what is stored.

use super::number::{decimal, natural};

/// Most runs a map may have: bounds the memory a hostile archive can take.
pub const RUNS_MAX: usize = 4 << 20;

/// Offset and length of a run of data.
pub(super) type Run = (u64, u64);

/// What `GNU.sparse.*` records said.
#[derive(Clone, Default)]
pub(super) struct SparseRecords {
    pub(super) version: (u64, u64),
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) runs: Vec<Run>,
    half: Option<u64>,
}

impl SparseRecords {
    /// Takes the record `GNU.sparse.WHAT=VALUE`.
    pub(super) fn take(&mut self, what: &[u8], value: &[u8]) -> Option<()> {
        match what {
            b"major" => self.version.0 = decimal(value)?,
            b"minor" => self.version.1 = decimal(value)?,
            b"name" => self.name = Some(value.to_vec()).filter(|v| !v.contains(&0)),
            b"size" | b"realsize" => self.real_size = Some(decimal(value)?),
            b"offset" => self.half = Some(decimal(value)?),
            b"numbytes" => {
                let offset = self.half.take()?;
                self.push((offset, decimal(value)?))?;
            }
            b"map" => {
                self.runs.clear();
                let mut numbers = value.split(|&b| b == b',').map(decimal);
                while let Some(offset) = numbers.next() {
                    self.push((offset?, numbers.next()??))?;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn push(&mut self, run: Run) -> Option<()> {
        self.runs.push(run);
        (self.runs.len() <= RUNS_MAX).then_some(())
    }

    /// True when the map is text in front of the data.
    pub(super) fn map_in_data(&self) -> bool {
        self.version.0 >= 1
    }
}

/// Appends the runs of an old GNU table (24-byte entries, the first unused one all NUL).
pub(super) fn take_old_table(table: &[u8], runs: &mut Vec<Run>) -> Option<()> {
    for entry in table.chunks_exact(24) {
        if entry[0] == 0 {
            break;
        }
        runs.push((natural(&entry[..12])?, natural(&entry[12..])?));
    }
    (runs.len() <= RUNS_MAX).then_some(())
}

/// Reads a 1.0 map byte by byte: a count, then two numbers a run, each ended by a newline.
#[derive(Default)]
pub(super) struct MapText {
    count: Option<usize>,
    number: Option<u64>,
    half: Option<u64>,
    pub(super) runs: Vec<Run>,
}

impl MapText {
    /// Takes one byte; true when the map is complete with it.
    pub(super) fn take(&mut self, byte: u8) -> Option<bool> {
        if byte != b'\n' {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            let number = self.number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?;
            self.number = Some(number);
            return Some(false);
        }
        let number = self.number.take()?;
        match (self.count, self.half.take()) {
            (None, _) => {
                self.count = Some(usize::try_from(number).ok().filter(|&n| n <= RUNS_MAX)?)
            }
            (Some(_), None) => self.half = Some(number),
            (Some(_), Some(offset)) => self.runs.push((offset, number)),
        }
        Some(self.count == Some(self.runs.len()))
    }
}

/// The runs without empty ones, if they make a map of a file of `size` bytes of which `stored` are
/// in the archive.
pub(super) fn checked(mut runs: Vec<Run>, size: u64, stored: u64) -> Option<Vec<Run>> {
    runs.retain(|&(_, length)| length != 0);
    let (mut end, mut sum) = (0u64, 0u64);
    for &(offset, length) in &runs {
        if offset < end {
            return None;
        }
        end = offset.checked_add(length)?;
        sum = sum.checked_add(length)?;
    }
    (end <= size && sum == stored).then_some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_that_fits_is_taken() {
        assert_eq!(checked(vec![(0, 5), (9, 0), (10, 5)], 20, 10), Some(vec![(0, 5), (10, 5)]));
        assert_eq!(checked(vec![(20, 0)], 20, 0), Some(vec![]));
        assert_eq!(checked(vec![(0, 5), (4, 5)], 20, 10), None, "overlap");
        assert_eq!(checked(vec![(10, 5), (0, 5)], 20, 10), None, "order");
        assert_eq!(checked(vec![(18, 5)], 20, 5), None, "past the end");
        assert_eq!(checked(vec![(0, 5)], 20, 6), None, "less than stored");
        assert_eq!(checked(vec![(u64::MAX, 5)], u64::MAX, 5), None, "overflow");
    }

    #[test]
    fn map_text_ends_with_its_last_run() {
        let mut map = MapText::default();
        let text = b"2\n0\n5\n10\n5\n";
        let done: Vec<bool> = text.iter().map(|&b| map.take(b).unwrap()).collect();
        assert_eq!(done.iter().position(|&d| d), Some(text.len() - 1));
        assert_eq!(map.runs, [(0, 5), (10, 5)]);
        assert!(MapText::default().take(b'x').is_none());
        assert!(MapText::default().take(b'\n').is_none());
    }
}
