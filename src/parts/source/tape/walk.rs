//! A whole stream, in order, across parts and volumes.
//!
//! Owns the rules for what may follow what: data without a gap, parts in their numbers. A damaged
//! block, a missing part or a stream that was never finished ends in a fault that names the bytes;
//! what came before it has been handed on.

use std::collections::BTreeMap;

use super::Feed;
use crate::library::{Mount, Part, Step, Survey, VolumeReader};
use crate::list::Line;
use crate::stream::{Blame, End, Fault, Item};
use crate::volume::BlockKind;
use crate::volume::block::HEADER_BYTES;
use crate::volume::part::{PartBegin, PartEnd, PartState};

/// How a part turned out.
enum Ended {
    Complete(PartEnd),
    /// Goes on in another part.
    Continued(PartEnd),
    /// Cut off, or not readable from here on. What was never confirmed was written once more, in the
    /// part that follows; if it was not, this is what is lost.
    Broken(Fault),
}

pub(super) fn run(
    mount: &mut Mount,
    reader: VolumeReader,
    part: Part,
    feed: &mut Feed<'_>,
) -> Result<u64, Fault> {
    if part.begin.from != 0 {
        return Err(Fault::never(
            Blame::Operator,
            format!(
                "the part at block {} starts in the middle of its stream (byte {})",
                part.address, part.begin.from
            ),
        )
        .hint("start with the volume that has its first part"));
    }
    feed.put(Item::Begin(part.begin.stream.clone()))?;
    let mut walk = Walk { reader, offset: 0, sealed: BTreeMap::new(), survey: None };
    let mut part = (part.address, part.begin);
    loop {
        let (address, begin) = &part;
        let (ended, after) = walk.part(*address, begin, feed)?;
        let lost = match ended {
            Ended::Complete(end) => {
                walk.entries(&end, feed)?;
                feed.put(Item::End(End { bytes: feed.bytes, skipped: end.skipped }))?;
                mount.give_back(walk.reader.into_drive());
                return Ok(0);
            }
            Ended::Continued(end) => {
                walk.entries(&end, feed)?;
                None
            }
            Ended::Broken(lost) => {
                walk.must_not_have_ended(*address, &lost)?;
                Some(lost)
            }
        };
        let next = walk.following(mount, begin, after);
        part = match (next, lost) {
            (Ok(next), None) => next,
            (Ok(next), Some(_)) if next.1.from <= walk.offset => next,
            (Ok(_) | Err(_), Some(lost)) => return Err(lost),
            (Err(fault), None) => return Err(fault),
        };
    }
}

struct Walk {
    reader: VolumeReader,
    /// Stream offset that comes next.
    offset: u64,
    /// Number of the sealed index line that comes next, by layer.
    sealed: BTreeMap<u8, u64>,
    /// The parts of this volume, once they were needed: streams that took turns have many.
    survey: Option<Survey>,
}

impl Walk {
    /// Hands on the data of the part at `address`; returns how it ended and the address behind it.
    fn part(
        &mut self,
        address: u64,
        begin: &PartBegin,
        feed: &mut Feed<'_>,
    ) -> Result<(Ended, u64), Fault> {
        let name = self.reader.label().name();
        let stride = (self.reader.label().block_bytes - HEADER_BYTES) as u64;
        let mut at = address + 1;
        loop {
            let broken = |why: &str| lost(&name, at, self.offset, stride, why);
            let opened = match self.reader.read(at)? {
                Step::Block(opened) if opened.header.stream == begin.stream.stream.0 => opened,
                Step::Block(_) => {
                    return Ok((Ended::Broken(broken("it belongs to another stream")), at));
                }
                Step::Damaged(why) => return Ok((Ended::Broken(broken(&why)), at)),
                Step::Filemark | Step::EndOfData => {
                    return Ok((Ended::Broken(broken("the backup was cut off here")), at));
                }
            };
            match opened.header.kind {
                BlockKind::Data if opened.header.offset > self.offset => {
                    return Ok((Ended::Broken(broken("blocks before it are missing")), at));
                }
                BlockKind::Data => {
                    let known =
                        usize::try_from(self.offset - opened.header.offset).unwrap_or(usize::MAX);
                    let fresh = opened.payload.get(known..).unwrap_or(&[]);
                    feed.data(self.offset, fresh)?;
                    self.offset += fresh.len() as u64;
                }
                BlockKind::End => {
                    let end = match PartEnd::parse(opened.payload) {
                        Ok(end) => end,
                        Err(why) => return Ok((Ended::Broken(broken(&why)), at + 1)),
                    };
                    return Ok((self.judge(end)?, at + 1));
                }
                BlockKind::Sync | BlockKind::Index => {}
                BlockKind::Label | BlockKind::Kit | BlockKind::Begin => {
                    return Ok((Ended::Broken(broken("it does not belong in a part")), at));
                }
            }
            at += 1;
        }
    }

