//! A stream larger than a cartridge.

use crate::rig::{BLOCK_BYTES, Rig, STRIDE, Stream};
use virt::{EarlyWarningStyle, MediumSpec, Options, Shape};

fn library(style: EarlyWarningStyle, capacity: u64, room_after_warning: u64) -> Rig {
    let media = (1..=24).map(|n| MediumSpec {
        early_warning_bytes: room_after_warning,
        ..MediumSpec::data(&format!("T{n:05}L9"), capacity)
    });
    Rig::with(
        Shape { early_warning: style, media: media.collect(), ..Shape::default() },
        Options::default(),
    )
}

#[test]
fn a_stream_spans_media_in_every_spelling_of_early_warning() {
    for style in
        [EarlyWarningStyle::EomBit, EarlyWarningStyle::EndOfMedium, EarlyWarningStyle::Programmable]
    {
        let rig = library(style, 3 << 20, 1 << 20);
        let stream = Stream::new(1, 9 << 20);
        let written = rig.write(&stream, 1 << 20);
        written.result.as_ref().unwrap();
        assert_eq!(written.promised(), stream.bytes.len() as u64);
        let media: std::collections::BTreeSet<_> =
            written.receipts.iter().map(|r| r.place.medium.clone()).collect();
        assert!(media.len() >= 4, "{style:?}: only {media:?} were used");
        let back = rig.read("T00001L9", &stream);
        assert_eq!(back.result, Ok(0), "{style:?}");
        assert!(back.ended && back.bytes == stream.bytes, "{style:?}: the bytes differ");
        assert_eq!(back.marks, stream.lines);
    }
}

#[test]
fn a_medium_that_is_full_without_warning_loses_nothing() {
    let rig = library(EarlyWarningStyle::EomBit, 3 << 20, 0);
    let stream = Stream::new(2, 7 << 20);
    let written = rig.write(&stream, 700_000);
    written.result.as_ref().unwrap();
    assert_eq!(written.promised(), stream.bytes.len() as u64);
    let back = rig.read("T00001L9", &stream);
    assert_eq!(back.result, Ok(0));
    assert!(back.bytes == stream.bytes, "the bytes differ");
}

#[test]
fn an_index_that_does_not_fit_goes_to_the_next_volume() {
    let rig = library(EarlyWarningStyle::EomBit, 3 << 20, BLOCK_BYTES as u64);
    let stream = Stream::new(3, 5 << 20);
    let written = rig.write(&stream, 1 << 20);
    written.result.as_ref().unwrap();
    let back = rig.read("T00001L9", &stream);
    assert_eq!(back.result, Ok(0));
    assert!(back.bytes == stream.bytes, "the bytes differ");
}

#[test]
fn receipts_say_where_each_byte_lies() {
    let rig = library(EarlyWarningStyle::EomBit, 3 << 20, 1 << 20);
    let stream = Stream::new(4, 5 << 20);
    let written = rig.write(&stream, 1 << 20);
    let mut next = 0;
    for extent in written.receipts.iter().flat_map(|r| &r.extents) {
        assert_eq!(extent.from, next, "extents cover the stream without gaps");
        assert_eq!(extent.stride, STRIDE as u64);
        next = extent.to;
    }
    assert_eq!(next, stream.bytes.len() as u64);
}

#[test]
fn without_another_cartridge_the_fault_says_so() {
    let rig = Rig::new(2, 3 << 20);
    let stream = Stream::new(5, 9 << 20);
    let written = rig.write(&stream, 1 << 20);
    let fault = written.result.as_ref().unwrap_err();
    assert!(fault.what.contains("no blank cartridge left"), "{fault}");
    assert_eq!(fault.exit_code(), 111);
    assert!(written.promised() > 4 << 20);
    let back = rig.read("T00001L9", &stream);
    assert!(!back.ended && back.result.is_err(), "an unfinished backup must not look whole");
    assert!(stream.bytes.starts_with(&back.bytes) && back.bytes.len() as u64 >= written.promised());
}
