//! Lines that nobody reads, that shout, or that go away: nothing else is held up.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::rig::{Line, PASSWORD, Rig};

#[test]
fn a_line_that_shouts_or_that_nobody_reads_holds_up_nothing() {
    let mut rig = Rig::new();
    rig.serve();
    let good = Line::new(true);
    rig.claim(&good);
    good.say("show drives", "tapioca> ");
    // One that nobody reads asks for more than the line holds, and is told all events.
    let unread = Line::new(false);
    rig.console(&unread);
    unread.send(format!("\r{PASSWORD}\rshow drives\r").as_bytes());
    for _ in 0..50 {
        unread.send(b"help\r ");
    }
    // Another sends whatever comes to mind, as fast as it can.
    let loud = Line::new(true);
    rig.console(&loud);
    let noise: Vec<u8> =
        (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let mut to = loud.to.try_clone().unwrap();
    let shouting = std::thread::spawn(move || {
        for piece in noise.chunks(512) {
            if to.write_all(piece).is_err() {
                return;
            }
        }
    });
    for round in 0..5 {
        let began = Instant::now();
        good.say(&format!("library move slot {} slot {}", 1024 + round, 1100 + round), "tapioca> ");
        good.say("show drives", "tapioca> ");
        good.say("show history", "tapioca> ");
        assert!(began.elapsed() < Duration::from_secs(20), "round {round}: {:?}", began.elapsed());
    }
    shouting.join().unwrap();
    // It is there again once it calms down.
    loud.send(b"\x03\x03\r\x15\r");
    loud.until("a prompt", |screen| screen.text().matches("Password: ").count() > 0);
}

#[test]
fn a_line_that_goes_away_ends_its_session() {
    let mut rig = Rig::new();
    let line = Line::new(true);
    rig.claim(&line);
    // A hang-up: its other end is closed.
    let Line { to, .. } = line;
    drop(to);
    let other = Line::new(true);
    rig.console(&other);
    other.send(b"\r");
    other.prompt("Password: ");
    other.say(PASSWORD, "tapioca> ");
}

#[test]
fn a_group_is_let_in_by_a_folder_made_for_it_alone() {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    for (folder, socket) in [(0o710, 0o660), (0o750, 0o600), (0o755, 0o600), (0o700, 0o600)] {
        let mut rig = Rig::new();
        std::fs::DirBuilder::new().mode(0o700).create(rig.at("state")).unwrap();
        std::fs::set_permissions(rig.at("state"), PermissionsExt::from_mode(folder)).unwrap();
        rig.serve();
        let mode = std::fs::metadata(rig.at("state/tapicom.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, socket, "in a folder {folder:o}");
    }
}
