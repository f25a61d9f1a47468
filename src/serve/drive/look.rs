//! What is in a drive, as its first blocks and its end of data tell.

use scsi::VolumeTag;

use super::{Own, nothing};
use crate::authority::event::{Ahead, Found, Volume};
use crate::catalogue::record::Kept;
use crate::library::{self, Mount, Part, VolumeReader};
use crate::list::{Line, lines};
use crate::stream::{Blame, Fault};
use crate::volume::Label;

impl Own {
    /// Looks. Behind the block `known_to`, what is whole is told of as ahead.
    ///
    /// # Errors
    ///
    /// The drive or the way to it; that a medium cannot be read is part of the answer.
    pub(super) fn look(&self, known_to: Option<u64>) -> Result<Found, Fault> {
        let mut mount = self.mount()?;
        let tag = mount.tag_in_drive()?;
        if tag.is_some_and(|tag| {
            VolumeTag::new(tag.as_bytes()).is_some_and(|t| t.looks_like_cleaner())
        }) {
            return Ok(Found::Cleaning);
        }
        if !mount.has_medium()? {
            return Ok(nothing());
        }
        let info = mount.medium()?;
        let write_protected = info.write_protected == Some(true);
        let worm = info.worm == Some(true);
        match mount.identify() {
            Ok(library::Found::Blank) => Ok(Found::Blank { write_protected, worm }),
            Ok(library::Found::Foreign { why }) => Ok(Found::Foreign(why)),
            Ok(library::Found::Ours { label, damage }) => match volume(mount, label, known_to) {
                Ok(volume) => Ok(Found::Ours(Volume { write_protected, worm, damage, ..volume })),
                Err(fault) if fault.blame == Blame::Medium => {
                    Ok(Found::Unreadable(fault.to_string()))
                }
                Err(fault) => Err(fault),
            },
            Err(fault) if fault.blame == Blame::Medium => Ok(Found::Unreadable(fault.to_string())),
            Err(fault) => Err(fault),
        }
    }
}

fn volume(mut mount: Mount, label: Label, known_to: Option<u64>) -> Result<Volume, Fault> {
    let mut reader = VolumeReader::new(mount.lend(), label.clone());
    let end = reader.end()?;
    let first = reader.first_part()?;
    let is_empty = first.is_none_or(|first| first >= end);
    let behind = known_to.filter(|known| *known < end);
    let ahead = behind.map(|known| ahead(&mut reader, known)).transpose()?.unwrap_or_default();
    Ok(Volume {
        tag: label.volume_tag,
        volume: label.volume_id,
        set: label.set_id,
        number: label.volume_number,
        end,
        is_empty,
        write_protected: false,
        worm: false,
        damage: None,
        ahead,
    })
}

/// The parts with an end of which something lies behind `known`.
fn ahead(reader: &mut VolumeReader, known: u64) -> Result<Vec<Ahead>, Fault> {
    let parts = reader.survey()?.parts;
    let mut found = Vec::new();
    for part in parts.into_iter().filter(|part| part.after > known) {
        found.extend(piece(reader, &part, known)?);
    }
    Ok(found)
}

fn piece(reader: &mut VolumeReader, part: &Part, known: u64) -> Result<Option<Ahead>, Fault> {
    let Some((_, end)) = &part.end else { return Ok(None) };
    let volume = reader.label().volume_id;
    let mut kept: Vec<Kept> = Vec::new();
    for line in lines(&reader.index(end)?) {
        let line = line.map_err(|why| Fault::never(Blame::Medium, why))?;
        let Line::Place { extent, place, .. } = line else { continue };
        if place.volume == Some(volume) && extent.block >= known.min(part.address) {
            let medium = reader.label().volume_tag.clone();
            let (from, to, block, stride) = (extent.from, extent.to, extent.block, extent.stride);
            kept.push(Kept { copy: 0, from, to, medium, volume: place.volume, block, stride });
        }
    }
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return Ok(None) };
    let (from, to) = (first.from, last.to);
    Ok(Some(Ahead { stream: part.begin.stream.stream, from, to, kept }))
}
