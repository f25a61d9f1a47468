//! What comes to the authority's socket, from machines that nobody has let in yet.
//!
//! Promises: the same frames come out in whatever pieces their bytes came; what is understood is within the
//! limits, and is the same when it is said again; without a ticket nothing is granted but version and login, and
//! by a ticket without rights nothing but what any ticket is for; an introduction and a ticket read the same
//! from what we make of them.

use std::collections::BTreeSet;

use tapioca::catalogue::record::{JobId, Ticket, User};
use tapioca::tapicom::frame::{Body, Decoder, Frame, Side};
use tapioca::tapicom::limits;
use tapioca::tapicom::message::{Command, Request};
use tapioca::tapicom::rights::{Books, Caller, decide};
use tapioca::tapicom::ticket::Shown;

/// All frames, and whether it ended in a violation.
fn frames(side: Side, bytes: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::new(side);
    let mut found = Vec::new();
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let taken = decoder.fill(&mut piece).expect("bytes in memory can be read");
            let before = found.len();
            loop {
                match decoder.frame() {
                    Ok(Some(frame)) => found.push(frame),
                    Ok(None) => break,
                    Err(_) => return (found, true),
                }
            }
            assert!(taken > 0 || found.len() > before, "neither room nor a frame");
        }
    }
    (found, false)
}

fn again(side: Side, frame: &Frame) {
    let bytes = frame.encode().expect("it was within the limits when it came");
    let (same, broken) = frames(side, &bytes, bytes.len());
    assert!(!broken && same == [frame.clone()], "{frame:?} is not what is said again");
}

/// The first byte says which end hears it, and in what pieces.
pub fn tapicom(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let side = if first & 1 == 0 { Side::Authority } else { Side::Client };
    let whole = frames(side, bytes, bytes.len().max(1));
    assert_eq!(whole, frames(side, bytes, usize::from(first >> 1) + 1));
    for frame in &whole.0 {
        again(side, frame);
        match &frame.body {
            Body::Command(request) => is_judged(request),
            Body::Reply(reply) => assert_eq!(limits::within(reply), Ok(())),
            Body::Event(_, event) => assert_eq!(limits::within(event), Ok(())),
            Body::Greeting(_) | Body::Enough | Body::Ended(_) => {}
        }
    }
    if let Some(shown) = std::str::from_utf8(bytes).ok().and_then(Shown::parse) {
        assert_eq!(shown.text().reveal().as_bytes(), bytes);
    }
}

/// Nobody and nothing is known.
struct Nothing;

impl Books for Nothing {
    fn user(&self, _: &str) -> Option<User> {
        None
    }

    fn ticket(&self, _: &[u8; 16]) -> Option<Ticket> {
        None
    }

    fn job(&self, _: JobId) -> Option<(String, String)> {
        None
    }
}

fn is_judged(request: &Request) {
    assert_eq!(limits::within(request), Ok(()));
    let command = &request.command;
    let is_free = matches!(command, Command::Version | Command::Login { .. });
    assert_eq!(decide(command, None, &Nothing), is_free);
    let nobody = Caller {
        user: "nobody".into(),
        machine: "nowhere".into(),
        rights: BTreeSet::new(),
        ticket: [0; 16],
    };
    let is_any = matches!(
        command,
        Command::Logout
            | Command::WhoAmI
            | Command::Status
            | Command::Password { user: None, .. }
            | Command::Tickets { user: None, .. }
    );
    assert_eq!(decide(command, Some(&nobody), &Nothing), is_free || is_any, "{command:?}");
}
