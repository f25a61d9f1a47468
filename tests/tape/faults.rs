//! Everything a drive can do to a backup ends in recovery or in a clear error, never in a false
//! receipt or a wrong byte.

use std::time::Duration;

use ssc::Clock;
use tapioca::library::{Mount, SyncEvery, TapeWriter};
use tapioca::parts::source::tape::{TapeSource, What};
use tapioca::stream::{Abort, End, Fault as StreamFault};
use virt::{CheckSpec, Device, Effect, Fault, Faults, MediumSpec, Moment, Options, Shape, When};

use crate::rig::{BLOCK_BYTES, Collected, Receipts, Rig, SCRIBE, Stream, Written, collect};

/// A clock on which waiting costs nothing.
#[derive(Default)]
struct Unhurried(Duration);

impl Clock for Unhurried {
    fn now(&self) -> Duration {
        self.0
    }

    fn sleep(&mut self, pause: Duration) {
        self.0 += pause;
    }
}

pub fn effects() -> Vec<Effect> {
    let check = |key, asc, ascq| Effect::Check(CheckSpec::new(key, asc, ascq));
    let with = |spec: CheckSpec| Effect::Check(spec);
    let moments = [Moment::Before, Moment::After];
    let mut effects = vec![
        check(0x6, 0x29, 0x00),
        with(CheckSpec { loses_buffer: true, ..CheckSpec::new(0x6, 0x29, 0x01) }),
        check(0x6, 0x28, 0x00),
        check(0x6, 0x2a, 0x01),
        check(0x2, 0x04, 0x01),
        check(0x2, 0x3a, 0x00),
        check(0x3, 0x0c, 0x00),
        with(CheckSpec { moment: Moment::After, ..CheckSpec::new(0x3, 0x0c, 0x00) }),
        check(0x3, 0x11, 0x00),
        with(CheckSpec { deferred: true, ..CheckSpec::new(0x3, 0x0c, 0x00) }),
        with(CheckSpec { deferred: true, loses_buffer: true, ..CheckSpec::new(0x4, 0x44, 0x00) }),
        check(0x4, 0x44, 0x00),
        with(CheckSpec { moment: Moment::After, ..CheckSpec::new(0x1, 0x0c, 0x00) }),
        check(0x7, 0x27, 0x00),
        check(0xb, 0x47, 0x00),
        with(CheckSpec { moment: Moment::After, ..CheckSpec::new(0xb, 0x47, 0x00) }),
        check(0xd, 0x00, 0x02),
        check(0x5, 0x20, 0x00),
        Effect::Busy,
        Effect::ReservationConflict,
        Effect::Reset,
        Effect::DropBlock,
        Effect::DuplicateBlock,
        Effect::ShortResidual(4096),
        Effect::LocateOff(1),
        Effect::LocateOff(-1),
        Effect::LocateOff(2),
        Effect::LocateOff(-2),
        Effect::FlipBit { byte: 50_000, bit: 3 },
        Effect::FlipBit { byte: 60, bit: 0 },
        Effect::AlertFlag(3),
        Effect::AlertFlag(20),
        Effect::Gone { commands: None, moment: Moment::Before },
        Effect::Gone { commands: None, moment: Moment::After },
        Effect::Gone { commands: Some(3), moment: Moment::Before },
    ];
    for moment in moments {
        effects.push(Effect::Timeout(moment));
        effects.push(Effect::TaskAborted(moment));
        effects.push(Effect::Transport { host: 7, driver: 0, moment });
    }
    effects
}

fn rig() -> Rig {
    let media = (1..=4).map(|n| MediumSpec::data(&format!("T{n:05}L9"), 2 << 20));
    Rig::with(Shape { media: media.collect(), ..Shape::default() }, Options::default())
}

pub fn mount_with(rig: &Rig, fault: Option<Fault>) -> Result<Mount, StreamFault> {
    let wrong = |e: String| StreamFault::usage(e);
    let mut device = Device::open(&rig.lib_dir(), "drive0").map_err(|e| wrong(e.to_string()))?;
    device.script(Faults::from(fault.into_iter().collect::<Vec<_>>()));
    let drive = ssc::Drive::attach_with(Box::new(device), Box::new(Unhurried::default()))
        .map_err(|e| wrong(e.to_string()))?;
    let changer = virt::open(&rig.library.changer_name()).map_err(|e| wrong(e.to_string()))?;
    let changer = smc::Changer::attach(changer).map_err(|e| wrong(e.to_string()))?;
    Ok(Mount::new(drive, Some(changer), SCRIBE).block_bytes(BLOCK_BYTES))
}

fn write(rig: &Rig, stream: &Stream, fault: Option<Fault>) -> Written {
    let mut receipts = Receipts::default();
    let result = mount_with(rig, fault).and_then(|mount| {
        let mut writer = TapeWriter::new(Box::new(mount), SyncEvery::bytes(500_000));
        let result = feed(&mut writer, stream, &mut receipts);
        if let Err(fault) = &result {
            let _ =
                writer.abort(&Abort { who: "test".into(), why: fault.to_string() }, &mut receipts);
        }
        result
    });
    Written { receipts: receipts.0, result }
}

