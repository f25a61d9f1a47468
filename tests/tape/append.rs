//! Adding to a volume, and leaving alone what is not ours to write.

use scsi::{Data, Outcome, Transport, cdb};
use std::time::Duration;
use tapioca::library::{Found, SyncEvery, TapeWriter, VolumeReader};
use tapioca::stream::Abort;

use crate::rig::{Receipts, Rig, STRIDE, Stream, media_data};

#[test]
fn streams_follow_each_other_and_each_comes_back() {
    let rig = Rig::new(1, 64 << 20);
    let streams: Vec<Stream> = (1..=4).map(|n| Stream::new(n, 300_000 * n as usize)).collect();
    for stream in &streams {
        rig.write(stream, 1 << 20).result.unwrap();
    }
    for stream in &streams {
        let back = rig.read("T00001L9", stream);
        assert_eq!(back.result, Ok(0));
        assert!(back.bytes == stream.bytes, "stream {} differs", stream.begin.name);
    }
}

#[test]
fn an_empty_stream_is_a_stream() {
    let rig = Rig::new(1, 64 << 20);
    let stream = Stream::new(9, 0);
    rig.write(&stream, 1 << 20).result.unwrap();
    let back = rig.read("T00001L9", &stream);
    assert_eq!(back.result, Ok(0));
    assert!(back.ended && back.bytes.is_empty());
}

#[test]
fn a_stream_that_trickles_is_synced_by_the_clock() {
    let rig = Rig::new(1, 64 << 20);
    let stream = Stream::new(5, 500_000);
    let sync = SyncEvery { bytes: 1 << 30, time: Duration::from_secs(60) };
    let mut writer = TapeWriter::new(Box::new(rig.mount()), sync);
    let mut up = Receipts::default();
    let seconds = Duration::from_secs;
    writer.begin(stream.begin.clone(), &mut up).unwrap();
    writer.tick(seconds(100), &mut up).unwrap();
    writer.data(&stream.bytes[..3 * STRIDE], &mut up).unwrap();
    writer.tick(seconds(100), &mut up).unwrap();
    writer.tick(seconds(159), &mut up).unwrap();
    assert!(up.0.is_empty(), "synced a second too early");
    writer.tick(seconds(160), &mut up).unwrap();
    assert_eq!((up.0.len(), up.0[0].to), (1, 3 * STRIDE as u64));
    // Nothing more to confirm: the tape is not stopped for it.
    writer.tick(seconds(300), &mut up).unwrap();
    assert_eq!(up.0.len(), 1);
    drop(writer);
    rig.library.power_cut().unwrap();
    let back = rig.read("T00001L9", &stream);
    assert!(back.bytes.starts_with(&stream.bytes[..3 * STRIDE]), "{} bytes", back.bytes.len());
}

#[test]
fn a_sync_by_bytes_sets_the_clock_back() {
    let rig = Rig::new(1, 64 << 20);
    let stream = Stream::new(6, 500_000);
    let sync = SyncEvery { bytes: 2 * STRIDE as u64, time: Duration::from_secs(60) };
    let mut writer = TapeWriter::new(Box::new(rig.mount()), sync);
    let mut up = Receipts::default();
    let seconds = Duration::from_secs;
    writer.begin(stream.begin.clone(), &mut up).unwrap();
    writer.data(&stream.bytes[..STRIDE], &mut up).unwrap();
    writer.tick(seconds(0), &mut up).unwrap();
    writer.data(&stream.bytes[STRIDE..3 * STRIDE], &mut up).unwrap();
    assert_eq!(up.0.len(), 1, "two blocks are synced");
    // The third has waited for a moment only.
    writer.tick(seconds(60), &mut up).unwrap();
    assert_eq!(up.0.len(), 1, "a tape that streams is stopped for nothing");
    writer.tick(seconds(120), &mut up).unwrap();
    assert_eq!(up.0.last().map(|receipt| receipt.to), Some(3 * STRIDE as u64));
}

#[test]
fn an_aborted_stream_never_looks_finished() {
    let rig = Rig::new(1, 64 << 20);
    let stream = Stream::new(3, 500_000);
    let mut writer = TapeWriter::new(Box::new(rig.mount()), SyncEvery::bytes(1 << 20));
    let mut up = Receipts::default();
    writer.begin(stream.begin.clone(), &mut up).unwrap();
    writer.data(&stream.bytes, &mut up).unwrap();
    writer.abort(&Abort { who: "src_exec".into(), why: "it died".into() }, &mut up).unwrap();
    drop(writer);
    let back = rig.read("T00001L9", &stream);
    assert!(!back.ended);
    assert!(back.result.unwrap_err().what.contains("never finished: src_exec: it died"));
    let next = Stream::new(4, 100_000);
    rig.write(&next, 1 << 20).result.unwrap();
    assert!(rig.read("T00001L9", &next).bytes == next.bytes);
}

#[test]
fn a_foreign_cartridge_is_left_alone() {
    let rig = Rig::new(1, 64 << 20);
    let mut mount = rig.mount();
    mount.fetch_untried().unwrap();
    drop(mount);
    let mut drive = virt::open(&rig.library.drives()[0]).unwrap();
    let foreign = vec![b'x'; 1000];
    let mut run = |cdb: &[u8], data: Data<'_>| drive.execute(cdb, data, Duration::from_secs(1));
    while run(&cdb::test_unit_ready(), Data::None) != (Outcome::Good { residual: 0 }) {}
    let length = scsi::U24::from(1000);
    assert_eq!(
        run(&cdb::write_6(cdb::Transfer::Variable(length)), Data::Out(&foreign)),
        Outcome::Good { residual: 0 }
    );
    drop(drive);
    let before = media_data(&rig.lib_dir());
    let written = rig.write(&Stream::new(1, 1000), 1 << 20);
    let fault = written.result.unwrap_err();
    assert!(fault.what.contains("not overwritten"), "{fault}");
    assert_eq!(fault.exit_code(), 100);
    assert_eq!(media_data(&rig.lib_dir()), before);
}

#[test]
fn a_label_that_disagrees_with_the_barcode_is_not_written() {
    let rig = Rig::new(2, 64 << 20);
    rig.write(&Stream::new(1, 1000), 1 << 20).result.unwrap();
    // Somebody swaps the stickers: the library's own records change, the tape does not.
    let robot = rig.lib_dir().join("robot.toml");
    let text = std::fs::read_to_string(&robot).unwrap();
    let swapped = text
        .replace("T00001L9", "T0000XL9")
        .replace("T00002L9", "T00001L9")
        .replace("T0000XL9", "T00002L9");
    assert_ne!(text, swapped, "robot.toml names the barcodes");
    std::fs::write(&robot, swapped).unwrap();
    let written = rig.write(&Stream::new(2, 1000), 1 << 20);
    let fault = written.result.unwrap_err();
    assert!(fault.what.contains("says on tape that it is T00001L9"), "{fault}");
}

#[test]
fn a_volume_explains_itself() {
    let rig = Rig::new(1, 64 << 20);
    rig.write(&Stream::new(1, 1000), 1 << 20).result.unwrap();
    let mut mount = rig.mount();
    let Found::Ours { label, damage } = mount.identify().unwrap() else { panic!("not ours") };
    assert_eq!((label.volume_tag.as_str(), damage), ("T00001L9", None));
    let mut reader = VolumeReader::new(mount.lend(), label);
    let survey = reader.survey().unwrap();
    assert_eq!(survey.parts.len(), 1);
    assert!(survey.damage.is_empty());
}
