//! Receipts in offsets of what a component puts become receipts in those of what it takes.
//!
//! Owns the chunks that are not durable yet: 16 bytes each, so a sink that syncs every few GiB costs
//! kilobytes and one that syncs once at the end of a terabyte costs 16 MiB. A chunk of the input is
//! durable when the last byte of what became of it is; it is read from the block that holds the first.
//! Copies of a stream come along each at its own pace and cut it where they like: a chunk is kept until
//! all of them have it. One that is lost on the way keeps the chunks from then on.

use std::collections::VecDeque;

use crate::stream::{Fault, Place, Receipt, Runs, Upward};

struct Chunk {
    input_end: u64,
    output_end: u64,
}

/// Where a chunk starts.
type Start = (u64, Place);

/// How far one copy is.
#[derive(Default, Clone)]
struct Cursor {
    /// Chunks that were passed on.
    passed: u64,
    /// Input bytes receipted.
    input: u64,
    /// Where what became of the first waiting chunk starts.
    output: u64,
    /// Output bytes receipted.
    covered: u64,
    /// Where the first waiting chunk starts on the medium, once that is durable.
    start: Option<Start>,
}

#[derive(Default)]
pub(super) struct Translation {
    /// Without receipts to come nothing is kept.
    expected: bool,
    /// Chunks that not every copy has passed, and how many all have.
    waiting: VecDeque<Chunk>,
    dropped: u64,
    /// One for each copy.
    cursors: Vec<Cursor>,
}

impl Translation {
    /// Keeps what it takes to translate receipts, if they are `expected`.
    pub(super) fn expecting(expected: bool) -> Translation {
        Translation { expected, ..Translation::default() }
    }

    /// A chunk was made: where it ends in the input and in the output.
    pub(super) fn chunk(&mut self, input_end: u64, output_end: u64) {
        if self.expected {
            self.waiting.push_back(Chunk { input_end, output_end });
        }
    }

    /// Passes on what `receipt` makes durable, a receipt for each medium that chunks start on.
    pub(super) fn receipt(&mut self, receipt: &Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        if !self.expected {
            return Ok(());
        }
        let copies = usize::from(receipt.copies.max(receipt.copy.saturating_add(1)));
        if self.cursors.len() < copies {
            self.cursors.resize(copies, Cursor::default());
        }
        let mut cursor = std::mem::take(&mut self.cursors[usize::from(receipt.copy)]);
        let passed = self.pass(&mut cursor, receipt, up);
        self.cursors[usize::from(receipt.copy)] = cursor;
        let all = self.cursors.iter().map(|cursor| cursor.passed).min().unwrap_or(0);
        for _ in self.dropped..all {
            self.waiting.pop_front();
        }
        self.dropped = self.dropped.max(all);
        passed
    }

    fn pass(
        &self,
        cursor: &mut Cursor,
        receipt: &Receipt,
        up: &mut dyn Upward,
    ) -> Result<(), Fault> {
        if receipt.from != cursor.covered || receipt.to < receipt.from {
            return Err(Fault::stream(format!(
                "a receipt for bytes {} to {} comes out of order: {} were receipted",
                receipt.from, receipt.to, cursor.covered
            )));
        }
        cursor.covered = receipt.to;
        let mut run: Option<(Place, u64, Runs)> = None;
        while let Some((place, from, to, block)) = self.next_durable(cursor, receipt)? {
            if let Some((earlier, first, runs)) = run.take_if(|(earlier, ..)| *earlier != place) {
                up.receipt(in_input_bytes(receipt, earlier, first, from, runs))?;
            }
            let (_, _, runs) = run.get_or_insert_with(|| (place, from, Runs::new()));
            runs.add(from, to, block);
        }
        match run {
            Some((place, from, runs)) => {
                up.receipt(in_input_bytes(receipt, place, from, cursor.input, runs))
            }
            None => Ok(()),
        }
    }

    /// Takes the first waiting chunk of a copy if all of it is durable: place, input range, block.
    fn next_durable(
        &self,
        cursor: &mut Cursor,
        receipt: &Receipt,
    ) -> Result<Option<(Place, u64, u64, u64)>, Fault> {
        // Also for a chunk that is still being made: the next receipt will not tell of its start.
        if cursor.start.is_none() && cursor.output < cursor.covered {
            cursor.start = Some(start_of(cursor.output, receipt)?);
        }
        let Some(chunk) = self.waiting_for(cursor) else { return Ok(None) };
        if chunk.output_end > cursor.covered {
            return Ok(None);
        }
        let Some((block, place)) = cursor.start.take() else { return Ok(None) };
        let (from, to) = (cursor.input, chunk.input_end);
        (cursor.input, cursor.output) = (to, chunk.output_end);
        cursor.passed += 1;
        Ok(Some((place, from, to, block)))
    }

    fn waiting_for(&self, cursor: &Cursor) -> Option<&Chunk> {
        let nth = cursor.passed.checked_sub(self.dropped)?;
        self.waiting.get(usize::try_from(nth).ok()?)
    }
}

