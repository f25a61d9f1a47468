//! What travels on edges: frames, index lines, receipts, compressed chunks.
//!
//! Promises: what was read and is written again reads the same; any split of a compressed stream
//! gives the same bytes, in order.

use std::collections::BTreeMap;
use std::io::BufRead;

use tapioca::list::{self, Line, escape, unescape};
use tapioca::parts::process::decompress::Decompress;
use tapioca::stream::frame::{FrameReader, FrameWriter};
use tapioca::stream::{
    Abort, Begin, Block, Course, End, Fault, Inlet, Item, KIND_MUX, Outlet, Pool, Process, Receipt,
    StreamId,
};

/// An item that can be compared and kept.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Begin(Begin),
    Data(u64, Vec<u8>),
    Mark(Vec<u8>),
    End(End),
    Abort(Abort),
    Turn(StreamId),
}

impl Kept {
    fn of(item: Item) -> Kept {
        match item {
            Item::Begin(begin) => Kept::Begin(begin),
            Item::Data { offset, block } => Kept::Data(offset, block.data().to_vec()),
            Item::Mark(lines) => Kept::Mark(lines),
            Item::End(end) => Kept::End(end),
            Item::Abort(abort) => Kept::Abort(abort),
            Item::Turn(id) => Kept::Turn(id),
        }
    }

    fn item(&self) -> Item {
        match self {
            Kept::Begin(begin) => Item::Begin(begin.clone()),
            Kept::Data(offset, bytes) => {
                Item::Data { offset: *offset, block: Block::copy_of(bytes) }
            }
            Kept::Mark(lines) => Item::Mark(lines.clone()),
            Kept::End(end) => Item::End(*end),
            Kept::Abort(abort) => Item::Abort(abort.clone()),
            Kept::Turn(id) => Item::Turn(*id),
        }
    }
}

fn read_frames(bytes: &[u8]) -> Vec<Kept> {
    let mut inlet = FrameReader::with_pool(bytes, Pool::new(4096, 1));
    let mut items: Vec<Kept> = Vec::new();
    let mut course = Course::new();
    while !course.is_over() {
        let Ok(item) = inlet.take() else { break };
        course.note(&item);
        items.push(Kept::of(item));
    }
    items
}

pub fn frames(b: &[u8]) {
    let items = read_frames(b);
    stream_is_in_order(&items);
    let mut again = Vec::new();
    let mut out = FrameWriter::new(&mut again);
    for kept in &items {
        out.put(kept.item()).expect("what was read can be written");
    }
    assert_eq!(read_frames(&again), items);
}

/// Each stream by itself, and the edge they take turns on: begin first, offsets as the begin says, an
/// end that counts.
fn stream_is_in_order(items: &[Kept]) {
    let Some(Kept::Begin(edge)) = items.first() else {
        return assert!(items.iter().all(|item| matches!(item, Kept::Abort(_))));
    };
    if edge.kind != KIND_MUX {
        return one_is_in_order(&items.iter().collect::<Vec<_>>());
    }
    let mut streams: BTreeMap<StreamId, Vec<&Kept>> = BTreeMap::new();
    let (mut turn, mut whole, mut carried) = (None, None, 0);
    for item in &items[1..] {
        assert!(whole.is_none(), "something follows the end");
        match (item, turn) {
            (Kept::Turn(id), _) => turn = Some(*id).filter(|id| *id != edge.stream),
            (Kept::End(end), None) => whole = Some(end.bytes),
            (Kept::Abort(_), None) => {}
            (item, Some(id)) => {
                streams.entry(id).or_default().push(item);
                carried += if let Kept::Data(_, data) = item { data.len() as u64 } else { 0 };
                let is_over = matches!(item, Kept::End(_) | Kept::Abort(_));
                turn = turn.filter(|_| !is_over);
            }
            (item, None) => panic!("{item:?} in nobody's turn"),
        }
    }
    assert!(whole.is_none_or(|bytes| bytes == carried));
    for (id, items) in &streams {
        let begins = matches!(items[0], Kept::Begin(begin) if begin.stream == *id);
        assert!(begins || matches!(items[0], Kept::Abort(_)));
        one_is_in_order(items);
    }
}

fn one_is_in_order(items: &[&Kept]) {
    let mut partial = None;
    let (mut next, mut bytes) = (0, 0);
    for (at, item) in items.iter().enumerate() {
        match item {
            Kept::Begin(begin) => {
                assert_eq!(at, 0);
                partial = Some(begin.partial);
            }
            Kept::Data(offset, data) => {
                let partial = partial.expect("begin comes first");
                assert!(!data.is_empty() && (*offset == next || partial && *offset > next));
                next = offset + data.len() as u64;
                bytes += data.len() as u64;
            }
            Kept::Mark(lines) => {
                assert!(partial.is_some() && lines.ends_with(b"\n"));
                // Behind what is lost offsets may jump.
                let is_lost = lines.split(|&b| b == b'\n').any(|line| line.starts_with(b"x "));
                partial = Some(partial == Some(true) || is_lost);
            }
            Kept::End(end) => assert_eq!(end.bytes, bytes),
            Kept::Abort(_) => {}
            Kept::Turn(_) => panic!("a turn within a stream"),
        }
    }
}

