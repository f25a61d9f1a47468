//! What a catalogue keeps: the parts of a run, and records in envelopes.
//!
//! Promises: bytes of any kind are taken apart or refused; what was taken apart is the same when it is put
//! together and taken apart again; lines that become a run come out of it, all and in order; a record
//! opens as what was closed, under its own key only.

use tapioca::catalogue::Kind;
use tapioca::catalogue::envelope;
use tapioca::catalogue::record::{JobId, Record};
use tapioca::catalogue::run::block::{decode, encode_facts, encode_keys};
use tapioca::catalogue::run::grams::{Asked, narrow};
use tapioca::catalogue::run::index::Index;
use tapioca::catalogue::run::read::seek_points;
use tapioca::catalogue::run::{NewRun, Row, Run, RunWriter, Shelf, key};
use tapioca::list::Line;
use tapioca::stream::Fault;

/// A mode and what it takes.
pub fn run(bytes: &[u8]) {
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    match mode % 5 {
        0 => block(bytes),
        1 => index(bytes),
        2 => grams(bytes),
        3 => seeks(bytes),
        _ => lines(bytes),
    }
}

/// Two lengths, then keys, facts and digests.
fn block(bytes: &[u8]) {
    let Some((&[a, b, c, d], bytes)) = bytes.split_first_chunk() else { return };
    let (keys, facts) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    let Some((keys, bytes)) = bytes.split_at_checked(usize::from(keys)) else { return };
    let Some((facts, digests)) = bytes.split_at_checked(usize::from(facts)) else { return };
    let Ok(rows) = decode(keys, facts, digests) else { return };
    let (facts, digests) = encode_facts(&rows);
    assert_eq!(decode(&encode_keys(&rows), &facts, &digests).as_ref(), Ok(&rows));
    for row in rows {
        let Some(path) = key::path(&row.key) else { continue };
        assert_eq!(key::of_path(&path), row.key);
    }
}

fn index(bytes: &[u8]) {
    let Ok(index) = postcard::from_bytes::<Index>(bytes) else { return };
    let end = index.pieces().last().map_or(0, |piece| piece.end());
    if index.fault(end).is_some() {
        return;
    }
    let mut next = 0;
    for piece in index.pieces() {
        assert_eq!(piece.offset, next);
        next = piece.end();
    }
    for block in &index.blocks {
        let at = index.block_of(&block.first);
        assert!(index.blocks[at].first <= block.first);
    }
}

fn grams(bytes: &[u8]) {
    let Some((text, group)) = bytes.split_at_checked(8) else { return };
    for (_, buckets) in Asked::of(&[text.to_vec()]).groups() {
        let all: Vec<u32> = (0..1024).collect();
        let mut left = all.clone();
        if narrow(group, buckets, &mut left).is_some() {
            assert!(left.is_sorted() && left.iter().all(|block| all.contains(block)));
        }
    }
}

fn seeks(bytes: &[u8]) {
    if let Some(points) = seek_points(bytes) {
        assert!(points.len() <= bytes.len());
    }
}

/// A run in memory.
struct Memory(Vec<u8>);

impl Shelf for Memory {
    fn bytes(&self, _: JobId, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let there = self.0.get(offset as usize..).unwrap_or_default();
        Ok(there[..there.len().min(length)].to_vec())
    }
}

fn made(lines: &[Line]) -> NewRun {
    let mut run = RunWriter::new(JobId(1), std::path::Path::new(".")).expect("it is memory");
    lines.iter().for_each(|line| run.line(line.clone()).expect("it is a line"));
    run.finish().expect("it is short")
}

fn lines(bytes: &[u8]) {
    let given: Vec<Line> = tapioca::list::lines(bytes).filter_map(Result::ok).collect();
    let mut expected: Vec<Row> =
        given.iter().filter_map(|line| Row::of(line.clone()).ok()).collect();
    expected.sort_by(|a, b| (&a.key, a.rank()).cmp(&(&b.key, b.rank())));
    expected.dedup();
    let mut run = made(&given);
    let mut memory = Memory(Vec::new());
    let kept = run.each(4096, |stretch| {
        memory.0.extend_from_slice(stretch);
        Ok(())
    });
    kept.expect("it is memory");
    let run = Run::open(JobId(1), run.head, &memory).expect("it was just made");
    let rows: Vec<Row> = run.rows_from(&[]).map(|row| row.expect("it was just made")).collect();
    assert_eq!(rows, expected);
    for row in &rows {
        let about: Vec<&Row> = rows.iter().filter(|other| other.key == row.key).collect();
        let found = run.find(&row.key).expect("it was just made");
        assert_eq!(found.iter().collect::<Vec<_>>(), about);
        assert!(row.line().is_some());
    }
}

/// A kind, a key, and an envelope; or a record to be put into one.
pub fn envelope(bytes: &[u8]) {
    let Some((&[mode, length], bytes)) = bytes.split_first_chunk() else { return };
    let Some((key, bytes)) = bytes.split_at_checked(usize::from(length % 32)) else { return };
    let kind = Kind::ALL[usize::from(mode) % Kind::ALL.len()];
    if let Err(fault) = kind.open(key, bytes) {
        assert!(fault.what.contains(kind.name()), "{fault}");
    }
    let Ok(record) = postcard::from_bytes::<Record>(bytes) else { return };
    let closed = envelope::close("any", key, &record).expect("it is short");
    assert_eq!(envelope::open::<Record>("any", key, &closed).ok(), Some(record));
    let other = [key, b"x"].concat();
    assert!(envelope::open::<Record>("any", &other, &closed).is_err());
    assert!(envelope::open::<Record>("another", key, &closed).is_err());
}
