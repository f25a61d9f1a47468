//! The list of a stream whose index is cut off or damaged, from its data.
//!
//! Owns the second reading: the stream's data blocks in order, across its volumes, through its
//! layers, into the same entries that `proc_record` makes. Stops at the first gap or damage, and
//! says which byte that is: what stands behind it cannot be told apart from file contents.

use std::io::Write;

use crate::library::contents::{Ending, PartFound, StreamFound};
use crate::library::writer::ON_TAPE;
use crate::library::{Found, Mount, Step, VolumeReader};
use crate::list::Line;
use crate::parts::process::age::{Decrypt, Identities, LAYER};
use crate::parts::process::decompress::Decompress;
use crate::parts::process::entries::{Entries, Fact};
use crate::stream::{Begin, Blame, Block, End, Extent, Fault, Item, Outlet, Place, Process, Runs};
use crate::volume::BlockKind;
use crate::volume::part::PartState;

/// What was recovered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries written.
    pub entries: u64,
    /// Why the rest was not, when there is a rest.
    pub lost: Option<String>,
}

/// Writes the lines of `stream` to `out`. The entries come first, the places last.
///
/// # Errors
///
/// The drive, the changer, or this host; damage of media is part of the answer.
pub fn recover(
    mount: &mut Mount,
    stream: &StreamFound,
    identities: Option<&Identities>,
    out: &mut dyn Write,
) -> Result<Recovered, Fault> {
    let plain = stream.begin.layers.is_empty();
    let mut keeper = Keeper::new(out, plain);
    let lost = read_again(mount, stream, identities, &mut keeper)?;
    keeper.write_places()?;
    Ok(Recovered { entries: keeper.entries_written, lost })
}

/// Writes what `stream` carries to `out`; if not all of it, why not.
///
/// # Errors
///
/// The drive, the changer, or this host; damage of media is part of the answer.
pub fn payload(
    mount: &mut Mount,
    stream: &StreamFound,
    out: &mut dyn Write,
) -> Result<Option<String>, Fault> {
    read_again(mount, stream, None, &mut Payload { out })
}

/// Hears what is read, and from where.
trait Listener: Outlet {
    /// What comes next begins in this block.
    fn at(&mut self, place: Place, block: u64, stride: u64);
}

fn read_again(
    mount: &mut Mount,
    stream: &StreamFound,
    identities: Option<&Identities>,
    listener: &mut dyn Listener,
) -> Result<Option<String>, Fault> {
    let begin = Begin { partial: false, ..stream.begin.clone() };
    let strippers = match strippers(&begin.layers, identities) {
        Ok(strippers) => strippers,
        Err(why) => return Ok(Some(why)),
    };
    let mut feed = Feed { strippers, next: 0 };
    match feed.put(Item::Begin(begin), listener) {
        Ok(()) => feed.parts(mount, stream, listener),
        Err(fault) => Ok(Some(fault.what)),
    }
}

/// A component that takes a layer off.
type Stripper = Box<dyn Process>;

/// What takes the layers off, outermost first; or why it cannot be done.
fn strippers(layers: &[String], identities: Option<&Identities>) -> Result<Vec<Stripper>, String> {
    let stripper = |layer: &String| match (layer.as_str(), identities) {
        ("zstd" | "lz4", _) => Ok(Box::new(Decompress::new()) as Stripper),
        (LAYER, Some(identities)) => {
            Ok(Box::new(Decrypt::new(identities.clone()).without_lines()) as Stripper)
        }
        (LAYER, None) => Err("it is sealed; --identity FILE opens it".to_owned()),
        (layer, _) => Err(format!("its layer {layer} cannot be taken off here")),
    };
    layers.iter().rev().map(stripper).collect()
}

/// The way from blocks to the listener.
struct Feed {
    strippers: Vec<Stripper>,
    next: u64,
}

/// Why reading stopped.
enum Stop {
    /// The stream's own trouble.
    Lost(String),
    /// Trouble of the machinery.
    Fault(Fault),
}

