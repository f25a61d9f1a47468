//! Frames on the wire, and the two ends that send them.
//!
//! Promises: any pieces give the same frames, which are the bytes that came; two ends in any schedule lose
//! no byte, change no order and never have more on their way than a window; an end that is sent anything
//! at all finds out what breaks the rules and holds no more than its windows.

use std::collections::VecDeque;

use tapioca::stream::Block;
use tapioca::wire::flow::{Arrived, Flow, Taken};
use tapioca::wire::frame::{
    Assembler, CLIENT_CONTROL, HEADER_BYTES, Header, Kind, Packet, SERVER_CONTROL,
};

/// A mode and what it takes.
pub fn wire(bytes: &[u8]) {
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    match mode % 3 {
        0 => pieces(bytes),
        1 => two_ends(bytes),
        _ => anything_at_all(bytes),
    }
}

type Frames = Vec<(Header, Vec<u8>)>;

fn assembled(bytes: &[u8], piece: usize, tail: usize) -> (Frames, bool) {
    let (mut assembler, mut frames) = (Assembler::with_tail(tail), Vec::new());
    let mut each = |header, payload: Block| {
        frames.push((header, payload.data().to_vec()));
        Ok(())
    };
    let mut taken = bytes.chunks(piece).map(|piece| assembler.take(piece, &mut each));
    let whole = taken.all(|taken| taken.is_ok());
    drop(taken);
    let ends_between = whole && assembler.is_empty();
    (frames, ends_between)
}

fn pieces(bytes: &[u8]) {
    let Some((&[piece, tail], bytes)) = bytes.split_first_chunk() else { return };
    let tail = usize::from(tail % 64);
    let found = assembled(bytes, usize::from(piece).max(1), tail);
    assert_eq!(found, assembled(bytes, bytes.len().max(1), tail));
    let (frames, ends_between) = found;
    let mut same = Vec::new();
    for (header, payload) in frames {
        assert_eq!(payload.len(), header.length + tail);
        same.extend(header.encode());
        same.extend(payload);
    }
    assert!(bytes.starts_with(&same));
    assert!(!ends_between || bytes.len() == same.len());
}

const HANDLES: usize = 3;

/// An end, and what is known of it from outside.
struct End {
    flow: Flow,
    wire: VecDeque<Packet>,
    /// Bytes that the flow took, and those that came out.
    offered: [Vec<u8>; HANDLES],
    got: [Vec<u8>; HANDLES],
    closed: [bool; HANDLES],
    ended: [bool; HANDLES],
    /// Handles that nobody reads here any more.
    deaf: [bool; HANDLES],
    /// Bytes sent, and bytes of credit that arrived.
    sent: [usize; HANDLES],
    credited: [usize; HANDLES],
    said: usize,
    heard: usize,
}

impl End {
    fn new(control: u8, window: usize) -> End {
        End {
            flow: Flow::new(control, HANDLES, window),
            wire: VecDeque::new(),
            offered: Default::default(),
            got: Default::default(),
            closed: [false; HANDLES],
            ended: [false; HANDLES],
            deaf: [false; HANDLES],
            sent: [0; HANDLES],
            credited: [0; HANDLES],
            said: 0,
            heard: 0,
        }
    }

    fn offer(&mut self, at: usize, length: usize) {
        if self.closed[at] || !self.flow.has_room(at as u8) {
            return;
        }
        let length = length.clamp(1, self.flow.payload_bytes_max());
        let first = self.offered[at].len();
        let bytes: Vec<u8> = (first..first + length).map(|n| (n % 251) as u8).collect();
        if self.flow.offer(at as u8, Packet::data_of(&bytes)).is_ok() {
            self.offered[at].extend(bytes);
        }
    }

    fn close(&mut self, at: usize) {
        self.closed[at] = true;
        self.flow.close(at as u8);
    }

    fn send(&mut self, window: usize) -> bool {
        let Some(packet) = self.flow.next_packet() else { return false };
        if packet.bytes()[0] == Kind::Data as u8 {
            let at = usize::from(packet.bytes()[1]);
            self.sent[at] += packet.payload_bytes();
            assert!(self.sent[at] - self.credited[at] <= window, "more than a window on its way");
        }
        self.wire.push_back(packet);
        true
    }

