//! Writing a stream to tape so that what is acknowledged can be restored.
//!
//! Owns the order of things on the durability ladder: blocks into the drive's buffer, a sync record,
//! WRITE FILEMARKS without the immediate bit, READ POSITION and TapeAlert, and only then a receipt.
//! Every block since the last confirmed point stays in memory: after a unit attention, a reset, a
//! deferred error or a lost answer the drive is found again, the volume recognised by its label, the
//! last confirmed block read back, and writing goes on from there. At the end of a medium the part is
//! closed with its index and the stream goes on in a part on the next volume.

use std::collections::VecDeque;

use scsi::BlockAddress;
use ssc::{Immediate, ReadOut, Written};
use uuid::Uuid;

use super::fault::drive_fault;
use super::reel::{Anchor, Found, Reel, identify};
use crate::list::Line;
use crate::stream::{Abort, Begin, Blame, End, Extent, Fault, Place, Receipt, Upward};
use crate::volume::block::{self, HEADER_BYTES};
use crate::volume::index::{self, IndexWriter};
use crate::volume::part::{PartBegin, PartEnd, PartState, PartSync};
use crate::volume::{BlockKind, Header, Label};

/// The rung of the durability ladder that a receipt of ours stands for.
pub const ON_TAPE: &str = "on tape";
/// Default stream bytes between two syncs. All of them are held in memory until confirmed.
pub const SYNC_BYTES: u64 = 512 * 1024 * 1024;
/// Recoveries in a row without a confirmed sync, after which the drive is given up.
const RECOVERIES_MAX: u32 = 5;
/// How long a drive may need to be ready again after a reset.
const READY_LIMIT: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// Where volumes to write on come from.
pub trait Shelf {
    /// The volume to start on.
    fn first(&mut self) -> Result<Reel, Fault>;

    /// Puts away a volume that is full (or bad) and gives the next one of the same set, freshly
    /// labelled with the next number.
    fn next(&mut self, full: Reel) -> Result<Reel, Fault>;
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

/// Writes one stream.
pub struct TapeWriter {
    shelf: Box<dyn Shelf>,
    sync_bytes: u64,
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
    near_end: bool,
    /// The last kept block was refused for want of room, and no other.
    out_of_room: bool,
    recoveries: u32,
    digest: blake3::Hasher,
    /// After a fault nobody knows where the drive stands: nothing is written any more.
    broken: bool,
}

impl TapeWriter {
    /// A writer that fetches its first volume when the stream begins.
    pub fn new(shelf: Box<dyn Shelf>, sync_bytes: u64) -> TapeWriter {
        TapeWriter {
            shelf,
            sync_bytes,
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
            near_end: false,
            out_of_room: false,
            recoveries: 0,
            digest: blake3::Hasher::new(),
            broken: false,
        }
    }

    /// Starts the stream: a volume is fetched and a part begun.
    pub fn begin(&mut self, stream: Begin, up: &mut dyn Upward) -> Result<(), Fault> {
        if stream.partial {
            return Err(Fault::usage("a stream of chosen ranges cannot be stored as a backup"));
        }
        self.stream = stream;
        self.latched(|writer| {
            let reel = writer.shelf.first()?;
            writer.start_part(reel)?;
            writer.write_begin(up)
        })
    }

    /// Takes the next stream bytes.
    pub fn data(&mut self, bytes: &[u8], up: &mut dyn Upward) -> Result<(), Fault> {
        self.latched(|writer| writer.gather(bytes, up))
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
        self.latched(|writer| {
            writer.flush_fill(up)?;
            writer.close(&PartState::Complete, end.skipped, up)
        })
    }

    /// Ends a stream that is not whole: what came of it is closed as a fragment.
    pub fn abort(&mut self, abort: &Abort, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.reel.is_none() || self.broken {
            return Ok(());
        }
        let why = format!("{}: {}", abort.who, abort.why);
        self.latched(|writer| {
            writer.flush_fill(up)?;
            writer.close(&PartState::Aborted { why }, 0, up)
        })
    }

    /// The volume that was written last.
    pub fn label(&self) -> Option<&Label> {
        self.reel.as_ref().map(|reel| &reel.label)
    }

    // ---- parts -------------------------------------------------------------------------------

    fn reel(&mut self) -> &mut Reel {
        self.reel.as_mut().expect("a stream that began has a volume")
    }

