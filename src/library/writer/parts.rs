//! A stream in parts.
//!
//! Owns how a part begins, how it is closed with its index, and where the stream goes on when a
//! medium or an index comes to its end: in a part on the next volume, with whatever was not confirmed
//! written once more.

use std::collections::VecDeque;

use ssc::{Immediate, Written};

use super::{Kept, ON_TAPE, Put, TapeWriter};
use crate::library::reel::Reel;
use crate::list::Line;
use crate::stream::{Blame, Extent, Fault, Place, Upward};
use crate::volume::BlockKind;
use crate::volume::block::HEADER_BYTES;
use crate::volume::index;
use crate::volume::part::{PartBegin, PartEnd, PartState};

impl TapeWriter {
    pub(super) fn reel(&mut self) -> &mut Reel {
        self.reel.as_mut().expect("a stream that began has a volume")
    }

    pub(super) fn start_part(&mut self, reel: Reel) -> Result<(), Fault> {
        let block_bytes = reel.label.block_bytes;
        self.next = reel.anchor.next();
        self.near_end = reel.near_end;
        self.stream_part += 1;
        self.previous = 0;
        self.last_sync = None;
        self.data_blocks = 0;
        self.unsynced_bytes = 0;
        self.dirty_since = None;
        self.runs.clear();
        self.confirmed_runs = 0;
        if self.fill.is_empty() {
            self.fill = vec![0; block_bytes];
        }
        let same = self.fill.len() == block_bytes;
        self.reel = Some(reel);
        self.open = same;
        match same {
            true => Ok(()),
            false => Err(Fault::never(
                Blame::Operator,
                "the volumes of one stream must have one block size",
            )),
        }
    }

    pub(super) fn write_begin(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        let reel = self.reel.as_ref().expect("a part has a volume");
        let begin = PartBegin {
            stream: self.stream.clone(),
            stream_part: self.stream_part,
            from: self.receipted,
            volume_tag: reel.label.volume_tag.clone(),
            volume_id: reel.label.volume_id,
            after_cut: reel.after_cut,
        };
        self.from = self.receipted;
        self.write_small(BlockKind::Begin, self.from, &begin.text(), up)
    }

    /// Closes the part at the end of the stream.
    pub(super) fn close(
        &mut self,
        state: &PartState,
        skipped: u64,
        up: &mut dyn Upward,
    ) -> Result<(), Fault> {
        loop {
            if self.try_close(state, skipped, up)? == Put::Taken {
                self.open = false;
                return Ok(());
            }
            self.go_elsewhere(up)?;
        }
    }

    /// Closes the part because the medium or the index comes to its end, and goes on in another.
    pub(super) fn turn_over(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.try_close(&PartState::Continued, 0, up)? == Put::Elsewhere {
            return self.go_elsewhere(up);
        }
        self.open = false;
        self.open_part(up)
    }

    /// Begins a part of the stream unless one is open: on the first volume, behind the part before it,
    /// or on the next volume where this one comes to its end.
    pub(super) fn open_part(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.open {
            return Ok(());
        }
        let reel = match self.reel.take() {
            None => self.shelf.first()?,
            Some(reel) if self.near_end => self.shelf.next(reel)?,
            Some(reel) => Reel { part: reel.part + 1, after_cut: None, ..reel },
        };
        self.start_part(reel)?;
        self.write_begin(up)
    }

