//! What lies on a tape: blocks, labels, parts, indexes, and whole volumes made of anything.
//!
//! Promises: what was read and is sealed or written again reads the same; a volume of any blocks is
//! surveyed and checked to its end.

use ssc::{Drive, Immediate, Written};
use tapioca::library::reader::{Step, VolumeReader};
use tapioca::library::reel::{Found, identify};
use tapioca::volume::block::{self, HEADER_BYTES, Header};
use tapioca::volume::index::{self, IndexWriter};
use tapioca::volume::label::{Label, is_page};
use tapioca::volume::part::{PartBegin, PartEnd, PartSync};
use tapioca::volume::{BlockKind, is_block_size};
use uuid::Uuid;

use super::devices::{Stock, WaitlessClock};

pub fn block(b: &[u8]) {
    let Ok(opened) = block::open(b) else { return };
    let mut again = vec![0xee; b.len()];
    let payload = HEADER_BYTES..HEADER_BYTES + opened.payload.len();
    again[payload].copy_from_slice(opened.payload);
    let sum = block::seal(&mut again, &opened.header, opened.payload.len());
    let reopened = block::open(&again).expect("what is sealed opens");
    assert_eq!((reopened.header, reopened.payload), (opened.header, opened.payload));
    assert_eq!(reopened.checksum, sum);
    let header = opened.header;
    assert_eq!(header.belongs(header.set, header.address), Ok(()));
    assert!(header.belongs(header.set, header.address ^ 1).is_err());
}

pub fn label(b: &[u8]) {
    let from_block = Label::from_block(b).map(|(label, crc)| {
        assert_eq!(Label::check_page(b, crc).is_ok(), crc32fast::hash(b) == crc);
        label
    });
    let from_page = Label::from_page(b);
    assert!(is_page(b) || from_page.is_err());
    for label in [from_block, from_page].into_iter().flatten() {
        assert!(is_block_size(label.block_bytes) && !label.name().is_empty());
        // A barcode is 36 bytes at most; longer ones are read and never written.
        if label.volume_tag.len() > 100 {
            continue;
        }
        let page = label.page();
        assert_eq!(Label::from_page(&page).as_ref(), Ok(&label));
        let (again, crc) = Label::from_block(&label.block(&page)).expect("a label of ours");
        assert_eq!(again, label);
        assert_eq!(Label::check_page(&page, crc), Ok(()));
    }
}

pub fn part(b: &[u8]) {
    if let Ok(begin) = PartBegin::parse(b) {
        assert_eq!(PartBegin::parse(&begin.text()), Ok(begin));
    }
    if let Ok(sync) = PartSync::parse(b) {
        assert_eq!(PartSync::parse(&sync.text()), Ok(sync));
    }
    if let Ok(end) = PartEnd::parse(b) {
        assert_eq!(PartEnd::parse(&end.text()), Ok(end));
    }
}

/// Three bytes say how many bytes of lines there should be; the rest is the index.
pub fn index(b: &[u8]) {
    let Some((&[low, middle, high], packed)) = b.split_first_chunk() else { return };
    let raw_bytes = u32::from_le_bytes([low, middle, high, 0]);
    let Ok(lines) = index::unpack(packed, raw_bytes.into()) else { return };
    assert_eq!(lines.len(), raw_bytes as usize);
    let mut again = IndexWriter::default();
    lines.chunks(1000).for_each(|piece| again.add(piece));
    assert_eq!(again.raw_bytes(), u64::from(raw_bytes));
    assert_eq!(index::unpack(&again.finish(), raw_bytes.into()), Ok(lines));
}

fn volume_label() -> Label {
    Label {
        volume_tag: "TAP001L9".into(),
        volume_id: Uuid::from_u128(5),
        set_id: Uuid::from_u128(6),
        volume_number: 1,
        block_bytes: 65536,
        created_s: 1_795_000_000,
    }
}

/// Objects behind the label, each a byte and what it asks for: 0 a filemark; 1 a bare block (length,
/// bytes); anything else a sealed block (part, one byte of the offset, length, payload), its kind
/// by the byte, its address and chain right unless bit 7 or 6 is set.
fn objects(mut b: &[u8], mut write: impl FnMut(Option<&[u8]>)) {
    let mut address = 2;
    let mut previous = 0;
    let mut take = |count: usize| {
        let (taken, rest) = b.split_at_checked(count)?;
        b = rest;
        Some(taken.to_vec())
    };
    while let Some(code) = take(1).map(|byte| byte[0]) {
        match code {
            0 => write(None),
            1 => {
                let Some(payload) = take(1).and_then(|length| take(length[0].into())) else {
                    return;
                };
                if payload.is_empty() {
                    continue;
                }
                write(Some(&payload));
            }
            _ => {
                let Some(head) = take(4) else { return };
                let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
                let Some(payload) = take(length) else { return };
                let header = Header {
                    kind: KINDS[usize::from(code & 0x0f) % KINDS.len()],
                    set: volume_label().set_id,
                    stream: Uuid::from_u128(7),
                    address: address ^ u64::from(code >> 7),
                    offset: head[1].into(),
                    volume: 1,
                    part: head[0].into(),
                    previous: previous ^ u32::from(code >> 6 & 1),
                };
                let mut block = vec![0; HEADER_BYTES + length];
                block[HEADER_BYTES..].copy_from_slice(&payload);
                previous = block::seal(&mut block, &header, length);
                write(Some(&block));
            }
        }
        address += 1;
    }
}

const KINDS: [BlockKind; 7] = [
    BlockKind::Label,
    BlockKind::Kit,
    BlockKind::Begin,
    BlockKind::Data,
    BlockKind::Sync,
    BlockKind::Index,
    BlockKind::End,
];

pub fn volume(b: &[u8]) {
    let label = volume_label();
    let page = label.page();
    let stock = Stock::new(1);
    stock.load(0);
    let transport = stock.open("drive0");
    let mut drive = Drive::attach_with(Box::new(transport), Box::<WaitlessClock>::default())
        .expect("a virtual drive is a drive");
    for block in [&page, &label.block(&page)] {
        assert_eq!(drive.write_block(block).expect("a sound drive"), Written::Fine);
    }
    let mut written = 2;
    objects(b, |object| {
        let done = match object {
            None => drive.write_filemarks(1, Immediate::No),
            Some(block) => drive.write_block(block),
        };
        assert_eq!(done.expect("a sound drive"), Written::Fine, "there is room");
        written += 1;
    });
    let flushed = drive.write_filemarks(0, Immediate::No).expect("a sound drive");
    assert_eq!(flushed, Written::Fine);
    let Ok(Found::Ours { label, damage: None }) = identify(&mut drive) else {
        panic!("its label is good")
    };
    survey(&mut VolumeReader::new(drive, label), written);
}

fn survey(reader: &mut VolumeReader, written: u64) {
    let survey = reader.survey().expect("a sound drive");
    for part in &survey.parts {
        if let Some((_, end)) = &part.end {
            let _ = reader.index(end);
        }
    }
    let mut last = 0;
    reader.check(&mut |address| last = address).expect("a sound drive");
    assert_eq!(last, written, "the check goes to the end of data");
    for address in 0..written {
        assert!(!matches!(reader.read(address), Ok(Step::EndOfData) | Err(_)));
    }
    assert!(matches!(reader.read(written), Ok(Step::EndOfData)));
}
