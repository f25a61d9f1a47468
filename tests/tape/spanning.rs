//! A stream larger than a cartridge.

use tapioca::library::{SyncEvery, TapeWriter};
use tapioca::parts::source::tape::{TapeSource, What};
use tapioca::stream::{End, Fault, Item, Outlet, Source};

use crate::rig::{BLOCK_BYTES, Receipts, Rig, STRIDE, Stream, noise, write_on};
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

#[test]
fn a_set_goes_on_from_any_of_its_volumes() {
    let rig = Rig::new(6, 3 << 20);
    let (first, second) = (Stream::new(7, 4 << 20), Stream::new(8, 4 << 20));
    rig.write(&first, 1 << 20).result.unwrap();
    // The volume that is full already is asked for once more.
    let mount = rig.mount().volume(Some("T00001L9".into()));
    let written = write_on(mount, &second, 1 << 20);
    written.result.as_ref().unwrap();
    assert!(
        written.receipts.iter().all(|r| r.place.medium != "T00002L9"),
        "volume 2 holds the first stream"
    );
    for stream in [&first, &second] {
        let back = rig.read("T00001L9", stream);
        assert_eq!(back.result, Ok(0));
        assert!(back.bytes == stream.bytes, "{} differs", stream.begin.name);
    }
}

/// Three gibibytes in the blocks and the sync interval of every day, over six media and back.
#[test]
fn three_gibibytes_over_six_media() {
    const PIECE: usize = 4 << 20;
    const PIECES: u64 = 768;
    let media = (1..=6).map(|n| MediumSpec::data(&format!("T{n:05}L9"), 600 << 20));
    let rig = Rig::with(Shape { media: media.collect(), ..Shape::default() }, Options::default());
    let mount = rig.mount().block_bytes(tapioca::volume::BLOCK_BYTES);
    let mut writer = TapeWriter::new(Box::new(mount), SyncEvery::bytes(128 << 20));
    let mut receipts = Receipts::default();
    let stream = Stream::new(6, 0);
    writer.begin(stream.begin.clone(), &mut receipts).unwrap();
    for n in 0..PIECES {
        writer.data(&noise(n, PIECE), &mut receipts).unwrap();
    }
    writer.end(End { bytes: PIECES * PIECE as u64, skipped: 0 }, &mut receipts).unwrap();
    drop(writer);
    let promised = receipts.0.iter().fold(0, |to, receipt| {
        assert_eq!(receipt.from, to);
        receipt.to
    });
    assert_eq!(promised, 3 << 30);
    let media: std::collections::BTreeSet<_> = receipts.0.iter().map(|r| &r.place.medium).collect();
    assert_eq!(media.len(), 6);

    /// Compares what comes with what went, without keeping it.
    #[derive(Default)]
    struct Compare {
        wanted: Vec<u8>,
        at: u64,
        ended: bool,
    }
    impl Outlet for Compare {
        fn put(&mut self, item: Item) -> Result<(), Fault> {
            self.ended |= matches!(item, Item::End(_));
            let Item::Data { offset, block } = item else { return Ok(()) };
            assert_eq!(offset, self.at);
            let mut got = block.data();
            while !got.is_empty() {
                if self.wanted.is_empty() {
                    self.wanted = noise(self.at / PIECE as u64, PIECE);
                }
                let take = got.len().min(self.wanted.len());
                assert!(got[..take] == self.wanted[..take], "bytes differ near {}", self.at);
                self.wanted.drain(..take);
                self.at += take as u64;
                got = &got[take..];
            }
            Ok(())
        }
    }
    let mut compare = Compare::default();
    let mount = rig.mount().volume(Some("T00001L9".into()));
    let mut source = TapeSource::new(mount, What::Stream(stream.begin.stream.to_string()));
    assert_eq!(source.run(&mut compare), Ok(0));
    assert!(compare.ended && compare.at == 3 << 30, "{} bytes came back", compare.at);
}
