//! Every schedule of two small ends, joined by a connection that holds very little.
//!
//! Walks all states that any order of steps can reach: offers, sends, arrivals, takes. One reader never
//! reads. A state from which nothing can be done must be one in which everybody else got everything.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::frame::{CLIENT_CONTROL, SERVER_CONTROL};
use super::*;

const HANDLES: usize = 2;
/// The handle whose reader never reads.
const DEAF: usize = 0;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Side {
    flow: Flow,
    /// Bytes to offer yet, for each handle; `None` when it is closed.
    left: [Option<u8>; HANDLES],
    /// Bytes taken, for each handle; `true` once the end was seen.
    got: [(u8, bool); HANDLES],
    /// What is on its way to the other side.
    wire: VecDeque<Packet>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World([Side; 2]);

struct Limits {
    wire: usize,
    window: usize,
    bytes: [[u8; HANDLES]; 2],
}

impl World {
    fn start(limits: &Limits) -> World {
        let side = |control, bytes: [u8; HANDLES]| Side {
            flow: Flow::new(control, HANDLES, limits.window),
            left: bytes.map(Some),
            got: [(0, false); HANDLES],
            wire: VecDeque::new(),
        };
        World([side(CLIENT_CONTROL, limits.bytes[0]), side(SERVER_CONTROL, limits.bytes[1])])
    }

    /// All that can happen next.
    fn next(&self, limits: &Limits) -> Vec<World> {
        let mut worlds = Vec::new();
        for side in 0..2 {
            for handle in 0..HANDLES {
                worlds.extend(self.offered(side, handle));
                worlds.extend(self.taken(side, handle));
            }
            worlds.extend(self.sent(side, limits.wire));
            worlds.extend(self.arrived(side));
        }
        worlds
    }

    fn offered(&self, side: usize, handle: usize) -> Option<World> {
        let left = self.0[side].left[handle]?;
        let number = u8::try_from(handle).unwrap();
        let mut world = self.clone();
        let side = &mut world.0[side];
        if left == 0 {
            side.flow.close(number);
            side.left[handle] = None;
            return Some(world);
        }
        if !side.flow.has_room(number) {
            return None;
        }
        side.flow.offer(number, Packet::data_of(&[left])).ok()?;
        side.left[handle] = Some(left - 1);
        Some(world)
    }

    fn sent(&self, side: usize, most: usize) -> Option<World> {
        if self.0[side].wire.len() >= most {
            return None;
        }
        let mut world = self.clone();
        let packet = world.0[side].flow.next_packet()?;
        world.0[side].wire.push_back(packet);
        Some(world)
    }

    fn arrived(&self, side: usize) -> Option<World> {
        let mut world = self.clone();
        let packet = world.0[1 - side].wire.pop_front()?;
        let (head, payload) = packet.bytes().split_first_chunk().unwrap();
        let header = Header::decode(*head).unwrap();
        world.0[side].flow.receive(header, Block::of_vec(payload.to_vec())).unwrap();
        Some(world)
    }

    fn taken(&self, side: usize, handle: usize) -> Option<World> {
        if handle == DEAF && side == 1 {
            return None;
        }
        let mut world = self.clone();
        let side = &mut world.0[side];
        match side.flow.take(u8::try_from(handle).unwrap()) {
            Taken::Bytes(bytes) => side.got[handle].0 += u8::try_from(bytes.len()).unwrap(),
            Taken::End if !side.got[handle].1 => side.got[handle].1 = true,
            Taken::End | Taken::NothingYet => return None,
        }
        Some(world)
    }

    /// Everybody but the deaf reader has everything that was meant for them.
    fn is_done(&self, limits: &Limits) -> bool {
        (0..2).all(|side| {
            (0..HANDLES).all(|handle| {
                let is_deaf = handle == DEAF && side == 1;
                is_deaf || self.0[side].got[handle] == (limits.bytes[1 - side][handle], true)
            })
        })
    }
}

/// A state by which it is told from others: two hashes of 64 bits, as states are many and large.
fn mark(world: &World) -> (u64, u64) {
    let hash = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, world).hash(&mut hasher);
        hasher.finish()
    };
    (hash(0), hash(1))
}

fn walk(limits: &Limits) -> usize {
    let first = World::start(limits);
    let mut seen = HashSet::from([mark(&first)]);
    let mut todo = vec![first];
    while let Some(world) = todo.pop() {
        let next = world.next(limits);
        if next.is_empty() {
            assert!(world.is_done(limits), "a schedule ends with bytes that never arrive");
        }
        todo.extend(next.into_iter().filter(|world| seen.insert(mark(world))));
    }
    seen.len()
}

#[test]
fn no_schedule_of_two_ends_gets_stuck() {
    let all = [(1, 1), (1, 2), (2, 2), (1, 3)];
    let some = if std::env::var_os("TAPIOCA_LONG").is_some() { &all[..] } else { &all[..2] };
    for &(wire, window) in some {
        // More than a window for the deaf one, so that its writer waits for ever; others both ways.
        let deaf = u8::try_from(window).unwrap() + 1;
        let states = walk(&Limits { wire, window, bytes: [[deaf, 2], [1, 1]] });
        eprintln!("{states} states of a wire of {wire} frames and a window of {window}");
        assert!(states > 1000, "only {states} states with a window of {window}");
    }
}

#[test]
fn a_window_of_single_bytes_costs_no_more_than_a_window() {
    let mut flow = Flow::new(CLIENT_CONTROL, 1, 64 * 1024);
    for n in 0..64 * 1024 {
        let one = Header { kind: Kind::Data, handle: 0, length: 1 };
        flow.receive(one, Block::of_vec(vec![(n % 251) as u8])).unwrap();
    }
    let (mut pieces, mut all) = (0, Vec::<u8>::new());
    while let Taken::Bytes(bytes) = flow.take(0) {
        pieces += 1;
        all.extend(bytes.data());
    }
    assert!(all.iter().enumerate().all(|(n, &byte)| byte == (n % 251) as u8));
    assert!(all.len() == 64 * 1024 && pieces <= 32, "{} bytes in {pieces} pieces", all.len());
}

#[test]
fn a_peer_that_breaks_the_rules_is_found_out() {
    let data = |handle| Header { kind: Kind::Data, handle, length: 2 };
    let flow = || Flow::new(CLIENT_CONTROL, 2, 3);
    assert!(
        flow().receive(data(2), Block::of_vec(vec![0; 2])).is_err(),
        "a handle that was never opened"
    );
    let mut full = flow();
    full.receive(data(0), Block::of_vec(vec![0; 2])).unwrap();
    assert!(full.receive(data(0), Block::of_vec(vec![0; 2])).is_err(), "more than the window");
    let mut ended = flow();
    let eof = Header { kind: Kind::Eof, handle: 0, length: 0 };
    ended.receive(eof, Block::of_vec(Vec::new())).unwrap();
    assert!(ended.receive(data(0), Block::of_vec(vec![0; 2])).is_err(), "data behind the end");
    assert!(ended.receive(eof, Block::of_vec(Vec::new())).is_err(), "two ends");
    let credit = Header { kind: Kind::Credit, handle: 0, length: 4 };
    assert!(flow().receive(credit, Block::of_vec(vec![1, 0, 0, 0])).is_err(), "credit for nothing");
    let ping = Header { kind: Kind::Ping, handle: CLIENT_CONTROL, length: 0 };
    assert!(flow().receive(ping, Block::of_vec(Vec::new())).is_err(), "our own control handle");
}