    fn start_part(&mut self, reel: Reel) -> Result<(), Fault> {
        let block_bytes = reel.label.block_bytes;
        self.next = reel.anchor.next();
        self.near_end = reel.near_end;
        self.stream_part += 1;
        self.previous = 0;
        self.last_sync = None;
        self.data_blocks = 0;
        self.unsynced_bytes = 0;
        self.runs.clear();
        self.confirmed_runs = 0;
        if self.fill.is_empty() {
            self.fill = vec![0; block_bytes];
        }
        let same = self.fill.len() == block_bytes;
        self.reel = Some(reel);
        match same {
            true => Ok(()),
            false => Err(Fault::never(
                Blame::Operator,
                "the volumes of one stream must have one block size",
            )),
        }
    }

    fn write_begin(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
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
    fn close(&mut self, state: &PartState, skipped: u64, up: &mut dyn Upward) -> Result<(), Fault> {
        loop {
            if self.try_close(state, skipped, up)? == Put::Taken {
                return Ok(());
            }
            self.go_elsewhere(up)?;
        }
    }

    /// Closes the part because the medium or the index comes to its end, and goes on in another.
    fn turn_over(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.try_close(&PartState::Continued, 0, up)? == Put::Elsewhere {
            return self.go_elsewhere(up);
        }
        let reel = self.reel.take().expect("a part has a volume");
        let reel = match self.near_end {
            true => self.shelf.next(reel)?,
            false => Reel { part: reel.part + 1, after_cut: None, ..reel },
        };
        self.start_part(reel)?;
        self.write_begin(up)
    }

    fn try_close(
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

    fn pack_index(&mut self) -> (Vec<u8>, u64) {
        let mut index = std::mem::take(&mut self.index);
        index.add(&self.place_lines(&self.runs));
        let raw_bytes = index.raw_bytes();
        (index.finish(), raw_bytes)
    }

    /// The index did not fit: its lines go into the next part, but for the places of blocks that
    /// will be written again.
    fn unpack_index(&mut self, packed: &[u8], raw_bytes: u64) -> Result<(), Fault> {
        let lines = index::unpack(packed, raw_bytes).map_err(|e| Fault::never(Blame::Ours, e))?;
        let again = self.place_lines(&self.runs);
        let kept = lines.strip_suffix(again.as_slice()).unwrap_or(&lines);
        self.index.add(kept);
        Ok(())
    }

    fn place_lines(&self, runs: &[Extent]) -> Vec<u8> {
        let mut lines = Vec::new();
        for extent in runs {
            let line = Line::Place { extent: *extent, place: self.place(), grade: ON_TAPE.into() };
            line.write(&mut lines);
        }
        lines
    }

    fn place(&self) -> Place {
        let label = self.label().expect("a part has a volume");
        Place { medium: label.name(), volume: Some(label.volume_id), partition: 0 }
    }

    /// The medium refused a block for want of room: what it took before may still be confirmed.
    fn confirm_what_landed(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
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
    fn go_elsewhere(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
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

    // ---- blocks ------------------------------------------------------------------------------

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
        self.unsynced_bytes += length as u64;
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

    // ---- durability --------------------------------------------------------------------------

    fn sync_if_due(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        if self.unsynced_bytes < self.sync_bytes {
            return Ok(());
        }
        let record = PartSync { reached: self.offset, previous: self.last_sync };
        let address = self.next;
        let mut put = self.put_payload(BlockKind::Sync, self.offset, &record.text())?;
        if put == Put::Taken {
            put = self.confirm(0, up)?;
        }
        match put {
            Put::Taken => self.last_sync = Some(address),
            Put::Elsewhere => self.go_elsewhere(up)?,
        }
        match self.near_end {
            true => self.turn_over(up),
            false => Ok(()),
        }
    }

    /// Makes everything so far durable (with `filemarks` filemarks behind it) and sends the receipt.
    fn confirm(&mut self, filemarks: u32, up: &mut dyn Upward) -> Result<Put, Fault> {
        if self.flush(filemarks)? == Put::Elsewhere {
            return Ok(Put::Elsewhere);
        }
        self.acknowledge(filemarks, up)?;
        Ok(Put::Taken)
    }

    /// WRITE FILEMARKS, not immediate, until the drive agrees on the position; recovers as often as
    /// is sensible.
    fn flush(&mut self, filemarks: u32) -> Result<Put, Fault> {
        let wanted = self.next + u64::from(filemarks);
        let mut marks = filemarks;
        loop {
            let reel = self.reel();
            let error = match reel.drive.write_filemarks(marks, Immediate::No) {
                Ok(Written::Full) => return Ok(self.medium_is_over("it is full")),
                Ok(written) => {
                    self.near_end |= written == Written::EarlyWarning;
                    match self.doubt(wanted)? {
                        None => {
                            self.next = wanted;
                            return Ok(Put::Taken);
                        }
                        Some(doubt) => doubt,
                    }
                }
                Err(error @ ssc::Error::Medium { .. }) => {
                    return Ok(self.medium_is_over(&error.to_string()));
                }
                Err(error) => error,
            };
            let Some(first) = self.recover(&error)? else { return Ok(Put::Elsewhere) };
            if self.send_from(first)? == Put::Elsewhere {
                return Ok(Put::Elsewhere);
            }
            // The drive stands behind the last kept block; has the filemark landed already?
            marks = if filemarks > 0 && self.filemark_follows()? { 0 } else { filemarks };
        }
    }

    /// What speaks against believing the flush.
    fn doubt(&mut self, wanted: u64) -> Result<Option<ssc::Error>, Fault> {
        if let Some(error) = self.position_doubt(wanted) {
            return Ok(Some(error));
        }
        match self.reel().drive.alerts() {
            Ok(alerts) => self.refuse_critical(&alerts).map(|()| None),
            Err(error) => Ok(Some(error)),
        }
    }

    fn position_doubt(&mut self, wanted: u64) -> Option<ssc::Error> {
        let drive = &mut self.reel().drive;
        match drive.position() {
            Ok(position)
                if position.block.0 == wanted && position.buffered_objects.unwrap_or(0) == 0 =>
            {
                None
            }
            Ok(position) => Some(ssc::Error::Drive {
                device: drive.name().to_owned(),
                command: "READ POSITION",
                fault: ssc::DriveFault::WrongPlace { wanted, found: position.block.0 },
            }),
            Err(error) => Some(error),
        }
    }

    fn filemark_follows(&mut self) -> Result<bool, Fault> {
        let next = self.next;
        let mut buffer = self.blank(self.fill.len());
        let drive = &mut self.reel().drive;
        let found = match drive.read_block(&mut buffer) {
            Ok(ReadOut::Filemark) => Ok(true),
            Ok(ReadOut::EndOfData) => Ok(false),
            Ok(_) | Err(ssc::Error::Medium { .. }) => {
                drive.locate(BlockAddress(next)).map(|()| false).map_err(|e| {
                    drive_fault(drive, "cannot return to the end of what was written", &e)
                })
            }
            Err(error) => Err(drive_fault(drive, "cannot look behind what was written", &error)),
        };
        self.spare.push(buffer);
        found
    }

    fn refuse_critical(&self, alerts: &[ssc::TapeAlert]) -> Result<(), Fault> {
        let critical: Vec<String> = alerts
            .iter()
            .filter(|a| a.severity == scsi::alert::Severity::Critical)
            .map(ToString::to_string)
            .collect();
        if critical.is_empty() {
            return Ok(());
        }
        let name = self.label().map(Label::name).unwrap_or_default();
        Err(Fault::never(
            Blame::Drive,
            format!("{name}: the drive raised {}; nothing more is promised", critical.join(", ")),
        ))
    }

    fn acknowledge(&mut self, filemarks: u32, up: &mut dyn Upward) -> Result<(), Fault> {
        let last = self.kept.back().map(|kept| (kept.address, kept.checksum));
        if let Some((address, checksum)) = last {
            self.reel().anchor = Anchor { address, checksum, then_filemark: filemarks > 0 };
        }
        self.spare.extend(self.kept.drain(..).map(|kept| kept.bytes));
        self.unsynced_bytes = 0;
        self.recoveries = 0;
        let extents = self.runs[self.confirmed_runs..].to_vec();
        self.confirmed_runs = self.runs.len();
        let digest = std::mem::take(&mut self.digest).finalize().to_hex().to_string();
        let (Some(first), Some(last)) = (extents.first(), extents.last()) else { return Ok(()) };
        let (from, to) = (first.from, last.to);
        self.receipted = to;
        let (stream, place) = (self.stream.stream, self.place());
        up.receipt(Receipt { stream, from, to, grade: ON_TAPE.into(), place, extents, digest })
    }

    // ---- recovery ----------------------------------------------------------------------------

    /// Finds the last confirmed block again and returns which kept block is to be written next, or
    /// `None` when this medium cannot be written any more.
    fn recover(&mut self, error: &ssc::Error) -> Result<Option<usize>, Fault> {
        let mut error = error.clone();
        loop {
            self.recoveries += 1;
            let name = self.label().map(Label::name).unwrap_or_default();
            if self.recoveries > RECOVERIES_MAX || !is_recoverable(&error) {
                let what = format!("cannot write block {} of {name}", self.next);
                return Err(drive_fault(&self.reel().drive, &what, &error));
            }
            tracing::warn!(volume = name, %error, "finding the position again");
            match self.find_position()? {
                Ok(resume) => return Ok(Some(resume)),
                Err(ssc::Error::Medium { .. }) => return Ok(None),
                Err(again) => error = again,
            }
        }
    }

    /// The outer error ends the stream; the inner one is worth another try.
    fn find_position(&mut self) -> Result<Result<usize, ssc::Error>, Fault> {
        macro_rules! inner {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(error) => return Ok(Err(error)),
                }
            };
        }
        let reel = self.reel.as_mut().expect("a part has a volume");
        inner!(wake(&mut reel.drive));
        match inner!(identify(&mut reel.drive)) {
            Found::Ours { label, .. } if label.volume_id == reel.label.volume_id => {}
            found => return Err(changed_medium(&reel.label, &found)),
        }
        let Anchor { address, checksum, then_filemark } = reel.anchor;
        let mut buffer = vec![0; reel.label.block_bytes];
        inner!(reel.drive.locate(BlockAddress(address)));
        let read = inner!(reel.drive.read_block(&mut buffer));
        if !is_block(read, &buffer, checksum) {
            return Err(lost_confirmed_block(&reel.label, address));
        }
        if then_filemark && inner!(reel.drive.read_block(&mut buffer)) != ReadOut::Filemark {
            return Err(lost_confirmed_block(&reel.label, address + 1));
        }
        // What landed stays: some media cannot be written twice.
        let mut landed = 0;
        for kept in &self.kept {
            match reel.drive.read_block(&mut buffer) {
                Ok(read) if is_block(read, &buffer, kept.checksum) => landed += 1,
                Ok(_) | Err(ssc::Error::Medium { .. }) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        let resume = reel.anchor.next() + landed as u64;
        inner!(reel.drive.locate(BlockAddress(resume)));
        Ok(Ok(landed))
    }
}

fn is_recoverable(error: &ssc::Error) -> bool {
    match error {
        ssc::Error::Reset { .. } | ssc::Error::Deferred { .. } | ssc::Error::Drive { .. } => true,
        ssc::Error::Link { fault, .. } => !matches!(fault, ssc::LinkFault::Stranger { .. }),
        ssc::Error::Operator { need, .. } => matches!(need, ssc::Need::Patience | ssc::Need::Load),
        ssc::Error::Medium { .. } | ssc::Error::Unsupported { .. } | ssc::Error::Ours { .. } => {
            false
        }
    }
}

/// Reaches the drive again, medium mounted and modes set.
fn wake(drive: &mut ssc::Drive) -> Result<(), ssc::Error> {
    match drive.ready() {
        Ok(ssc::Readiness::Ready) => {}
        Ok(_) => {
            if drive.wait_ready(READY_LIMIT)? == ssc::Readiness::NeedsLoad {
                drive.load()?;
            }
        }
        Err(error) if error.is_gone() => drive.reopen()?,
        Err(error) => return Err(error),
    }
    drive.configure()
}

fn is_block(read: ReadOut, buffer: &[u8], checksum: u32) -> bool {
    let ReadOut::Block(bytes) = read else { return false };
    block::open(&buffer[..bytes]).is_ok_and(|opened| opened.checksum == checksum)
}

fn changed_medium(label: &Label, found: &Found) -> Fault {
    let now = match found {
        Found::Blank => "a blank one".into(),
        Found::Ours { label, .. } => format!("volume {}", label.name()),
        Found::Foreign { why } => format!("a foreign one ({why})"),
    };
    Fault::never(
        Blame::Operator,
        format!(
            "the medium was changed under us: {} was being written and now there is {now}",
            label.name()
        ),
    )
}

fn lost_confirmed_block(label: &Label, address: u64) -> Fault {
    Fault::never(
        Blame::Medium,
        format!("{}: block {address}, which the drive had confirmed, is not there", label.name()),
    )
    .hint("this drive or medium loses data it has acknowledged: take both out of use, and check the volume")
}

/// A fresh identity and the time, told by whoever runs us.
#[derive(Clone, Copy)]
pub struct Scribe {
    /// Makes an identity.
    pub new_id: fn() -> Uuid,
    /// Seconds since the epoch.
    pub now_s: fn() -> i64,
}
