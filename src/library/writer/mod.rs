//! Writing a stream to tape so that what is acknowledged can be restored.
//!
//! Owns the order of things on the durability ladder: blocks into the drive's buffer, a sync record,
//! WRITE FILEMARKS without the immediate bit, READ POSITION and TapeAlert, and only then a receipt.
//! Every block since the last confirmed point stays in memory: after a unit attention, a reset, a
//! deferred error or a lost answer the drive is found again, the volume recognised by its label, the
//! last confirmed block read back, and writing goes on from there. At the end of a medium the part is
//! closed with its index and the stream goes on in a part on the next volume.

mod durability;
mod parts;
mod recovery;
mod turns;

use std::collections::VecDeque;
use std::time::Duration;

use ssc::Written;
use uuid::Uuid;

use super::reel::Reel;
use crate::stream::{Abort, Begin, Blame, End, Extent, Fault, Upward};
use crate::volume::block::{self, HEADER_BYTES};
use crate::volume::index::IndexWriter;
use crate::volume::part::PartState;
use crate::volume::{BlockKind, Header, Label};

/// The rung of the durability ladder that a receipt of ours stands for.
pub const ON_TAPE: &str = "on tape";
/// Default stream bytes between two syncs. All of them are held in memory until confirmed.
pub const SYNC_BYTES: u64 = 512 * 1024 * 1024;
/// Default time after which what is written is synced, however little it is.
pub const SYNC_TIME: Duration = Duration::from_secs(60);
/// Recoveries in a row without a confirmed sync, after which the drive is given up.
const RECOVERIES_MAX: u32 = 5;
/// How long a drive may need to be ready again after a reset.
const READY_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Where volumes to write on come from.
pub trait Shelf: Send {
    /// The volume to start on.
    fn first(&mut self) -> Result<Reel, Fault>;

    /// Puts away a volume that is full (or bad) and gives the next one of the same set, freshly
    /// labelled with the next number.
    fn next(&mut self, full: Reel) -> Result<Reel, Fault>;
}

/// How much may be unconfirmed before it is synced; whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncEvery {
    /// Stream bytes; as many are held in memory.
    pub bytes: u64,
    /// Time since the first of them was written, give or take a second.
    pub time: Duration,
}

impl SyncEvery {
    /// Every `bytes`, or after the default time.
    pub fn bytes(bytes: u64) -> SyncEvery {
        SyncEvery { bytes, time: SYNC_TIME }
    }
}

/// A block that is on its way to the medium.
struct Kept {
    kind: BlockKind,
    address: u64,
    offset: u64,
    length: usize,
    checksum: u32,
    bytes: Vec<u8>,
}

/// What became of an attempt to put something on the medium.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Taken,
    /// The medium is full or cannot be written any more; what was not confirmed goes elsewhere.
    Elsewhere,
}

/// Writes one stream, or several that take turns.
pub struct TapeWriter {
    shelf: Box<dyn Shelf>,
    sync: SyncEvery,
    reel: Option<Reel>,
    stream: Begin,
    stream_part: u32,
    /// Stream offset where the present part starts.
    from: u64,
    /// Address of the block that is written next.
    next: u64,
    previous: u32,
    /// Payload gathered for the next data block.
    fill: Vec<u8>,
    filled: usize,
    /// Stream offset of the first byte in `fill`.
    offset: u64,
    /// Stream offset up to which receipts were sent.
    receipted: u64,
    kept: VecDeque<Kept>,
    spare: Vec<Vec<u8>>,
    runs: Vec<Extent>,
    confirmed_runs: usize,
    index: IndexWriter,
    last_sync: Option<u64>,
    data_blocks: u64,
    unsynced_bytes: u64,
    /// When unconfirmed data was first seen, by the clock of `tick`.
    dirty_since: Option<Duration>,
    near_end: bool,
    /// The last kept block was refused for want of room, and no other.
    out_of_room: bool,
    recoveries: u32,
    digest: blake3::Hasher,
    /// Whether a part is begun and not closed.
    open: bool,
    turns: turns::Turns,
    /// After a fault nobody knows where the drive stands: nothing is written any more.
    broken: bool,
}

