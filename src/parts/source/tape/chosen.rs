//! Chosen entries: the blocks they lie in, and no others.
//!
//! Owns the reading of a plan: one LOCATE for each run of blocks that does not follow the one
//! before, volumes fetched in order. Hands on a partial stream.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::index::{Indexes, Opening, must_be_sound};
use super::lanes::AtHand;
use super::plan::{Gathered, Run};
use super::{Chosen, Feed};
use crate::library::contents::first_missing_part;
use crate::library::{Mount, Part, Step, VolumeReader};
use crate::list::Line;
use crate::stream::{Begin, Blame, End, Fault, Item, StreamId};
use crate::volume::BlockKind;
use crate::volume::part::{PartEnd, PartState};

/// Chooses by the indexes on the volumes, starting with `part`.
pub(super) fn run(
    mount: &mut Mount,
    mut reader: VolumeReader,
    part: Part,
    chosen: Chosen<'_>,
    feed: &mut Feed<'_>,
) -> Result<u64, Fault> {
    let begin = Begin { partial: true, ..part.begin.stream.clone() };
    let opening = Opening::new(&begin, chosen.identities)?;
    let set = reader.label().set_id;
    let mut parts = Parts::default();
    parts.add(&mut reader, begin.stream)?;
    mount.start_search();
    while !parts.are_all_here() {
        reader.lend_back(mount);
        let Some(next) = mount.next_of_set(set)? else {
            return Err(Fault::later(Blame::Operator, "not all volumes of the stream are here")
                .hint("put them into the library and name the changer with --changer, or have what there is with --salvage"));
        };
        reader = next;
        parts.add(&mut reader, begin.stream)?;
    }
    let (index, troubles) = opening.lines(parts.index);
    must_be_sound(&troubles)?;
    let gathered = Gathered::from_index(&index, chosen.only)?;
    let missed = name_unmatched(&gathered);
    send(mount, Some(reader), Some(begin), &gathered, feed)?;
    Ok(missed)
}

/// The parts of a stream as they are found, volume by volume.
#[derive(Default)]
struct Parts {
    index: Indexes,
    /// Numbers of the parts seen, with the byte at which each starts and the one before which it ends,
    /// which is the same of a part that was cut off.
    seen: BTreeMap<u32, (u64, u64)>,
    /// Number of the part in which the stream ends.
    last: Option<u32>,
}

impl Parts {
    fn add(&mut self, reader: &mut VolumeReader, stream: StreamId) -> Result<(), Fault> {
        for part in reader.survey()?.parts.iter().filter(|p| p.begin.stream.stream == stream) {
            let from = part.begin.from;
            let to = part.end.as_ref().map_or(from, |(_, end)| end.to);
            self.seen.insert(part.begin.stream_part, (from, to));
            let Some((_, end)) = &part.end else { continue };
            self.index.insert(part.begin.stream_part, reader.index(end)?);
            if ends_stream(end) {
                self.last = Some(part.begin.stream_part);
            }
        }
        Ok(())
    }

    fn are_all_here(&self) -> bool {
        self.last.is_some_and(|last| {
            let extent = |(&number, &(from, to)): (&u32, &(u64, u64))| (number, from, to);
            first_missing_part(self.seen.range(..=last).map(extent)).is_none()
        })
    }
}

/// Reads everything that is wanted once to learn what is lost, then sends the entries that are whole.
pub(super) fn run_salvage(
    mount: &mut Mount,
    mut reader: VolumeReader,
    part: Part,
    chosen: Chosen<'_>,
    feed: &mut Feed<'_>,
) -> Result<u64, Fault> {
    let begin = Begin { partial: true, ..part.begin.stream.clone() };
    let opening = Opening::new(&begin, chosen.identities)?;
    let set = reader.label().set_id;
    let mut index = Indexes::new();
    let mut left_out = gather_index(&mut reader, begin.stream, &mut index)?;
    let mut here = vec![reader.label().volume_id];
    reader.lend_back(mount);
    for (_, element) in mount.volumes_of(set)? {
        let mut other = mount.read_element(element)?;
        if !here.contains(&other.label().volume_id) {
            left_out += gather_index(&mut other, begin.stream, &mut index)?;
            here.push(other.label().volume_id);
        }
        other.lend_back(mount);
    }
    let (index, troubles) = opening.lines(index);
    left_out += name_all(&troubles);
    let mut gathered = Gathered::from_index(&index, chosen.only)?;
    left_out += name_unmatched(&gathered);
    let lost = lost_entries(mount, &gathered, layers_of(&begin), &here)?;
    for entry in gathered.take_lost(|entry| lost.contains(&entry.offset)) {
        eprintln!("src_tape: {} is lost", String::from_utf8_lossy(&entry.path));
    }
    send(mount, None, Some(begin), &gathered, feed)?;
    Ok(left_out + lost.len() as u64)
}

fn layers_of(begin: &Begin) -> u8 {
    u8::try_from(begin.layers.len()).unwrap_or(u8::MAX)
}

