//! A run gives back what it was made of.

use std::path::Path;

use super::grams::Asked;
use super::{NewRun, Run, RunWriter, Shelf, key};
use crate::catalogue::record::JobId;
use crate::list::Line;
use crate::stream::Fault;

/// A run in memory.
pub struct Memory(pub Vec<u8>);

impl Memory {
    pub fn of(run: &mut NewRun) -> Memory {
        let mut bytes = Vec::new();
        run.each(1000, |stretch| {
            bytes.extend_from_slice(stretch);
            Ok(())
        })
        .unwrap();
        Memory(bytes)
    }
}

impl Shelf for Memory {
    fn bytes(&self, _: JobId, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let from = (offset as usize).min(self.0.len());
        Ok(self.0[from..(from + length).min(self.0.len())].to_vec())
    }
}

fn lines() -> Vec<Line> {
    let mut text = String::new();
    for n in 0..6000u32 {
        let (dir, digest) = (n / 40, blake3::hash(&n.to_le_bytes()).to_hex());
        text.push_str(&format!(
            "f {} 1024 {n} 17000{n:05}.{:09} {digest} d{dir}/file-{n}.txt\n",
            n * 1024,
            n * 7
        ));
    }
    text.push_str("- gone\n! unreadable secret\ni 9 d1\nd 9 512 0 1.000000000 - d1\n");
    crate::list::lines(text.as_bytes()).map(Result::unwrap).collect()
}

fn made(lines: Vec<Line>, held_bytes: usize) -> NewRun {
    let mut writer = RunWriter::holding(JobId(7), Path::new("."), held_bytes).unwrap();
    lines.into_iter().for_each(|line| writer.line(line).unwrap());
    writer.finish().unwrap()
}

#[test]
fn every_line_comes_back_in_order_and_the_run_is_the_same_however_it_was_made() {
    let mut run = made(lines(), 1 << 30);
    let memory = Memory::of(&mut run);
    let mut turned = lines();
    turned.reverse();
    let mut other = made([turned, lines()].concat(), 100_000);
    assert!(memory.0 == Memory::of(&mut other).0, "sorted from spills, told twice");
    assert_eq!((run.head.rows, run.head.entries, run.head.gone), (6004, 6001, 1));
    let run = Run::open(JobId(7), run.head, &memory).unwrap();
    assert!(run.index.blocks.len() > 10 && run.index.zones.len() == 1);
    let mut expected = lines();
    expected.sort_by_key(|line| {
        let row = super::Row::of(line.clone()).unwrap();
        (row.key.clone(), row.rank())
    });
    let found: Vec<Line> = run.rows_from(b"").map(|row| run.line(&row.unwrap()).unwrap()).collect();
    assert!(found == expected);
}

#[test]
fn a_path_is_found_and_nothing_else() {
    let mut run = made(lines(), 1 << 30);
    let memory = Memory::of(&mut run);
    let run = Run::open(JobId(7), run.head, &memory).unwrap();
    for line in lines().into_iter().step_by(97) {
        let Line::Entry(entry) = &line else { continue };
        let rows = run.find(&key::of_path(&entry.path)).unwrap();
        assert_eq!(rows.iter().map(|row| run.line(row).unwrap()).collect::<Vec<_>>(), [line]);
    }
    assert_eq!(run.find(&key::of_path(b"d1")).unwrap().len(), 2);
    assert_eq!(run.find(&key::of_path(b"d1/file-40.tx")).unwrap(), []);
    let mut rows = run.rows_from(&key::of_path(b"d149"));
    rows.skip_to(&key::of_path(b"d20/file-8"));
    assert_eq!(rows.next().unwrap().unwrap().path().unwrap(), b"d20/file-800.txt");
}

#[test]
fn grams_rule_out_most_blocks_and_never_the_right_one() {
    let mut run = made(lines(), 1 << 30);
    let memory = Memory::of(&mut run);
    let run = Run::open(JobId(7), run.head, &memory).unwrap();
    let blocks = run.blocks_with(&Asked::of(&[b"file-4321".to_vec()])).unwrap();
    let right = run.index.block_of(&key::of_path(b"d108/file-4321.txt"));
    assert!(blocks.contains(&right) && blocks.len() <= 3, "{blocks:?}");
    assert_eq!(run.blocks_with(&Asked::of(&[b"nowhere".to_vec()])).unwrap(), [0; 0]);
}

#[test]
fn seek_points_and_sealed_lines_are_kept() {
    let mut writer = RunWriter::new(JobId(7), Path::new(".")).unwrap();
    for n in 0..9000u64 {
        writer.line(Line::Seek { depth: 1, input: n * 100, output: n * 30 }).unwrap();
    }
    writer.line(Line::Seek { depth: 2, input: 0, output: 5 }).unwrap();
    let sealed = crate::list::lines(b"+ 2 aGVhZA==\n% 2 0 last AAECAw==\n").map(Result::unwrap);
    let sealed: Vec<Line> = sealed.collect();
    sealed.iter().for_each(|line| writer.line(line.clone()).unwrap());
    let mut run = writer.finish().unwrap();
    let memory = Memory::of(&mut run);
    let run = Run::open(JobId(7), run.head, &memory).unwrap();
    assert_eq!(run.aside().unwrap(), sealed);
    for (input, output, after) in
        [(0, 0, 0), (99, 0, 30), (409_600, 122_880, 122_880), (700_001, 210_000, 210_030)]
    {
        assert_eq!(run.seek(1, input).unwrap(), Some(output));
        assert_eq!(run.seek_after(1, input).unwrap(), Some(after));
    }
    assert_eq!((run.head.layers, run.seek(2, 77).unwrap()), (2, Some(5)));
    assert_eq!((run.seek(3, 0).unwrap(), run.seek_after(1, 899_901).unwrap()), (None, None));
}

#[test]
fn every_flipped_bit_is_found_out() {
    let mut run = made(lines().into_iter().step_by(60).collect(), 1 << 30);
    let memory = Memory::of(&mut run);
    for at in (0..memory.0.len() * 8).step_by(13) {
        let mut bad = Memory(memory.0.clone());
        bad.0[at / 8] ^= 1 << (at % 8);
        let read = Run::open(JobId(7), run.head, &bad)
            .and_then(|run| run.rows_from(b"").try_for_each(|row| row.map(|_| ())));
        assert!(read.unwrap_err().what.contains("job 7"), "bit {at}");
    }
}
