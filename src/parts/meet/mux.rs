//! `fun_mux`: many streams in parallel onto one edge.
//!
//! Owns what a berth's stream is and what becomes of one that cannot go on: it is aborted on the edge,
//! named, counted, and harms no other. Whose turn it is, [`Turns`] knows. Receipts go to the berth
//! whose stream they name.

use std::collections::BTreeMap;

use super::turns::Turns;
use crate::stream::course::STREAMS_MAX;
use crate::stream::{Abort, Begin, End, Fault, Funnel, Item, KIND_MUX, Outlet, StreamId, Waiting};

/// What is under way at a berth.
#[derive(Default)]
struct Berth {
    stream: Option<StreamId>,
    /// A stream that was refused: the rest of it is thrown away.
    refused: bool,
}

/// Joins streams.
pub struct Mux {
    edge: Begin,
    turn_bytes: u64,
    /// What the berths are called, for words to people.
    names: Vec<String>,
    berths: Vec<Berth>,
    turns: Turns,
    waiting: Vec<Waiting>,
    /// Whose turn was told.
    told: Option<StreamId>,
    came_from: BTreeMap<StreamId, usize>,
    bytes: u64,
    left_out: u64,
}

impl Mux {
    /// Will make the edge that `edge` begins, with turns of at least `turn_bytes`. Berths without a
    /// name are called by their number.
    pub fn new(edge: Begin, turn_bytes: u64, names: Vec<String>) -> Mux {
        Mux {
            edge: Begin { kind: KIND_MUX.into(), ..edge },
            turn_bytes,
            names,
            berths: Vec::new(),
            turns: Turns::new(turn_bytes, 0),
            waiting: Vec::new(),
            told: None,
            came_from: BTreeMap::new(),
            bytes: 0,
            left_out: 0,
        }
    }

    fn leave_out(&mut self, berth: usize, why: &str) {
        let number = format!("input {}", berth + 1);
        let name = self.names.get(berth).unwrap_or(&number);
        eprintln!("fun_mux: {name}: left out: {why}");
        self.left_out += 1;
    }

    fn put(&mut self, stream: StreamId, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        if self.told.replace(stream) != Some(stream) {
            out.put(Item::Turn(stream))?;
        }
        if matches!(item, Item::End(_) | Item::Abort(_)) {
            self.told = None;
        }
        out.put(item)
    }

    fn begin_stream(
        &mut self,
        berth: usize,
        begin: Begin,
        out: &mut dyn Outlet,
    ) -> Result<(), Fault> {
        if let Err(why) = self.may_join(&begin) {
            self.leave_out(berth, &why);
            self.berths[berth].refused = true;
            return Ok(());
        }
        let stream = begin.stream;
        self.came_from.insert(stream, berth);
        self.berths[berth].stream = Some(stream);
        self.turns.joins(berth);
        self.put(stream, Item::Begin(begin), out)
    }

    fn may_join(&self, begin: &Begin) -> Result<(), String> {
        if begin.kind == KIND_MUX {
            return Err("streams take turns on it already; fun_demux parts them".into());
        }
        if self.came_from.contains_key(&begin.stream) || begin.stream == self.edge.stream {
            return Err(format!("stream {} came before", begin.stream));
        }
        match self.came_from.len() < STREAMS_MAX {
            true => Ok(()),
            false => Err(format!("an edge takes at most {STREAMS_MAX} streams")),
        }
    }

    /// The stream of a berth is over, whole or not.
    fn leaves(&mut self, berth: usize, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.turns.leaves(berth);
        match self.berths[berth].stream.take() {
            Some(stream) => self.put(stream, item, out),
            None => Ok(()),
        }
    }

    fn gives_up(
        &mut self,
        berth: usize,
        why: &str,
        abort: Abort,
        out: &mut dyn Outlet,
    ) -> Result<(), Fault> {
        if !std::mem::take(&mut self.berths[berth].refused) {
            self.leave_out(berth, why);
        }
        self.leaves(berth, Item::Abort(abort), out)
    }
}

impl Funnel for Mux {
    fn begin(&mut self, berths: usize, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.berths.resize_with(berths, Berth::default);
        self.turns = Turns::new(self.turn_bytes, berths);
        out.put(Item::Begin(self.edge.clone()))
    }

    fn choose(&mut self, waiting: &[Waiting]) -> Option<usize> {
        self.waiting.clear();
        self.waiting.extend_from_slice(waiting);
        self.turns.choose(waiting)
    }

    fn item(
        &mut self,
        berth: usize,
        item: Result<Item, Fault>,
        out: &mut dyn Outlet,
    ) -> Result<(), Fault> {
        let item = match item {
            Ok(item) => item,
            Err(fault) => {
                let why = fault.to_string();
                let abort = Abort { who: "fun_mux".into(), why: why.clone() };
                return self.gives_up(berth, &why, abort, out);
            }
        };
        let is_last = matches!(item, Item::End(_) | Item::Abort(_));
        if self.berths[berth].refused && !is_last {
            return Ok(());
        }
        match (item, self.berths[berth].stream) {
            (Item::Abort(abort), _) => {
                let why = format!("{} gave up: {}", abort.who, abort.why);
                self.gives_up(berth, &why, abort, out)
            }
            (Item::Begin(begin), None) => self.begin_stream(berth, begin, out),
            (end @ Item::End(_), _) => {
                self.berths[berth].refused = false;
                self.leaves(berth, end, out)
            }
            (_, None) => Ok(()),
            (item, Some(stream)) => {
                if let Item::Data { block, .. } = &item {
                    self.bytes += block.len() as u64;
                    self.turns.gave(berth, block.len() as u64, &self.waiting);
                }
                self.put(stream, item, out)
            }
        }
    }

    fn berth_of(&self, stream: StreamId) -> Option<usize> {
        self.came_from.get(&stream).copied()
    }

    fn end(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        out.put(Item::End(End { bytes: self.bytes, skipped: self.left_out }))?;
        Ok(self.left_out)
    }
}
