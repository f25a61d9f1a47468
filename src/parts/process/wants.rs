//! Wanted ranges of a partial stream, as a component that takes a layer off meets them.
//!
//! Owns the ranges of its output's depth: they come in order in marks, are consumed, and nothing outside
//! them is put. A wanted byte that was passed over is found.

use std::collections::VecDeque;
use std::ops::Range;

use crate::list::Line;
use crate::stream::{Fault, Item, Outlet};

/// The ranges still wanted; none were asked for: everything is.
#[derive(Default)]
pub(super) struct Wants(Option<VecDeque<Range<u64>>>);

impl Wants {
    /// Takes the wants of `depth` out of a mark and puts the rest. `seen` is one past the last byte
    /// already handled, none if the stream is not partial.
    pub(super) fn mark(
        &mut self,
        lines: &[u8],
        depth: u8,
        seen: Option<u64>,
        out: &mut dyn Outlet,
    ) -> Result<(), Fault> {
        let mut rest = Vec::with_capacity(lines.len());
        for line in lines.split_inclusive(|&b| b == b'\n') {
            match want(line)? {
                Some((of, range)) if of == depth => self.want(range, seen)?,
                _ => rest.extend_from_slice(line),
            }
        }
        match rest.is_empty() {
            true => Ok(()),
            false => out.put(Item::Mark(rest)),
        }
    }

    /// What is wanted before `to` is lost, and everybody was told.
    pub(super) fn lose(&mut self, to: u64) {
        let Some(wanted) = &mut self.0 else { return };
        wanted.retain(|range| range.end > to);
        if let Some(first) = wanted.front_mut() {
            first.start = first.start.max(to);
        }
    }

    /// Wanted ranges come in order; those that touch or overlap become one.
    fn want(&mut self, range: Range<u64>, seen: Option<u64>) -> Result<(), Fault> {
        let Some(seen) = seen else {
            return Err(Fault::stream("a range is wanted of a stream that is not partial"));
        };
        if range.start < seen || range.start >= range.end {
            let (from, to) = (range.start, range.end);
            return Err(Fault::stream(format!(
                "bytes {from} to {to} are wanted too late or empty"
            )));
        }
        let wanted = self.0.get_or_insert_default();
        match wanted.back_mut() {
            Some(last) if range.start < last.start => {
                Err(Fault::stream(format!("wanted ranges are out of order at {}", range.start)))
            }
            Some(last) if range.start <= last.end => {
                last.end = last.end.max(range.end);
                Ok(())
            }
            _ => {
                wanted.push_back(range);
                Ok(())
            }
        }
    }

    /// The first wanted byte from `seen` on that lies before `next`, and so was passed over.
    pub(super) fn passed_over(&self, seen: u64, next: u64) -> Option<u64> {
        let first = self.0.as_ref().and_then(VecDeque::front);
        first.map(|range| range.start.max(seen)).filter(|&byte| byte < next)
    }

    /// The parts of `piece` that are wanted. Ranges that end in it are forgotten.
    pub(super) fn within(&mut self, piece: Range<u64>) -> Vec<Range<u64>> {
        let Some(wanted) = &mut self.0 else { return vec![piece] };
        let mut parts = Vec::new();
        while let Some(range) = wanted.front().filter(|r| r.start < piece.end) {
            let part = range.start.max(piece.start)..range.end.min(piece.end);
            let lasts = range.end > piece.end;
            if part.start < part.end {
                parts.push(part);
            }
            if lasts {
                break;
            }
            wanted.pop_front();
        }
        parts
    }
}

fn want(line: &[u8]) -> Result<Option<(u8, Range<u64>)>, Fault> {
    if line.first() != Some(&b'?') {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match Line::parse(line).map_err(Fault::stream)? {
        Line::Want { depth, from, to } => Ok(Some((depth, from..to))),
        _ => Ok(None),
    }
}