/// Adds the indexes of a stream's parts on this volume; names and counts what cannot be read.
fn gather_index(
    reader: &mut VolumeReader,
    stream: StreamId,
    index: &mut Indexes,
) -> Result<u64, Fault> {
    let survey = reader.survey()?;
    let mut missed = survey.damage;
    for part in survey.parts.iter().filter(|p| p.begin.stream.stream == stream) {
        let name = format!("{}: block {}", reader.label().name(), part.address);
        match &part.end {
            None => missed.push(format!("{name}: the part has no index: it was cut off")),
            Some((_, end)) => match reader.index(end) {
                Ok(lines) => _ = index.insert(part.begin.stream_part, lines),
                Err(fault) if fault.blame == Blame::Medium => missed.push(fault.to_string()),
                Err(fault) => return Err(fault),
            },
        }
    }
    Ok(name_all(&missed))
}

fn name_all(troubles: &[String]) -> u64 {
    troubles.iter().for_each(|line| eprintln!("src_tape: {line}"));
    troubles.len() as u64
}

/// Reads every block that the entries lie in; offsets of the entries that cannot be had whole.
fn lost_entries(
    mount: &mut Mount,
    gathered: &Gathered,
    layers: u8,
    here: &[Uuid],
) -> Result<BTreeSet<u64>, Fault> {
    let mut lost = BTreeSet::new();
    let mut reader: Option<VolumeReader> = None;
    let mut bad: Option<(Uuid, u64)> = None;
    for entry in &gathered.entries {
        let Ok(runs) = gathered.runs((entry.offset, entry.offset + entry.span), layers) else {
            lost.insert(entry.offset);
            continue;
        };
        for run in runs {
            if run.volume.is_none_or(|volume| !here.contains(&volume)) {
                eprintln!("src_tape: {} is needed and not here", run.medium);
                lost.insert(entry.offset);
                break;
            }
            let mounted = on_volume(mount, reader.take(), &run)?;
            let on = reader.insert(mounted);
            let volume = on.label().volume_id;
            for address in run.first..=run.last {
                let is_bad = bad == Some((volume, address)) || !holds_data(on, address)?;
                if is_bad {
                    bad = Some((volume, address));
                    lost.insert(entry.offset);
                }
            }
        }
    }
    if let Some(mut reader) = reader {
        reader.lend_back(mount);
    }
    Ok(lost)
}

/// Whether a block is good data; says what is wrong with it when not.
fn holds_data(reader: &mut VolumeReader, address: u64) -> Result<bool, Fault> {
    let why = match reader.read(address)? {
        Step::Block(opened) if opened.header.kind == BlockKind::Data => return Ok(true),
        Step::Block(_) => "it holds no data of a stream".into(),
        Step::Damaged(why) => why,
        Step::Filemark | Step::EndOfData => "nothing is there".into(),
    };
    eprintln!("src_tape: {}: block {address}: {why}", reader.label().name());
    Ok(false)
}

fn ends_stream(end: &PartEnd) -> bool {
    match end.state {
        PartState::Complete | PartState::Aborted { .. } => true,
        PartState::Continued => false,
    }
}

/// Chooses by a list that says where everything lies.
pub(super) fn run_listed(
    mount: &mut Mount,
    gathered: &Gathered,
    feed: &mut Feed<'_>,
) -> Result<u64, Fault> {
    let missed = name_unmatched(gathered);
    let reader = what_is_there(mount)?;
    send(mount, reader, None, gathered, feed)?;
    Ok(missed)
}

fn name_unmatched(gathered: &Gathered) -> u64 {
    for pattern in &gathered.unmatched {
        eprintln!("src_tape: nothing matches {}", String::from_utf8_lossy(pattern));
    }
    gathered.unmatched.len() as u64
}

fn send(
    mount: &mut Mount,
    mut reader: Option<VolumeReader>,
    begin: Option<Begin>,
    gathered: &Gathered,
    feed: &mut Feed<'_>,
) -> Result<(), Fault> {
    let layers = begin.as_ref().map_or(0, layers_of);
    let mut sending = Sending { begun: begin.is_some() };
    if let Some(begin) = begin {
        feed.put(Item::Begin(begin))?;
    }
    let wants = gathered.wants();
    for depth in 0..layers {
        let mut marks = Vec::new();
        for &want in &wants {
            let (from, to) = gathered.through(want, depth)?;
            Line::Want { depth, from, to }.write(&mut marks);
        }
        if !marks.is_empty() {
            feed.put(Item::Mark(marks))?;
        }
    }
    let mut sent_to = 0;
    let mounted = reader.as_ref().map(|reader| reader.label().volume_id);
    let mut copies = Copies { at_hand: AtHand { mounted, ..AtHand::default() }, missed: None };
    for want in wants {
        // With layers, neighbouring wants may lie in one chunk, which is sent once.
        while let Some(run) = copies.next_run(gathered, want, layers, sent_to)? {
            let on = match on_volume(mount, reader.take(), &run) {
                Ok(on) => reader.insert(on),
                Err(fault) => {
                    copies.is_missing(run, fault)?;
                    continue;
                }
            };
            copies.at_hand.mounted = Some(on.label().volume_id);
            sent_to = run.to;
            sending.run(on, &run, feed)?;
        }
    }
    if !sending.begun {
        feed.put(Item::Begin(Begin {
            kind: crate::stream::KIND_PAX.into(),
            partial: true,
            ..Begin::default()
        }))?;
    }
    let mut lines = Vec::new();
    gathered.entries.iter().for_each(|entry| entry.write_line(&mut lines));
    if !lines.is_empty() {
        feed.put(Item::Mark(lines))?;
    }
    if let Some(reader) = reader {
        mount.give_back(reader.into_drive());
    }
    feed.put(Item::End(End { bytes: feed.bytes, skipped: 0 }))
}

