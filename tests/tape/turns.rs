//! Several streams that take turns on one tape: each is an ordinary stream there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tapioca::library::{Mount, SyncEvery, TapeWriter};
use tapioca::parts::source::tape::{TapeSource, What};
use tapioca::stream::{Abort, Begin, End, Fault, KIND_MUX, Receipt, StreamId};
use virt::{Effect, MediumSpec, Options, Shape, Spared, When};

use crate::faults::{COMMANDS, effects, mount_with};
use crate::rig::{Counting, Receipts, Rig, Stream, Written, collect};

/// Stream bytes of a turn.
const TURN_BYTES: usize = 700_000;

fn edge() -> Begin {
    let stream = StreamId(uuid::Uuid::from_u128(99));
    Begin { stream, kind: KIND_MUX.into(), name: "edge".into(), ..Begin::default() }
}

/// Writes two streams by turns; the second gives up after `second_stops` bytes if that is given.
fn write_turns(mount: Mount, streams: [&Stream; 2], second_stops: Option<usize>) -> Written {
    let mut writer = TapeWriter::new(Box::new(mount), SyncEvery::bytes(500_000));
    let mut up = Receipts::default();
    let result = feed(&mut writer, streams, second_stops, &mut up);
    if let Err(fault) = &result {
        let abort = Abort { who: "test".into(), why: fault.to_string() };
        let _ = writer.turn(edge().stream, &mut up);
        let _ = writer.abort(&abort, &mut up);
    }
    Written { receipts: up.0, result }
}

fn feed(
    writer: &mut TapeWriter,
    streams: [&Stream; 2],
    second_stops: Option<usize>,
    up: &mut Receipts,
) -> Result<(), Fault> {
    writer.begin(edge(), up)?;
    let mut at = [0; 2];
    let mut over = [false; 2];
    while over != [true; 2] {
        for (n, stream) in streams.iter().enumerate().filter(|(n, _)| !over[*n]).collect::<Vec<_>>()
        {
            writer.turn(stream.begin.stream, up)?;
            if at[n] == 0 {
                writer.begin(stream.begin.clone(), up)?;
            }
            let turn = &stream.bytes[at[n]..(at[n] + TURN_BYTES).min(stream.bytes.len())];
            turn.chunks(40_000).try_for_each(|piece| writer.data(piece, up))?;
            at[n] += turn.len();
            if n == 1 && second_stops.is_some_and(|stop| at[n] >= stop) {
                writer.abort(&Abort { who: "client".into(), why: "it was killed".into() }, up)?;
                over[n] = true;
            } else if at[n] == stream.bytes.len() {
                writer.lines(&stream.lines);
                writer.end(End { bytes: at[n] as u64, skipped: 0 }, up)?;
                over[n] = true;
            }
        }
    }
    writer.end(End { bytes: 0, skipped: 0 }, up)
}

fn promised(written: &Written, stream: &Stream) -> u64 {
    let own = |receipt: &&Receipt| receipt.stream == stream.begin.stream;
    written.receipts.iter().filter(own).fold(0, |to, receipt| {
        assert_eq!(receipt.from, to, "receipts of a stream follow each other");
        receipt.to
    })
}

fn rig() -> Rig {
    let media = (1..=7).map(|n| MediumSpec::data(&format!("T{n:05}L9"), 2 << 20));
    Rig::with(Shape { media: media.collect(), ..Shape::default() }, Options::default())
}

#[test]
fn each_comes_back_alone_over_several_volumes() {
    let rig = rig();
    let (first, second) = (Stream::new(1, 5_000_000), Stream::new(2, 3_000_000));
    let written = write_turns(rig.mount(), [&first, &second], None);
    written.result.as_ref().unwrap();
    for stream in [&first, &second] {
        assert_eq!(promised(&written, stream), stream.bytes.len() as u64);
        let back = rig.read("T00001L9", stream);
        assert_eq!(back.result, Ok(0));
        assert!(back.ended && back.bytes == stream.bytes, "{} differs", stream.begin.name);
        assert_eq!(back.marks, stream.lines);
        let id = stream.begin.stream.to_string();
        let mount = rig.mount().volume(Some("T00001L9".into()));
        let only = vec![format!("stream{}", &stream.begin.name[7..]).into_bytes()];
        let chosen = collect(TapeSource::new(mount, What::Stream(id.clone())).only(only.clone()));
        assert_eq!(chosen.result, Ok(0));
        assert!(chosen.bytes == stream.bytes, "{}: chosen", stream.begin.name);
        let mount = rig.mount().volume(Some("T00001L9".into()));
        let salvaged = collect(TapeSource::new(mount, What::Stream(id)).only(only).salvage(true));
        assert!(salvaged.bytes == stream.bytes, "{}: salvaged", stream.begin.name);
    }
}

