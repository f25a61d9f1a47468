//! A session of a drive: streams come and go, and take turns on one tape.
//!
//! Owns the way of a stream's items from where it comes in to the medium: berths, `fun_mux`, an edge,
//! `sink_tape`. Everything that became durable, and every stream that is over, is told at once; nothing is
//! decided here.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::library::TapeWriter;
use crate::parts::meet::mux::Mux;
use crate::parts::sink::tape::Tape;
use crate::plumb::berths::{Filler, Hold, HoldStop, hold};
use crate::plumb::meeting::{self, Up};
use crate::plumb::ring::{EDGE_BYTES, Meter, RingOutlet, edge};
use crate::plumb::run::{self, Below};
use crate::stream::{Begin, Blame, Course, Fault, Item, KIND_MUX, Receipt, Sink, StreamId, Upward};

/// What happened to a stream on its way to a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Bytes of it became durable.
    OnTape(Receipt),
    /// All of it is on tape: how many bytes it has, and how many things its source left out.
    Whole(StreamId, u64, u64),
    /// It gave up: why. What has receipts stays.
    GaveUp(StreamId, String),
}

/// Where it is told.
pub type Tell = std::sync::Arc<dyn Fn(Told) + Send + Sync>;

/// How much a session takes.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Streams at once.
    pub streams: usize,
    /// Bytes that wait for their turn, of all of them.
    pub memory_bytes: usize,
    /// The least bytes of a turn.
    pub turn_bytes: u64,
}

/// Lets streams into a session. The session ends when all of these are gone and every stream is over.
pub struct Gate {
    free: Vec<Filler>,
    stop: HoldStop,
}

impl Gate {
    /// A place for one stream, if there is one. Given back with [`leave`](Gate::leave).
    pub fn enter(&mut self) -> Option<Filler> {
        self.free.pop()
    }

    /// Takes a place back.
    pub fn leave(&mut self, place: Filler) {
        self.free.push(place);
    }

    /// Ends everything at once.
    pub fn stop(&self, why: &str) {
        self.stop.stop(why);
    }
}

/// The part of a session that runs on the drive's thread.
pub struct Writing {
    hold: Hold,
    berths: usize,
    mux: Mux,
    sink: Clerk,
}

/// Makes a session that writes with `writer`.
pub fn session(writer: TapeWriter, stream: StreamId, room: Room, tell: Tell) -> (Gate, Writing) {
    let (hold, free) = hold(room.streams, room.memory_bytes / room.streams.max(1), usize::MAX);
    let gate = Gate { free, stop: hold.stop() };
    let edge = Begin { stream, kind: KIND_MUX.into(), name: "session".into(), ..Begin::default() };
    let mux = Mux::new(edge, room.turn_bytes, Vec::new());
    let sink = Clerk { tape: Tape(writer), course: Course::new(), tell };
    (gate, Writing { hold, berths: room.streams, mux, sink })
}

impl Writing {
    /// Runs to the end of the session; the block that is written next, all before it confirmed.
    ///
    /// # Errors
    ///
    /// The drive or the medium gave up, or there was no medium. Every stream under way has been told of.
    pub fn run(self) -> Result<u64, Fault> {
        let Writing { hold, berths, mux, mut sink } = self;
        let (out, mut inlet) = edge(EDGE_BYTES, Meter::default());
        let funnel = std::thread::Builder::new().name("fun_mux".into());
        let funnel = funnel.spawn(move || join(hold, berths, mux, out));
        let funnel = funnel.map_err(|e| Fault::host("cannot start a thread", &e))?;
        let tell = sink.tell.clone();
        let written = run::sink(&mut sink, &mut inlet, &mut Teller(tell));
        drop(inlet);
        let joined = funnel.join().unwrap_or_else(|_| Err(Fault::never(Blame::Ours, "panicked")));
        // A drive that gave up is the reason why the funnel could not go on.
        written.and(joined).map(|_| sink.tape.0.next_block())
    }
}

fn join(mut hold: Hold, berths: usize, mut mux: Mux, out: RingOutlet) -> run::Verdict {
    // Receipts are told by the clerk; none goes this way.
    let (_, none) = channel();
    let ups = (0..berths).map(|_| Box::new(Nobody) as Up).collect();
    meeting::funnel("fun_mux", &mut mux, &mut hold, berths, out, &Below(none), ups)
}

struct Nobody;

impl Upward for Nobody {
    fn receipt(&mut self, _receipt: Receipt) -> Result<(), Fault> {
        Ok(())
    }
}

struct Teller(Tell);

impl Upward for Teller {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        (self.0)(Told::OnTape(receipt));
        Ok(())
    }
}

/// Hands items to the tape and tells what each stream came to.
struct Clerk {
    tape: Tape,
    course: Course,
    tell: Tell,
}

impl Sink for Clerk {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        // Whose item it is; of the edge's own nobody is told.
        let stream = self.course.turn();
        self.course.note(&item);
        let news = match (&item, stream) {
            (Item::End(end), Some(stream)) => Some(Told::Whole(stream, end.bytes, end.skipped)),
            (Item::Abort(abort), Some(stream)) => {
                Some(Told::GaveUp(stream, format!("{}: {}", abort.who, abort.why)))
            }
            _ => None,
        };
        self.tape.item(item, up)?;
        if let Some(news) = news {
            (self.tell)(news);
        }
        Ok(())
    }

    fn tick(&mut self, now: Duration, up: &mut dyn Upward) -> Result<(), Fault> {
        self.tape.tick(now, up)
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        self.tape.finish()
    }
}
