//! Laws that every processor keeps, on seeded random streams.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use tapioca::list::Line;
use tapioca::parts::process::codec::{ChunkHeader, HEADER_BYTES};
use tapioca::parts::process::compress::Compress;
use tapioca::parts::process::decompress::Decompress;
use tapioca::parts::process::record::Record;
use tapioca::parts::process::verify::Verify;
use tapioca::stream::{
    Abort, Begin, Block, End, Extent, Fault, Item, Outlet, Place, Pool, Process, Receipt, Upward,
};

/// SplitMix64: small, and the same numbers for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    /// Bytes of changing compressibility.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 5000);
        while bytes.len() < length {
            let (run, mask) = (self.below(5000), [0, 3, 15, 255][self.below(4) as usize]);
            for _ in 0..run {
                bytes.push((self.roll() & mask) as u8);
            }
        }
        bytes.truncate(length);
        bytes
    }
}

/// What a stream came to, however it was split.
#[derive(Default, Debug, PartialEq)]
struct Seen {
    begin: Option<Begin>,
    data: Vec<u8>,
    /// Offsets at which data does not follow on what came before.
    jumps: Vec<(u64, u64)>,
    marks: Vec<u8>,
    end: Option<End>,
}

impl Outlet for Seen {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        assert!(self.end.is_none(), "something follows the end");
        match item {
            Item::Begin(begin) => assert!(self.begin.replace(begin).is_none()),
            Item::Data { offset, block } => {
                assert!(!block.is_empty());
                let to = offset + block.len() as u64;
                match self.jumps.last_mut() {
                    Some(last) if last.1 == offset => last.1 = to,
                    _ => self.jumps.push((offset, to)),
                }
                self.data.extend_from_slice(block.data());
            }
            Item::Mark(lines) => self.marks.extend_from_slice(&lines),
            Item::End(end) => self.end = Some(end),
            Item::Abort(abort) => panic!("{abort:?}"),
            Item::Turn(id) => panic!("a turn of {id}"),
        }
        Ok(())
    }
}

fn begin(kind: &str) -> Begin {
    Begin { name: "law".into(), kind: kind.into(), created_s: 5, ..Begin::default() }
}

/// Feeds `data` in random pieces, at most `most` bytes each, from a pool of two blocks.
fn feed(process: &mut dyn Process, begin: Begin, data: &[u8], most: u64, dice: &mut Dice) -> Seen {
    let pool = Pool::new(most as usize, 2);
    let mut seen = Seen::default();
    process.item(Item::Begin(begin), &mut seen).unwrap();
    let mut at = 0;
    while at < data.len() {
        let length = (1 + dice.below(most) as usize).min(data.len() - at);
        let mut block = pool.take();
        block.append(&data[at..at + length]);
        process.item(Item::Data { offset: at as u64, block }, &mut seen).unwrap();
        at += length;
    }
    process.item(Item::End(End { bytes: data.len() as u64, skipped: 2 }), &mut seen).unwrap();
    assert_eq!(pool.out(), 0, "a block did not come home");
    seen
}

/// An archive of a few files.
fn archive(dice: &mut Dice) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..40 {
        let length = dice.below(if n % 10 == 0 { 900_000 } else { 3000 }) as usize;
        std::fs::write(dir.path().join(format!("file {n}")), dice.bytes(length)).unwrap();
    }
    let tar = std::process::Command::new("tar")
        .args(["c", "--sort=name", "--format=pax", "."])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(tar.status.success());
    tar.stdout
}