    pub(super) fn try_close(
        &mut self,
        state: &PartState,
        skipped: u64,
        up: &mut dyn Upward,
    ) -> Result<Put, Fault> {
        let to = self.offset;
        let (packed, raw_bytes) = self.pack_index();
        let index_block = self.next;
        let room = self.fill.len() - HEADER_BYTES;
        let mut put = Put::Taken;
        for (piece, at) in packed.chunks(room).zip((0u64..).step_by(room)) {
            put = self.put_payload(BlockKind::Index, at, piece)?;
            if put == Put::Elsewhere {
                break;
            }
        }
        if put == Put::Taken {
            let end = PartEnd {
                state: state.clone(),
                from: self.from,
                to,
                index_block,
                index_bytes: packed.len() as u64,
                index_raw_bytes: raw_bytes,
                data_blocks: self.data_blocks,
                skipped,
            };
            put = self.put_payload(BlockKind::End, to, &end.text())?;
        }
        if put == Put::Taken {
            put = self.confirm(1, up)?;
        }
        if put == Put::Elsewhere {
            self.unpack_index(&packed, raw_bytes)?;
        }
        Ok(put)
    }

    pub(super) fn pack_index(&mut self) -> (Vec<u8>, u64) {
        let mut index = std::mem::take(&mut self.index);
        index.add(&self.place_lines(&self.runs));
        let raw_bytes = index.raw_bytes();
        (index.finish(), raw_bytes)
    }

    /// The index did not fit: its lines go into the next part, but for the places of blocks that
    /// will be written again.
    pub(super) fn unpack_index(&mut self, packed: &[u8], raw_bytes: u64) -> Result<(), Fault> {
        let lines = index::unpack(packed, raw_bytes).map_err(|e| Fault::never(Blame::Ours, e))?;
        let again = self.place_lines(&self.runs);
        let kept = lines.strip_suffix(again.as_slice()).unwrap_or(&lines);
        self.index.add(kept);
        Ok(())
    }

    pub(super) fn place_lines(&self, runs: &[Extent]) -> Vec<u8> {
        let mut lines = Vec::new();
        for extent in runs {
            let line = Line::Place { extent: *extent, place: self.place(), grade: ON_TAPE.into() };
            line.write(&mut lines);
        }
        lines
    }

    pub(super) fn place(&self) -> Place {
        let label = self.label().expect("a part has a volume");
        Place { medium: label.name(), volume: Some(label.volume_id), partition: 0 }
    }

    /// The medium refused a block for want of room: what it took before may still be confirmed.
    pub(super) fn confirm_what_landed(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        let Some(refused) = self.kept.pop_back_if(|kept| kept.address == self.next) else {
            return Ok(());
        };
        let next = self.next;
        let flushed = self.reel().drive.write_filemarks(0, Immediate::No);
        let is_fine = matches!(flushed, Ok(Written::Fine | Written::EarlyWarning));
        if is_fine && self.doubt(next)?.is_none() {
            self.acknowledge(0, up)?;
        }
        self.kept.push_back(refused);
        Ok(())
    }

    /// The medium takes no more: what is confirmed stays, the rest is written on the next volume.
    pub(super) fn go_elsewhere(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if std::mem::take(&mut self.out_of_room) {
            self.confirm_what_landed(up)?;
        }
        let confirmed = self.runs[..self.confirmed_runs].to_vec();
        let lines = self.place_lines(&confirmed);
        self.index.add(&lines);
        self.digest = blake3::Hasher::new();
        let again: Vec<Kept> =
            self.kept.drain(..).filter(|kept| kept.kind == BlockKind::Data).collect();
        let reel = self.reel.take().expect("a part has a volume");
        if confirmed.is_empty() && reel.part == 1 && self.stream_part > 1 {
            let name = reel.label.name();
            return Err(Fault::never(Blame::Medium, format!("{name} took no data; giving up")));
        }
        let reel = self.shelf.next(reel)?;
        self.start_part(reel)?;
        self.write_begin(up)?;
        let mut again = VecDeque::from(again);
        while let Some(kept) = again.pop_front() {
            if self.put_block(BlockKind::Data, kept.offset, kept.bytes, kept.length)?
                == Put::Elsewhere
            {
                // The refused block is the last one kept; the others follow it.
                self.kept.extend(again);
                return self.go_elsewhere(up);
            }
        }
        Ok(())
    }
}
