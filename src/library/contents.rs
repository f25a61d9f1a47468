//! What a set of media holds, told by the media alone.
//!
//! Owns the gathering: every cartridge identified, every part surveyed, every index read once and
//! kept in a file of its own, so that memory holds one index at a time whatever the number of
//! cartridges. Streams are put together from their parts by number, wherever those lay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::reader::{Part, Step, VolumeReader};
use super::{Found, Mount};
use crate::list::{ENTRY_TYPES, Line, lines};
use crate::stream::{Begin, Extent, Fault, Place, Runs, StreamId};
use crate::volume::part::PartState;
use crate::volume::{BlockKind, Label};

/// What a cartridge turned out to be.
#[derive(Debug)]
pub struct Cartridge {
    /// Its barcode, when the changer can tell, else the label's name.
    pub name: String,
    /// What is on it.
    pub holds: Holds,
}

/// What is on a cartridge.
#[derive(Debug)]
pub enum Holds {
    /// A volume of ours, with what of it could not be read.
    Volume {
        /// Who it is.
        label: Label,
        /// How many parts it has.
        parts: usize,
        /// One line for each thing that is wrong.
        damage: Vec<String>,
    },
    /// Nothing.
    Blank,
    /// Something else.
    Foreign {
        /// How it can be told.
        why: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// How a part ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Ended(PartState),
    /// Without its last block.
    Cut,
}

impl Ending {
    /// One word: `complete`, `continued`, `aborted`, `CUT`.
    pub fn word(&self) -> &'static str {
        match self {
            Ending::Ended(state) => state.word(),
            Ending::Cut => "CUT",
        }
    }
}

/// A part of a stream, and where.
#[derive(Debug)]
pub struct PartFound {
    /// Number in the stream, from 1.
    pub number: u32,
    /// The volume.
    pub label: Label,
    /// Address of its first block.
    pub block: u64,
    /// Address behind its last data block: that of its index, if it has one.
    pub data_end: u64,
    /// First stream byte.
    pub from: u64,
    /// One past the last stream byte, as far as it can be told.
    pub to: u64,
    /// How it ends.
    pub ending: Ending,
    /// Things the source left out, told by the last part.
    pub skipped: u64,
    /// What its index holds; what is wrong with it otherwise. `None` where there is none.
    pub index: Option<Result<Counts, String>>,
    /// The lines of its index.
    spool: PathBuf,
}

/// Lines of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Entries.
    pub entries: u64,
    /// Lines that are sealed, with any number of entries in each.
    pub sealed: u64,
}

impl PartFound {
    /// The lines of its index, read from where they were put; empty without one.
    pub fn lines(&self) -> Result<Vec<u8>, Fault> {
        match &self.index {
            Some(Ok(_)) => std::fs::read(&self.spool)
                .map_err(|e| Fault::host(format!("cannot read {}", self.spool.display()), &e)),
            Some(Err(_)) | None => Ok(Vec::new()),
        }
    }

    /// Puts other lines in place of those of its index, if it has one.
    pub fn replace_lines(&mut self, lines: &[u8]) -> Result<(), Fault> {
        if let Some(Ok(counts)) = &mut self.index {
            *counts = keep(&self.spool, lines)?;
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        self.index.as_ref().and_then(|index| index.as_ref().ok()).copied().unwrap_or_default()
    }

    /// The volume as places name it.
    pub fn place(&self) -> Place {
        Place { medium: self.label.name(), volume: Some(self.label.volume_id), partition: 0 }
    }
}

/// A stream, put together from its parts.
#[derive(Debug)]
pub struct StreamFound {
    /// What it is.
    pub begin: Begin,
    /// Its parts by number.
    pub parts: Vec<PartFound>,
}

impl StreamFound {
    /// Stream bytes known of.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.to).max().unwrap_or(0)
    }

    /// Entries that the indexes name.
    pub fn entries(&self) -> u64 {
        self.parts.iter().map(|part| part.counts().entries).sum()
    }

    /// Index lines that are sealed, as long as nobody has opened them.
    pub fn sealed_lines(&self) -> u64 {
        self.parts.iter().map(|part| part.counts().sealed).sum()
    }