type Maker = (&'static str, fn() -> Box<dyn Process>, &'static [&'static str]);

const MAKERS: &[Maker] = &[
    ("zstd", || Box::new(Compress::new("zstd", None, true).unwrap()), &[]),
    ("lz4", || Box::new(Compress::new("lz4", None, false).unwrap()), &[]),
    ("unzstd", || Box::new(Decompress::new()), &["zstd"]),
    ("unlz4", || Box::new(Decompress::new()), &["lz4"]),
    ("record", || Box::new(Record::new(None, false).unwrap()), &[]),
];

fn under(layers: &[&str], data: &[u8], dice: &mut Dice) -> (Begin, Vec<u8>) {
    let mut stream = (begin("pax"), data.to_vec());
    for layer in layers {
        let mut compress = Compress::new(layer, None, false).unwrap();
        let seen = feed(&mut compress, stream.0, &stream.1, 300_000, dice);
        stream = (seen.begin.unwrap(), seen.data);
    }
    stream
}

#[test]
fn any_split_gives_the_same_output() {
    let dice = &mut Dice(1);
    let data = archive(dice);
    for (name, make, layers) in MAKERS {
        let (begin, input) = under(layers, &data, dice);
        let whole = feed(&mut *make(), begin.clone(), &input, 1 << 20, dice);
        assert_eq!(whole.end.unwrap().skipped, 2);
        assert_eq!(whole.end.unwrap().bytes, whole.data.len() as u64);
        for most in [700_000, 65_536, 4097, 512, 97] {
            let seen = feed(&mut *make(), begin.clone(), &input, most, dice);
            assert!(seen == whole, "{name}: pieces of {most} give something else");
        }
    }
}

#[test]
fn what_is_compressed_comes_back() {
    for seed in 0..12 {
        let dice = &mut Dice(seed);
        let length = [0, 1, 1 << 20, (1 << 20) + 1, 3_333_333][seed as usize % 5];
        let data = dice.bytes(length);
        let layers = [&["zstd"][..], &["lz4"], &["lz4", "zstd"]][seed as usize % 3];
        let (mut begin, mut bytes) = under(layers, &data, dice);
        assert_eq!(begin.layers, layers);
        for _ in layers {
            let seen = feed(&mut Decompress::new(), begin, &bytes, 200_000, dice);
            (begin, bytes) = (seen.begin.unwrap(), seen.data);
        }
        assert!(bytes == data, "seed {seed} came back changed");
        assert!(begin.layers.is_empty());
    }
}

#[test]
fn a_recorded_stream_verifies_and_a_changed_one_does_not() {
    let dice = &mut Dice(3);
    let data = archive(dice);
    let recorded = feed(&mut Record::new(None, false).unwrap(), begin("pax"), &data, 65_536, dice);
    assert_eq!(recorded.data, data);
    let entries: Vec<Line> = tapioca::list::lines(&recorded.marks).map(Result::unwrap).collect();
    assert_eq!(entries.len(), 41);
    let differences = |data: &[u8], dice: &mut Dice| {
        let mut verify = Verify::new(Some(Box::new(&recorded.marks[..])), Box::new(|_| {}));
        feed(&mut verify, begin("pax"), data, 65_536, dice);
        verify.finish().unwrap()
    };
    assert_eq!(differences(&data, dice), 0);
    let mut files = 0;
    for line in entries {
        let Line::Entry(entry) = line else { panic!("an entry") };
        if entry.kind == b'f' && entry.size > 0 {
            // The content is the last thing in the span but for padding to 512 bytes.
            let padded = entry.size.next_multiple_of(512);
            let at = entry.offset + entry.span - padded + dice.below(entry.size);
            let mut changed = data.clone();
            changed[at as usize] ^= 1;
            assert_eq!(differences(&changed, dice), 1, "{entry:?}");
            files += 1;
        }
    }
    assert!(files > 30, "{files} files tried");
}

#[test]
fn without_an_end_there_is_no_end() {
    let dice = &mut Dice(4);
    let data = archive(dice);
    for (name, make, layers) in MAKERS {
        let (begin, input) = under(layers, &data, dice);
        let mut process = make();
        let mut seen = Seen::default();
        process.item(Item::Begin(begin), &mut seen).unwrap();
        for (n, piece) in input.chunks(100_000).enumerate() {
            let item = Item::Data { offset: n as u64 * 100_000, block: Block::copy_of(piece) };
            process.item(item, &mut seen).unwrap();
        }
        assert!(seen.end.is_none(), "{name} ended by itself");
    }
}

#[test]
fn an_aborted_record_leaves_no_list() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    let mut record = Record::new(Some(&list), false).unwrap();
    let mut seen = Seen::default();
    record.item(Item::Begin(begin("raw")), &mut seen).unwrap();
    let data = Item::Data { offset: 0, block: Block::copy_of(b"abc") };
    record.item(data, &mut seen).unwrap();
    drop((record, Abort { who: String::new(), why: String::new() }));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

struct Heard(Vec<Receipt>);

impl Upward for Heard {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.push(receipt);
        Ok(())
    }
}

/// Where chunks start and end: plain and compressed.
fn chunks(packed: &[u8]) -> Vec<(std::ops::Range<u64>, std::ops::Range<u64>)> {
    let mut at = 0;
    let mut found = Vec::new();
    while at < packed.len() {
        let header = ChunkHeader::decode(packed[at..].first_chunk().unwrap()).unwrap();
        let next = at + HEADER_BYTES + header.packed as usize;
        found
            .push((header.offset..header.offset + u64::from(header.plain), at as u64..next as u64));
        at = next;
    }
    found
}

#[test]
fn receipts_are_translated_as_a_plain_search_would() {
    for seed in 0..40 {
        let dice = &mut Dice(seed);
        let length = dice.below(9 << 20) as usize;
        let data = dice.bytes(length);
        let mut compress = Compress::new("zstd", None, true).unwrap();
        let packed = feed(&mut compress, begin("raw"), &data, 1 << 20, dice).data;
        let chunks = chunks(&packed);
        let stride = 1 + dice.below(100_000);
        let (mut from, mut heard) = (0, Heard(Vec::new()));
        // Each receipt is on a medium of its own, whose blocks start at 1000 times its number.
        let mut media = Vec::new();
        while from < packed.len() as u64 {
            let to = (from + 1 + dice.below(800_000)).min(packed.len() as u64);
            let number = media.len() as u64;
            let block = number * 1000;
            media.push(from..to);
            let receipt = Receipt {
                stream: Default::default(),
                from,
                to,
                grade: "on tape".into(),
                place: Place { medium: number.to_string(), volume: None, partition: 0 },
                extents: vec![Extent { from, to, block, stride }],
                copy: 0,
                copies: 1,
                digest: String::new(),
            };
            compress.receipt(receipt, &mut heard).unwrap();
            let durable = chunks.iter().filter(|(_, p)| p.end <= to).count();
            let told = heard.0.last().map_or(0, |r| r.to);
            let right = durable.checked_sub(1).map_or(0, |last| chunks[last].0.end);
            assert_eq!(told, right, "seed {seed}: after compressed byte {to}");
            from = to;
        }
        let gapless = heard.0.iter().try_fold(0, |end, r| (r.from == end).then_some(r.to));
        assert_eq!(gapless, Some(data.len() as u64), "seed {seed}");
        for (plain, packed) in &chunks {
            let receipt = heard.0.iter().find(|r| (r.from..r.to).contains(&plain.start)).unwrap();
            let block = receipt.extents.iter().find_map(|e| e.block_of(plain.start)).unwrap();
            let medium = media.iter().position(|m| m.contains(&packed.start)).unwrap();
            assert_eq!(receipt.place.medium, medium.to_string(), "seed {seed}");
            let right = medium as u64 * 1000 + (packed.start - media[medium].start) / stride;
            assert_eq!(block, right, "seed {seed}: chunk at {}", plain.start);
        }
    }
}

#[test]
fn wanted_ranges_come_from_their_chunks_alone() {
    for seed in 0..30 {
        let dice = &mut Dice(seed);
        let data = dice.bytes(5 << 20);
        let (mut begin, packed) = under(&["zstd"], &data, dice);
        begin.partial = true;
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut at = 0;
        loop {
            let from = at + 1 + dice.below(1 << 20);
            let to = from + 1 + dice.below(1 << 20);
            if to > data.len() as u64 {
                break;
            }
            ranges.push((from, to));
            at = to;
        }
        let mut decompress = Decompress::new();
        let mut seen = Seen::default();
        decompress.item(Item::Begin(begin), &mut seen).unwrap();
        let mut wants = b"? 1 0 9\n".to_vec();
        ranges.iter().for_each(|&(from, to)| Line::Want { depth: 0, from, to }.write(&mut wants));
        decompress.item(Item::Mark(wants), &mut seen).unwrap();
        let chunks = chunks(&packed);
        let touched = chunks.iter().filter(|(plain, _)| {
            ranges.iter().any(|&(from, to)| from < plain.end && plain.start < to)
        });
        for (_, range) in touched {
            let mut offset = range.start;
            for piece in packed[range.start as usize..range.end as usize].chunks(99_999) {
                let block = Block::copy_of(piece);
                decompress.item(Item::Data { offset, block }, &mut seen).unwrap();
                offset += piece.len() as u64;
            }
        }
        decompress.item(Item::End(End { bytes: 0, skipped: 0 }), &mut seen).unwrap();
        assert_eq!(seen.jumps, ranges, "seed {seed}");
        assert_eq!(seen.marks, b"? 1 0 9\n", "a want of another depth was taken");
        let right: Vec<u8> = ranges
            .iter()
            .flat_map(|&(from, to)| &data[from as usize..to as usize])
            .copied()
            .collect();
        assert!(seen.data == right, "seed {seed}: other bytes than wanted");
    }
}

#[test]
fn a_wanted_chunk_that_does_not_come_is_missed() {
    let dice = &mut Dice(11);
    let data = dice.bytes(3 << 20);
    let (mut begin, packed) = under(&["zstd"], &data, dice);
    begin.partial = true;
    let chunks = chunks(&packed);
    for lost in 0..chunks.len() {
        let mut decompress = Decompress::new();
        let mut seen = Seen::default();
        decompress.item(Item::Begin(begin.clone()), &mut seen).unwrap();
        let wants = Item::Mark(format!("? 0 5 {}\n", data.len()).into_bytes());
        decompress.item(wants, &mut seen).unwrap();
        let mut some = chunks.iter().enumerate().filter(|(n, _)| *n != lost).map(|(_, c)| c);
        let fed = some.try_for_each(|(_, range)| {
            let block = Block::copy_of(&packed[range.start as usize..range.end as usize]);
            decompress.item(Item::Data { offset: range.start, block }, &mut seen)
        });
        let end = Item::End(End { bytes: 0, skipped: 0 });
        let all = fed.and_then(|()| decompress.item(end, &mut seen));
        let fault = all.expect_err("a missing chunk went unnoticed");
        assert!(fault.what.contains("is wanted and missing"), "{fault}");
        let late = Item::Mark(b"? 0 1 2\n".to_vec());
        assert!(lost == 0 || decompress.item(late, &mut seen).is_err(), "a late want was taken");
    }
}

#[test]
fn damaged_chunks_are_named() {
    let dice = &mut Dice(9);
    let data = dice.bytes(2_500_000);
    for layer in ["zstd", "lz4"] {
        let (begin, packed) = under(&[layer], &data, dice);
        for _ in 0..60 {
            let mut bad = packed.clone();
            let bit = dice.below(bad.len() as u64 * 8) as usize;
            bad[bit / 8] ^= 1 << (bit % 8);
            let mut decompress = Decompress::new();
            let mut seen = Seen::default();
            decompress.item(Item::Begin(begin.clone()), &mut seen).unwrap();
            let fed = bad.chunks(1 << 18).enumerate().try_for_each(|(n, piece)| {
                let offset = (n as u64) << 18;
                decompress.item(Item::Data { offset, block: Block::copy_of(piece) }, &mut seen)
            });
            let end = Item::End(End { bytes: 0, skipped: 0 });
            let all = fed.and_then(|()| decompress.item(end, &mut seen));
            let fault = all.expect_err(&format!("{layer}: flip of bit {bit} went unnoticed"));
            assert!(fault.what.contains("damaged at byte"), "{fault}");
            assert!(data.starts_with(&seen.data), "{layer}: wrong bytes were put");
        }
    }
}
