//! Name streams, and lists in files.
//!
//! Promises: however the bytes come in, the same records come out; a stream that is whole reads the
//! same when it is written again; compared with nothing known, all its names are taken and none is
//! gone; and a list that is whole begins with its head and ends with its tail.

use std::io::BufReader;

use tapioca::list::Line;
use tapioca::list::file::ListReader;
use tapioca::parts::names::known::Known;
use tapioca::parts::names::{NameReader, NameWriter, Record, Since};

/// All records, and what the end says was left out if the stream is whole.
fn read(bytes: &[u8], piece: usize) -> (Vec<Record>, Option<u64>) {
    let mut records = Vec::new();
    let Ok(mut names) = NameReader::open(BufReader::with_capacity(piece, bytes)) else {
        return (records, None);
    };
    loop {
        match names.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, Some(names.left_out())),
            Err(_) => return (records, None),
        }
    }
}

pub fn names(b: &[u8]) {
    let (records, left_out) = read(b, 1 << 16);
    for piece in [1, 7] {
        assert_eq!(read(b, piece), (records.clone(), left_out), "in pieces of {piece}");
    }
    let Some(left_out) = left_out else { return };
    let mut again = Vec::new();
    let began = NameReader::open(b).expect("it was read").began();
    let mut names = NameWriter::begin(&mut again, began).expect("memory takes it");
    for record in &records {
        let written = match record {
            Record::Root { path } => names.root(path),
            Record::Entry(entry) => names.entry(entry),
            Record::Missing { why, path } => names.missing(why, path),
            Record::Gone { path } => names.gone(path),
        };
        written.expect("memory takes it");
    }
    names.finish(left_out).expect("memory takes it");
    assert_eq!(read(&again, 1 << 16), (records.clone(), Some(left_out)));
    compared(b, &records);
}

fn compared(b: &[u8], records: &[Record]) {
    let mut names = NameReader::open(b).expect("it was read");
    let mut out = Vec::new();
    let room = tempfile::tempfile().expect("a file can be made");
    let counts = Since::new(Known::default(), room).run(&mut names, &mut out);
    let has_gone = records.iter().any(|record| matches!(record, Record::Gone { .. }));
    assert_eq!(counts.is_err(), has_gone, "{counts:?}");
    let Ok(counts) = counts else { return };
    let (taken, end) = read(&out, 1 << 16);
    assert!(end.is_some(), "what changed is a whole stream");
    let entries = |of: &[Record]| of.iter().filter(|r| matches!(r, Record::Entry(_))).count();
    assert_eq!(entries(&taken), entries(records));
    assert_eq!((counts.taken, counts.gone), (counts.names, 0));
}

pub fn lists(b: &[u8]) {
    let Ok(mut list) = ListReader::open(b, "list") else { return };
    assert!(b.starts_with(b"# "));
    let mut lines = 1;
    loop {
        match list.next_line() {
            Ok(Some(line)) => assert!(!matches!(line, Line::Head(_) | Line::Tail { .. })),
            Ok(None) => break,
            Err(fault) => {
                assert!(fault.what.starts_with("list:"), "{fault}");
                return;
            }
        }
        lines += 1;
    }
    let told = b.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(told, lines + 1, "every line counts");
    let mut again = ListReader::open(b, "list").expect("it was read");
    let kind = again.head().kind.clone();
    assert_eq!(Known::default().add(&mut again).is_ok(), kind == "pax");
}