    /// Whether all of it is there and was finished.
    pub fn is_complete(&self) -> bool {
        let ended = |part: &PartFound| part.ending == Ending::Ended(PartState::Complete);
        self.parts.last().is_some_and(ended) && self.first_missing_part().is_none()
    }

    /// The number of a part that should be there and is not.
    pub fn first_missing_part(&self) -> Option<u32> {
        first_missing_part(self.parts.iter().map(|part| (part.number, part.from, part.to)))
    }

    /// Whether the indexes leave entries out: the last part has none, or one of them is damaged. A
    /// cut part before others lacks nothing, its lines are in the index of the part after it.
    pub fn needs_recovery(&self) -> bool {
        let last = self.parts.last().is_some_and(|part| part.index.is_none());
        last || self.parts.iter().any(|part| matches!(part.index, Some(Err(_))))
    }
}

/// The number of the first part that is missing among `parts`: each its number, the stream byte at
/// which it starts and the one before which it ends, in order of number. A number that no byte is
/// missing for is that of a part of which nothing came to be on a medium.
pub fn first_missing_part(parts: impl IntoIterator<Item = (u32, u64, u64)>) -> Option<u32> {
    let (mut next, mut reached) = (1, 0);
    for (number, from, to) in parts {
        if number > next && from > reached {
            return Some(next);
        }
        next = number + 1;
        reached = reached.max(to);
    }
    None
}

/// Everything on a set of media.
#[derive(Debug)]
pub struct Contents {
    /// The cartridges by name.
    pub cartridges: Vec<Cartridge>,
    /// The streams by time of creation.
    pub streams: Vec<StreamFound>,
    /// Where the indexes are kept; goes with this value.
    _spool: tempfile::TempDir,
}

/// Which cartridges to look at.
pub enum Which<'a> {
    /// The one in the drive.
    Loaded,
    /// Those with these barcodes.
    Tagged(&'a [String]),
    /// Every one in the slots of the library, and the one in the drive.
    All,
}

/// Looks at cartridges. Damage of media is part of the answer.
///
/// # Errors
///
/// The drive, the changer, or this host.
pub fn gather(mount: &mut Mount, which: &Which<'_>) -> Result<Contents, Fault> {
    let dir = tempfile::Builder::new().prefix("tapioca-contents-").tempdir();
    let dir = dir.map_err(|e| Fault::host("cannot make a temporary directory", &e))?;
    let mut gathering = Gathering::new(dir.path());
    match which {
        Which::Loaded => gathering.cartridge(mount)?,
        Which::Tagged(tags) => {
            for tag in *tags {
                mount.fetch_tag(tag)?;
                gathering.cartridge(mount)?;
            }
        }
        Which::All => {
            while mount.fetch_untried()?.is_some() {
                gathering.cartridge(mount)?;
            }
            // What cannot be fetched must be missed, and not by silence.
            for name in mount.in_other_drives()? {
                let holds = Holds::Unknown { why: "it is in another drive".into() };
                gathering.cartridges.push(Cartridge { name, holds });
            }
        }
    }
    let Gathering { mut cartridges, streams, .. } = gathering;
    cartridges.sort_by(|a, b| a.name.cmp(&b.name));
    let mut streams: Vec<StreamFound> = streams.into_values().collect();
    streams.iter_mut().for_each(|stream| stream.parts.sort_by_key(|part| part.number));
    streams.sort_by_key(|stream| (stream.begin.created_s, stream.begin.stream));
    Ok(Contents { cartridges, streams, _spool: dir })
}

struct Gathering<'a> {
    dir: &'a Path,
    cartridges: Vec<Cartridge>,
    /// Two copies of one stream lie on two sets.
    streams: BTreeMap<(StreamId, Uuid), StreamFound>,
}

