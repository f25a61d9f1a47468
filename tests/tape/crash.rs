//! The power fails after every single command.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use virt::{MediumSpec, Options, Shape, Spared};

use crate::rig::{Counting, Rig, Stream, write_on};

/// Runs the job with the drive alive for `commands` commands, cuts the power, and checks that
/// everything promised is there and that the library goes on.
fn cut_after(commands: i64, spared: Spared) -> bool {
    let media = (1..=5).map(|n| MediumSpec::data(&format!("T{n:05}L9"), 2 << 20));
    let rig = Rig::with(Shape { media: media.collect(), ..Shape::default() }, Options::default());
    let first = Stream::new(1, 200_000);
    rig.write(&first, 1 << 20).result.unwrap();
    let second = Stream::new(2, 4 << 20);
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let counting = left.clone();
    let mount = rig.try_mount(move |t| Box::new(Counting::new(t, counting))).unwrap();
    left.store(commands, Ordering::Relaxed);
    let written = write_on(mount, &second, 500_000);
    let finished = written.result.is_ok();
    rig.library.power_cut_sparing(spared).unwrap();

    let back = rig.read("T00001L9", &first);
    assert!(
        back.result == Ok(0) && back.bytes == first.bytes,
        "cut {commands}: the first stream: {:?}",
        back.result
    );
    let promised = written.promised();
    let back = rig.read("T00001L9", &second);
    let given = back.bytes.len() as u64;
    assert!(
        given >= promised,
        "cut {commands}: promised {promised}, got {given}: {:?}",
        back.result
    );
    assert!(second.bytes.starts_with(&back.bytes), "cut {commands}: wrong bytes");
    assert_eq!(back.ended, back.bytes.len() == second.bytes.len() && back.result.is_ok());
    assert!(
        !finished || back.ended,
        "cut {commands}: finished, but not restorable: {:?}",
        back.result
    );

    let third = Stream::new(3, 150_000);
    rig.write(&third, 1 << 20)
        .result
        .unwrap_or_else(|e| panic!("cut {commands}: appending: {e} {:?}", e.detail));
    let volume = rig.mount().identify().unwrap();
    let tapioca::library::Found::Ours { label, .. } = volume else {
        panic!("cut {commands}: no volume")
    };
    let back = rig.read(&label.volume_tag, &third);
    assert!(back.bytes == third.bytes, "cut {commands}: the third stream: {:?}", back.result);
    finished
}

/// All points of the run when the campaign is asked for, every seventh otherwise.
fn step() -> usize {
    if std::env::var_os("TAPIOCA_LONG").is_some() { 1 } else { 7 }
}

fn campaign(spared: impl Fn(i64) -> Spared) {
    let mut cuts = 0;
    for commands in (0..).step_by(step()) {
        cuts += 1;
        if cut_after(commands, spared(commands)) {
            eprintln!("{cuts} of {cuts} cuts kept every promise (up to command {commands})");
            return;
        }
    }
}

#[test]
fn power_cut_after_every_command_that_spares_nothing() {
    campaign(|_| Spared::Nothing);
}

#[test]
fn power_cut_after_every_command_that_spares_some() {
    campaign(|n| Spared::Prefix(n as u64));
}