impl TapeWriter {
    /// A writer that fetches its first volume when the stream begins.
    pub fn new(shelf: Box<dyn Shelf>, sync: SyncEvery) -> TapeWriter {
        TapeWriter {
            shelf,
            sync,
            reel: None,
            stream: Begin::default(),
            stream_part: 0,
            from: 0,
            next: 0,
            previous: 0,
            fill: Vec::new(),
            filled: 0,
            offset: 0,
            receipted: 0,
            kept: VecDeque::new(),
            spare: Vec::new(),
            runs: Vec::new(),
            confirmed_runs: 0,
            index: IndexWriter::default(),
            last_sync: None,
            data_blocks: 0,
            unsynced_bytes: 0,
            dirty_since: None,
            near_end: false,
            out_of_room: false,
            recoveries: 0,
            digest: blake3::Hasher::new(),
            open: false,
            turns: turns::Turns::default(),
            broken: false,
        }
    }

    /// Starts the stream: a volume is fetched and a part begun.
    pub fn begin(&mut self, stream: Begin, up: &mut dyn Upward) -> Result<(), Fault> {
        if stream.partial {
            return Err(Fault::usage("a stream of chosen ranges cannot be stored as a backup"));
        }
        if self.turns.is_edge(&stream) {
            return Ok(());
        }
        self.stream = stream;
        self.turns.begun();
        self.latched(|writer| writer.open_part(up))
    }

    /// Takes the next stream bytes.
    pub fn data(&mut self, bytes: &[u8], up: &mut dyn Upward) -> Result<(), Fault> {
        self.latched(|writer| {
            writer.open_part(up)?;
            writer.gather(bytes, up)
        })
    }

    /// Tells the time since the start: what lies unconfirmed for too long is synced.
    pub fn tick(&mut self, now: Duration, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.broken || self.unsynced_bytes == 0 {
            return Ok(());
        }
        let since = *self.dirty_since.get_or_insert(now);
        match now.saturating_sub(since) < self.sync.time {
            true => Ok(()),
            false => self.latched(|writer| writer.sync(up)),
        }
    }

    /// Runs a step; one that fails is the last one.
    fn latched(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.broken {
            return Err(Fault::later(Blame::Drive, "writing to tape has failed before"));
        }
        let result = step(self);
        self.broken = result.is_err();
        result
    }