impl Feed {
    /// Takes the layers off, outermost first.
    fn put(&mut self, item: Item, listener: &mut dyn Listener) -> Result<(), Fault> {
        put_through(&mut self.strippers, item, listener)
    }

    fn parts(
        &mut self,
        mount: &mut Mount,
        stream: &StreamFound,
        listener: &mut dyn Listener,
    ) -> Result<Option<String>, Fault> {
        for part in &stream.parts {
            let mut reader = open(mount, part)?;
            let result = self.part(&mut reader, stream, part, listener);
            reader.lend_back(mount);
            match result {
                Ok(()) => {}
                Err(Stop::Lost(why)) => return Ok(Some(why)),
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        let ending = stream.parts.last().map(|part| &part.ending);
        let complete = Ending::Ended(PartState::Complete);
        if ending != Some(&complete) {
            return Ok(Some(format!("the stream ends, unfinished, at byte {}", self.next)));
        }
        let end = Item::End(End { bytes: self.next, skipped: 0 });
        Ok(self.put(end, listener).err().map(|fault| fault.what))
    }

    fn part(
        &mut self,
        reader: &mut VolumeReader,
        stream: &StreamFound,
        part: &PartFound,
        listener: &mut dyn Listener,
    ) -> Result<(), Stop> {
        let name = part.label.name();
        let lost = |next: u64, address: u64, why: &str| {
            Stop::Lost(format!("{name}: block {address}: {why}; nothing behind byte {next}"))
        };
        for address in part.block + 1..part.data_end {
            let opened = match reader.read(address).map_err(Stop::Fault)? {
                Step::Block(opened) => opened,
                Step::Damaged(why) => return Err(lost(self.next, address, &why)),
                Step::Filemark | Step::EndOfData => break,
            };
            if opened.header.kind != BlockKind::Data {
                continue;
            }
            if opened.header.stream != stream.begin.stream.0 || opened.header.offset > self.next {
                return Err(lost(self.next, address, "it does not follow"));
            }
            let known = usize::try_from(self.next - opened.header.offset).unwrap_or(usize::MAX);
            let fresh = opened.payload.get(known..).unwrap_or(&[]);
            if fresh.is_empty() {
                continue;
            }
            let stride = (part.label.block_bytes - crate::volume::block::HEADER_BYTES) as u64;
            listener.at(part.place(), address, stride);
            let data = Item::Data { offset: self.next, block: Block::copy_of(fresh) };
            let passed = self.put(data, listener);
            self.next += fresh.len() as u64;
            passed.map_err(|fault| match fault.blame {
                Blame::Host | Blame::Neighbour => Stop::Fault(fault),
                _ => lost(self.next, address, &fault.what),
            })?;
        }
        Ok(())
    }
}

fn open(mount: &mut Mount, part: &PartFound) -> Result<VolumeReader, Fault> {
    if !part.label.volume_tag.is_empty() && mount.has_changer() {
        mount.fetch_tag(&part.label.volume_tag)?;
    }
    match mount.identify()? {
        Found::Ours { label, .. } if label.volume_id == part.label.volume_id => {
            Ok(VolumeReader::new(mount.lend(), label))
        }
        Found::Ours { .. } | Found::Blank | Found::Foreign { .. } => Err(Fault::later(
            Blame::Operator,
            format!("{} is not in the drive any more", part.label.name()),
        )),
    }
}

fn put_through(
    strippers: &mut [Stripper],
    item: Item,
    keeper: &mut dyn Outlet,
) -> Result<(), Fault> {
    match strippers.split_first_mut() {
        None => keeper.put(item),
        Some((first, rest)) => first.item(item, &mut Through { rest, keeper }),
    }
}

struct Through<'a> {
    rest: &'a mut [Stripper],
    keeper: &'a mut dyn Outlet,
}

impl Outlet for Through<'_> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        put_through(self.rest, item, self.keeper)
    }
}

