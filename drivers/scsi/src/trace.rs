//! The last commands a driver issued: what a fault report needs.
//!
//! Owns a ring of commands with their outcomes and durations. Holds no data that was read or
//! written, so it can go into a log; keys travel in data phases only. Nothing is decided from it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::opcodes::command_name;
use crate::transport::Outcome;

/// One command that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counts from 1 and goes on when old records fall out.
    pub sequence: u64,
    /// The command descriptor block.
    pub cdb: Vec<u8>,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Record {
    /// One line: `#17 MOVE MEDIUM a5 00 …: 05/3B/0D medium destination element full, 12.301 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.sequence, command_name(&self.cdb))?;
        self.cdb.iter().try_for_each(|b| write!(f, " {b:02x}"))?;
        write!(f, ": {}, {:.3} s", self.outcome, self.took.as_secs_f64())
    }
}

/// A ring of the last commands.
#[derive(Debug, Clone)]
pub struct Trace {
    capacity: usize,
    issued: u64,
    records: VecDeque<Record>,
}

impl Trace {
    /// An empty ring that keeps the last `capacity` commands.
    pub fn new(capacity: usize) -> Trace {
        Trace { capacity, issued: 0, records: VecDeque::with_capacity(capacity) }
    }

    /// Notes one command; the oldest falls out when the ring is full.
    pub fn record(&mut self, cdb: &[u8], outcome: &Outcome, took: Duration) {
        self.issued += 1;
        if self.capacity == 0 {
            return;
        }
        if self.records.len() == self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(Record {
            sequence: self.issued,
            cdb: cdb.to_vec(),
            outcome: outcome.clone(),
            took,
        });
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.records.iter()
    }

    /// The last command.
    pub fn last(&self) -> Option<&Record> {
        self.records.back()
    }

    /// Commands recorded since the start, those that fell out included.
    pub fn issued(&self) -> u64 {
        self.issued
    }
}

impl fmt::Display for Trace {
    /// One line per record, oldest first, each ended by a newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.records.iter().try_for_each(|record| writeln!(f, "{record}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::Sense;

    #[test]
    fn the_ring_keeps_the_newest_and_goes_on_counting() {
        let mut trace = Trace::new(2);
        for opcode in [0x00, 0x01, 0x12] {
            trace.record(&[opcode, 0, 0, 0, 0, 0], &Outcome::Good { residual: 0 }, Duration::ZERO);
        }
        let kept: Vec<_> = trace.iter().map(|r| (r.sequence, r.cdb[0])).collect();
        assert_eq!(kept, [(2, 0x01), (3, 0x12)]);
        assert_eq!(trace.issued(), 3);
    }

    #[test]
    fn a_record_is_one_line_a_person_can_read() {
        let raw = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3b, 0x0d, 0, 0, 0, 0];
        let outcome = Outcome::Check { sense: Sense::decode(&raw).unwrap(), residual: 0 };
        let mut trace = Trace::new(64);
        let took = Duration::from_millis(12_301);
        trace.record(&[0xa5, 0, 0, 1, 3, 0xe8, 1, 0xf4, 0, 0, 0, 0], &outcome, took);
        assert_eq!(
            trace.to_string(),
            "#1 MOVE MEDIUM a5 00 00 01 03 e8 01 f4 00 00 00 00: \
             05/3B/0D medium destination element full, 12.301 s\n"
        );
    }
}