    fn gather(&mut self, mut bytes: &[u8], up: &mut dyn Upward) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let room = self.fill.len() - HEADER_BYTES - self.filled;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let at = HEADER_BYTES + self.filled;
            self.fill[at..at + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if now.len() == room {
                self.write_fill(up)?;
                self.sync_if_due(up)?;
            }
        }
        Ok(())
    }

    /// Takes index lines for the part they arrive in.
    pub fn lines(&mut self, lines: &[u8]) {
        self.index.add(lines);
    }

    /// Ends the stream: everything is on tape and receipted when this returns.
    pub fn end(&mut self, end: End, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.turns.are_all_over() {
            return Ok(());
        }
        self.latched(|writer| {
            writer.open_part(up)?;
            writer.flush_fill(up)?;
            writer.close(&PartState::Complete, end.skipped, up)?;
            writer.turns.over();
            Ok(())
        })
    }

    /// Ends a stream that is not whole: what came of it is closed as a fragment.
    pub fn abort(&mut self, abort: &Abort, up: &mut dyn Upward) -> Result<(), Fault> {
        let why = format!("{}: {}", abort.who, abort.why);
        let state = PartState::Aborted { why };
        self.latched_if_sound(|writer| writer.abort_turns(&state, up))
    }

    /// Gives up on the stream that is being written.
    fn abort_stream(&mut self, state: &PartState, up: &mut dyn Upward) -> Result<(), Fault> {
        self.open_part(up)?;
        self.flush_fill(up)?;
        self.close(state, 0, up)
    }

    fn latched_if_sound(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.broken { Ok(()) } else { self.latched(step) }
    }

    /// The block that is written next; after the end of a stream all before it is confirmed.
    pub fn next_block(&self) -> u64 {
        self.next
    }

    /// The volume that was written last.
    pub fn label(&self) -> Option<&Label> {
        self.reel.as_ref().map(|reel| &reel.label)
    }

    fn write_small(
        &mut self,
        kind: BlockKind,
        offset: u64,
        text: &[u8],
        up: &mut dyn Upward,
    ) -> Result<(), Fault> {
        match self.put_payload(kind, offset, text)? {
            Put::Taken => Ok(()),
            Put::Elsewhere => self.go_elsewhere(up),
        }
    }

    fn write_fill(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        let block_bytes = self.fill.len();
        let fresh = self.blank(block_bytes);
        let bytes = std::mem::replace(&mut self.fill, fresh);
        let (offset, length) = (self.offset, self.filled);
        self.offset += length as u64;
        self.filled = 0;
        if self.put_block(BlockKind::Data, offset, bytes, length)? == Put::Elsewhere {
            self.go_elsewhere(up)?;
        }
        match self.near_end || self.index.is_full() {
            true => self.turn_over(up),
            false => Ok(()),
        }
    }

    fn flush_fill(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.filled == 0 { Ok(()) } else { self.write_fill(up) }
    }

    fn blank(&mut self, block_bytes: usize) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| vec![0; block_bytes])
    }

    fn put_payload(&mut self, kind: BlockKind, offset: u64, payload: &[u8]) -> Result<Put, Fault> {
        let mut bytes = self.blank(self.fill.len());
        bytes[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
        self.put_block(kind, offset, bytes, payload.len())
    }

    /// Seals a block for the present place and gives it to the drive. The block is kept until it is
    /// confirmed, also when the medium refused it.
    fn put_block(
        &mut self,
        kind: BlockKind,
        offset: u64,
        mut bytes: Vec<u8>,
        length: usize,
    ) -> Result<Put, Fault> {
        let reel = self.reel.as_mut().expect("a part has a volume");
        let header = Header {
            kind,
            set: reel.label.set_id,
            stream: self.stream.stream.0,
            address: self.next,
            offset,
            volume: reel.label.volume_number,
            part: reel.part,
            previous: self.previous,
        };
        let checksum = block::seal(&mut bytes, &header, length);
        self.kept.push_back(Kept { kind, address: self.next, offset, length, checksum, bytes });
        if self.send_from(self.kept.len() - 1)? == Put::Elsewhere {
            return Ok(Put::Elsewhere);
        }
        let sealed = self.kept.back().map(|kept| &kept.bytes[..HEADER_BYTES]);
        self.digest.update(sealed.unwrap_or_default());
        self.previous = checksum;
        if kind == BlockKind::Data {
            self.note_run(offset, length);
        }
        self.next += 1;
        Ok(Put::Taken)
    }

    fn note_run(&mut self, offset: u64, length: usize) {
        let stride = (self.fill.len() - HEADER_BYTES) as u64;
        self.data_blocks += 1;
        self.unsynced_bytes += length as u64;
        let open = self.runs.len() > self.confirmed_runs;
        match self.runs.last_mut().filter(|run| {
            open && run.to == offset && run.block + (offset - run.from) / stride == self.next
        }) {
            Some(run) => run.to += length as u64,
            None => self.runs.push(Extent {
                from: offset,
                to: offset + length as u64,
                block: self.next,
                stride,
            }),
        }
    }

    /// Gives the kept blocks from `first` on to the drive, which stands where they belong.
    fn send_from(&mut self, first: usize) -> Result<Put, Fault> {
        let mut at = first;
        while at < self.kept.len() {
            let reel = self.reel.as_mut().expect("a part has a volume");
            match reel.drive.write_block(&self.kept[at].bytes) {
                Ok(Written::Fine) => at += 1,
                Ok(Written::EarlyWarning) => {
                    self.near_end = true;
                    at += 1;
                }
                Ok(Written::Full) => {
                    self.out_of_room = at + 1 == self.kept.len();
                    return Ok(self.medium_is_over("it is full"));
                }
                Err(error @ ssc::Error::Medium { .. }) => {
                    return Ok(self.medium_is_over(&error.to_string()));
                }
                Err(error) => match self.recover(&error)? {
                    Some(resume) => at = resume,
                    None => return Ok(Put::Elsewhere),
                },
            }
        }
        Ok(Put::Taken)
    }

    fn medium_is_over(&mut self, why: &str) -> Put {
        let name = self.label().map(Label::name).unwrap_or_default();
        tracing::warn!(
            volume = name,
            block = self.next,
            "{why}; what is not confirmed goes to the next volume"
        );
        self.near_end = true;
        Put::Elsewhere
    }
}

/// A fresh identity and the time, told by whoever runs us.
#[derive(Clone, Copy)]
pub struct Scribe {
    /// Makes an identity.
    pub new_id: fn() -> Uuid,
    /// Seconds since the epoch.
    pub now_s: fn() -> i64,
}
