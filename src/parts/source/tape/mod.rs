//! `src_tape`: a stream stored on tape, whole or chosen entries of it.
//!
//! Owns what an operator can ask for ([`What`]) and finds it. [`walk`] then reads a whole stream in
//! order, across volumes; [`plan`] turns chosen entries into the few blocks they lie in, and
//! [`chosen`] reads those.

mod chosen;
mod index;
pub mod lanes;
pub mod plan;
mod walk;

use crate::library::{Mount, Part, VolumeReader};
use crate::parts::process::age::Identities;
use crate::stream::block::Pool;
use crate::stream::{Blame, Block, Fault, Item, Outlet, Source};
use crate::volume::BLOCK_BYTES_MAX;
use plan::Gathered;

/// Blocks in flight towards the reader of the stream.
const POOL_BLOCKS: usize = 8;

/// Which stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The part that begins at this block of the volume.
    From(u64),
    /// The stream whose identity begins so.
    Stream(String),
    /// The last stream whose first byte is on the volume.
    Last,
}

/// The source.
pub struct TapeSource {
    mount: Mount,
    what: What,
    only: Vec<Vec<u8>>,
    list: Option<Vec<u8>>,
    identities: Option<Identities>,
    salvage: bool,
}

/// What of a stream is chosen, and what opens its index.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    only: &'a [Vec<u8>],
    identities: Option<&'a Identities>,
}

impl TapeSource {
    /// Reads all of a stream.
    pub fn new(mount: Mount, what: What) -> TapeSource {
        TapeSource { mount, what, only: Vec::new(), list: None, identities: None, salvage: false }
    }

    /// Reads only entries that match one of these patterns.
    #[must_use]
    pub fn only(mut self, patterns: Vec<Vec<u8>>) -> TapeSource {
        self.only = patterns;
        self
    }

    /// Finds the entries in this list (index lines with places) instead of on the tape.
    #[must_use]
    pub fn list(mut self, lines: Vec<u8>) -> TapeSource {
        self.list = Some(lines);
        self
    }

    /// Opens the index on tape, should it be sealed, with one of these.
    #[must_use]
    pub fn identities(mut self, identities: Option<Identities>) -> TapeSource {
        self.identities = identities;
        self
    }

    /// Gives what is whole and names what is not, instead of stopping at the first bad block or
    /// missing volume. Every block is read twice.
    #[must_use]
    pub fn salvage(mut self, salvage: bool) -> TapeSource {
        self.salvage = salvage;
        self
    }

    fn find(&self, reader: &mut VolumeReader) -> Result<Part, Fault> {
        let survey = reader.survey()?;
        survey.damage.iter().for_each(|line| tracing::warn!("{line}"));
        let wanted = |part: &&Part| match &self.what {
            What::From(block) => part.address == *block,
            What::Stream(prefix) => {
                part.begin.stream.stream.to_string().starts_with(prefix.as_str())
            }
            What::Last => part.begin.from == 0,
        };
        let found = match self.what {
            What::Last => survey.parts.iter().rfind(wanted),
            What::From(_) | What::Stream(_) => survey.parts.iter().find(wanted),
        };
        found.cloned().ok_or_else(|| {
            let what = match &self.what {
                What::From(block) => format!("no part that begins at block {block}"),
                What::Stream(prefix) => format!("no stream {prefix}"),
                What::Last => "no stream that begins on it".into(),
            };
            // What is asked for may be what cannot be read.
            let name = reader.label().name();
            match survey.damage.first() {
                None => Fault::never(Blame::Operator, format!("{name} has {what}")),
                Some(first) => Fault::never(
                    Blame::Medium,
                    format!("{name} has {what} that can be read; it is damaged: {first}"),
                ),
            }
            .hint("see `tapioca library list` for what is on it")
        })
    }
}

impl TapeSource {
    /// Finds the part on this volume, or, when a stream was named and there is a changer, on any other
    /// of its set: a volume that failed before it took anything has nothing of what was sent to it.
    fn find_in_set(&mut self, mut reader: VolumeReader) -> Result<(VolumeReader, Part), Fault> {
        let missing = match self.find(&mut reader) {
            Ok(part) => return Ok((reader, part)),
            Err(fault) => fault,
        };
        if !matches!(self.what, What::Stream(_)) || !self.mount.has_changer() {
            return Err(missing);
        }
        let set = reader.label().set_id;
        reader.lend_back(&mut self.mount);
        self.mount.start_search();
        while let Some(mut other) = self.mount.next_of_set(set)? {
            if let Ok(part) = self.find(&mut other) {
                return Ok((other, part));
            }
            other.lend_back(&mut self.mount);
        }
        Err(missing)
    }
}

impl Source for TapeSource {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let mut feed = Feed::new(out);
        if let Some(lines) = self.list.take() {
            let gathered = Gathered::from_list(&lines, &self.only)?;
            return chosen::run_listed(&mut self.mount, &gathered, &mut feed);
        }
        let reader = self.mount.first_to_read()?;
        let (reader, part) = self.find_in_set(reader)?;
        let chosen = Chosen { only: &self.only, identities: self.identities.as_ref() };
        match (self.salvage, self.only.is_empty()) {
            (true, _) => chosen::run_salvage(&mut self.mount, reader, part, chosen, &mut feed),
            (false, true) => walk::run(&mut self.mount, reader, part, &mut feed),
            (false, false) => chosen::run(&mut self.mount, reader, part, chosen, &mut feed),
        }
    }
}

/// Pooled blocks on their way out.
struct Feed<'a> {
    out: &'a mut dyn Outlet,
    pool: Pool,
    bytes: u64,
}

impl<'a> Feed<'a> {
    fn new(out: &'a mut dyn Outlet) -> Feed<'a> {
        Feed { out, pool: Pool::new(BLOCK_BYTES_MAX, POOL_BLOCKS), bytes: 0 }
    }

    fn put(&mut self, item: Item) -> Result<(), Fault> {
        self.out.put(item)
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut block: Block = self.pool.take();
        block.clear();
        block.append(bytes);
        self.bytes += bytes.len() as u64;
        self.out.put(Item::Data { offset, block })
    }
}