/// Writes entries as they become whole, and gathers where they lie.
struct Keeper<'a> {
    out: &'a mut dyn Write,
    entries: Option<Entries>,
    entries_written: u64,
    plain: bool,
    /// The block being fed, and with layers the one in which the bytes that come next begin.
    now: Option<(Place, u64, u64)>,
    since: Option<(Place, u64)>,
    places: Vec<(Place, Kept)>,
}

enum Kept {
    Plain(Vec<Extent>),
    Coarse(Runs),
}

impl<'a> Keeper<'a> {
    fn new(out: &'a mut dyn Write, plain: bool) -> Keeper<'a> {
        Keeper {
            out,
            entries: None,
            entries_written: 0,
            plain,
            now: None,
            since: None,
            places: Vec::new(),
        }
    }

    fn feed(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.note(offset, offset + bytes.len() as u64);
        let Some(entries) = &mut self.entries else { return Ok(()) };
        let mut line = Vec::new();
        let mut count = 0;
        let fed = entries.feed(offset, bytes, &mut |fact| {
            count += u64::from(matches!(fact, Fact::Entry(_)));
            fact.line().write(&mut line);
            Ok(())
        });
        self.entries_written += count;
        self.write(&line)?;
        fed
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(entries) = &mut self.entries else { return Ok(()) };
        let mut line = Vec::new();
        let mut count = 0;
        entries.finish(&mut |fact| {
            count += u64::from(matches!(fact, Fact::Entry(_)));
            fact.line().write(&mut line);
            Ok(())
        })?;
        self.entries_written += count;
        self.write(&line)
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Fault> {
        self.out.write_all(lines).map_err(|e| Fault::host("cannot write a list", &e))
    }

    fn note(&mut self, from: u64, to: u64) {
        let Some((place, block, stride)) = self.now.clone() else { return };
        let (place, start) = match (self.plain, self.since.replace((place.clone(), block))) {
            (false, Some(since)) => since,
            _ => (place, block),
        };
        if self.places.last().is_none_or(|(last, _)| *last != place) {
            let kept = match self.plain {
                true => Kept::Plain(Vec::new()),
                false => Kept::Coarse(Runs::new()),
            };
            self.places.push((place, kept));
        }
        match self.places.last_mut() {
            Some((_, Kept::Coarse(runs))) => runs.add(from, to, start),
            Some((_, Kept::Plain(runs))) => {
                let follows = |run: &&mut Extent| {
                    run.to == from && run.block + (from - run.from) / stride == start
                };
                match runs.last_mut().filter(follows) {
                    Some(run) => run.to = to,
                    None => runs.push(Extent { from, to, block: start, stride }),
                }
            }
            None => {}
        }
    }

    fn write_places(&mut self) -> Result<(), Fault> {
        let mut text = Vec::new();
        for (place, kept) in std::mem::take(&mut self.places) {
            let extents = match kept {
                Kept::Plain(extents) => extents,
                Kept::Coarse(runs) => runs.into_extents(),
            };
            for extent in extents {
                let grade = ON_TAPE.to_owned();
                Line::Place { extent, place: place.clone(), grade }.write(&mut text);
            }
        }
        self.write(&text)
    }
}

impl Listener for Keeper<'_> {
    fn at(&mut self, place: Place, block: u64, stride: u64) {
        self.since.get_or_insert_with(|| (place.clone(), block));
        self.now = Some((place, block, stride));
    }
}

impl Outlet for Keeper<'_> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => {
                self.entries = Some(Entries::of(&begin, "list")?);
                Ok(())
            }
            Item::Data { offset, block } => self.feed(offset, block.data()),
            Item::End(_) => self.end(),
            Item::Mark(_) | Item::Abort(_) | Item::Turn(_) => Ok(()),
        }
    }
}

/// Hands on what is carried.
struct Payload<'a> {
    out: &'a mut dyn Write,
}

impl Listener for Payload<'_> {
    fn at(&mut self, _: Place, _: u64, _: u64) {}
}

impl Outlet for Payload<'_> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        let Item::Data { block, .. } = item else { return Ok(()) };
        self.out.write_all(block.data()).map_err(|e| Fault::host("cannot write what is read", &e))
    }
}