pub fn lines(b: &[u8]) {
    assert_eq!(unescape(&escape(b)).as_deref(), Some(b));
    for line in b.split(|&byte| byte == b'\n') {
        let Ok(parsed) = Line::parse(line) else { continue };
        let mut written = Vec::new();
        parsed.write(&mut written);
        assert_eq!(written.pop(), Some(b'\n'));
        assert!(!written.contains(&b'\n'), "one line became two");
        if written.len() <= list::LINE_BYTES_MAX {
            assert_eq!(Line::parse(&written), Ok(parsed), "{:?}", String::from_utf8_lossy(line));
        }
    }
    lists(b);
}

/// A list in memory and one in a file are read alike, up to the first bad line.
fn lists(b: &[u8]) {
    let mut file = b;
    let mut empty = 0;
    let mut read = Vec::new();
    loop {
        while file.first() == Some(&b'\n') {
            file.consume(1);
            empty += 1;
        }
        match list::read_line(&mut file) {
            Ok(Some(line)) => read.push(line),
            Ok(None) | Err(_) => break,
        }
    }
    let there = b.iter().filter(|&&byte| byte == b'\n').count() + 1;
    assert!(read.len() + empty <= there);
    let sound: Vec<Line> = list::lines(b).map_while(Result::ok).collect();
    assert_eq!(read, sound);
}

pub fn receipt(b: &[u8]) {
    let Ok(receipt) = serde_json::from_slice::<Receipt>(b) else { return };
    for extent in &receipt.extents {
        for byte in [extent.from, extent.to.wrapping_sub(1), extent.to] {
            let inside = (extent.from..extent.to).contains(&byte);
            assert!(extent.block_of(byte).is_none_or(|block| inside && block >= extent.block));
        }
    }
    let text = serde_json::to_string(&receipt).expect("a receipt can be written");
    assert!(!text.contains('\n'), "a receipt is one line");
    assert_eq!(serde_json::from_str::<Receipt>(&text).ok().as_ref(), Some(&receipt));
}

#[derive(Default)]
struct Plain {
    bytes: Vec<u8>,
    /// Pieces in order: offset and length, neighbours joined.
    runs: Vec<(u64, u64)>,
    ended: Option<End>,
}

impl Outlet for Plain {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Data { offset, block } => {
                let length = block.len() as u64;
                match self.runs.last_mut() {
                    Some(last) if last.0 + last.1 == offset => last.1 += length,
                    last => {
                        assert!(last.is_none_or(|last| last.0 + last.1 < offset));
                        self.runs.push((offset, length));
                    }
                }
                self.bytes.extend_from_slice(block.data());
            }
            Item::End(end) => self.ended = Some(end),
            Item::Begin(_) | Item::Mark(_) | Item::Abort(_) | Item::Turn(_) => {}
        }
        Ok(())
    }
}

/// First byte: 1 lz4 instead of zstd, 2 a partial stream with wanted ranges; in a partial stream
/// then a wanted range (two 16-bit numbers) and the offset of the first byte (one).
pub fn chunks(b: &[u8]) {
    let Some((&flags, mut rest)) = b.split_first() else { return };
    let mut wanted = None;
    let mut at = 0;
    if flags & 2 != 0 {
        let Some((head, tail)) = rest.split_first_chunk::<6>() else { return };
        let number = |i: usize| u64::from(u16::from_le_bytes([head[i], head[i + 1]]));
        wanted = Some(number(0)..number(0) + number(2));
        (at, rest) = (number(4), tail);
    }
    let whole = unpack(flags, wanted.clone(), at, rest, usize::MAX);
    if let Some(end) = whole.ended {
        assert_eq!(end.bytes, whole.bytes.len() as u64);
        match &wanted {
            Some(range) => assert_eq!(end.bytes, range.end - range.start, "wanted is given"),
            None => assert!(whole.runs.len() <= 1 && whole.runs.first().is_none_or(|r| r.0 == 0)),
        }
    }
    for piece in [1, 33, 1 + rest.len() / 2] {
        let split = unpack(flags, wanted.clone(), at, rest, piece);
        assert_eq!((&split.bytes, &split.runs), (&whole.bytes, &whole.runs), "split by {piece}");
        assert_eq!(split.ended, whole.ended);
    }
}

fn unpack(
    flags: u8,
    wanted: Option<std::ops::Range<u64>>,
    at: u64,
    packed: &[u8],
    piece: usize,
) -> Plain {
    let layers = vec![if flags & 1 == 0 { "zstd".into() } else { "lz4".into() }];
    let begin = Begin { layers, partial: wanted.is_some(), ..Begin::default() };
    let mark = wanted.map(|want| format!("? 0 {} {}\n", want.start, want.end).into_bytes());
    let mut offset = at;
    let data = packed.chunks(piece).map(|bytes| {
        let item = Item::Data { offset, block: Block::copy_of(bytes) };
        offset += bytes.len() as u64;
        item
    });
    let end = End { bytes: packed.len() as u64, skipped: 0 };
    let items = [Item::Begin(begin)].into_iter().chain(mark.map(Item::Mark));
    let mut decompress = Decompress::new();
    let mut plain = Plain::default();
    for item in items.chain(data).chain([Item::End(end)]) {
        if decompress.item(item, &mut plain).is_err() {
            break;
        }
    }
    plain
}