impl<'a> Gathering<'a> {
    fn new(dir: &'a Path) -> Gathering<'a> {
        Gathering { dir, cartridges: Vec::new(), streams: BTreeMap::new() }
    }

    fn cartridge(&mut self, mount: &mut Mount) -> Result<(), Fault> {
        let tag = mount.tag_in_drive()?;
        let name = tag.unwrap_or_else(|| "the cartridge in the drive".into());
        let (name, holds) = match mount.identify() {
            Ok(Found::Blank) => (name, Holds::Blank),
            Ok(Found::Foreign { why }) => (name, Holds::Foreign { why }),
            Ok(Found::Ours { label, damage }) => {
                let mut reader = VolumeReader::new(mount.lend(), label.clone());
                let looked = self.volume(&mut reader);
                reader.lend_back(mount);
                let (parts, mut lines) = looked?;
                lines.splice(0..0, damage);
                (label.name(), Holds::Volume { label, parts, damage: lines })
            }
            // Barcode and label disagree: that is this cartridge's trouble, not the listing's.
            Err(fault) if fault.blame == crate::stream::Blame::Operator => {
                (name, Holds::Unknown { why: fault.what })
            }
            Err(fault) => return Err(fault),
        };
        self.cartridges.push(Cartridge { name, holds });
        Ok(())
    }

    fn volume(&mut self, reader: &mut VolumeReader) -> Result<(usize, Vec<String>), Fault> {
        let survey = reader.survey()?;
        let count = survey.parts.len();
        for part in survey.parts {
            self.part(reader, part)?;
        }
        Ok((count, survey.damage))
    }

    fn part(&mut self, reader: &mut VolumeReader, part: Part) -> Result<(), Fault> {
        let label = reader.label().clone();
        let (id, set) = (part.begin.stream.stream, label.set_id);
        let spool = self.dir.join(format!("{id}.{}.{}", label.volume_id, part.number));
        let mut found = PartFound {
            number: part.begin.stream_part,
            label,
            block: part.address,
            data_end: part.end.as_ref().map_or(part.after, |(_, end)| end.index_block),
            from: part.begin.from,
            to: part.begin.from,
            ending: Ending::Cut,
            skipped: 0,
            index: None,
            spool,
        };
        match &part.end {
            Some((_, end)) => {
                found.to = end.to;
                found.skipped = end.skipped;
                found.ending = Ending::Ended(end.state.clone());
                found.index = Some(match reader.index(end) {
                    Ok(lines) => Ok(keep(&found.spool, &lines)?),
                    Err(fault) if fault.blame == crate::stream::Blame::Medium => Err(fault.what),
                    Err(fault) => return Err(fault),
                });
            }
            None => found.to = reached(reader, &part)?,
        }
        let stream = self
            .streams
            .entry((id, set))
            .or_insert_with(|| StreamFound { begin: part.begin.stream.clone(), parts: Vec::new() });
        stream.parts.push(found);
        Ok(())
    }
}

/// Puts index lines into a file; returns how many there are of those that matter.
fn keep(path: &Path, bytes: &[u8]) -> Result<Counts, Fault> {
    std::fs::write(path, bytes)
        .map_err(|e| Fault::host(format!("cannot write {}", path.display()), &e))?;
    let mut counts = Counts::default();
    for kind in bytes.split(|&b| b == b'\n').filter_map(|line| line.first()) {
        counts.entries += u64::from(ENTRY_TYPES.contains(kind));
        counts.sealed += u64::from(*kind == b'%');
    }
    Ok(counts)
}

/// How far a cut part reaches, told by the last good one of its blocks.
fn reached(reader: &mut VolumeReader, part: &Part) -> Result<u64, Fault> {
    for address in (part.address + 1..part.after).rev() {
        if let Step::Block(opened) = reader.read(address)? {
            let length = match opened.header.kind {
                BlockKind::Data => opened.payload.len() as u64,
                BlockKind::Sync => 0,
                _ => continue,
            };
            return Ok(opened.header.offset + length);
        }
    }
    Ok(part.begin.from)
}

/// Where payload bytes of a stream lie, by the indexes of its parts.
#[derive(Debug, Default)]
pub struct Locator {
    layers: u8,
    seeks: Vec<(u8, u64, u64)>,
    places: Vec<(Extent, Place)>,
}

impl Locator {
    /// Of a stream's indexes.
    pub fn new(stream: &StreamFound) -> Result<Locator, Fault> {
        let mut locator = Locator::default();
        for part in &stream.parts {
            for line in lines(&part.lines()?) {
                locator.note(line.map_err(|why| bad_line(part, &why))?);
            }
        }
        locator.layers = u8::try_from(stream.begin.layers.len()).unwrap_or(u8::MAX);
        Ok(locator.sorted())
    }