fn feed(writer: &mut TapeWriter, stream: &Stream, up: &mut Receipts) -> Result<(), StreamFault> {
    writer.begin(stream.begin.clone(), up)?;
    for piece in stream.bytes.chunks(100_000) {
        writer.data(piece, up)?;
    }
    writer.lines(&stream.lines);
    writer.end(End { bytes: stream.bytes.len() as u64, skipped: 0 }, up)
}

fn read(rig: &Rig, stream: &Stream, fault: Option<Fault>) -> Option<Collected> {
    let id = stream.begin.stream.to_string();
    let mount = mount_with(rig, fault).ok()?.volume(Some("T00001L9".into()));
    Some(collect(TapeSource::new(mount, What::Stream(id))))
}

/// Commands that a drive executes in a run without faults, well exceeded.
pub const COMMANDS: u64 = 150;

fn step() -> usize {
    if std::env::var_os("TAPIOCA_LONG").is_some() { 1 } else { 13 }
}

#[derive(Default)]
struct Tally {
    runs: u32,
    recovered: u32,
    refused: u32,
}

fn judge_writing(effect: Effect, nth: u64, times: u32, tally: &mut Tally) {
    let rig = rig();
    let stream = Stream::new(nth, 2_500_000);
    let fault = Fault::new(When::NthCommand(nth), effect).times(times);
    let written = write(&rig, &stream, Some(fault));
    let promised = written.promised();
    let story = format!("{effect:?} at command {nth} ({times} times): {:?}", written.result);
    let silent = matches!(effect, Effect::FlipBit { .. });
    tally.runs += 1;
    match &written.result {
        Ok(()) => {
            tally.recovered += 1;
            assert_eq!(promised, stream.bytes.len() as u64, "{story}");
        }
        Err(fault) => {
            tally.refused += 1;
            assert!(!fault.what.is_empty() && fault.exit_code() >= 100 || promised == 0, "{story}");
        }
    }
    let back = read(&rig, &stream, None).expect("the drive works again");
    assert!(stream.bytes.starts_with(&back.bytes), "{story}: wrong bytes came back");
    if back.ended {
        assert!(back.bytes == stream.bytes, "{story}: ended too early");
    } else if silent && written.result.is_ok() {
        let why = back.result.as_ref().unwrap_err().to_string();
        assert!(why.contains("block"), "{story}: the flipped block is not named: {why}");
    } else {
        assert!(written.result.is_err(), "{story}: said to be done, and: {:?}", back.result);
        assert!(
            back.bytes.len() as u64 >= promised,
            "{story}: promised {promised}, got {}: {:?}",
            back.bytes.len(),
            back.result
        );
    }
}

#[test]
fn writing_survives_or_refuses_every_fault_at_every_command() {
    let mut tally = Tally::default();
    for (at, effect) in effects().into_iter().enumerate() {
        for nth in (1 + (at as u64 % step() as u64)..COMMANDS).step_by(step()) {
            judge_writing(effect, nth, 1, &mut tally);
        }
    }
    println!(
        "{} runs with one fault: {} recovered, {} refused clearly",
        tally.runs, tally.recovered, tally.refused
    );
    assert!(
        tally.recovered > tally.runs / 2,
        "recovery is the rule: {} of {}",
        tally.recovered,
        tally.runs
    );
}

#[test]
fn faults_that_stay_are_refused_in_the_end() {
    let mut tally = Tally::default();
    for effect in effects() {
        for nth in [30, 47, 61] {
            judge_writing(effect, nth, u32::MAX, &mut tally);
        }
    }
    println!(
        "{} runs with a lasting fault: {} went on, {} refused",
        tally.runs, tally.recovered, tally.refused
    );
}

#[test]
fn reading_gives_the_right_bytes_or_none_under_every_fault() {
    let rig = rig();
    let stream = Stream::new(77, 2_500_000);
    write(&rig, &stream, None).result.unwrap();
    let mut runs = 0;
    for (at, effect) in effects().into_iter().enumerate() {
        for nth in (1 + (at as u64 % step() as u64)..COMMANDS).step_by(step()) {
            if matches!(effect, Effect::DropBlock | Effect::DuplicateBlock) {
                continue;
            }
            let fault = Fault::new(When::NthCommand(nth), effect);
            let Some(back) = read(&rig, &stream, Some(fault)) else { continue };
            runs += 1;
            let story = format!("{effect:?} at command {nth}: {:?}", back.result);
            assert!(stream.bytes.starts_with(&back.bytes), "{story}: wrong bytes");
            assert_eq!(back.ended, back.result.is_ok(), "{story}");
            assert!(!back.ended || back.bytes == stream.bytes, "{story}: ended too early");
        }
    }
    println!("{runs} reads under a fault");
}
