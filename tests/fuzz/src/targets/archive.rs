//! Archives: the reader and the writer of `pax`.
//!
//! Promises: any split of the input gives the same events, events come in their order, data lies
//! inside its file and is no more than was fed, and every member that was read comes back the same
//! after writing it.

use tapioca::pax::{END_OF_ARCHIVE, Event, Kind, Member, Reader, encode};

/// A member as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    member: Member,
    offset: u64,
    /// Stored content, holes left out, and where its pieces lie.
    bytes: Vec<u8>,
    runs: Vec<(u64, u64)>,
    span: Option<u64>,
}

/// All events, and whether the archive was sound.
fn read(archive: &[u8], piece: usize) -> (Vec<Seen>, bool) {
    let mut seen: Vec<Seen> = Vec::new();
    let mut reader = Reader::new();
    let mut visit = |event: Event<'_>| {
        let last = seen.last_mut().filter(|last| last.span.is_none());
        match (event, last) {
            (Event::Member { member, offset }, None) => {
                let (bytes, runs) = Default::default();
                seen.push(Seen { member: member.clone(), offset, bytes, runs, span: None });
            }
            (Event::Data { at, bytes }, Some(last)) => add(last, at, bytes),
            (Event::End { span }, Some(last)) => last.span = Some(span),
            (Event::Gone { paths }, None) => assert!(paths.iter().all(|path| !path.is_empty())),
            (event, _) => panic!("out of order: {event:?}"),
        }
        Ok(())
    };
    let fed = archive.chunks(piece).try_for_each(|bytes| reader.feed(bytes, &mut visit));
    let sound = fed.is_ok() && reader.finish().is_ok();
    (seen, sound)
}

fn add(seen: &mut Seen, at: u64, bytes: &[u8]) {
    assert!(!bytes.is_empty(), "data is never empty");
    let end = at + bytes.len() as u64;
    assert!(end <= seen.member.size, "data behind the end of its file");
    match seen.runs.last_mut() {
        Some(last) if last.0 + last.1 == at => last.1 += bytes.len() as u64,
        last => {
            assert!(last.is_none_or(|last| last.0 + last.1 < at), "data comes twice");
            seen.runs.push((at, bytes.len() as u64));
        }
    }
    seen.bytes.extend_from_slice(bytes);
}

pub fn pax(b: &[u8]) {
    let (seen, sound) = read(b, usize::MAX);
    assert!(seen.iter().map(|s| s.bytes.len()).sum::<usize>() <= b.len());
    let spans = seen.iter().filter_map(|s| Some((s.offset, s.offset + s.span?)));
    let ends: Vec<(u64, u64)> = spans.collect();
    assert!(ends.windows(2).all(|two| two[0].1 <= two[1].0), "members overlap: {ends:?}");
    assert!(ends.last().is_none_or(|last| last.1 <= b.len() as u64), "behind the end: {ends:?}");
    for piece in [1, 511, 513, 1 + b.len() / 3] {
        assert!(read(b, piece) == (seen.clone(), sound), "split by {piece}");
    }
    let whole: Vec<&Seen> = seen.iter().filter(|s| s.span.is_some()).collect();
    whole.iter().for_each(|s| alone(b, s));
    written_again(&whole);
}

/// A member can be read from its own offset, unless it lives off a global header before it.
fn alone(archive: &[u8], seen: &Seen) {
    if archive.chunks(512).any(|block| block.get(156) == Some(&b'g')) {
        return;
    }
    let (from, span) = (seen.offset as usize, seen.span.unwrap_or(0) as usize);
    let mut members = Vec::new();
    let mut reader = Reader::at(seen.offset);
    let mut visit = |event: Event<'_>| {
        if let Event::Member { member, offset } = event {
            members.push((member.clone(), offset));
        }
        Ok(())
    };
    let fed = reader.feed(&archive[from..from + span], &mut visit).and_then(|()| reader.finish());
    fed.expect("a member stands alone");
    assert_eq!(members, [(seen.member.clone(), seen.offset)]);
}

fn written_again(whole: &[&Seen]) {
    let mut archive = Vec::new();
    for seen in whole {
        let content = encode(&seen.member, &mut archive);
        assert_eq!(content.bytes, seen.bytes.len() as u64, "{:?}", seen.member);
        archive.extend_from_slice(&seen.bytes);
        archive.resize(archive.len() + content.padding as usize, 0);
        assert!(archive.len().is_multiple_of(512));
    }
    archive.extend_from_slice(&END_OF_ARCHIVE);
    let (again, sound) = read(&archive, usize::MAX);
    assert!(sound, "what we write can be read");
    assert_eq!(again.len(), whole.len());
    for (is, was) in again.iter().zip(whole) {
        assert_eq!(essence(&is.member), essence(&was.member));
        assert_eq!((&is.bytes, &is.runs), (&was.bytes, &was.runs));
    }
}

/// A member without the shape of its map: how runs are cut is no part of a file, where they lie is
/// compared apart.
fn essence(member: &Member) -> Member {
    let mut member = member.clone();
    if let Kind::File { map } = &mut member.kind {
        *map = None;
    }
    member
}
