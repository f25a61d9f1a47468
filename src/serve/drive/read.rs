//! Reading pieces of streams, block by block.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::Own;
use crate::authority::action::Piece;
use crate::authority::event::Stop;
use crate::library::{Step, VolumeReader};
use crate::serve::outgo::Outgo;
use crate::stream::{Begin, Blame, Fault};
use crate::volume::BlockKind;

impl Own {
    /// Reads pieces that lie on the volume in the drive into `out`. Where one cannot be read, it stops.
    ///
    /// # Errors
    ///
    /// The drive, the way to it, or whoever takes what is read.
    pub(super) fn read(
        &self,
        pieces: &[Piece],
        out: &Arc<Mutex<Outgo>>,
    ) -> Result<Option<Stop>, Fault> {
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = self.mount()?.reader()?;
        for piece in pieces {
            if !out.is_in(piece.of) {
                out.begin(piece.of, begin_of(&mut reader, piece)?)?;
            }
            let mut give = |offset, bytes: &[u8]| {
                self.must_go_on()?;
                out.data(offset, bytes)
            };
            let stopped = blocks(&mut reader, piece, &mut give)?;
            if let Some(stop) = stopped {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Reads pieces for their checksums.
    pub(super) fn verify(&self, pieces: &[Piece]) -> Result<Option<Stop>, Fault> {
        let mut reader = self.mount()?.reader()?;
        for piece in pieces {
            let stopped = blocks(&mut reader, piece, &mut |_, _| self.must_go_on())?;
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }
}

impl Own {
    /// Whether nobody told it to stop.
    fn must_go_on(&self) -> Result<(), Fault> {
        match self.stop.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(Fault::later(Blame::Operator, "stopped")),
        }
    }
}

/// What a stream said of itself when it began: each of its parts repeats it.
fn begin_of(reader: &mut VolumeReader, piece: &Piece) -> Result<Begin, Fault> {
    let survey = reader.survey()?;
    let part = survey.parts.into_iter().find(|part| part.begin.stream.stream == piece.stream);
    part.map(|part| part.begin.stream).ok_or_else(|| {
        let what = format!("{} has no part of stream {}", reader.label().name(), piece.stream);
        Fault::never(Blame::Medium, what)
    })
}

type Take<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), Fault>;

fn blocks(reader: &mut VolumeReader, piece: &Piece, take: Take<'_>) -> Result<Option<Stop>, Fault> {
    let skipped = (piece.from - piece.run_from).checked_div(piece.stride).unwrap_or(0);
    let (mut address, mut at) = (piece.block + skipped, piece.from);
    while at < piece.to {
        let stop = |why: String| {
            Ok(Some(Stop {
                of: piece.of,
                copy: piece.copy,
                from: at,
                to: piece.to.min(at + piece.stride.max(1)),
                why,
            }))
        };
        let name = reader.label().name();
        let opened = match reader.read(address)? {
            Step::Block(opened) => opened,
            Step::Damaged(why) => return stop(format!("{name}: block {address}: {why}")),
            Step::EndOfData => return stop(format!("{name}: nothing is at block {address}")),
            Step::Filemark => {
                address += 1;
                continue;
            }
        };
        let header = &opened.header;
        if header.kind == BlockKind::Data {
            let end = header.offset + opened.payload.len() as u64;
            if header.stream != piece.stream.0 || header.offset > at {
                return stop(format!("{name}: block {address} holds something else"));
            }
            if end > at {
                let known = usize::try_from(at - header.offset).unwrap_or(usize::MAX);
                let wanted =
                    usize::try_from(piece.to.min(end) - header.offset).unwrap_or(usize::MAX);
                take(at, &opened.payload[known..wanted])?;
                at = piece.to.min(end);
            }
        }
        address += 1;
    }
    Ok(None)
}
