//! The ring plumber keeps the rules of an edge, whatever its components do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapioca::plumb::ring::{Meter, Ring, edge};
use tapioca::plumb::run::{Ended, Part, root_cause};
use tapioca::stream::{
    Begin, Blame, Block, End, Fault, Inlet, Item, Outlet, Pool, Process, Receipt, Sink, Source,
    Upward,
};

const GRACE: Duration = Duration::from_secs(60);

/// Puts blocks of a pool, then does as told.
struct Giver {
    pool: Pool,
    blocks: u64,
    then: Then,
}

enum Then {
    End,
    Fail,
    Panic,
    /// Goes on for ever.
    GoOn,
    Leave,
}

impl Source for Giver {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        out.put(Item::Begin(Begin::default()))?;
        let mut offset = 0;
        while matches!(self.then, Then::GoOn) || offset < self.blocks * 1000 {
            let mut block = self.pool.take();
            block.append(&[7; 1000]);
            out.put(Item::Data { offset, block })?;
            offset += 1000;
        }
        match self.then {
            Then::End => out.put(Item::End(End { bytes: 0, skipped: 0 })).map(|()| 0),
            Then::Fail => Err(Fault::never(Blame::Host, "the disk is gone")),
            Then::Panic => panic!("as the test wants it"),
            Then::GoOn | Then::Leave => Ok(0),
        }
    }
}

/// Passes on what it gets.
struct Through;

impl Process for Through {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        out.put(item)
    }
}

#[derive(Default, Debug, PartialEq)]
struct Heard {
    bytes: u64,
    end: Option<u64>,
    aborted: Option<String>,
}

struct Taker {
    heard: Arc<Mutex<Heard>>,
    /// Fails at this byte.
    fails_at: u64,
}

impl Sink for Taker {
    fn item(&mut self, item: Item, _: &mut dyn Upward) -> Result<(), Fault> {
        let mut heard = self.heard.lock().unwrap();
        match item {
            Item::Data { block, .. } => heard.bytes += block.len() as u64,
            Item::End(end) => heard.end = Some(end.bytes),
            Item::Abort(abort) => heard.aborted = Some(abort.why),
            Item::Begin(_) | Item::Mark(_) | Item::Turn(_) => {}
        }
        match heard.bytes >= self.fails_at {
            true => Err(Fault::later(Blame::Drive, "the drive is gone")),
            false => Ok(()),
        }
    }
}

struct Deaf;

impl Upward for Deaf {
    fn receipt(&mut self, _: Receipt) -> Result<(), Fault> {
        Ok(())
    }
}

fn run(then: Then, fails_at: u64, stop: bool) -> (Vec<Ended>, Heard, usize) {
    let pool = Pool::new(1000, 8);
    let heard = Arc::new(Mutex::new(Heard::default()));
    let giver = Giver { pool: pool.clone(), blocks: 500, then };
    let taker = Taker { heard: heard.clone(), fails_at };
    let parts = vec![
        ("giver".into(), Part::Source(Box::new(giver))),
        ("first".into(), Part::Process(Box::new(Through))),
        ("second".into(), Part::Process(Box::new(Through))),
        ("taker".into(), Part::Sink(Box::new(taker))),
    ];
    let ring = Ring::start(parts, 4000, Meter::default(), Deaf).unwrap();
    if stop {
        ring.stop().stop("enough");
    }
    let ended = ring.wait(GRACE);
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    (ended, heard, pool.out())
}

#[test]
fn everything_arrives_and_every_block_comes_home() {
    let (ended, heard, out) = run(Then::End, u64::MAX, false);
    assert!(ended.iter().all(|part| part.verdict == Ok(0)), "{ended:?}");
    assert_eq!(heard, Heard { bytes: 500_000, end: Some(500_000), aborted: None });
    assert_eq!(out, 0, "a block did not come home");
}

#[test]
fn whoever_fails_is_named_and_nobody_takes_it_for_an_end() {
    let cases = [
        (Then::Fail, u64::MAX, "giver", "the disk is gone"),
        (Then::Panic, u64::MAX, "giver", "panicked"),
        (Then::Leave, u64::MAX, "first", "the stream is cut after byte 500000"),
        (Then::GoOn, 100_000, "taker", "the drive is gone"),
    ];
    for (then, fails_at, who, why) in cases {
        let (ended, heard, out) = run(then, fails_at, false);
        let (cause, fault) = root_cause(&ended).unwrap();
        assert!(cause == who && fault.what.contains(why), "{cause}: {fault}");
        assert!(heard.end.is_none() && heard.aborted.is_some(), "{heard:?}");
        assert_eq!(out, 0, "a block did not come home");
    }
}

#[test]
fn a_chain_that_is_stopped_ends_with_an_abort() {
    let (ended, heard, out) = run(Then::GoOn, u64::MAX, true);
    assert!(ended.iter().all(|part| part.verdict.is_err()), "{ended:?}");
    assert_eq!(heard.aborted.as_deref(), Some("stopped: enough"));
    assert_eq!(out, 0, "a block did not come home");
}

#[test]
fn what_stands_in_the_wrong_place_is_refused() {
    let parts = vec![("p".into(), Part::Process(Box::new(Through)))];
    assert!(Ring::start(parts, 1, Meter::default(), Deaf).is_err());
    let taker = || Taker { heard: Arc::default(), fails_at: u64::MAX };
    let parts = vec![
        ("first".into(), Part::Sink(Box::new(taker()))),
        ("second".into(), Part::Sink(Box::new(taker()))),
    ];
    assert!(Ring::start(parts, 1, Meter::default(), Deaf).is_err());
}

/// Puts an item when told, and tells when it is taken.
fn writer(mut outlet: impl Outlet + Send + 'static) -> (Sender<usize>, Receiver<bool>) {
    let ((go, orders), (done, did)) = (channel(), channel());
    std::thread::spawn(move || {
        for length in orders {
            let item = Item::Data { offset: 0, block: Block::copy_of(&vec![1; length]) };
            done.send(outlet.put(item).is_ok()).unwrap();
        }
    });
    (go, did)
}

#[test]
fn an_edge_holds_no_more_than_it_may() {
    let (outlet, mut inlet) = edge(10_000, Meter::default());
    let (go, did) = writer(outlet);
    for _ in 0..2 {
        go.send(4000).unwrap();
        assert!(did.recv().unwrap());
    }
    go.send(4000).unwrap();
    assert!(did.recv_timeout(Duration::from_millis(200)).is_err(), "a third was let in");
    assert!(matches!(inlet.take(), Ok(Item::Data { .. })));
    assert!(did.recv().unwrap(), "there is room again");
    // One item always passes, however large.
    inlet.take().unwrap();
    inlet.take().unwrap();
    go.send(500_000).unwrap();
    assert!(did.recv().unwrap());
    go.send(1).unwrap();
    drop(inlet);
    assert!(!did.recv().unwrap(), "nobody reads any more");
}