    /// Of index lines that came with nothing else: every layer tells a seek point at least.
    pub fn of_lines(lines: impl Iterator<Item = Line>) -> Locator {
        let mut locator = Locator::default();
        lines.for_each(|line| locator.note(line));
        locator.layers = locator.seeks.iter().map(|seek| seek.0).max().unwrap_or(0);
        locator.sorted()
    }

    fn note(&mut self, line: Line) {
        match line {
            Line::Seek { depth, input, output } => self.seeks.push((depth, input, output)),
            Line::Place { extent, place, .. } => self.places.push((extent, place)),
            _ => {}
        }
    }

    fn sorted(mut self) -> Locator {
        self.seeks.sort_unstable();
        self.seeks.dedup();
        self.places.sort_by_key(|(extent, _)| extent.from);
        self
    }

    /// The volume and block from which payload byte `offset` is to be read.
    pub fn of(&self, mut offset: u64) -> Option<(&Place, u64)> {
        for depth in 1..=self.layers {
            let after = self.seeks.partition_point(|s| *s <= (depth, offset, u64::MAX));
            let seek = self.seeks[..after].last().filter(|s| s.0 == depth)?;
            offset = seek.2;
        }
        let after = self.places.partition_point(|(extent, _)| extent.from <= offset);
        let (extent, place) = self.places.get(after.checked_sub(1)?)?;
        Some((place, extent.block_of(offset)?))
    }

    /// Place lines in payload offsets for a stream with layers whose payload ends at `end`.
    pub fn payload_places(&self, end: u64) -> Vec<(Extent, Place)> {
        let starts: Vec<u64> =
            self.seeks.iter().filter(|s| s.0 == 1 && s.1 < end).map(|s| s.1).collect();
        let ends = starts.iter().skip(1).copied().chain([end]);
        let mut found: Vec<(Place, Runs)> = Vec::new();
        for (from, to) in starts.iter().copied().zip(ends) {
            let Some((place, block)) = self.of(from) else { continue };
            if found.last().is_none_or(|(last, _)| last != place) {
                found.push((place.clone(), Runs::new()));
            }
            if let Some((_, runs)) = found.last_mut() {
                runs.add(from, to, block);
            }
        }
        let flat = |(place, runs): (Place, Runs)| {
            runs.into_extents().into_iter().map(move |extent| (extent, place.clone()))
        };
        found.into_iter().flat_map(flat).collect()
    }
}

/// A line of an index that was read whole and makes no sense.
pub(crate) fn bad_line(part: &PartFound, why: &str) -> Fault {
    let what =
        format!("the index of the part at {} block {}: {why}", part.label.name(), part.block);
    Fault::never(crate::stream::Blame::Medium, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(medium: &str) -> Place {
        Place { medium: medium.into(), volume: None, partition: 0 }
    }

    #[test]
    fn bytes_are_found_through_layers() {
        let extent = |from, to, block| Extent { from, to, block, stride: 100 };
        let locator = Locator {
            layers: 1,
            seeks: vec![(1, 0, 0), (1, 1000, 300), (1, 2000, 610)],
            places: vec![(extent(0, 500, 5), place("A")), (extent(500, 900, 2), place("B"))],
        };
        assert_eq!(locator.of(1999), Some((&place("A"), 8)));
        assert_eq!(locator.of(2000), Some((&place("B"), 3)));
        let coarse = |from, to, block| Extent { from, to, block, stride: 0 };
        assert_eq!(
            locator.payload_places(2500),
            [(coarse(0, 2000, 5), place("A")), (coarse(2000, 2500, 3), place("B"))]
        );
    }

    #[test]
    fn a_part_number_may_be_left_out_but_no_byte() {
        assert_eq!(first_missing_part([(1, 0, 10), (2, 10, 20)]), None);
        assert_eq!(first_missing_part([(1, 0, 10), (3, 10, 20)]), None);
        assert_eq!(first_missing_part([(1, 0, 10), (3, 8, 20), (4, 20, 30)]), None);
        assert_eq!(first_missing_part([(1, 0, 10), (3, 11, 20)]), Some(2));
        assert_eq!(first_missing_part([(2, 5, 20)]), Some(1));
    }
}