    fn survey(&mut self) -> Result<&Survey, Fault> {
        let survey = match self.survey.take() {
            Some(survey) => survey,
            None => self.reader.survey()?,
        };
        Ok(self.survey.insert(survey))
    }

    /// A part that has its end has all its bytes; nothing of it was written once more.
    fn must_not_have_ended(&mut self, address: u64, lost: &Fault) -> Result<(), Fault> {
        let reached = self.offset;
        let part = self.survey()?.parts.iter().find(|part| part.address == address);
        match part.and_then(|part| part.end.as_ref()) {
            Some((_, end)) if end.to > reached => Err(lost.clone()),
            Some(_) | None => Ok(()),
        }
    }

    fn judge(&self, end: PartEnd) -> Result<Ended, Fault> {
        if let PartState::Aborted { why } = &end.state {
            let why = format!("this backup was never finished: {why}");
            return Err(Fault::never(Blame::Peer, why));
        }
        if end.to != self.offset {
            let name = self.reader.label().name();
            let what = format!(
                "{name}: the part should end at byte {} and ends at {}",
                end.to, self.offset
            );
            return Err(Fault::never(Blame::Medium, what));
        }
        Ok(match end.state {
            PartState::Complete => Ended::Complete(end),
            PartState::Continued | PartState::Aborted { .. } => Ended::Continued(end),
        })
    }

    /// Hands on what the part's index says of the entries, for whoever verifies them.
    fn entries(&mut self, end: &PartEnd, feed: &mut Feed<'_>) -> Result<(), Fault> {
        let lines = self.reader.index(end)?;
        let mut wanted = Vec::new();
        let told = self.sealed.clone();
        for line in lines.split_inclusive(|&b| b == b'\n') {
            match line.first() {
                Some(b'~' | b'@') => {}
                Some(b'%') if self.was_told(line, &told) => {}
                _ => wanted.extend_from_slice(line),
            }
        }
        match wanted.is_empty() {
            true => Ok(()),
            false => feed.put(Item::Mark(wanted)),
        }
    }

    /// Whether a part before this one had the line, too: what could not be confirmed there was written
    /// again. Lines that come twice in one part are handed on, for whoever opens them to refuse.
    fn was_told(&mut self, line: &[u8], told: &BTreeMap<u8, u64>) -> bool {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let Ok(Line::Sealed(sealed)) = Line::parse(line) else { return false };
        let next = self.sealed.entry(sealed.depth).or_default();
        *next = (*next).max(sealed.number.saturating_add(1));
        told.get(&sealed.depth).is_some_and(|before| sealed.number < *before)
    }

    /// Finds the part that follows, behind `after` on this volume or on the next one.
    fn following(
        &mut self,
        mount: &mut Mount,
        begin: &PartBegin,
        after: u64,
    ) -> Result<(u64, PartBegin), Fault> {
        // The next number, or another that leaves out no byte: of a part between, nothing may have come to
        // be on a medium.
        let reached = self.offset;
        let follows = |next: &PartBegin| {
            let is_next = next.stream_part == begin.stream_part + 1;
            let is_later = next.stream_part > begin.stream_part && next.from <= reached;
            next.stream.stream == begin.stream.stream && (is_next || is_later)
        };
        let survey = self.survey()?;
        if let Some(next) = survey.parts.iter().find(|p| p.address >= after && follows(&p.begin)) {
            return Ok((next.address, next.begin.clone()));
        }
        let label = self.reader.label().clone();
        let mut damage = self.survey.take().map(|survey| survey.damage).unwrap_or_default();
        self.reader.lend_back(mount);
        mount.start_search();
        while let Some(reader) = mount.next_of_set(label.set_id)? {
            self.reader = reader;
            let survey = self.survey()?;
            if let Some(next) = survey.parts.iter().find(|part| follows(&part.begin)) {
                return Ok((next.address, next.begin.clone()));
            }
            damage.extend(self.survey.take().map(|survey| survey.damage).unwrap_or_default());
            self.reader.lend_back(mount);
        }
        let damage: String = damage.iter().map(|line| format!("; {line}")).collect();
        let what = format!(
            "the stream goes on after byte {} on another volume than {}, and part {} is on none that is here{damage}",
            self.offset,
            label.name(),
            begin.stream_part + 1
        );
        Err(Fault::later(Blame::Operator, what)
            .hint("put the other volumes of the set into the library, and name the changer with --changer"))
    }
}

fn lost(volume: &str, block: u64, offset: u64, stride: u64, why: &str) -> Fault {
    let what = format!(
        "{volume}: block {block}: {why}; bytes {offset} to {} of the stream are lost",
        offset + stride
    );
    Fault::never(Blame::Medium, what)
        .hint("entries elsewhere can still be had: choose them with --only; a second copy may have the rest")
}
