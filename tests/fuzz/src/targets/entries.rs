//! Archives recorded and verified, and the patterns that choose among their members.
//!
//! Promises: each whole member has one line, which can be read again and says where the member lies;
//! an archive agrees with what was recorded of it; no pattern takes long.

use tapioca::list::{self, Line};
use tapioca::only::Only;
use tapioca::parts::process::record::Record;
use tapioca::parts::process::verify::Verify;
use tapioca::pax::{Event, Member, Reader};
use tapioca::stream::{Begin, Block, End, Fault, Item, KIND_PAX, Outlet, Process};

/// A member with its offset and, when it is whole, its span.
type Place = (Member, u64, Option<u64>);

fn members(archive: &[u8]) -> Vec<Place> {
    let mut found: Vec<Place> = Vec::new();
    let mut visit = |event: Event<'_>| {
        match event {
            Event::Member { member, offset } => found.push((member.clone(), offset, None)),
            Event::End { span } => found.last_mut().expect("an end has a member").2 = Some(span),
            Event::Data { .. } | Event::Gone { .. } => {}
        }
        Ok(())
    };
    // What comes before the damage counts.
    let _ = Reader::new().feed(archive, &mut visit);
    found
}

#[derive(Default)]
struct Marks(Vec<u8>);

impl Outlet for Marks {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Mark(lines) = item {
            assert!(lines.ends_with(b"\n"), "marks are whole lines");
            self.0.extend_from_slice(&lines);
        }
        Ok(())
    }
}

fn pass(process: &mut dyn Process, archive: &[u8], out: &mut Marks) -> Result<u64, Fault> {
    let begin = Begin { kind: KIND_PAX.into(), ..Begin::default() };
    process.item(Item::Begin(begin), out)?;
    let mut offset = 0;
    for bytes in archive.chunks(1 + archive.len() / 3) {
        process.item(Item::Data { offset, block: Block::copy_of(bytes) }, out)?;
        offset += bytes.len() as u64;
    }
    process.item(Item::End(End { bytes: offset, skipped: 0 }), out)?;
    process.finish()
}

pub fn record(b: &[u8]) {
    let members = members(b);
    // Holes are hashed at the speed of memory up to a limit: what is below it takes its time.
    if members.iter().any(|(member, ..)| (1 << 24..=1 << 40).contains(&member.size)) {
        return;
    }
    let mut marks = Marks::default();
    let mut record = Record::new(None, false).expect("without a list nothing is opened");
    let recorded = pass(&mut record, b, &mut marks);
    let lines: Result<Vec<Line>, String> = list::lines(&marks.0).collect();
    let mut lines = lines.expect("every line can be read again");
    lines.retain(|line| !matches!(line, Line::Gone { .. }));
    let whole: Vec<&Place> = members.iter().filter(|place| place.2.is_some()).collect();
    assert!(lines.len() <= whole.len());
    for (line, (member, offset, span)) in lines.iter().zip(&whole) {
        match line {
            Line::Entry(entry) => {
                assert_eq!((entry.offset, Some(entry.span)), (*offset, *span));
                assert_eq!(
                    (&entry.path, entry.mtime),
                    (&member.path, (member.mtime.s, member.mtime.ns))
                );
            }
            Line::Missing { path, .. } => assert!(member.path.starts_with(path)),
            other => panic!("nobody recorded {other:?}"),
        }
    }
    if recorded.is_ok() {
        assert_eq!(lines.len(), whole.len());
        agrees(b, &marks.0, lines.iter().all(|line| matches!(line, Line::Entry(_))));
    }
}

fn agrees(archive: &[u8], list: &[u8], all: bool) {
    let mut said = Vec::new();
    let mut verify =
        Verify::new(Some(Box::new(list)), Box::new(|line: &str| said.push(line.to_owned())));
    let wrong = pass(&mut verify, archive, &mut Marks::default());
    drop(verify);
    assert!(wrong.is_ok(), "{wrong:?}");
    assert_eq!(wrong == Ok(0), all, "{said:?}");
}

/// Patterns, one a line; the last line is a path.
pub fn patterns(b: &[u8]) {
    let mut patterns: Vec<Vec<u8>> = b.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let path = patterns.pop().unwrap_or_default();
    let mut only = Only::new(&patterns);
    let selected = only.selects(&path);
    assert_eq!(only.is_all(), patterns.is_empty());
    assert_eq!(selected, patterns.is_empty() || only.unmatched().count() < patterns.len());
    if !selected {
        return;
    }
    // What is chosen is found on the way down, and what is below it is chosen too.
    let below = [&path[..], b"/below"].concat();
    assert!(Only::new(&patterns).selects(&below));
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        assert!(patterns.is_empty() || only.leads_to(&path[..at]));
    }
    // A path as it stands chooses itself.
    assert!(Only::new(std::slice::from_ref(&path)).selects(&path));
}