    fn arrive(&mut self, packet: &Packet) {
        let (head, payload) = packet.bytes().split_first_chunk().expect("a header");
        let header = Header::decode(*head).expect("a header of ours");
        if header.kind == Kind::Credit {
            let bytes = u32::from_le_bytes(payload.try_into().expect("four bytes"));
            let at = usize::from(header.handle);
            self.credited[at] += bytes as usize;
            assert!(self.credited[at] <= self.sent[at], "credit for what was never sent");
        }
        let arrived = self.flow.receive(header, Block::of_vec(payload.to_vec()));
        let message = matches!(arrived.expect("ours keep the rules"), Arrived::Message(_));
        self.heard += usize::from(message);
    }

    fn take(&mut self, at: usize) -> bool {
        if self.deaf[at] {
            return false;
        }
        match self.flow.take(at as u8) {
            Taken::Bytes(bytes) => self.got[at].extend(bytes.data()),
            Taken::End if !self.ended[at] => self.ended[at] = true,
            Taken::End | Taken::NothingYet => return false,
        }
        true
    }

    fn stop(&mut self, at: usize) {
        self.deaf[at] = true;
        self.flow.stop(at as u8);
    }
}

/// A window, then steps: what happens where, and how much.
fn two_ends(bytes: &[u8]) {
    let Some((&[low, high], steps)) = bytes.split_first_chunk() else { return };
    let window = usize::from(u16::from_le_bytes([low, high]) % 8192).max(1);
    let mut ends = [End::new(CLIENT_CONTROL, window), End::new(SERVER_CONTROL, window)];
    for step in steps.chunks_exact(2) {
        let (side, at) = (usize::from(step[0] & 1), usize::from(step[0] >> 1) % HANDLES);
        let much = usize::from(step[1]);
        let end = &mut ends[side];
        match step[0] >> 4 {
            0..4 => end.offer(at, much * much),
            4..7 => _ = end.send(window),
            7..10 => arrive(&mut ends, side),
            10..13 => _ = end.take(at),
            13 if much < 32 => end.stop(at),
            13 => end.flow.ping(),
            14 if much < 64 => end.close(at),
            14 => end.said += usize::from(end.flow.say(b"a message").is_ok()),
            _ => (0..much).for_each(|_| _ = end.send(window)),
        }
    }
    drain(&mut ends, window);
}

fn arrive(ends: &mut [End; 2], side: usize) {
    if let Some(packet) = ends[1 - side].wire.pop_front() {
        ends[side].arrive(&packet);
    }
}

/// Lets everything happen that still can; then nothing may be missing.
fn drain(ends: &mut [End; 2], window: usize) {
    for end in ends.iter_mut() {
        (0..HANDLES).for_each(|at| end.close(at));
    }
    loop {
        let mut moved = false;
        for side in 0..2 {
            moved |= ends[side].send(window);
            moved |= !ends[1 - side].wire.is_empty();
            arrive(ends, side);
            moved |= (0..HANDLES).fold(false, |moved, at| moved | ends[side].take(at));
        }
        if !moved {
            break;
        }
    }
    for (one, other) in [(0, 1), (1, 0)] {
        let (from, to) = (&ends[one], &ends[other]);
        assert!(from.flow.is_drained() && from.said == to.heard);
        for at in (0..HANDLES).filter(|&at| !to.deaf[at]) {
            assert!(to.ended[at] && to.got[at] == from.offered[at], "handle {at}");
        }
    }
}

/// Frames as they come, to an end whose readers read now and then.
fn anything_at_all(bytes: &[u8]) {
    let Some((&[handles, window], bytes)) = bytes.split_first_chunk() else { return };
    let handles = usize::from(handles).clamp(1, 254);
    let window = usize::from(window) * 64 + 1;
    let mut flow = Flow::new(SERVER_CONTROL, handles, window);
    let mut held = vec![0; handles];
    for (header, payload) in assembled(bytes, bytes.len().max(1), 0).0 {
        let (at, length) = (usize::from(header.handle), payload.len());
        if flow.receive(header, Block::of_vec(payload)).is_err() {
            return;
        }
        if header.kind == Kind::Data {
            held[at] += length;
            assert!(held[at] <= window, "more than a window is held");
        }
        if header.kind == Kind::Eof {
            while let Taken::Bytes(bytes) = flow.take(header.handle) {
                held[at] -= bytes.len();
            }
            assert_eq!(held[at], 0);
        }
        assert!(flow.next_packet().is_none_or(|packet| packet.bytes().len() >= HEADER_BYTES));
    }
}
