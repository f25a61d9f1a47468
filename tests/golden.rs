//! Bytes written once and readable for ever.
//!
//! `stream-v1.bin` is a stream of format `tpf1`; it is never edited. A reader of today must take it,
//! and writing what it read must give the same bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use tapioca::stream::frame::{FrameReader, FrameWriter};
use tapioca::stream::{Begin, Block, End, Inlet, Item, Outlet, StreamId};

const STREAM_V1: &[u8] = include_bytes!("golden/stream-v1.bin");

fn items() -> Vec<Item> {
    let id = "6f8f57e4-1b0a-4ad4-9c4e-0c5a1d2b3c4d".parse().unwrap();
    let begin = Begin {
        stream: StreamId(id),
        name: "host:/home".into(),
        kind: "pax".into(),
        layers: vec!["zstd".into(), "age".into()],
        created_s: 1_700_000_000,
        partial: true,
        heads: Vec::new(),
    };
    let data = |offset, bytes: &[u8]| Item::Data { offset, block: Block::copy_of(bytes) };
    vec![
        Item::Begin(begin),
        data(0, b"the first bytes"),
        Item::Mark(b"~ 1 0 0\n! unreadable some\\x20path\n".to_vec()),
        data(1 << 33, &[0xA5; 300]),
        Item::End(End { bytes: 315, skipped: 1 }),
    ]
}

fn framed(items: Vec<Item>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = FrameWriter::new(&mut bytes);
    items.into_iter().for_each(|item| out.put(item).unwrap());
    bytes
}

#[test]
fn the_first_format_is_read_and_written() {
    let mut inlet = FrameReader::new(STREAM_V1);
    let mut read = Vec::new();
    while !matches!(read.last(), Some(Item::End(_))) {
        read.push(inlet.take().unwrap());
    }
    for (here, there) in read.iter().zip(items()) {
        match (here, &there) {
            (Item::Data { offset, block }, Item::Data { offset: o, block: b }) => {
                assert_eq!((offset, block.data()), (o, b.data()));
            }
            _ => assert_eq!(format!("{here:?}"), format!("{there:?}")),
        }
    }
    assert_eq!(read.len(), items().len());
    assert_eq!(framed(read), STREAM_V1);
}

#[test]
#[ignore = "run once, when a format is born: prints its bytes in hexadecimal"]
fn print_the_bytes() {
    let hex: String = framed(items()).iter().map(|b| format!("{b:02x}")).collect();
    println!("golden {hex}");
}