fn start_of(output: u64, receipt: &Receipt) -> Result<Start, Fault> {
    // Extents are in order: the last that starts at or before the byte is the one that may hold it.
    let after = receipt.extents.partition_point(|e| e.from <= output);
    let extent = after.checked_sub(1).and_then(|last| receipt.extents[last].block_of(output));
    match extent {
        Some(block) => Ok((block, receipt.place.clone())),
        None => Err(Fault::stream(format!("a receipt does not say where byte {output} lies"))),
    }
}

fn in_input_bytes(receipt: &Receipt, place: Place, from: u64, to: u64, runs: Runs) -> Receipt {
    Receipt {
        stream: receipt.stream,
        from,
        to,
        grade: receipt.grade.clone(),
        place,
        extents: runs.into_extents(),
        copy: receipt.copy,
        copies: receipt.copies,
        digest: receipt.digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Extent;

    struct Heard(Vec<Receipt>);

    impl Upward for Heard {
        fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
            self.0.push(receipt);
            Ok(())
        }
    }

    fn receipt(medium: &str, from: u64, to: u64, block: u64, stride: u64) -> Receipt {
        Receipt {
            stream: Default::default(),
            from,
            to,
            grade: "on tape".into(),
            place: Place { medium: medium.into(), volume: None, partition: 0 },
            extents: vec![Extent { from, to, block, stride }],
            copy: 0,
            copies: 1,
            digest: String::new(),
        }
    }

    #[test]
    fn a_chunk_over_two_media_belongs_to_the_first() {
        let mut translation = Translation::expecting(true);
        let (mib, mut heard) = (1 << 20, Heard(Vec::new()));
        for n in 1..=4 {
            translation.chunk(n * mib, n * 100);
        }
        translation.receipt(&receipt("A", 0, 50, 7, 50), &mut heard).unwrap();
        assert!(heard.0.is_empty(), "half a chunk was called durable");
        translation.receipt(&receipt("A", 50, 250, 8, 50), &mut heard).unwrap();
        translation.receipt(&receipt("B", 250, 400, 1, 50), &mut heard).unwrap();
        let told: Vec<_> = heard
            .0
            .iter()
            .map(|r| (r.place.medium.as_str(), r.from / mib, r.to / mib, r.extents.clone()))
            .collect();
        let run = |from, to, block| Extent { from: from * mib, to: to * mib, block, stride: 0 };
        assert_eq!(
            told,
            [
                ("A", 0, 2, vec![run(0, 1, 7), run(1, 2, 9)]),
                ("A", 2, 3, vec![run(2, 3, 11)]),
                ("B", 3, 4, vec![run(3, 4, 2)]),
            ]
        );
    }

    #[test]
    fn a_chunk_that_is_told_late_starts_where_it_did() {
        let (mut translation, mut heard) = (Translation::expecting(true), Heard(Vec::new()));
        translation.chunk(10, 100);
        // The second chunk is on its way when the receipt for its beginning comes.
        translation.receipt(&receipt("A", 0, 150, 0, 10), &mut heard).unwrap();
        translation.chunk(20, 200);
        translation.receipt(&receipt("B", 150, 200, 70, 10), &mut heard).unwrap();
        let told: Vec<_> = heard
            .0
            .iter()
            .map(|r| (r.place.medium.as_str(), r.from, r.to, r.extents[0].block))
            .collect();
        assert_eq!(told, [("A", 0, 10, 0), ("A", 10, 20, 10)]);
    }

    #[test]
    fn copies_are_translated_each_for_itself() {
        let (mut translation, mut heard) = (Translation::expecting(true), Heard(Vec::new()));
        (1..=4).for_each(|n| translation.chunk(n * 10, n * 100));
        let of = |copy, receipt| Receipt { copy, copies: 2, ..receipt };
        translation.receipt(&of(0, receipt("A", 0, 400, 0, 50)), &mut heard).unwrap();
        assert_eq!(translation.waiting.len(), 4, "the other copy has none of it");
        translation.receipt(&of(1, receipt("B", 0, 150, 90, 10)), &mut heard).unwrap();
        assert_eq!(translation.waiting.len(), 3);
        translation.receipt(&of(1, receipt("B", 150, 400, 105, 10)), &mut heard).unwrap();
        assert_eq!(translation.waiting.len(), 0);
        let told: Vec<_> = heard
            .0
            .iter()
            .map(|r| (r.place.medium.as_str(), r.copy, r.from, r.to, r.extents[0].block))
            .collect();
        assert_eq!(told, [("A", 0, 0, 40, 0), ("B", 1, 0, 10, 90), ("B", 1, 10, 40, 100)]);
    }

    #[test]
    fn a_gap_between_receipts_is_found() {
        let mut translation = Translation::expecting(true);
        translation.chunk(10, 10);
        let mut heard = Heard(Vec::new());
        assert!(translation.receipt(&receipt("A", 1, 10, 0, 0), &mut heard).is_err());
        let silent = Receipt { extents: Vec::new(), ..receipt("A", 0, 10, 0, 0) };
        assert!(translation.receipt(&silent, &mut heard).is_err());
    }
}