#[test]
fn a_volume_with_turns_checks_well() {
    let rig = Rig::new(1, 64 << 20);
    let streams = [&Stream::new(1, 5_000_000), &Stream::new(2, 3_000_000)];
    let written = write_turns(rig.mount(), streams, None);
    written.result.as_ref().unwrap();
    let mut reader = rig.mount().read_tag("T00001L9").unwrap();
    let check = reader.check(&mut |_| {}).unwrap();
    assert!(check.faults.is_empty() && check.whole_parts > 10, "{check:?}");
}

#[test]
fn one_that_gives_up_harms_no_other() {
    let rig = rig();
    let (first, second) = (Stream::new(1, 3_000_000), Stream::new(2, 3_000_000));
    let written = write_turns(rig.mount(), [&first, &second], Some(1_000_000));
    written.result.as_ref().unwrap();
    let back = rig.read("T00001L9", &first);
    assert!(back.result == Ok(0) && back.bytes == first.bytes, "{:?}", back.result);
    let back = rig.read("T00001L9", &second);
    assert!(!back.ended && second.bytes.starts_with(&back.bytes));
    let why = back.result.unwrap_err().what;
    assert!(why.contains("never finished: client: it was killed"), "{why}");
}

/// Cuts the power after so many commands; whether all was written before.
fn cut_after(commands: i64, spared: Spared) -> bool {
    let rig = rig();
    let streams = [&Stream::new(1, 3_500_000), &Stream::new(2, 2_500_000)];
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let counting = left.clone();
    let mount = rig.try_mount(move |t| Box::new(Counting::new(t, counting))).unwrap();
    left.store(commands, Ordering::Relaxed);
    let written = write_turns(mount, streams, None);
    let finished = written.result.is_ok();
    rig.library.power_cut_sparing(spared).unwrap();
    for stream in streams {
        let promised = promised(&written, stream);
        if promised == 0 {
            continue;
        }
        let back = rig.read("T00001L9", stream);
        let (given, name) = (back.bytes.len() as u64, &stream.begin.name);
        assert!(
            given >= promised,
            "cut {commands}: {name}: promised {promised}, got {given}: {:?}",
            back.result
        );
        assert!(stream.bytes.starts_with(&back.bytes), "cut {commands}: {name}: wrong bytes");
        assert_eq!(back.ended, given == stream.bytes.len() as u64 && back.result.is_ok());
        assert!(!finished || back.ended, "cut {commands}: {name} is not restorable");
    }
    finished
}

/// All points of the run when the campaign is asked for, every eleventh otherwise.
fn campaign(spared: impl Fn(i64) -> Spared) {
    let step = if std::env::var_os("TAPIOCA_LONG").is_some() { 1 } else { 11 };
    for commands in (0..).step_by(step) {
        if cut_after(commands, spared(commands)) {
            eprintln!("every cut up to command {commands} kept every promise");
            return;
        }
    }
}

#[test]
fn power_cut_between_turns_that_spares_nothing() {
    campaign(|_| Spared::Nothing);
}

#[test]
fn power_cut_between_turns_that_spares_some() {
    campaign(|n| Spared::Prefix(n as u64));
}

#[test]
fn every_fault_between_turns_is_survived_or_refused() {
    let step = if std::env::var_os("TAPIOCA_LONG").is_some() { 1 } else { 29 };
    let (mut runs, mut recovered) = (0, 0);
    for (at, effect) in effects().into_iter().enumerate() {
        for nth in (1 + (at as u64 % step)..COMMANDS).step_by(step as usize) {
            let rig = rig();
            let streams = [&Stream::new(1, 2_000_000), &Stream::new(2, 1_500_000)];
            let fault = virt::Fault::new(When::NthCommand(nth), effect);
            let Ok(mount) = mount_with(&rig, Some(fault)) else { continue };
            let written = write_turns(mount, streams, None);
            runs += 1;
            recovered += u32::from(written.result.is_ok());
            let story = format!("{effect:?} at command {nth}: {:?}", written.result);
            let silent = matches!(effect, Effect::FlipBit { .. });
            for stream in streams {
                let promised = promised(&written, stream);
                if promised == 0 {
                    continue;
                }
                let back = rig.read("T00001L9", stream);
                assert!(stream.bytes.starts_with(&back.bytes), "{story}: wrong bytes");
                let given = back.bytes.len() as u64;
                assert!(silent || given >= promised, "{story}: {given} of {promised}");
                let whole = written.result.is_ok() && !silent;
                assert!(!whole || back.ended, "{story}: {:?}", back.result);
            }
        }
    }
    println!("{runs} runs with one fault: {recovered} recovered");
    assert!(recovered > runs / 2, "recovery is the rule: {recovered} of {runs}");
}