/// The volume in the drive, if there is one; where cartridges can be fetched it does not matter.
fn what_is_there(mount: &mut Mount) -> Result<Option<VolumeReader>, Fault> {
    match mount.first_to_read() {
        Ok(reader) => Ok(Some(reader)),
        Err(fault) if fault.blame == Blame::Operator && mount.has_changer() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The reader over the volume that a run lies on.
fn on_volume(
    mount: &mut Mount,
    reader: Option<VolumeReader>,
    run: &Run,
) -> Result<VolumeReader, Fault> {
    let is_it = |reader: &VolumeReader| match run.volume {
        Some(id) => reader.label().volume_id == id,
        None => reader.label().name() == run.medium,
    };
    let present = match reader {
        Some(reader) => Some(reader),
        None => what_is_there(mount)?,
    };
    match present {
        Some(present) if is_it(&present) => return Ok(present),
        Some(mut present) => present.lend_back(mount),
        None => {}
    }
    let reader = mount.read_tag(&run.medium)?;
    if is_it(&reader) {
        return Ok(reader);
    }
    let mut other = reader;
    other.lend_back(mount);
    let what = format!("{} is another volume than the one that was written then", run.medium);
    Err(Fault::never(Blame::Operator, what))
}

/// Which of several copies is read.
struct Copies {
    at_hand: AtHand,
    /// Why the last medium that was missed could not be had.
    missed: Option<Fault>,
}

impl Copies {
    /// What is to be read next of a wanted range whose bytes before `sent_to` are sent.
    fn next_run(
        &self,
        gathered: &Gathered,
        want: (u64, u64),
        layers: u8,
        sent_to: u64,
    ) -> Result<Option<Run>, Fault> {
        let runs = gathered.runs_at_hand(want, layers, sent_to, &self.at_hand);
        let runs = runs.map_err(|fault| self.missed.clone().unwrap_or(fault))?;
        Ok(runs.into_iter().next())
    }

    /// A medium cannot be had: another copy is looked for, if that is all that is wrong.
    fn is_missing(&mut self, run: Run, fault: Fault) -> Result<(), Fault> {
        if fault.blame != Blame::Operator {
            return Err(fault);
        }
        tracing::info!(medium = run.medium, %fault, "looking for another copy");
        self.at_hand.missing.insert((run.medium, run.volume));
        self.missed = Some(fault);
        Ok(())
    }
}

struct Sending {
    /// Whether `Begin` was sent; a list does not tell the stream's identity, the first block does.
    begun: bool,
}

impl Sending {
    fn run(
        &mut self,
        reader: &mut VolumeReader,
        run: &Run,
        feed: &mut Feed<'_>,
    ) -> Result<(), Fault> {
        let name = reader.label().name();
        for address in run.first..=run.last {
            let opened = match reader.read(address)? {
                Step::Block(opened) if opened.header.kind == BlockKind::Data => opened,
                Step::Block(_) => {
                    return Err(lost(&name, address, run, "it holds no data of a stream"));
                }
                Step::Damaged(why) => return Err(lost(&name, address, run, &why)),
                Step::Filemark | Step::EndOfData => {
                    return Err(lost(&name, address, run, "nothing is there"));
                }
            };
            if !self.begun {
                let stream = StreamId(opened.header.stream);
                let kind = crate::stream::KIND_PAX.into();
                feed.put(Item::Begin(Begin { stream, kind, partial: true, ..Begin::default() }))?;
                self.begun = true;
            }
            let start = opened.header.offset;
            let end = start + opened.payload.len() as u64;
            let (from, to) = (run.from.max(start), run.to.min(end));
            let piece = usize::try_from(from - start)
                .ok()
                .zip(usize::try_from(to.saturating_sub(start)).ok());
            let piece = piece.and_then(|(a, b)| opened.payload.get(a..b));
            let piece = piece.ok_or_else(|| {
                lost(&name, address, run, "it holds other bytes than the index says")
            })?;
            feed.data(from, piece)?;
        }
        Ok(())
    }
}

fn lost(volume: &str, block: u64, run: &Run, why: &str) -> Fault {
    let what = format!(
        "{volume}: block {block}: {why}; bytes {} to {} of the stream cannot be read",
        run.from, run.to
    );
    Fault::never(Blame::Medium, what)
}
